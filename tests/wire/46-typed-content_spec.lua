-- Content keeps its type and its bytes (TS-0004 8.2, 8.5): a number written in JSON comes back with
-- the same digits, a CBOR item as the same item, in a response, a child of a response, a
-- notification, over HTTP and WebSocket.

local h = require "harness"
local cbor = require "cbor"
local expect = h.expect

local ME = "Ctyped"

local TEXTS = { '"21.50"', '""', '"\\u00e4 \\"q\\" \\\\ \\/"', "21.50", "0.10", "-0", "-0.0", "1e3",
  "1E+2", "100", "12345678901234567890", "-9223372036854775809", "3.141592653589793238462643",
  "true", "false", "[]", "{}", "[1,2.0,[\"x\",null]]", '{"b":1.0,"a":{"c":[true,1e-7]}}',
  '[ 1 , {"a" : 2} ]' }

-- CBOR items in the form that a writer of shortest integers and exact floats gives.
local ITEMS = { "00", "17", "1818", "18ff", "190100", "19ffff", "1a00010000", "1affffffff",
  "1b0000000100000000", "1b7fffffffffffffff", "1bffffffffffffffff", "20", "3818",
  "3b7fffffffffffffff", "3bffffffffffffffff", "fa41ac0000", "fb3ff199999999999a",
  "fb7fefffffffffffff", "fa3fc00000", "fa80000000", "f4", "f5", "60", "63c3a461", "80", "a0",
  "8301820220f5", "a261610161628102" }

describe("typed content", function()
  local s, ws

  setup(function()
    s = h.start()
    s:register("typed")
    expect(2001, s:create("/moon/typed", ME, 3, { rn = "c" }))
    ws = s:primitives(ME)
  end)
  teardown(h.stop_all)

  local function has(text, con, where)
    assert.is_truthy(text:find('"con":' .. con, 1, true), where .. ": " .. con .. " in " .. text)
  end

  it("JSON: the text that was sent, everywhere", function()
    for _, con in ipairs(TEXTS) do
      local a = s:create("/moon/typed/c", ME, 4, '{"m2m:cin":{"con":' .. con .. "}}")
      assert.equal(2001, a.rsc, a.text)
      has(a.text, con, "create")
      has(s:retrieve("/moon/typed/c/la", ME).text, con, "retrieve")
      has(s:retrieve("/moon/typed/c?rcn=4", ME).text, con, "rcn 4")
      ws.ws:send(('{"op":2,"to":"moon/typed/c/la","fr":"%s","rqi":"x","rvi":"3"}'):format(ME))
      has((ws.ws:receive(5)), con, "WebSocket")
      ws.ws:send(('{"op":1,"ty":4,"to":"moon/typed/c","fr":"%s","rqi":"y","rvi":"3",'
        .. '"pc":{"m2m:cin":{"con":%s}}}'):format(ME, con))
      has((ws.ws:receive(5)), con, "create over WebSocket")
      expect(2002, s:delete("/moon/typed/c/la", ME))
      expect(2002, s:delete("/moon/typed/c/la", ME))
    end
  end)

  it("JSON: in a notification", function()
    expect(2001, s:create("/moon/typed/c", ME, 23, { rn = "s", nu = { ME },
      enc = { net = { 3 } } }))
    for i, con in ipairs(TEXTS) do
      s:create("/moon/typed/c", ME, 4, '{"m2m:cin":{"con":' .. con .. "}}")
      local text = assert(ws.ws:receive(5))
      has(text, con, "notification")
      ws.ws:send(('{"rsc":2000,"rqi":"%s","rvi":"3"}'):format(text:match('"rqi":"([^"]*)"')))
      assert(i)
    end
    expect(2002, s:delete("/moon/typed/c/s", ME))
  end)

  it("CBOR: the item that was sent, over HTTP and WebSocket and in a notification", function()
    local raw = assert(s:ws("/", { protocols = { "oneM2M.cbor" }, headers = {
      ["x-m2m-origin"] = ME } }))
    raw:send(cbor.encode { op = 2, to = "moon/typed", fr = ME, rqi = "bind", rvi = "3" }, "binary")
    assert(raw.ws:receive(5))
    expect(2001, s:create("/moon/typed/c", ME, 23, { rn = "s", nu = { ME },
      enc = { net = { 3 } } }))
    for _, hex in ipairs(ITEMS) do
      local item = cbor.encode("con") .. cbor.hex(hex)
      local function found(bytes, where)
        assert.is_truthy(bytes:find(item, 1, true), where .. ": " .. hex)
      end
      local a = s:http("POST", "/moon/typed/c", ME, { headers = {
        ["content-type"] = "application/cbor;ty=4" },
        body = "\161" .. cbor.encode("m2m:cin") .. "\161" .. item })
      assert.equal(2001, a.rsc, hex)
      found(a.text, "create")
      local bytes = assert(raw.ws:receive(5))
      found(bytes, "notification")
      raw:send(cbor.encode { rsc = 2000, rqi = cbor.decode(bytes).rqi, rvi = "3" }, "binary")
      found(s:retrieve("/moon/typed/c/la", ME, { headers = { accept = "application/cbor" } }).text,
        "retrieve")
      raw:send(cbor.encode { op = 2, to = "moon/typed/c/la", fr = ME, rqi = "r", rvi = "3" },
        "binary")
      found(assert(raw.ws:receive(5)), "retrieve over WebSocket")
    end
    raw.ws:close()
  end)
end)
