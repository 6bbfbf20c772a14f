-- Registration (TS-0001 10.2.2.2, TS-0004 7.4.5): AE-IDs, the notification service URL and its
-- token, who a connection speaks for, routes, deregistration.

local world = require "world"

local w

local function identify(how, text)
  w.fake.calls = {}
  w.fake.task(require("moon2m.register").identify, 7, how, text)
  w.fake.run()
  local c = w.fake.calls[1]
  return c and c[1], c and c[3]
end

local function token_of(extra)
  return extra.service:match("^ws://cse%.example:8080/notify/(.+)$")
end

before_each(function() w = world.new(false) end)
after_each(function() world.real_time() end)

describe("the AE-ID", function()
  it("is assigned for C, S or nothing", function()
    for fr, first in pairs { C = "C", S = "S", [""] = "C" } do
      local rsc, pc = w:ae(fr)
      assert.equal(2001, rsc)
      local ae = pc["m2m:ae"]
      assert.equal(first, ae.aei:sub(1, 1))
      assert.is_true(#ae.aei > 6)
      assert.equal(ae.aei, ae.ri)
    end
    local rsc, pc = w:ae(nil)
    assert.equal(2001, rsc)
    local aei = pc["m2m:ae"].aei
    assert.equal(2000, (w:retrieve(aei, aei)))
  end)

  it("is what a full stem asks for, once", function()
    local _, pc = w:ae("Cpump-1", "a")
    assert.equal("Cpump-1", pc["m2m:ae"].aei)
    assert.equal(4117, (w:ae("Cpump-1", "b")))
    require("moon2m.tree").drop()
    assert.equal(4117, (w:ae("Cpump-1", "b")))
    assert.equal(2001, (w:ae("Spump", "b")))
    assert.equal(4105, (w:ae("Cother", "a")))
  end)

  it("is refused when it is none", function()
    for _, fr in ipairs { "pump", "Cpu mp", "C/x", "Cp#", "C" .. ("x"):rep(200), "C-" } do
      local rsc, pc = w:ae(fr)
      assert.equal(4000, rsc, fr)
      assert.truthy(world.dbg(pc):find("fr", 1, true))
    end
    assert.equal(4000, (w:ae("/moon/Cx")))
    assert.equal(4107, (w:ae("/other")))
  end)

  it("comes with the attributes that are mandatory", function()
    for _, name in ipairs { "api", "rr", "srv" } do
      local attrs = { api = "Nx", rr = true, srv = { "3" } }
      attrs[name] = nil
      local rsc, pc = w:request { op = 1, to = "moon", fr = "C", ty = 2,
        pc = { ["m2m:ae"] = attrs } }
      assert.equal(4000, rsc)
      assert.truthy(world.dbg(pc):find(name, 1, true))
    end
    assert.equal(4000, (w:ae("C", "x", { api = "Xbad" })))
    assert.equal(4000, (w:ae("C", "x", { aei = "Cx" })))
  end)
end)

describe("the notification service URL", function()
  it("is on the host that the request named", function()
    local _, _, extra = w:ae("Calice", "alice")
    assert.truthy(token_of(extra))
    assert.equal("Calice", extra.bind)
  end)

  it("is on the socket that has WebSocket, or where the configuration says", function()
    local register = require "moon2m.register"
    local function service(o)
      o.service = o.service == nil or o.service
      register.configure(o)
      local _, _, extra = w:ae("C")
      return extra.service and extra.service:match("^(.*)/notify/")
    end
    assert.equal("ws://cse.example:9000", service { listen = {
      { host = "h", port = 8080, ws = false }, { host = "h", port = 9000, ws = true } } })
    assert.equal("wss://public.example/x", service { url = "wss://public.example/x/" })
    assert.is_nil(service { listen = { { host = "h", port = 8080, ws = false } } })
    -- what the request had, or may have had, when it named another port
    local plain, tls = { host = "h", port = 8081, ws = true },
      { host = "h", port = 9443, ws = true, tls = true }
    assert.equal("wss://cse.example:9443", service { listen = { plain, tls } })
    assert.equal("ws://cse.example:8081", service { listen = { plain } })
    assert.equal("wss://cse.example:443", service { listen = { plain, { host = "h", port = 443,
      ws = true, tls = true } } })
    plain.port = 8080
    assert.equal("ws://cse.example:8080", service { listen = { tls, plain } })
    tls.port = 8080
    assert.equal("wss://cse.example:8080", service { listen = { tls } })
    assert.is_nil(service { service = false })
  end)

  it("opens for its token only, until the AE is gone", function()
    local _, _, extra = w:ae("Calice", "alice")
    local token = token_of(extra)
    assert.same({ "bind", "Calice" }, { identify("token", token) })
    for _, bad in ipairs { "", "x", token .. "0", token:sub(1, -2), "12." .. ("0"):rep(32),
      "11." .. token:match("%.(.*)"), "zz.zz" } do
      assert.equal("refuse", (identify("token", bad)), bad)
    end
    require("moon2m.tree").drop()
    assert.equal("bind", (identify("token", token)))
    w:delete("Calice", "moon/alice")
    assert.equal("refuse", (identify("token", token)))
    _, _, extra = w:ae("Calice", "alice")
    assert.equal("refuse", (identify("token", token)))
    assert.equal("bind", (identify("token", token_of(extra))))
  end)

  it("is not in the store in clear", function()
    local _, _, extra = w:ae("Calice", "alice")
    local secret = token_of(extra):match("%.(.*)")
    assert.is_nil(w.fake.by_path("alice").doc:find(secret, 1, true))
  end)

  it("does not open for an AE that has expired", function()
    local sys = require "moon2m.core.sys"
    local _, _, extra = w:ae("Calice", "alice", { et = sys.stamp(sys.now() + 10e6) })
    world.advance(11)
    assert.equal("refuse", (identify("token", token_of(extra))))
    assert.equal(4106, (w:retrieve("Calice", "moon")))
    assert.equal(4004, (w:retrieve("CAdmin", "moon/alice")))
  end)
end)

describe("a handshake with X-M2M-Origin", function()
  it("binds a registered AE, leaves others anonymous", function()
    w:ae("Calice", "alice")
    assert.same({ "bind", "Calice" }, { identify("origin", "Calice") })
    assert.same({ "bind", "Calice" }, { identify("origin", "/moon/Calice") })
    assert.is_nil(identify("origin", "Cnobody"))
    assert.is_nil(identify("origin", "CAdmin"))
  end)
end)

describe("routes", function()
  it("are the poa's URLs that can be dialled", function()
    w:ae("Calice", "alice", { poa = { "mqtt://x", "http://a:1/x", "ws://default", "WSS://b" } })
    assert.same({ { "routes", "Calice", { "http://a:1/x", "ws://default", "WSS://b" } } },
      w.fake.called("routes"))
    w.fake.calls = {}
    w:update("Calice", "moon/alice", "m2m:ae", { poa = { "http://c" } })
    assert.same({ { "routes", "Calice", { "http://c" } } }, w.fake.called("routes"))
  end)

  it("say CBOR when csz prefers it to JSON", function()
    for csz, tail in pairs { ["CBOR"] = "ct=cbor",
      ["application/vnd.onem2m-res+cbor"] = "ct=cbor", ["application/json"] = "" } do
      w.fake.calls = {}
      assert.equal(2001, (w:ae("Cae" .. #csz, "ae" .. #csz, {
        poa = { "http://a:1", "ws://b/?x=1" }, csz = { "xml", csz, "json", "cbor" } })))
      local a, b = "http://a:1", "ws://b/?x=1"
      if tail ~= "" then a, b = a .. "?" .. tail, b .. "&" .. tail end
      assert.same({ a, b }, w.fake.called("routes")[1][3])
    end
  end)

  it("are told again on demand; an unknown AE is forgotten", function()
    w:ae("Calice", "alice", { poa = { "http://a:1/x" } })
    w.fake.calls = {}
    local function ask(key)
      w.fake.task(require("moon2m.register").unknown_target, key)
      w.fake.run()
    end
    ask("Calice")
    assert.same({ { "routes", "Calice", { "http://a:1/x" } } }, w.fake.calls)
    ask("Cgone")
    assert.same({ "forget_target", "Cgone" }, w.fake.calls[2])
    ask("http://elsewhere")
    assert.equal(2, #w.fake.calls)
  end)

  it("and connections end with the registration", function()
    w:ae("Calice", "alice")
    w:delete("Calice", "moon/alice")
    assert.same({ { "unbind", "Calice" } }, w.fake.called("unbind"))
    assert.same({ { "forget_target", "Calice" } }, w.fake.called("forget_target"))
    assert.equal(4106, (w:retrieve("Calice", "moon")))
  end)
end)
