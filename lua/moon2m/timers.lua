-- Timers and background tasks by function: core.sys knows numbers only, this table knows what they
-- mean.  A timer fires once, as a task of its own (it may yield); an error in it is logged by the
-- task and harms nobody else.  Boot's entry `timer` is `fire`.

local sys = require "moon2m.core.sys"

local timers = {}
local pending = {}     -- id -> function
local last = 0

--- Runs fn in a task of its own, `seconds` from now (0: in the next turn of the loop).
-- Returns an id for `cancel`.
function timers.after(seconds, fn)
  last = last + 1
  pending[last] = fn
  sys.after(seconds, last)
  return last
end

--- Runs fn in a task of its own, soon.
function timers.spawn(fn)
  return timers.after(0, fn)
end

--- The timer will not fire.  False when it has fired already.
function timers.cancel(id)
  if not pending[id] then return false end
  pending[id] = nil
  sys.cancel(id)
  return true
end

--- A number that one task can wait on and others can wake; of no cost until somebody waits.
function timers.gate()
  last = last + 1
  return last
end

--- Waits on a gate: true when it was woken, false after `seconds`.  Yields.
function timers.wait(gate, seconds)
  return sys.wait(seconds, gate)
end

--- Whoever waits on the gate goes on in the next turn of the loop.  False: nobody does.
function timers.wake(gate)
  return sys.wake(gate)
end

--- Entry of the C core: timer `id` is due.
function timers.fire(id)
  local fn = pending[id]
  pending[id] = nil
  if fn then return fn() end
end

--- How many are waiting.
function timers.count()
  local n = 0
  for _ in pairs(pending) do n = n + 1 end
  return n
end

return timers
