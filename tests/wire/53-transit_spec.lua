-- Requests for what other CSEs host (TS-0004 7.3.2.6): passed on over HTTP, WebSocket and polling,
-- the answers passed back; what cannot be reached, is slow, breaks midway or leads in a circle.

local cjson = require "cjson"
local cqueues = require "cqueues"
local h = require "harness"
local new_targets = require("targets").new
local expect = h.expect

local function csr(csi, more)
  local attrs = { cb = csi .. "/base", rr = true, srv = { "3" } }
  for k, v in pairs(more or {}) do attrs[k] = v end
  return { ["m2m:csr"] = attrs }
end

local function server(name, config)
  return h.start { config = ('cse = { id = "/%s", name = "%sbase" }\n%s'):format(name, name,
    config or "") }
end

local function registered(s, base, csi, more)
  return expect(2001, s:create("/" .. base, csi, 16, csr(csi, more)))
end

-- A container at s, below its CSEBase, that `who` may use.
local function container(s, base, who, name)
  expect(2001, s:create("/" .. base, "CAdmin", 1, { rn = name .. "acp",
    pv = { acr = { { acor = { who, "CAdmin" }, acop = 63 } } },
    pvs = { acr = { { acor = { "CAdmin" }, acop = 63 } } } }))
  expect(2001, s:create("/" .. base, "CAdmin", 3, { rn = name,
    acpi = { ("%s/%sacp"):format(base, name) } }))
end

