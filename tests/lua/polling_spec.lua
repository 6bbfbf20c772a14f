-- Polling channels (TS-0001 10.2.5.12, TS-0004 7.4.21): creation, who may use them, long polling,
-- order, answers, times, what happens when they go.

local world = require "world"

local w, json, fake

before_each(function()
  w = world.new(true)
  json, fake = require "moon2m.json", w.fake
  assert.equal(2001, (w:ae("Cdev", "dev", { rr = false })))
end)
after_each(world.real_time)

local function channel(attrs)
  attrs = attrs or {}
  attrs.rn = attrs.rn or "pch"
  local rsc, pc = w:create("Cdev", "moon/dev", 15, attrs)
  assert.equal(2001, rsc, world.dbg(pc))
  return pc["m2m:pch"]
end

local function poll(more)
  local req = { op = 2, to = "moon/dev/pch/pcu", fr = "Cdev" }
  for k, v in pairs(more or {}) do req[k] = v end
  local box = w:start(req)
  fake.run()
  return box
end

-- What a poll brought: its primitive, decoded.
local function polled(box)
  assert.is_true(box.done)
  assert.equal(2000, box[1])
  return json.decode(box[2])["m2m:rqp"]
end

local function notify(fr, more)
  local req = { op = 5, to = "moon/dev", fr = fr, pc = '{"m2m:sgn":{"sur":"x"}}' }
  for k, v in pairs(more or {}) do req[k] = v end
  local box = w:start(req)
  fake.run()
  return box
end

local function answer(rqi, rsc, pc, fr)
  return w:request { op = 5, to = "moon/dev/pch/pcu", fr = fr or "Cdev",
    pc = { ["m2m:rsp"] = { rqi = rqi, rsc = rsc, pc = pc } } }
end

-- Whoever may notify the AE.
local function open_ae()
  assert.equal(2001, (w:create("Cdev", "moon/dev", 1, { rn = "acp",
    pv = { acr = { { acor = { "all" }, acop = 63 } } },
    pvs = { acr = { { acor = { "Cdev" }, acop = 63 } } } })))
  assert.equal(2004, (w:update("Cdev", "moon/dev", "m2m:ae", { acpi = { "moon/dev/acp" } })))
end

