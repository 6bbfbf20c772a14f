-- Notifications that other CSEs send to a group of this one, for subscriptions that were made there
-- through it with `nfu` (TS-0004 7.4.14.2.3, 7.5.1.2.6; TS-0001 10.2.7.11): each goes into the
-- group's lane for its final target, from which forward.lua sends them together.
--
-- Guarantees: what was answered with 2000 is on disk; an aggregate of another group's host comes
-- apart.  Never: a notification from a CSE that hosts no member; one for a target that no request
-- through this group named, of which the newest MAX_TARGETS are remembered with it.

local cjson = require "moon2m.core.json"
local core = require "moon2m.core.cse"
local json = require "moon2m.json"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local target = require "moon2m.target"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local NAME = "_nfu"              -- of a group: the targets, JSON texts as they were sent on
local MAX_TARGETS = 256
local MAX_EVENTS = 1024          -- of one aggregate

local gather = {}

local function bad(...)
  return rsc.err(rsc.BAD_REQUEST, ...)
end

--- What `nfu` is called at other CSEs; url: as it is.
function gather.name(nfu)
  return target.is_url(nfu) and nfu or path.sp_relative(path.originator(nfu))
end

--- Group g is about to subscribe at other CSEs for a final target (as gather.name gives it).
-- nil, err when that cannot be stored.  Yields.
function gather.expect(g, nfu)
  local known, list = tree.value(g, NAME) or {}, {}
  if known[#known] == nfu then return true end
  for _, one in ipairs(known) do
    if one ~= nfu then list[#list + 1] = one end
  end
  list[#list + 1] = nfu
  if #list > MAX_TARGETS then table.remove(list, 1) end
  return write.attribute(g, NAME, json.encode(json.array(list)))
end

-- Whether a CSE hosts a member of the group.
local function hosts_member(g, csi)
  for _, address in ipairs(tree.value(g, "mid")) do
    local a = path.parse(address)
    if a and a.remote and a.remote:sub(1, #csi + 1) == csi .. "/" then return true end
  end
  return false
end

-- The notifications (JSON texts of m2m:sgn) in a content; nil, err.
local function notifications(pc)
  local outer = cjson.type(pc) == "object" and cjson.members(pc) or {}
  if outer["m2m:sgn"] then return { outer["m2m:sgn"] } end
  local agn = outer["m2m:agn"]
  local inner = agn and cjson.type(agn) == "object" and cjson.members(agn) or {}
  local text = inner["m2m:sgn"] or inner.sgn
  local list = text and cjson.type(text) == "array" and cjson.elements(text)
  if not list or not list[1] then
    return nil, bad("pc: expected an m2m:sgn, or an m2m:agn with some of them")
  end
  if #list > MAX_EVENTS then
    return nil, bad("pc: more than %d notifications in an aggregate", MAX_EVENTS)
  end
  return list
end

local function text_of(raw)
  return raw and cjson.type(raw) == "string" and cjson.string(raw) or nil
end

-- The final targets' lanes of one notification: a list, empty for what is no event; nil, err.
-- Yields.
local function lanes_of(g, who, sgn)
  if cjson.type(sgn) ~= "object" then return nil, bad("m2m:sgn: expected an object") end
  local m = cjson.members(sgn)
  if m.vrq == "true" or m.sud == "true" then return {} end
  local sur, nfu = text_of(m.sur), text_of(m.nfu)
  if not sur or sur:sub(1, #who + 1) ~= who .. "/" then
    return nil, bad("sur: expected a subscription of %s, SP-relative", who)
  end
  if not nfu then return nil, bad("nfu: missing, mandatory in a notification to a group") end
  local known = false
  for _, one in ipairs(tree.value(g, NAME) or {}) do known = known or one == nfu end
  if not known then
    return nil, rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE,
      "nfu: no subscription through this group is for %s", nfu)
  end
  local list = target.all(nfu) or {}
  for i, to in ipairs(list) do list[i] = target.lane(g.id, to) end
  return list
end

-- One event for each notification that has lanes.
local function events_of(g, list, lanes)
  local events, sur = {}, path.sp_relative(g.ri)
  for i, sgn in ipairs(list) do
    local audience = core.audience()
    for _, lane in ipairs(lanes[i]) do audience:add(g.id, sur, nil, lane) end
    if audience:size() > 0 then
      events[#events + 1] = core.event(audience, { frame = "primitive" },
        '{"m2m:sgn":' .. sgn .. "}")
    end
  end
  return events
end

--- A NOTIFY to a group: rsc 2000 when its notifications are kept | nil, err.  Yields.
function gather.received(req, g)
  local who = req.who
  if who:byte() ~= 47 or not hosts_member(g, who) then
    return nil, rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE,
      "to: %s hosts no member of this group", who)
  end
  local list, e = notifications(req.pc)
  if not list then return nil, e end
  local lanes = {}
  for i, sgn in ipairs(list) do
    lanes[i], e = lanes_of(g, who, sgn)
    if not lanes[i] then return nil, e end
  end
  local events = events_of(g, list, lanes)
  if not events[1] then return rsc.OK end
  local ok, why = write.commit({}, events)
  if not ok then return nil, why end
  return rsc.OK
end

return gather
