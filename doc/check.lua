-- `make docs`: every name that scripts see has an entry in the reference, with its parameters, and
-- no entry names what is not there.  Prints what is wrong, a line each; the exit code says whether
-- anything is.

package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path

-- Functions are only looked at: what a running server has of the core may be anything.
table.insert(package.loaders, 2, function(name)
  if not name:find("^moon2m%.core%.") then return nil end
  return function() return setmetatable({}, { __index = function() return print end }) end
end)

local reference = require "moon2m.reference"
local resources = require "resources"
local sealed = require "moon2m.sealed"
local sys = require "moon2m.core.sys"

local problems = {}

local function complain(fmt, ...)
  problems[#problems + 1] = fmt:format(...)
end

-- ---- functions ----------------------------------------------------------------------------------

-- key -> entry, of a class.
local function documented(class)
  local list = {}
  for _, entry in pairs(reference.get().names) do
    if entry.class == class and entry.kind == "function" then list[entry.key] = entry end
  end
  return list
end

-- How many parameters, and whether more may follow.
local function arity_of_entry(entry)
  local n, more = #entry.params, false
  if n > 0 and entry.params[n].name == "..." then n, more = n - 1, true end
  return n, more
end

-- actual: key -> function; hidden: how many parameters are not the caller's (the handle itself).
local function compare(class, actual, hidden)
  local described = documented(class)
  for key, fn in pairs(actual) do
    local entry = described[key]
    if not entry then
      complain("%s: %s has no entry", class, key)
    else
      local n, more = arity_of_entry(entry)
      local info = debug.getinfo(fn, "u")
      local real = info.nparams - (hidden or 0)
      if real ~= n or info.isvararg ~= more then
        complain("%s:%d: %s has %d parameters%s, the entry says %d", entry.file, entry.line,
          entry.name, real, info.isvararg and " and more" or "", n)
      end
    end
  end
  for key, entry in pairs(described) do
    if not actual[key] then
      complain("%s:%d: there is no %s", entry.file, entry.line, entry.name)
    end
  end
end

-- The functions of a table and of the tables in it, by path.
local function functions_in(t, prefix, out)
  for k, v in pairs(t) do
    if type(v) == "function" then out[prefix .. k] = v end
    if type(v) == "table" then functions_in(sealed.contents(v), prefix .. k .. ".", out) end
  end
  return out
end

local function without(t, names)
  for name in names:gmatch("%S+") do t[name] = nil end
  return t
end

-- ---- fields -------------------------------------------------------------------------------------

local function fields_of(class)
  local set, entry = {}, reference.get().types[class]
  for _, f in ipairs(entry and entry.fields or {}) do set[f.name] = f end
  return set
end

-- keys: set of the names that are possible.
local function compare_fields(class, keys)
  local fields = fields_of(class)
  for name in pairs(keys) do
    if not fields[name] then complain("%s: %s has no entry", class, name) end
  end
  for name in pairs(fields) do
    if keys[name] == nil then complain("%s: there is no %s", class, name) end
  end
end

-- A local of the file that a function was written in.
local function upvalue(fn, wanted, depth)
  for i = 1, 60 do
    local name, value = debug.getupvalue(fn, i)
    if not name then break end
    if name == wanted then return value end
    local inner = type(value) == "function" and (depth or 3) > 0 and
      upvalue(value, wanted, (depth or 3) - 1)
    if inner then return inner end
  end
end

-- ---- what scripts see ---------------------------------------------------------------------------

local function check_cse()
  local cse = require("moon2m").new({}, {})
  compare("moon2m.cse", functions_in(sealed.contents(cse), "", {}))
end

local function check_gateways()
  for _, kind in ipairs { "udp", "tcp", "serial", "mqtt" } do
    local module, methods = require("moon2m.gateway." .. kind), {}
    for name, fn in pairs(module.methods) do methods[name] = fn end
    methods.close = function(_) end
    compare("moon2m." .. kind, methods, 1)
  end
  compare("moon2m.conn", require("moon2m.gateway.conn").methods, 1)
end

-- What the tables of options have, of every function.
local function check_options()
  for class, declared in pairs(require("moon2m.options").classes) do
    local names = {}
    for name in pairs(declared.rows) do
      names[type(name) == "number" and ("[%d]"):format(name) or name] = true
    end
    compare_fields(class, names)
  end
end

local function check_modules()
  for _, name in ipairs { "moon2m.kinds", "moon2m.schedule" } do
    compare(name, functions_in(require(name), "", {}))
  end
end

local function check_rsc()
  local rsc, numbers, functions = require "moon2m.rsc", { http = true }, {}
  for name, v in pairs(rsc) do
    if type(v) == "number" then numbers[name] = v end
    if type(v) == "function" then functions[name] = v end
  end
  compare("moon2m.rsc", functions)
  compare_fields("moon2m.rsc", numbers)
  for name, f in pairs(fields_of "moon2m.rsc") do
    if numbers[name] and name ~= "http" and tostring(numbers[name]) ~= f.text then
      complain("moon2m.rsc: %s is %d, the entry says %s", name, numbers[name], f.text)
    end
  end
end

local function check_test()
  local host, wires = require "moon2m.test.host", require "moon2m.test.wires"
  compare("moon2m.test", without(functions_in(require "moon2m.test", "", {}), "run collect"))
  compare_fields("moon2m.test.options", upvalue(host.new, "KNOWN"))
  local methods = {}
  for name, fn in pairs(require "moon2m.test.verbs") do methods[name] = fn end
  for name, fn in pairs(host) do methods[name] = fn end
  for name, fn in pairs(wires.verbs) do
    methods[name] = loadstring("return function(_" .. (", _"):rep(debug.getinfo(fn, "u").nparams) ..
      ") end")()
  end
  compare("moon2m.host", without(methods, "__index new send plant finish last_log current"), 1)
end

local function check_console()
  if not sys.source "moon2m.console.commands" then return end
  compare("moon2m.console", require("moon2m.console.commands").new {})
end

-- ---- resources ----------------------------------------------------------------------------------

local function check_resources()
  for _, one in ipairs(reference.resource_types()) do
    local text = sys.source("moon2m.meta.resources." .. one.name)
    if text ~= resources.text(one) then
      complain("lua/moon2m/meta/resources/%s.lua is not what its type says: run `make meta`",
        one.name)
    end
  end
end

-- ---- texts --------------------------------------------------------------------------------------

-- What stands as code can be compiled.
local function check_examples()
  for name, entry in pairs(reference.get().names) do
    for code in entry.text:gmatch("```lua\n(.-)\n```") do
      local ok, why = loadstring(code, "=" .. name)
      if not ok then complain("%s:%d: the example of %s: %s", entry.file, entry.line, name, why) end
    end
  end
end

reference.get()
check_cse()
check_gateways()
check_options()
check_rsc()
check_modules()
check_test()
check_console()
check_resources()
check_examples()
table.sort(problems)
for _, problem in ipairs(problems) do print(problem) end
return problems[1] and 1 or 0
