-- Groups on the wire (TS-0001 9.6.13, 9.6.14, 10.2.7; TS-0004 7.4.13, 7.4.14, 7.5.1.2.6): members,
-- fan-out, rights, loops; groups in `nu` and `acor`; subscriptions through a group, aggregation.

local cqueues = require "cqueues"
local h = require "harness"
local expect = h.expect

local ME = "Cme"

describe("group", function()
  local s, ws, me

  setup(function()
    s = h.start()
    me = s:register("me")
    ws = s:listen(me)
    s:register("you")
    for _, rn in ipairs { "a", "b", "c" } do
      expect(2001, s:create("/moon/me", ME, 3, { rn = rn }))
    end
  end)
  teardown(function()
    pcall(ws.close, ws)
    h.stop_all()
  end)

  local ABC = { "moon/me/a", "moon/me/b", "moon/me/c" }
  local last = 0

  local function group(attrs, code)
    last = last + 1
    attrs.rn, attrs.mnm = attrs.rn or "g" .. last, attrs.mnm or 10
    if #attrs.mid == 0 then
      local text = ('{"m2m:grp":{"rn":"%s","mnm":%d,"mid":[]}}'):format(attrs.rn, attrs.mnm)
      return expect(code or 2001, s:create("/moon/me", ME, 9, text)), "/moon/me/" .. attrs.rn
    end
    return expect(code or 2001, s:create("/moon/me", ME, 9, attrs)), "/moon/me/" .. attrs.rn
  end

  local function answers(a)
    assert.equal(2000, a.rsc, a.text)
    return (a.body or a.pc)["m2m:agr"]["m2m:rsp"]
  end

  local function codes(a)
    local list = {}
    for i, r in ipairs(answers(a)) do list[i] = r.rsc end
    return list
  end

  -- Runs functions at the same time.
  local function together(...)
    local q = cqueues.new()
    for _, fn in ipairs { ... } do q:wrap(fn) end
    assert(q:loop(20))
  end

  it("has all its attributes, and is updated", function()
    local g, path = group { mid = { ABC[1], ABC[1], ABC[2], "moon/me" }, mt = 3, gn = "x",
      nar = { num = 5, dur = "PT2S" }, lbl = { "l" } }
    assert.same({ 9, 3, 1, true, 2, 10, "x", { ABC[1], ABC[2] }, { num = 5, dur = "PT2S" } },
      { g.ty, g.mt, g.csy, g.mtv, g.cnm, g.mnm, g.gn, g.mid, g.nar })
    g = expect(2004, s:update(path, ME, { ["m2m:grp"] = { mid = ABC, gn = "y", mnm = 3 } }))
    assert.same({ 3, 3, "y" }, { g.cnm, g.mnm, g.gn })
    expect(6010, s:update(path, ME, { ["m2m:grp"] = { mnm = 2 } }), "mid")
    for _, text in ipairs { '{"mt":3}', '{"csy":1}', '{"cnm":3}', '{"mtv":true}', '{"mnm":0}',
      '{"mid":"x"}', '{"mid":null}', '{"macp":[]}', '{"nar":{"num":0}}', '{"spty":"x"}' } do
      expect(4000, s:update(path, ME, '{"m2m:grp":' .. text .. "}"))
    end
    assert.equal(3, expect(2000, s:retrieve(path, ME)).cnm)
    expect(4108, s:create(path, ME, 3, {}))
    expect(2001, s:create(path, ME, 23, { nu = { ME } }))
    expect(2004, s:update(path, ME, { ["m2m:grp"] = { gn = "z" } }))
    assert.equal("z", ws:sgn().nev.rep["m2m:grp"].gn)
    expect(2002, s:delete(path, ME))
  end)

  it("refuses wrong members", function()
    group({ mid = ABC, mnm = 2 }, 6010)
    group({ mid = { ABC[1], "moon/me" }, mt = 3, csy = 2 }, 4110)
    assert.equal(0, group({ mid = { ABC[1], "moon/me" }, mt = 3, csy = 3 }).mt)
    group({ mid = { "moon/me/nothing" } }, 4004)
    group({ mid = { "/other/moon/x" } }, 4004)
    group({ mid = { "moon/you" }, mt = 2 }, 5105)
    group({ mid = { ABC[1] }, mt = 4711 }, 4000)
    for _, case in ipairs { { 3, "x" }, { 13, "1006" }, { 28, 1006 } } do
      local a = s:create("/moon/me", ME, 9, { mnm = 1, mid = { ABC[1] }, mt = case[1],
        spty = case[2] })
      expect(4000, a, "spty")
    end
    expect(4108, s:create("/moon/me/a", ME, 1, { pv = { acr = { { acor = { ME }, acop = 63 } } },
      pvs = { acr = { { acor = { ME }, acop = 63 } } } }), "^an acp cannot be created below a c")
  end)

  it("creates, retrieves, updates and deletes through fopt", function()
    local _, path = group { mid = ABC }
    local list = answers(s:create(path .. "/fopt", ME, 4, { con = "7" }))
    for i = 1, 3 do
      assert.same({ 2001, ABC[i], "7", "3" },
        { list[i].rsc, list[i].fr, list[i].pc["m2m:cin"].con, list[i].rvi })
    end
    list = answers(s:retrieve(path .. "/fopt/la", ME))
    assert.same({ 2000, "7" }, { list[3].rsc, list[3].pc["m2m:cin"].con })
    assert.same({ 2004, 2004, 2004 },
      codes(s:update(path .. "/fopt", ME, { ["m2m:cnt"] = { lbl = { "x" } } })))
    list = answers(s:retrieve(path .. "/fopt?rcn=4", ME))
    assert.equal("7", list[1].pc["m2m:cnt"]["m2m:cin"][1].con)
    list = answers(s:retrieve(path .. "/fopt?fu=1&ty=4", ME))
    assert.equal(1, #list[1].pc["m2m:uril"])
    assert.same({ 2002, 2002, 2002 }, codes(s:delete(path .. "/fopt/la", ME)))
    assert.same({ 4004, 4004, 4004 }, codes(s:retrieve(path .. "/fopt/la", ME)))
    assert.same({ 4005, 4005, 4005 }, codes(s:update(path .. "/fopt/la", ME,
      { ["m2m:cin"] = { lbl = { "x" } } })))
    assert.same({ 4000, 4000, 4000 }, codes(s:create(path .. "/fopt", ME, 4, {})))
  end)

  it("over a WebSocket, in one answer", function()
    local _, path = group { mid = ABC }
    local a = ws:request { op = 1, ty = 4, to = path:sub(2) .. "/fopt", fr = ME,
      pc = { ["m2m:cin"] = { con = 5 } } }
    assert.same({ 2001, 2001, 2001 }, codes(a))
    a = ws:request { op = 2, to = path:sub(2) .. "/fopt/la", fr = ME, grtm = { ABC[2] } }
    assert.same({ 2000 }, codes(a))
    assert.equal(ABC[2], answers(a)[1].fr)
    expect(4000, ws:request { op = 2, to = path:sub(2) .. "/fopt", fr = ME, grtm = { "moon/me" } })
    a = ws:request { op = 2, to = path:sub(2) .. "/fopt/la", fr = ME, rt = { rtv = 1 } }
    local uri = expect(1001, a)
    local r = h.wait("the result", function()
      local got = s:retrieve("/" .. (type(uri) == "string" and uri or uri["m2m:uri"]), ME)
      return got.rsc == 2000 and got.body["m2m:req"].rs ~= 3 and got.body["m2m:req"]
    end)
    assert.equal(1, r.rs)
    assert.equal(3, #r.ors.pc["m2m:agr"]["m2m:rsp"])
  end)

  it("grtm in a query", function()
    local _, path = group { mid = ABC }
    assert.same({ 2000, 2000 }, codes(s:retrieve(path .. "/fopt?grtm=moon/me/a+moon/me/c", ME)))
    expect(4000, s:retrieve(path .. "/fopt?grtm=moon/me", ME), "grtm")
    expect(4000, s:retrieve("/moon/me/a?grtm=moon/me/a", ME), "grtm")
  end)

  it("without members: 4109", function()
    local _, path = group { mid = {} }
    expect(4109, s:retrieve(path .. "/fopt", ME))
  end)

  it("a deletion takes members out", function()
    expect(2001, s:create("/moon/me", ME, 3, { rn = "x1" }))
    expect(2001, s:create("/moon/me", ME, 3, { rn = "x2" }))
    local _, path = group { mid = { "moon/me/x1", "moon/me/x2", "moon/you" } }
    expect(2001, s:create(path, ME, 23, { nu = { ME } }))
    assert.same({ 2002, 2002, 4103 }, codes(s:delete(path .. "/fopt", ME)))
    local g = expect(2000, s:retrieve(path, ME))
    assert.same({ 1, { "moon/you" } }, { g.cnm, g.mid })
    assert.equal(1, ws:sgn().nev.rep["m2m:grp"].cnm)
    expect(4004, s:retrieve("/moon/me/x1", ME))
  end)

  it("the group's rights are macp or acpi, the members have their own", function()
    local function acp(rn, acop)
      expect(2001, s:create("/moon/me", ME, 1, { rn = rn,
        pv = { acr = { { acor = { "Cyou" }, acop = acop }, { acor = { ME }, acop = 63 } } },
        pvs = { acr = { { acor = { ME }, acop = 63 } } } }))
      return "moon/me/" .. rn
    end
    local read, all = acp("pread", 2), acp("pall", 63)
    local _, path = group { mid = ABC, acpi = { all } }
    assert.same({ 4103, 4103, 4103 }, codes(s:retrieve(path .. "/fopt", "Cyou")))
    expect(2004, s:update("/moon/me/b", ME, { ["m2m:cnt"] = { acpi = { all } } }))
    assert.same({ 4103, 2000, 4103 }, codes(s:retrieve(path .. "/fopt", "Cyou")))
    expect(2004, s:update(path, ME, { ["m2m:grp"] = { macp = { read } } }))
    assert.same({ 4103, 2000, 4103 }, codes(s:retrieve(path .. "/fopt", "Cyou")))
    expect(4103, s:create(path .. "/fopt", "Cyou", 4, { con = "1" }))
    expect(2004, s:update(path, ME, { ["m2m:grp"] = { macp = { acp("pfind", 32) } } }))
    expect(4000, s:delete(path .. "/fopt?fu=1", "Cyou"), "fu")
    expect(2000, s:retrieve("/moon/me/b", ME))
  end)

  it("groups of groups; loops end with 4104", function()
    local _, p1 = group { mid = { ABC[1] } }
    local _, p2 = group { mid = { p1:sub(2) .. "/fopt", ABC[2] } }
    local list = answers(s:create(p2 .. "/fopt", ME, 4, { con = "1" }))
    assert.same({ 2000, 2001 }, { list[1].rsc, list[2].rsc })
    assert.equal(2001, list[1].pc["m2m:agr"]["m2m:rsp"][1].rsc)
    expect(2004, s:update(p1, ME, { ["m2m:grp"] = { mid = { p2:sub(2) .. "/fopt", ABC[1] } } }))
    list = answers(s:create(p1 .. "/fopt", ME, 4, { con = "2" }))
    assert.equal(4104, list[1].pc["m2m:agr"]["m2m:rsp"][1].rsc)
    assert.equal(2001, list[2].rsc)
    local gid = { headers = { ["x-m2m-gid"] = "gid-1" } }
    assert.equal(2000, s:retrieve(p2 .. "/fopt", ME, gid).rsc)
    expect(4104, s:retrieve(p2 .. "/fopt", ME, gid), "gid")
  end)

  it("notifies AEs; who is late is not in the answer; nobody: 5209", function()
    local _, path = group { mid = { "moon/me", "moon/me/a" } }
    local body = { ["m2m:sgn"] = { sur = "x" } }
    local a
    together(function()
      a = ws:request { op = 5, to = path:sub(2) .. "/fopt", fr = ME, pc = body, rqet = "700" }
    end)
    assert.same({ 4005 }, codes(a))
    assert.equal("x", ws:sgn().sur)
    _, path = group { mid = { "moon/me" } }
    expect(5209, ws:request { op = 5, to = path:sub(2) .. "/fopt", fr = ME, pc = body,
      rqet = "500" })
    ws:sgn()
  end)

  it("100 members at the same time", function()
    expect(2001, s:create("/moon/me", ME, 3, { rn = "many" }))
    local mid = {}
    for i = 1, 100 do
      expect(2001, s:create("/moon/me/many", ME, 3, { rn = "m" .. i }))
      mid[i] = "moon/me/many/m" .. i
    end
    local _, path = group { mid = mid, mnm = 100, mt = 3 }
    for _ = 1, 3 do
      local list = answers(s:create(path .. "/fopt", ME, 4, { con = "1" }))
      assert.equal(100, #list)
      for i, r in ipairs(list) do assert.same({ 2001, mid[i] }, { r.rsc, r.fr }) end
    end
    assert.equal(3, expect(2000, s:retrieve("/moon/me/many/m100", ME)).cni)
  end)

  it("in acor: its AEs, as they are now", function()
    local _, path = group { mid = { "moon/you" } }
    expect(2001, s:create("/moon/me", ME, 1, { rn = "pgrp",
      pv = { acr = { { acor = { path:sub(2) }, acop = 2 } } },
      pvs = { acr = { { acor = { ME }, acop = 63 } } } }))
    expect(2001, s:create("/moon/me", ME, 3, { rn = "d", acpi = { "moon/me/pgrp" } }))
    expect(2000, s:retrieve("/moon/me/d", "Cyou"))
    expect(2004, s:update(path, ME, { ["m2m:grp"] = { mid = { "moon/me" } } }))
    expect(4103, s:retrieve("/moon/me/d", "Cyou"))
    expect(2000, s:retrieve("/moon/me/d", ME))
    expect(2002, s:delete(path, ME))
    expect(4103, s:retrieve("/moon/me/d", ME))
  end)
end)

describe("fan-out in parts", function()
  local PART = "Cpart"
  local s, a, ws, slow, sw

  setup(function()
    s = h.start { config = "return { flex_time = 0.5 }" }
    a = s:register("part")
    ws = s:listen(a)
    slow = s:register("slow")
    sw = s:listen(slow)
    expect(2001, s:create("/moon/slow", slow.aei, 1, { rn = "acp", pv = { acr = {
      { acor = { "all" }, acop = 63 } } },
      pvs = { acr = { { acor = { slow.aei }, acop = 63 } } } }))
    expect(2004, s:update("/moon/slow", slow.aei, '{"m2m:ae":{"acpi":["moon/slow/acp"]}}'))
    expect(2001, s:create("/moon/part", PART, 3, { rn = "c" }))
    expect(2001, s:create("/moon/part", PART, 9, { rn = "g", mnm = 3,
      mid = { "moon/part/c", "moon/slow" } }))
  end)
  teardown(function()
    ws:close()
    sw:close()
    h.stop_all()
  end)

  -- A NOTIFY to all members: the container refuses at once (4005), the AE when it is told to.
  local function fan_out(rt, more)
    local req = { op = 5, to = "moon/part/g/fopt", fr = PART, rt = rt, rqet = "8000",
      pc = { ["m2m:sgn"] = { sur = "x" } } }
    for k, v in pairs(more or {}) do req[k] = v end
    return ws:request(req)
  end

  local function answers(pc) return pc["m2m:agr"]["m2m:rsp"] end

  local function address_of(uri)
    return "/" .. (type(uri) == "string" and uri or uri["m2m:uri"])
  end

  local function request_at(address) return expect(2000, s:retrieve(address, PART)) end

  local function until_rs(address, rs)
    return h.wait("rs " .. rs, function()
      local r = request_at(address)
      return r.rs == rs and r
    end)
  end

  local function asked() return assert(sw:notification(5, false)).rqi end

  local function agree(rqi) sw:send { rsc = 2000, rqi = rqi, rvi = "3" } end

  it("rt 1: partially completed (rs 5) with the answers so far, then completed", function()
    local address = address_of(expect(1001, fan_out { rtv = 1 }))
    local rqi = asked()
    assert.equal(3, request_at(address).rs)
    local r = until_rs(address, 5)
    assert.equal(2000, r.ors.rsc)
    assert.equal(1, #answers(r.ors.pc))
    assert.equal("moon/part/c", answers(r.ors.pc)[1].fr)
    expect(5220, s:delete(address, PART))
    agree(rqi)
    r = until_rs(address, 1)
    assert.equal(2, #answers(r.ors.pc))
    expect(2002, s:delete(address, PART))
  end)

  it("rt 2: each answer is told once, in as many notifications as it takes", function()
    local m = fan_out { rtv = 2 }
    local address = address_of(expect(1002, m))
    local rqi = asked()
    local first = assert(ws:notification(5)).pc["m2m:rsp"]
    assert.same({ 2000, m.rqi, 1 }, { first.rsc, first.rqi, #answers(first.pc) })
    assert.equal("moon/part/c", answers(first.pc)[1].fr)
    assert.equal(5, request_at(address).rs)
    agree(rqi)
    local second = assert(ws:notification(5)).pc["m2m:rsp"]
    assert.same({ 2000, m.rqi, 1 }, { second.rsc, second.rqi, #answers(second.pc) })
    assert.equal("moon/slow", answers(second.pc)[1].fr)
    assert.equal(2, #answers(until_rs(address, 1).ors.pc))
    ws:expect_silence(0.2)
  end)

  it("rt 2: what ends soon is told in one", function()
    expect(1002, fan_out { rtv = 2 })
    agree(asked())
    assert.equal(2, #answers(assert(ws:notification(5)).pc["m2m:rsp"].pc))
    ws:expect_silence(1.3)
  end)

  it("rt 4: the answers so far, and the <request> that will have all", function()
    local m = fan_out { rtv = 4 }
    local agr = expect(2000, m)
    assert.equal(1, #agr["m2m:rsp"])
    local rqi = asked()
    assert.is_string(agr.ri)
    assert.equal(1, #answers(until_rs("/~" .. agr.ri, 5).ors.pc))
    agree(rqi)
    assert.equal(2, #answers(until_rs("/~" .. agr.ri, 1).ors.pc))
  end)

  it("rt 4 with nu: those are told the rest", function()
    expect(2000, fan_out { rtv = 4, nu = { PART } })
    agree(asked())
    local rest = assert(ws:notification(5)).pc["m2m:rsp"]
    assert.same({ 1, "moon/slow" }, { #answers(rest.pc), answers(rest.pc)[1].fr })
  end)

  it("what is late is not in the result; the rest is completed with it", function()
    local address = address_of(expect(1001, fan_out({ rtv = 1 }, { rqet = "2500" })))
    asked()
    until_rs(address, 5)
    local r = until_rs(address, 1)
    assert.equal(1, #answers(r.ors.pc))
  end)

  it("after kill -9 it has failed, with what was answered", function()
    local address = address_of(expect(1001, fan_out { rtv = 1 }))
    asked()
    until_rs(address, 5)
    s:add("/moon/part/c", PART, "1")           -- once this is on disk, what came before is too
    s:kill()
    s:run()
    local r = request_at(address)
    assert.same({ 2, 5000 }, { r.rs, r.ors.rsc })
    assert.equal("moon/part/c", answers(r.ors.pc)[1].fr)
    ws, sw = s:listen(a), s:listen(slow)
  end)
end)

describe("group in nu", function()
  local s
  local ae, ws = {}, {}

  setup(function()
    s = h.start()
    for _, name in ipairs { "one", "two", "three" } do
      ae[name] = s:register(name)
      ws[name] = s:listen(ae[name])
    end
    expect(2001, s:create("/moon/one", "Cone", 3, { rn = "c" }))
    expect(2001, s:create("/moon/one", "Cone", 9, { rn = "g", mnm = 5,
      mid = { "moon/one", "moon/two" } }))
  end)
  teardown(function()
    for _, w in pairs(ws) do pcall(w.close, w) end
    h.stop_all()
  end)

  it("each AE in it is told; changes of the group take effect", function()
    local q = cqueues.new()
    q:wrap(function()
      expect(2001, s:create("/moon/one/c", "Cone", 23,
        { rn = "s", nu = { "moon/one/g" }, enc = { net = { 3 } } }))
    end)
    q:wrap(function() assert.is_true(ws.two:sgn().vrq) end)
    assert(q:loop(10))
    local function add(con) s:add("/moon/one/c", "Cone", con) end
    add "1"
    assert.equal("1", (ws.one:content()))
    assert.equal("1", (ws.two:content()))
    ws.three:expect_silence()
    expect(2004, s:update("/moon/one/g", "Cone",
      { ["m2m:grp"] = { mid = { "moon/two", "moon/three" } } }))
    add "2"
    assert.equal("2", (ws.two:content()))
    assert.equal("2", (ws.three:content()))
    ws.one:expect_silence()
    s:kill()
    s:run()
    ws.two, ws.three = s:listen(ae.two), s:listen(ae.three)
    add "3"
    assert.equal("3", (ws.two:content()))
    assert.equal("3", (ws.three:content()))
  end)
end)

describe("subscription through a group", function()
  local s, ws, me

  before_each(function()
    s = h.start()
    me = s:register("me")
    ws = s:listen(me)
    for _, rn in ipairs { "a", "b" } do
      expect(2001, s:create("/moon/me", ME, 3, { rn = rn }))
    end
  end)
  after_each(function()
    pcall(ws.close, ws)
    h.stop_all()
  end)

  local function subscribe(nar, attrs)
    local g = expect(2001, s:create("/moon/me", ME, 9,
      { rn = "g", mnm = 5, mid = { "moon/me/a", "moon/me/b" }, nar = nar }))
    attrs = attrs or { nfu = ME }
    attrs.nu, attrs.enc, attrs.rn = { ME }, { net = { 3 } }, "s"
    local a = s:create("/moon/me/g/fopt", ME, 23, attrs)
    assert.equal(2000, a.rsc, a.text)
    return a.body["m2m:agr"]["m2m:rsp"], g
  end

  -- The contents of the next aggregate.
  local function aggregate(seconds)
    local m = assert(ws:notification(seconds))
    local list = {}
    for i, sgn in ipairs(m.pc["m2m:agn"]["m2m:sgn"]) do
      list[i] = sgn.nev.rep["m2m:cin"].con
      assert.equal(ME, sgn.nfu)
      assert.matches("^/moon/", sgn.sur)
    end
    return list, m
  end

  it("makes the group's host the target and forwards together", function()
    local list, g = subscribe()
    for i = 1, 2 do
      local sub = list[i].pc["m2m:sub"]
      assert.same({ { "/moon" }, ME, "/moon/" .. g.ri }, { sub.nu, sub.nfu, sub.gpi })
    end
    s:add("/moon/me/a", ME, "1")
    ws:expect_silence()
    s:add("/moon/me/b", ME, "2")
    assert.same({ "1", "2" }, (aggregate()))
  end)

  it("nar.dur ends a window", function()
    subscribe { num = 10, dur = "PT1S" }
    s:add("/moon/me/a", ME, "1")
    s:add("/moon/me/a", ME, "2")
    assert.same({ "1", "2" }, (aggregate(3)))
    ws:expect_silence()
  end)

  it("without nfu the members notify themselves", function()
    subscribe(nil, {})
    s:add("/moon/me/a", ME, "1")
    s:add("/moon/me/b", ME, "2")
    assert.equal("1", (ws:content()))
    assert.equal("2", (ws:content()))
  end)

  it("what waits survives kill -9, in order", function()
    subscribe { num = 3, dur = "PT1H" }
    s:add("/moon/me/a", ME, "1")
    s:add("/moon/me/b", ME, "2")
    s:kill()
    s:run()
    ws = s:listen(me)
    ws:expect_silence()
    s:add("/moon/me/a", ME, "3")
    assert.same({ "1", "2", "3" }, (aggregate()))
    ws:drop()
    for i = 4, 6 do s:add("/moon/me/a", ME, tostring(i)) end
    h.sleep(0.3)
    s:kill()
    s:run()
    ws = s:listen(me)
    assert.same({ "4", "5", "6" }, (aggregate()))
  end)

  it("ends with the group", function()
    subscribe { num = 2 }
    s:add("/moon/me/a", ME, "1")
    expect(2002, s:delete("/moon/me/g", ME))
    s:add("/moon/me/a", ME, "2")
    s:add("/moon/me/a", ME, "3")
    ws:expect_silence(0.5)
  end)
end)
