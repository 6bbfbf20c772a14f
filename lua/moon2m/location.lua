-- Positions of devices for locationPolicies (TS-0001 10.2.9, device based): a policy follows the
-- location (loc) of the AE that made it.  Every period of lou, counted from the policy's creation,
-- or when `la` of its container is asked for, the position becomes an instance there; with lit 2 an
-- instance tells of an event at the border of the target area instead.
-- Guarantees: what a period brings is of the time when it is written; what was inside before a
-- restart is known after it.

local cjson = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local geometry = require "moon2m.geometry"
local path = require "moon2m.path"
local schema = require "moon2m.schema"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local POLICY = 10
local GEOFENCE = 2
local ENTERING, LEAVING, INSIDE = 1, 2, 3
local HOUR, MARGIN = 3600, 0.002 -- s

local location = {}

local periods = {}               -- number of a policy -> { timer, at = us of the next turn }
local followed = {}              -- AE-ID -> { [number of a policy] = true }: told of each change

-- ---- areas --------------------------------------------------------------------------------------

--- The target area of a `gta`: an object { typ, crd } of a polygon or several, or the coordinates
-- of a polygon as an array or a text.  nil, reason.
function location.area(raw)
  local c = raw:byte()
  if c == 123 then
    local v, why = schema.location.check(raw)
    if not v then return nil, why end
    if v.typ ~= 3 and v.typ ~= 6 then return nil, "typ: not a polygon (3) nor several (6)" end
    return geometry.parse(v.typ, v.crd)
  end
  if c ~= 91 and c ~= 34 then return nil, "expected a location (object) or coordinates" end
  return geometry.parse(3, c == 34 and cjson.string(raw) or raw)
end

-- ---- positions ----------------------------------------------------------------------------------

--- A request of this CSE's own.  rsc, pc.  Yields.
function location.perform(req)
  req.fr, req.via, req.rvi = path.configured(), "script", "4"
  req.rqi = "location-" .. sys.random(6)
  return require("moon2m.dispatch").perform(req)
end

-- The location of who made the policy, as JSON text, or nil.  Yields.
local function position(r)
  local ae = r.creator and tree.by_aei(r.creator)
  return ae and ae.raw.loc
end

local function add(r, con)
  location.perform { op = 1, to = tree.value(r, "loi"), ty = 4,
    pc = '{"m2m:cin":{"con":' .. con .. "}}" }
end

local function state(r, text)
  if r.raw.lost ~= text then write.attribute(r, "lost", text) end
end

-- The number of the event that a position is for a policy of geofence events, or nil.
local function event_of(r, loc)
  local at, area = schema.location.check(loc), location.area(r.raw.gta)
  local inside = geometry.contains(area, geometry.parse(at.typ, at.crd))
  local was, want = r.raw._inside, tonumber(r.raw.gec)
  if tostring(inside) ~= was then write.attribute(r, "_inside", tostring(inside)) end
  local is
  if want == ENTERING then
    is = inside and was == "false"
  elseif want == LEAVING then
    is = not inside and was == "true"
  else
    is = inside == (want == INSIDE)
  end
  return is and want
end

-- Looks where the device is and writes what there is to write.  changed: only when that is not what
-- the newest instance says.  Yields.
local function look(r, changed)
  local loc = position(r)
  if not loc then return state(r, '"no position is known"') end
  state(r, '"located"')
  if tonumber(r.raw.lit) == GEOFENCE then
    local number = event_of(r, loc)
    if number then add(r, tostring(number)) end
    return
  end
  local container = tree.resolve(tree.value(r, "loi"))
  local newest = changed and container and tree.latest(container)
  if newest and newest.raw.con == loc then return end
  add(r, loc)
end

-- ---- when ---------------------------------------------------------------------------------------

-- The period of a policy in microseconds; nil: it has none.
local function period(r)
  local lou = tree.value(r, "lou")
  local us = lou and sys.parse_duration(lou[1])
  return us and us > 0 and us or nil
end

local turn

-- At most a period: a clock that was set back does not make it longer.
local function arm(id, p)
  local wait = math.min((p.at - sys.now()) / 1e6, p.every / 1e6, HOUR) + MARGIN
  p.timer = timers.after(math.max(wait, MARGIN), function() return turn(id, p) end)
end

local function next_at(r, every)
  return r.ct + (math.floor((sys.now() - r.ct) / every) + 1) * every
end

function turn(id, p)
  local r = tree.by_id(id)
  if periods[id] ~= p then return end
  local every = r and period(r)
  if not every then
    periods[id] = nil
    return
  end
  local due = sys.now() >= p.at
  p.at, p.every = next_at(r, every), every
  if due then look(r) end
  if periods[id] == p then arm(id, p) end
end

local function forget(r)
  local p = periods[r.id]
  if p and p.timer then timers.cancel(p.timer) end
  periods[r.id] = nil
  local set = r.creator and followed[r.creator]
  if set then
    set[r.id] = nil
    if not next(set) then followed[r.creator] = nil end
  end
end

--- Policy r is there, or another now.  first: it was created or changed, not only found at start;
-- then one for events looks at once, so that it knows where it begins.
function location.set(r, first)
  forget(r)
  if first and tonumber(r.raw.lit) == GEOFENCE then
    timers.spawn(function()
      local there = tree.by_id(r.id)
      if there then look(there) end
    end)
  end
  local every = period(r)
  if every then
    local p = { at = next_at(r, every), every = every }
    periods[r.id] = p
    arm(r.id, p)
  elseif tonumber(r.raw.lit) == GEOFENCE and r.creator then
    followed[r.creator] = followed[r.creator] or {}
    followed[r.creator][r.id] = true
  end
end

--- It was deleted: its container goes too.  Yields.
function location.deleted(r)
  forget(r)
  location.perform { op = 4, to = tree.value(r, "loi") }
end

--- An AE was updated: the policies for events that follow it look.  Never yields.
function location.changed(ae)
  local set = ae.key and followed[ae.key]
  if not set then return end
  timers.spawn(function()
    local ids = {}
    for id in pairs(set) do ids[#ids + 1] = id end
    for _, id in ipairs(ids) do
      local r = tree.by_id(id)
      if r then look(r) else set[id] = nil end
    end
  end)
end

--- `la` of a container with `li` is asked for: without a period the position is taken now.  Yields.
function location.asked(container)
  local r = tree.resolve(tree.value(container, "li"))
  if r and r.ty == POLICY and not period(r) and tonumber(r.raw.lit) ~= GEOFENCE then
    look(r, true)
  end
end

--- Start only.  Yields.
function location.open()
  for r in tree.all(POLICY) do location.set(r) end
end

return location
