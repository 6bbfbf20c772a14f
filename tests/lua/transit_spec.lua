-- Requests for what other CSEs host: where they go, what comes back, what is refused; members of
-- groups there.

local world = require "world"

local cjson = require "cjson"
local w, transit

local function csr(csi, more)
  local attrs = { rn = csi:sub(2), cb = csi .. "/base", rr = true, srv = { "3" },
    poa = { "http://" .. csi:sub(2) } }
  for k, v in pairs(more or {}) do attrs[k] = v end
  assert.equal(2001, (w:create(csi, "moon", 16, attrs)))
end

local function answers(code, pc, more)
  w.fake.pass = function()
    local whole = more and cjson.encode(more) or nil
    return "answered", code, pc, whole
  end
end

local function last() return w.fake.passed[#w.fake.passed] end

local function frame() return cjson.decode(last().text.frame .. "}") end

before_each(function()
  w = world.new(true)
  require("moon2m.remote").configure {}
  transit = require "moon2m.transit"
  csr("/b", { dcse = { "/c" } })
end)

describe("a request", function()
  it("goes to the CSE and comes back with what it answered", function()
    answers(2000, '{"m2m:cnt":{"rn":"x"}}', { cnst = 1, cnot = 5, vsi = "v", rsc = 2000 })
    local rsc, pc, extra = w:retrieve("Calice", "/c/base/x", "rcn=4", { rqet = "20990101T000000" })
    assert.equal(2000, rsc)
    assert.equal("x", pc["m2m:cnt"].rn)
    assert.same({ cnst = "1", cnot = "5", vsi = "v" }, extra)
    assert.equal("/c", last().key)
    assert.same({ op = 2, to = "/c/base/x", fr = "/moon/Calice", rvi = "3", rcn = 4,
      rqet = "20990101T000000" }, frame())
    assert.is_true(last().text.safe)
    assert.is_true(last().text.seconds > 1)
    assert.equal(2002, (function() answers(2002) return (w:delete("Calice", "/b/base/x")) end)())
    assert.is_false(last().text.safe)
    assert.equal(0, transit.count())
  end)

  it("of an AE that the service provider names goes as /Sx; one that comes so is that", function()
    assert.equal(2001, (w:ae("Spump", "pump")))
    answers(2000, '{"m2m:cnt":{"rn":"x"}}')
    assert.equal(2000, (w:retrieve("Spump", "/b/base/x")))
    assert.equal("/Spump", frame().fr)
    assert.equal(2001, (w:create("CAdmin", "moon", 1, { rn = "acp",
      pv = { acr = { { acor = { "/Sother" }, acop = 63 } } },
      pvs = { acr = { { acor = { "CAdmin" }, acop = 63 } } } })))
    assert.equal(2001, (w:create("CAdmin", "moon", 3, { rn = "c", acpi = { "moon/acp" } })))
    local rsc, pc = w:create("/Sother", "moon/c", 3, { rn = "d" })
    assert.equal(2001, rsc, world.dbg(pc))
    assert.equal(2000, (w:retrieve("//sp.example/Sother", "moon/c/d")))
    assert.equal(4103, (w:retrieve("/Sthird", "moon/c/d")))
    assert.equal(4000, (w:retrieve("/Spump", "moon/c/d")))
    assert.equal(4000, (w:retrieve("/moon/Sother", "moon/c/d")))
    assert.equal(2002, (w:delete("/b", "moon/b")))
    assert.equal(4106, (w:retrieve("/Sother", "moon/c/d")))
  end)

  it("is told how it failed", function()
    for how, want in pairs { unreached = { 5103, "cannot be reached" },
      broken = { 5103, "may have been" }, late = { 4008, "in time" },
      unreadable = { 5000, "no JSON" } } do
      w.fake.pass = function() return how, 0 end
      local rsc, pc = w:retrieve("Calice", "/b/base")
      assert.equal(want[1], rsc)
      assert.matches(want[2], world.dbg(pc))
    end
    answers(12)
    assert.equal(5000, (w:retrieve("Calice", "/b/base")))
    assert.equal(4004, (w:retrieve("Calice", "/d/base")))
    assert.equal(4004, (w:retrieve("Calice", "//other.example/d/base")))
  end)

  it("is not sent back, nor around", function()
    local rsc, pc = w:retrieve("/b/Cx", "/c/base")
    assert.equal(4004, rsc)
    assert.matches("came from", world.dbg(pc))
    csr("/e", { poa = { "http://b" } })
    assert.equal(4004, (w:retrieve("/e/Cx", "/c/base")))
    csr "/f"
    answers(2000)
    assert.equal(2000, (w:retrieve("/f/Cx", "/c/base")))
    rsc, pc = w:retrieve("/f/Cx", "/c/base", nil, { rqi = "v1.2.3." .. last().text.rqi })
    assert.equal(5103, rsc)
    assert.matches("circle", world.dbg(pc))
    assert.equal(4000, (w:retrieve("Calice", "/c/base", nil, { rqi = ("x"):rep(2000) })))
    assert.equal(0, transit.count())
  end)

  it("waits with 512 others for one CSE at most", function()
    local box = {}
    w.fake.pass = function() return "late", 0 end
    for i = 1, 520 do box[i] = w:start { op = 2, to = "/b/base", fr = "Calice" } end
    w.fake.run()
    local codes = {}
    for i = 1, 520 do codes[box[i][1]] = (codes[box[i][1]] or 0) + 1 end
    assert.same({ [4008] = 512, [5103] = 8 }, codes)
    assert.equal(0, transit.count())
  end)

  it("of a script has the CSE or an AE as originator", function()
    answers(2000)
    assert.equal(2000, (w:request { op = 2, to = "/b/base", via = "script", rcn = 4 }))
    assert.same({ op = 2, to = "/b/base", fr = "/moon", rvi = "3", rcn = 4 }, frame())
  end)

  it("non-blocking: what is kept of it goes on after a restart", function()
    answers(2000, '{"m2m:cnt":{"rn":"x"}}')
    local rsc, pc = w:retrieve("Calice", "/b/base/x", "rcn=4&lbl=a&rt=1&atrl=lbl",
      { oet = "100000" })
    assert.equal(1001, rsc, world.dbg(pc))
    local r
    w.fake.task(function() r = w.tree.resolve(pc["m2m:uri"]) end)
    w.fake.run()
    assert.equal("3", r.raw.rs)
    local restored = require("moon2m.request_resource").restore(r)
    assert.same({ rcn = 4, fc = { lbl = { "a" } }, rt = { rtv = 1 }, rvi = "3" }, (function()
      local fields = cjson.decode(restored.fields)
      fields.oet = nil
      return fields
    end)())
    assert.equal('{"m2m:atrl":["lbl"]}', restored.pc)
    assert.same({}, w.fake.passed)
    rsc, pc = w:retrieve("Calice", "/b/base/x", "rt=1")
    assert.equal(1001, rsc)
    w.fake.task(function() r = w.tree.resolve(pc["m2m:uri"]) end)
    w.fake.run()
    assert.equal("4", r.raw.rs)
    csr "/g"
    rsc, pc = w:retrieve("/g/Cx", "/b/base/x", "rt=1")
    assert.equal(1001, rsc)
    assert.matches("^/moon/moon/req_", pc["m2m:uri"])
  end)
end)

describe("a group", function()
  local function group(attrs)
    attrs.mnm = attrs.mnm or 9
    local rsc, pc = w:request { op = 1, to = "moon/alice", fr = "Calice", ty = 9,
      pc = { ["m2m:grp"] = attrs } }
    return rsc, pc["m2m:grp"] or world.dbg(pc)
  end

  -- What CSE /b has: address -> { rsc, pc }.
  local function has(list)
    w.fake.pass = function(_, text)
      local a = list[cjson.decode(text.frame .. "}").to] or { 5103 }
      return "answered", a[1], a[2]
    end
  end

  local CNT, AE = { 2000, '{"m2m:cnt":{"ty":3}}' }, { 2000, '{"m2m:ae":{"ty":2}}' }
  local MID = { "/b/base/1", "/b/base/2", "moon/alice/a" }

  before_each(function()
    assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = "a" })))
  end)

  it("takes members of other CSEs when there is a way; mixed ones are not asked", function()
    local rsc, g = group { mid = MID }
    assert.same({ 2001, MID, 3, true }, { rsc, g.mid, g.cnm, g.mtv })
    assert.same({}, w.fake.passed)
    rsc, g = group { mid = { "/nowhere/x" } }
    assert.equal(4004, rsc)
    assert.matches("no route", g)
    rsc, g = group { mid = { "//sp.example/b/base/1", "/b/base/1" } }
    assert.same({ 2001, 1 }, { rsc, g.cnm })
  end)

  it("asks for their types; each strategy", function()
    has { ["/b/base/1"] = CNT, ["/b/base/2"] = AE,
      ["/b/base/g"] = { 2000, '{"m2m:grp":{"ty":9,"mt":3}}' } }
    local rsc, g = group { mt = 3, mid = MID }
    assert.same({ 2001, { MID[1], MID[3] }, true }, { rsc, g.mid, g.mtv })
    assert.equal("/moon/Calice", frame().fr)
    assert.equal(4110, (group { mt = 3, csy = 2, mid = MID }))
    rsc, g = group { mt = 3, csy = 3, mid = MID }
    assert.same({ 2001, MID, 0 }, { rsc, g.mid, g.mt })
    rsc, g = group { mt = 3, mid = { "/b/base/g/fopt", "/b/base/g2/la" } }
    assert.same({ 2001, { "/b/base/g/fopt" } }, { rsc, g.mid })
    rsc, g = group { mt = 28, spty = "a.b", mid = { "/b/base/1" } }
    assert.same({ 2001, 0 }, { rsc, g.cnm })
  end)

  it("refuses what does not exist, or must not be read", function()
    has { ["/b/base/1"] = { 4004 }, ["/b/base/2"] = { 4103 } }
    local rsc, dbg = group { mt = 3, mid = { "/b/base/1" } }
    assert.equal(4004, rsc)
    assert.matches("/b/base/1: no such", dbg)
    rsc, dbg = group { mt = 3, mid = { "/b/base/2" } }
    assert.equal(5105, rsc)
    assert.matches("4103", dbg)
  end)

  -- The attributes of the group after a sweep.
  local function swept(rn)
    local box = w.fake.task(require("moon2m.group_check").sweep)
    w.fake.run()
    while not box.done and w.fake.soon() do end
    local rsc, pc = w:retrieve("Calice", "moon/alice/" .. rn)
    return rsc == 2000 and pc["m2m:grp"] or rsc
  end

  it("is not validated before those it could not reach were asked", function()
    has {}
    for csy = 1, 3 do
      local rsc, g = group { rn = "g" .. csy, mt = 3, csy = csy, mid = MID }
      assert.same({ 2001, MID, false, 3 }, { rsc, g.mid, g.mtv, g.mt })
      assert.is_false(swept("g" .. csy).mtv)
    end
    has { ["/b/base/1"] = CNT }
    local g = swept "g1"
    assert.same({ MID, false }, { g.mid, g.mtv })
    has { ["/b/base/1"] = CNT, ["/b/base/2"] = AE }
    g = swept "g1"
    assert.same({ { MID[1], MID[3] }, 2, true, 3 }, { g.mid, g.cnm, g.mtv, g.mt })
    assert.equal(4004, swept "g2")
    g = swept "g3"
    assert.same({ MID, true, 0 }, { g.mid, g.mtv, g.mt })
    local n = #w.fake.passed
    swept "g1"
    assert.equal(n, #w.fake.passed)
  end)

  it("fans out to them, with one identifier; 2002 takes a member out", function()
    assert.equal(2001, (group { rn = "g", mid = MID }))
    has { ["/b/base/1"] = { 2002 }, ["/b/base/2"] = { 4004, '{"m2m:dbg":"x"}' } }
    local rsc, pc = w:delete("Calice", "moon/alice/g/fopt")
    assert.equal(2000, rsc)
    local list = pc["m2m:agr"]["m2m:rsp"]
    assert.same({ 2002, 4004, 2002 }, { list[1].rsc, list[2].rsc, list[3].rsc })
    assert.same({ MID[1], MID[2], MID[3] }, { list[1].fr, list[2].fr, list[3].fr })
    local one, two = w.fake.passed[1].text, w.fake.passed[2].text
    local gid = one.frame:match('"gid":"([^"]+)"')
    assert.matches("^/moon%.%x+$", gid)
    assert.equal(gid, two.frame:match('"gid":"([^"]+)"'))
    rsc, pc = w:retrieve("Calice", "moon/alice/g")
    assert.same({ 2000, { MID[2] } }, { rsc, pc["m2m:grp"].mid })
  end)

  it("has the AEs of other CSEs among those that are notified and allowed", function()
    assert.equal(2001, (group { rn = "g", mid = { "/b/Cfar", "/b/base/1", "Cbob" } }))
    local list
    w.fake.task(function() list = require("moon2m.target").all("moon/alice/g") end)
    w.fake.run()
    assert.same({ "/b/Cfar", "Cbob" }, list)
    assert.equal(2001, (w:create("Calice", "moon/alice", 1, { rn = "p",
      pv = { acr = { { acor = { "moon/alice/g" }, acop = 2 } } },
      pvs = { acr = { { acor = { "Calice" }, acop = 63 } } } })))
    assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = "open",
      acpi = { "moon/alice/p" } })))
    assert.equal(2000, (w:retrieve("/b/Cfar", "moon/alice/open")))
    assert.equal(4103, (w:retrieve("/b/Cnear", "moon/alice/open")))
  end)
