-- Polling channels (TS-0001 10.2.5.12, TS-0004 7.4.21, 7.4.22): an AE with rr false and a
-- pollingChannel fetches its notifications by long polling, over HTTP and WebSocket.

local h = require "harness"
local expect = h.expect

local function channel(s, name, attrs)
  local a = s:register(name, { rr = false })
  expect(2001, s:create("/moon/" .. name, a.aei, 15, { ["m2m:pch"] = attrs or { rn = "pch" } }))
  return a
end

local function pcu(name) return "/moon/" .. name .. "/pch/pcu" end

-- One poll over HTTP: the request in it.
local function poll(s, name, seconds)
  local a = s:retrieve(pcu(name), "C" .. name,
    { headers = { ["x-m2m-ret"] = tostring((seconds or 5) * 1000) } })
  return a.rsc == 2000 and a.body["m2m:rqp"], a
end

local function answer(s, name, rqi, rsc, pc)
  return s:http("POST", pcu(name), "C" .. name,
    { body = { ["m2m:rsp"] = { rqi = rqi, rsc = rsc or 2000, rvi = "3", pc = pc } } })
end

-- A container of Csrc that name is told of: its path.
local function watched(s, name, rn)
  expect(2001, s:create("/moon/src", "Csrc", 3, { rn = rn }))
  local path = "/moon/src/" .. rn
  expect(2001, s:create("/moon/src", "Csrc", 1, { rn = "acp" .. rn,
    pv = { acr = { { acor = { "all" }, acop = 63 } } },
    pvs = { acr = { { acor = { "Csrc" }, acop = 63 } } } }))
  expect(2004, s:update(path, "Csrc", { ["m2m:cnt"] = { acpi = { "moon/src/acp" .. rn } } }))
  expect(2001, s:create(path, "C" .. name, 23, { nu = { "C" .. name }, enc = { net = { 3 } } }))
  return path
end

local function content(m) return m.pc["m2m:sgn"].nev.rep["m2m:cin"].con end

