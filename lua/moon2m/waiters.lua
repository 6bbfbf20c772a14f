-- Handlers of a script that wait for each other (cse.wait, cse.wake): who waits for a key, in the
-- order they came.  The keys are a script's own and outlive its reloads.  One whose
-- task died while it waited leaves its entry behind, which is dropped when its time is over.

local sys = require "moon2m.core.sys"
local timers = require "moon2m.timers"

local waiters = {}

local MOST = 10000               -- of one script

--- The waiters of a script: none yet.
function waiters.new()
  return { by_key = {}, count = 0 }
end

local function remove(w, key, entry)
  local list = w.by_key[key] or {}
  for i, e in ipairs(list) do
    if e == entry then
      table.remove(list, i)
      w.count = w.count - 1
      break
    end
  end
  if not list[1] then w.by_key[key] = nil end
end

-- Forgets the entries whose time is over.
local function sweep(w)
  local now, late = sys.mono(), {}
  for key, list in pairs(w.by_key) do
    for _, e in ipairs(list) do
      if e.until_ < now then late[#late + 1] = { key, e } end
    end
  end
  for _, one in ipairs(late) do remove(w, one[1], one[2]) end
end

--- Waits for waiters.wake(w, key, ...), so many seconds: true and what was handed over; false when
-- the time is over; nil when too many wait.  Yields.
function waiters.wait(w, key, seconds)
  if w.count >= MOST then sweep(w) end
  if w.count >= MOST then return nil end
  local entry = { gate = timers.gate(), until_ = sys.mono() + seconds * 1e6 + 1e6 }
  local list = w.by_key[key] or {}
  w.by_key[key], w.count = list, w.count + 1
  list[#list + 1] = entry
  timers.wait(entry.gate, seconds)
  if entry.values then return true, unpack(entry.values, 1, entry.values.n) end
  remove(w, key, entry)
  return false
end

--- All who wait for the key go on in the next turn of the loop, in their order: how many they are.
function waiters.wake(w, key, ...)
  local n = 0
  for _, entry in ipairs(w.by_key[key] or {}) do
    w.count = w.count - 1
    if timers.wake(entry.gate) then
      entry.values = { n = select("#", ...), ... }
      n = n + 1
    end
  end
  w.by_key[key] = nil
  return n
end

return waiters
