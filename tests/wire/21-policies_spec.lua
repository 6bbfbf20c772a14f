-- Policies of subscriptions on the wire: bn, rl, ln (TS-0001 9.6.8, 10.2.10.7): when notifications
-- leave, in which order, and that what waits survives the end of the process, however it comes.

local cqueues = require "cqueues"
local h = require "harness"
local expect = h.expect

local names = 0

describe("policies", function()
  local s

  setup(function() s = h.start { config = "return { notification = { batch_time = 2 } }" } end)
  teardown(h.stop_all)

  -- An AE with a container and a subscription to its instances, and its connection.
  local function subscriber(attrs)
    names = names + 1
    local name = "pol" .. names
    local a = s:register(name)
    a.c = "/moon/" .. name .. "/c"
    expect(2001, s:create("/moon/" .. name, a.aei, 3, { rn = "c" }))
    local sub = { rn = "s", nu = { a.aei }, enc = { net = { 3 }, chty = { 4 } } }
    for k, v in pairs(attrs) do sub[k] = v end
    a.sub = expect(2001, s:create(a.c, a.aei, 23, sub))
    return a, s:listen(a)
  end

  local function add(a, from, to)
    for i = from, to or from do s:add(a.c, a.aei, tostring(i)) end
  end

  local function change(a, text)
    return expect(2004, s:update(a.c .. "/s", a.aei, '{"m2m:sub":' .. text .. "}"))
  end

  -- The next notification: "1", or "[1 2]" for an aggregate; its primitive.
  local function next_one(ws, seconds)
    local m, why = ws:notification(seconds or 5)
    if not m then error("no notification: " .. tostring(why), 2) end
    local agn = m.pc["m2m:agn"]
    if not agn then return m.pc["m2m:sgn"].nev.rep["m2m:cin"].con, m end
    local out = {}
    for i, sgn in ipairs(agn["m2m:sgn"]) do
      assert.matches("^/moon/", sgn.sur)
      out[i] = sgn.nev.rep["m2m:cin"].con
    end
    return "[" .. table.concat(out, " ") .. "]", m
  end

  it("bn: aggregates by number", function()
    local a, ws = subscriber { bn = { num = 3, dur = "PT60S" } }
    add(a, 1, 2)
    ws:expect_silence(0.2)
    add(a, 3, 7)
    assert.equal("[1 2 3]", (next_one(ws)))
    assert.equal("[4 5 6]", (next_one(ws)))
    ws:expect_silence(0.2)
    expect(2002, s:delete(a.c .. "/s", a.aei))
    assert.equal("[7]", (next_one(ws)))
  end)

  it("bn: aggregates by time, by default the configured one", function()
    local a, ws = subscriber { bn = { dur = "PT1S" } }
    local started = cqueues.monotime()
    add(a, 1, 4)
    assert.equal("[1 2 3 4]", (next_one(ws)))
    assert.is_true(cqueues.monotime() - started > 0.9)
    local b = subscriber { bn = { num = 5 } }
    assert.same({ num = 5, dur = "PT2S" }, b.sub.bn)
  end)

  it("bn with ln: the newest, ec 4", function()
    local a, ws = subscriber { bn = { num = 3 }, ln = true, nec = 200 }
    add(a, 1, 3)
    local what, m = next_one(ws)
    assert.equal("3", what)
    assert.equal(4, m.ec)
  end)

  it("nec: is the event category of an aggregate", function()
    local a, ws = subscriber { bn = { num = 2 }, nec = 200 }
    add(a, 1, 2)
    local what, m = next_one(ws)
    assert.equal("[1 2]", what)
    assert.equal(200, m.ec)
  end)

  it("rl: so many per window, the surplus in order", function()
    local a, ws = subscriber { rl = { mnn = 2, tww = "PT1S" } }
    local started = cqueues.monotime()
    add(a, 1, 5)
    for i = 1, 5 do
      assert.equal(tostring(i), (next_one(ws)))
      local took = cqueues.monotime() - started
      local windows = math.floor((i - 1) / 2)
      assert.is_true(took > windows * 0.95 - 0.05 and took < windows + 4, i .. " after " .. took)
    end
  end)

  it("bn and rl: an aggregate is one notification", function()
    local a, ws = subscriber { bn = { num = 2 }, rl = { mnn = 1, tww = "PT1S" } }
    local started = cqueues.monotime()
    add(a, 1, 4)
    assert.equal("[1 2]", (next_one(ws)))
    assert.equal("[3 4]", (next_one(ws)))
    assert.is_true(cqueues.monotime() - started > 0.9)
  end)

  it("updates: bn and rl of a live subscription", function()
    local a, ws = subscriber { bn = { num = 9 } }
    add(a, 1, 2)
    change(a, '{"bn":null}')
    assert.equal("[1 2]", (next_one(ws)))
    change(a, '{"rl":{"mnn":1,"tww":"PT30S"}}')
    add(a, 3, 5)
    assert.equal("3", (next_one(ws)))
    ws:expect_silence(0.2)
    change(a, '{"ln":true}')
    change(a, '{"rl":null}')
    local what, m = next_one(ws)
    assert.equal("5", what)
    assert.equal(4, m.ec)
    change(a, '{"ln":null}')
    add(a, 6)
    what, m = next_one(ws)
    assert.equal("6", what)
    assert.is_nil(m.ec)
  end)

  it("values that are none are refused", function()
    local a = subscriber {}
    for _, text in ipairs { '{"bn":{"num":0}}', '{"bn":{"dur":"PT0S"}}', '{"bn":5}',
      '{"rl":{"mnn":-1}}', '{"rl":{"tww":"1"}}', '{"ln":1}', '{"bn":{"x":1}}' } do
      expect(4000, s:update(a.c .. "/s", a.aei, '{"m2m:sub":' .. text .. "}"),
        text:match('"(%w+)"'))
    end
  end)

  it("exc: counts the events of an aggregate", function()
    local a, ws = subscriber { bn = { num = 2 }, exc = 5 }
    add(a, 1, 2)
    assert.equal("[1 2]", (next_one(ws)))
    h.wait("exc to be 3", function()
      return expect(2000, s:retrieve(a.c .. "/s", a.aei)).exc == 3
    end)
    add(a, 3, 6)
    assert.equal("[3 4]", (next_one(ws)))
    assert.equal("[5 6]", (next_one(ws)))
    h.wait("the end of the subscription", function()
      return s:retrieve(a.c .. "/s", a.aei).rsc == 4004
    end)
  end)

  it("what waits survives kill -9, and goes out in order", function()
    local a, ws = subscriber { rl = { mnn = 2, tww = "PT2S" } }
    local b = subscriber { bn = { num = 4, dur = "PT60S" } }
    add(a, 1, 6)
    add(b, 1, 3)
    assert.equal("1", (next_one(ws)))
    assert.equal("2", (next_one(ws)))
    s:kill()
    s:run()
    local wsb
    ws, wsb = s:listen(a), s:listen(b)
    local last = 2
    while last < 6 do                         -- unanswered ones may be repeated
      local what = tonumber((next_one(ws, 8)))
      assert.is_true(what <= last + 1, "out of order: " .. what)
      last = math.max(last, what)
    end
    add(b, 4)
    assert.equal("[1 2 3 4]", (next_one(wsb)))
    add(a, 7)
    assert.equal("7", (next_one(ws)))
  end)

  it("nsp: when a target has no room, what matters least goes", function()
    local small = h.start { config = "return { notification = { max_count = 3 } }" }
    local a = small:register("nsp")
    for _, name in ipairs { "low", "high" } do
      expect(2001, small:create("/moon/nsp", a.aei, 3, { rn = name }))
      local sub = expect(2001, small:create("/moon/nsp/" .. name, a.aei, 23, { nu = { a.aei },
        enc = { net = { 3 } }, nsp = name == "high" and 9 or 1 }))
      assert.equal(name == "high" and 9 or 1, sub.nsp)
    end
    for i = 1, 3 do
      small:add("/moon/nsp/high", a.aei, "h" .. i)
      small:add("/moon/nsp/low", a.aei, "l" .. i)
    end
    local ws = small:listen(a)
    local gap = assert(ws:notification(5)).pc["moon2m:gap"]
    assert.equal(3, gap.dropped)
    for i = 1, 3 do assert.equal("h" .. i, (ws:content())) end
    ws:close()
    assert.equal(0, small:stop())
  end)

  it("rl: a restart begins no new window, nor does kill -9", function()
    local a, ws = subscriber { rl = { mnn = 2, tww = "PT60S" } }
    add(a, 1, 2)
    for i = 1, 2 do assert.equal(tostring(i), (next_one(ws))) end
    ws:close()
    s:kill()
    s:run()
    ws = s:listen(a)
    add(a, 3)
    h.sleep(0.2)
    s:stop()
    s:run()
    ws:close()
    ws = s:listen(a)
    add(a, 4)
    while true do                              -- what was not known to be acknowledged comes again
      local m = ws:notification(0.5)
      if not m then break end
      assert.is_true(tonumber(m.pc["m2m:sgn"].nev.rep["m2m:cin"].con) <= 2)
    end
    change(a, '{"rl":null}')
    for i = 3, 4 do assert.equal(tostring(i), (next_one(ws))) end
  end)

  it("bn: dur counts from the oldest notification, over kill -9 too", function()
    local a, ws = subscriber { bn = { num = 9, dur = "PT6S" } }
    local began = cqueues.monotime()
    add(a, 1)
    ws:close()
    h.sleep(4)
    s:kill()
    s:run()
    ws = s:listen(a)
    assert.equal("1", (next_one(ws, 10)):match("%d"))
    local took = cqueues.monotime() - began
    assert.is_true(took > 5.5 and took < 9.5, tostring(took))
  end)

  it("nsp: counts from the first moment after kill -9", function()
    local small = h.start { config = "return { notification = { max_count = 3 } }" }
    local a = small:register("nsp2")
    for name, nsp in pairs { low = 1, high = 9, none = 5 } do
      expect(2001, small:create("/moon/nsp2", a.aei, 3, { rn = name }))
      expect(2001, small:create("/moon/nsp2/" .. name, a.aei, 23, { nu = { a.aei },
        enc = { net = { 3 } }, nsp = nsp }))
    end
    small:add("/moon/nsp2/high", a.aei, "h1")
    small:add("/moon/nsp2/low", a.aei, "l1")
    small:add("/moon/nsp2/high", a.aei, "h2")
    small:kill()
    small:run()
    small:add("/moon/nsp2/none", a.aei, "n1")
    small:add("/moon/nsp2/none", a.aei, "n2")
    local ws = small:listen(a)
    assert.equal(2, assert(ws:notification(5)).pc["moon2m:gap"].dropped)
    for _, con in ipairs { "h1", "h2", "n2" } do assert.equal(con, (ws:content())) end
    ws:close()
    assert.equal(0, small:stop())
  end)

  it("batches go out at shutdown", function()
    local a, ws = subscriber { bn = { num = 9, dur = "PT60S" } }
    add(a, 1, 2)
    ws:close()
    assert.equal(0, s:stop())
    s:run()
    ws = s:listen(a)
    assert.equal("[1 2]", (next_one(ws)))
  end)
end)
