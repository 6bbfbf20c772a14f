-- Attribute kinds, compilation, and how representations are written.

local core = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local json = require "moon2m.json"
local kinds = require "moon2m.kind"
local schema = require "moon2m.schema"
local types = require "moon2m.types"

local function value(kind, raw)
  local v, why = kinds.of(kind).check(raw)
  assert(v ~= nil, why)
  return v
end

local function reason(kind, raw)
  local v, why = kinds.of(kind).check(raw)
  assert.is_nil(v, raw)
  return why
end

describe("kinds", function()
  it("hand back decoded values", function()
    assert.same(5, value("uint", "5"))
    assert.same(-5, value("int", "-5"))
    assert.same(false, value("bool", "false"))
    assert.same('a"b', value("string", '"a\\"b"'))
    assert.same(1704067200000000, value("timestamp", '"20240101T000000"'))
    assert.same(90000000, value("duration", '"PT1M30S"'))
    assert.same(5000000, value("abs_rel_timestamp", '"5000"'))
    assert.same("more milliseconds than until the year 9999",
      reason("abs_rel_timestamp", '"12345678901234567890"'))
    assert.same(1.5, value("number", "1.5"))
    assert.same('{"a": 1}', value("object", '{"a": 1}'))
    assert.same("[1 ]", value("any", "[1 ]"))
    local list = value(kinds.list("uint"), "[1, 2]")
    assert.same({ 1, 2 }, { list[1], list[2] })
    assert.is_true(json.is_array(value(kinds.list("uint", 0), "[]")))
  end)

  it("say what they expected", function()
    assert.same("expected a non-negative integer, got a string", reason("uint", '"5"'))
    assert.same("expected a non-negative integer, got an array", reason("uint", "[5]"))
    assert.same("expected a non-negative integer, got a number", reason("uint", "5.0"))
    assert.same("expected a non-negative integer, got -1", reason("uint", "-1"))
    assert.same("expected a positive integer, got 0", reason("posint", "0"))
    assert.same("larger than 2^53 - 1", reason("uint", "9007199254740992"))
    assert.same("expected a string, got null", reason("string", "null"))
    assert.same("expected true or false, got a number", reason("bool", "1"))
    assert.same("expected an object, got a boolean", reason("object", "true"))
    assert.same("expected a number, got a string", reason("number", '"1"'))
    assert.same("entry 2: expected a non-negative integer, got a string",
      reason(kinds.list("uint"), '[1,"x"]'))
    assert.same("expected at least 3 in the array, got 1", reason(kinds.list("uint", 3), "[1]"))
    assert.same("expected a thing (one of 1, 3), got 2",
      reason(kinds.enum("a thing", { 1, 3 }), "2"))
    assert.same("expected a thing from 1 to 3, got 4", reason(kinds.range("a thing", 1, 3), "4"))
  end)

  it("say what their bounds are", function()
    local range, list = kinds.range("a thing", 1, 3), kinds.list("posint", 2)
    assert.same({ 1, 3 }, { range.least, range.most })
    assert.same({ 2, 1 }, { list.least, list.of.least })
    assert.same({ 1, 4 }, kinds.enum("a thing", { 1, 4 }).values)
  end)

  it("objects are checked member by member", function()
    local k = kinds.object("a thing", { { "a", "uint", required = true }, { "b", "bool" },
      { "c", "uint", list = 1 } }, function(v) if v.a == 9 then return false, "no nines" end end)
    assert.same({ a = 1, b = true }, value(k, '{"a":1,"b":true}'))
    assert.same("expected an object, got an array", reason(k, "[]"))
    assert.same("member a is missing", reason(k, "{}"))
    assert.same("unknown member z", reason(k, '{"a":1,"z":1}'))
    assert.same("b: expected true or false, got a number", reason(k, '{"a":1,"b":1}'))
    assert.same("c: entry 1: expected a non-negative integer, got a string",
      reason(k, '{"a":1,"c":["x"]}'))
    assert.same("no nines", reason(k, '{"a":9}'))
    assert.is_string(reason(k, '{"a":1,"a":2}'))
  end)

  it("contentInfo, URLs, releases, serializations", function()
    for _, s in ipairs { "text/plain:0", "application/json:1", "application/vnd.x+json:2:1",
      "text/plain;charset=utf-8:0" } do value("cnf", core.quote(s)) end
    for _, s in ipairs { "http://h", "ws://default", "coap+ws://[::1]:5/x?y", "mqtt://b:1883" } do
      value("poa", core.quote(s))
    end
    for _, s in ipairs { "1", "2a", "3", "5", "10" } do value("release", core.quote(s)) end
    for _, s in ipairs { "json", "application/json", "application/vnd.onem2m-res+cbor", "xml" } do
      value("serialization", core.quote(s))
    end
  end)
end)

