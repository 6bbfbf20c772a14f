-- Many things at the same time, within bounds: each in a task of its own, some together, all of
-- the server's together bounded too.  Waits no longer than a deadline; what has not begun by then
-- is not begun, what is under way goes on unheard.
-- When all of the server's tasks for this are taken, the caller does its things itself, one after
-- the other, so nobody waits for somebody who waits.

local sys = require "moon2m.core.sys"
local timers = require "moon2m.timers"

local MOST = 64                  -- at the same time, for one caller
local ALL = 512                  -- for all callers

local parallel = {}
local running = 0

local function trace(what)
  return debug.traceback(tostring(what), 2)
end

--- Calls fn(1) .. fn(n) in tasks; fn may yield.  deadline: microseconds of sys.mono().  How many
-- ended in time.  An error in fn is logged and counts as its end.  Yields.
function parallel.each(n, fn, deadline)
  local begun, ended, helpers, closed = 0, 0, 0, false
  local gate = timers.gate()
  local function work()
    while begun < n and not closed and sys.mono() < deadline do
      begun = begun + 1
      local ok, why = xpcall(fn, trace, begun)
      if not ok then sys.log("error", "parallel", why) end
      ended = ended + 1
      if ended == n then timers.wake(gate) end
    end
  end
  local function help()
    work()
    running = running - 1
  end
  while helpers < n and helpers < MOST and running < ALL do
    helpers, running = helpers + 1, running + 1
    timers.spawn(help)
  end
  if helpers == 0 then work() end
  while ended < n do
    local left = (deadline - sys.mono()) / 1e6
    if left <= 0 then break end
    timers.wait(gate, left)
  end
  closed = true
  return ended
end

return parallel
