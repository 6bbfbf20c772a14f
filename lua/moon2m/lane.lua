-- Lets notices out of lanes: batches when they are complete, at most so many per window, none while
-- the schedule is closed (TS-0001 10.2.10.7; states of TS-0004 7.5.1.2.2 steps 3 to 6).  What waits
-- is in the store; here are only clocks and counts.  Over a restart a batch keeps the time of its
-- oldest notice, a rate limit its window (window.lua).
-- Guarantees: order per subscription and target; a notice leaves its lane in the transaction that
-- stores what becomes of it, so a crash neither loses nor doubles it; one task per lane at a time.

local core = require "moon2m.core.cse"
local sys = require "moon2m.core.sys"
local aggregate = require "moon2m.aggregate"
local classes = require "moon2m.classes"
local node = require "moon2m.node"
local opening = require "moon2m.opening"
local path = require "moon2m.path"
local policy = require "moon2m.policy"
local target = require "moon2m.target"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"
local window = require "moon2m.window"
local write = require "moon2m.write"

local NODE, SCHEDULE, SUBSCRIPTION = 14, 18, 23
local READ = 1024                -- notices of one aggregate at most
local SOME = 64                  -- notices of one transaction, when they go one by one
local TIDY = 10                  -- s between looks at what pn 1 leaves out
local RETRY = 1                  -- s after a failure
local PATIENCE = 5               -- s that a stop or a deletion waits
local AT_ONCE = { bn = { dur = 0 } }
local REPLACED, PENDING = "replaced", "policy"
-- The last batch of a deleted subscription is delivered under a number that no resource has.
local GHOST = 2 ^ 52

local lane = {}

local lanes = {}                 -- key -> state
local of_sub = {}                -- number of a subscription -> { key = true }
local early = {}                 -- keys that were told before the start was over
local ready = false
local max_count = 10000

--- n: notices that are kept per target; a batch is never larger.
function lane.configure(n)
  max_count = n
end

local function state(key)
  local l = lanes[key]
  if l then return l end
  local id, to = key:match("^lane:(%d+):(.+)$")
  if not id then return nil end
  l = { key = key, id = tonumber(id), to = to, window = window.take(key) }
  lanes[key] = l
  of_sub[l.id] = of_sub[l.id] or {}
  of_sub[l.id][key] = true
  return l
end

local function forget(l)
  lanes[l.key] = nil
  local keys = of_sub[l.id]
  keys[l.key] = nil
  if not next(keys) then of_sub[l.id] = nil end
end

-- ---- what holds them back -----------------------------------------------------------------------

-- A subscription that went with what it was for keeps what waits: it is sent at once.  Yields.
local function policies(l)
  local sub = tree.by_id(l.id)
  if sub and sub.ty == SUBSCRIPTION then
    l.cr = sub.raw.cr and tree.value(sub, "cr")
    l.p = policy.of(sub)
    return l.last_batch and not l.p.bn and setmetatable({ bn = AT_ONCE.bn }, { __index = l.p })
      or l.p
  end
  return l.p and l.p.bn and AT_ONCE or {}
end

-- When the batch of what waits began: with its oldest notice, which may be older than this process.
local function began(l, p, now)
  local at = core.lane_oldest(l.key)
  local age = at and math.max(0, sys.now() - at) or 0
  return now - math.min(age, p.bn.dur)
end

-- Seconds until the batch is complete, nil when l.due notices make one.
local function gather(l, p, n, now)
  if not p.bn then
    l.due = nil
    return nil
  end
  if l.due then
    l.due = math.min(l.due, n)
    return nil
  end
  local num = p.bn.num and math.min(p.bn.num, max_count)
  l.since = l.since or began(l, p, now)
  if num and n >= num then
    l.due = num
  elseif l.flush or now >= l.since + p.bn.dur then
    l.due = n
  else
    core.lane_watch(l.key, num or 0)
    return (l.since + p.bn.dur - now) / 1e6
  end
end

local function keep_newest(l)
  core.lane_drop(l.key, "but newest", REPLACED)
  if l.due then l.due = 1 end
end

-- The entries of a schedule that is closed now, the subscription's or that of the target's node;
-- nil: both are open.
local function closed_by(l, p, now)
  local own, its = policy.schedule(p, l.id), node.schedule(l.to)
  if own and not opening.covers(own, now) then return own end
  return its and not opening.covers(its, now) and its or nil
end

