-- Policies of subscriptions over the stand-ins: batches, rate limits, the newest only, updates of a
-- live subscription, deletion, restart (TS-0001 9.6.8, 10.2.10.7).

local world = require "world"

local w, json, sys, lane

local C = "moon/alice/c"
local mono, shift

-- Time passes for the clocks of lanes, and timers are due.
local function pass(seconds)
  shift = shift + seconds * 1e6
  w.fake.fire()
end

local function subscribe(attrs, more)
  attrs.nu = attrs.nu or { "Calice" }
  attrs.rn = attrs.rn or "s"
  attrs.enc = attrs.enc or { net = { 3 } }
  local rsc, pc = w:create("Calice", C, 23, attrs, more)
  return rsc, pc["m2m:sub"] or pc
end

local function add(from, to)
  for i = from, to or from do
    assert.equal(2001, (w:create("Calice", C, 4, { con = tostring(i) })))
  end
end

local function con(sgn)
  return sgn.nev.rep["m2m:cin"].con
end

-- What was sent since the last call: "1" for a notice, "[1 2]" for an aggregate, in order.
local seen
local function sent()
  local out = {}
  for i = seen + 1, #w.fake.published do
    local pc = json.decode(w.fake.published[i].body)
    if pc["m2m:agn"] then
      local list = {}
      for k, sgn in ipairs(pc["m2m:agn"]["m2m:sgn"] or pc["m2m:agn"].sgn) do list[k] = con(sgn) end
      out[#out + 1] = "[" .. table.concat(list, " ") .. "]"
    else
      out[#out + 1] = con(pc["m2m:sgn"])
    end
  end
  seen = #w.fake.published
  return table.concat(out, " ")
end

local function last() return w.fake.published[#w.fake.published] end

local function change(attrs)
  assert.equal(2004, (w:update("Calice", C .. "/s", "m2m:sub", attrs)))
end

before_each(function()
  w = world.new(true)
  json, sys, lane = require "moon2m.json", require "moon2m.core.sys", require "moon2m.lane"
  mono, shift, seen = mono or sys.mono, 0, 0
  sys.mono = function() return mono() + shift end
  lane.open()
  w:create("Calice", "moon/alice", 3, { rn = "c" })
end)
after_each(function()
  sys.mono = mono
  world.real_time()
end)

describe("a batch", function()
  it("is sent when it has its number, in order, and the next one begins", function()
    assert.equal(2001, (subscribe { bn = { num = 3 } }))
    add(1, 2)
    assert.equal("", sent())
    add(3, 5)
    assert.equal("[1 2 3]", sent())
    assert.equal(3, last().opts.count)
    add(6)
    assert.equal("[4 5 6]", sent())
    assert.equal("Calice", last().to[1].target)
    assert.equal("/moon/15", last().to[1].sur)
  end)

  it("is sent when its time is up", function()
    subscribe { bn = { dur = "PT5S" } }
    add(1)
    pass(4)
    add(2)
    assert.equal("", sent())
    pass(1.1)
    assert.equal("[1 2]", sent())
    pass(10)
    assert.equal("", sent())
    add(3)
    pass(4)
    assert.equal("", sent())
    pass(2)
    assert.equal("[3]", sent())
  end)

  it("ends with whichever comes first", function()
    subscribe { bn = { num = 2, dur = "PT5S" } }
    add(1, 2)
    assert.equal("[1 2]", sent())
    add(3)
    pass(6)
    assert.equal("[3]", sent())
  end)

  it("without a duration has the configured one, which is shown", function()
    require("moon2m.defaults").configure(7)
    local _, s = subscribe { bn = {} }
    assert.same({ dur = "PT7S" }, s.bn)
    add(1)
    pass(6)
    assert.equal("", sent())
    pass(2)
    assert.equal("[1]", sent())
  end)

  it("with ln is its newest only, with ec 4", function()
    subscribe { bn = { num = 3 }, ln = true }
    add(1, 3)
    assert.equal("3", sent())
    assert.equal(4, last().opts.ec)
    assert.equal(2, w.fake.dropped.replaced)
    add(4)
    pass(61)
    assert.equal("4", sent())
  end)

  it("carries the event category of nec", function()
    subscribe { bn = { num = 1 }, nec = 150 }
    add(1)
    assert.equal("[1]", sent())
    assert.equal(150, last().opts.ec)
  end)

  it("is one per target", function()
    w.fake.answers.Cbob = 2000
    local box = w:start { op = 1, to = C, fr = "Calice", ty = 23, pc = { ["m2m:sub"] = {
      nu = { "Calice", "Cbob" }, enc = { net = { 3 } }, bn = { num = 2 } } } }
    for _ = 1, 2 do
      w.fake.run()
      w.fake.fire()
    end
    assert.equal(2001, box[1])
    add(1, 2)
    assert.equal("[1 2] [1 2]", sent())
  end)

  it("names its notifications as configured", function()
    require("moon2m.aggregate").configure("sgn")
    subscribe { bn = { num = 1 } }
    add(1)
    assert.truthy(last().body:find('^{"m2m:agn":{"sgn":%['))
    assert.equal("[1]", sent())
  end)

  it("of another format goes out one by one", function()
    require("moon2m.format").register("line", function(n) return n.res.con end)
    subscribe { bn = { num = 2 }, lbl = { "format:line" } }
    add(1, 2)
    assert.equal("1", w.fake.published[1].body)
    assert.equal("2", w.fake.published[2].body)
    assert.equal("raw", w.fake.published[2].opts.frame)
  end)

  it("is sent when its subscription is deleted", function()
    subscribe { bn = { num = 9 } }
    add(1, 2)
    assert.equal(2002, (w:delete("Calice", C .. "/s")))
    assert.equal("[1 2]", sent())
    assert.is_true(last().to[1].sub > 2 ^ 50)     -- not dropped with its subscription
  end)

  it("is sent when what it is about is deleted", function()
    subscribe { bn = { num = 9 } }
    add(1, 2)
    assert.equal(2002, (w:delete("Calice", C)))
    w.fake.fire()
    assert.equal("[1 2]", sent())
  end)

  it("is sent at shutdown", function()
    subscribe { bn = { num = 9 } }
    add(1, 2)
    w.fake.task(lane.stop)
    w.fake.run()
    assert.equal("[1 2]", sent())
  end)

  it("goes on after a restart", function()
    subscribe { bn = { num = 3, dur = "PT5S" } }
    add(1, 2)
    package.loaded["moon2m.lane"] = nil
    lane = require "moon2m.lane"
    w.fake.timers = {}
    w.fake.tell_lanes()
    w.fake.run()
    lane.open()
    w.fake.fire()
    assert.equal("", sent())
    pass(6)
    assert.equal("[1 2]", sent())
  end)

  it("is due when it would have been without a restart", function()
    subscribe { bn = { num = 3, dur = "PT5S" } }
    add(1, 2)
    world.advance(4)
    package.loaded["moon2m.lane"] = nil
    lane = require "moon2m.lane"
    w.fake.timers = {}
    w.fake.tell_lanes()
    w.fake.run()
    lane.open()
    w.fake.soon()
    assert.equal("", sent())
    pass(1.1)
    world.real_time()
    assert.equal("[1 2]", sent())
  end)

  it("stays when the store fails, and is sent when it does not", function()
    subscribe { bn = { num = 9, dur = "PT5S" } }
    add(1, 2)
    w.fake.fail("io")
    pass(6)
    assert.equal("", sent())
    assert.equal(1, #w.fake.abandoned)
    w.fake.fail(nil)
    pass(2)
    assert.equal("[1 2]", sent())
  end)

  it("changes with its subscription", function()
    subscribe { bn = { num = 9 } }
    add(1, 3)
    change { bn = { num = 2 } }
    w.fake.fire()
    assert.equal("[1 2]", sent())
    change { bn = json.null }
    w.fake.fire()
    assert.equal("[3]", sent())
    add(4)
    assert.equal("4", sent())
    change { bn = { dur = "PT5S" } }
    add(5, 6)
    change { ln = true }
    w.fake.fire()
    assert.equal("", sent())
    pass(6)
    assert.equal("6", sent())
  end)
end)

describe("a rate limit", function()
  it("keeps the surplus for the next windows, in order", function()
    subscribe { rl = { mnn = 2, tww = "PT10S" } }
    add(1, 5)
    assert.equal("1 2", sent())
    pass(9)
    assert.equal("", sent())
    pass(1.1)
    assert.equal("3 4", sent())
    add(6)
    pass(10)
    assert.equal("5 6", sent())
    pass(10)
    add(7)
    assert.equal("7", sent())
  end)

  it("goes on with its window after a restart", function()
    subscribe { rl = { mnn = 2, tww = "PT10S" } }
    add(1, 2)
    assert.equal("1 2", sent())
    local function restart()
      package.loaded["moon2m.lane"], package.loaded["moon2m.window"] = nil, nil
      lane = require "moon2m.lane"
      w.fake.timers = {}
      w.fake.tell_lanes()
      w.fake.task(require("moon2m.window").open)
      w.fake.run()
      lane.open()
      w.fake.soon()
    end
    restart()
    add(3, 5)
    assert.equal("", sent())
    restart()
    assert.equal("", sent())
    pass(10)
    assert.equal("3 4", sent())
    assert.is_string(w.fake.meta("rl.lane:5:Calice"))
    w:delete("Calice", C .. "/s")
    w.fake.fire()
    assert.is_nil(w.fake.meta("rl.lane:5:Calice"))
  end)

  it("counts a batch as one", function()
    subscribe { rl = { mnn = 1, tww = "PT10S" }, bn = { num = 2 } }
    add(1, 5)
    assert.equal("[1 2]", sent())
    pass(10.1)
    assert.equal("[3 4]", sent())
  end)

  it("with ln keeps the newest of the surplus", function()
    subscribe { rl = { mnn = 1, tww = "PT10S" }, ln = true }
    add(1, 4)
    assert.equal("1", sent())
    assert.equal(4, last().opts.ec)
    pass(10.1)
    assert.equal("4", sent())
  end)

  it("begins a new window when it is changed; without it nothing waits", function()
    subscribe { rl = { mnn = 1, tww = "PT10S" } }
    add(1, 5)
    assert.equal("1", sent())
    change { rl = { mnn = 2, tww = "PT20S" } }
    w.fake.fire()
    assert.equal("2 3", sent())
    change { rl = json.null }
    w.fake.fire()
    assert.equal("4 5", sent())
  end)

  it("is completed by the CSE", function()
    local _, s = subscribe { rl = { mnn = 4 } }
    assert.same({ mnn = 4, tww = "PT1S" }, s.rl)
    assert.equal(4000, (subscribe { rn = "t", rl = { tww = "PT0S" } }))
    assert.equal(4000, (subscribe { rn = "t", rl = { mnn = 0 } }))
    assert.equal(4000, (subscribe { rn = "t", bn = { num = 2, x = 1 } }))
  end)
end)

describe("ln", function()
  it("sends at once, with ec 4", function()
    subscribe { ln = true }
    add(1)
    assert.equal("1", sent())
    assert.equal(4, last().opts.ec)
    assert.equal(0, w.fake.lane_reads)
    change { ln = false }
    add(2)
    assert.is_nil(last().opts.ec)
  end)
end)

describe("what waits", function()
  it("for a target that is not named any more is dropped", function()
    subscribe { bn = { num = 9 } }
    add(1, 2)
    change { nu = { "http://u.example/x" } }
    w.fake.fire()
    assert.equal(2, w.fake.dropped.forgotten)
    add(3)
    pass(61)
    assert.equal("[3]", sent())
    assert.equal("http://u.example/x", last().to[1].target)
  end)

  it("goes before what comes when nothing holds it any more", function()
    subscribe { rl = { mnn = 1, tww = "PT10S" } }
    add(1, 3)
    change { rl = json.null }
    add(4)
    w.fake.fire()
    assert.equal("1 2 3 4", sent())
  end)

  it("is not in the way of others", function()
    subscribe { rn = "s", bn = { num = 9 } }
    subscribe { rn = "t" }
    add(1, 2)
    assert.equal("1 2", sent())
  end)
end)

describe("a schedule", function()
  -- An entry that covers the seconds from now + from to now + to of this minute, or all time.
  local function entry(from, to)
    local now = math.floor(sys.now() / 1e6)
    local list = {}
    for s = from, to do list[#list + 1] = (now + s) % 60 end
    return table.concat(list, ",") .. " * * * * * *"
  end

  local function schedule(sce, rn)
    local rsc, pc = w:request { op = 1, to = C .. "/s", fr = "Calice", ty = 18,
      pc = { ["m2m:sch"] = { rn = rn, se = { sce = { sce } } } } }
    return rsc, pc["m2m:sch"] or pc
  end

  local CLOSED = "* * * * * * 2001"

  local function open_it()
    local rsc = w:update("Calice", C .. "/s/notificationSchedule", "m2m:sch",
      { se = { sce = { "* * * * * * *" } } })
    assert.equal(2004, rsc)
    w.fake.fire()
  end

  it("keeps nothing without pn", function()
    subscribe {}
    add(1)
    assert.equal(2001, (schedule(CLOSED)))
    add(2, 3)
    assert.equal("1", sent())
    assert.equal(2, w.fake.dropped.policy)
    open_it()
    assert.equal("", sent())
    add(4)
    assert.equal("4", sent())
  end)

  it("keeps all with pn 2, the newest with pn 1", function()
    subscribe { pn = 2 }
    schedule(CLOSED)
    add(1, 3)
    assert.equal("", sent())
    open_it()
    assert.equal("1 2 3", sent())
    assert.is_nil(last().opts.ec)
    w:update("Calice", C .. "/s/notificationSchedule", "m2m:sch", { se = { sce = { CLOSED } } })
    change { pn = 1 }
    add(4, 6)
    open_it()
    assert.equal("6", sent())
    assert.equal(4, last().opts.ec)
    add(7)
    assert.equal("7", sent())
    assert.is_nil(last().opts.ec)
  end)

  it("opens by itself", function()
    subscribe { pn = 2 }
    schedule(entry(5, 20))
    add(1)
    assert.equal("", sent())
    world.advance(6)
    w.fake.fire()
    assert.equal("1", sent())
  end)

  it("comes after the batch and before the rate limit", function()
    subscribe { pn = 2, bn = { num = 2 }, rl = { mnn = 1, tww = "PT10S" } }
    schedule(CLOSED)
    add(1, 5)
    open_it()
    assert.equal("[1 2]", sent())
    pass(10.1)
    assert.equal("[3 4]", sent())
    pass(61)
    assert.equal("[5]", sent())
  end)

  it("does not hold what cannot wait (nec 2)", function()
    subscribe { nec = 2 }
    schedule(CLOSED)
    add(1)
    assert.equal("1", sent())
    assert.equal(2, last().opts.ec)
  end)

  it("loses what it kept when pn is taken away, all but the newest when it becomes 1", function()
    subscribe { pn = 2 }
    schedule(CLOSED)
    add(1, 3)
    change { pn = 1 }
    w.fake.fire()
    assert.equal(2, w.fake.dropped.replaced)
    change { pn = json.null }
    w.fake.fire()
    assert.equal(1, w.fake.dropped.policy)
  end)

  it("that is deleted holds nothing back", function()
    subscribe { pn = 2 }
    schedule(CLOSED)
    add(1, 2)
    assert.equal(2002, (w:delete("Calice", C .. "/s/notificationSchedule")))
    w.fake.fire()
    assert.equal("1 2", sent())
    add(3)
    assert.equal("3", sent())
  end)

  it("is read again at the start", function()
    subscribe { pn = 2 }
    schedule(CLOSED)
    local opening = require "moon2m.opening"
    opening.set(5, nil)
    w.fake.task(opening.open)
    w.fake.run()
    assert.is_truthy(opening.of(5))
  end)

  it("is refused where and how it cannot be", function()
    subscribe {}
    assert.equal(4000, (schedule(CLOSED, "other")))
    assert.equal(4000, (schedule("* * *")))
    assert.equal(4000, (schedule("61 * * * * * *")))
    assert.equal(4102, (w:request { op = 1, to = C .. "/s", fr = "Calice", ty = 18,
      pc = { ["m2m:sch"] = { nco = true, se = { sce = { CLOSED } } } } }))
    local rsc, s = schedule(CLOSED)
    assert.equal(2001, rsc)
    assert.equal("notificationSchedule", s.rn)
    assert.equal(4105, (schedule(CLOSED)))
    assert.equal(4108, (w:request { op = 1, to = C, fr = "Calice", ty = 18,
      pc = { ["m2m:sch"] = { se = { sce = { CLOSED } } } } }))
    assert.equal(4102, (w:update("Calice", C .. "/s/notificationSchedule", "m2m:sch",
      { nco = false })))
  end)
end)

describe("statistics", function()
  local function nsi()
    local _, pc = w:retrieve("Calice", C .. "/s")
    return pc["m2m:sub"].nsi
  end

  local function counts(rqs, rsr, noec)
    w.fake.stats[5] = { { tg = "Calice", rqs = rqs, rsr = rsr, noec = noec } }
  end

  it("are shown from the first event on", function()
    subscribe { nse = true }
    assert.is_nil(nsi())
    add(1)
    assert.is_nil(nsi())
    counts(3, 2, 4)
    assert.same({ { tg = "Calice", rqs = 3, rsr = 2, noec = 4 } }, nsi())
    w.fake.stats[5][2] = { tg = "lane:5:Calice", rqs = 0, rsr = 0, noec = 2 }
    assert.equal(6, nsi()[1].noec)
  end)

  it("are not counted without nse, kept with false, removed with null, anew with true", function()
    subscribe {}
    add(1)
    counts(1, 1, 1)
    assert.is_nil(nsi())
    change { nse = true }
    assert.is_nil(nsi())
    counts(3, 3, 3)
    assert.same({ { tg = "Calice", rqs = 2, rsr = 2, noec = 2 } }, nsi())
    change { nse = false }
    counts(9, 9, 9)
    assert.equal(2, nsi()[1].rqs)
    change { nse = true }
    assert.is_nil(nsi())
    counts(10, 9, 9)
    assert.equal(1, nsi()[1].rqs)
    change { nse = true }
    assert.is_nil(nsi())
    change { nse = json.null }
    counts(11, 9, 9)
    assert.is_nil(nsi())
  end)

  it("are kept over a restart, and go with their target", function()
    subscribe { nse = true }
    add(1)
    counts(1, 1, 1)
    local statistics = require "moon2m.statistics"
    w.fake.task(statistics.save)
    w.fake.run()
    counts(2, 2, 2)
    assert.equal(2, nsi()[1].rqs)
    statistics.forget(5)                      -- a new process knows nothing
    w.fake.stats = {}
    assert.equal(1, nsi()[1].rqs)
    require("moon2m.tree").drop()
    add(2)
    counts(1, 0, 1)
    assert.same({ { tg = "Calice", rqs = 2, rsr = 1, noec = 2 } }, nsi())
    change { nu = { "http://u.example/x" } }
    assert.is_nil(nsi())
  end)

  it("are not for clients to write", function()
    assert.equal(4000, (subscribe { nsi = json.array {} }))
    subscribe {}
    assert.equal(4000, (w:update("Calice", C .. "/s", "m2m:sub", { nsi = json.array {} })))
  end)
end)

describe("nsp", function()
  it("is the core's, from the first use on and with every change", function()
    subscribe {}
    subscribe { rn = "t", nsp = 7 }
    add(1)
    change { nsp = 3 }
    change { nsp = json.null }
    assert.same({ { "priority", 6, 7 }, { "priority", 5, 3 }, { "priority", 5, 0 } },
      w.fake.called("priority"))
    assert.equal(4000, (subscribe { rn = "u", nsp = 0 }))
  end)
end)
