-- Other CSEs on the wire (TS-0001 10.2.2.6, TS-0004 7.4.4, 7.3.2.6): registration of a CSE, and
-- notifications for what it hosts: over its connection, its points of access, its polling channel,
-- a configured route; between two of these servers, to the AE's own WebSocket.

local h = require "harness"
local new_targets = require("targets").new
local expect = h.expect

local BASE, CLOSED = "/moon", "* * * * * * 2001"
local names = 0

-- A CSE's registration: attributes beyond the mandatory ones.
local function csr(csi, more)
  local attrs = { cb = csi .. "/base", rr = true, srv = { "3" } }
  for k, v in pairs(more or {}) do attrs[k] = v end
  return { ["m2m:csr"] = attrs }
end

describe("another CSE", function()
  local s

  setup(function()
    s = h.start { config = "notification = { answer_time = 2, retry_min = 0.2 }" }
  end)
  teardown(h.stop_all)

  local function register(csi, more) return s:create(BASE, csi, 16, csr(csi, more)) end

  -- A container that `who` may use, with its subscription that notifies nu (nil: itself).
  local function subscribed(who, nu)
    names = names + 1
    local name = "rc" .. names
    expect(2001, s:create(BASE, "CAdmin", 1, { rn = "acp" .. names,
      pv = { acr = { { acor = { who, "CAdmin" }, acop = 63 } } },
      pvs = { acr = { { acor = { "CAdmin" }, acop = 63 } } } }))
    expect(2001, s:create(BASE, "CAdmin", 3, { rn = name, acpi = { "moon/acp" .. names } }))
    local c = BASE .. "/" .. name
    expect(2001, s:create(c, who, 23, { rn = "s", nu = { nu or who }, enc = { net = { 3 } } }))
    return c
  end

  local function add(c, from, to)
    for i = from, to or from do s:add(c, "CAdmin", tostring(i)) end
  end

  it("registers: its identifier, its token, its mistakes", function()
    local answer = register("/reg", { rn = "reg", cst = 2, poa = { "http://h:1" },
      dcse = { "/below" } })
    local r = expect(2001, answer)
    assert.equal("/reg", r.csi)
    assert.equal(16, r.ty)
    assert.equal("/reg/base", r.cb)
    assert.matches("^<ws://.-/notify/[%w.]+>", answer.headers:get("link"))
    expect(4117, register("/reg"), "/reg")
    expect(4005, register("Cae"), "CSE%-ID")
    expect(4005, register("/reg/Cae"), "CSE%-ID")
    expect(4005, register("/Sx"), "CSE%-ID")
    expect(4000, register("/moon"), "this CSE")
    expect(4000, s:create(BASE, "/x", 16, csr "/y"), "cb")
    expect(4000, register("/x", { csi = "/y" }), "csi")
    expect(4000, s:create(BASE, "/x", 16, '{"m2m:csr":{"cb":"/x/b","rr":true}}'), "srv")
    expect(4108, s:create("/moon/reg", "/x", 16, csr "/x"))
    expect(4000, s:create("/~/elsewhere/base", "/x", 16, csr "/x"), "not forwarded")
    expect(2002, s:delete("/moon/reg", "/reg"))
  end)

  it("speaks for itself and for those behind it, as long as it is registered", function()
    expect(4107, s:retrieve(BASE, "/who"))
    expect(4106, s:retrieve(BASE, "/who/Cx"))
    expect(2001, register("/who", { rn = "who", dcse = { "/below" } }))
    expect(2000, s:retrieve(BASE, "/who"))
    expect(2000, s:retrieve(BASE, "/who/Cx"))
    expect(2000, s:retrieve(BASE, "/below"))
    expect(2000, s:retrieve("/moon/who", "/who"))
    expect(4103, s:retrieve("/moon/who", "/who/Cx"))
    expect(4103, s:update("/moon/who", "/below", { ["m2m:csr"] = { rr = true } }))
    expect(2004, s:update("/moon/who", "/who", '{"m2m:csr":{"dcse":null}}'))
    expect(4107, s:retrieve(BASE, "/below"))
    expect(2001, s:create("/moon/who", "/who", 3, { rn = "c" }))
    local found = expect(2000, s:retrieve(BASE .. "?fu=1&ty=16", "CAdmin"))
    assert.same({ "moon/who" }, found)
    expect(2002, s:delete("/moon/who", "/who"))
    expect(4107, s:retrieve(BASE, "/who"))
  end)

  it("is told over its WebSocket, of its AEs too; what it missed is kept", function()
    local ws = s:primitives()
    expect(2001, ws:request { op = 1, to = "moon", fr = "/wcse", ty = 16,
      pc = csr("/wcse", { rn = "wcse" }) })
    local c = subscribed "/wcse/Cfar"
    local d = subscribed "/wcse"
    add(c, 1)
    local con, m = ws:content()
    assert.same({ "1", "/wcse/Cfar", "/moon" }, { con, m.to, m.fr })
    add(d, 2)
    con, m = ws:content()
    assert.same({ "2", "/wcse" }, { con, m.to })
    ws:close()
    add(c, 3, 5)
    s:stop()
    s:run()
    ws = s:primitives "/wcse"
    for i = 3, 5 do assert.equal(tostring(i), (ws:content())) end
    local newer = s:primitives "/wcse"
    assert.equal(1000, (ws:closed()))
    add(c, 6)
    assert.equal("6", (newer:content()))
    newer:close()
  end)

  it("is asked whether its AE wants to be notified", function()
    expect(2001, register("/vcse", { rn = "vcse" }))
    local ws = s:primitives "/vcse"
    local out = s.dir .. "/verified"
    h.sh([[curl -sS -m 10 -X POST -H 'X-M2M-Origin: CAdmin' -H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3' \
      -H 'Content-Type: application/json;ty=23' -o %s -w '%%{http_code}' %s/moon/rc1 \
      -d '{"m2m:sub":{"nu":["/vcse/Cnew"]}}' > %s.code 2>/dev/null &]], out, s.base, out)
    local m = assert(ws:notification())
    assert.is_true(m.pc["m2m:sgn"].vrq)
    assert.equal("/vcse/Cnew", m.to)
    h.wait("the subscription", function() return h.read_file(out .. ".code") == "201" end)
    expect(5204, s:create("/moon/rc1", "CAdmin", 23, { nu = { "/nowhere/Cx" } }), "no way")
    ws:close()
  end)

  it("waits in front when the CSE cannot deliver it now, refused for good it is gone", function()
    expect(2001, register("/fcse", { rn = "fcse" }))
    local ws = s:primitives "/fcse"
    local c = subscribed "/fcse/Caway"
    add(c, 1, 3)
    local m = assert(ws:notification(5, false))
    ws:send { rsc = 5103, rqi = m.rqi, rvi = "3" }
    local again = assert(ws:notification(5, false))
    assert.equal(m.rqi, again.rqi)
    ws:send { rsc = 4103, rqi = m.rqi, rvi = "3" }
    assert.equal("2", (ws:content()))
    assert.equal("3", (ws:content()))
    ws:close()
  end)

  it("is told at its points of access, in order", function()
    local status, code = 503, "5103"
    local t = new_targets(function() return status, nil, code end)
    expect(2001, register("/pcse", { rn = "pcse", poa = { "mqtt://h", "ws://default",
      "http://127.0.0.1:1", t.url .. "/in/" } }))
    local c = subscribed "/pcse/Cfar"
    add(c, 1, 2)
    t:expect(1)
    status = 200
    t:wait("both", function() return #t.got >= 3 end)
    local last = t.got[#t.got]
    assert.equal("/in/~/pcse/Cfar", last.path)
    assert.equal("/moon", last.headers["x-m2m-origin"])
    assert.equal("2", last.body["m2m:sgn"].nev.rep["m2m:cin"].con)
    local ws = s:primitives "/pcse"
    add(c, 3)
    assert.equal("3", (ws:content()))
    ws:close()
    expect(2004, s:update("/moon/pcse", "/pcse", { ["m2m:csr"] = { poa = { t.url } } }))
    add(c, 4)
    t:wait("the other path", function() return t.got[#t.got].path == "/~/pcse/Cfar" end)
    t:close()
  end)

  it("fetches what is for it and its AEs from its polling channel", function()
    expect(2001, register("/poll", { rn = "poll", rr = false }))
    expect(4103, s:create("/moon/poll", "CAdmin", 15, '{"m2m:pch":{}}'))
    expect(2001, s:create("/moon/poll", "/poll", 15, '{"m2m:pch":{"rn":"pch"}}'))
    expect(4000, s:create("/moon/poll", "/poll", 15, '{"m2m:pch":{}}'), "at most")
    local pcu = "/moon/poll/pch/pcu"
    expect(4103, s:retrieve(pcu, "/poll/Cfar"))
    local c = subscribed "/poll/Cfar"
    local d = subscribed "/poll"
    add(c, 1, 2)
    add(d, 3)
    local seen = {}
    for _ = 1, 3 do
      local rqp = expect(2000, s:retrieve(pcu, "/poll"))
      assert.equal(5, rqp.op)
      seen[#seen + 1] = rqp.to .. " " .. rqp.pc["m2m:sgn"].nev.rep["m2m:cin"].con
      expect(2000, s:http("POST", pcu, "/poll", { body = { ["m2m:rsp"] = { rsc = 2000,
        rqi = rqp.rqi, rvi = "3" } } }))
    end
    table.sort(seen)
    assert.same({ "/poll 3", "/poll/Cfar 1", "/poll/Cfar 2" }, seen)
    expect(4008, s:retrieve(pcu, "/poll", { headers = { ["x-m2m-ret"] = "300" } }))
  end)

  it("deregistered: its token is void, what waited for it is dropped", function()
    local url = register("/gone", { rn = "gone" }).headers:get("link"):match("<([^>]+)>")
    local c = subscribed "/gone/Cfar"
    local ws = assert(s:ws(url, { protocols = { "oneM2M.json" } }))
    add(c, 1)
    assert.equal("1", (ws:content()))
    ws:close()
    add(c, 2, 4)
    local before = s:metric("moon2m_notices_dropped_total", 'reason="forgotten"') or 0
    expect(2002, s:delete("/moon/gone", "/gone"))
    h.wait("three dropped", function()
      return s:metric("moon2m_notices_dropped_total", 'reason="forgotten"') == before + 3
    end)
    ws = s:ws(url, { protocols = { "oneM2M.json" } })
    assert.equal(1008, ws and (ws:closed()) or 1008)
    expect(2001, register("/gone", { rn = "gone" }))
    ws = s:primitives "/gone"
    add(c, 5)
    assert.equal("5", (ws:content()))
    ws:close()
  end)

  it("is reachable only while its node's schedule is open", function()
    expect(2001, s:create(BASE, "CAdmin", 14, '{"m2m:nod":{"rn":"rn1","ni":"n1"}}'))
    local answer = register("/sched", { rn = "sched", nl = "moon/rn1" })
    local ws = s:primitives "/sched"
    expect(2001, answer)
    local c = subscribed "/sched/Cfar"
    expect(2004, s:update(c .. "/s", "/sched/Cfar", '{"m2m:sub":{"pn":2}}'))
    expect(2001, s:create("/moon/rn1", "CAdmin", 18,
      '{"m2m:sch":{"rn":"w","se":{"sce":["' .. CLOSED .. '"]}}}'))
    add(c, 1, 2)
    ws:expect_silence(0.3)
    expect(2002, s:delete("/moon/rn1/w", "CAdmin"))
    assert.equal("1", (ws:content()))
    assert.equal("2", (ws:content()))
    ws:close()
  end)
end)

describe("a configured route", function()
  teardown(h.stop_all)

  it("leads to a CSE that is not registered; the rest goes where * says", function()
    local one, rest = new_targets(), new_targets()
    local s = h.start { config = ([[
routes = { ["/far"] = "%s", ["*"] = "%s/up" }
notification = { verify_urls = false }]]):format(one.url, rest.url) }
    local a = s:register "me"
    expect(2001, s:create("/moon/me", a.aei, 3, { rn = "c" }))
    local function subscribe(nu)
      local out = s.dir .. "/code" .. nu:gsub("%W", "")
      h.sh([[curl -sS -m 10 -X POST -H 'X-M2M-Origin: Cme' -H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3' \
        -H 'Content-Type: application/json;ty=23' -o /dev/null -w '%%{http_code}' %s/moon/me/c \
        -d '{"m2m:sub":{"nu":["%s"],"enc":{"net":[3]}}}' > %s 2>/dev/null &]], s.base, nu, out)
      local t = nu:find("^/far") and one or rest
      t:wait("the subscription", function() return h.read_file(out) == "201" end)
    end
    subscribe "/far/Cx"
    subscribe "/other/Cy"
    s:add("/moon/me/c", a.aei, "7")
    one:expect(2)
    rest:expect(2)
    assert.equal("/~/far/Cx", one.got[2].path)
    assert.equal("/up/~/other/Cy", rest.got[2].path)
    assert.equal("7", rest.got[2].body["m2m:sgn"].nev.rep["m2m:cin"].con)
    one:close()
    rest:close()
  end)

  it("is refused in the configuration when it leads nowhere", function()
    local out, rc = h.sh("cd %s && printf 'routes = { far = \"http://h\" }' > c.lua && "
      .. "%s run -c c.lua", h.directory(), h.sh("realpath %s", h.bin))
    assert.not_equal(0, rc)
    assert.matches("routes%.far", out)
  end)
end)

-- Two servers: one has the subscription, at the other the AE is registered.  scheme: how the one
-- that notifies reaches the other.
for _, scheme in ipairs { "http", "ws" } do
  describe("a subscription here, its AE at another server over " .. scheme, function()
    local a, b

    setup(function()
      b = h.start { config = [[cse = { id = "/bcse", name = "bbase" }]] }
      a = h.start { config = [[cse = { id = "/acse", name = "abase" }
notification = { retry_min = 0.2 }]] }
    end)
    teardown(h.stop_all)

    it("arrives at the AE's WebSocket; while the AE is away it waits here", function()
      -- each is registered at the other
      expect(2001, a:create("/abase", "/bcse", 16, { ["m2m:csr"] = { cb = "/bcse/bbase", rr = true,
        srv = { "3" }, poa = { ("%s://127.0.0.1:%d"):format(scheme, b.port) } } }))
      expect(2001, b:create("/bbase", "/acse", 16, { ["m2m:csr"] = { cb = "/acse/abase", rr = true,
        srv = { "3" } } }))
      expect(2001, b:create("/bbase", "CAdmin", 1, { rn = "acp",
        pv = { acr = { { acor = { "Cfar", "/acse" }, acop = 63 } } },
        pvs = { acr = { { acor = { "CAdmin" }, acop = 63 } } } }))
      local ae = b:create("/bbase", "Cfar", 2, { rn = "far", api = "Nfar", rr = true, srv = { "3" },
        acpi = { "bbase/acp" } })
      expect(2001, ae)
      local url = ae.headers:get("link"):match("<([^>]+)>")
      local ws = b:listen { url = url }
      -- the AE subscribes here as the AE of another CSE
      expect(2001, a:create("/abase", "CAdmin", 1, { rn = "acp",
        pv = { acr = { { acor = { "/bcse/Cfar", "CAdmin" }, acop = 63 } } },
        pvs = { acr = { { acor = { "CAdmin" }, acop = 63 } } } }))
      expect(2001, a:create("/abase", "CAdmin", 3, { rn = "c", acpi = { "abase/acp" } }))
      expect(2001, a:create("/abase/c", "/bcse/Cfar", 23, { nu = { "//moon2m.local/bcse/Cfar" },
        enc = { net = { 3 } } }))
      for i = 1, 20 do a:add("/abase/c", "CAdmin", tostring(i)) end
      for i = 1, 20 do
        local con, m = ws:content()
        assert.equal(tostring(i), con)
        assert.matches("^/acse/", m.pc["m2m:sgn"].sur)
      end
      ws:close()
      for i = 21, 25 do a:add("/abase/c", "CAdmin", tostring(i)) end
      h.sleep(0.5)
      ws = b:listen { url = url }
      for i = 21, 25 do assert.equal(tostring(i), (ws:content(20))) end
      b:kill()
      a:add("/abase/c", "CAdmin", "26")
      h.sleep(0.3)
      b:run()
      ws = b:listen { url = url:gsub(":%d+/", ":" .. b.port .. "/") }
      local last = ws:content(20)
      if last == "25" then last = ws:content(20) end  -- its answer had not arrived here
      assert.equal("26", last)
    end)
  end)
end