-- Seconds until the schedule opens, nil when it is open; what pn does not keep is dropped.
local function closed(l, p, n)
  local now = sys.now()
  local list = closed_by(l, p, now)
  if not list then
    if l.newest and n > 1 then keep_newest(l) end
    return nil
  end
  if not p.pn then
    core.lane_drop(l.key, "all", PENDING)
    return 0
  end
  local seconds = opening.seconds(list, now)
  l.newest = p.pn == 1 or nil
  if l.newest then
    if n > 1 then keep_newest(l) end
    seconds = math.min(seconds, TIDY)
  end
  return seconds
end

-- How many may be sent in this window, and the seconds until the next one.
local function budget(l, p, now)
  local rl, w = p.rl, l.window
  if not rl or l.flush == "delete" then return math.huge, 0 end
  if not w then return rl.mnn, 0 end
  local gone = math.floor((now - w.start) / rl.tww)
  if gone > 0 then
    w.start = w.start + gone * rl.tww
    w.used = 0
  end
  return rl.mnn - w.used, (w.start + rl.tww - now) / 1e6
end

-- ---- letting go ---------------------------------------------------------------------------------

-- Of a batch with ln only its newest is sent: true when items are what is to be sent.
local function newest_of(l, items)
  local ids = {}
  for i, item in ipairs(items) do ids[i] = item.id end
  if #items == l.due then ids[#ids] = nil end
  core.lane_drop(l.key, ids, REPLACED)
  l.due = l.due - #ids
  for i = 1, #ids do table.remove(items, #ids + 1 - i) end
  return items[1] ~= nil
end

local function event_of(l, p, unit)
  local audience = core.audience()
  local id = l.flush == "delete" and GHOST + l.id or l.id
  audience:add(id, path.sp_relative(path.ri(l.id)), l.cr, l.to)
  return core.event(audience, { frame = unit.raw and "raw" or "primitive", binary = unit.binary,
    type = unit.type, ec = policy.category_out(p, l.newest), count = unit.count }, unit.body)
end

-- The window with n more notices in it, nil without a rate limit.
local function charged(l, p, n, now)
  if not p.rl then return nil end
  local w = l.window or { start = now, used = 0 }
  return { start = w.start, used = w.used + n }
end

