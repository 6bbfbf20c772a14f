-- Missing data of timeSeries without a clock that runs: what is due when, what is stored with what,
-- bounds, and what a failing store leaves.

local world = require "world"

describe("series", function()
  local w, sys, tree, series, T0

  local function start()
    w = world.new()
    sys, tree = require "moon2m.core.sys", require "moon2m.tree"
    series = require "moon2m.series"
    w:ae("Calice", "alice")
    T0 = sys.now()
  end

  before_each(start)
  after_each(world.real_time)

  local function create(attrs)
    attrs.rn = "ts"
    assert.equal(2001, (w:create("Calice", "moon/alice", 29, attrs)))
    return tree.by_path("alice/ts")
  end

  -- dgt in seconds from the start.
  local function add(at)
    local us = T0 + at * 1e6
    return (w:create("Calice", "moon/alice/ts", 30, { dgt = sys.stamp(us), con = 1 }))
  end

  local function fire()
    w.fake.fire()
    w.fake.run()
  end

  -- mdc and mdlt in seconds from the start.
  local function found()
    local _, pc = w:retrieve("Calice", "moon/alice/ts")
    local list = {}
    for i, text in ipairs(pc["m2m:ts"].mdlt or {}) do
      list[i] = math.floor((sys.parse_stamp(text) - T0) / 1e6 + 0.5)
    end
    return pc["m2m:ts"].mdc, list
  end

  it("stores what is expected with the instance, and what is missing with its list", function()
    local r = create { pei = 10000, peid = 100, mdt = 5000, mdd = true }
    assert.is_nil(w.fake.meta("ts." .. r.id))
    add(0)
    local first = w.fake.meta("ts." .. r.id)
    assert.truthy(first)
    assert.equal(2001, add(3))                  -- belongs to no expected time
    assert.equal(first, w.fake.meta("ts." .. r.id))
    add(20)
    assert.truthy(w.fake.meta("ts." .. r.id):match(",2$"))
    world.advance(14)
    fire()
    assert.same({ 0, {} }, { found() })
    world.advance(2)
    fire()
    assert.same({ 1, { 10 } }, { found() })
    assert.truthy(w.fake.meta("ts." .. r.id):match(",3,10000000,100000,5000000,$"))
    world.advance(20)
    fire()
    assert.same({ 2, { 10, 30 } }, { found() })
    add(30)                                     -- too late: nothing changes
    assert.same({ 2, { 10, 30 } }, { found() })
  end)

  it("begins anew when the clock was set, ahead or back", function()
    local r = create { pei = 10000, peid = 100, mdt = 5000, mdd = true }
    add(0)
    world.set_clock(86400)
    fire()
    assert.same({ 0, {} }, { found() })
    assert.is_nil(w.fake.meta("ts." .. r.id))
    T0 = sys.now()
    add(0)
    world.set_clock(-86400)
    T0 = T0 - 86400e6
    add(1)                                      -- before the timer has seen it
    assert.truthy(w.fake.meta("ts." .. r.id):match("^" .. ("%.0f"):format(T0 + 1e6) .. ","))
    world.advance(17)
    fire()
    assert.same({ 1, { 11 } }, { found() })
  end)

  it("counts a long silence, and lists its newest thousand", function()
    create { pei = 1000, mdt = 600, mdd = true }
    add(0)
    world.advance(5000.9)
    fire()
    local count, list = found()
    assert.same({ 5000, 1000, 4001, 5000 }, { count, #list, list[1], list[1000] })
    world.advance(1)
    fire()
    count, list = found()
    assert.same({ 5001, 1000, 5001 }, { count, #list, list[1000] })
  end)

  it("stops at mdn", function()
    create { pei = 1000, mdt = 600, mdd = true, mdn = 3 }
    add(0)
    world.advance(10.9)
    fire()
    assert.same({ 3, { 8, 9, 10 } }, { found() })
  end)

  it("does not remember what is more than a thousand intervals early", function()
    local r = create { pei = 1000, mdt = 600, mdd = true }
    add(0)
    local was = w.fake.meta("ts." .. r.id)
    add(2000)
    assert.equal(was, w.fake.meta("ts." .. r.id))
  end)

  it("takes back what was not stored", function()
    local r = create { pei = 1000, mdt = 600, mdd = true }
    local function refused(at)
      w.fake.fail("toobig", 1)
      return add(at)
    end
    assert.equal(5207, refused(0))
    assert.is_nil(w.fake.meta("ts." .. r.id))
    add(1)
    assert.equal(5207, refused(2))
    add(3)
    assert.equal(4105, add(3))
    world.advance(4.7)
    fire()
    assert.same({ 2, { 2, 4 } }, { found() })
  end)

  it("goes on with what is stored after the store failed", function()
    local r = create { pei = 1000, mdt = 600, mdd = true }
    add(0)
    world.advance(1.7)
    w.fake.fail("io", 1)
    fire()
    assert.same({ 0, {} }, { found() })
    assert.truthy(w.fake.meta("ts." .. r.id):match("^%d+,1,"))
    fire()
    assert.same({ 1, { 1 } }, { found() })
  end)

  it("forgets what is gone, and what is over", function()
    local r = create { pei = 1000, mdt = 600, mdd = true }
    add(0)
    w:update("Calice", "moon/alice/ts", "m2m:ts", { mdd = false })
    assert.is_nil(w.fake.meta("ts." .. r.id))
    w:update("Calice", "moon/alice/ts", "m2m:ts", { mdd = true })
    add(5)
    assert.truthy(w.fake.meta("ts." .. r.id))
    w:delete("Calice", "moon/alice/ts")
    world.advance(10)
    fire()
    assert.is_nil(w.fake.meta("ts." .. r.id))
    assert.equal(0, #w.fake.timers)
  end)

  it("is read again at the start", function()
    local r = create { pei = 1000, mdt = 600, mdd = true }
    add(0)
    add(2)
    package.loaded["moon2m.series"] = nil
    series = require "moon2m.series"
    w.fake.timers = {}
    w.fake.task(series.open)
    w.fake.run()
    world.advance(3.7)
    fire()
    assert.same({ 2, { 1, 3 } }, { found() })
    assert.truthy(w.fake.meta("ts." .. r.id))
  end)
end)
