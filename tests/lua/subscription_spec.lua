-- Subscriptions as the operations see them: who is told of what in which transaction, verification,
-- the deletion notice, the expiration counter (TS-0004 7.4.8, 7.5.1.2).

local world = require "world"

local w, json

local function sub(fr, to, attrs, more)
  attrs.nu = attrs.nu or { fr }
  local rsc, pc = w:create(fr, to, 23, attrs, more)
  return rsc, pc["m2m:sub"] or pc
end

-- The published notices: "net root" of each, in order.
local function notices()
  local list = {}
  for i, ev in ipairs(w.fake.published) do
    local sgn = json.decode(ev.body)["m2m:sgn"]
    list[i] = sgn.nev.net .. " " .. next(sgn.nev.rep)
  end
  return list
end

before_each(function()
  w = world.new(true)
  json = require "moon2m.json"
  w:create("Calice", "moon/alice", 3, { rn = "c" })
end)

describe("events", function()
  it("of children: creation and deletion, of instances too, not of evictions", function()
    w:update("Calice", "moon/alice/c", "m2m:cnt", { mni = 1 })
    assert.equal(2001, (sub("Calice", "moon/alice/c", { enc = { net = { 3, 4 } } })))
    w:create("Calice", "moon/alice/c", 4, { con = "1" })
    w:create("Calice", "moon/alice/c", 4, { con = "2" })
    w:delete("Calice", "moon/alice/c/la")
    w:create("Calice", "moon/alice/c", 3, { rn = "d" })
    w:delete("Calice", "moon/alice/c/d")
    assert.same({ "3 m2m:cin", "3 m2m:cin", "4 m2m:cin", "3 m2m:cnt", "4 m2m:cnt" }, notices())
  end)

  it("of the resource: update and deletion", function()
    sub("Calice", "moon/alice/c", { enc = { net = { 1, 2 } } })
    w:update("Calice", "moon/alice/c", "m2m:cnt", { lbl = { "x" } })
    w:delete("Calice", "moon/alice/c")
    assert.same({ "1 m2m:cnt", "2 m2m:cnt" }, notices())
    assert.equal("Calice", w.fake.published[1].to[1].target)
    assert.equal("/moon/15", w.fake.published[1].to[1].sur)
  end)

  it("of deletion reach the subscribers of descendants", function()
    w:create("Calice", "moon/alice/c", 3, { rn = "d" })
    sub("Calice", "moon/alice/c/d", { enc = { net = { 2 } } })
    sub("Calice", "moon/alice", { enc = { net = { 4 } } })
    assert.equal(2002, (w:delete("Calice", "moon/alice/c")))
    assert.same({ "2 m2m:cnt", "4 m2m:cnt" }, notices())
    local rep = json.decode(w.fake.published[1].body)["m2m:sgn"].nev.rep["m2m:cnt"]
    assert.equal("d", rep.rn)
  end)

  it("of an update carry what changed (nct 2), and only when atr is touched", function()
    sub("Calice", "moon/alice/c", { enc = { net = { 1 }, atr = { "lbl" } }, nct = 2 })
    w:update("Calice", "moon/alice/c", "m2m:cnt", { mni = 5 })
    assert.same({}, notices())
    w:update("Calice", "moon/alice/c", "m2m:cnt", { lbl = { "x" } })
    local rep = json.decode(w.fake.published[1].body)["m2m:sgn"].nev.rep["m2m:cnt"]
    assert.same({ "x" }, rep.lbl)
    assert.is_nil(rep.mni)
  end)

  it("follow changes of the subscription, also after the cache is dropped", function()
    local _, s = sub("Calice", "moon/alice/c", { rn = "s", enc = { net = { 3 } } })
    local function add()
      local before = #w.fake.published
      w:create("Calice", "moon/alice/c", 4, { con = "1" })
      return #w.fake.published - before
    end
    assert.equal(1, add())
    w:update("Calice", "moon/alice/c/s", "m2m:sub", { enc = { net = { 4 } } })
    assert.equal(0, add())
    w:update("Calice", s.ri, "m2m:sub", { enc = { net = { 3 } } })
    require("moon2m.tree").drop()
    assert.equal(1, add())
    sub("Calice", "moon/alice/c", { rn = "s2", enc = { net = { 3 } }, nct = 3 })
    assert.equal(2, add())
    w:delete("Calice", "moon/alice/c/s")
    assert.equal(1, add())
    assert.same({ { "forget_sub", 5 } }, w.fake.called("forget_sub"))
  end)

  it("are published after the commit, and never when it failed", function()
    sub("Calice", "moon/alice/c", { enc = { net = { 3 } } })
    w:create("Calice", "moon/alice/c", 4, { con = "0" })
    w.fake.hold()
    local box = w:start { op = 1, to = "moon/alice/c", fr = "Calice", ty = 4,
      pc = { ["m2m:cin"] = { con = "1" } } }
    w.fake.run()
    assert.equal(1, #w.fake.published)
    w.fake.flush()
    assert.equal(2001, box[1])
    assert.equal(2, #w.fake.published)
    w.fake.fail("io")
    assert.equal(5000, (w:create("Calice", "moon/alice/c", 4, { con = "2" })))
    assert.equal(2, #w.fake.published)
    assert.equal(1, #w.fake.abandoned)
  end)

  it("do not count as a modification of the parent", function()
    w:create("Calice", "moon/alice/c", 23, { nu = { "Calice" } })
    local _, pc = w:retrieve("Calice", "moon/alice/c")
    assert.equal(0, pc["m2m:cnt"].st)
  end)
end)

describe("verification", function()
  it("asks every target but the originator, and creates when all agree", function()
    w.fake.answers.Cbob = 2000
    local box = w:start { op = 1, to = "moon/alice/c", fr = "Calice", ty = 23,
      pc = { ["m2m:sub"] = { nu = { "Calice", "Cbob", "http://u.example/x" } } } }
    w.fake.run()
    assert.is_false(box.done)
    w.fake.fire()
    w.fake.fire()
    assert.equal(2001, box[1], box[2])
    assert.equal(1, #w.fake.asked)
    assert.equal("Cbob", w.fake.asked[1].target)
    local sgn = json.decode(w.fake.asked[1].pc)["m2m:sgn"]
    assert.is_true(sgn.vrq)
    assert.equal("/moon/15", sgn.sur)
    assert.equal("Calice", sgn.cr)
  end)

  local function create(nu)
    local box = w:start { op = 1, to = "moon/alice/c", fr = "Calice", ty = 23,
      pc = { ["m2m:sub"] = { rn = "s", nu = nu } } }
    for _ = 1, 3 do
      w.fake.run()
      w.fake.fire()
    end
    assert.is_true(box.done)
    return box[1], json.decode(box[2])["m2m:dbg"]
  end

  it("refuses with 5204 what does not answer, refuses or does not exist", function()
    local rsc, dbg = create { "Cbob" }
    assert.equal(5204, rsc)
    assert.truthy(dbg:find("Cbob", 1, true))
    w.fake.answers.Cbob = 4101
    rsc, dbg = create { "Cbob" }
    assert.equal(5204, rsc)
    assert.truthy(dbg:find("4101", 1, true))
    rsc, dbg = create { "Cnobody" }
    assert.equal(5204, rsc)
    assert.truthy(dbg:find("Cnobody", 1, true))
    assert.is_nil(w.fake.by_path("alice/c/s"))
  end)

  it("knows the originator in every form of its identifier", function()
    for _, nu in ipairs { "Calice", "/moon/Calice", "moon/alice", "-/alice",
      "//sp.example/moon/Calice" } do
      assert.equal(2001, (w:create("Calice", "moon/alice/c", 23, { nu = { nu } })), nu)
    end
    assert.equal(0, #w.fake.asked)
  end)

  it("asks URLs only when configured", function()
    require("moon2m.verify").configure { verify_urls = true }
    w.fake.answers["http://u.example/x"] = 2000
    assert.equal(2001, create { "http://u.example/x" })
    assert.equal(1, #w.fake.asked)
  end)

  it("asks the new targets of an update", function()
    sub("Calice", "moon/alice/c", { rn = "s" })
    w.fake.answers.Cbob = 2000
    local box = w:start { op = 3, to = "moon/alice/c/s", fr = "Calice",
      pc = { ["m2m:sub"] = { nu = { "Calice", "Cbob" } } } }
    w.fake.run()
    w.fake.fire()
    w.fake.fire()
    assert.equal(2004, box[1])
    assert.equal(1, #w.fake.asked)
  end)
end)

describe("the end of a subscription", function()
  it("is told to su, whoever ended it", function()
    w.fake.answers.Cbob = 2000
    for _, victim in ipairs { "moon/alice/c/s", "moon/alice/c", "moon/alice" } do
      w = world.new(true)
      w:create("Calice", "moon/alice", 3, { rn = "c" })
      sub("Calice", "moon/alice/c", { rn = "s", su = "Cbob" })
      assert.equal(2002, (w:delete("Calice", victim)))
      w.fake.fire()
      w.fake.soon()
      assert.equal(1, #w.fake.published, victim)
      assert.equal("Cbob", w.fake.published[1].to[1].target)
      assert.equal('{"m2m:sgn":{"sud":true,"sur":"/moon/15"}}', w.fake.published[1].body)
    end
  end)

  it("comes with its expiration counter", function()
    local expire = require "moon2m.expire"
    local _, s = sub("Calice", "moon/alice/c", { rn = "s", exc = 3, enc = { net = { 3 } },
      su = "Calice" })
    assert.equal(3, s.exc)
    w.fake.task(expire.delivered, 5, 2)
    w.fake.run()
    local _, pc = w:retrieve("Calice", "moon/alice/c/s")
    assert.equal(1, pc["m2m:sub"].exc)
    w.fake.task(expire.delivered, 5, 1)
    w.fake.run()
    assert.equal(4004, (w:retrieve("Calice", "moon/alice/c/s")))
    w.fake.fire()
    w.fake.soon()
    assert.equal(1, #w.fake.published)
    assert.matches('"sud":true', w.fake.published[1].body)
    w.fake.task(expire.all_delivered, { 5, 1, 4, 1 })
    w.fake.run()
    w:create("Calice", "moon/alice/c", 4, { con = "1" })
    assert.equal(1, #w.fake.published)
  end)
end)
