-- NOTIFY (TS-0004 7.3.3.9): to an AE it is passed on and the AE's answer comes back; to the
-- CSEBase it ends here, the scripts' handlers see it; to a crossResourceSubscription it counts as
-- the notification of one of its subscriptions; a group takes those of its members at other CSEs
-- (gather.lua).  Nothing else takes notifications.  What a CSE
-- reports of its references to AEs goes into the AEContactList (contact.lua).

local json = require "moon2m.core.json"
local access = require "moon2m.access"
local contact = require "moon2m.contact"
local cross = require "moon2m.cross"
local gather = require "moon2m.gather"
local polling = require "moon2m.polling"
local rsc = require "moon2m.rsc"
local script = require "moon2m.script"

local AE, CSE_BASE, GROUP, CROSS = 2, 5, 9, 48
local ROOTS = { ["m2m:sgn"] = true, ["m2m:agn"] = true, ["m2m:rsp"] = true, ["m2m:seci"] = true,
  ["m2m:tsbn"] = true }

local op = {}
local answer_time = 10

--- seconds an AE has to answer.
function op.configure(seconds)
  answer_time = seconds
end

local function check_content(pc)
  if not pc then return rsc.err(rsc.BAD_REQUEST, "pc: missing, mandatory in a NOTIFY") end
  local outer, names = json.members(pc)
  if not outer then return rsc.err(rsc.BAD_REQUEST, "pc: %s", names) end
  if #names ~= 1 or not ROOTS[names[1]] then
    return rsc.err(rsc.BAD_REQUEST,
      "pc: expected one of m2m:sgn, m2m:agn, m2m:rsp, m2m:seci, m2m:tsbn")
  end
end

-- A registered CSE's report of its references to AEs needs no privilege.  true when it was one;
-- nil, err.
local function reported(req, target)
  if target.ty ~= CSE_BASE or not req.pc then return false end
  local report, e = contact.report(req.pc)
  if e then return nil, e end
  if not report then return false end
  if not req.cse then
    return nil, rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE, "aerid: only a registered CSE reports")
  end
  e = contact.reported(req.who, report)
  if e then return nil, e end
  return true
end

--- NOTIFY.  rsc, pc | nil, err.  Yields.
function op.perform(req, target)
  local ty = target.ty
  if ty == GROUP and not target.virtual then
    local e = check_content(req.pc)
    if e then return nil, e end
    return gather.received(req, target)
  end
  if target.virtual or ty ~= AE and ty ~= CSE_BASE and ty ~= CROSS then
    return nil, rsc.err(rsc.OPERATION_NOT_ALLOWED,
      "to: only an AE, the CSEBase, a group or a crossResourceSubscription takes a NOTIFY")
  end
  local ok, e = reported(req, target)
  if e then return nil, e end
  if ok then return rsc.OK end
  ok, e = access.check(target, access.NOTIFY, req)
  if not ok then return nil, e end
  e = check_content(req.pc)
  if e then return nil, e end
  local code, pc = rsc.OK, nil
  if target.ty == AE then
    code, pc = polling.ask(target.ri, req.pc, tonumber(req.ec), answer_time, req)
    if code == 0 then
      return nil, rsc.err(rsc.TARGET_NOT_REACHABLE, "to: %s is not reachable, or gave no answer",
        target.ri)
    end
  end
  if ty == CROSS then
    code, pc = cross.notified(target, req.pc)
    if not code then return nil, pc end
  end
  if script.has.on then
    script.happened(script.event("notify", "/" .. target.path, req, req.pc))
  end
  return code, pc
end

return op
