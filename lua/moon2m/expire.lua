-- What ends by itself: resources and instances whose expiration time has come, instances older
-- than their container's `mia`, subscriptions whose expirationCounter is used up (TS-0001
-- 9.6.1.3.1, 9.6.8). Works in slices from a timer; readers leave out what has expired already, so
-- nothing waits for it. An expiry is a deletion by the CSE: subscriptions are told (net 2 and 4).

local classes = require "moon2m.classes"
local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local event = require "moon2m.event"
local op_delete = require "moon2m.op_delete"
local rsc = require "moon2m.rsc"
local sql_life = require "moon2m.sql_life"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local SLICE = 64                 -- deletions per turn
local IDS = 5000                 -- container ids looked at per turn
local IDLE, BUSY = 1, 0.02       -- s between turns
local AGING = 10                 -- s between looks at all containers

local expire = {}

local timer
local aging_at, aging_from = 0, 0

local function log_failure(what, e)
  if e and e.rsc ~= rsc.NOT_FOUND then
    sys.log("warn", "expire", ("%s: %s"):format(what, e.msg))
  end
end

-- Deletes the resource with this number, whatever object it is by now.  Yields.
local function delete(id, due)
  for _ = 1, 5 do
    local r = tree.by_id(id)
    if not r or due and not due(r) then return end
    local ok, e = op_delete.resource(r, nil)
    if ok ~= false then return log_failure("deleting " .. r.path, e) end
  end
end

-- ---- by time -----------------------------------------------------------------------------------

-- Resources first: their subtrees go with them.  Returns how many were due.
local function resources(now)
  local due = store.find(sql_life.expired, { now }, SLICE)
  for _, row in ipairs(due) do
    delete(row.id, function(r) return r.et and r.et <= now end)
  end
  return #due
end

-- Deletes instances (rows with st) of container r: with notices one by one, else all at once.
local function delete_instances(r, rows)
  local index = event.index(r)
  if r.gone then return end
  if index.by_net[4] then
    for _, row in ipairs(rows) do
      local _, e = op_delete.instance(tree.instance_of(r, row), nil)
      log_failure("deleting an instance of " .. r.path, e)
    end
    return
  end
  local ops = {}
  for i, row in ipairs(rows) do ops[i] = { "inst_delete", r.id, row.st } end
  tree.forget_newest(r)
  local ok, e = write.commit(ops, nil, r)
  tree.forget_newest(r)
  if ok then write.own(r) end
  log_failure("deleting instances of " .. r.path, e)
end

local function instances(now)
  local due = store.find(sql_life.expired_instances, { now }, SLICE)
  for _, row in ipairs(due) do
    local r = tree.by_id(row.cid)
    local full = r and store.inst(row.cid, "at", row.st)
    if full then delete_instances(r, { full }) end
  end
  return #due
end

-- The oldest instances of a container that are too old.
local function age(cid, mia, now)
  local r = tree.by_id(cid)
  if not r then return end
  local old, horizon = {}, now - mia * 1e6
  for _, row in ipairs(store.insts(cid, "from", SLICE, 0)) do
    if row.ct > horizon then break end
    old[#old + 1] = row
  end
  if old[1] then delete_instances(r, old) end
end

-- One range of container ids; true when there is more to do.
local function aging(now)
  if sys.mono() < aging_at then return false end
  local due = store.find(sql_life.aged, { aging_from, aging_from + IDS, now }, SLICE)
  for _, row in ipairs(due) do age(row.cid, row.mia, now) end
  if due[1] then return true end              -- the same range again, until nothing is due
  aging_from = aging_from + IDS
  if aging_from < tree.last_id() then return true end
  aging_from, aging_at = 0, sys.mono() + AGING * 1e6
  return false
end

--- One turn.  True when more is due at once.  Yields.
function expire.turn()
  local now = sys.now()
  local n = resources(now)
  local m = instances(now)
  local more = aging(now)
  return n == SLICE or m == SLICE or more
end

local function tick()
  local ok, more = pcall(expire.turn)
  if not ok then sys.log("error", "expire", tostring(more)) end
  timer = timers.after(ok and more and BUSY or IDLE, tick)
end

--- Starts the timer.
function expire.start()
  timer = timers.after(IDLE, tick)
end

function expire.stop()
  if timer then timers.cancel(timer) end
end

-- ---- by count ----------------------------------------------------------------------------------

--- n notices of subscription `id` were delivered.  Counts `exc` down; at 0 the
-- subscription is deleted.  Yields.
function expire.delivered(id, n)
  if not classes.counts(id) then return end
  local r = tree.by_id(id)
  local exc = r and (r.ty == 23 or r.ty == 48) and tonumber(r.raw.exc)
  if not exc then return end
  if exc <= n then return delete(id) end
  r.raw.exc = ("%d"):format(exc - n)
  tree.refresh(r)
  local ok, e = write.commit({ { "set", tree.row(r) } }, nil, r)
  if ok then write.own(r) end
  log_failure("counting down exc of " .. r.path, e)
end

--- Entry of the C core: what was delivered in a turn of the loop, { id, n, id, n, ... }.
function expire.all_delivered(list)
  for i = 1, #list, 2 do
    local id, n = list[i], list[i + 1]
    if classes.counts(id) then timers.spawn(function() return expire.delivered(id, n) end) end
  end
end

return expire
