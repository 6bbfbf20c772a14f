-- One after the other: tasks that read something, wait, and then write what follows from it take
-- turns by a key, in the order of their arrival.  An error in one task is raised to its caller and
-- does not hold up the next.  Never used around something that takes a turn by the same key.

local timers = require "moon2m.timers"

local turns = {}

local LONG = 3600                -- s; whoever is woken late looks again
local queues = {}                -- key -> { gates of those that wait, in order }

local function leave(key)
  local waiting = queues[key]
  local gate = table.remove(waiting, 1)
  if not gate then
    queues[key] = nil
    return
  end
  waiting.turn = gate
  timers.wake(gate)
end

local function enter(key)
  local waiting = queues[key]
  if not waiting then
    queues[key] = {}
    return
  end
  local gate = timers.gate()
  waiting[#waiting + 1] = gate
  while waiting.turn ~= gate do timers.wait(gate, LONG) end
  waiting.turn = nil
end

--- fn(...) when all that came before with this key are done; returns what it returns (at most four
-- values).  Yields.
function turns.take(key, fn, ...)
  enter(key)
  local ok, a, b, c, d = pcall(fn, ...)
  leave(key)
  if not ok then error(a, 0) end
  return a, b, c, d
end

return turns
