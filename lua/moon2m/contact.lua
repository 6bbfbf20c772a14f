-- The AEContactList (TS-0001 9.6.45, TS-0004 7.5.1.2.17): a CSE that is registered here reports by
-- a NOTIFY to the CSEBase ("aerid") that it has a new reference to an AE, another one, or none any
-- more.  The list and the CSE's part of it are made at the first report.

local core = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local event = require "moon2m.event"
local json = require "moon2m.json"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local tree = require "moon2m.tree"
local turns = require "moon2m.turns"
local types = require "moon2m.types"
local write = require "moon2m.write"

local BASE, LIST, PER_CSE = 1, 43, 44
local NAME = "AEContactList"
local MAX_AES = 10000

local contact = {}

-- ---- the report ---------------------------------------------------------------------------------

-- The identifier in a trackingID, nil for null or absent; nil, err.
local function identifier(sgn, name)
  local text = sgn[name]
  if not text or text == "null" then return nil end
  local id, why = types.by_ty[2].attr.nl.check(text)
  if not id then return nil, rsc.err(rsc.BAD_REQUEST, "%s: %s", name, why) end
  return path.sp_relative(id)
end

--- What a NOTIFY's content reports: { before, after } (identifiers, either nil); nil when it is no
-- report; nil, err.
function contact.report(pc)
  local outer = core.members(pc)
  local sgn = outer and outer["m2m:sgn"] and core.members(outer["m2m:sgn"])
  if not sgn then return nil end
  if sgn.aerp == "true" then
    return nil, rsc.err(rsc.NOT_IMPLEMENTED,
      "aerp: the tracking of registration points is not supported by this CSE")
  end
  if sgn.aerid ~= "true" then return nil end
  local before, e = identifier(sgn, "tid1")
  if e then return nil, e end
  local after
  after, e = identifier(sgn, "tid2")
  if e then return nil, e end
  if not before and not after then
    return nil, rsc.err(rsc.BAD_REQUEST, "aerid: tid1 or tid2 is needed")
  end
  return { before = before, after = after }
end

-- ---- the resources ------------------------------------------------------------------------------

local function child(parent, ty, test)
  for r in tree.children(parent, ty) do
    if not test or test(r) then return r end
  end
end

local function make(parent, ty, rn, raw)
  event.entry(parent)
  local id, now = tree.next_id(), sys.now()
  local p = parent.path == "" and rn or parent.path .. "/" .. rn
  if tree.resolve(path.structured(p)) then
    rn = types.by_ty[ty].root:match(":(.*)$") .. "_" .. path.ri(id)
    p = parent.path == "" and rn or parent.path .. "/" .. rn
  end
  raw._cr = json.encode((path.configured()))
  local r = { id = id, pid = parent.id, ty = ty, type = types.by_ty[ty], ri = path.ri(id),
    pi = parent.ri, rn = rn, path = p, ct = now, lt = now, st = 0, raw = raw }
  tree.add(r)
  local events = parent.events and parent.events.by_net[3] and event.prepare(parent, 3, r,
    { originator = (path.configured()) })
  local ok, e = write.commit({ { "put", tree.row(r) } }, events, r, parent)
  if ok then return r end
  tree.remove(r)
  return nil, e
end

local function list_of_cses()
  local base = tree.by_id(BASE)
  local list = child(base, LIST)
  if list then return list end
  return make(base, LIST, NAME, { nic = "0" })
end

local function part_of(list, csi)
  local quoted = json.encode(csi)
  local part = child(list, PER_CSE, function(r) return r.raw.csi == quoted end)
  if part then return part end
  return make(list, PER_CSE, csi:sub(2), { csi = quoted, ail = "[]" })
end

local function count(list)
  local n = 0
  for r in tree.children(list, PER_CSE) do
    if r.raw.ail ~= "[]" then n = n + 1 end
  end
  return n
end

-- The AEs after a report; nil when there would be too many.
local function changed(aes, report)
  local out, there = json.array {}, false
  for _, id in ipairs(aes) do
    if id ~= report.before then out[#out + 1] = id end
    there = there or id == report.after
  end
  if report.after and not there then out[#out + 1] = report.after end
  return #out <= MAX_AES and out or nil
end

local function apply(csi, report)
  local list, e = list_of_cses()
  if not list then return e end
  local part
  part, e = part_of(list, csi)
  if not part then return e end
  local aes = changed(tree.value(part, "ail"), report)
  if not aes then
    return rsc.err(rsc.NOT_ACCEPTABLE, "aerid: more than %d AEs of %s", MAX_AES, csi)
  end
  local ok
  ok, e = write.attribute(part, "ail", json.encode(aes))
  if not ok then return e end
  local n = ("%d"):format(count(list))
  if list.raw.nic ~= n then ok, e = write.attribute(list, "nic", n) end
  return not ok and e or nil
end

--- The CSE csi reports.  nil, or an err.  Yields.
function contact.reported(csi, report)
  return turns.take("contact", apply, csi, report)
end

return contact
