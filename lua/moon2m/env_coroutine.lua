-- The coroutine library of scripts.  A verb inside a script's own coroutine must reach the server,
-- not the script's resume: such a yield carries guard.SERVER as its first value and is passed on,
-- coroutine by coroutine; the answer goes back down the same way.
--
-- Guarantees: only the server resumes what waits for the server.  A script cannot resume a
-- coroutine that is not its own, nor one of its own while it waits; an answer therefore always
-- finds who asked.  Where LuaJIT cannot yield the error names the cure.

local guard = require "moon2m.core.guard"
local mistake = require "moon2m.mistake"

local coroutines = {}

local inner, cannot_wait = guard.inner, guard.cannot_wait
local create, yield, status = coroutine.create, coroutine.yield, coroutine.status

local owned = setmetatable({}, { __mode = "k" })     -- made by scripts
local waiting = setmetatable({}, { __mode = "k" })   -- of them, those that wait for the server

local pass_on

local function go_on(co, ...)
  waiting[co] = nil
  return pass_on(co, inner(co, ...))
end

function pass_on(co, ok, first, ...)
  if ok and first == guard.SERVER and status(co) == "suspended" then
    waiting[co] = true
    local why = cannot_wait()
    if why then mistake.fail("%s", why) end
    return go_on(co, yield(first, ...))
  end
  return ok, first, ...
end

local function resume(co, ...)
  if type(co) ~= "thread" then error("coroutine.resume: a coroutine was expected", 2) end
  if not owned[co] then
    return false, "cannot resume a coroutine that the server runs"
  end
  if waiting[co] then return false, "cannot resume a coroutine that waits for the server" end
  return pass_on(co, inner(co, ...))
end

local function unwrap(ok, ...)
  if not ok then error((...), 0) end
  return ...
end

local function user_create(fn)
  if type(fn) ~= "function" then error("coroutine.create: a function was expected", 2) end
  local co = create(fn)
  owned[co] = true
  return co
end

local function wrap(fn)
  if type(fn) ~= "function" then error("coroutine.wrap: a function was expected", 2) end
  local co = user_create(fn)
  return function(...) return unwrap(resume(co, ...)) end
end

--- A table for the `coroutine` of one script.
function coroutines.new()
  return { create = user_create, resume = resume, wrap = wrap, yield = yield, status = status,
    running = coroutine.running, isyieldable = coroutine.isyieldable }
end

return coroutines
