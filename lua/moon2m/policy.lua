-- The policies of a subscription that decide when a notice leaves: bn, rl, pn with a schedule, ln,
-- nec (TS-0001 9.6.8, 10.2.10.7).  A subscription that needs one of the first three, has a
-- schedule, or a target whose node has one, has its notices held in lanes, one per target, from
-- which lane.lua lets them go; the others know nothing of lanes.  A subscription that came to lanes
-- stays with them while this process runs: what waits in a lane goes before what comes later.

local core = require "moon2m.core.cse"
local sys = require "moon2m.core.sys"
local defaults = require "moon2m.defaults"
local node = require "moon2m.node"
local opening = require "moon2m.opening"
local rows = require "moon2m.rows"
local sql_life = require "moon2m.sql_life"
local tree = require "moon2m.tree"

local IMMEDIATE, LATEST = 2, 4   -- event categories

local policy = {}

local stays = {}                 -- number of a subscription -> true: it uses lanes

-- Durations are decoded text.
local function compile(sub)
  local bn, rl = tree.value(sub, "bn"), tree.value(sub, "rl")
  bn, rl = bn and defaults.batch(bn), rl and defaults.rate(rl)
  return {
    raw = sub.raw,
    bn = bn and { num = bn.num, dur = sys.parse_duration(bn.dur) },
    rl = rl and { mnn = rl.mnn, tww = sys.parse_duration(rl.tww) },
    pn = tree.value(sub, "pn"), ln = tree.value(sub, "ln"), nec = tree.value(sub, "nec"),
  }
end

--- The policies of a subscription: { bn = { num, dur }, rl = { mnn, tww }, pn, ln, nec }, times in
-- microseconds.
function policy.of(sub)
  local p = sub.policy
  if not p or p.raw ~= sub.raw then
    p = compile(sub)
    sub.policy = p
  end
  return p
end

--- Whether the schedule of a subscription counts: nec 2 is for what cannot wait.
function policy.schedule(p, id)
  return p.nec ~= IMMEDIATE and opening.of(id) or nil
end

local function needs_lane(sub)
  local raw = sub.raw
  return raw.bn ~= nil or raw.rl ~= nil or
    raw.nec ~= "2" and opening.of(sub.id) ~= nil            -- as policy.schedule says, but cheaper
end

--- The key of the lane that holds what is for target `to`.
function policy.key(id, to)
  return ("lane:%d:%s"):format(id, to)
end

-- A target's node has a schedule, or its notices wait already.
local function holds_back(sub, to)
  return node.schedule(to) ~= nil or core.lane_waiting(policy.key(sub.id, to)) > 0
end

--- What stands before a target's name to hold its notices back, nil when they are sent at once.
-- targets: those of the subscription.
function policy.lane_of(sub, targets)
  if not stays[sub.id] then
    local held = needs_lane(sub)
    for i = 1, held and 0 or #targets do held = held or holds_back(sub, targets[i]) end
    if not held then return nil end
    stays[sub.id] = true
  end
  return policy.key(sub.id, "")
end

--- The event category of a subscription's notices; of those in lanes it is decided when they go.
function policy.category(sub, lane)
  if lane then return nil end
  return sub.raw.ln == "true" and LATEST or tree.value(sub, "nec")
end

--- The event category of what leaves a lane; newest: it is the only one of several.
function policy.category_out(p, newest)
  return (p.ln or newest) and LATEST or p.nec
end

local ranked = {}                -- number of a subscription that has a storage priority -> true

--- Tells the core how long notices of a subscription are worth keeping (nsp).
function policy.rank(sub)
  local nsp = tonumber(sub.raw.nsp)
  if not nsp and not ranked[sub.id] then return end
  ranked[sub.id] = nsp and true
  core.priority(sub.id, nsp or 0)
end

--- Start only: the storage priorities according to the store, for what is kept of subscriptions
-- whose index is built later.  Yields.
function policy.open()
  for row in rows.each(sql_life.ranked, "id", 0) do
    ranked[row.id] = true
    core.priority(row.id, row.nsp)
  end
end

--- The subscription is gone.
function policy.forget(id)
  stays[id], ranked[id] = nil, nil
  opening.set(id, nil)
end

return policy
