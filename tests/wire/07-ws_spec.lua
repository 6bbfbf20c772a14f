-- The WebSocket binding (TS-0020; RFC 6455) and who a connection speaks for, with lua-http, bare
-- frames and Node's ws (ws_client.js).

local h = require "harness"
local raw = require "raw"
local expect = h.expect

describe("WebSocket", function()
  local s

  setup(function()
    s = h.start()
    s:register("pump")
    expect(2001, s:create("/moon/pump", "Cpump", 3, { rn = "c" }))
  end)
  teardown(h.stop_all)

  local last = 0
  local function newcomer()
    last = last + 1
    return "ws" .. last
  end

  local function ae(name)
    return { ["m2m:ae"] = { rn = name, api = "Nws", rr = true, srv = { "3" } } }
  end

  -- Registers an AE with a container and a subscription of its own for new instances; the AE and
  -- the container's path.
  local function subscriber()
    local name = newcomer()
    local a = s:register(name)
    expect(2001, s:create("/moon/" .. name, a.aei, 3, { rn = "c" }))
    expect(2001, s:create("/moon/" .. name .. "/c", a.aei, 23, { nu = { a.aei }, enc = {
      net = { 3 } } }))
    return a, "/moon/" .. name .. "/c"
  end

  describe("subprotocols", function()
    for _, offer in ipairs { "oneM2M.json", "oneM2M.R2.0.json", "onem2m.json", "onem2m.r2.0.json",
      "ONEM2M.JSON", "oneM2M.cbor", "oneM2M.R2.0.cbor" } do
      it("echoes " .. offer .. " exactly", function()
        local ws = assert(s:ws("/", { protocols = { offer } }))
        assert.equal(offer, ws.protocol)
        ws:close()
      end)
    end

    it("takes the first offer that it supports", function()
      local ws = assert(s:ws("/", { protocols = { "oneM2M.xml", "oneM2M.cbor", "oneM2M.json" } }))
      assert.equal("oneM2M.cbor", ws.protocol)
      ws:close()
    end)

    it("refuses with 400 when there is none in common, or none on /", function()
      for _, headers in ipairs { "Sec-WebSocket-Protocol: oneM2M.xml\r\n", "" } do
        local c, r = raw.websocket(s.ws_port, headers)
        assert.equal(400, r.status)
        assert.matches(headers == "" and "^no subprotocol is offered: oneM2M.json"
          or "^no subprotocol offered is known: .* notification format", r.body)
        c:close()
      end
    end)

    it("none offered on the notification URL: JSON", function()
      local a, path = subscriber()
      local ws = assert(s:ws(a.url))
      s:add(path, a.aei, "plain")
      assert.equal("plain", (ws:content()))
      ws:close()
    end)

    it("accepts the handshake by the book", function()
      local c, r = raw.websocket(s.ws_port)
      assert.equal(101, r.status)
      assert.equal("Bz3qJYTGdOe8gUSpLosEdiLKDrk=", r.headers["sec-websocket-accept"])
      assert.equal("websocket", r.headers.upgrade:lower())
      c:close()
    end)

    for what, headers in pairs {
      ["a wrong version"] = { "Version: 13", "Version: 7" },
      ["no key"] = { "Sec%-WebSocket%-Key: [^\r]+\r\n", "" },
      ["a short key"] = { "AAECAwQFBgcICQoLDA0ODw==", "AAEC" },
      ["POST"] = { "^GET", "POST" },
      ["an unknown upgrade"] = { "Upgrade: websocket", "Upgrade: h2c" },
    } do
      it("refuses " .. what, function()
        local c = raw.connect(s.ws_port)
        local text = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ..
          "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Version: 13\r\n" ..
          "Sec-WebSocket-Protocol: oneM2M.json\r\n\r\n"
        local r = c:write((text:gsub(headers[1], headers[2]))):response(false, 3)
        assert.is_true(r == nil or r.status >= 400, r and r.line)
        c:close()
      end)
    end
  end)

  describe("identity", function()
    it("by the notification URL's token", function()
      local a, path = subscriber()
      local ws = s:listen(a)
      s:add(path, a.aei, "t")
      assert.equal("t", (ws:content()))
      expect(2000, ws:request { op = 2, to = path:sub(2), fr = a.aei })
      expect(2000, ws:request { op = 2, to = path:sub(2) })       -- fr may be left out
      ws:close()
    end)

    for _, form in ipairs { "%s", "/moon/%s", "//moon2m.local/moon/%s" } do
      it("by X-M2M-Origin: " .. form, function()
        local a, path = subscriber()
        local ws = s:primitives(form:format(a.aei))
        s:add(path, a.aei, "o")
        assert.equal("o", (ws:content()))
        ws:close()
      end)
    end

    it("by the first primitive of a registered AE", function()
      local a, path = subscriber()
      local ws = s:primitives()
      expect(2000, ws:request { op = 2, to = path:sub(2), fr = a.aei })
      s:add(path, a.aei, "p")
      assert.equal("p", (ws:content()))
      ws:close()
    end)

    it("by registration as the first primitive (TS-0020 Annex A), without fr and with", function()
      for _, fr in ipairs { "", "C" } do
        local ws = s:primitives()
        local name = newcomer()
        local req = { op = 1, to = "moon", ty = 2, pc = ae(name) }
        if fr ~= "" then req.fr = fr end
        local r = expect(2001, ws:request(req))
        assert.matches("^C", r.aei)
        local path = "moon/" .. name
        expect(2001, ws:request { op = 1, to = path, ty = 3, fr = r.aei, pc = { ["m2m:cnt"] = {
          rn = "c" } } })
        expect(2001, ws:request { op = 1, to = path .. "/c", ty = 23, fr = r.aei,
          pc = { ["m2m:sub"] = { nu = { r.aei }, enc = { net = { 3 } } } } })
        expect(2001, ws:request { op = 1, to = path .. "/c", ty = 4, fr = r.aei,
          pc = { ["m2m:cin"] = { con = "w" } } })
        assert.equal("w", (ws:content()))
        ws:close()
      end
    end)

    it("by a registration over it although X-M2M-Origin was not yet known", function()
      local name = newcomer()
      local ws = s:primitives("C" .. name)
      local r = expect(2001, ws:request { op = 1, to = "moon", ty = 2, fr = "C" .. name,
        pc = ae(name) })
      assert.equal("C" .. name, r.aei)
      ws:close()
    end)

    it("nobody: 4106 for an unknown fr, 4000 for none", function()
      local ws = s:primitives()
      expect(4106, ws:request { op = 2, to = "moon", fr = "Cunknown" })
      expect(4000, ws:request { op = 2, to = "moon" }, "fr")
      ws:close()
    end)

    it("several AEs share one connection, each gets its own", function()
      local ws = s:primitives()
      local path = {}
      local names = {}
      for i = 1, 3 do
        local a, p = subscriber()
        names[i], path[i] = a.aei, p
        expect(2000, ws:request { op = 2, to = p:sub(2), fr = a.aei })
      end
      for i = 1, 3 do s:add(path[i], names[i], "for " .. names[i]) end
      local got = {}
      for _ = 1, 3 do
        local con, m = ws:content()
        assert.equal("for " .. m.to:match("[^/]+$"), con)
        got[m.to:match("[^/]+$")] = true
      end
      for i = 1, 3 do assert.is_true(got[names[i]]) end
      ws:close()
    end)

    it("a newer connection takes over, the older is closed with 1000", function()
      local a, path = subscriber()
      local old = s:listen(a)
      s:add(path, a.aei, "1")
      assert.equal("1", (old:content()))
      s:add(path, a.aei, "2")
      local m = old:receive()                                -- not acknowledged
      assert.equal(5, m.op)
      local new = s:listen(a)
      assert.equal(1000, (old:closed(5)))
      local con, again = new:content()                       -- so it comes again, under its rqi
      assert.equal("2", con)
      assert.equal(m.rqi, again.rqi)
      s:add(path, a.aei, "3")
      assert.equal("3", (new:content()))
      new:close()
    end)

    it("deregistration leaves the socket open, for nobody", function()
      local a = subscriber()
      local ws = s:listen(a)
      expect(2002, ws:request { op = 4, to = a.aei, fr = a.aei })
      expect(4106, ws:request { op = 2, to = "moon", fr = a.aei })
      ws:close()
    end)
  end)

  describe("primitives", function()
    it("all operations", function()
      local ws = s:primitives("Cpump")
      local cnt = { ["m2m:cnt"] = { rn = "ops" } }
      local a = ws:request { op = 1, to = "moon/pump", ty = 3, fr = "Cpump", pc = cnt }
      expect(2001, a)
      assert.equal("3", a.rvi)
      expect(2000, ws:request { op = 2, to = "moon/pump/ops", fr = "Cpump" })
      assert.equal(4, expect(2004, ws:request { op = 3, to = "moon/pump/ops", fr = "Cpump",
        pc = { ["m2m:cnt"] = { mni = 4 } } }).mni)
      a = ws:request { op = 4, to = "moon/pump/ops", fr = "Cpump" }
      expect(2002, a)
      assert.is_nil(a.pc)
      expect(4004, ws:request { op = 2, to = "moon/pump/ops", fr = "Cpump" }, "to")
      ws:close()
    end)

    it("a NOTIFY to an AE goes over its connection, its answer comes back", function()
      local a = subscriber()
      local ws = s:listen(a)
      local me = s:primitives("CAdmin")
      assert(me:send { op = 5, to = a.aei, fr = "CAdmin", rqi = "ask", rvi = "3",
        pc = { ["m2m:sgn"] = { sur = "/moon/x", vrq = true } } })
      local m = assert(ws:receive())
      assert.equal(5, m.op)
      assert.is_true(m.pc["m2m:sgn"].vrq)
      ws:send { rsc = 2000, rqi = m.rqi, rvi = "3" }
      expect(2000, me:response("ask"))
      me:close()
      ws:close()
    end)

    it("rcn, fc, drt travel inside", function()
      local ws = s:primitives("Cpump")
      expect(2001, s:create("/moon/pump", "Cpump", 3, { rn = "second" }))
      local a = ws:request { op = 2, to = "moon", fr = "Cpump", fc = { fu = 1, ty = { 3 },
        lim = 1 },
        drt = 2 }
      assert.equal(1, #expect(2000, a))
      assert.equal(1, a.cnst)
      assert.equal(2, a.cnot)
      a = ws:request { op = 1, to = "moon/pump/c", ty = 4, fr = "Cpump", rcn = 0,
        pc = { ["m2m:cin"] = { con = "x" } } }
      expect(2001, a)
      assert.is_nil(a.pc)
      ws:close()
    end)

    it("unwraps a sole m2m:rqp", function()
      local ws = s:primitives("Cpump")
      assert(ws:send { ["m2m:rqp"] = { op = 2, to = "moon", fr = "Cpump", rqi = "w", rvi = "3" } })
      expect(2000, ws:response("w"))
      ws:close()
    end)

    it("many requests outstanding: each is answered once, by its rqi", function()
      local ws = s:primitives("Cpump")
      local n = 300
      for i = 1, n do
        assert(ws:send(i % 2 == 0 and { op = 2, to = "moon/pump/c", fr = "Cpump", rqi = "m" .. i,
          rvi = "3" }
          or { op = 1, to = "moon/pump/c", ty = 4, fr = "Cpump", rqi = "m" .. i, rvi = "3", rcn = 0,
            pc = { ["m2m:cin"] = { con = tostring(i) } } }))
      end
      local seen = {}
      for _ = 1, n do
        local m = assert(ws:receive())
        assert.is_nil(seen[m.rqi])
        seen[m.rqi] = m.rsc
      end
      for i = 1, n do assert.equal(i % 2 == 0 and 2000 or 2001, seen["m" .. i]) end
      assert.equal("299", expect(2000, s:retrieve("/moon/pump/c/la", "Cpump")).con)  -- in order
      ws:close()
    end)

    it("fragmented messages, control frames between", function()
      local c = raw.websocket(s.ws_port)
      local text = '{"op":2,"to":"moon","fr":"Cpump","rqi":"frag","rvi":"3"}'
      c:write(raw.frame(0x01, text:sub(1, 10)) .. raw.frame(0x89, "ping") ..
        raw.frame(0x00, text:sub(11, 20)) .. raw.frame(0x80, text:sub(21)))
      local got = {}
      for _ = 1, 2 do
        local op, data = c:frame()
        got[op] = data
      end
      assert.equal("ping", got[10])
      assert.matches('"rqi":"frag"', got[1])
      assert.matches('"rsc":2000', got[1])
      c:close()
    end)

    it("several messages in one segment, one message in many", function()
      local c = raw.websocket(s.ws_port)
      local all = {}
      for i = 1, 20 do
        all[i] = raw.frame(0x81,
          ('{"op":2,"to":"moon","fr":"Cpump","rqi":"s%d","rvi":"3"}'):format(i))
      end
      c:write(table.concat(all))
      local seen = {}
      for _ = 1, 20 do seen[select(2, c:frame()):match('"rqi":"(s%d+)"')] = true end
      for i = 1, 20 do assert.is_true(seen["s" .. i]) end
      local one = raw.frame(0x81, '{"op":2,"to":"moon","fr":"Cpump","rqi":"slow","rvi":"3"}')
      for i = 1, #one do
        c:write(one:sub(i, i))
        h.sleep(0.001)
      end
      assert.matches('"rqi":"slow"', select(2, c:frame()))
      c:close()
    end)
  end)

  describe("bad input", function()
    local cases = {
      { "{", 4000 }, { "", 4000 }, { "[]", 4000 }, { "1", 4000 }, { '"x"', 4000 }, { "{}", 4000 },
      { '{"op":2', 4000 }, { '{"op":2,"op":2,"to":"moon","fr":"Cpump","rqi":"d","rvi":"3"}', 4000 },
      { '{"op":"2","to":"moon","fr":"Cpump","rqi":"d","rvi":"3"}', 4000, "op" },
      { '{"op":9,"to":"moon","fr":"Cpump","rqi":"d","rvi":"3"}', 4000, "op" },
      { '{"op":2,"fr":"Cpump","rqi":"d","rvi":"3"}', 4000, "to" },
      { '{"op":2,"to":5,"fr":"Cpump","rqi":"d","rvi":"3"}', 4000, "to" },
      { '{"op":2,"to":"moon","fr":"Cpump","rvi":"3"}', 4000, "rqi" },
      { '{"op":2,"to":"moon","fr":"Cpump","rqi":7,"rvi":"3"}', 4000, "rqi" },
      { '{"op":2,"to":"moon","fr":"Cpump","rqi":"d"}', 4001, "rvi" },
      { '{"op":2,"to":"moon","fr":"Cpump","rqi":"d","rvi":3}', 4000, "rvi" },
      { '{"op":2,"to":"moon","fr":"Cpump","rqi":"d","rvi":"3","zz":1}', 4000, "zz" },
      { '{"op":2,"to":"moon","fr":"Cpump","rqi":"d","rvi":"3","fc":[]}', 4000, "fc" },
      { '{"op":2,"to":"moon","fr":"Cpump","rqi":"d","rvi":"3","fc":{"zz":1}}', 4000, "zz" },
      { '{"op":2,"to":"moon","fr":"Cpump","rqi":"d","rvi":"3","rt":{"rtv":9}}', 4000, "rt" },
      { '{"op":1,"to":"moon/pump","fr":"Cpump","rqi":"d","rvi":"3","pc":{"m2m:cnt":{}}}', 4000,
        "ty" },
      { '{"op":1,"to":"moon/pump","ty":3,"fr":"Cpump","rqi":"d","rvi":"3"}', 4000, "pc" },
      { '{"op":1,"to":"moon/pump","ty":3,"fr":"Cpump","rqi":"d","rvi":"3","pc":[]}', 4000, "pc" },
      { '{"op":1,"to":"moon/pump","ty":3,"fr":"Cpump","rqi":"d","rvi":"3","pc":{}}', 4000, "pc" },
      { '{"op":1,"to":"moon/pump","ty":3,"fr":"Cpump","rqi":"d","rvi":"3","pc":{"m2m:cnt":{},' ..
        '"m2m:cin":{}}}', 4000, "pc" },
      { ("["):rep(200) .. ("]"):rep(200), 4000 },
      { '{"op":2,"to":"moon","fr":"Cpump","rqi":"d","rvi":"3","pc":' .. ("["):rep(100) ..
        ("]"):rep(100) .. "}", 4000 },
    }
    for _, case in ipairs(cases) do
      it(("answers %d: %s"):format(case[2], case[1]:sub(1, 70)), function()
        local ws = s:primitives()
        assert(ws:send(case[1]))
        local m = assert(ws:receive())
        expect(case[2], m, case[3])
        if case[1]:find('"rqi":"d"', 1, true) then assert.equal("d", m.rqi) end
        expect(2000, ws:request { op = 2, to = "moon", fr = "Cpump" })   -- and goes on
        ws:close()
      end)
    end

    it("answers to nothing are ignored", function()
      local ws = s:primitives("Cpump")
      ws:send { rsc = 2000, rqi = "never", rvi = "3" }
      ws:send { rsc = "x", rqi = "never" }
      ws:receive(0.2)
      expect(2000, ws:request { op = 2, to = "moon", fr = "Cpump" })
      ws:close()
    end)

    for what, case in pairs {
      ["binary on JSON: 1003"] = { 1003, function() return raw.frame(0x82, "{}") end },
      ["invalid UTF-8: 1007"] = { 1007, function() return raw.frame(0x81,
        '{"op":"\255\254"}') end },
      ["a message over 1 MiB: 1009"] = { 1009, function()
        return raw.frame(0x81, ("a"):rep(1048577))
      end },
      ["fragments over 1 MiB: 1009"] = { 1009, function()
        return raw.frame(0x01, ("a"):rep(700000)) .. raw.frame(0x80, ("a"):rep(700000))
      end },
      ["a reserved opcode: 1002"] = { 1002, function() return raw.frame(0x83, "x") end },
      ["a reserved bit: 1002"] = { 1002, function() return raw.frame(0xc1, "x") end },
      ["a continuation of nothing: 1002"] = { 1002, function() return raw.frame(0x80, "x") end },
      ["a long control frame: 1002 or nothing"] = { 1002, function() return raw.frame(0x89,
        ("a"):rep(126)) end },
    } do
      it("closes after " .. what, function()
        local c = raw.websocket(s.ws_port)
        pcall(c.write, c, case[2]())
        local code = c:close_code(5)
        -- the connection may end before the close frame is read, when much was still unread
        local silent = case[1] == 1009 or what:find("or nothing", 1, true)
        assert.is_truthy(code == case[1] or code == nil and silent, tostring(code))
        c:close()
      end)
    end

    it("closes with the client's code when the client closes", function()
      local c = raw.websocket(s.ws_port)
      c:write(raw.frame(0x88, "\3\232bye"))
      assert.equal(1000, c:close_code(5))
      assert.is_true(c:ended())
      c:close()
    end)
  end)

  it("Node's ws: register, subscribe, receive, many requests, ping, close", function()
    local out, rc = h.node("ws_client", s.ws_port, newcomer())
    assert.equal(0, rc, out)
    assert.matches("all well$", out)
  end)
end)

describe("a connection", function()
  teardown(h.stop_all)

  it("is pinged when idle, and given up without an answer", function()
    local s = h.start { config = "limits = { ping = 1, hangup = 3 }\n" }
    local c = raw.websocket(s.ws_port)
    local op = c:frame(5)
    assert.equal(9, op)                               -- never answered
    local started = require("cqueues").monotime()
    repeat op = c:frame(6) until op ~= 9
    assert.is_true(op == 8 or op == nil)
    assert.is_true(require("cqueues").monotime() - started < 15)
    c:close()
  end)

  it("is closed with 1001 at SIGTERM, after what is in flight; exit code 0", function()
    local s = h.start()
    s:register("last")
    expect(2001, s:create("/moon/last", "Clast", 3, { rn = "c" }))
    local ws, idle = s:primitives("Clast"), s:primitives()
    for i = 1, 50 do
      ws:send { op = 1, to = "moon/last/c", ty = 4, fr = "Clast", rqi = "f" .. i, rvi = "3",
        rcn = 0,
        pc = { ["m2m:cin"] = { con = tostring(i) } } }
    end
    s:signal("TERM")
    local answered = 0
    while true do
      local m = ws:receive(6)
      if not m then break end
      if m.rsc == 2001 then answered = answered + 1 end
    end
    assert.equal(1001, ws.ws.got_close_code)
    assert.equal(1001, (idle:closed(5)))
    assert.equal(0, s:exit_code(8))
    s:run()
    assert.is_true(expect(2000, s:retrieve("/moon/last/c", "Clast")).cni >= answered)
  end)

  it("lives on a port of its own when configured so", function()
    local s = h.start { listen = "127.0.0.1:0,http --listen 127.0.0.1:0,ws" }
    assert.not_equal(s.port, s.ws_port)
    local a = s:register("apart")
    assert.matches((":%d/notify/"):format(s.ws_port), a.url)
    s:listen(a):close()
    local c, r = raw.websocket(s.port)
    assert.is_true(r == nil or r.status >= 400)
    c:close()
    c = raw.connect(s.ws_port)
    r = c:write(raw.head("GET", "/moon")):response(false, 3)
    assert.is_true(r == nil or r.status >= 400)
    c:close()
  end)

  it("is refused to pages that are not in the list of origins", function()
    local s = h.start { config = 'limits = { origins = { "https://good.example" } }\n' }
    local P = "Sec-WebSocket-Protocol: oneM2M.json\r\n"
    local c, r = raw.websocket(s.ws_port, P .. "Origin: https://bad.example\r\n")
    assert.equal(403, r.status)
    c:close()
    for _, more in ipairs { "Origin: https://good.example\r\n", "" } do
      c, r = raw.websocket(s.ws_port, P .. more)
      assert.equal(101, r.status)
      c:close()
    end
  end)
end)
