-- Groups (TS-0004 7.4.13) and their fanOutPoint (7.4.14): members, one request to all of them.

local world = require "world"

local w

-- Registered: Calice (alice), Cbob (bob); alice/a, alice/b, alice/c are containers.
local function setup()
  w = world.new(true)
  for _, rn in ipairs { "a", "b", "c" } do
    assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = rn })))
  end
end

local function group(attrs, fr)
  attrs.mnm = attrs.mnm or 10
  if #attrs.mid == 0 then attrs.mid = require("moon2m.json").array {} end
  local rsc, pc = w:request { op = 1, to = "moon/alice", fr = fr or "Calice", ty = 9,
    pc = { ["m2m:grp"] = attrs } }
  return rsc, pc["m2m:grp"] or world.dbg(pc)
end

local function update(rn, attrs)
  local rsc, pc = w:update("Calice", "moon/alice/" .. rn, "m2m:grp", attrs)
  return rsc, pc["m2m:grp"] or world.dbg(pc)
end

local function answers(rsc, pc)
  assert.equal(2000, rsc, world.dbg(pc))
  return pc["m2m:agr"]["m2m:rsp"]
end

local function codes(rsc, pc)
  local list = {}
  for i, a in ipairs(answers(rsc, pc)) do list[i] = a.rsc end
  return list
end

local ABC = { "moon/alice/a", "moon/alice/b", "moon/alice/c" }

