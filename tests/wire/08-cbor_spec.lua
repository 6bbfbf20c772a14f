-- CBOR (TS-0004 8.5) over HTTP and WebSocket, judged by the tests' own codec.

local h = require "harness"
local cbor = require "cbor"
local expect = h.expect

local ME = "Cbor"

describe("CBOR over HTTP", function()
  local s

  setup(function()
    s = h.start()
    s:register("bor")
    expect(2001, s:create("/moon/bor", ME, 3, { rn = "c" }))
  end)
  teardown(h.stop_all)

  local function post(path, ty, bytes, headers)
    local all = { ["content-type"] = "application/cbor" .. (ty and ";ty=" .. ty or "") }
    for k, v in pairs(headers or {}) do all[k] = v end
    return s:http("POST", path, ME, { body = bytes, headers = all })
  end

  it("creates; the answer is CBOR too", function()
    local a = post("/moon/bor", 3, cbor.encode { ["m2m:cnt"] = { rn = "k", mni = 300,
      lbl = { "a", "ö" }, disr = false } })
    assert.equal(2001, a.rsc)
    assert.equal("application/cbor", a.headers:get("content-type"))
    local r = cbor.decode(a.text)["m2m:cnt"]
    assert.equal("k", r.rn)
    assert.equal(300, r.mni)
    assert.same({ "a", "ö" }, r.lbl)
    assert.is_false(r.disr)
    assert.equal(300, expect(2000, s:retrieve("/moon/bor/k", ME)).mni)   -- the same in JSON
  end)

  it("takes vnd.onem2m-res+cbor", function()
    local a = post("/moon/bor/c", nil, cbor.encode { ["m2m:cin"] = { con = "v" } },
      { ["content-type"] = "application/vnd.onem2m-res+cbor;ty=4" })
    assert.equal(2001, a.rsc)
  end)

  for name, value in pairs { integer = 42, negative = -7, large = 4294967296 - 1, fraction = 21.5,
    small = -0.001, text = "grüße", empty = "", yes = true, no = false, list = { 1, "two", { 3 } },
    map = { a = { b = { c = "d" } } } } do
    it("carries content: " .. name, function()
      local a = post("/moon/bor/c", 4, cbor.encode { ["m2m:cin"] = { con = value } })
      assert.equal(2001, a.rsc, a.text)
      assert.same(value, cbor.decode(a.text)["m2m:cin"].con)
      assert.same(value, expect(2000, s:retrieve("/moon/bor/c/la", ME)).con)
      local b = s:retrieve("/moon/bor/c/la", ME, { headers = { accept = "application/cbor" } })
      assert.same(value, cbor.decode(b.text)["m2m:cin"].con)
    end)
  end

  it("accepts what others send: byte strings as text, half floats, indefinite lengths", function()
    local cin = cbor.encode("m2m:cin")
    for name, con in pairs {
      ["byte string"] = cbor.hex "45" .. "bytes", ["half float"] = cbor.hex "f93e00",
      ["single float"] = cbor.hex "fa41ac0000", ["indefinite text"] = cbor.hex "7f6261626163ff",
      ["indefinite array"] = cbor.hex "9f0102ff",
        ["64-bit integer"] = cbor.hex "1b0000000100000000",
    } do
      local body = cbor.hex "bf" .. cin .. cbor.hex "bf" .. cbor.hex "43636f6e" .. con ..
        cbor.hex "ffff"
      local a = post("/moon/bor/c", 4, body)
      assert.equal(2001, a.rsc, name)
      local want = ({ ["byte string"] = "bytes", ["half float"] = 1.5, ["single float"] = 21.5,
        ["indefinite text"] = "abc", ["64-bit integer"] = 4294967296 })[name] or { 1, 2 }
      assert.same(want, expect(2000, s:retrieve("/moon/bor/c/la", ME)).con, name)
    end
  end)

  it("refuses undefined as content and a member that occurs twice", function()
    for hex, name in pairs { ["a1676d326d3a63696ea163636f6ef7"] = "con",
      ["a1676d326d3a63696ea263636f6e0163636f6e02"] = "con" } do
      expect(4000, post("/moon/bor/c", 4, cbor.hex(hex), { accept = "application/json" }), name)
    end
  end)

  it("an error body is CBOR when CBOR was asked for", function()
    local a = s:retrieve("/moon/none", ME, { headers = { accept = "application/cbor" } })
    assert.equal(4004, a.rsc)
    assert.is_string(cbor.decode(a.text)["m2m:dbg"])
  end)

  for name, hex in pairs { ["nothing that ends"] = "a1676d326d3a63696e", ["a break alone"] = "ff",
    ["an array"] = "80", ["a reserved length"] = "bc", ["bytes behind"] = "a000",
    ["an integer key"] = "a10102", ["invalid UTF-8"] = "a1676d326d3a63696ea163636f6e62fffe",
    ["a length beyond the message"] = "a1676d326d3a63696ea163636f6e7affffffff61",
    ["a huge array"] = "9bffffffffffffffff",     ["deep nesting"] = ("81"):rep(1000) .. "00" } do
    it("refuses " .. name .. " (4000)", function()
      local before = expect(2000, s:retrieve("/moon/bor/c", ME)).st
      local a = post("/moon/bor/c", 4, cbor.hex(hex), { accept = "application/json" })
      expect(4000, a, "pc: ")
      assert.equal(before, expect(2000, s:retrieve("/moon/bor/c", ME)).st)
    end)
  end
end)

