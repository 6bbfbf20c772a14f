-- The core modules json and guard as Lua sees them.

local json = require "moon2m.core.json"
local guard = require "moon2m.core.guard"

describe("core.json", function()
  it("checks text and says where it is wrong", function()
    assert.is_true(json.check '{"a":[1,2.5e3,"x",null,true]}')
    for _, text in ipairs { "", "{", "[1,]", '{"a" 1}', "nul", "01", '"\1"', '"\255"', "1 2" } do
      local ok, why = json.check(text)
      assert.is_nil(ok, text)
      assert.is_string(why)
    end
    assert.is_nil((json.check(("["):rep(65) .. ("]"):rep(65))))
  end)

  it("takes objects apart, values as they were written", function()
    local m, names = json.members ' { "b" : 1.50 , "a\\u0041":{"x": [1, 2]}, "" : "\\/" } '
    assert.same({ b = "1.50", aA = '{"x": [1, 2]}', [""] = '"\\/"' }, m)
    assert.same({ "b", "aA", "" }, names)
    assert.same({}, (json.members "{}"))
  end)

  it("refuses a name that occurs twice, also when it is written differently", function()
    local m, why = json.members '{"a":1,"\\u0061":2}'
    assert.is_nil(m)
    assert.equal('member "a" occurs twice', why)
  end)

  it("refuses what is no object or array", function()
    assert.same({ nil, "not an object" }, { json.members "[1]" })
    assert.same({ nil, "not an array" }, { json.elements '{"a":1}' })
  end)

  it("takes arrays apart", function()
    assert.same({ "1", '"a,b"', "[ ]", "null" }, json.elements '[1, "a,b" ,[ ],null]')
    assert.same({}, json.elements "[]")
  end)

  it("finds one member", function()
    assert.equal("[1]", json.member('{"x":0,"y":[1]}', "y"))
    assert.is_nil(json.member('{"x":0}', "y"))
    assert.is_nil(json.member("[1]", "y"))
  end)

  it("names types", function()
    local types = { ["null"] = "null", ["true"] = "boolean", ["-1"] = "number", ['"s"'] = "string",
      ["[]"] = "array", [" {}"] = "object" }
    for raw, name in pairs(types) do assert.equal(name, json.type(raw)) end
  end)

  it("quotes and unquotes strings", function()
    assert.equal([["a\"\\\n/\u0001ü"]], json.quote 'a"\\\n/\1ü')
    assert.equal('a"\\\n/\1ü€', json.string [["a\"\\\n\/\u0001ü\u20ac"]])
    assert.equal("\240\159\152\128", json.string [["\ud83d\ude00"]])
    assert.is_nil(json.string "12")
    for _, s in ipairs { "", "\0", ("x"):rep(300000), "a\r\tb" } do
      assert.equal(s, json.string(json.quote(s)))
    end
  end)

  it("converts to CBOR and back", function()
    local text = '{"a":[1,-2,"x",null,true,1.5],"b":{}}'
    assert.equal("\161\97\97\1", json.to_cbor '{"a":1}')
    assert.equal(text, json.from_cbor(json.to_cbor(text)))
    assert.is_nil((json.to_cbor "{"))
    assert.is_nil((json.from_cbor "\255"))
    assert.is_nil((json.from_cbor ""))
    assert.is_nil((json.from_cbor "\1\1"))
  end)

  it("survives text that no check has passed", function()
    for _, text in ipairs { "", "{", '{"', '{"a', '{"a"', '{"a":', '{"\\', '{"a\\":1}', "[", "[[",
      '["' } do
      json.members(text)
      json.elements(text)
      json.member(text, "a")
      json.type(text)
      json.string(text)
    end
  end)
end)

