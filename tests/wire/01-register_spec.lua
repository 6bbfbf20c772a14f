-- Registration of AEs (TS-0001 10.2.2.2, TS-0004 7.4.5): identifiers, mandatory attributes, the
-- notification service URL, deregistration.

local h = require "harness"
local expect = h.expect

local function ae(attrs)
  local t = { api = "Ntest", rr = true, srv = { "3" } }
  for k, v in pairs(attrs or {}) do t[k] = v end
  return t
end

describe("registration", function()
  local s

  setup(function() s = h.start() end)
  teardown(h.stop_all)

  it("gives an AE the stem it asks for, as aei and ri", function()
    local r = expect(2001, s:create("/moon", "Cpump", 2, ae { rn = "pump" }))
    assert.equal("Cpump", r.aei)
    assert.equal("Cpump", r.ri)
    assert.equal("pump", r.rn)
    assert.equal(2, r.ty)
    assert.equal("Ntest", r.api)
    assert.is_true(r.rr)
    assert.same({ "3" }, r.srv)
    assert.equal(expect(2000, s:retrieve("/moon", "CAdmin")).ri, r.pi)
  end)

  it("writes times: ct equals lt, et lies ahead, none has a zone", function()
    local r = expect(2001, s:create("/moon", "Ctimes", 2, ae { rn = "times" }))
    assert.equal(r.ct, r.lt)
    for _, name in ipairs { "ct", "lt", "et" } do
      assert.matches("^%d%d%d%d%d%d%d%dT%d%d%d%d%d%d", r[name])
    end
    assert.is_true(r.et > r.ct)
  end)

  for _, case in ipairs {
    { "no originator", nil, "^C" }, { "an empty originator", "", "^C" },
    { "originator C", "C", "^C" }, { "originator S", "S", "^S" },
  } do
    it("assigns an AE-ID for " .. case[1], function()
      local r = expect(2001, s:create("/moon", case[2], 2, ae()))
      assert.matches(case[3] .. "[%w._-]+$", r.aei)
      assert.equal(r.aei, r.ri)
      assert.is_string(r.rn)
      expect(2000, s:retrieve("/" .. r.aei, r.aei))
    end)
  end

  it("assigns a different AE-ID each time", function()
    local a = expect(2001, s:create("/moon", "C", 2, ae()))
    local b = expect(2001, s:create("/moon", "C", 2, ae()))
    assert.not_equal(a.aei, b.aei)
    assert.not_equal(a.rn, b.rn)
  end)

  it("takes an SP-assigned stem as it is", function()
    assert.equal("Sfan", expect(2001, s:create("/moon", "Sfan", 2, ae { rn = "fan" })).aei)
  end)

  it("refuses an AE-ID that is registered (4117)", function()
    local a = s:create("/moon", "Cpump", 2, ae { rn = "pump2" })
    expect(4117, a, "Cpump")
    assert.equal(403, a.status)
  end)

  it("refuses a name that is taken (4105)", function()
    local a = s:create("/moon", "Cother", 2, ae { rn = "pump" })
    expect(4105, a, "rn")
    assert.equal(409, a.status)
  end)

  it("refuses an AE below an AE (4108)", function()
    local a = s:create("/moon/pump", "Cinner", 2, ae { rn = "inner" })
    expect(4108, a)
    assert.equal(403, a.status)
  end)

  it("refuses an originator that is no AE-ID-Stem", function()
    expect(4000, s:create("/moon", "xyz", 2, ae()), "fr")
  end)

  for name, attrs in pairs {
    api = { rr = true, srv = { "3" } }, rr = { api = "Nx", srv = { "3" } },
    srv = { api = "Nx", rr = true },
  } do
    it("refuses an AE without " .. name, function()
      expect(4000, s:create("/moon", "Cless", 2, attrs), name)
    end)
  end

  for _, case in ipairs {
    { "api", ae { api = "Xfoo" } }, { "api", ae { api = "" } }, { "api", ae { api = 7 } },
    { "aei", ae { aei = "Cme" } }, { "rr", ae { rr = "yes" } }, { "rr", ae { rr = 1 } },
    { "srv", ae { srv = "3" } }, { "csz", ae { csz = { "application/yaml" } } },
    { "poa", ae { poa = { "not a url" } } }, { "lbl", ae { lbl = "x" } },
    { "ri", ae { ri = "x" } }, { "nonsense", ae { nonsense = 1 } },
    { "rn", ae { rn = "with space" } }, { "rn", ae { rn = "a/b" } }, { "rn", ae { rn = "la" } },
    { "et", ae { et = "20200101T000000" } }, { "et", ae { et = "2099-01-01" } },
  } do
    it(("refuses %s = %s"):format(case[1], require("cjson").encode(case[2][case[1]])), function()
      local a = s:create("/moon", "Cbad", 2, case[2])
      expect(4000, a, case[1])
      assert.equal(400, a.status)
      expect(4106, s:retrieve("/moon", "Cbad"))        -- nothing was registered
    end)
  end

  it("keeps every attribute of an AE", function()
    local sent = ae { rn = "full", apn = "Full", poa = { "http://127.0.0.1:9/" }, csz = { "json" },
      lbl = { "a", "room:1" }, nl = "node1", ["or"] = "http://example.org/o", mei = "m1",
      tri = "t1", trn = 3, tren = true }
    expect(2001, s:create("/moon", "Cfull", 2, sent))
    local r = expect(2000, s:retrieve("/moon/full", "Cfull"))
    for k, v in pairs(sent) do assert.same(v, r[k], k) end
  end)

  it("caps et at the parent's and honours an earlier one", function()
    local r = expect(2001, s:create("/moon", "Cet", 2, ae { rn = "et", et = "20300101T000000" }))
    assert.matches("^20300101T000000", r.et)
    local c = expect(2001, s:create("/moon/et", "Cet", 3, { rn = "c", et = "20400101T000000" }))
    assert.matches("^20300101T000000", c.et)
    c = expect(2001, s:create("/moon/et", "Cet", 3, { rn = "d" }))
    assert.is_true(c.et <= r.et)
  end)

  it("knows who is registered: 4106 before and after", function()
    expect(4106, s:retrieve("/moon", "Cghost"))
    s:register("ghost")
    expect(2000, s:retrieve("/moon/ghost", "Cghost"))
    expect(2002, s:delete("/moon/ghost", "Cghost"))
    local a = s:retrieve("/moon", "Cghost")
    expect(4106, a)
    assert.equal(403, a.status)
  end)

  it("deregisters with everything below", function()
    s:register("gone")
    expect(2001, s:create("/moon/gone", "Cgone", 3, { rn = "c" }))
    s:add("/moon/gone/c", "Cgone", "1")
    expect(2002, s:delete("/moon/gone", "Cgone"))
    for _, path in ipairs { "/moon/gone", "/moon/gone/c", "/moon/gone/c/la", "/Cgone" } do
      expect(4004, s:retrieve(path, "CAdmin"))
    end
    s:register("gone")                                  -- the AE-ID and the name are free again
    expect(4004, s:retrieve("/moon/gone/c", "CAdmin"))
  end)

  it("updates an AE: poa replaced, label removed, api fixed", function()
    s:register("upd", { lbl = { "a" }, poa = { "http://127.0.0.1:9/" } })
    local r = expect(2004, s:update("/moon/upd", "Cupd",
      '{"m2m:ae":{"lbl":null,"poa":["http://127.0.0.1:8/"],"rr":false}}'))
    assert.is_nil(r.lbl)
    assert.same({ "http://127.0.0.1:8/" }, r.poa)
    assert.is_false(r.rr)
    assert.is_true(r.lt >= r.ct)
    expect(4000, s:update("/moon/upd", "Cupd", { ["m2m:ae"] = { api = "Nother" } }), "api")
    expect(4000, s:update("/moon/upd", "Cupd", '{"m2m:ae":{"rr":null}}'), "rr")
  end)

  it("never shows the token or its digest", function()
    local a = s:register("shy")
    local r = expect(2000, s:retrieve("/moon/shy", "Cshy"))
    assert.is_nil(r._tok)
    local token = a.url:match("/notify/(.+)$")
    assert.is_nil(s:retrieve("/moon/shy", "Cshy").text:find(token, 1, true))
  end)
end)

