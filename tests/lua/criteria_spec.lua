-- What events a subscription is told of: conditions on time, state and size, operation monitors,
-- containers without data, triggers and missing data (TS-0001 9.6.8, TS-0004 6.3.5.7, 7.5.1.2).

local world = require "world"

local w, json, sys

local function sub(attrs, to, more)
  attrs.nu = attrs.nu or { "Calice" }
  local rsc, pc = w:create("Calice", to or "moon/alice/c", 23, attrs, more)
  return rsc, pc["m2m:sub"] or pc
end

local function sgn(ev) return json.decode(ev.body)["m2m:sgn"] end

-- The events that were published since the last call.
local seen
local function events()
  local list = {}
  for i = seen + 1, #w.fake.published do list[#list + 1] = sgn(w.fake.published[i]).nev end
  seen = #w.fake.published
  return list
end

local function add(con) return w:create("Calice", "moon/alice/c", 4, { con = con or "1" }) end

before_each(function()
  w = world.new(true)
  seen = 0
  json, sys = require "moon2m.json", require "moon2m.core.sys"
  w:create("Calice", "moon/alice", 3, { rn = "c" })
end)

after_each(world.real_time)

describe("conditions on the subject", function()
  -- The criteria by themselves; values: the subject's.
  local function meets(enc, net, values)
    local criteria = require "moon2m.criteria"
    local subject = { ty = 4, type = require("moon2m.types").by_ty[4], raw = {} }
    for k, v in pairs(values) do subject[k] = v end
    return criteria.concerns(criteria.compile(enc), net, subject, nil)
  end

  local T = "20300101T000000"
  local at

  before_each(function() at = sys.parse_stamp(T) end)

  it("have the edges of TS-0004: lower bounds belong to the range, upper ones do not", function()
    for tag, c in pairs {
      cra = { "ct", true, true }, crb = { "ct", false, false }, ms = { "lt", true, true },
      us = { "lt", false, false }, exa = { "et", true, true }, exb = { "et", false, false },
    } do
      local field, equal, above = c[1], c[2], c[3]
      local enc = { net = { 3 }, [tag] = T }
      assert.equal(equal, meets(enc, 3, { [field] = at }), tag)
      assert.equal(above, meets(enc, 3, { [field] = at + 1 }), tag)
      assert.equal(not above, meets(enc, 3, { [field] = at - 1 }), tag)
    end
    for tag, c in pairs { stb = { "st", true }, sts = { "st", false }, sza = { "size", true },
      szb = { "size", false } } do
      local field, lower = c[1], c[2]
      local enc = { net = { 3 }, [tag] = 5 }
      assert.equal(lower, meets(enc, 3, { [field] = 5 }), tag)
      assert.equal(lower, meets(enc, 3, { [field] = 6 }), tag)
      assert.equal(not lower, meets(enc, 3, { [field] = 4 }), tag)
    end
  end)

  it("are joined by fo: all of them, or any", function()
    local both = { net = { 3 }, sza = 5, stb = 10 }
    assert.is_false(meets(both, 3, { size = 5, st = 9 }))
    assert.is_true(meets(both, 3, { size = 5, st = 10 }))
    both.fo = 2
    assert.is_true(meets(both, 3, { size = 5, st = 9 }))
    assert.is_false(meets(both, 3, { size = 4, st = 9 }))
  end)

  it("leave net, atr and chty out of fo", function()
    local enc = { net = { 3 }, chty = { 3 }, sza = 1, fo = 2 }
    assert.is_false(meets(enc, 3, { size = 5 }))
    local criteria = require "moon2m.criteria"
    local c = criteria.compile { net = { 1 }, atr = { "lbl" }, stb = 0, fo = 2 }
    local r = { ty = 3, type = require("moon2m.types").by_ty[3], raw = {}, st = 1 }
    assert.is_false(criteria.concerns(c, 1, r, { mni = true }))
    assert.is_true(criteria.concerns(c, 1, r, { lbl = true }))
  end)

  it("are not met by a subject without the attribute", function()
    local criteria = require "moon2m.criteria"
    local ae = { ty = 2, type = require("moon2m.types").by_ty[2], raw = {}, st = 0 }
    assert.is_false(criteria.concerns(criteria.compile { net = { 1 }, stb = 0 }, 1, ae))
    assert.is_false(criteria.concerns(criteria.compile { net = { 1 }, sts = 5 }, 1, ae))
    assert.is_false(meets({ net = { 3 }, exb = T }, 3, {}))
  end)

  it("select instances by size", function()
    sub { enc = { net = { 3 }, sza = 3, szb = 5 } }
    for _, con in ipairs { "12", "123", "1234", "12345" } do add(con) end
    local list = events()
    assert.equal(2, #list)
    assert.equal("123", list[1].rep["m2m:cin"].con)
    assert.equal("1234", list[2].rep["m2m:cin"].con)
  end)

  it("look at the resource after an update, at the child in net 3 and 4", function()
    sub { enc = { net = { 1 }, stb = 2 } }
    sub { enc = { net = { 3, 4 }, stb = 2 } }
    w:update("Calice", "moon/alice/c", "m2m:cnt", { lbl = { "1" } })
    assert.same({}, events())
    w:update("Calice", "moon/alice/c", "m2m:cnt", { lbl = { "2" } })
    assert.equal(1, events()[1].net)
    add()                                     -- st 3
    assert.equal(3, events()[1].net)
    w:delete("Calice", "moon/alice/c/la")
    assert.equal(4, events()[1].net)
  end)

  it("stop by time", function()
    local stamp = sys.stamp(sys.now() + 60e6)
    sub { enc = { net = { 3 }, crb = stamp } }
    add()
    assert.equal(1, #events())
    w.advance(120)
    add()
    assert.equal(0, #events())
  end)
end)

describe("content", function()
  it("of an update with nct 2 is what the request and the CSE changed", function()
    sub { enc = { net = { 1 } }, nct = 2 }
    w:update("Calice", "moon/alice/c", "m2m:cnt", { mni = 7 })
    local rep = events()[1].rep["m2m:cnt"]
    local names = {}
    for name in pairs(rep) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "lt", "mni", "st" }, names)
    w:update("Calice", "moon/alice/c", "m2m:cnt", { mni = json.null })
    assert.equal(json.null, events()[1].rep["m2m:cnt"].mni)
  end)

  it("with nct 3 is the identifier", function()
    sub { enc = { net = { 1, 2, 3, 4 } }, nct = 3 }
    local _, c = w:retrieve("Calice", "moon/alice/c")
    w:update("Calice", "moon/alice/c", "m2m:cnt", { lbl = { "x" } })
    assert.same({ ["m2m:uri"] = c["m2m:cnt"].ri }, events()[1].rep)
    local _, i = add()
    assert.same({ ["m2m:uri"] = i["m2m:cin"].ri }, events()[1].rep)
  end)

  it("carries nec as event category", function()
    for _, nec in ipairs { 2, 3, 4, 100, 999 } do
      assert.equal(2001, (sub { rn = "s" .. nec, enc = { net = { 3 } }, nec = nec }))
    end
    assert.equal(4000, (sub { nec = 1 }))
    add()
    local found = {}
    for _, ev in ipairs(w.fake.published) do found[ev.opts.ec] = true end
    assert.same({ [2] = true, [3] = true, [4] = true, [100] = true, [999] = true }, found)
    w:update("Calice", "moon/alice/c/s2", "m2m:sub", { nec = 100 })
    w.fake.published = {}
    add()
    for _, ev in ipairs(w.fake.published) do assert.not_equal(2, ev.opts.ec) end
  end)

  it("names the originator of the event with eeno, when there is no creator", function()
    sub { enc = { net = { 3 } }, eeno = true }
    add()
    assert.equal("Calice", sgn(w.fake.published[1]).cr)
    w:create("CAdmin", "moon/alice/c", 4, { con = "2" })
    assert.equal("CAdmin", sgn(w.fake.published[2]).cr)
    w:create("CAdmin", "moon/alice/c", 23, { nu = { "http://u.example/" }, eeno = true,
      enc = { net = { 4 } } })
    w.fake.published = {}
    w:delete("Calice", "moon/alice/c/la")
    assert.equal("|cr|", sgn(w.fake.published[1]).cr)
  end)
end)

describe("an operation monitor", function()
  local function om(list, more)
    local attrs = { enc = { om = list } }
    for k, v in pairs(more or {}) do attrs[k] = v end
    return sub(attrs)
  end

  local function ops()
    local list = {}
    for i, nev in ipairs(events()) do
      list[i] = nev.om.op .. " " .. nev.om["or"]
      assert.is_nil(nev.net)
    end
    return list
  end

  it("is told of each operation by its bit, with the representation", function()
    om { { ops = 63 } }
    w:retrieve("Calice", "moon/alice/c")
    w:update("Calice", "moon/alice/c", "m2m:cnt", { lbl = { "x" } })
    add()
    local list = events()
    assert.same({ op = 2, ["or"] = "Calice" }, list[1].om)
    assert.equal("c", list[1].rep["m2m:cnt"].rn)
    assert.equal(3, list[2].om.op)
    assert.same({ "x" }, list[2].rep["m2m:cnt"].lbl)
    assert.equal(1, list[3].om.op)
    assert.equal("c", list[3].rep["m2m:cnt"].rn)
  end)

  it("selects by operation and by originator, in any form of the identifier", function()
    om { { ops = 4 + 32 }, { ["or"] = "/moon/Cbob" } }
    w:retrieve("Calice", "moon/alice/c")
    w:update("Calice", "moon/alice/c", "m2m:cnt", { lbl = { "x" } })
    w:retrieve("Calice", "moon/alice/c", "fu=1")
    w:retrieve("Cbob", "moon/alice/c")        -- refused, and told
    assert.same({ "3 Calice", "2 Calice", "2 Cbob" }, ops())
    w:update("Calice", "moon/alice/c", "m2m:cnt", { lbl = { "y" } })
    assert.equal(1, #events())
  end)

  it("takes the key org too", function()
    om { { org = "Cbob", ops = 2 } }
    w:retrieve("Calice", "moon/alice/c")
    w:retrieve("Cbob", "moon/alice/c")
    assert.same({ "2 Cbob" }, ops())
  end)

  it("is told whatever the outcome", function()
    om { { ops = 63 } }
    assert.equal(4103, (w:update("Cbob", "moon/alice/c", "m2m:cnt", { lbl = { "x" } })))
    assert.equal(4000, (w:update("Calice", "moon/alice/c", "m2m:cnt", { zz = 1 })))
    assert.equal(4106, (w:retrieve("Cnobody", "moon/alice/c")))
    assert.equal(4000, (w:retrieve("Calice", "moon/alice/c", "rcn=77")))
    assert.same({ "3 Cbob", "3 Calice", "2 Cnobody", "2 Calice" }, ops())
  end)

  it("is told of the deletion once, in the same transaction", function()
    om { { ops = 8 } }
    assert.equal(4103, (w:delete("Cbob", "moon/alice/c")))
    assert.same({ "4 Cbob" }, ops())
    assert.equal(2002, (w:delete("Calice", "moon/alice/c")))
    local list = events()
    assert.equal(1, #list)
    assert.same({ op = 4, ["or"] = "Calice" }, list[1].om)
    assert.equal("c", list[1].rep["m2m:cnt"].rn)
  end)

  it("does not hear of la, instances or other resources", function()
    om { { ops = 63 } }
    add()
    events()
    w:retrieve("Calice", "moon/alice/c/la")
    w:retrieve("Calice", "moon/alice")
    w:delete("Calice", "moon/alice/c/la")
    assert.same({}, ops())
  end)

  it("may have conditions and nct 3", function()
    om({ { ops = 2 } }, { nct = 3 })
    w:retrieve("Calice", "moon/alice/c")
    assert.truthy(events()[1].rep["m2m:uri"])
    sub { enc = { om = { { ops = 2 } }, stb = 1 } }
    w:retrieve("Calice", "moon/alice/c")
    assert.equal(1, #events())
    add()
    w:retrieve("Calice", "moon/alice/c")
    assert.equal(2, #events())
  end)

  it("follows updates, also to other criteria and back, and a restart", function()
    om({ { ops = 2 } }, { rn = "s" })
    w:retrieve("Calice", "moon/alice/c")
    assert.equal(1, #events())
    w:update("Calice", "moon/alice/c/s", "m2m:sub", { enc = { net = { 3 } } })
    w:retrieve("Calice", "moon/alice/c")
    assert.equal(0, #events())
    w:update("Calice", "moon/alice/c/s", "m2m:sub", { enc = { om = { { ops = 2 } } } })
    require("moon2m.tree").drop()
    w:retrieve("Calice", "moon/alice/c")
    assert.equal(1, #events())
    assert.equal(4000, (w:update("Calice", "moon/alice/c/s", "m2m:sub",
      { enc = { net = { 1 }, om = { { ops = 2 } } } })))
    w:delete("Calice", "moon/alice/c/s")
    w:retrieve("Calice", "moon/alice/c")
    assert.equal(0, #events())
  end)

  it("costs no read and no transaction elsewhere", function()
    om { { ops = 2 } }
    w:create("Calice", "moon/alice", 3, { rn = "d" })
    w:retrieve("Calice", "moon/alice/d")
    local before = w.fake.reads
    w:retrieve("Calice", "moon/alice/d")
    assert.equal(before, w.fake.reads)
    assert.equal(0, #events())
  end)

  it("writes net 0 when configured", function()
    require("moon2m.event").configure { om_net = true }
    om { { ops = 2 } }
    w:retrieve("Calice", "moon/alice/c")
    assert.equal(0, events()[1].net)
  end)
end)

describe("a container without data (net 5)", function()
  it("tells of a RETRIEVE with instances that finds none, or expired ones only", function()
    sub { enc = { net = { 5 } } }
    w:retrieve("Calice", "moon/alice/c")
    assert.same({}, events())
    assert.equal(2000, (w:retrieve("Calice", "moon/alice/c", "rcn=4")))
    local nev = events()[1]
    assert.equal(5, nev.net)
    assert.equal("c", nev.rep["m2m:cnt"].rn)
    w:retrieve("Calice", "moon/alice/c", "rcn=8")
    assert.equal(1, #events())
    w:update("Calice", "moon/alice/c", "m2m:cnt", { mia = 60 })
    add()
    w:retrieve("Calice", "moon/alice/c", "rcn=4")
    assert.same({}, events())
    w.advance(120)
    w:retrieve("Calice", "moon/alice/c", "rcn=4")
    assert.equal(1, #events())
  end)

  it("tells nobody of a RETRIEVE that is refused", function()
    sub { enc = { net = { 5 } }, nct = 3 }
    assert.equal(4103, (w:retrieve("Cbob", "moon/alice/c", "rcn=4")))
    assert.same({}, events())
    w:retrieve("Calice", "moon/alice/c", "rcn=4")
    assert.truthy(events()[1].rep["m2m:uri"])
  end)
end)

describe("a trigger (net 6)", function()
  it("is passed on as m2m:tgp", function()
    assert.equal(2001, (sub({ enc = { net = { 6 } } }, "moon/alice")))
    assert.equal(4000, (sub { enc = { net = { 6 } } }))
    local event, tree = require "moon2m.event", require "moon2m.tree"
    local box = w.fake.task(function()
      return event.trigger(tree.by_path("alice"), '{"tpd":"x"}')
    end)
    w.fake.run()
    assert.is_true(box[1])
    assert.same({ net = 6, rep = { ["m2m:tgp"] = { tpd = "x" } } }, events()[1])
  end)
end)

describe("missing data", function()
  local missing

  before_each(function() missing = require "moon2m.missing" end)

  local function points(id, md, ...)
    local list = {}
    for i, text in ipairs(missing.points(id, md, { ... })) do
      local tsn = json.decode(text)["m2m:tsn"]
      list[i] = { #tsn.mdlt, tsn.mdc }
    end
    return list
  end

  it("is reported from md.num points on: those since the last notice, all since the start",
    function()
      local md = { num = 3, dur = "PT10S" }
      assert.same({}, points(1, md, 1e6))
      assert.same({}, points(1, md, 2e6))
      assert.same({ { 3, 3 } }, points(1, md, 3e6))
      assert.same({ { 1, 4 }, { 1, 5 } }, points(1, md, 4e6, 5e6))
      assert.same({}, points(2, md, 5e6))
      assert.same({}, points(1, md))
    end)

  it("lists the times", function()
    local t = sys.parse_stamp "20250102T030405"
    local text = missing.points(1, { num = 1, dur = "PT1S" }, { t })[1]
    assert.same({ ["m2m:tsn"] = { mdlt = { sys.stamp(t) }, mdc = 1 } }, json.decode(text))
  end)

  it("counts anew after md.dur, with a window from the next point", function()
    local real, now = sys.now, 1e9
    sys.now = function() return now end
    local md = { num = 2, dur = "PT10S" }
    local out = { points(1, md, 1) }
    now = now + 9.9e6
    out[2] = points(1, md, 2)
    now = now + 0.1e6
    out[3] = points(1, md, 3)
    now = now + 9e6
    out[4] = points(1, md, 4)
    sys.now = real
    assert.same({ {}, { { 2, 2 } }, {}, { { 2, 2 } } }, out)
  end)

  it("counts anew with another md, and after forget", function()
    points(1, { num = 2, dur = "PT10S" }, 1)
    assert.same({}, points(1, { num = 2, dur = "PT11S" }, 2))
    missing.forget(1)
    assert.same({}, points(1, { num = 2, dur = "PT11S" }, 3))
    assert.same({ { 2, 2 } }, points(1, { num = 2, dur = "PT11S" }, 4))
  end)

  it("is told in one notice when many points come at once, the newest thousand listed", function()
    local list = {}
    for i = 1, 17 do list[i] = i * 1e6 end
    local md = { num = 2, dur = "PT10S" }
    assert.same({ { 17, 17 } }, points(1, md, unpack(list)))
    local text = missing.points(1, md, { 20e6, 21e6 }, 5000)[1]
    assert.same({ 2, 5017 }, { #json.decode(text)["m2m:tsn"].mdlt,
      json.decode(text)["m2m:tsn"].mdc })
  end)

  it("goes on after a restart with what was counted, unless the window is over", function()
    local write = require "moon2m.write"
    points(1, { num = 3, dur = "PT10S" }, 1e6, 2e6)
    points(2, { num = 1, dur = "PT0S" }, 1e6)
    w.fake.task(write.commit, { missing.row(1), missing.row(2) })
    w.fake.run()
    package.loaded["moon2m.missing"] = nil
    missing = require "moon2m.missing"
    w.fake.task(missing.open)
    w.fake.run()
    assert.is_nil(w.fake.meta("md.2"))
    assert.same({ { 3, 3 } }, points(1, { num = 3, dur = "PT10S" }, 3e6))
    missing.forget(1)
    w.fake.fire()
    w.fake.run()
    assert.is_nil(w.fake.meta("md.1"))
  end)

  it("reaches each subscription with a counter of its own (net 8)", function()
    local types = require "moon2m.types"
    local ts = { id = 77, path = "alice/ts", ty = 29, type = types.by_ty[3], raw = {}, st = 0 }
    local function member(id)
      return { id = id, ri = "r" .. id, rn = "s", raw = { nct = "5", nu = '["Calice"]',
        enc = '{"net":[8],"md":{"num":2,"dur":"PT60S"}}' } }
    end
    local event, tree = require "moon2m.event", require "moon2m.tree"
    ts.subs, ts.subs_at = { member(1) }, { 1 }
    local function report(t)
      w.fake.task(function()
        local notices, ops = event.missing(ts, { t })
        return require("moon2m.write").commit(ops, notices)
      end)
      w.fake.run()
    end
    report(1e6)
    local second = member(2)
    tree.subs_changed(ts, second, "create")
    w.fake.task(event.changed, ts, second, "create")
    w.fake.run()
    report(2e6)
    assert.equal(1, #w.fake.published)
    assert.equal(1, w.fake.published[1].to[1].sub)
    local nev = events()[1]
    assert.same({ 8, 2 }, { nev.net, nev.rep["m2m:tsn"].mdc })
    report(3e6)
    assert.equal(3, #w.fake.published)
  end)
end)
