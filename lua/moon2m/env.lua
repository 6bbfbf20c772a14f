-- The world a script sees: an environment of its own with copies of the safe libraries, no way to
-- io, debug, ffi or the loader, and strict globals (reading or assigning an undeclared name is an
-- error that says so).  A guard rail against mistakes, not a wall against malice.  What the library
-- hands out cannot be changed through it: metatables that a script did not make are sealed.
-- A script that the operator trusts fully gets the real io and os, ffi and C modules besides.

local guard = require "moon2m.core.guard"
local sys = require "moon2m.core.sys"
local coroutines = require "moon2m.env_coroutine"
local loader = require "moon2m.env_require"
local sealed = require "moon2m.sealed"

local env = {}

local trusted = {}          -- script name -> true

local function copy(t, without)
  local c = {}
  for k, v in pairs(t) do
    if not (without and without[k]) then c[k] = v end
  end
  return c
end

-- Methods of strings are looked up in the metatable that the whole process shares: without dump,
-- and nobody gets hold of it.
local strings = getmetatable("")
if type(strings) == "table" then
  strings.__index = copy(string, { dump = true })
  strings.__metatable = "sealed"
end

--- trust: script name -> "full"; rocks, rock_trees: as for env_require.configure.
function env.configure(o)
  trusted = {}
  for name, how in pairs(o.trust or {}) do trusted[name] = how == "full" or nil end
  loader.configure(o)
end

--- Whether the operator trusts that script fully.
function env.is_trusted(name)
  return trusted[name] == true
end

-- ---- functions that are not the real ones -------------------------------------------------------

-- The handler of xpcall runs after unwinding: inside the raising frame the guard could not stop it.
local function handled(handler, ok, ...)
  if ok then return true, ... end
  return false, handler(...)
end

local function user_xpcall(fn, handler, ...)
  return handled(handler, pcall(fn, ...))
end

local function user_collectgarbage(what)
  if what ~= "count" then error("collectgarbage: only \"count\" is available", 2) end
  return collectgarbage("count")
end

-- getmetatable and setmetatable: only what the script made itself is shown and can be replaced.
local function metatables()
  local made = setmetatable({}, { __mode = "k" })
  local function get(v)
    local mt = getmetatable(v)
    if type(mt) ~= "table" or made[mt] then return mt end
    return "sealed"
  end
  local function set(t, mt)
    local old = type(t) == "table" and getmetatable(t)
    if old and not made[old] then error("cannot change a protected metatable", 2) end
    if type(t) ~= "table" then error("setmetatable: a table was expected", 2) end
    if mt ~= nil and type(mt) ~= "table" then
      error("setmetatable: nil or a table was expected", 2)
    end
    if mt then made[mt] = true end
    return setmetatable(t, mt)
  end
  return get, set
end

local function text_of(chunk)
  if type(chunk) == "string" then return chunk end
  if type(chunk) ~= "function" then error("load: a text or a function was expected", 3) end
  local parts = {}
  for part in chunk do
    if type(part) ~= "string" then error("load: the function must return text", 3) end
    if part == "" then break end
    parts[#parts + 1] = part
  end
  return table.concat(parts)
end

-- load: text only, in the script's environment unless another is given, never compiled.
local function make_load(world)
  return function(chunk, name, mode, other)
    local text = text_of(chunk)
    if mode ~= nil and not tostring(mode):find("t", 1, true) then
      return nil, "compiled (binary) chunks are not accepted"
    end
    if other ~= nil and type(other) ~= "table" then
      error("load: a table was expected as environment", 2)
    end
    return guard.compile(text, type(name) == "string" and name or "=(load)", other or world)
  end
end

local function make_print(scope)
  return function(...)
    local parts = {}
    for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
    scope.log("info", table.concat(parts, "\t"))
  end
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

local function make_os(full)
  local lib = full and copy(os) or { clock = os.clock, difftime = os.difftime }
  lib.time, lib.date = user_time, user_date
  return lib
end

--- A new environment for `scope` ({ api, folder, name, files, log }).
function env.new(scope)
  local full = env.is_trusted(scope.name)
  local get, set = metatables()
  local world = {
    assert = assert, error = error, ipairs = ipairs, next = next, pairs = sealed.pairs,
    pcall = pcall, rawequal = rawequal, rawget = rawget, rawset = rawset, select = select,
    getmetatable = get, setmetatable = set, tonumber = tonumber, tostring = tostring, type = type,
    unpack = unpack, xpcall = user_xpcall, collectgarbage = user_collectgarbage,
    print = make_print(scope), _VERSION = _VERSION,
    math = copy(math), table = copy(table), bit = copy(require "bit"),
    string = copy(string, { dump = true }),
    os = make_os(full),
    io = full and copy(io) or nil,
    coroutine = coroutines.new(),
  }
  world._G = world
  world.load = make_load(world)
  world.loadstring = world.load
  world.require = loader.new(scope, world, full)
  if full then
    scope.log("warn", "is trusted fully: it has io, os, ffi and C modules;" ..
      " a mistake in those can stop or damage the server")
  end
  return strict(world)
end

return env