describe("the notification service URL", function()
  local s

  setup(function() s = h.start() end)
  teardown(h.stop_all)

  it("comes with the 2001 as a Link header of the host that was asked", function()
    local a = s:register("viewer")
    assert.matches('rel="urn:moon2m:notification%-service"', a.link)
    assert.matches(("^ws://127%%.0%%.0%%.1:%d/notify/[%%w%%.]+$"):format(s.ws_port), a.url)
    local secret = a.url:match("%.(%x+)$")
    assert.is_true(#secret >= 32)
  end)

  it("opens a WebSocket that is the AE", function()
    local a = s:register("there")
    expect(2001, s:create("/moon/there", "Cthere", 3, { rn = "c" }))
    expect(2001, s:create("/moon/there/c", "Cthere", 23, { nu = { "Cthere" }, enc = {
      net = { 3 } } }))
    local ws = s:listen(a)
    s:add("/moon/there/c", "Cthere", "1")
    assert.equal("1", (ws:content()))
    ws:close()
  end)

  it("is refused with an unknown, a mutilated and a revoked token", function()
    local a = s:register("revoked")
    local path = a.url:match("(/notify/.+)$")
    local wrong = path:sub(1, -2) .. (path:sub(-1) == "0" and "1" or "0")
    for _, p in ipairs { "/notify/nonsense", "/notify/x.00", wrong, path:sub(1, -2) } do
      local ws = s:ws(p, { protocols = { "oneM2M.json" } })
      if ws then assert.equal(1008, (ws:closed(5))) end
    end
    expect(2002, s:delete("/moon/revoked", "Crevoked"))
    local b = s:register("revoked")
    assert.not_equal(a.url, b.url)
    local ws = s:ws(a.url, { protocols = { "oneM2M.json" } })
    if ws then assert.equal(1008, (ws:closed(5))) end
    s:listen(b):close()
  end)

  it("is alive after a restart", function()
    local a = s:register("again")
    assert.equal(0, s:stop())
    s:run()
    local ws = s:listen(a)
    expect(2001, s:create("/moon/again", "Cagain", 3, { rn = "c" }))
    expect(2001, s:create("/moon/again/c", "Cagain", 23, { nu = { "Cagain" }, enc = {
      net = { 3 } } }))
    s:add("/moon/again/c", "Cagain", "x")
    assert.equal("x", (ws:content()))
    ws:close()
  end)

  it("is advertised: the CSEBase's poa lists http and ws", function()
    local poa = table.concat(expect(2000, s:retrieve("/moon", "CAdmin")).poa, " ")
    assert.matches("http://", poa)
    assert.matches("ws://", poa)
  end)
end)

describe("notification.url = false", function()
  teardown(h.stop_all)

  it("switches the URL off", function()
    local s = h.start { config = "notification = { url = false }\n" }
    local a = s:register("plain")
    assert.is_nil(a.link)
  end)
end)
