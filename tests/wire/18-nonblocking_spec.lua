-- Non-blocking requests (TS-0001 8.2.2, TS-0004 7.3.2.2 to 7.3.2.5, 7.4.12), the times of a request
-- and noResponse, over HTTP and WebSocket.

local h = require "harness"
local expect = h.expect

describe("non-blocking requests", function()
  local s, ae

  setup(function()
    s = h.start { config = "return { limits = { nonblocking_each = 5 }, flex_time = 0.2 }" }
    ae = s:register("alice")
    expect(2001, s:create("/moon/alice", "Calice", 3, { rn = "c" }))
  end)
  teardown(h.stop_all)

  local function cin(con, o)
    o = o or {}
    return s:create("/moon/alice/c" .. (o.query or ""), "Calice", 4, { con = con }, o)
  end

  -- The <request> when it is done.
  local function done(address)
    return h.wait("the result", function()
      local r = expect(2000, s:retrieve("/" .. address, "Calice"))
      return r.rs ~= 3 and r
    end)
  end

  it("rt 1: 1001 (202) and the address of the <request>, which gets the result", function()
    local a = cin("1", { query = "?rt=1", rqi = "first" })
    local address = expect(1001, a)
    assert.equal(202, a.status)
    local r = done(address)
    assert.same({ 17, 1, "Calice", "first", 1 }, { r.ty, r.op, r.org, r.rid, r.rs })
    assert.same({ 2001, "first", "1" }, { r.ors.rsc, r.ors.rqi, r.ors.pc["m2m:cin"].con })
    expect(4106, s:retrieve("/" .. address, "Cnobody"))
  end)

  it("rt 1 of what fails: FAILED and the code", function()
    local r = done(expect(1001, s:retrieve("/moon/nothing?rt=1", "Calice")))
    assert.same({ 2, 4004 }, { r.rs, r.ors.rsc })
  end)

  it("rt 2: 1002, the result is a NOTIFY over the originator's connection", function()
    local ws = s:listen(ae)
    local m = ws:request { op = 1, ty = 4, to = "moon/alice/c", fr = "Calice", rqi = "async",
      rt = { rtv = 2 }, pc = { ["m2m:cin"] = { con = "2" } } }
    expect(1002, m)
    local n = ws:notification()
    assert.same({ 5, "/moon", "Calice" }, { n.op, n.fr, n.to })
    local rsp = n.pc["m2m:rsp"]
    assert.same({ 2001, "async", "2" }, { rsp.rsc, rsp.rqi, rsp.pc["m2m:cin"].con })
    ws:close()
  end)

  it("rt 2 with nu: to those; kept while they are away, over kill -9 too", function()
    local bob = s:register("bob")
    expect(1002, cin("3", { query = "?rt=2", rqi = "for-bob",
      headers = { ["x-m2m-rtu"] = "Cbob" } }))
    h.sleep(0.2)
    s:kill()
    s:run()
    local ws = s:listen(bob)
    local rsp = ws:notification().pc["m2m:rsp"]
    assert.same({ 2001, "for-bob" }, { rsp.rsc, rsp.rqi })
    ws:close()
    ws = s:listen(ae)
    ws:expect_silence(0.3)
    expect(1002, cin("4", { query = "?rt=2", headers = { ["x-m2m-rtu"] = "" } }))
    ws:expect_silence(0.3)
    ws:close()
  end)

  it("rt 2 of an AE that polls: through its polling channel", function()
    s:register("polly", { rr = false })
    expect(2001, s:create("/moon/polly", "Cpolly", 15, { ["m2m:pch"] = { rn = "pch" } }))
    expect(1002, s:retrieve("/moon/polly?rt=2", "Cpolly", { rqi = "mine" }))
    local rqp = expect(2000, s:retrieve("/moon/polly/pch/pcu", "Cpolly"))
    assert.equal("mine", rqp.pc["m2m:rsp"].rqi)
  end)

  it("rt 4: the result itself when it comes soon, else 1001", function()
    expect(2001, cin("5", { query = "?rt=4" }))
    s:register("slow", { rr = false })
    expect(2001, s:create("/moon/slow", "Cslow", 15, { ["m2m:pch"] = { rn = "pch" } }))
    local address = expect(1001, s:http("POST", "/moon/slow?rt=4", "Cslow",
      { body = { ["m2m:sgn"] = { sur = "x" } } }))
    local rqp = expect(2000, s:retrieve("/moon/slow/pch/pcu", "Cslow"))
    expect(2000, s:http("POST", "/moon/slow/pch/pcu", "Cslow",
      { body = { ["m2m:rsp"] = { rqi = rqp.rqi, rsc = 2000 } } }))
    h.wait("the result", function()
      local r = expect(2000, s:retrieve("/" .. address, "Cslow"))
      return r.rs == 1 and r.ors.rsc == 2000
    end)
  end)

  it("rt 5: done without a word; 204 over HTTP", function()
    local a = cin("quiet", { query = "?rt=5" })
    assert.same({ 204, "" }, { a.status, a.text })
    assert.is_nil(a.rsc)
    local ws = s:primitives("Calice")
    assert(ws:send { op = 1, ty = 4, to = "moon/alice/c", fr = "Calice", rqi = "q", rvi = "3",
      rt = { rtv = 5 }, pc = { ["m2m:cin"] = { con = "silent" } } })
    assert(ws:send { op = 2, to = "moon/none", fr = "Calice", rqi = "q2", rvi = "3",
      rt = { rtv = 5 } })
    ws:expect_silence(0.3)
    ws:close()
    assert.equal("silent", expect(2000, s:retrieve("/moon/alice/c/la", "Calice")).con)
  end)

  it("what is refused: nu where it is not possible, a <request> as target", function()
    expect(4000, cin("x", { query = "?rt=1", headers = { ["x-m2m-rtu"] = "Calice" } }), "nu")
    expect(4000, cin("x", { query = "?rt=6" }), "rt")
    local address = expect(1001, cin("x", { query = "?rt=1" }))
    expect(4000, s:retrieve("/" .. address .. "?rt=1", "Calice"), "blocking")
    expect(2000, s:retrieve("/" .. address .. "?rt=4", "Calice"))
    expect(4005, s:create("/moon", "Calice", 17, { ["m2m:req"] = { lbl = { "x" } } }))
    expect(4000, s:update("/" .. address, "CAdmin", { ["m2m:req"] = { rs = 1 } }))
    done(address)
    expect(2002, s:delete("/" .. address, "Calice"))
    expect(4004, s:retrieve("/" .. address, "Calice"))
  end)

  it("times: over is 4008, contradictions are 4000", function()
    local function with(headers) return cin("t", { headers = headers }) end
    expect(4008, with { ["x-m2m-ret"] = "20200101T000000" })
    expect(4008, with { ["x-m2m-rst"] = "20200101T000000" })
    expect(4000, with { ["x-m2m-rst"] = "1000", ["x-m2m-ret"] = "2000" }, "rset")
    expect(4000, with { ["x-m2m-oet"] = "3000", ["x-m2m-ret"] = "2000" }, "oet")
    expect(4000, with { ["x-m2m-oet"] = "soon" }, "oet")
    expect(4000, with { ["x-m2m-ot"] = "soon" }, "ot")
    expect(2001, with { ["x-m2m-ot"] = "20200101T000000,123" })
    for _, ec in ipairs { "1", "5", "99", "1000", "2.5", "soon" } do
      expect(4000, with { ["x-m2m-ec"] = ec }, "ec")
    end
    for _, ec in ipairs { "2", "3", "4", "100", "999" } do
      expect(2001, with { ["x-m2m-ec"] = ec })
    end
    expect(2001, with { ["x-m2m-ret"] = "20991231T235959", ["x-m2m-rst"] = "20991231T235959" })
  end)

  it("oet: executed then; a pending one is cancelled by deletion", function()
    expect(2001, cin("now"))
    local first = expect(1001, cin("later", { query = "?rt=1",
      headers = { ["x-m2m-oet"] = "700" } }))
    local second = expect(1001, cin("never", { query = "?rt=1",
      headers = { ["x-m2m-oet"] = "600" } }))
    assert.equal(3, expect(2000, s:retrieve("/" .. first, "Calice")).rs)
    expect(2002, s:delete("/" .. second, "Calice"))
    assert.equal("now", expect(2000, s:retrieve("/moon/alice/c/la", "Calice")).con)
    done(first)
    assert.equal("later", expect(2000, s:retrieve("/moon/alice/c/la", "Calice")).con)
    local cqueues = require "cqueues"
    local t = cqueues.monotime()
    expect(2001, cin("blocking", { headers = { ["x-m2m-oet"] = "400" } }))
    assert.is_true(cqueues.monotime() - t >= 0.39)
  end)

  it("oet survives kill -9; what was due has failed", function()
    local later = expect(1001, cin("after", { query = "?rt=1",
      headers = { ["x-m2m-oet"] = "2500" } }))
    s:kill()
    s:run()
    local r = done(later)
    assert.same({ 1, 2001 }, { r.rs, r.ors.rsc })
    assert.equal("after", expect(2000, s:retrieve("/moon/alice/c/la", "Calice")).con)
  end)

  it("the <request> is its originator's by a policy of the CSE", function()
    local address = expect(1001, s:retrieve("/moon/alice?rt=1", "Calice"))
    local r = done(address)
    assert.same({ "Calice" }, r.lbl)
    local acp = expect(2000, s:retrieve("/~/moon/" .. r.acpi[1], "CAdmin"))
    assert.same({ acor = { "Calice" }, acop = 43 }, acp.pv.acr[1])
    assert.same({ acor = { "Calice" }, acop = 4 }, acp.pvs.acr[1])
    local other = s:register("stranger")
    expect(4103, s:retrieve("/" .. address, other.aei))
    expect(4103, s:delete("/" .. address, other.aei))
    expect(4103, s:update("/" .. address, "Calice", { ["m2m:req"] = { lbl = { "x" } } }))
    local found = expect(2000, s:retrieve("/moon?fu=1&ty=17&lbl=Calice", "Calice"))
    assert.is_true(#found > 0)
    expect(2002, s:delete("/" .. address, "Calice"))
  end)

  it("are bounded per originator: 5000", function()
    local list = {}
    for i = 1, 5 do
      list[i] = expect(1001, cin("b", { query = "?rt=1", headers = { ["x-m2m-oet"] = "60000" } }))
    end
    expect(5000, cin("b", { query = "?rt=1" }), "too many")
    expect(2002, s:delete("/" .. list[1], "Calice"))
    expect(1001, cin("b", { query = "?rt=1", headers = { ["x-m2m-oet"] = "60000" } }))
  end)
end)