end)

describe("a policy that another CSE hosts", function()
  local function policy(acor, acop)
    return cjson.encode { ["m2m:acp"] = { ri = "1", ty = 1,
      pv = { acr = { { acor = acor, acop = acop or 2 } } },
      pvs = { acr = { { acor = { "Cown" }, acop = 63 } } } } }
  end

  before_each(function()
    require("moon2m.far_policy").open()
    assert.equal(2001, (w:create("CAdmin", "moon", 3, { rn = "c", acpi = { "/b/base/acp" } })))
  end)

  after_each(function() world.real_time() end)

  it("is retrieved once; its originators are those of its CSE", function()
    answers(2000, policy { "/moon/Calice", "Cbob", "/c/Cz" })
    assert.equal(2000, (w:retrieve("Calice", "moon/c")))
    assert.equal("/b/base/acp", frame().to)
    assert.equal("/moon", frame().fr)
    assert.equal(4103, (w:retrieve("Cbob", "moon/c")))
    assert.equal(2000, (w:retrieve("/b/Cbob", "moon/c")))
    assert.equal(2000, (w:retrieve("/c/Cz", "moon/c")))
    assert.equal(4103, (w:delete("Calice", "moon/c")))
    assert.equal(4103, (w:update("Calice", "moon/c", "m2m:cnt", { acpi = { "/b/base/acp" } })))
    assert.equal(2004, (w:update("/b/Cown", "moon/c", "m2m:cnt", { acpi = { "/b/base/acp" } })))
    assert.equal(1, #w.fake.passed)
  end)

  it("lets its selfPrivileges change acpi", function()
    answers(2000, (policy({ "all" }):gsub("Cown", "/moon/Calice")))
    assert.equal(2004, (w:update("Calice", "moon/c", "m2m:cnt", { acpi = { "/b/base/acp2" } })))
  end)

  it("grants nothing when it cannot be read, or is none", function()
    assert.equal(4103, (w:retrieve("Calice", "moon/c")))
    assert.equal(4103, (w:retrieve("Calice", "moon/c")))
    assert.equal(1, #w.fake.passed)
    for i, pc in ipairs { "{}", '{"m2m:acp":{"pv":{"acr":1},"pvs":{}}}', '{"m2m:cnt":{"ty":3}}' } do
      local rn = "d" .. i
      answers(2000, pc)
      assert.equal(2001, (w:create("CAdmin", "moon", 3, { rn = rn, acpi = { "/b/base/p" .. i } })))
      assert.equal(4103, (w:retrieve("Calice", "moon/" .. rn)))
    end
  end)

  it("is asked for again when a CSE has changed", function()
    assert.equal(4103, (w:retrieve("Calice", "moon/c")))
    answers(2000, policy { "/moon/Calice" })
    csr "/h"
    assert.equal(2000, (w:retrieve("Calice", "moon/c")))
  end)
end)
