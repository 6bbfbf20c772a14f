-- The world a script sees: an environment of its own with copies of the safe libraries, no way to
-- io, debug, ffi or the loader, and strict globals (reading or assigning an undeclared name is an
-- error that says so).  A guard rail against mistakes, not a wall against malice.

local guard = require "moon2m.core.guard"
local sys = require "moon2m.core.sys"

local env = {}

local function copy(t, without)
  local c = {}
  for k, v in pairs(t) do
    if not (without and without[k]) then c[k] = v end
  end
  return c
end

-- ---- coroutines ---------------------------------------------------------------------------------
-- A verb inside a script's own coroutine must reach the server, not the script's resume: such a
-- yield carries guard.SERVER as its first value and is passed on; the answer goes back down.

local resume, yield, status = coroutine.resume, coroutine.yield, coroutine.status

local function pass_on(co, ok, first, ...)
  if ok and first == guard.SERVER and status(co) == "suspended" then
    return pass_on(co, resume(co, yield(first, ...)))
  end
  return ok, first, ...
end

local function user_resume(co, ...)
  return pass_on(co, resume(co, ...))
end

local function unwrap(ok, ...)
  if not ok then error((...), 0) end
  return ...
end

local function user_wrap(fn)
  local co = coroutine.create(fn)
  return function(...) return unwrap(user_resume(co, ...)) end
end

-- The handler of xpcall runs after unwinding: inside the raising frame the guard could not stop it.
local function handled(handler, ok, ...)
  if ok then return true, ... end
  return false, handler(...)
end

local function user_xpcall(fn, handler, ...)
  return handled(handler, pcall(fn, ...))
end

-- ---- strict globals -----------------------------------------------------------------------------

local function strict(t)
  return setmetatable(t, {
    __index = function(_, k)
      error(("undeclared variable '%s'"):format(tostring(k)), 2)
    end,
    __newindex = function(_, k)
      error(("assignment to undeclared variable '%s' (missing 'local'?)"):format(tostring(k)), 2)
    end,
    __metatable = "sealed",
  })
end

-- ---- time ---------------------------------------------------------------------------------------

-- What a script calls "now" is the clock of the library: tests move it.
local function now() return math.floor(sys.now() / 1e6) end

local function user_time(t)
  if t == nil then return now() end
  return os.time(t)
end

local function user_date(fmt, t)
  return os.date(fmt or "%c", t or now())
end

-- `require` inside a script: the public module, and Lua files of the script's own folder.
local function loader(scope, world)
  local loaded = {}
  return function(name)
    if type(name) ~= "string" then error("require: a module name was expected", 2) end
    if name == "moon2m" then return scope.api end
    if loaded[name] ~= nil then return loaded[name] end
    if not name:match("^[%w_]+$") and not name:match("^[%w_][%w_.]*[%w_]$") then
      error(("module %q is not available to scripts"):format(name), 2)
    end
    local file = scope.folder .. "/" .. name:gsub("%.", "/") .. ".lua"
    local f = io.open(file, "rb")
    if not f then error(("module %q is not available to scripts"):format(name), 2) end
    local text = f:read("*a")
    f:close()
    local chunk, why = guard.compile(text, "@" .. file, world)
    if not chunk then error(why, 0) end
    loaded[name], scope.files[file] = true, true
    local value = chunk(name)
    loaded[name] = value == nil and true or value
    return loaded[name]
  end
end

--- A new environment for `scope` ({ api, folder, name, log }).
function env.new(scope)
  local world = {
    assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, pcall = pcall,
    rawequal = rawequal, rawget = rawget, rawset = rawset, select = select,
    setmetatable = setmetatable, tonumber = tonumber, tostring = tostring, type = type,
    unpack = unpack, xpcall = user_xpcall, _VERSION = _VERSION,
    math = copy(math), table = copy(table), bit = copy(require "bit"),
    string = copy(string, { dump = true }),
    os = { time = user_time, date = user_date, clock = os.clock, difftime = os.difftime },
    coroutine = { create = coroutine.create, resume = user_resume, wrap = user_wrap,
      yield = coroutine.yield, status = coroutine.status, running = coroutine.running },
  }
  world._G = world
  -- The string metatable is shared by the whole process: it is never handed out.
  function world.getmetatable(v)
    if type(v) == "string" then return "sealed" end
    return getmetatable(v)
  end
  function world.collectgarbage(what)
    if what ~= nil and what ~= "count" then
      error("collectgarbage: only \"count\" is available", 2)
    end
    return collectgarbage("count")
  end
  function world.load(text, name)
    if type(text) == "function" then
      local parts = {}
      for part in text do parts[#parts + 1] = part end
      text = table.concat(parts)
    end
    return guard.compile(text, name or "=(load)", world)
  end
  world.loadstring = world.load
  function world.print(...)
    local parts = {}
    for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
    scope.log("info", table.concat(parts, "\t"))
  end
  world.require = loader(scope, world)
  return strict(world)
end

return env
