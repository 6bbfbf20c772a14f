-- JSON values: what is easily lost.

local core = require "moon2m.core.json"
local json = require "moon2m.json"

local function round(text)
  local v, why = json.decode(text)
  assert.is_not_nil(v, why)
  return json.encode(v)
end

describe("json", function()
  it("keeps arrays and objects apart, empty ones too", function()
    for _, text in ipairs { "[]", "{}", "[[]]", '{"a":[]}', '{"a":{}}', "[{}]",
      '{"a":[],"b":{"c":[]}}', "[1,2]", '[null,1]', '["a"]' } do
      assert.same(text, round(text))
    end
    assert.same('{"1":2}', round('{"1":2}'))
    assert.same('{"a":[]}', round('{"a":[ ]}'))
    assert.is_true(json.is_array(json.decode("[]")))
    assert.is_false(json.is_array(json.decode("{}")))
    assert.same("[]", json.encode(json.array {}))
    assert.same("[]", json.encode(json.array()))
  end)

  it("keeps the digits of large integers", function()
    assert.same(9007199254740992, json.decode("9007199254740992"))
    assert.same("12345678901234567", json.decode("12345678901234567"))
    assert.same("-99999999999999999999", json.decode("[-99999999999999999999]")[1])
    assert.same(0.12345678901234567, json.decode("0.12345678901234567"))
    assert.same(1e20, json.decode("1e20"))
    assert.same('{"n":1234567890123456}', round('{"n":1234567890123456}'))
  end)

  it("writes integers without exponent and other numbers exactly", function()
    local cases = { [1e15] = "1000000000000000", [2 ^ 53] = "9007199254740992", [-5] = "-5",
      [0.1] = "0.1", [21.5] = "21.5", [1 / 3] = "0.33333333333333331",
      [1e100] = ("%.0f"):format(1e100) }
    for n, text in pairs(cases) do
      assert.same(text, json.encode(n))
      assert.same(n, tonumber(text))
    end
  end)

  it("writes keys in one order, no escaped slash", function()
    assert.same('{"a":1,"b":2,"c":{"x":true,"y":false}}',
      json.encode { c = { y = false, x = true }, b = 2, a = 1 })
    assert.same('"a/b"', json.encode("a/b"))
  end)

  it("knows null, escapes and every kind of text", function()
    assert.same(json.null, json.decode("null"))
    assert.same("null", json.encode(json.null))
    assert.same('{"a":null,"b":[null]}', round('{"a":null,"b":[null]}'))
    for _, s in ipairs { "", "ä\n\t\"\\", "\1", "\\u0041", "€😀" } do
      assert.same(s, json.decode(core.quote(s)))
      assert.same(s, json.decode("[[]," .. core.quote(s) .. "]")[2])
      assert.same(s, json.decode(json.encode(s)))
    end
    assert.same("A€", json.decode('[[],"\\u0041\\u20ac"]')[2])
  end)

  it("reads every kind of value, in any space", function()
    assert.same({ a = { 1, 2, { b = "c" } }, d = true, e = json.null, f = -1.5e3 },
      json.decode ' {"a" :[1, 2,\t{"b":"c"} ] ,\r\n"d":true,"e":null,"f":-1.5e3}\n')
    assert.same({ false, "x", 0.5, 12, { ["k\n"] = {} }, "" },
      json.decode '[false,"x",5E-1,12,{"k\\n":{}},""]')
    assert.same(-math.huge, 1 / json.decode("-0"))
    assert.same(9007199254740993, tonumber(json.decode("9007199254740993")))
    assert.same("string", type(json.decode("9007199254740993")))
    assert.same({ a = 2 }, json.decode('{"a":1,"a":2}'))
    local deep = ("["):rep(64) .. ("]"):rep(64)
    assert.same(deep, json.encode(json.decode(deep)))
    local many = "[" .. ("1,"):rep(20000) .. "1]"
    assert.same(20001, #json.decode(many))
  end)

  it("says what is wrong instead of raising", function()
    for _, text in ipairs { "", "{", "[1,", '{"a"}', "nul", "[[],nul]", '[[],"a]', "[[]]x",
      "[[],{1:2}]", "[[],1 2]", "01", "+1", "0x10", "nan", "NaN", "inf",
      "1.",
      ".5", '"\255"',
      '"\t"', "tru", "1 1", ("["):rep(65) .. ("]"):rep(65),
      '{"a":[],}', ("["):rep(100) .. ("]"):rep(100) } do
      local v, why = json.decode(text)
      assert.is_nil(v, text)
      assert.is_string(why)
    end
  end)

  it("refuses to write what JSON cannot hold", function()
    local deep = {}
    for _ = 1, 100 do deep = { deep } end
    local cyclic = {}
    cyclic.a = cyclic
    for _, v in ipairs { 0 / 0, 1 / 0, print, { [5.5] = 1 }, { 1, x = 2 }, { [true] = 1 },
      { [2] = 1 }, deep, cyclic } do
      local ok, why = pcall(json.encode, v)
      assert.is_false(ok)
      assert.matches("^cannot encode", why)
    end
  end)

  it("makes values of what is inside an object and of members", function()
    assert.same({ con = "a", n = 1.5 }, json.inside '{"m2m:cin":{"con":"a","n":1.5}}')
    assert.same({ "a" }, json.inside ' {"m2m:uril":["a"],"b":1}')
    assert.same(12, json.inside '{"a":12}')
    assert.is_nil(json.inside "{}")
    assert.same({ nil, "not an object" }, { json.inside "[1]" })
    assert.is_truthy(select(2, json.inside '{"a":'))
    assert.same({ a = "x\n", b = 1, c = { true }, d = json.null },
      json.open { a = [["x\n"]], b = "1", c = "[true]", d = "null" })
    assert.same({}, json.open {})
    assert.is_true(json.is_array(json.open { a = "[]" }.a))
    assert.has_error(function() json.open { a = "{" } end)
    assert.has_error(function() json.open { a = 1, b = {} } end)
  end)

  it("keeps every member of objects of any size, and the later of two with one name", function()
    for n = 0, 70 do
      local parts, want = {}, {}
      for i = 1, n do
        parts[i], want["k" .. i] = ('"k%d":{"v":%d}'):format(i, i), { v = i }
      end
      assert.same(want, json.decode("{" .. table.concat(parts, ",") .. "}"))
    end
    assert.same({ a = 2, b = 3 }, json.decode '{"a":1,"a":2,"b":3}')
    local deep = ('{"a":'):rep(63) .. "{}" .. ("}"):rep(63)
    assert.same(deep, json.encode(json.decode(deep)))
  end)

  it("tells values that nobody touched", function()
    local members = { con = '"21.5"', n = "1e1", b = "false" }
    local function with(change)
      local values = json.open(members)
      change(values)
      return json.untouched(values, members) == true
    end
    assert.is_true(with(function() end))
    assert.is_true(json.untouched({}, {}))
    assert.is_false(with(function(v) v.con = "21.6" end))
    assert.is_false(with(function(v) v.con = 21.5 end))
    assert.is_false(with(function(v) v.con = nil end))
    assert.is_false(with(function(v) v.n = 11 end))
    assert.is_false(with(function(v) v.n = "1e1" end))
    assert.is_false(with(function(v) v.b = true end))
    assert.is_false(with(function(v) v.more = "x" end))
    assert.is_false(with(function(v) v[1] = "x" end))
    for _, raw in ipairs { [["a\n"]], "null", "[]", "{}", "12345678901234567890" } do
      local one = { a = raw }
      assert.is_not_true(json.untouched(json.open(one), one), raw)
    end
    assert.is_not_true(json.untouched({ a = "a\\n" }, { a = [["a\n"]] }))
  end)
end)