describe("encode", function()
  local T = types.by_ty[3]
  local NOW = sys.parse_stamp("20240102T030405,5")
  local r = { id = 3, pid = 1, ty = 3, rn = "level", ri = "13", pi = "11", ct = NOW, lt = NOW + 1,
    et = NOW, st = 7, cni = 2, cbs = 10, path = "level", type = T,
    raw = { lbl = '["b", "a"]', mni = "5", cr = '"Cx"', _tok = '"secret"', zz = "1" } }

  it("writes attributes in the type's order, texts as they came, nothing hidden", function()
    assert.same('{"m2m:cnt":{"rn":"level","ty":3,"ri":"13","pi":"11",'
      .. '"ct":"20240102T030405,500000","lt":"20240102T030405,500001",'
      .. '"et":"20240102T030405,500000","lbl":["b", "a"],"st":7,"cr":"Cx","mni":5,"cni":2,'
      .. '"cbs":10}}', schema.encode(T, r))
  end)

  it("writes only some, null where asked", function()
    assert.same('{"m2m:cnt":{"lbl":["b", "a"],"cbs":10}}',
      schema.encode(T, r, { cbs = true, lbl = true, mbs = true }))
    assert.same('{"m2m:cnt":{"lbl":null,"mbs":null}}',
      schema.encode(T, r, { lbl = json.null, mbs = json.null }))
    assert.same('{"m2m:cnt":{}}', schema.encode(T, r, {}))
    assert.same("{}", schema.encode_inner(T, r, {}))
  end)

  it("writes an instance, large numbers without exponent", function()
    local i = { ty = 4, st = 2 ^ 40, ct = NOW, size = 2, rn = 'a"b', ri = "13-17", pi = "13",
      raw = { con = '"x"' } }
    assert.same('{"rn":"a\\"b","ty":4,"ri":"13-17","pi":"13","ct":"20240102T030405,500000",'
      .. '"lt":"20240102T030405,500000","st":1099511627776,"cs":2,"con":"x"}',
      schema.encode_inner(types.by_ty[4], i))
  end)

  it("gives JSON that reads back", function()
    assert.is_true((core.check(schema.encode(T, r))))
  end)
end)

describe("check_create", function()
  it("leaves its input alone and its answers apart", function()
    local members = { rn = '"a"', mni = "5", cr = "null" }
    local raw, values = schema.check_create(types.by_ty[3], members)
    assert.same({ rn = '"a"', mni = "5", cr = "null" }, members)
    assert.same({ mni = "5" }, raw)
    assert.same({ rn = "a", mni = 5, cr = json.null }, values)
  end)

  it("is cheap for a contentInstance", function()
    local T, members = types.by_ty[4], { con = '"21.5"', cnf = '"text/plain:0"' }
    local before = os.clock()
    for _ = 1, 100000 do schema.check_create(T, members) end
    local us = (os.clock() - before) * 10
    assert.is_true(us < 10, us .. " us")
  end)
end)
