-- Announced resources (TS-0001 9.6.26): who may make, change and delete one.
-- Guarantees: only the CSE that hosts the original does; whoever the copy's policies name reads it.

local core = require "moon2m.core.json"
local announced = require "moon2m.announced"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"

local CSE_BASE, REMOTE_CSE = 5, 16
local CREATE, UPDATE, DELETE = 1, 4, 8         -- privileges, as in acop

local procedures = {}

local function is_cse(who)
  return who:find("^/[^/]+$") ~= nil or who:find("^//[^/]+/[^/]+$") ~= nil
end

local function owner_of(r)
  return announced.cse_of(core.string(r.raw.lnk))
end

function procedures.access(r, op, req, child_ty)
  local owns = req.who == owner_of(r)
  if op == UPDATE or op == DELETE then return owns end
  if op == CREATE and child_ty and announced.is(child_ty) then return owns end
  return owns or nil
end

--- Whether req may create an announced resource below parent: nil, or a 4103; check(parent) asks
-- the policies.  The CSEBase takes them from every CSE that is registered, a remoteCSE from its
-- own.  privileged: the originator may do everything.
function procedures.refused(req, parent, privileged, check)
  if privileged then return nil end
  if not is_cse(req.who) then
    return rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE,
      "%s may not announce anything, only CSEs do", req.who)
  end
  if parent.ty == CSE_BASE or parent.ty == REMOTE_CSE and parent.key == req.who then return nil end
  local ok, e = check(parent)
  return not ok and e or nil
end

-- lnk names something that the announcing CSE hosts.
local function check_link(lnk, who)
  if not is_cse(who) or who == path.configured() or announced.cse_of(lnk) == who then
    return nil
  end
  return rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE, "lnk: %s is not hosted by %s", lnk, who)
end

function procedures.create(ctx, _, new)
  local e = check_link(new.values.lnk, ctx.originator)
  return not e, e
end

function procedures.update(ctx, _, new)
  local e = new.values.lnk and check_link(new.values.lnk, ctx.originator)
  return not e, e or nil
end

function procedures.unknown(root)
  return rsc.err(rsc.BAD_REQUEST, "pc: %s is of no announced resource that this CSE knows", root)
end

return procedures
