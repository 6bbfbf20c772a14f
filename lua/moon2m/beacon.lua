-- The time of this CSE, told by timeSyncBeacons: every bcni, counted from the beacon's creation, so
-- a restart keeps the rhythm; or when a requester's clock is off.  A beacon that is late is of no
-- use: nothing is kept or repeated, a target that is slow to answer is left out until it has.
-- Guarantees: who is off is told at once, then again every AGAIN seconds as long as its requests
-- say so.

local json = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local path = require "moon2m.path"
local polling = require "moon2m.polling"
local target = require "moon2m.target"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"

local BEACON, PERIODIC = 60, 1
local AGAIN = 60                 -- s between notices of one loss of synchronization
local HOUR = 3600                -- s: a clock that is set is noticed within it, or a period
local MARGIN = 0.002             -- s, so that a timer is not early

local beacon = {}

local answer_time = 10
local periods = {}               -- number of a beacon -> { timer, at, every }, at: us
local watched = {}               -- originator -> { id, threshold, told = sys.mono() or nil }
local busy = {}                  -- target that has not answered yet -> true

--- seconds a target has to answer.
function beacon.configure(seconds)
  answer_time = seconds
end

-- ---- telling ------------------------------------------------------------------------------------

local function tell(one, ri)
  if busy[one] or target.is_local(one) then return end
  busy[one] = true
  timers.spawn(function()
    local pc = ('{"m2m:tsbn":{"tbr":%s,"ctm":"%s"}}'):format(json.quote(ri), sys.stamp(sys.now()))
    local ok, why = pcall(polling.ask, one, pc, nil, answer_time)
    busy[one] = nil
    if not ok then error(why, 0) end
  end)
end

-- To everybody in bcnu; what is not there now is left out.  Yields.
local function send(r)
  for _, address in ipairs(tree.value(r, "bcnu")) do
    for _, one in ipairs(target.all(address) or {}) do tell(one, r.ri) end
  end
end

-- ---- every bcni ---------------------------------------------------------------------------------

local function next_at(r, now)
  local every = sys.parse_duration(tree.value(r, "bcni"))
  return r.ct + (math.floor((now - r.ct) / every) + 1) * every, every
end

local turn

-- At most a period: a clock that was set back does not make it longer.
local function arm(id, p)
  local wait = math.min((p.at - sys.now()) / 1e6, p.every / 1e6, HOUR) + MARGIN
  p.timer = timers.after(math.max(wait, MARGIN), function() return turn(id, p) end)
end

function turn(id, p)
  local r = tree.by_id(id)
  if periods[id] ~= p then return end
  if not r then
    periods[id] = nil
    return
  end
  local now = sys.now()
  local due = now >= p.at
  p.at = next_at(r, now)
  arm(id, p)
  if due then send(r) end
end

-- ---- when a clock is off ------------------------------------------------------------------------

--- Whether there is a beacon already for a requester.  Yields.
function beacon.watches(who)
  local w = watched[who]
  if not w then return false end
  if tree.by_id(w.id) then return true end
  watched[who] = nil
  return false
end

--- A request was admitted: req.ot, its time, may be off.
function beacon.seen(req)
  local w = watched[req.who]
  local ot = w and sys.parse_stamp(req.ot)
  if not ot then return end
  if math.abs(req.now - ot) <= w.threshold then
    w.told = nil
  elseif not w.told or sys.mono() - w.told >= AGAIN * 1e6 then
    w.told = sys.mono()
    timers.spawn(function()
      local r = tree.by_id(w.id)
      if r then return send(r) end
      if watched[req.who] == w then watched[req.who] = nil end
    end)
  end
end

-- ---- beacons ------------------------------------------------------------------------------------

--- Beacon r is there, or another now.
function beacon.set(r)
  if tree.value(r, "bcnc") ~= PERIODIC then
    local who = path.originator(tree.value(r, "bcnr"))
    watched[who] = { id = r.id, threshold = sys.parse_duration(tree.value(r, "bcnt")) }
    return
  end
  local old = periods[r.id]
  if old and old.timer then timers.cancel(old.timer) end
  local p = {}
  p.at, p.every = next_at(r, sys.now())
  periods[r.id] = p
  arm(r.id, p)
end

--- Start only.  Yields.
function beacon.open()
  for r in tree.all(BEACON) do beacon.set(r) end
end

return beacon