describe("core.guard", function()
  it("compiles source text only, into its environment", function()
    local env = {}
    local f = guard.compile("x = ... return x", "@app.lua", env)
    assert.equal(5, f(5))
    assert.equal(5, env.x)
    local none, why = guard.compile("x = = 1", "@app.lua", env)
    assert.is_nil(none)
    assert.matches("^app.lua:1:", why)
    assert.is_nil((guard.compile(string.dump(f), "@app.lua", env)))
    assert.is_nil((guard.compile("return 1", "@lib/app.lua", env)))
  end)

  it("keeps user code out of the JIT compiler", function()
    local jutil = require "jit.util"
    jit.off(true, true)                         -- the loop below is no trace of its own
    local f = guard.compile([[
      local function inner() local s = 0 for i = 1, 1000 do s = s + i end return s end
      local s = 0 for i = 1, 1000 do s = s + inner() end return s]], "@app.lua", {})
    local before = 0
    while jutil.traceinfo(before + 1) do before = before + 1 end
    f()
    local made = jutil.traceinfo(before + 1)
    assert.is_nil(made)
  end)

  it("stops what runs too long and says where", function()
    local f = guard.compile("\n\nwhile true do end", "@app.lua", {})
    local ok, why, trace = guard.resume(0.02, "rule", coroutine.create(f))
    assert.is_false(ok)
    assert.equal("app.lua:3: still running after 20 ms, stopped", why)
    assert.matches("app.lua:3", trace)
  end)

  it("starts functions in coroutines that are used again, and books the calls", function()
    local m, co = guard.meter(0.02, 2 ^ 25, "app", "rule"), guard.thread()
    local function call(text, ...)
      return guard.start(m, "rule", co, guard.compile(text, "@app.lua", { coroutine = coroutine }),
        ...)
    end
    for i = 1, 3 do
      local ok, us, a, b, c = call("local a, b = ... return b, a, nil", i, "x")
      assert.same({ true, "x", i }, { ok, a, b, c })
      assert.is_true(us >= 0 and us < 1e6)
    end
    local ok, us, a, b = call("local got = coroutine.yield(1, 2) return got")
    assert.same({ nil, 1, 2 }, { ok, a, b })
    assert.is_true(us >= 0)
    assert.has_error(function() call "return 1" end)                  -- it is not idle
    assert.same({ true, "back" }, { guard.resume(m, "rule", co, "back") })
    guard.book(m, 100)
    assert.equal(5, (select(3, call "return 5")))
    local good, _, why, trace = call "local t t.x = 1"
    assert.is_false(good)
    assert.equal("app.lua:1: attempt to index local 't' (a nil value)", why)
    assert.matches("app.lua", trace)
    assert.has_error(function() call "return 1" end)                  -- it is dead
    local calls, seconds, hist = guard.books(m)
    assert.equal(6, calls)
    assert.is_true(seconds >= 100e-6 and seconds < 5)
    assert.is_true(hist[7] >= 1)                                      -- 64 us to 128
  end)

  it("stops a function that was started, and knows since when it runs", function()
    local m, co = guard.meter(0.02), guard.thread()
    local ok, us, why = guard.start(m, "rule", co, guard.compile("while true do end", "@app.lua",
      {}))
    assert.is_false(ok)
    assert.is_true(us >= 20000)
    assert.equal("app.lua:1: still running after 20 ms, stopped", why)
    local _, _, ran = guard.start(m, "rule", guard.thread(), function()
      for _ = 1, 1000 do guard.elapsed() end
      return guard.elapsed()
    end)
    assert.is_true(ran >= 0 and ran < 1e6)
  end)
end)

-- What is compiled of LuaJIT's own now and then loses half of a pointer (see vm.c).
describe("next and pairs", function()
  it("are functions in C, which no trace has in it", function()
    for _, fn in ipairs { next, pairs } do
      local info = require("jit.util").funcinfo(fn)
      assert.is_number(info.addr)
      assert.is_nil(info.ffid)                  -- it is none that LuaJIT knows
    end
  end)

  it("go through a table as ever", function()
    local t = { 1, 2, nil, 4, a = 5, [2.5] = 6 }
    local seen, direct = {}, {}
    for k, v in pairs(t) do seen[k] = v end
    for k, v in next, t do direct[k] = v end
    assert.same(t, seen)
    assert.same(t, direct)
    assert.is_nil(next {})
    assert.is_nil((next({ 1 }, 1)))
    assert.is_false(pcall(next))
    assert.is_false(pcall(pairs, nil))
    assert.matches("table expected", select(2, pcall(pairs, "x")))
    for k in pairs(t) do t[k] = nil end                 -- what is there may be taken away
    assert.same({}, t)
  end)
end)
