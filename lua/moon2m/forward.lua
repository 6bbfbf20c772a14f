-- Notices of subscriptions that were made through a group with nfu: the group's host gathers them
-- per final target and forwards them together as m2m:agn (TS-0004 7.5.1.2.6, TS-0001 10.2.7.11).
-- A notice goes into the group's lane for its target, in the transaction of the event, and is taken
-- out by the transaction that stores the aggregate: it survives kill -9, in order, and is in one of
-- the two.  A window opens with the first notice and ends with nar.num of them (cnm, the number of
-- members) or after nar.dur, counted from its first notice, over a restart too.
-- From there on the aggregate is a notice like any other: kept while the target is away; what the
-- target answers is accounted to the group.  `exc` counts what was forwarded.

local core = require "moon2m.core.cse"
local cjson = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local aggregate = require "moon2m.aggregate"
local expire = require "moon2m.expire"
local members = require "moon2m.members"
local path = require "moon2m.path"
local target = require "moon2m.target"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local DUR = 10                   -- s of a window when the group does not say
local MAX_NUM = 1000             -- notices in one aggregate
local RETRY = 1                  -- s until it is tried again after the store failed

local forward = {}
local windows = {}               -- key of a lane -> { num, timer, busy }

local function group_of(key)
  local id, to = target.of_lane(key)
  local g = id and tree.by_id(id)
  return g and members.group_of(g), to
end

-- How many notices and seconds end a window.
local function policy(g)
  local nar = tree.value(g, "nar") or {}
  local num = nar.num or tree.value(g, "cnm")
  local dur = nar.dur and sys.parse_duration(nar.dur) / 1e6 or DUR
  return math.max(1, math.min(num, MAX_NUM)), dur
end

-- ---- aggregates ---------------------------------------------------------------------------------

-- How many of the notices there are of each subscription: number -> count.
local function count(list)
  local counts = {}
  for _, item in ipairs(list) do
    local sgn = cjson.member(item.body, "m2m:sgn")
    local sur = sgn and cjson.member(sgn, "sur")
    local id = sur and path.parse_ri(path.originator(cjson.string(sur)))
    if id then counts[id] = (counts[id] or 0) + 1 end
  end
  return counts
end

-- Takes what is in the lane, at most num.  False: the store failed.  Yields.
local function send(key, num)
  local g, to = group_of(key)
  if not g then
    core.lane_drop(key, "all", "forgotten")
    return true
  end
  local list = core.lane_read(key, num)
  if not list then return false end
  if not list[1] then return true end
  local audience, events, last = core.audience(), {}, list[#list].id
  audience:add(g.id, path.sp_relative(g.ri), nil, to)
  for i, unit in ipairs(aggregate.together(list)) do
    events[i] = core.event(audience, { frame = "primitive" }, unit.body)
  end
  local ok, e = write.commit({ { "lane_done", key, last } }, events)
  if not ok then
    sys.log("error", "forward", e.msg)
    return false
  end
  core.lane_done(key, last)
  for id, n in pairs(count(list)) do expire.delivered(id, n) end
  return true
end

-- ---- windows ------------------------------------------------------------------------------------

-- A window is over.  Yields.
local function over(key)
  local w = windows[key]
  if not w or w.busy then return end
  w.busy = true
  timers.cancel(w.timer)
  local ok, done = pcall(send, key, w.num)
  windows[key] = nil
  if not ok then sys.log("error", "forward", tostring(done)) end
  if not ok or not done then
    timers.after(RETRY, function() return forward.lane(key) end)
  elseif core.lane_waiting(key) > 0 then
    return forward.lane(key)
  end
end

-- The first notice is there: a window opens.  Yields.
local function open(key)
  local g = group_of(key)
  if windows[key] then return end
  if not g then return core.lane_drop(key, "all", "forgotten") end
  local num, dur = policy(g)
  local at = core.lane_oldest(key)
  local left = math.max(0, dur - (at and math.max(0, (sys.now() - at) / 1e6) or 0))
  windows[key] = { num = num, timer = timers.after(left, function() return over(key) end) }
end

local function look(key)
  if not windows[key] then open(key) end
  local w = windows[key]
  if not w or w.busy then return end
  if core.lane_waiting(key) >= w.num then return over(key) end
  core.lane_watch(key, w.num)
end

--- Entry of the C core for lanes of this kind: notices wait.  It is told once, so what fails is
-- tried again.  Yields.
function forward.lane(key)
  local ok, why = pcall(look, key)
  if ok then return end
  sys.log("error", "forward", tostring(why))
  timers.after(RETRY, function() return forward.lane(key) end)
end

-- A group that is gone, or has another policy: its windows end now.
members.on_change(function(id)
  for key in pairs(windows) do
    if id == target.of_lane(key) then timers.spawn(function() return over(key) end) end
  end
end)

return forward
