-- What a script keeps is weighed by what can be reached from it, without what is the library's.

local weigh = require "moon2m.core.weigh"

-- Bytes that the values of a list lead to.
local function of(list)
  local w = weigh.new(list)
  local steps = 0
  while not w:step(10) do steps = steps + 1 end
  return w:bytes(), steps
end

local function near(expected, list)
  local got = of(list)
  assert.is_true(got > expected * 0.8 and got < expected * 1.3,
    ("%d bytes, expected some %d"):format(got, expected))
end

-- Compiled as a script's function is: it is not the library's.
local function script(text)
  return assert(require("moon2m.core.guard").compile(text, "@s.lua",
    { coroutine = coroutine, setmetatable = setmetatable }))
end

local function texts(n, tag)
  local list = {}
  for i = 1, n do list[i] = ("%s%d"):format(tag, i) .. ("x"):rep(1000) end
  return list
end

-- What Lua itself says that make() takes.
local function measured(make)
  collectgarbage() collectgarbage()
  local before = collectgarbage "count"
  local v = make()
  collectgarbage() collectgarbage()
  return (collectgarbage "count" - before) * 1024, v
end

describe("weighing", function()
  it("takes texts, lists and tables for about what they need", function()
    near(1e6, { texts(1000, "a") })
    for what, make in pairs {
      list = function() local t = {} for i = 1, 50000 do t[i] = i end return t end,
      tables = function() local t = {} for i = 1, 20000 do t[i] = { x = i } end return t end,
      names = function() local t = {} for i = 1, 20000 do t["name" .. i] = true end return t end,
    } do
      local bytes, v = measured(make)
      local got = of { v }
      assert.is_true(got > bytes * 0.7 and got < bytes * 1.4,
        ("%s: %d bytes, Lua says %d"):format(what, got, bytes))
    end
  end)

  it("finds what variables, metatables, keys and coroutines hold, in steps", function()
    local big = texts(1000, "b")
    near(1e6, { script "local t = ... return function() return t end"(big) })
    near(1e6, { setmetatable({}, { __index = big }) })
    near(1e6, { { [big] = true } })
    local co = coroutine.create(script "local t = ... coroutine.yield() return t")
    near(1e6, { (function() coroutine.resume(co, big) return co end)() })
    local fresh = coroutine.create(script "return 1")
    assert.is_true(of { fresh } < 5000)
    assert.is_true(select(2, of { texts(1000, "c"), { { {} } } }) < 5)
    local chain = {}
    for _ = 1, 1000 do chain = { chain } end
    assert.is_true(select(2, of { chain }) > 90)
  end)

  it("counts nothing twice, nothing of weak tables, sealed ones and the library", function()
    local big = texts(1000, "d")
    near(1e6, { big, { big }, big })
    assert.is_true(of { setmetatable({ big }, { __mode = "v" }) } < 500)
    assert.is_true(of { setmetatable({ [big] = 1 }, { __mode = "k" }) } < 500)
    assert.is_true(of { setmetatable({}, { __metatable = "sealed", __index = big }) } < 500)
    assert.is_true(of { require "moon2m.core.guard", ("").len, table.remove, math.deg } < 2000)
    assert.is_true(of { require("moon2m.words").count } < 500)
    local cycle = {}
    cycle.self = cycle
    assert.is_true(of { cycle } < 500)
  end)

  it("goes on with what is added", function()
    local w = weigh.new { texts(100, "e") }
    assert.is_true(w:step(1000))
    local first = w:bytes()
    w:add { texts(100, "f"), texts(100, "e") }
    assert.is_true(w:step(1000))
    assert.is_true(w:bytes() > first * 1.9 and w:bytes() < first * 2.2)
    assert.has_error(function() weigh.new(5) end)
  end)
end)
