-- Operation monitors (enc.om, TS-0001 9.6.8): who wants to know of the requests to a resource,
-- whatever becomes of them.  A request to `la`, `ol` or an instance is none to the container.
-- The numbers of the monitored resources are in memory, so a request to any other costs one look
-- at a table.  The notices of a request that changed nothing else are a transaction of their own,
-- before the answer; those of a deletion belong to its transaction.

local sys = require "moon2m.core.sys"
local criteria = require "moon2m.criteria"
local event = require "moon2m.event"
local query = require "moon2m.query"
local rows = require "moon2m.rows"
local sql_life = require "moon2m.sql_life"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local RETRIEVE, DISCOVERY = 2, 32
local BIT = { 1, 2, 4, 8, 16 }   -- of acop, by operation

local monitor = {}

local watched = {}               -- number of a resource that may have monitors -> true
local count = 0                  -- of them

local function watch(id)
  if not watched[id] then
    watched[id] = true
    count = count + 1
  end
end

--- The resource is gone, or nobody monitors it any more.
function monitor.forget(id)
  if watched[id] then
    watched[id] = nil
    count = count - 1
  end
end

--- Start only: what is monitored according to the store.  Yields.
function monitor.open()
  for row in rows.each(sql_life.monitored, "pid", 0) do
    watch(row.pid)
  end
end

--- A subscription of r was created or updated.
function monitor.changed(r, sub)
  local enc = tree.value(sub, "enc")
  if enc and enc.om then watch(r.id) end
end

-- The notices of req, an operation on r.  Yields when r's subscriptions are not in memory.
local function notices(req, r)
  local index = event.index(r)
  if not index.by_net[criteria.MONITOR] then
    monitor.forget(r.id)
    return {}
  end
  local fc = req.params and req.params.fc
  local bit = req.op == RETRIEVE and query.discovers(fc) and DISCOVERY or BIT[req.op]
  return event.monitored(r, req.op, bit, req.who)
end

--- Puts the notices of req, which deletes r, into the list `events` of its transaction.  Yields
-- when r's subscriptions are not in memory.
function monitor.append(events, req, r)
  if not watched[r.id] then return end
  for _, ev in ipairs(notices(req, r)) do events[#events + 1] = ev end
end

local function tell(req, r)
  if r.gone then r = r.gone ~= "deleted" and tree.by_id(r.id) or nil end
  local events = r and notices(req, r) or {}
  if #events == 0 then return end
  local _, e = write.commit({}, events)
  if e then sys.log("error", "monitor", "to=" .. req.to .. ": " .. e.msg) end
end

--- Whether anything is monitored at all.
function monitor.any()
  return count > 0
end

--- A request was performed or refused.  target: what it addressed, nil when it was refused before
-- that was looked up.  Yields when the resource is monitored.  Never raises; does nothing when
-- req.monitored says that it was done.
function monitor.done(req, target)
  if count == 0 or req.monitored or not req.who or not BIT[req.op] then return end
  local ok, why = pcall(function()
    local r = target or req.to and tree.resolve(req.to)
    if r and watched[r.id] then tell(req, r) end
  end)
  if not ok then sys.log("error", "monitor", "to=" .. tostring(req.to) .. ": " .. why) end
end

return monitor