describe("pollingChannel", function()
  local s
  setup(function()
    s = h.start { config = "return { request_time = 2, notification = { answer_time = 1 } }" }
    s:register("src")
  end)
  teardown(h.stop_all)

  it("one per AE, by the AE itself, below an AE only", function()
    channel(s, "a1")
    expect(4000, s:create("/moon/a1", "Ca1", 15, { ["m2m:pch"] = { rn = "x" } }), "one polling")
    s:register("a2")
    expect(4103, s:create("/moon/a2", "Ca1", 15, { ["m2m:pch"] = { rn = "x" } }))
    expect(4108, s:create("/moon", "CAdmin", 15, { ["m2m:pch"] = { rn = "x" } }))
    expect(4103, s:retrieve("/moon/a1/pch", "Csrc"))
    expect(4103, s:retrieve(pcu "a1", "Csrc"))
    expect(4103, s:http("POST", pcu "a1", "Csrc", { body = { ["m2m:rsp"] = { rqi = "x",
      rsc = 2000 } } }))
    expect(4005, s:delete(pcu "a1", "Ca1"))
    expect(4005, s:update(pcu "a1", "Ca1", { ["m2m:pch"] = { rqag = true } }))
    expect(4005, s:create(pcu "a1", "Ca1", 3, { rn = "c" }))
    expect(4000, s:http("POST", pcu "a1", "Ca1", { body = { ["m2m:sgn"] = { sur = "x" } } }))
    local pch = expect(2000, s:retrieve("/moon/a1/pch", "Ca1"))
    assert.same({ 15, "Ca1" }, { pch.ty, pch.pi })
  end)

  it("nothing comes: 4008 at rqet, or when the request time is over", function()
    channel(s, "b1")
    local cqueues = require "cqueues"
    local t = cqueues.monotime()
    local _, a = poll(s, "b1", 0.5)
    assert.equal(4008, a.rsc)
    assert.equal(504, a.status)
    local took = cqueues.monotime() - t
    assert.is_true(took > 0.4 and took < 1.9, tostring(took))
    t = cqueues.monotime()
    expect(4008, s:retrieve(pcu "b1", "Cb1"))
    took = cqueues.monotime() - t
    assert.is_true(took > 1.8 and took < 6, tostring(took))
  end)

  it("notifications come one per poll, in order, and are done when they are answered", function()
    channel(s, "c1")
    local path = watched(s, "c1", "c1")
    for i = 1, 3 do s:add(path, "Csrc", tostring(i)) end
    for i = 1, 3 do
      local m = poll(s, "c1")
      assert.equal(tostring(i), content(m))
      assert.same({ 5, "Cc1", "/moon", "3" }, { m.op, m.to, m.fr, m.rvi })
      expect(2000, answer(s, "c1", m.rqi))
    end
    assert.is_false((poll(s, "c1", 0.3)))
  end)

  it("a poll that waits gets what happens then, the first poll first", function()
    channel(s, "d1")
    local path = watched(s, "d1", "d1")
    local ws = s:primitives("Cd1")
    for _, rqi in ipairs { "p1", "p2" } do
      assert(ws:send { op = 2, to = "moon/d1/pch/pcu", fr = "Cd1", rqi = rqi, rvi = "3",
        rqet = 5000 })
    end
    ws:expect_silence(0.2)
    s:add(path, "Csrc", "x")
    local m = ws:response("p1")
    assert.equal("x", content(expect(2000, m)))
    ws:expect_silence(0.2)
    s:add(path, "Csrc", "y")
    assert.equal("y", content(expect(2000, ws:response("p2"))))
    ws:close()
  end)

  it("what is not answered comes again, with the same rqi; also after kill -9", function()
    channel(s, "e1")
    local path = watched(s, "e1", "e1")
    s:add(path, "Csrc", "1")
    local m = poll(s, "e1")
    local again = poll(s, "e1")
    assert.equal(m.rqi, again.rqi)
    s:kill()
    s:run()
    again = poll(s, "e1")
    assert.same({ m.rqi, "1" }, { again.rqi, content(again) })
    expect(2000, answer(s, "e1", m.rqi))
    assert.is_false((poll(s, "e1", 0.3)))
  end)

  it("rqag: all there is in one answer", function()
    channel(s, "f1", { rn = "pch", rqag = true })
    local path = watched(s, "f1", "f1")
    for i = 1, 3 do s:add(path, "Csrc", tostring(i)) end
    local seen = {}
    while #seen < 3 do
      local a = s:retrieve(pcu "f1", "Cf1")
      for _, m in ipairs(expect(2000, a)) do
        seen[#seen + 1] = content(m)
        answer(s, "f1", m.rqi)
      end
    end
    assert.same({ "1", "2", "3" }, seen)
    expect(2004, s:update("/moon/f1/pch", "Cf1", { ["m2m:pch"] = { rqag = false } }))
    s:add(path, "Csrc", "4")
    assert.equal("4", content(poll(s, "f1")))
  end)

  it("a NOTIFY of another AE is passed on, and answered with what the AE says", function()
    channel(s, "g1")
    expect(2001, s:create("/moon/g1", "Cg1", 1, { rn = "acp",
      pv = { acr = { { acor = { "all" }, acop = 16 } } },
      pvs = { acr = { { acor = { "Cg1" }, acop = 63 } } } }))
    expect(2004, s:update("/moon/g1", "Cg1", { ["m2m:ae"] = { acpi = { "moon/g1/acp" } } }))
    local ws = s:primitives("Csrc")
    assert(ws:send { op = 5, to = "moon/g1", fr = "Csrc", rqi = "n1", rvi = "3",
      pc = { ["m2m:sgn"] = { sur = "u" } } })
    local m = poll(s, "g1")
    assert.same({ "Csrc", "u" }, { m.fr, m.pc["m2m:sgn"].sur })
    expect(2000, answer(s, "g1", m.rqi, 4102))
    expect(4102, ws:response("n1"))
    assert(ws:send { op = 5, to = "moon/g1", fr = "Csrc", rqi = "n2", rvi = "3", rqet = 300,
      pc = { ["m2m:sgn"] = { sur = "u" } } })
    expect(4008, ws:response("n2"))
    assert(ws:send { op = 5, to = "moon/g1", fr = "Csrc", rqi = "n3", rvi = "3",
      pc = { ["m2m:sgn"] = { sur = "u" } } })
    h.sleep(0.1)
    expect(2002, s:delete("/moon/g1/pch", "Cg1"))
    expect(5103, ws:response("n3"))
    ws:close()
  end)

  it("is used instead of the AE's connection, until rr is true or it is deleted", function()
    local a = channel(s, "h1")
    local path = watched(s, "h1", "h1")
    local ws = s:listen(a)
    s:add(path, "Csrc", "1")
    ws:expect_silence(0.3)
    local m = poll(s, "h1")
    expect(2000, answer(s, "h1", m.rqi))
    s:add(path, "Csrc", "2")
    expect(2004, s:update("/moon/h1", "Ch1", { ["m2m:ae"] = { rr = true } }))
    assert.equal("2", (ws:content()))
    expect(2004, s:update("/moon/h1", "Ch1", { ["m2m:ae"] = { rr = false } }))
    s:add(path, "Csrc", "3")
    ws:expect_silence(0.3)
    expect(2002, s:delete("/moon/h1/pch", "Ch1"))
    assert.equal("3", (ws:content()))
    ws:close()
  end)

  it("a poll whose channel is deleted ends with 4004", function()
    channel(s, "i1")
    local ws = s:primitives("Ci1")
    assert(ws:send { op = 2, to = "moon/i1/pch/pcu", fr = "Ci1", rqi = "p", rvi = "3" })
    h.sleep(0.1)
    expect(2002, s:delete("/moon/i1/pch", "Ci1"))
    expect(4004, ws:response("p"))
    ws:close()
  end)

  it("a subscription is verified through it", function()
    channel(s, "j1")
    expect(2001, s:create("/moon/src", "Csrc", 3, { rn = "j1" }))
    local ws = s:primitives("Csrc")
    assert(ws:send { op = 1, ty = 23, to = "moon/src/j1", fr = "Csrc", rqi = "s", rvi = "3",
      pc = { ["m2m:sub"] = { nu = { "Cj1" } } } })
    local m = poll(s, "j1")
    assert.is_true(m.pc["m2m:sgn"].vrq)
    expect(2000, answer(s, "j1", m.rqi))
    expect(2001, ws:response("s"))
    ws:close()
  end)
end)