describe("pollingChannel", function()
  it("is created by its AE, below its AE, once", function()
    assert.equal(4103, (w:create("CAdmin", "moon/dev", 15, {})))
    assert.equal(4103, (w:create("Cbob", "moon/dev", 15, {})))
    assert.equal(4108, (w:create("CAdmin", "moon", 15, {})))
    local pch = channel()
    assert.equal("Cdev", pch.pi)
    assert.equal(15, pch.ty)
    local rsc, pc = w:create("Cdev", "moon/dev", 15, { rn = "other" })
    assert.equal(4000, rsc)
    assert.matches("one pollingChannel", world.dbg(pc))
    assert.equal(2002, (w:delete("Cdev", "moon/dev/pch")))
    channel { rqag = true }
  end)

  it("two at the same time: one is refused", function()
    fake.hold()
    local a = w:start { op = 1, to = "moon/dev", fr = "Cdev", ty = 15, pc = '{"m2m:pch":{}}' }
    local b = w:start { op = 1, to = "moon/dev", fr = "Cdev", ty = 15, pc = '{"m2m:pch":{}}' }
    fake.run()
    fake.flush()
    assert.same({ 2001, 4000 }, { a[1], b[1] })
  end)

  it("a failed creation leaves room for another", function()
    fake.fail "io"
    assert.equal(5000, (w:create("Cdev", "moon/dev", 15, {})))
    fake.fail(nil)
    channel()
  end)

  it("belongs to its AE", function()
    channel()
    for _, fr in ipairs { "Cbob", "Calice" } do
      assert.equal(4103, (w:retrieve(fr, "moon/dev/pch")))
      assert.equal(4103, (w:update(fr, "moon/dev/pch", "m2m:pch", { rqag = true })))
      assert.equal(4103, (w:delete(fr, "moon/dev/pch")))
      assert.equal(4103, (w:retrieve(fr, "moon/dev/pch/pcu")))
      assert.equal(4103, (answer("x", 2000, nil, fr)))
    end
    assert.equal(4103, (w:retrieve("CAdmin", "moon/dev/pch/pcu")))
    assert.equal(2004, (w:update("Cdev", "moon/dev/pch", "m2m:pch", { rqag = true })))
  end)

  it("pcu takes RETRIEVE and NOTIFY only", function()
    channel()
    assert.equal(4005, (w:create("Cdev", "moon/dev/pch/pcu", 3, {})))
    assert.equal(4005, (w:update("Cdev", "moon/dev/pch/pcu", "m2m:pch", { rqag = true })))
    assert.equal(4005, (w:delete("Cdev", "moon/dev/pch/pcu")))
    assert.equal(4005, (w:delete("Cdev", "moon/dev/pch/pcu", "lbl=x")))
    assert.equal(4004, (w:retrieve("Cdev", "moon/dev/pcu")))
  end)

  it("decides the route: rr false and a channel, else poa", function()
    local function last()
      local calls = fake.called "routes"
      return calls[#calls] and calls[#calls][3]
    end
    channel()
    assert.same({ "pch:" }, last())
    w:update("Cdev", "moon/dev", "m2m:ae", { poa = { "http://h:1" } })
    assert.same({ "pch:" }, last())
    w:update("Cdev", "moon/dev", "m2m:ae", { rr = true })
    assert.same({ "http://h:1" }, last())
    w:update("Cdev", "moon/dev", "m2m:ae", { rr = false })
    assert.same({ "pch:" }, last())
    w:delete("Cdev", "moon/dev/pch")
    assert.same({ "http://h:1" }, last())
  end)

  it("is told to the core at start", function()
    channel()
    w:ae("Crr", "rr", { rr = true })
    w:create("Crr", "moon/rr", 15, {})
    local before = #fake.called "routes"
    fake.task(require("moon2m.polling").open)
    fake.run()
    local calls = fake.called "routes"
    assert.equal(before + 1, #calls)
    assert.same({ "Cdev", { "pch:" } }, { calls[#calls][2], calls[#calls][3] })
  end)
end)

describe("a poll", function()
  before_each(function()
    channel()
    open_ae()
  end)

  it("waits until its time is over: 4008", function()
    local box = poll { rqet = "2000" }
    assert.is_false(box.done)
    fake.fire()
    assert.is_true(box.done)
    assert.equal(4008, box[1])
  end)

  it("brings what waits already, one at a time, in the order of arrival", function()
    fake.keep("Cdev", "n1", '{"m2m:sgn":{"a":1}}')
    local asked = notify("Cbob", { rqi = "r2" })
    fake.keep("Cdev", "n3", '{"m2m:sgn":{"a":3}}')
    assert.is_false(asked.done)
    assert.equal("n1", polled(poll()).rqi)
    local m = polled(poll())
    assert.same({ 5, "Cdev", "Cbob", "Cbob/r2", "3" }, { m.op, m.to, m.fr, m.rqi, m.rvi })
    assert.same({ ["m2m:sgn"] = { sur = "x" } }, m.pc)
    assert.is_string(m.rqet)
    assert.equal("n3", polled(poll()).rqi)
    assert.is_false(poll().done)
    assert.equal(2000, (answer("n1", 2000)))
    assert.equal(2000, fake.given.n1)
    assert.is_false(asked.done)
    assert.equal(2000, (answer("Cbob/r2", 2000, { x = 1 })))
    assert.is_true(asked.done)
    assert.same({ 2000, '{"x":1}' }, { asked[1], asked[2] })
  end)

  it("several polls are served first in, first out", function()
    local first, second = poll(), poll()
    fake.keep("Cdev", "n1", "{}")
    assert.is_true(first.done)
    assert.is_false(second.done)
    fake.keep("Cdev", "n2", "{}")
    assert.same({ "n1", "n2" }, { polled(first).rqi, polled(second).rqi })
  end)

  it("are limited in number", function()
    for _ = 1, 16 do assert.is_false(poll().done) end
    local box = poll()
    assert.equal(5000, box[1])
  end)

  it("with rqag brings all there is as m2m:agrp", function()
    w:update("Cdev", "moon/dev/pch", "m2m:pch", { rqag = true })
    fake.keep("Cdev", "n1", "{}")
    notify("Cbob", { rqi = "r2" })
    fake.keep("Cdev", "n3", "{}")
    local box = poll()
    local list = json.decode(box[2])["m2m:agrp"]
    assert.same({ "n1", "Cbob/r2", "n3" }, { list[1].rqi, list[2].rqi, list[3].rqi })
  end)

  it("that nobody received gives its request back", function()
    local asked = notify("Cbob", { rqi = "r1" })
    local lost = poll()
    lost[3].undelivered()
    assert.equal("Cbob/r1", polled(poll()).rqi)
    answer("Cbob/r1", 2000)
    assert.is_true(asked.done)
  end)

  it("is blocking: 4000 for rt 1 and 2, flex waits", function()
    assert.equal(4000, poll { query = "rt=1" }[1])
    assert.equal(4000, poll { query = "rt=2" }[1])
    local box = poll { query = "rt=4" }
    assert.is_false(box.done)
    fake.keep("Cdev", "n1", "{}")
    assert.equal("n1", polled(box).rqi)
  end)
end)

describe("a request for an AE that polls", function()
  before_each(function()
    channel()
    open_ae()
  end)

  it("that is not answered in time: 4008, and is not handed out later", function()
    local asked = notify("Cbob", { rqet = "1000" })
    fake.fire()
    assert.equal(4008, asked[1])
    assert.is_false(poll().done)
  end)

  it("with the identifier of one that waits gets another", function()
    notify("Cbob", { rqi = "same" })
    notify("Cbob", { rqi = "same" })
    local a, b = polled(poll()).rqi, polled(poll()).rqi
    assert.equal("Cbob/same", a)
    assert.matches("^Cbob/same%.%x+$", b)
  end)

  it("answers with the AE's own code", function()
    local asked = notify("Cbob", { rqi = "r" })
    polled(poll())
    answer("Cbob/r", 4102)
    assert.equal(4102, asked[1])
  end)

  it("is answered 5103 when the channel goes, a poll 4004", function()
    local waiting, given = notify("Cbob", { rqi = "a" }), notify("Cbob", { rqi = "b" })
    polled(poll())
    w:delete("Cdev", "moon/dev/pch")
    assert.same({ 5103, 5103 }, { waiting[1], given[1] })
    channel { rn = "pch" }
    local box = poll()
    w:delete("Cdev", "moon/dev")
    assert.equal(4004, box[1])
  end)

  it("verifies it too", function()
    local box = w:start { op = 1, to = "moon/alice", fr = "Calice", ty = 23,
      pc = { ["m2m:sub"] = { nu = { "Cdev" } } } }
    fake.run()
    while not box.done and fake.soon() do end
    local m = polled(poll())
    assert.is_true(m.pc["m2m:sgn"].vrq)
    assert.equal("/moon", m.fr)
    answer(m.rqi, 2000)
    for _ = 1, 3 do fake.fire() end
    assert.equal(2001, box[1])
  end)

  it("many of them: 5103 beyond the limit", function()
    for i = 1, 256 do notify("Cbob", { rqi = "r" .. i }) end
    local box = notify("Cbob")
    assert.equal(5103, box[1])
  end)
end)

describe("an answer on pcu", function()
  before_each(function() channel() end)

  it("is an m2m:rsp with rqi and rsc, else 4000", function()
    for _, pc in ipairs { '{"m2m:sgn":{}}', '{"m2m:rsp":1}', '{"m2m:rsp":{"rqi":"x"}}',
      '{"m2m:rsp":{"rqi":1,"rsc":2000}}', '{"m2m:rsp":{"rqi":"x","rsc":"2000"}}',
      '{"m2m:rsp":{"rqi":"x","rsc":2000},"x":1}' } do
      local rsc = w:request { op = 5, to = "moon/dev/pch/pcu", fr = "Cdev", pc = pc }
      assert.equal(4000, rsc, pc)
    end
    assert.equal(4000, (w:request { op = 5, to = "moon/dev/pch/pcu", fr = "Cdev" }))
  end)

  it("to nothing is dropped", function()
    assert.equal(2000, (answer("nobody", 2000)))
  end)
end)
