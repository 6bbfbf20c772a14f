-- Groups with members at other CSEs (TS-0004 7.4.13, 7.4.14): one request reaches all of them; one
-- CSE that is away delays nobody, its members are checked when it is back.  Policies there.

local h = require "harness"
local expect = h.expect

describe("a group with members at two servers", function()
  local a, b, service
  local MID = { "abase/c1", "/b/bbase/c1", "/b/bbase/c2" }

  local function csr(csi, port)
    return { ["m2m:csr"] = { rn = csi:sub(2), cb = csi .. "/base", rr = true, srv = { "3" },
      poa = port and { "http://127.0.0.1:" .. port } or nil } }
  end

  local function prepare(s, base, who, list)
    expect(2001, s:create("/" .. base, "CAdmin", 1, { rn = "acp",
      pv = { acr = { { acor = { who, "CAdmin" }, acop = 63 } } },
      pvs = { acr = { { acor = { "CAdmin" }, acop = 63 } } } }))
    for _, rn in ipairs(list) do
      expect(2001, s:create("/" .. base, "CAdmin", 3, { rn = rn, acpi = { base .. "/acp" } }))
    end
  end

  local function group(rn, attrs)
    attrs.rn, attrs.mnm, attrs.acpi = rn, 9, { "abase/acp" }
    return a:create("/abase/me", "Cme", 9, attrs)
  end

  local function codes(answer)
    local list = {}
    for i, m in ipairs(expect(2000, answer)["m2m:rsp"]) do list[i] = m.rsc end
    return list
  end

  setup(function()
    b = h.start { config = [[cse = { id = "/b", name = "bbase" }]] }
    a = h.start { config = [[cse = { id = "/a", name = "abase" }]] }
    expect(2001, a:create("/abase", "/b", 16, csr("/b", b.port)))
    expect(2001, b:create("/bbase", "/a", 16, csr("/a", a.port)))
    local ae = a:create("/abase", "Cme", 2, { rn = "me", api = "Nme", rr = true, srv = { "3" } })
    expect(2001, ae)
    service = { url = ae.headers:get("link"):match("<([^>]+)>") }
    prepare(a, "abase", "Cme", { "c1" })
    prepare(b, "bbase", "/a/Cme", { "c1", "c2" })
  end)
  teardown(h.stop_all)

  it("one request reaches all", function()
    assert.is_true(expect(2001, group("g", { mid = MID, mt = 3, csy = 2 })).mtv)
    local fopt = "/abase/me/g/fopt"
    for i = 1, 3 do
      assert.same({ 2001, 2001, 2001 }, codes(a:create(fopt, "Cme", 4, { con = tostring(i) })))
    end
    local answer = a:retrieve(fopt .. "/la", "Cme")
    assert.same({ 2000, 2000, 2000 }, codes(answer))
    local rsp = answer.body["m2m:agr"]["m2m:rsp"]
    for i, m in ipairs(rsp) do
      assert.equal("3", m.pc["m2m:cin"].con)
      assert.equal(MID[i], m.fr)
    end
    assert.same({ 2004, 2004, 2004 }, codes(a:update(fopt, "Cme",
      { ["m2m:cnt"] = { lbl = { "all" } } })))
    assert.same({ "all" }, expect(2000, b:retrieve("/bbase/c2", "CAdmin")).lbl)
    assert.same({ 2002, 2002, 2002 }, codes(a:delete(fopt .. "/la", "Cme")))
    assert.same({ 2000, 2000 }, codes(a:retrieve(fopt .. "?grtm=abase/c1+/b/bbase/c2", "Cme")))
  end)

  it("with nfu what they notify is gathered, also over kill -9", function()
    local g = expect(2001, group("n", { mid = MID, mt = 3, nar = { num = 3, dur = "PT60S" } }))
    assert.same({ 2001, 2001, 2001 }, codes(a:create("/abase/me/n/fopt", "Cme", 23, { rn = "s",
      nu = { "Cme" }, nfu = "Cme", enc = { net = { 3 } } })))
    local sub = expect(2000, b:retrieve("/bbase/c1/s", "/a/Cme"))
    assert.same({ { "/a/" .. g.ri }, "/a/Cme", "/a/" .. g.ri }, { sub.nu, sub.nfu, sub.gpi })
    expect(2001, b:create("/bbase/c1", "CAdmin", 4, { con = "1" }))
    expect(2001, b:create("/bbase/c2", "CAdmin", 4, { con = "2" }))
    h.wait("both to be at the group's host", function()
      return a:metric("moon2m_notices_waiting") >= 2
    end)
    a:kill()
    a:run()
    local ws = a:listen(service)
    expect(2001, a:create("/abase/c1", "CAdmin", 4, { con = "3" }))
    local agn = assert(ws:notification(10)).pc["m2m:agn"]["m2m:sgn"]
    local seen = {}
    for _, sgn in ipairs(agn) do seen[#seen + 1] = sgn.nev.rep["m2m:cin"].con end
    table.sort(seen)
    assert.same({ "1", "2", "3" }, seen)
    ws:close()
  end)

  it("the group takes nothing but that", function()
    local to = "/abase/me/n"
    local function told(who, pc) return a:http("POST", to, who, { body = pc }) end
    local function sgn(attrs)
      attrs.nev = { net = 3, rep = {} }
      return { ["m2m:sgn"] = attrs }
    end
    expect(2000, told("/b", { ["m2m:sgn"] = { vrq = true, sur = "/b/9" } }))
    expect(4103, told("Cme", sgn { sur = "/b/9", nfu = "/a/Cme" }), "hosts no member")
    expect(2001, group("own", { mid = { "abase/c1" } }))
    expect(4103, a:http("POST", "/abase/me/own", "/b",
      { body = sgn { sur = "/b/9", nfu = "/a/Cme" } }), "hosts no member")
    expect(4103, told("/b", sgn { sur = "/b/9", nfu = "http://127.0.0.1:9/" }), "nfu: no subscr")
    expect(4000, told("/b", sgn { sur = "/b/9" }), "nfu: missing")
    expect(4000, told("/b", sgn { sur = "/a/9", nfu = "/a/Cme" }), "sur")
    expect(4000, told("/b", { ["m2m:agn"] = {} }), "pc")
    expect(4000, told("/b", { ["m2m:agn"] = { ["m2m:sgn"] = { 5 } } }), "expected an object")
  end)

  it("a group of groups reaches each once, also in a circle", function()
    expect(2001, b:create("/bbase", "CAdmin", 9, { rn = "gb", mnm = 9, acpi = { "bbase/acp" },
      mid = { "bbase/c1", "bbase/c2", "/a/abase/me/gg/fopt" } }))
    expect(2001, group("gg", { mid = { "abase/c1", "/b/bbase/gb/fopt" } }))
    local rsp = expect(2000, a:retrieve("/abase/me/gg/fopt", "Cme"))["m2m:rsp"]
    assert.equal(2000, rsp[1].rsc)
    local inner = rsp[2].pc["m2m:agr"]["m2m:rsp"]
    assert.same({ 2000, 2000 }, { inner[1].rsc, inner[2].rsc })
    assert.is_true(inner[3].rsc >= 4000)
  end)

  it("a policy there counts here", function()
    expect(2001, b:create("/bbase", "CAdmin", 1, { rn = "there",
      pv = { acr = { { acor = { "/a/Cme" }, acop = 2 } } },
      pvs = { acr = { { acor = { "/a" }, acop = 2 }, { acor = { "CAdmin" }, acop = 63 } } } }))
    expect(2001, a:create("/abase", "CAdmin", 3, { rn = "far", acpi = { "/b/bbase/there" } }))
    expect(2000, a:retrieve("/abase/far", "Cme"))
    expect(4103, a:delete("/abase/far", "Cme"))
    expect(2001, a:create("/abase", "CAdmin", 3, { rn = "far2", acpi = { "/b/bbase/acp" } }))
    expect(4103, a:retrieve("/abase/far2", "Cme")) -- its selfPrivileges do not name this CSE
  end)

  it("a server that is away: its members are told so, and checked when it is back", function()
    b:kill()
    local g = expect(2001, group("late", { mid = MID, mt = 3 }))
    assert.is_false(g.mtv)
    assert.same({ 2001, 5103, 5103 },
      codes(a:create("/abase/me/late/fopt", "Cme", 4, { con = "x" })))
    b:run()
    expect(2002, b:delete("/bbase/c2", "CAdmin"))
    expect(2004, a:update("/abase/b", "/b",
      { ["m2m:csr"] = { poa = { "http://127.0.0.1:" .. b.port } } }))
    h.wait("its members to be checked", function()
      g = expect(2000, a:retrieve("/abase/me/late", "Cme"))
      return g.mtv
    end)
    assert.same({ "abase/c1", "/b/bbase/c1" }, g.mid)
  end)
end)