for _, scheme in ipairs { "http", "ws" } do
  describe("at another server, reached over " .. scheme, function()
    local a, b

    setup(function()
      b = server "b"
      a = server "a"
      registered(a, "abase", "/b",
        { poa = { "http://127.0.0.1:1", ("%s://127.0.0.1:%d"):format(scheme, b.port) } })
      registered(b, "bbase", "/a")
      a:create("/abase", "Cme", 2, { rn = "me", api = "Nme", rr = true, srv = { "3" } })
      container(b, "bbase", "/a/Cme", "c")
    end)
    teardown(h.stop_all)

    it("an AE that the service provider names is /Sx there", function()
      expect(2001, a:create("/abase", "Sme", 2, { rn = "sme", api = "Nme", rr = true,
        srv = { "3" } }))
      expect(4103, a:retrieve("/~/b/bbase/c", "Sme"))
      container(b, "bbase", "/Sme", "s")
      expect(2001, a:create("/~/b/bbase/s", "Sme", 3, { rn = "mine", cr = cjson.null }))
      assert.equal("Sme", expect(2000, a:retrieve("/~/b/bbase/s/mine", "Sme")).cr)
      expect(2000, a:retrieve("/~/b/bbase/s/mine", "Sme"))
    end)

    it("everything can be done from HTTP", function()
      local c = "/~/b/bbase/c"
      local cin = expect(2001, a:create(c, "Cme", 4, { con = "1" }))
      assert.equal("1", cin.con)
      expect(2001, a:create(c, "Cme", 4, { con = "2" }))
      local cnt = expect(2004, a:update(c, "Cme", { ["m2m:cnt"] = { lbl = { "x/y", "z" } } }))
      assert.same({ "x/y", "z" }, cnt.lbl)
      assert.same({ lbl = { "x/y", "z" }, cni = 2 }, expect(2000, a:retrieve(c .. "?atrl=lbl+cni",
        "Cme")))
      assert.same({ "bbase/c" }, expect(2000, a:retrieve("/~/b/bbase?fu=1&lbl=x%2Fy&ty=3", "Cme")))
      local part = a:retrieve(c .. "?rcn=4&lim=1&ty=4", "Cme")
      assert.equal(1, #expect(2000, part)["m2m:cin"])
      assert.equal("1", part.headers:get "x-m2m-cts")
      assert.equal("2", part.headers:get "x-m2m-cto")
      assert.equal("2", expect(2000, a:retrieve("/_/moon2m.local/b/bbase/c/la", "Cme")).con)
      expect(2002, a:delete(c .. "/la", "Cme"))
      assert.equal(1, expect(2000, a:retrieve(c, "Cme")).cni)
      local located = a:create(c .. "?rcn=2", "Cme", 4, { con = "3" })
      assert.equal(expect(2001, located), scheme == "http" and
        located.headers:get "content-location" or located.body["m2m:uri"])
    end)

    it("everything can be done from WebSocket", function()
      local ws = a:primitives "Cme"
      local c = "/b/bbase/c"
      local function ask(op, req)
        req.op, req.to, req.fr = op, req.to or c, "Cme"
        return ws:request(req)
      end
      expect(2001, ask(1, { ty = 4, pc = { ["m2m:cin"] = { con = { a = { 1, 2.50 } } } } }))
      assert.same({ a = { 1, 2.5 } }, expect(2000, ask(2, { to = c .. "/la" })).con)
      expect(2004, ask(3, { pc = { ["m2m:cnt"] = { lbl = { "w" } } } }))
      assert.same({ lbl = { "w" } }, expect(2000, ask(2, { to = c .. "#lbl" })))
      assert.same({ lbl = { "w" } }, expect(2000, ask(2, { pc = { ["m2m:atrl"] = { "lbl" } } })))
      local part = ask(2, { rcn = 4, fc = { ty = { 4 }, lim = 1 } })
      assert.equal(1, #expect(2000, part)["m2m:cin"])
      assert.same({ 1, 2 }, { part.cnst, part.cnot })
      assert.same({ "bbase/c" }, expect(2000, ask(2, { to = "/b/bbase",
        fc = { fu = 1, atr = { { nm = "rn", val = "c" } } } })))
      expect(2002, ask(4, { to = c .. "/la" }))
      ws:close()
    end)

    it("its refusals are passed back as they are", function()
      expect(4004, a:retrieve("/~/b/bbase/none", "Cme"), "no such resource")
      expect(4103, a:delete("/~/b/bbase", "CAdmin") , "") -- another administrator
      expect(4000, a:create("/~/b/bbase/c", "Cme", 4, { odd = 1 }), "odd")
      expect(4005, a:create("/~/b/bbase/c/la", "Cme", 4, { con = "1" }))
    end)

    it("a NOTIFY reaches an AE there, and its answer comes back", function()
      local ae = b:create("/bbase", "Cfar", 2, { rn = "far", api = "Nf", rr = true, srv = { "3" },
        acpi = { "bbase/cacp" } })
      expect(2001, ae)
      local listener = b:listen { url = ae.headers:get("link"):match("<([^>]+)>") }
      local ws = a:primitives "Cme"
      ws:send { op = 5, to = "/b/Cfar", fr = "Cme", rqi = "n1", rvi = "3",
        pc = { ["m2m:sgn"] = { sur = "/a/x", vrq = true } } }
      local m = assert(listener:notification())
      assert.is_true(m.pc["m2m:sgn"].vrq)
      expect(2000, assert(ws:response "n1"))
      listener:close()
      ws:close()
    end)

    it("non-blocking: the result is in a <request> here, or is told", function()
      local ref = expect(1001, a:retrieve("/~/b/bbase/c?rt=1", "Cme"))
      local req = h.wait("the result", function()
        local r = expect(2000, a:retrieve("/" .. ref, "Cme"))
        return r.rs == 1 and r
      end)
      assert.equal("c", req.ors.pc["m2m:cnt"].rn)
      local ws = a:primitives "Cme"
      expect(1002, ws:request { op = 2, to = "/b/bbase/c", fr = "Cme", rt = { rtv = 2 } })
      local told = assert(ws:notification())
      assert.equal(2000, told.pc["m2m:rsp"].rsc)
      assert.equal("c", told.pc["m2m:rsp"].pc["m2m:cnt"].rn)
      ws:close()
    end)

    it("it dies: 5103; it is back: all is well", function()
      b:kill()
      local answer = a:retrieve("/~/b/bbase/c", "Cme")
      expect(5103, answer, "cannot be reached")
      assert.equal(404, answer.status)
      b:run()
      assert.equal("c", expect(2000, a:retrieve("/~/b/bbase/c", "Cme")).rn)
    end)
  end)
end

describe("the next CSE", function()
  local s, ws

  setup(function()
    s = h.start()
    s:register "me"
    ws = s:primitives "Cme"
  end)
  teardown(h.stop_all)

  it("is asked over its connection, with its own identifier", function()
    registered(s, "moon", "/w", { dcse = { "/below" } })
    local far = s:primitives "/w"
    ws:send { op = 2, to = "/below/base/x", fr = "Cme", rqi = "q1", rvi = "3", rcn = 4,
      fc = { lim = 2 } }
    local m = assert(far:receive())
    assert.same({ 2, "/below/base/x", "/moon/Cme", "3", 4, { lim = 2 } },
      { m.op, m.to, m.fr, m.rvi, m.rcn, m.fc })
    assert.matches("/q1$", m.rqi)
    far:send { rsc = 2000, rqi = m.rqi, rvi = "3", cnst = 1, cnot = 3, ot = "20260101T000000",
      pc = { ["x:y"] = { 1, "é" } } }
    local answer = assert(ws:response "q1")
    assert.same({ 2000, 1, 3, "20260101T000000", { ["x:y"] = { 1, "é" } } },
      { answer.rsc, answer.cnst, answer.cnot, answer.ot, answer.pc })
    far:close()
  end)

  it("goes in the middle: a RETRIEVE tries another way, others may have been executed", function()
    local t = new_targets(function() return 200, '{"m2m:cnt":{"rn":"poa"}}' end)
    registered(s, "moon", "/m", { poa = { t.url } })
    local far = s:primitives "/m"
    ws:send { op = 1, to = "/m/base", fr = "Cme", rqi = "m1", rvi = "3", ty = 3,
      pc = { ["m2m:cnt"] = {} } }
    ws:send { op = 2, to = "/m/base/x", fr = "Cme", rqi = "m2", rvi = "3" }
    assert.equal(1, assert(far:receive()).op)
    assert.equal(2, assert(far:receive()).op)
    far:drop()
    expect(5103, assert(ws:response "m1"), "may have been executed")
    t:expect(1)
    assert.equal("/~/m/base/x", t.got[1].path)
    assert.equal("poa", expect(2000, assert(ws:response "m2")).rn)
    assert.equal(1, #t.got)
    t:close()
  end)

  it("is slow: 4008 in time, and nobody else waits", function()
    local t = new_targets(function() cqueues.sleep(30) end)
    registered(s, "moon", "/slow", { poa = { t.url } })
    for i = 1, 40 do
      ws:send { op = 2, to = "/slow/base", fr = "Cme", rqi = "s" .. i, rvi = "3", rqet = "1200" }
    end
    t:expect(4)
    local before = cqueues.monotime()
    expect(2000, s:retrieve("/moon/me", "Cme"))
    expect(5103, s:retrieve("/~/w/base", "Cme"))
    assert.is_true(cqueues.monotime() - before < 1)
    for i = 1, 40 do expect(4008, assert(ws:response("s" .. i)), "no answer in time") end
    t:close()
  end)

  it("does not answer a non-blocking request before this one dies: that has failed then", function()
    local t = new_targets(function() cqueues.sleep(30) end)
    registered(s, "moon", "/gone", { poa = { t.url } })
    local ref = expect(1001, s:retrieve("/~/gone/base?rt=1", "Cme"))
    t:expect(1)
    assert.equal(4, expect(2000, s:retrieve("/" .. ref, "Cme")).rs)
    expect(5220, s:delete("/" .. ref, "Cme"))
    s:kill()
    s:run()
    local r = h.wait("the failure", function()
      local r = expect(2000, s:retrieve("/" .. ref, "Cme"))
      return r.rs == 2 and r
    end)
    assert.matches("restarted", r.ors.pc["m2m:dbg"])
    t:close()
    ws = s:primitives "Cme"
  end)

  it("counts", function()
    local before = s:metric("moon2m_passed_total", 'end="unreached"')
    expect(5103, s:retrieve("/~/w/base", "Cme"))
    assert.equal(before + 1, s:metric("moon2m_passed_total", 'end="unreached"'))
  end)

  it("polls", function()
    registered(s, "moon", "/p", { rn = "p", rr = false })
    expect(2001, s:create("/moon/p", "/p", 15, '{"m2m:pch":{"rn":"pch"}}'))
    local pcu = "/moon/p/pch/pcu"
    ws:send { op = 3, to = "/p/base/x", fr = "Cme", rqi = "p1", rvi = "3",
      pc = { ["m2m:cnt"] = { lbl = { "l" } } } }
    local m = expect(2000, s:retrieve(pcu, "/p"))
    assert.same({ 3, "/p/base/x", "/moon/Cme", { ["m2m:cnt"] = { lbl = { "l" } } } },
      { m.op, m.to, m.fr, m.pc })
    assert.is_string(m.rqet)
    expect(2000, s:http("POST", pcu, "/p", { body = { ["m2m:rsp"] = { rsc = 2004, rqi = m.rqi,
      rvi = "3", vsi = "v", pc = { ["m2m:cnt"] = { lbl = { "l" } } } } } }))
    local answer = assert(ws:response "p1")
    assert.same({ "l" }, expect(2004, answer).lbl)
    assert.equal("v", answer.vsi)
  end)

  it("answers what is none", function()
    local t = new_targets(function() return 200, "no json" end)
    registered(s, "moon", "/odd", { poa = { t.url } })
    ws:send { op = 2, to = "/odd/base", fr = "Cme", rqi = "o1", rvi = "3" }
    t:expect(1)
    expect(5000, assert(ws:response "o1"), "no JSON")
    t:close()
  end)

  it("is not asked for what is refused here", function()
    registered(s, "moon", "/q")
    local far = s:primitives "/q"
    expect(4000, s:create("/~/q/base", "Cnew", 2, { api = "Nx", rr = true, srv = { "3" } }),
      "not forwarded")
    expect(4106, s:retrieve("/~/q/base", "Cnobody"))
    expect(4008, s:retrieve("/~/q/base", "Cme",
      { headers = { ["x-m2m-ret"] = "20200101T000000" } }))
    expect(4001, s:retrieve("/~/q/base", "Cme", { rvi = false }))
    expect(4000, ws:request { op = 2, to = "/q/base", fr = "Cme", rvi = "3", vsi = "a\r\nb: c" },
      "control")
    expect(4004, s:retrieve("/~/nowhere/base", "Cme"), "no route")
    expect(4004, s:retrieve("/~/q/base", "/q/Cx"), "came from")
    far:expect_silence(0.2)
    far:close()
  end)
end)

describe("a CSE that wants a credential", function()
  teardown(h.stop_all)

  it("is shown the token that the configuration names for it", function()
    local dir = h.directory()
    h.sh("mkdir -m 700 %s/data", dir)
    local function credential(name, who)
      return h.sh("%s credential add %s %s --data %s/data 2>/dev/null", h.bin, name, who, dir)
    end
    local root = { headers = { authorization = "Bearer " .. credential("root", "Croot") } }
    local token = h.write_file(dir .. "/token", credential("a", "/a '/a/*'") .. "\n")
    local b = h.start { dir = dir, config = 'cse = { id = "/b", name = "bbase", admin = "Croot" }' }
    h.sh("chmod 600 %s", token)
    local a = server("a", ('outgoing = { tokens = { ["/b"] = "%s" } }'):format(token))
    local c = server "c"
    local open = h.write_file(dir .. "/open", "abc")
    h.sh("chmod 640 %s", open)
    local refused = h.start { wait = false,
      config = ('outgoing = { tokens = { ["/b"] = "%s" } }'):format(open) }
    assert.equal(1, refused:exit_code())
    assert.matches("outgoing.tokens./b: .*others may read or write it, chmod 600", refused:text())
    expect(2001, b:create("/bbase", "Croot", 1, { rn = "acp",
      pv = { acr = { { acor = { "/a/CAdmin" }, acop = 63 } } },
      pvs = { acr = { { acor = { "Croot" }, acop = 63 } } } }, root))
    expect(2001, b:create("/bbase", "Croot", 3, { rn = "c", acpi = { "bbase/acp" } },
      { headers = root.headers }))
    expect(2001, b:create("/bbase", "/a", 16, csr "/a",
      { headers = { authorization = "Bearer " .. h.read_file(token):gsub("%s", "") } }))
    for name, s in pairs { a = a, c = c } do
      registered(s, name .. "base", "/b", { rn = "b",
        poa = { "http://127.0.0.1:" .. b.port } })
    end
    assert.equal("c", expect(2000, a:retrieve("/~/b/bbase/c", "CAdmin")).rn)
    expect(4106, c:retrieve("/~/b/bbase/c", "CAdmin"), "credential")
    expect(2004, a:update("/abase/b", "/b", { ["m2m:csr"] =
      { poa = { "ws://127.0.0.1:" .. b.port } } }))
    assert.equal("c", expect(2000, a:retrieve("/~/b/bbase/c", "CAdmin")).rn)
  end)
end)

describe("a circle of routes", function()
  teardown(h.stop_all)

  it("ends where the request has been", function()
    local ports, list = {}, {}
    for i = 1, 3 do ports[i] = h.free_port() end
    for i, name in ipairs { "a", "b", "c" } do
      local next_port = ports[i % 3 + 1]
      list[i] = h.start { listen = "127.0.0.1:" .. ports[i], config = ([[
cse = { id = "/%s", name = "%sbase" }
routes = { ["*"] = "http://127.0.0.1:%d" }]]):format(name, name, next_port) }
      registered(list[i], name .. "base", "/z")
    end
    expect(5103, list[1]:retrieve("/~/nowhere/x", "/z/Cz"), "circle")
  end)

  it("another service provider has a route of its own, and is told who asks", function()
    local t = new_targets(function() return 200, '{"m2m:cnt":{"rn":"sp"}}' end)
    local s = h.start { config = ('routes = { ["//sp.example"] = "%s" }'):format(t.url) }
    s:register "me"
    local ws = s:primitives "Cme"
    ws:send { op = 2, to = "//sp.example/in/base", fr = "Cme", rqi = "1", rvi = "3" }
    t:expect(1)
    assert.equal("sp", expect(2000, assert(ws:response "1")).rn)
    assert.equal("/_/sp.example/in/base", t.got[1].path)
    assert.equal("//moon2m.local/moon/Cme", t.got[1].headers["x-m2m-origin"])
    expect(4004, s:retrieve("/_/sp2.example/in/base", "Cme"), "no route")
    t:close()
    ws:close()
  end)
end)
