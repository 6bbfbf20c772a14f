-- The parts of a script: a part manages one kind of declaration (types, pages, formats, timers,
-- ...) over a scope's life.  Every function of a part is optional:
--   check(scope, others) -> true | nil, why   at staging, after the chunk has run; others: the
--                                   scopes that stay beside it.  Changes nothing.
--   adopt(scope, previous, undo)    at the swap; previous: the scope that it replaces, or nil.  May
--                                   raise; appends to undo functions that take back what it did
--   start(scope, previous)          after the swap: arms what runs by itself (sockets, timers)
--   drop(scope, successor)          the scope goes; successor: the one that replaces it, or nil.
--                                   Releases what the successor did not take over
--   leaks(scope) -> number          what is still open after drop
-- They run in the order of the list, drop in the opposite order.

local parts = {}

local NAMES = { "types", "pages", "formats", "gateways", "timers" }

local list = {}
for i, name in ipairs(NAMES) do list[i] = require("moon2m.parts." .. name) end

--- True when every part agrees with the scope beside the others, or nil and the first reason.
function parts.check(scope, others)
  for _, part in ipairs(list) do
    if part.check then
      local ok, why = part.check(scope, others)
      if not ok then return nil, why end
    end
  end
  return true
end

--- Makes what the scope declares live.  True, or nil and the reason: then nothing has changed.
function parts.adopt(scope, previous)
  local undo = {}
  for _, part in ipairs(list) do
    local ok, why = true, nil
    if part.adopt then ok, why = pcall(part.adopt, scope, previous, undo) end
    if not ok then
      for i = #undo, 1, -1 do undo[i]() end
      return nil, tostring(why)
    end
  end
  return true
end

function parts.start(scope, previous)
  for _, part in ipairs(list) do
    if part.start then part.start(scope, previous) end
  end
end

function parts.drop(scope, successor)
  for i = #list, 1, -1 do
    if list[i].drop then list[i].drop(scope, successor) end
  end
end

--- How many things of a dropped scope are still open; 0 when it left nothing behind.
function parts.leaks(scope)
  local n = 0
  for _, part in ipairs(list) do
    if part.leaks then n = n + part.leaks(scope) end
  end
  return n
end

return parts