describe("a group", function()
  before_each(setup)

  it("has its defaults", function()
    local rsc, g = group { rn = "g", mid = ABC, gn = "all", nar = { num = 3 } }
    assert.equal(2001, rsc)
    assert.same({ 0, 1, true, 3, 10, ABC, "all" },
      { g.mt, g.csy, g.mtv, g.cnm, g.mnm, g.mid, g.gn })
    rsc, g = group { mid = {} }
    assert.equal(2001, rsc)
    assert.same({ 0, {} }, { g.cnm, g.mid })
  end)

  it("names each member once, whatever the form of its address", function()
    local _, pc = w:retrieve("Calice", "moon/alice/a")
    local ri = pc["m2m:cnt"].ri
    local _, g = group { mid = { "moon/alice/a", ri, "/moon/" .. ri, "moon/alice/a", "-/alice/b" } }
    assert.same({ 2, { "moon/alice/a", "-/alice/b" } }, { g.cnm, g.mid })
  end)

  it("has at most mnm members: 6010", function()
    assert.equal(6010, (group { mid = ABC, mnm = 2 }))
    assert.equal(2001, (group { rn = "g", mid = ABC, mnm = 3 }))
    assert.equal(6010, (update("g", { mnm = 2 })))
    local rsc, g = update("g", { mnm = 1, mid = { ABC[1] } })
    assert.same({ 2004, 1, 1 }, { rsc, g.mnm, g.cnm })
    assert.equal(6010, (update("g", { mid = ABC })))
    rsc, g = update("g", { mid = require("moon2m.json").array {} })
    assert.same({ 2004, 0 }, { rsc, g.cnm })
  end)

  it("says what is wrong with a member", function()
    for mid, want in pairs { ["moon/alice/x"] = { 4004, "mid: moon/alice/x: no such" },
      ["/other/moon/x"] = { 4004, "no route" }, ["//sp.other/c/x"] = { 4004, "no route" },
      ["moon/alice/a#lbl"] = { 4000, "names an attribute" }, ["///x"] = { 4000, "mid: " } } do
      local rsc, dbg = group { mid = { mid } }
      assert.equal(want[1], rsc, mid)
      assert.truthy(dbg:find(want[2], 1, true), dbg)
    end
  end)

  it("checks its own attributes", function()
    for name, v in pairs { mt = 33, csy = 4, spty = {}, nar = { num = 0 }, macp = {}, gn = 5,
      cnm = 1, mtv = true, ssi = true, mnm = 0 } do
      local attrs = { mid = {} }
      attrs[name] = v
      assert.equal(4000, (group(attrs)), name)
    end
    assert.equal(4000, (group { mid = {}, spty = "x", mt = 3 }))
    for _, mt in ipairs { 1, 3, 66, 10003, 20001, 20003 } do
      assert.equal(2001, (group { mid = {}, mt = mt }))
    end
    assert.equal(2001, (group { rn = "g", mid = ABC, mt = 3 }))
    for name, v in pairs { mt = 3, csy = 1, spty = "x", cnm = 1 } do
      assert.equal(4000, (update("g", { [name] = v })), name)
    end
  end)

  it("csy 1, the default: a member of another type is left out", function()
    local rsc, g = group { rn = "g", mt = 3, mid = { ABC[1], "moon/alice", ABC[2] } }
    assert.same({ 2001, 3, 2, { ABC[1], ABC[2] } }, { rsc, g.mt, g.cnm, g.mid })
    rsc, g = update("g", { mid = { "moon/alice", ABC[3] } })
    assert.same({ 2004, { ABC[3] }, 1 }, { rsc, g.mid, g.cnm })
  end)

  it("csy 2: 4110", function()
    assert.equal(4110, (group { mt = 3, csy = 2, mid = { ABC[1], "moon/alice" } }))
    assert.equal(2001, (group { rn = "g", mt = 3, csy = 2, mid = ABC }))
    assert.equal(4110, (update("g", { mid = { "moon/alice" } })))
  end)

  it("csy 3: the group becomes mixed", function()
    local rsc, g = group { mt = 3, csy = 3, mid = { ABC[1], "moon/alice" } }
    assert.same({ 2001, 0, 2 }, { rsc, g.mt, g.cnm })
    assert.equal(2001, (group { rn = "g", mt = 3, csy = 3, mid = ABC }))
    rsc, g = update("g", { mid = { "moon/alice" } })
    assert.same({ 2004, 0, 1 }, { rsc, g.mt, g.cnm })
  end)

  it("has virtual members and groups with their types", function()
    local _, g
    local rsc
    rsc, g = group { rn = "news", mt = 20002, mid = { ABC[1] .. "/la", ABC[2] .. "/ol" } }
    assert.same({ 2001, { ABC[1] .. "/la" } }, { rsc, g.mid })
    assert.equal(2001, (group { rn = "g", mt = 3, mid = ABC }))
    _, g = group { mt = 3, mid = { "moon/alice/g/fopt", "moon/alice/g", "moon/alice/news/fopt" } }
    assert.same({ "moon/alice/g/fopt" }, g.mid)
    _, g = group { mt = 9, mid = { "moon/alice/g/fopt", "moon/alice/g" } }
    assert.same({ "moon/alice/g" }, g.mid)
  end)

  it("of a type needs members that its maker may read: 5105", function()
    assert.equal(2001, (w:create("Cbob", "moon/bob", 3, { rn = "c" })))
    local rsc, dbg = group { mt = 3, mid = { "moon/bob/c" } }
    assert.equal(5105, rsc)
    assert.matches("moon/bob/c", dbg)
    assert.equal(2001, (group { mid = { "moon/bob/c" } }))
  end)
end)