-- One transaction: the notices leave the lane and are stored for their target.  nil: go on.
local function send(l, p, units, now)
  local last, events, count = nil, {}, 0
  for i, unit in ipairs(units) do
    events[i] = event_of(l, p, unit)
    last, count = unit.last, count + unit.count
  end
  local w = charged(l, p, #units, now)
  local ok = write.commit({ { "lane_done", l.key, last },
    w and l.flush ~= "delete" and window.row(l.key, w, p.rl.tww) or nil }, events)
  if not ok then return RETRY end
  core.lane_done(l.key, last)
  l.newest = nil
  if l.due then l.due = l.due > count and l.due - count or nil end
  if not l.due then l.since, l.last_batch = nil, nil end
  l.window = w or l.window
end

-- nil: go on, or seconds to wait.  Yields.
local function release(l, p, room, now)
  if p.ln and not p.bn then core.lane_drop(l.key, "but newest", REPLACED) end
  local items, why = core.lane_read(l.key, p.bn and math.min(l.due, READ) or math.min(room, SOME))
  if not items then error(why, 0) end
  if not items[1] then return nil end
  if p.ln and p.bn and not newest_of(l, items) then return nil end
  local units = p.bn and not p.ln and aggregate.together(items) or aggregate.each(items)
  for i = #units, room + 1, -1 do units[i] = nil end
  return send(l, p, units, now)
end

-- Nothing waits.  The window still counts.
local function rest(l, now)
  l.since, l.due, l.newest, l.last_batch = nil, nil, nil, nil
  local w, rl = l.window, l.p and l.p.rl
  local left = w and rl and w.start + rl.tww - now or 0
  return left > 0 and left / 1e6 or false
end

-- One look at a lane: nil: another one, seconds: then, false: nothing is left.  Yields.
local function look(l)
  local p = policies(l)
  local n, now = core.lane_waiting(l.key), sys.mono()
  if n == 0 then return rest(l, now) end
  local wait = gather(l, p, n, now)
  if wait then return wait end
  wait = closed(l, p, n)
  if wait then return wait > 0 and wait or nil end
  local room
  room, wait = budget(l, p, now)
  if room >= 1 then return release(l, p, room, now) end
  if p.ln and n > 1 then keep_newest(l) end
  return wait
end

local function run(l)
  local wait
  repeat wait = look(l) until wait ~= nil
  return wait
end

-- ---- waking -------------------------------------------------------------------------------------

--- Entry of the C core: a lane got a notice, or as many as lane_watch waits for.  Returns when the
-- lane waits for something.  Yields.
function lane.wake(key)
  if not ready then
    early[key] = true
    return
  end
  local l = state(key)
  if not l then return end
  l.again = true
  if l.running then return end
  l.running = true
  local wait
  while l.again do
    l.again = false
    if l.timer then timers.cancel(l.timer) end
    l.timer = nil
    local ok
    ok, wait = pcall(run, l)
    if not ok then
      sys.log("error", "lane", ("%s: %s"):format(key, tostring(wait)))
      wait = RETRY
    end
  end
  l.running = nil
  if wait then
    l.timer = timers.after(wait, function()
      l.timer = nil
      return lane.wake(key)
    end)
  else
    forget(l)
  end
end

--- The start is over: what waited in lanes goes on.
function lane.open()
  ready = true
  for key in pairs(early) do timers.spawn(function() return lane.wake(key) end) end
  early = {}
end

-- Sends what waits in a batch; another task that is at it finishes first.  Yields.
local function flush(l, how)
  local give_up = sys.mono() + PATIENCE * 1e6
  l.flush = how
  while l.running and sys.mono() < give_up do sys.sleep(0.005) end
  lane.wake(l.key)
  l.flush = nil
end

--- Shutdown: batches are sent as they are.  What cannot be sent in time stays.  Yields.
function lane.stop()
  local list, give_up = {}, sys.mono() + PATIENCE * 1e6
  for _, l in pairs(lanes) do
    if l.p and l.p.bn then list[#list + 1] = l end
  end
  for _, l in ipairs(list) do
    if sys.mono() < give_up then flush(l, "stop") end
  end
end

-- ---- changes of a subscription ------------------------------------------------------------------

local function each(id, fn)
  local keys = {}
  for key in pairs(of_sub[id] or {}) do keys[#keys + 1] = key end
  for _, key in ipairs(keys) do
    if lanes[key] then fn(lanes[key]) end
  end
end

--- Subscription `sub` is about to be deleted by itself: its batches go out first; what only rl or
-- pn held back goes with it.  Yields.
function lane.leaving(sub)
  if policy.of(sub).bn then each(sub.id, function(l) flush(l, "delete") end) end
end

--- The subscription is gone.
function lane.deleted(id)
  policy.forget(id)
  each(id, function(l) timers.spawn(function() return lane.wake(l.key) end) end)
  timers.spawn(function() return window.forget(id) end)
end

-- What an UPDATE does to what waits (TS-0004 7.4.8.2.2): batches begin again, windows too; ln keeps
-- the newest.  What pn says now is seen by the next look.
local function adapt(l, old, new)
  if old.raw.bn ~= new.raw.bn then
    l.since = l.since and sys.mono()
    if old.bn and not new.bn then l.last_batch = true end
  end
  if old.raw.rl ~= new.raw.rl then l.window = nil end
  if new.ln and not old.ln then keep_newest(l) end
end

local function keys_of(sub)
  local keys = {}
  for _, to in ipairs(target.list(sub)) do keys[policy.key(sub.id, to)] = true end
  return keys
end

--- A subscription was updated; old: its policies before.  What waits for a target that it does not
-- name any more is dropped.  Yields.
function lane.changed(sub, old)
  if not old.ln and policy.of(sub).ln then core.keep_newest(sub.id) end
  if not of_sub[sub.id] then return end
  local keys = old.raw.nu ~= sub.raw.nu and keys_of(sub)
  each(sub.id, function(l)
    if keys and not keys[l.key] then core.lane_drop(l.key, "all", "forgotten") end
    adapt(l, old, policy.of(sub))
    timers.spawn(function() return lane.wake(l.key) end)
  end)
end

-- Those on a node can be reached at other times: what waits for them is looked at.
local function node_rescheduled(id)
  node.rescheduled(id)
  local keys = node.targets(id)
  for key, l in pairs(lanes) do
    if keys[l.to] or keys[l.to:match("^/[^/]+")] then
      timers.spawn(function() return lane.wake(key) end)
    end
  end
end

--- Schedule `child` of a subscription, a node or a cross-resource subscription was created, changed
-- or (se nil) deleted; se: JSON text.  Yields.
function lane.rescheduled(parent, se, child)
  opening.set(parent.id, se, child)
  if parent.ty == NODE then return node_rescheduled(parent.id) end
  if parent.ty ~= SUBSCRIPTION then return end  -- a cross-resource subscription has no lanes
  local now = tree.by_id(parent.id)
  local above = now and tree.parent(now)
  if above then classes.changed(above, now, "update") end
  each(parent.id, function(l) timers.spawn(function() return lane.wake(l.key) end) end)
end

--- Hook of the types that have schedules: from now on notices wait for a new one.  Yields.
function lane.child_created(_, parent, child)
  if child.ty == SCHEDULE then lane.rescheduled(parent, child.raw.se, child.id) end
  return true
end

return lane