describe("CBOR over WebSocket", function()
  local s, ws

  setup(function()
    s = h.start()
    s:register("bor")
    expect(2001, s:create("/moon/bor", ME, 3, { rn = "c" }))
    ws = assert(s:ws("/", { protocols = { "oneM2M.cbor" }, headers = { ["x-m2m-origin"] = ME } }))
  end)
  teardown(h.stop_all)

  -- The next message: decoded, and whether it was binary.
  local function receive(seconds)
    local data, opcode = ws.ws:receive(seconds or 5)
    return data and cbor.decode(data), opcode
  end

  local function request(p)
    p.rqi, p.rvi, p.fr = h.next_rqi(), "3", ME
    assert(ws:send(cbor.encode(p), "binary"))
    local m, opcode = receive()
    assert.equal("binary", opcode)
    assert.equal(p.rqi, m.rqi)
    return m
  end

  it("all operations", function()
    assert.equal(2001, request { op = 1, to = "moon/bor", ty = 3, pc = { ["m2m:cnt"] = {
      rn = "w" } } }.rsc)
    assert.equal("w", request({ op = 2, to = "moon/bor/w" }).pc["m2m:cnt"].rn)
    assert.equal(2004, request { op = 3, to = "moon/bor/w", pc = { ["m2m:cnt"] = {
      mni = 2 } } }.rsc)
    assert.equal(2002, request { op = 4, to = "moon/bor/w" }.rsc)
    local m = request { op = 2, to = "moon/bor/w" }
    assert.equal(4004, m.rsc)
    assert.is_string(m.pc["m2m:dbg"])
  end)

  it("notifications, acknowledged with the digest's own vector", function()
    assert.equal(2001, request { op = 1, to = "moon/bor/c", ty = 23,
      pc = { ["m2m:sub"] = { nu = { ME }, enc = { net = { 3 } } } } }.rsc)
    expect(2001, s:create("/moon/bor/c", ME, 4, { con = 21.5 }))
    local m, opcode = receive()
    assert.equal("binary", opcode)
    assert.equal(5, m.op)
    assert.equal(21.5, m.pc["m2m:sgn"].nev.rep["m2m:cin"].con)
    local ack = cbor.encode { rsc = 2000, rqi = m.rqi, rvi = "3" }
    ws:send(ack, "binary")
    expect(2001, s:create("/moon/bor/c", ME, 4, { con = "next" }))
    m = receive()
    assert.equal("next", m.pc["m2m:sgn"].nev.rep["m2m:cin"].con)
    ws:send(cbor.encode { rsc = 2000, rqi = m.rqi, rvi = "3" }, "binary")
    assert.is_nil((receive(0.2)))
  end)

  it("malformed CBOR is answered 4000, the connection goes on", function()
    ws:send(cbor.hex "a1", "binary")
    local m = receive()
    assert.equal(4000, m.rsc)
    assert.equal(2000, request({ op = 2, to = "moon/bor" }).rsc)
  end)

  it("text on a CBOR connection closes with 1003", function()
    ws:send("{}", "text")
    assert.equal(1003, (ws:closed(5)))
  end)
end)