describe("fopt", function()
  before_each(setup)

  local function request(op, to, more)
    local req = { op = op, to = to, fr = "Calice" }
    for k, v in pairs(more or {}) do req[k] = v end
    return w:request(req)
  end

  local function cin(con) return { ty = 4, pc = { ["m2m:cin"] = { con = con } } } end

  it("creates below all members; the answers are in their order", function()
    group { rn = "g", mid = ABC }
    local list = answers(request(1, "moon/alice/g/fopt", cin "21"))
    for i, address in ipairs(ABC) do
      assert.same({ 2001, address, "21" },
        { list[i].rsc, list[i].fr, list[i].pc["m2m:cin"].con })
      local _, pc = w:retrieve("Calice", address .. "/la")
      assert.equal("21", pc["m2m:cin"].con)
    end
    assert.not_equal(list[1].rqi, list[2].rqi)
  end)

  it("goes on below the members, also to la", function()
    group { rn = "g", mid = { ABC[1], ABC[2] } }
    w:create("Calice", ABC[1], 4, { con = "1" })
    local list = answers(request(2, "moon/alice/g/fopt/la"))
    assert.same({ 2000, 4004 }, { list[1].rsc, list[2].rsc })
    assert.equal("1", list[1].pc["m2m:cin"].con)
    assert.matches("no instance", list[2].pc["m2m:dbg"])
    w:create("Calice", ABC[1], 3, { rn = "x" })
    w:create("Calice", ABC[1] .. "/x", 3, { rn = "y" })
    assert.same({ 2000, 4004 }, codes(request(2, "moon/alice/g/fopt/x/y")))
  end)

  it("retrieves, updates and deletes", function()
    group { rn = "g", mid = ABC }
    assert.same({ 2004, 2004, 2004 },
      codes(request(3, "moon/alice/g/fopt", { pc = { ["m2m:cnt"] = { lbl = { "x" } } } })))
    local list = answers(request(2, "moon/alice/g/fopt", { query = "atrl=lbl" }))
    assert.same({ "x" }, list[3].pc["m2m:cnt"].lbl)
    assert.same({ 2000, 2000, 2000 }, codes(request(2, "moon/alice/g/fopt#lbl")))
    w:create("Calice", ABC[1], 4, { con = "1" })
    assert.same({ 2002, 4004, 4004 }, codes(request(4, "moon/alice/g/fopt/la")))
    local _, pc = w:retrieve("Calice", "moon/alice/g")
    assert.equal(3, pc["m2m:grp"].cnm)
  end)

  it("a deletion takes the members out of the group", function()
    group { rn = "g", mid = { ABC[1], ABC[2], "moon/bob" } }
    assert.same({ 2002, 2002, 4103 }, codes(request(4, "moon/alice/g/fopt")))
    local _, pc = w:retrieve("Calice", "moon/alice/g")
    assert.same({ 1, { "moon/bob" } }, { pc["m2m:grp"].cnm, pc["m2m:grp"].mid })
  end)

  it("notifies members that are AEs", function()
    w.fake.answers.Calice = 2000
    group { rn = "g", mid = { "moon/alice", ABC[1] } }
    assert.same({ 2000, 4005 },
      codes(request(5, "moon/alice/g/fopt", { pc = { ["m2m:sgn"] = { sur = "x" } } })))
    assert.equal("Calice", w.fake.asked[1].target)
  end)

  it("no members: 4109", function()
    group { rn = "g", mid = {} }
    assert.equal(4109, (request(2, "moon/alice/g/fopt")))
  end)

  it("a type that cannot be below the members: 4108; a registration: 4005", function()
    group { rn = "g", mid = ABC, mt = 3 }
    assert.equal(4108, (request(1, "moon/alice/g/fopt", { ty = 1, pc = "{}" })))
    assert.equal(4005, (request(1, "moon/alice/g/fopt", { ty = 2, pc = "{}" })))
  end)

  it("judges the group by acpi or macp, the members by their own rights", function()
    local function acp(rn, who, acop)
      assert.equal(2001, (w:create("Calice", "moon/alice", 1, { rn = rn,
        pv = { acr = { { acor = { who }, acop = acop }, { acor = { "Calice" }, acop = 63 } } },
        pvs = { acr = { { acor = { "Calice" }, acop = 63 } } } })))
      return "moon/alice/" .. rn
    end
    local all, read = acp("all", "Cbob", 63), acp("read", "Cbob", 2)
    group { rn = "g", mid = ABC }
    assert.equal(4103, (request(2, "moon/alice/g/fopt", { fr = "Cbob" })))
    assert.equal(2004, (update("g", { acpi = { all } })))
    assert.same({ 4103, 4103, 4103 }, codes(request(2, "moon/alice/g/fopt", { fr = "Cbob" })))
    assert.equal(2004, (w:update("Calice", ABC[2], "m2m:cnt", { acpi = { read } })))
    assert.same({ 4103, 2000, 4103 }, codes(request(2, "moon/alice/g/fopt", { fr = "Cbob" })))
    assert.equal(2004, (update("g", { macp = { read } })))
    assert.same({ 4103, 2000, 4103 }, codes(request(2, "moon/alice/g/fopt", { fr = "Cbob" })))
    assert.equal(4103, (request(4, "moon/alice/g/fopt", { fr = "Cbob" })))
    assert.equal(2000, (w:retrieve("Cbob", "moon/alice/g")))
  end)

  it("grtm: some of the members", function()
    group { rn = "g", mid = ABC }
    local _, pc = w:retrieve("Calice", ABC[2])
    local q = "grtm=" .. pc["m2m:cnt"].ri
    local list = answers(request(2, "moon/alice/g/fopt", { query = q }))
    assert.same({ 1, ABC[2], 2000 }, { #list, list[1].fr, list[1].rsc })
    list = answers(request(2, "moon/alice/g/fopt", { query = "grtm=" .. ABC[3] .. "+" .. ABC[1] }))
    assert.same({ 2, ABC[1] }, { #list, list[1].fr })
    assert.equal(4000, (request(2, "moon/alice/g/fopt", { query = "grtm=moon/bob" })))
    assert.equal(4000, (request(2, "moon/alice/g/fopt", { query = "grtm=moon/nobody" })))
    assert.equal(4000, (request(2, ABC[1], { query = q })))
    assert.equal(4000, (request(5, "moon/alice/g/fopt", { query = q, pc = "{}" })))
  end)

  it("groups of groups", function()
    group { rn = "g1", mid = { ABC[1], ABC[2] } }
    group { rn = "g2", mid = { "moon/alice/g1/fopt", ABC[3] } }
    local list = answers(request(1, "moon/alice/g2/fopt", cin "5"))
    assert.same({ 2000, 2001 }, { list[1].rsc, list[2].rsc })
    local inner = list[1].pc["m2m:agr"]["m2m:rsp"]
    assert.same({ 2001, 2001, ABC[1] }, { inner[1].rsc, inner[2].rsc, inner[1].fr })
  end)

  it("a loop of groups ends with 4104", function()
    group { rn = "g1", mid = { ABC[1] } }
    group { rn = "g2", mid = { "moon/alice/g1/fopt" } }
    assert.equal(2004, (update("g1",
      { mid = { "moon/alice/g2/fopt", "moon/alice/g1/fopt", ABC[1] } })))
    local list = answers(request(1, "moon/alice/g1/fopt", cin "5"))
    assert.same({ 2000, 4104, 2001 }, { list[1].rsc, list[2].rsc, list[3].rsc })
    assert.equal(4104, list[1].pc["m2m:agr"]["m2m:rsp"][1].rsc)
    local r = w.fake.by_path("alice/a")
    assert.equal(1, #w.fake.instances(r.id))
  end)

  it("a member of two groups is reached once", function()
    group { rn = "g1", mid = { ABC[1] } }
    group { rn = "g2", mid = { ABC[1] } }
    group { rn = "g3", mid = { "moon/alice/g1/fopt", "moon/alice/g2/fopt" } }
    answers(request(1, "moon/alice/g3/fopt", cin "5"))
    assert.equal(1, #w.fake.instances(w.fake.by_path("alice/a").id))
  end)

  it("a gid that was here: 4104", function()
    group { rn = "g", mid = ABC }
    assert.equal(2000, (request(2, "moon/alice/g/fopt", { gid = "x" })))
    assert.equal(4104, (request(2, "moon/alice/g/fopt", { gid = "x" })))
    assert.equal(2000, (request(2, "moon/alice/g/fopt", { gid = "y" })))
  end)

  it("nobody answers in time: 5209; some do: theirs", function()
    group { rn = "g", mid = ABC }
    w.fake.hold()
    local box = w:start { op = 1, to = "moon/alice/g/fopt", fr = "Calice", ty = 4,
      pc = { ["m2m:cin"] = { con = "1" } } }
    w.fake.soon()
    local mono = require("moon2m.core.sys").mono
    require("moon2m.core.sys").mono = function() return mono() + 60e6 end
    w.fake.fire()
    require("moon2m.core.sys").mono = mono
    assert.same({ true, 5209 }, { box.done, box[1] })
    w.fake.flush()
    group { rn = "h", mid = { ABC[1], "moon/alice/x/fopt", ABC[2] } }
  end)

  it("a member that is gone answers 4004", function()
    group { rn = "g", mid = ABC }
    assert.equal(2002, (w:delete("Calice", ABC[2])))
    assert.same({ 2001, 4004, 2001 }, codes(request(1, "moon/alice/g/fopt", cin "1")))
  end)

  it("bounds depth", function()
    group { rn = "g0", mid = { ABC[1] } }
    for i = 1, 9 do group { rn = "g" .. i, mid = { ("moon/alice/g%d/fopt"):format(i - 1) } } end
    local rsc, pc = request(2, "moon/alice/g9/fopt")
    for _ = 1, 7 do pc = answers(rsc, pc)[1].pc end
    assert.equal(5207, pc["m2m:agr"]["m2m:rsp"][1].rsc)
    assert.same({ 2000 }, codes(request(2, "moon/alice/g1/fopt")))
  end)
end)

describe("a group in acor", function()
  before_each(setup)

  local function acp(acor)
    assert.equal(2001, (w:create("Calice", "moon/alice", 1, { rn = "p",
      pv = { acr = { { acor = acor, acop = 2 } } },
      pvs = { acr = { { acor = { "Calice" }, acop = 63 } } } })))
    assert.equal(2004, (w:update("Calice", "moon/alice/a", "m2m:cnt",
      { acpi = { "moon/alice/p" } })))
  end

  local function bob() return (w:retrieve("Cbob", "moon/alice/a")) end

  it("grants to the AEs in it, as it is now", function()
    group { rn = "g", mid = { "moon/bob" } }
    acp { "moon/alice/g" }
    assert.equal(2000, bob())
    assert.equal(2004, (update("g", { mid = { "moon/alice" } })))
    assert.equal(4103, bob())
    assert.equal(2004, (update("g", { mid = { "moon/alice", "Cbob" } })))
    assert.equal(2000, bob())
    assert.equal(2002, (w:delete("Calice", "moon/alice/g")))
    assert.equal(4103, bob())
    group { rn = "g", mid = { "moon/bob" } }
    assert.equal(2000, bob())
  end)

  it("by its identifier too, and through groups in it", function()
    group { rn = "inner", mid = { "moon/bob" } }
    local _, g = group { rn = "g", mid = { "moon/alice/inner/fopt" } }
    acp { "/moon/" .. g.ri }
    assert.equal(2000, bob())
    assert.equal(2004, (update("inner", { mid = { "moon/alice" } })))
    assert.equal(4103, bob())
  end)

  it("one that does not exist grants nothing", function()
    acp { "moon/alice/nothing", "3zz9" }
    assert.equal(4103, bob())
    group { rn = "nothing", mid = { "moon/bob" } }
    assert.equal(2000, bob())
  end)

  it("an AE that takes a member's place is a member, who left it is none", function()
    group { rn = "g", mid = { "moon/bob" } }
    acp { "moon/alice/g" }
    assert.equal(2000, bob())
    assert.equal(2002, (w:delete("Cbob", "moon/bob")))
    assert.equal(2001, (w:ae("Cbob", "elsewhere")))
    assert.equal(4103, bob())
    assert.equal(2001, (w:ae("Ceve", "bob")))
    assert.equal(2000, (w:retrieve("Ceve", "moon/alice/a")))
  end)
end)

describe("a group in nu", function()
  before_each(setup)

  local function targets()
    local ev = w.fake.published[#w.fake.published]
    local list = {}
    for _, m in ipairs(ev and ev.to or {}) do list[#list + 1] = m.target end
    table.sort(list)
    return list
  end

  local function subscribe(nu, more)
    w.fake.answers.Cbob, w.fake.answers.Calice = 2000, 2000
    local attrs = { nu = nu, enc = { net = { 3 } } }
    for k, v in pairs(more or {}) do attrs[k] = v end
    return (w:create("Calice", "moon/alice/a", 23, attrs))
  end

  local function event()
    w.fake.published = {}
    assert.equal(2001, (w:create("Calice", "moon/alice/a", 4, { con = "1" })))
    return targets()
  end

  it("each AE in it is verified, and is a target once", function()
    group { rn = "inner", mid = { "moon/bob" } }
    group { rn = "g", mid = { "moon/alice", "moon/bob", "moon/alice/inner", "moon/alice/b" } }
    assert.equal(2001, subscribe { "moon/alice/g", "Calice" })
    assert.same({ "Cbob" }, { w.fake.asked[1].target, w.fake.asked[2] })
    assert.same({ "Calice", "Cbob" }, event())
    w.fake.answers.Cbob = 4103
    assert.equal(5204, (w:create("Calice", "moon/alice/b", 23, { nu = { "moon/alice/g/fopt" } })))
  end)

  it("changes of the group take effect", function()
    group { rn = "g", mid = { "moon/bob" } }
    assert.equal(2001, subscribe { "moon/alice/g" })
    assert.same({ "Cbob" }, event())
    assert.equal(2004, (update("g", { mid = { "moon/alice" } })))
    assert.same({ "Calice" }, event())
    assert.equal(2004, (update("g", { mid = { "moon/alice", "moon/bob" } })))
    assert.same({ "Calice", "Cbob" }, event())
    assert.equal(2002, (w:delete("Cbob", "moon/bob")))
    assert.same({ "Calice" }, event())
    assert.equal(2002, (w:delete("Calice", "moon/alice/g")))
    assert.same({}, event())
  end)

  it("groups that contain each other are no loop", function()
    group { rn = "g1", mid = { "moon/bob" } }
    group { rn = "g2", mid = { "moon/alice/g1/fopt", "moon/alice" } }
    assert.equal(2004, (update("g1", { mid = { "moon/alice/g2", "moon/alice/g1", "moon/bob" } })))
    assert.equal(2001, subscribe { "moon/alice/g2" })
    assert.same({ "Calice", "Cbob" }, event())
  end)

  it("with bn each AE has its own batch", function()
    w.fake.task(require("moon2m.lane").open)
    w.fake.run()
    group { rn = "g", mid = { "moon/alice", "moon/bob" } }
    assert.equal(2001, subscribe({ "moon/alice/g" }, { bn = { num = 2 } }))
    assert.same({}, event())
    w:create("Calice", "moon/alice/a", 4, { con = "2" })
    while w.fake.soon() do end
    assert.equal(2, #w.fake.published)
    for _, ev in ipairs(w.fake.published) do
      assert.truthy(ev.body:find('^{"m2m:agn"'))
    end
  end)

  it("is no target of a blocking update", function()
    group { rn = "g", mid = { "moon/bob" } }
    assert.equal(4000, subscribe({ "moon/alice/g" }, { enc = { net = { 7 } } }))
  end)
end)

describe("a subscription through a group with nfu", function()
  before_each(setup)

  local function through(attrs, fr)
    attrs.enc = { net = { 3 } }
    local rsc, pc = w:request { op = 1, to = "moon/alice/g/fopt", fr = fr or "Calice", ty = 23,
      pc = { ["m2m:sub"] = attrs } }
    return rsc, pc["m2m:agr"] and pc["m2m:agr"]["m2m:rsp"] or world.dbg(pc)
  end

  local function forwarded() return through { nu = { "Calice" }, nfu = "Calice", rn = "s" } end

  local function add(i, con)
    assert.equal(2001, (w:create("Calice", ABC[i], 4, { con = con })))
    while w.fake.soon() do end
  end

  -- The contents of the aggregates that were sent to `to`.
  local function aggregates(to)
    local list = {}
    for _, ev in ipairs(w.fake.published) do
      assert.equal(to, ev.to[1].target)
      local agn = require("moon2m.json").decode(ev.body)["m2m:agn"]["m2m:sgn"]
      local cons = {}
      for i, sgn in ipairs(agn) do cons[i] = sgn.nev.rep["m2m:cin"].con end
      list[#list + 1] = table.concat(cons, " ")
    end
    return list
  end

  it("makes the group's host the target, and names the group", function()
    local _, g = group { rn = "g", mid = ABC }
    local rsc, list = forwarded()
    assert.equal(2000, rsc)
    for i = 1, 3 do
      local sub = list[i].pc["m2m:sub"]
      assert.same({ 2001, { "/moon" }, "Calice", "/moon/" .. g.ri, "Calice" },
        { list[i].rsc, sub.nu, sub.nfu, sub.gpi, sub.cr })
    end
    assert.same({}, w.fake.asked)
  end)

  it("nfu is verified, once", function()
    group { rn = "g", mid = ABC }
    local rsc, dbg = through { nu = { "Cbob" }, nfu = "Cbob" }
    assert.equal(5204, rsc)
    assert.matches("^nfu: Cbob: no answer", dbg)
    w.fake.answers.Cbob, w.fake.asked = 2000, {}
    assert.equal(2000, (through { nu = { "Cbob" }, nfu = "Cbob" }))
    assert.equal(1, #w.fake.asked)
    assert.equal(5204, (through { nu = { "Cnobody" }, nfu = "Cnobody" }))
  end)

  it("forwards as many together as there are members", function()
    group { rn = "g", mid = ABC }
    forwarded()
    add(1, "1")
    add(2, "2")
    assert.same({}, aggregates "Calice")
    add(1, "3")
    assert.same({ "1 2 3" }, aggregates "Calice")
    add(3, "4")
    assert.same({ "1 2 3" }, aggregates "Calice")
    w.fake.fire()
    assert.same({ "1 2 3", "4" }, aggregates "Calice")
  end)

  it("each notice is whole: sur, nfu, creator", function()
    group { rn = "g", mid = { ABC[1] } }
    local _, list = forwarded()
    add(1, "1")
    local sgn = require("moon2m.json").decode(w.fake.published[1].body)["m2m:agn"]["m2m:sgn"][1]
    assert.same({ "/moon/" .. list[1].pc["m2m:sub"].ri, "Calice", "Calice", 3 },
      { sgn.sur, sgn.nfu, sgn.cr, sgn.nev.net })
  end)

  it("nar.num and nar.dur end a window", function()
    group { rn = "g", mid = ABC, nar = { num = 2, dur = "PT5S" } }
    forwarded()
    add(1, "1")
    local t = w.fake.timers[#w.fake.timers]
    assert.is_true(t.seconds > 4 and t.seconds <= 5)   -- counted from the notice
    add(2, "2")
    add(3, "3")
    assert.same({ "1 2" }, aggregates "Calice")
    assert.equal(2004, (update("g", { nar = { num = 1 } })))
    while w.fake.soon() do end
    add(1, "4")
    assert.same({ "1 2", "3", "4" }, aggregates "Calice")
  end)

  it("what waits is there after a restart", function()
    group { rn = "g", mid = ABC }
    forwarded()
    add(1, "1")
    package.loaded["moon2m.forward"] = nil
    w.fake.timers = {}
    w.fake.tell_lanes()
    w.fake.run()
    assert.same({}, aggregates "Calice")
    w.fake.fire()
    assert.same({ "1" }, aggregates "Calice")
  end)

  it("a store that fails loses nothing", function()
    group { rn = "g", mid = ABC }
    forwarded()
    add(1, "1")
    w.fake.fail "io"
    w.fake.fire()
    w.fake.fail(nil)
    assert.same({}, aggregates "Calice")
    w.fake.fire()
    w.fake.fire()
    assert.same({ "1" }, aggregates "Calice")
  end)

  it("a store that cannot be read is asked again", function()
    group { rn = "g", mid = ABC, nar = { num = 1 } }
    forwarded()
    local read = require("moon2m.core.cse").lane_read
    require("moon2m.core.cse").lane_read = function() error("disk") end
    add(1, "1")
    require("moon2m.core.cse").lane_read = read
    assert.same({}, aggregates "Calice")
    w.fake.fire()
    assert.same({ "1" }, aggregates "Calice")
  end)

  it("ends with the group", function()
    local _, g = group { rn = "g", mid = ABC }
    forwarded()
    add(1, "1")
    assert.equal(2002, (w:delete("Calice", "moon/alice/g")))
    while w.fake.soon() do end
    assert.same(require("moon2m.path").parse_ri(g.ri), w.fake.called("forget_sub")[1][2])
    assert.same({}, aggregates "Calice")
    add(2, "2")
    w.fake.fire()
    assert.same({}, aggregates "Calice")
  end)

  it("exc counts what was forwarded", function()
    group { rn = "g", mid = { ABC[1], ABC[2] } }
    local rsc = through { nu = { "Calice" }, nfu = "Calice", rn = "s", exc = 2 }
    assert.equal(2000, rsc)
    add(1, "1")
    add(2, "2")
    local _, pc = w:retrieve("Calice", ABC[1] .. "/s")
    assert.equal(1, pc["m2m:sub"].exc)
    add(1, "3")
    add(1, "4")
    assert.equal(4004, (w:retrieve("Calice", ABC[1] .. "/s")))
    assert.equal(2000, (w:retrieve("Calice", ABC[2] .. "/s")))
  end)

  it("without nfu each member notifies nu itself", function()
    group { rn = "g", mid = { ABC[1], ABC[2] } }
    local _, list = through { nu = { "Calice" } }
    assert.same({ "Calice" }, list[1].pc["m2m:sub"].nu)
    assert.is_nil(list[1].pc["m2m:sub"].gpi)
    add(1, "1")
    assert.equal("Calice", w.fake.published[1].to[1].target)
    assert.truthy(w.fake.published[1].body:find('^{"m2m:sgn"'))
  end)

  it("nfu may be a group: each AE in it gets the aggregates", function()
    group { rn = "g", mid = { ABC[1] } }
    group { rn = "ears", mid = { "moon/bob" } }
    w.fake.answers.Cbob = 2000
    assert.equal(2000, (through { nu = { "Calice" }, nfu = "moon/alice/ears" }))
    add(1, "1")
    assert.same({ "1" }, aggregates "Cbob")
    assert.equal(2004, (update("ears", { mid = { "moon/alice" } })))
    w.fake.published = {}
    add(1, "2")
    assert.same({ "2" }, aggregates "Calice")
  end)

  it("in groups of groups the innermost gathers", function()
    group { rn = "inner", mid = { ABC[1], ABC[2] } }
    group { rn = "g", mid = { "moon/alice/inner/fopt" } }
    local _, list = forwarded()
    assert.equal(2001, list[1].pc["m2m:agr"]["m2m:rsp"][2].rsc)
    add(1, "1")
    add(2, "2")
    assert.same({ "1 2" }, aggregates "Calice")
  end)

  it("nfu without a group goes with the notice to nu", function()
    assert.equal(2001, (w:create("Calice", ABC[1], 23,
      { nu = { "Calice" }, nfu = "Cbob", enc = { net = { 3 } } })))
    add(1, "1")
    assert.equal("Calice", w.fake.published[1].to[1].target)
    assert.truthy(w.fake.published[1].body:find('"nfu":"Cbob"', 1, true))
    assert.equal(5204, (w:create("Calice", ABC[1], 23,
      { nu = { "/moon" }, nfu = "Cbob", gpi = "moon/alice/g" })))
  end)
end)
