-- The world of a script, line by line: what is there, what is not, what cannot be changed.

local env = require "moon2m.env"
local guard = require "moon2m.core.guard"

local dir

local function write(name, text)
  local f = assert(io.open(dir .. "/" .. name, "wb"))
  f:write(text)
  f:close()
end

local function scope(name)
  local s = { name = name or "app", folder = dir, files = {}, api = { api = true }, logged = {} }
  function s.log(level, text) s.logged[#s.logged + 1] = level .. " " .. text end
  s.world = env.new(s)
  return s
end

-- Runs text in a world; its results, or raises.
local function run(text, s)
  return assert(guard.compile(text, "@app.lua", (s or scope()).world))()
end

local function fails(pattern, text, s)
  local ok, why = pcall(run, text, s)
  assert.is_false(ok, text)
  assert.matches(pattern, tostring(why))
end

describe("the world of a script", function()
  before_each(function()
    dir = os.tmpname()
    os.remove(dir)
    os.execute("mkdir -p " .. dir .. "/tree/share/lua/5.1/pl")
    env.configure {}
  end)
  after_each(function()
    env.configure {}
    os.execute("rm -rf " .. dir)
  end)

  it("has exactly these names", function()
    local names = {}
    for k in pairs(scope().world) do names[#names + 1] = k end
    table.sort(names)
    assert.equal("_G _VERSION assert bit collectgarbage coroutine error getmetatable ipairs " ..
      "load loadstring math next os pairs pcall print rawequal rawget rawset require select " ..
      "setmetatable string table tonumber tostring type unpack xpcall", table.concat(names, " "))
    names = {}
    for k in pairs(scope().world.os) do names[#names + 1] = k end
    table.sort(names)
    assert.equal("clock date difftime time", table.concat(names, " "))
  end)

  it("has copies of the libraries: what a script does to them is its own", function()
    run "string.trim = 1 table.insert = nil math.pi = 3 coroutine.yield = nil bit.tobit = nil"
    assert.is_nil(rawget(string, "trim"))
    assert.equal("function", type(table.insert))
    assert.equal("function", type(run "return coroutine.yield"))
    assert.is_true(run "return math.pi" > 3.1)
  end)

  it("has no string.dump, not as a method either, and a sealed string metatable", function()
    assert.is_nil(run "return string.dump")
    assert.is_nil(run 'return ("").dump')
    assert.equal("sealed", run 'return getmetatable("")')
    fails("expected", 'setmetatable("", {})')
    assert.equal("AB", run 'return ("ab"):upper()')
  end)

  it("reads and assigns declared names only, and says which", function()
    fails("app.lua:1: undeclared variable 'io'", "return io.open")
    for _, name in ipairs { "debug", "jit", "ffi", "package", "dofile", "loadfile", "getfenv",
      "setfenv", "newproxy", "module", "gcinfo" } do
      fails("undeclared variable '" .. name .. "'", "return " .. name)
    end
    fails("app.lua:2: assignment to undeclared variable 'x'", "\nx = 1")
    assert.equal("sealed", run "return getmetatable(_G)")
    fails("protected metatable", "setmetatable(_G, nil)")
  end)

  it("collects no garbage, it counts only", function()
    assert.equal("number", type(run 'return collectgarbage("count")'))
    fails("only \"count\"", 'collectgarbage("stop")')
    fails("only \"count\"", "collectgarbage()")
  end)

  it("loads text only, in its own environment or a given one", function()
    assert.equal(3, run 'return load("return 1 + 2")()')
    assert.equal(3, run [[local parts = { "return ", "1 + 2" } local i = 0
      return load(function() i = i + 1 return parts[i] end)()]])
    fails("undeclared variable 'io'", 'return load("return io")()')
    assert.equal(5, run 'return load("return x", "n", "t", { x = 5 })()')
    local s = scope()
    rawset(s.world, "code", string.dump(function() return 1 end))
    local f, why = run("return load(code)", s)
    assert.is_nil(f)
    assert.matches("binary", why)
    f, why = run('return load("return 1", "n", "b")', s)
    assert.is_nil(f)
    assert.matches("binary", why)
    f, why = run('return load("return 1", "@lib/evil.lua")', s)
    assert.is_nil(f)
    assert.matches("library's", why)
    fails("app.lua:1: load: a text", "load(5)")
  end)

  it("shows and replaces the metatables that scripts made, no other", function()
    assert.is_true(run "local mt = {} local t = setmetatable({}, mt) return getmetatable(t) == mt")
    local s = scope()
    local theirs = { __index = { a = 1 } }
    rawset(s.world, "object", setmetatable({}, theirs))
    assert.equal("sealed", run("return getmetatable(object)", s))
    assert.equal(1, run("return object.a", s))
    fails("protected metatable", "setmetatable(object, {})", s)
  end)

  it("requires the public module, its own folder's files, published modules as copies", function()
    local s = scope()
    assert.equal(s.api, run('return require "moon2m"', s))
    write("helper.lua", "local M = {} M.n = (M.n or 0) + 1 return M")
    assert.is_true(run('return require "helper" == require "helper"', s))
    assert.is_false(run('return require "helper"', s) == run('return require "helper"'))
    assert.equal(4004, run('return require("moon2m.rsc").NOT_FOUND'))
    assert.equal(5, run('return require("bit").bor(1, 4)'))
    assert.is_true(run('return require "bit" == bit'))
    run 'require("bit").bor = nil'
    assert.is_function(require("bit").bor)
    run 'require("moon2m.rsc").NOT_FOUND = 1'
    assert.equal(4004, require("moon2m.rsc").NOT_FOUND)
    fails("moon2m.kinds has no function 'rnge'", 'return require("moon2m.kinds").rnge')
    for _, name in ipairs { "ffi", "io", "cjson", "moon2m.core.store", "moon2m.dispatch", "pl.List",
      "../x", "..", "/etc/passwd", "a..b" } do
      fails("is not available to scripts", ("return require %q"):format(name))
    end
    write("broken.lua", "return {")
    fails("broken.lua:1:", 'require "broken"')
    write("fails.lua", "error('no')")
    fails("fails.lua:1: no", 'require "fails"')
    write("typo.lua", "totl = 1")
    fails("typo.lua:1: assignment to undeclared", 'require "typo"')
  end)

  it("requires the rocks that the operator listed, with all below them", function()
    write("tree/share/lua/5.1/inspect.lua", "found = jit == nil return { ok = found }")
    write("tree/share/lua/5.1/pl/init.lua", "return require 'pl.List'")
    write("tree/share/lua/5.1/pl/List.lua", "return { list = true }")
    write("tree/share/lua/5.1/other.lua", "return 1")
    env.configure { rocks = { "inspect", "pl" }, rock_trees = { dir .. "/tree" } }
    local s = scope()
    assert.is_true(run('return require("inspect").ok', s))
    fails("undeclared variable 'found'", "return found", s)
    assert.is_true(run('return require("pl").list', s))
    fails("not available", 'require "other"', s)
    fails("not available", 'require "cjson"', s)
    write("tree/share/lua/5.1/other.lua", string.dump(function() end))
    env.configure { rocks = { "other" }, rock_trees = { dir .. "/tree" } }
    fails("binary", 'require "other"')
  end)

  it("is larger for a script that is trusted fully, and the log says so", function()
    env.configure { trust = { app = "full" }, rock_trees = { dir .. "/tree" } }
    write("tree/share/lua/5.1/other.lua", "return 7")
    local s = scope()
    assert.matches("warn is trusted fully: it has io, os, ffi and C modules", s.logged[1])
    assert.equal("function", type(run("return io.open", s)))
    assert.equal("function", type(run("return os.execute", s)))
    assert.equal(4, run('return require("ffi").sizeof("int")', s))
    assert.equal("function", type(run('return require("cjson").encode', s)))
    assert.equal(7, run('return require "other"', s))
    fails("not available", 'require "moon2m.core.store"', s)
    local other = scope "other"
    assert.is_nil(other.logged[1])
    fails("undeclared variable 'io'", "return io", other)
  end)
end)

describe("coroutines of scripts", function()
  before_each(function() dir = "/nowhere" end)

  it("resume, wrap and yield as Lua's do", function()
    assert.same({ true, 3 }, { run [[return coroutine.resume(
      coroutine.create(function(a, b) return a + b end), 1, 2)]] })
    assert.equal(6, run [[local f = coroutine.wrap(function(a)
      local b = coroutine.yield(a * 2) return a + b end) return f(2) + f(0)]])
    fails("app.lua:1: oh", [[coroutine.wrap(function() error("oh") end)()]])
    fails("dead coroutine", "local f = coroutine.wrap(function() return 1 end) f() f()")
    fails("coroutine.wrap: a function", "coroutine.wrap(5)")
    fails("coroutine.resume: a coroutine", "coroutine.resume(5)")
  end)

  it("cannot resume what is not theirs", function()
    local s = scope()
    rawset(s.world, "theirs", coroutine.create(function() end))
    assert.same({ false, "cannot resume a coroutine that the server runs" },
      { run("return coroutine.resume(theirs)", s) })
  end)
end)
