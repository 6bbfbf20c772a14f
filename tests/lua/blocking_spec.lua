-- Blocking updates (net 7; TS-0001 9.6.8, TS-0004 7.3.2.9, 7.5.1.2.19): who is asked, what becomes
-- of the update, what waits meanwhile.

local world = require "world"

local w, json

local function sub(attrs, to, fr)
  attrs.nu = attrs.nu or { "Calice" }
  attrs.enc = attrs.enc or { net = { 7 } }
  local box = w:start { op = 1, to = to or "moon/alice/c", fr = fr or "Calice", ty = 23,
    pc = { ["m2m:sub"] = attrs } }
  for _ = 1, 3 do
    w.fake.run()
    w.fake.fire()
  end
  assert.is_true(box.done)
  return box[1], json.decode(box[2])
end

local function start(attrs, fr)
  local box = w:start { op = 3, to = "moon/alice/c", fr = fr or "Calice",
    pc = { ["m2m:cnt"] = attrs } }
  w.fake.run()
  return box
end

local function labels()
  local _, pc = w:retrieve("Calice", "moon/alice/c")
  return pc["m2m:cnt"].lbl
end

-- The target's answers come when told.
local pending
local function hold_answers()
  local core = require "moon2m.core.cse"
  pending = {}
  local ask = core.ask
  core.ask = function(target, pc, _, seconds)
    w.fake.asked[#w.fake.asked + 1] = { target = target, pc = pc, seconds = seconds }
    local mine = {}
    pending[#pending + 1] = mine
    while not mine.rsc do require("moon2m.core.sys").sleep(0.01) end
    return mine.rsc
  end
  finally(function() core.ask = ask end)
end

local function answer(n, rsc)
  pending[n].rsc = rsc
  w.fake.fire()
  w.fake.fire()
end

before_each(function()
  w = world.new(true)
  json = require "moon2m.json"
  w:create("Calice", "moon/alice", 3, { rn = "c" })
  require("moon2m.blocking").configure { answer_time = 10, wait_time = 30 }
end)

after_each(world.real_time)

describe("a blocking update", function()
  it("is put to the target and applied when it agrees", function()
    assert.equal(2001, (sub {}))
    sub { enc = { net = { 1 } } }
    w.fake.answers.Calice = 2000
    local box = start { lbl = { "x" }, mni = 5 }
    assert.equal(2004, box[1])
    assert.same({ "x" }, labels())
    assert.equal(1, #w.fake.asked)
    assert.same({ sur = "/moon/15", nev = { net = 7,
      rep = { ["m2m:cnt"] = { lbl = { "x" }, mni = 5 } } } },
      json.decode(w.fake.asked[1].pc)["m2m:sgn"])
    local nev = json.decode(w.fake.published[#w.fake.published].body)["m2m:sgn"].nev
    assert.equal(1, nev.net)                  -- those of net 1 are told after it was applied
  end)

  for rsc, expected in pairs { [0] = 5107, [5103] = 5107, [4005] = 4127, [4103] = 4103,
    [5000] = 5000, [4102] = 4102, [2004] = 5107, [1000] = 5107 } do
    it("answered with " .. rsc .. " leaves the resource as it was: " .. expected, function()
      sub {}
      w.fake.answers.Calice = rsc
      local _, before = w:retrieve("Calice", "moon/alice/c")
      local box = start { lbl = { "x" } }
      assert.equal(expected, box[1])
      assert.truthy(json.decode(box[2])["m2m:dbg"]:find("Calice", 1, true))
      local _, now = w:retrieve("Calice", "moon/alice/c")
      assert.same(before, now)
      w.fake.answers.Calice = 2000
      assert.equal(2004, start({ lbl = { "x" } })[1])   -- the lock was given back
    end)
  end

  it("concerns the listed attributes only", function()
    sub { enc = { net = { 7 }, atr = { "mni", "lbl" } } }
    assert.equal(2004, start({ mbs = 100 })[1])
    assert.equal(0, #w.fake.asked)
    assert.equal(5107, start({ mbs = 100, lbl = { "x" } })[1])
    assert.equal(1, #w.fake.asked)
  end)

  it("is asked about only what is allowed and well-formed", function()
    sub {}
    assert.equal(4103, start({ lbl = { "x" } }, "Cbob")[1])
    assert.equal(4000, start({ zz = 1 })[1])
    assert.equal(4000, start({ ri = "x" })[1])
    assert.equal(0, #w.fake.asked)
  end)

  it("does not ask any more when the subscription is gone or changed", function()
    sub { rn = "s" }
    assert.equal(2004, (w:update("Calice", "moon/alice/c/s", "m2m:sub",
      { enc = { net = { 7 }, atr = { "mni" } } })))
    assert.equal(2004, start({ lbl = { "x" } })[1])
    assert.equal(5107, start({ mni = 1 })[1])
    w:delete("Calice", "moon/alice/c/s")
    assert.equal(2004, start({ mni = 1 })[1])
  end)

  it("reads the target's address in any form", function()
    sub { nu = { "/moon/Calice" } }
    w.fake.answers.Calice = 2000
    assert.equal(2004, start({ lbl = { "x" } })[1])
  end)

  it("works for AEs and in a script's update", function()
    sub({ enc = { net = { 7 }, atr = { "lbl" } } }, "moon/alice")
    w.fake.answers.Calice = 4005
    local box = w:start { op = 3, to = "moon/alice", fr = "Calice", via = "script",
      pc = { ["m2m:ae"] = { lbl = { "x" } } } }
    w.fake.run()
    assert.equal(4127, box[1])
  end)
end)

describe("meanwhile", function()
  it("other updates and deletes wait, in order; the rest goes on", function()
    sub {}
    hold_answers()
    local first = start { lbl = { "1" } }
    local second, third = start { lbl = { "2" } }, start { lbl = { "3" } }
    local deletion = w:start { op = 4, to = "moon/alice/c", fr = "Calice" }
    w.fake.run()
    assert.equal(1, #w.fake.asked)
    assert.equal(2000, (w:retrieve("Calice", "moon/alice/c")))
    assert.equal(2001, (w:create("Calice", "moon/alice/c", 4, { con = "1" })))
    assert.equal(2004, (w:update("Calice", "moon/alice", "m2m:ae", { lbl = { "x" } })))
    answer(1, 2000)
    assert.equal(2004, first[1])
    assert.is_false(second.done)
    assert.equal(2, #w.fake.asked)
    assert.same({ "2" }, json.decode(w.fake.asked[2].pc)["m2m:sgn"].nev.rep["m2m:cnt"].lbl)
    answer(2, 4005)
    assert.equal(4127, second[1])
    assert.same({ "1" }, labels())
    answer(3, 2000)
    assert.equal(2004, third[1])
    w.fake.fire()
    assert.equal(2002, deletion[1])
  end)

  it("one that waited meets what the earlier one made", function()
    sub {}
    hold_answers()
    start { mni = 5 }
    local deletion = w:start { op = 4, to = "moon/alice/c", fr = "Calice" }
    w.fake.run()
    local late = start { mni = 6 }
    answer(1, 2000)
    w.fake.fire()
    assert.equal(2002, deletion[1])
    w.fake.fire()
    assert.equal(4004, late[1])
  end)

  it("those that wait give up before their originator does", function()
    sub {}
    hold_answers()
    start { lbl = { "1" } }
    local second = start { lbl = { "2" } }
    local third = start { lbl = { "3" } }
    local sys = require "moon2m.core.sys"
    local mono = sys.mono
    sys.mono = function() return mono() + 60e6 end
    w.fake.fire()
    sys.mono = mono
    assert.equal(4008, second[1])
    assert.equal(4008, third[1])
    answer(1, 2000)
    assert.same({ "1" }, labels())
    start { lbl = { "4" } }
    answer(2, 2000)
    assert.same({ "4" }, labels())
  end)

  it("a bounded number waits", function()
    sub {}
    hold_answers()
    start { lbl = { "1" } }
    local boxes = {}
    for i = 1, 257 do boxes[i] = start { mni = i } end
    assert.is_false(boxes[256].done)
    assert.equal(5000, boxes[257][1])
  end)

  it("the target has no more time than the originator", function()
    sub {}
    hold_answers()
    local box = w:start { op = 3, to = "moon/alice/c", fr = "Calice", rqet = "2000",
      pc = { ["m2m:cnt"] = { mni = 1 } } }
    w.fake.run()
    assert.is_true(w.fake.asked[1].seconds < 2)
    answer(1, 2000)
    assert.equal(2004, box[1])
  end)

  it("the resource may vanish with one above it", function()
    sub {}
    hold_answers()
    local first, second = start { mni = 1 }, start { mni = 2 }
    assert.equal(2002, (w:delete("Calice", "moon/alice")))
    answer(1, 2000)
    w.fake.fire()
    assert.is_true(first[1] == 4004 or first[1] == 4106)
    assert.is_true(second.done)
  end)

  it("a failing store leaves nothing locked", function()
    sub {}
    w.fake.answers.Calice = 2000
    w.fake.fail("io")
    assert.equal(5000, start({ mni = 1 })[1])
    w.fake.fail(nil)
    assert.equal(2004, start({ mni = 1 })[1])
  end)
end)

describe("its subscription", function()
  it("is the only one of its kind (4124)", function()
    assert.equal(2001, (sub {}))
    local rsc, pc = sub { enc = { net = { 7 }, atr = { "lbl" } } }
    assert.equal(4124, rsc)
    assert.truthy(world.dbg(pc):find("enc", 1, true))
    assert.equal(2001, (sub { enc = { net = { 1 } } }))
    assert.equal(2001, (sub({}, "moon/alice")))
  end)

  it("is the only one even while another is being verified", function()
    w:create("Calice", "moon/alice", 1, { rn = "p", pv = { acr = { { acor = { "all" },
      acop = 63 } } }, pvs = { acr = { { acor = { "Calice" }, acop = 63 } } } })
    assert.equal(2004, (w:update("Calice", "moon/alice/c", "m2m:cnt",
      { acpi = { "moon/alice/p" } })))
    w.fake.answers.Cbob = 2000
    local one = w:start { op = 1, to = "moon/alice/c", fr = "Calice", ty = 23,
      pc = { ["m2m:sub"] = { nu = { "Cbob" }, enc = { net = { 7 } } } } }
    w.fake.run()
    assert.is_false(one.done)
    assert.equal(4124, (sub {}))
    for _ = 1, 3 do w.fake.fire() end
    assert.equal(2001, one[1])
  end)

  it("gives its place back when it is refused", function()
    assert.equal(4103, (sub({ nu = { "Cbob" } })))
    assert.equal(2001, (sub {}))
  end)

  it("needs a target that may update the resource (4103), on an UPDATE too", function()
    local rsc, pc = sub { nu = { "Cbob" } }
    assert.equal(4103, rsc)
    assert.truthy(world.dbg(pc):find("Cbob", 1, true))
    sub { rn = "s" }
    assert.equal(4103, (w:update("Calice", "moon/alice/c/s", "m2m:sub", { nu = { "Cbob" } })))
  end)

  it("is refused with 4000 when malformed", function()
    for _, attrs in ipairs {
      { nu = { "Calice", "Cbob" } }, { nu = { "http://u.example/" } }, { exc = 1 },
      { su = "Calice" }, { nec = 2 }, { nct = 1 }, { enc = { net = { 7, 1 } } },
      { enc = { net = { 7 }, stb = 1 } }, { enc = { net = { 7 }, chty = { 4 } } },
    } do
      assert.equal(4000, (sub(attrs)), json.encode(attrs))
    end
    sub { rn = "plain", enc = { net = { 1 } }, nct = 2 }
    assert.equal(4000, (w:update("Calice", "moon/alice/c/plain", "m2m:sub",
      { enc = { net = { 7 } } })))
  end)
end)
