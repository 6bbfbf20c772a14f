-- Cross-resource subscriptions: the subscriptions that they make and undo, windows, notices, and
-- how they end (TS-0004 7.4.58, 7.5.1.2.18, 7.5.1.2.20).

local world = require "world"

local w, json

local NEW = { net = { 3 } }

local function cross(attrs, fr, to)
  attrs.nu = attrs.nu or { "Calice" }
  attrs.twt, attrs.tws = attrs.twt or 1, attrs.tws or "PT10S"
  local rsc, pc = w:create(fr or "Calice", to or "moon/alice", 48, attrs)
  return rsc, pc and (pc["m2m:crs"] or pc)
end

local function two(more)
  local attrs = { rn = "x", rrat = { "moon/alice/a", "moon/alice/b" }, encs = { NEW } }
  for k, v in pairs(more or {}) do attrs[k] = v end
  return cross(attrs)
end

local function add(name)
  assert.equal(2001, (w:create("Calice", "moon/alice/" .. name, 4, { con = "1" })))
end

-- The notices to AEs and URLs that were published and not asked for before: "target body".
local seen
local function told()
  local list = {}
  for i = seen + 1, #w.fake.published do
    local ev = w.fake.published[i]
    for _, m in ipairs(ev.to) do
      if not m.target:find("^lane:") then list[#list + 1] = m.target .. " " .. ev.body end
    end
  end
  seen = #w.fake.published
  return list
end

local function notice(ri) return 'Calice {"m2m:sgn":{"sur":"/moon/' .. ri .. '"}}' end

local function exists(to) return (w:retrieve("CAdmin", to)) == 2000 end

local function sub(to)
  local _, pc = w:retrieve("CAdmin", to)
  return pc["m2m:sub"]
end

-- The window timers that are set.
local function timers()
  local list = {}
  for _, t in ipairs(w.fake.timers) do
    if t.seconds > 0 then list[#list + 1] = t.seconds end
  end
  return list
end

before_each(function()
  w, seen = world.new(true), 0
  json = require "moon2m.json"
  w:create("Calice", "moon/alice", 3, { rn = "a" })
  w:create("Calice", "moon/alice", 3, { rn = "b" })
end)

describe("creation", function()
  it("makes a subscription of each regular resource, as the originator", function()
    local rsc, crs = cross { rn = "x", rrat = { "moon/alice/a", "moon/alice/b" },
      encs = { NEW, { net = { 1 } } }, nec = 100, cr = json.null }
    assert.equal(2001, rsc)
    assert.equal(2, #crs.rrats)
    assert.equal("Calice", crs.cr)
    local s = sub(crs.rrats[1])
    assert.same({ "/moon/" .. crs.ri }, s.nu)
    assert.same({ "/moon/" .. crs.ri }, s.acrs)
    assert.same({ 3 }, s.enc.net)
    assert.equal(100, s.nec)
    assert.same({ 1 }, sub(crs.rrats[2]).enc.net)
    assert.equal("Calice", w.tree.by_id(s.ri and require("moon2m.path").parse_ri(s.ri)).creator)
    assert.is_nil(crs._srat)
  end)

  it("attaches itself to subscriptions that are there", function()
    w:create("Calice", "moon/alice/a", 23, { rn = "s", nu = { "Calice" }, enc = NEW })
    local rsc, crs = cross { srat = { "moon/alice/a/s" } }
    assert.equal(2001, rsc)
    assert.is_nil(crs.rrats)
    assert.same({ "moon/alice/a/s" }, crs.srat)
    local s = sub("moon/alice/a/s")
    assert.same({ "Calice", "/moon/" .. crs.ri }, s.nu)
    assert.same({ "/moon/" .. crs.ri }, s.acrs)
  end)

  it("refuses what does not fit together", function()
    for text, attrs in pairs {
      ["rrat: one of rrat and srat is needed"] = {},
      ["encs: missing, rrat needs it"] = { rrat = { "moon/alice/a" } },
      ["encs: one for all, or one for each of the 1 in rrat, got 2"] =
        { rrat = { "moon/alice/a" }, encs = { NEW, NEW } },
      ["encs: goes with rrat"] = { srat = { "moon/alice/a" }, encs = { NEW } },
      ["eem: 3 goes with periodic windows (twt 1) only"] =
        { rrat = { "moon/alice/a" }, encs = { NEW }, eem = 3, twt = 2 },
      ["eem: 4 goes with periodic windows (twt 1) only"] =
        { rrat = { "moon/alice/a" }, encs = { NEW }, eem = 4, twt = 2 },
      ["rrats: not permitted in a CREATE, the CSE sets it"] =
        { rrat = { "moon/alice/a" }, encs = { NEW }, rrats = { "15" } },
    } do
      local rsc, pc = cross(attrs)
      assert.equal(4000, rsc)
      assert.equal(text, w.dbg(pc))
    end
    local many = {}
    for i = 1, 65 do many[i] = "moon/alice/a" end
    assert.equal(4000, (cross { srat = many }))
  end)

  it("fails with 5221 and takes back what it did", function()
    w:create("Calice", "moon/alice/a", 23, { rn = "s", nu = { "Calice" }, enc = NEW })
    local before = sub("moon/alice/a/s")
    local rsc, pc = cross { rn = "x", srat = { "moon/alice/a/s" }, encs = { NEW },
      rrat = { "moon/alice/a", "moon/bob" } }
    assert.equal(5221, rsc)
    assert.matches("^rrat: moon/bob: answered 4103", w.dbg(pc))
    local after = sub("moon/alice/a/s")
    assert.same(before.nu, after.nu)
    assert.is_nil(after.acrs)
    local _, kids = w:retrieve("CAdmin", "moon/alice/a", "rcn=6")
    assert.equal(1, #kids["m2m:rrl"].rrf)
    assert.is_false(exists("moon/alice/x"))
    rsc, pc = cross { srat = { "moon/alice/a" } }
    assert.equal(5221, rsc)
    assert.matches("no subscription", w.dbg(pc))
    assert.equal(5221, (cross { srat = { "moon/alice/zz" } }))
    assert.equal(5221, (cross { rrat = { "moon/alice/zz" }, encs = { NEW } }))
  end)

  it("takes back everything when its own transaction fails", function()
    w:create("Calice", "moon/alice", 3, { rn = "x" })
    local rsc = two()
    assert.equal(4105, rsc)
    local _, kids = w:retrieve("CAdmin", "moon/alice/a", "rcn=6")
    assert.is_nil(kids["m2m:rrl"].rrf and kids["m2m:rrl"].rrf[1])
    assert.is_nil(require("moon2m.target").expected("/moon/17"))
  end)

  it("verifies its targets, and stands below an AE or the CSEBase only", function()
    local rsc = two { nu = { "Cbob" } }
    assert.equal(5204, rsc)
    w.fake.answers.Cbob = 2000
    assert.equal(2001, (two { nu = { "Cbob" } }))
    assert.equal(4108, (cross({ rrat = { "moon/alice/a" }, encs = { NEW } }, nil, "moon/alice/a")))
    assert.equal(5203, (w:create("Calice", "moon/alice/x", 23, { nu = { "Calice" } })))
  end)
end)

describe("a window", function()
  it("in which all have had an event makes one notice", function()
    local _, crs = two()
    add "a"
    add "a"
    assert.same({}, told())
    add "b"
    assert.same({ notice(crs.ri) }, told())
    add "a"
    add "b"
    assert.same({}, told())
    w.fake.fire()
    add "b"
    add "a"
    assert.same({ notice(crs.ri) }, told())
    assert.same({}, w.fake.lane("lane:crs/" .. crs.ri .. "/" .. crs.rrats[1]))
  end)

  it("forgets its marks when it ends", function()
    two()
    add "a"
    w.fake.fire()
    add "b"
    assert.same({}, told())
    add "a"
    assert.equal(1, #told())
  end)

  it("periodic: begins with the resource and again at once", function()
    two { tws = "PT7S" }
    assert.same({ 7 }, timers())
    w.fake.fire()
    assert.equal(1, #timers())
  end)

  it("sliding: begins with the first event, ends with the notice", function()
    two { twt = 2 }
    assert.same({}, timers())
    add "a"
    assert.same({ 10 }, timers())
    w.fake.fire()
    assert.same({}, timers())
    add "b"
    add "a"
    assert.equal(1, #told())
    assert.same({}, timers())
    add "a"
    assert.same({ 10 }, timers())
  end)

  it("looks at what was missing when it ends, by eem", function()
    for eem, counts in pairs { [1] = { 0, 0, 1 }, [2] = { 0, 1, 1 }, [3] = { 1, 1, 0 },
      [4] = { 1, 0, 0 }, [5] = { 0, 1, 0 } } do
      assert.equal(2001, (two { rn = "e" .. eem, eem = eem }))
      told()
      for n = 0, 2 do
        for i, name in ipairs { "a", "b" } do
          if i <= n then add(name) end
        end
        w.fake.fire()
        assert.equal(counts[n + 1], #told(), ("eem %d with %d"):format(eem, n))
      end
      w:delete("Calice", "moon/alice/e" .. eem)
      w.fake.soon()
    end
  end)

  it("begins anew when its size or kind changes", function()
    two()
    add "a"
    assert.equal(2004, (w:update("Calice", "moon/alice/x", "m2m:crs", { tws = "PT20S" })))
    assert.same({ 20 }, timers())
    add "b"
    assert.same({}, told())
    w:update("Calice", "moon/alice/x", "m2m:crs", { twt = 2 })
    assert.same({}, timers())
    w:update("Calice", "moon/alice/x", "m2m:crs", { lbl = { "l" } })
    assert.same({}, timers())
  end)

  it("goes on after a restart, with what was marked", function()
    local _, crs = two()
    add "a"
    assert.same({}, told())
    require("moon2m.tree").drop()
    w.fake.timers = {}
    package.loaded["moon2m.cross"] = nil
    w.fake.task(require("moon2m.cross").start)
    w.fake.run()
    local left = timers()
    assert.equal(1, #left)
    add "b"
    assert.same({ notice(crs.ri) }, told())
    w:delete("Calice", "moon/alice/x")
    w.fake.soon()
    assert.is_nil(w.fake.meta("crs.7"))
  end)

  it("loses nothing when the store fails", function()
    local _, crs = two()
    add "a"
    w.fake.hold()
    local box = w:start { op = 1, to = "moon/alice/b", fr = "Calice", ty = 4,
      pc = { ["m2m:cin"] = { con = "1" } } }
    w.fake.run()
    w.fake.flush(1)                            -- the instance; what follows from it fails
    assert.equal(2001, box[1])
    w.fake.fail("io")
    w.fake.flush()
    assert.same({}, told())
    w.fake.fail(nil)
    for _, t in ipairs(w.fake.timers) do
      if t.seconds == 1 then t.seconds = 0 end -- the retry
    end
    w.fake.soon()
    assert.same({ notice(crs.ri) }, told())
  end)

  it("without a mark begins anew after a restart", function()
    local _, crs = two()
    require("moon2m.tree").drop()
    w.fake.timers = {}
    package.loaded["moon2m.cross"] = nil
    w.fake.task(require("moon2m.cross").start)
    w.fake.run()
    assert.equal(1, #timers())
    add "a"
    add "b"
    assert.same({ notice(crs.ri) }, told())
  end)
end)

describe("a schedule", function()
  local function schedule(entry)
    return w:create("Calice", "moon/alice/x", 18, '{"m2m:sch":{"se":{"sce":["' .. entry .. '"]}}}')
  end

  local function both()
    w.fake.fire()
    add "a"
    add "b"
    return #told()
  end

  it("lets notices leave while it is open only", function()
    two()
    assert.equal(2001, (schedule "* * * * * * 2001"))
    assert.equal(0, both())
    local sch = "moon/alice/x/notificationSchedule"
    assert.equal(2004, (w:update("Calice", sch, "m2m:sch", { se = { sce = { "* * * * * * *" } } })))
    assert.equal(1, both())
    w:update("Calice", sch, "m2m:sch", { se = { sce = { "* * * * * * 2001" } } })
    assert.equal(0, both())
    assert.equal(2002, (w:delete("Calice", sch)))
    assert.equal(1, both())
  end)

  it("is nothing to event category 2", function()
    two { nec = 2 }
    schedule "* * * * * * 2001"
    assert.equal(1, both())
  end)
end)

describe("after the process ended in the middle", function()
  local function restart()
    require("moon2m.tree").drop()
    w.fake.timers = {}
    w.fake.task(require("moon2m.cross").start)
    w.fake.run()
  end

  it("what was made for a subscription that is not there goes, others forget it", function()
    w:create("Calice", "moon/alice/a", 23, { rn = "s", nu = { "Calice" }, enc = NEW })
    local _, crs = cross { rn = "x", srat = { "moon/alice/a/s" }, rrat = { "moon/alice/b" },
      encs = { NEW } }
    restart()
    assert.is_true(exists(crs.rrats[1]))
    w:delete("Calice", "moon/alice/x")
    assert.is_true(exists(crs.rrats[1]))
    restart()
    assert.is_false(exists(crs.rrats[1]))
    local s = sub("moon/alice/a/s")
    assert.same({ "Calice" }, s.nu)
    assert.is_nil(s.acrs)
  end)
end)

describe("an update", function()
  it("refuses what is set for good", function()
    two()
    for name, v in pairs { rrat = { "moon/alice/a" }, srat = { "moon/alice/a" }, encs = { NEW },
      nec = 2, su = "Calice", rrats = { "15" } } do
      local rsc, pc = w:update("Calice", "moon/alice/x", "m2m:crs", { [name] = v })
      assert.equal(4000, rsc)
      assert.equal(name .. ": not permitted in an UPDATE", w.dbg(pc))
    end
    assert.equal(4000, (w:update("Calice", "moon/alice/x", "m2m:crs", { tws = json.null })))
    w:update("Calice", "moon/alice/x", "m2m:crs", { eem = 4 })
    assert.equal(4000, (w:update("Calice", "moon/alice/x", "m2m:crs", { twt = 2 })))
  end)

  it("verifies new targets", function()
    two()
    assert.equal(5204, (w:update("Calice", "moon/alice/x", "m2m:crs", { nu = { "Cbob" } })))
    w.fake.answers.Cbob = 2000
    assert.equal(2004, (w:update("Calice", "moon/alice/x", "m2m:crs", { nu = { "Cbob" } })))
    add "a"
    add "b"
    assert.matches("^Cbob ", told()[1])
  end)
end)

describe("the end", function()
  local function deletion(target)
    for _, ev in ipairs(w.fake.published) do
      local about = ev.to[1] and ev.to[1].target == target
      if about and ev.body:find('"sud":true', 1, true) then return ev.body end
    end
  end

  it("by DELETE undoes what was made and tells su", function()
    w:create("Calice", "moon/alice/a", 23, { rn = "s", nu = { "Calice" }, enc = NEW })
    local _, crs = cross { rn = "x", srat = { "moon/alice/a/s" }, rrat = { "moon/alice/b" },
      encs = { NEW }, su = "Cbob" }
    assert.equal(2002, (w:delete("Calice", "moon/alice/x")))
    w.fake.soon()
    assert.is_false(exists(crs.rrats[1]))
    local s = sub("moon/alice/a/s")
    assert.same({ "Calice" }, s.nu)
    assert.is_nil(s.acrs)
    assert.equal('{"m2m:sgn":{"sud":true,"sur":"/moon/' .. crs.ri .. '"}}', deletion "Cbob")
    assert.same({}, timers())
  end)

  it("comes with that of one of its subscriptions", function()
    local _, crs = two()
    assert.equal(2002, (w:delete("Calice", crs.rrats[1])))
    w.fake.soon()
    assert.is_false(exists("moon/alice/x"))
    assert.is_false(exists(crs.rrats[2]))
  end)

  it("comes with that of a resource or an AE above", function()
    local _, crs = two()
    assert.equal(2002, (w:delete("Calice", "moon/alice/b")))
    w.fake.soon()
    assert.is_false(exists("moon/alice/x"))
    assert.is_false(exists(crs.rrats[1]))
    w:create("CAdmin", "moon/bob", 3, { rn = "c" })
    w.fake.answers.Calice = 2000
    _, crs = cross({ rn = "y", rrat = { "moon/bob/c" }, encs = { NEW } }, "CAdmin", "moon/alice")
    assert.is_true(exists(crs.rrats[1]))
    assert.equal(2002, (w:delete("CAdmin", "moon/alice")))
    w.fake.soon()
    assert.is_false(exists(crs.rrats[1]))
  end)

  it("comes when a subscription is taken off it, not when a stranger names it", function()
    w:create("Calice", "moon/alice/a", 23, { rn = "s", nu = { "Calice" }, enc = NEW })
    local _, crs = cross { rn = "x", srat = { "moon/alice/a/s" }, rrat = { "moon/alice/b" },
      encs = { NEW } }
    w:create("CAdmin", "moon/bob", 3, { rn = "c" })
    w:create("CAdmin", "moon/bob/c", 23, { rn = "s", nu = { "http://h/" }, acrs = { crs.ri } })
    w:delete("CAdmin", "moon/bob/c/s")
    w.fake.soon()
    assert.is_true(exists("moon/alice/x"))
    assert.equal(2004, (w:update("Calice", "moon/alice/a/s", "m2m:sub", { acrs = json.null })))
    w.fake.soon()
    assert.is_false(exists("moon/alice/x"))
    assert.is_false(exists(crs.rrats[1]))
    assert.same({ "Calice" }, sub("moon/alice/a/s").nu)
  end)

  it("comes when exc notifications were delivered", function()
    local _, crs = two { exc = 1 }
    local id = require("moon2m.path").parse_ri(crs.ri)
    w.fake.task(require("moon2m.expire").delivered, id, 1)
    w.fake.run()
    w.fake.soon()
    assert.is_false(exists("moon/alice/x"))
    assert.is_false(exists(crs.rrats[1]))
  end)

  it("is not waited for by a subscription whose exc is used up", function()
    w:create("Calice", "moon/alice/a", 23, { rn = "s", nu = { "http://h/" }, enc = NEW, exc = 1 })
    cross { rn = "x", srat = { "moon/alice/a/s" } }
    add "a"
    assert.is_false(exists("moon/alice/a/s"))
    w.fake.soon()
    assert.is_false(exists("moon/alice/x"))
  end)
end)

describe("a NOTIFY to it", function()
  local function notify(fr, pc)
    return w:request { op = 5, to = "moon/alice/x", fr = fr, pc = pc }
  end

  it("counts for a subscription of its own, from who may notify", function()
    local _, crs = two()
    local function sgn(ri) return { ["m2m:sgn"] = { sur = "/moon/" .. ri } } end
    assert.equal(4103, (notify("Cbob", sgn(crs.rrats[1]))))
    assert.equal(2000, (notify("Calice", sgn(crs.rrats[1]))))
    assert.equal(2000, (notify("Calice", sgn "zz")))
    assert.same({}, told())
    assert.equal(2000, (notify("Calice", sgn(crs.rrats[2]))))
    assert.same({ notice(crs.ri) }, told())
    assert.equal(4000, (notify("Calice", { ["m2m:sgn"] = { vrq = true } })))
    assert.equal(2000, (notify("Calice", { ["m2m:sgn"] = { vrq = true, sur = "/moon/zz" } })))
    assert.equal(2000, (notify("Calice",
      { ["m2m:sgn"] = { sud = true, sur = "/moon/" .. crs.rrats[1] } })))
    w.fake.soon()
    assert.is_false(exists("moon/alice/x"))
  end)

  it("is needed by who subscribes for it", function()
    local _, crs = two()
    w:create("CAdmin", "moon/bob", 3, { rn = "c" })
    local all = { acr = { { acor = { "all" }, acop = 63 } } }
    w:create("CAdmin", "moon/bob", 1, { rn = "p", pv = all, pvs = all })
    w:update("CAdmin", "moon/bob/c", "m2m:cnt", { acpi = { "moon/bob/p" } })
    assert.equal(5204, (w:create("Cbob", "moon/bob/c", 23, { nu = { crs.ri } })))
    assert.equal(2001, (w:create("Calice", "moon/bob/c", 23, { nu = { crs.ri } })))
    assert.equal(4000, (w:create("Calice", "moon/bob/c", 23, { nu = { crs.ri },
      enc = { net = { 7 } } })))
  end)
end)
