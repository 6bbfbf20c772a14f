-- The boot module of `moon2m test`: the entry that the C core starts a task with.

local entries = {}
local waiting = {}               -- id -> function
local last = 0

--- Keeps a function for the entry `run`; its number.
function entries.keep(fn)
  last = last + 1
  waiting[last] = fn
  return last
end

--- Entry: runs what was kept under the number, in this task.
function entries.run(id)
  local fn = waiting[id]
  waiting[id] = nil
  return fn()
end

return entries
