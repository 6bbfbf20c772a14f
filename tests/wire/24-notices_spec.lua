-- What became of each notification: formats that failed and are tried again, the counters, the
-- operator's command `moon2m notices`.

local cjson = require "cjson"
local socket = require "cqueues.socket"
local h = require "harness"
local expect = h.expect

local function prepare(s, label)
  local ae = s:register("dev")
  expect(2001, s:create("/moon/dev", "Cdev", 3, { rn = "c" }))
  expect(2001, s:create("/moon/dev/c", "Cdev", 23, { rn = "s", nu = { "Cdev" }, lbl = { label },
    enc = { net = { 3 }, chty = { 4 } } }))
  return ae
end

local FORMAT = [[
local cse = require "moon2m"
cse.format("later", function(n) return "later " .. n.res.con end)
]]

local function script(s, name, text)
  local file = ("%s/%s.lua"):format(s.dir, name)
  local f = assert(io.open(file, "w"))
  f:write(text)
  f:close()
  return file
end

describe("a format that is not there", function()
  teardown(h.stop_all)

  it("has its notices rendered at the start that brings it", function()
    local s = h.start()
    local ae = prepare(s, "format:later")
    for i = 1, 3 do s:add("/moon/dev/c", "Cdev", "v" .. i) end
    assert.equal(3, s:metric("moon2m_notices_parked"))
    s:kill()
    s:run()
    assert.equal(3, s:metric("moon2m_notices_parked"))
    s:stop()
    s.apps = { script(s, "later", FORMAT) }
    s:run()
    local ws = assert(s:ws(ae.url, {}))
    for i = 1, 3 do assert.equal("later v" .. i, (ws.ws:receive(5))) end
    s:add("/moon/dev/c", "Cdev", "v4")
    assert.equal("later v4", (ws.ws:receive(5)))
    assert.equal(0, s:metric("moon2m_notices_parked"))
    ws:close()
  end)
end)

describe("moon2m notices", function()
  local s, ae

  setup(function()
    s = h.start()
    ae = prepare(s, "x")
    expect(2001, s:create("/moon/dev/c", "Cdev", 23, { rn = "t", nu = { "http://127.0.0.1:1/x" },
      enc = { net = { 3 }, chty = { 4 } } }))
    for i = 1, 2 do s:add("/moon/dev/c", "Cdev", "v" .. i) end
  end)
  teardown(h.stop_all)

  -- The output and exit code of the command.
  local function notices(args)
    return h.sh("%s notices --data %s %s", h.bin, s.data, args)
  end

  -- The rows of its JSON output.
  local function rows(args)
    local text, rc = notices("--json " .. args)
    local list = {}
    assert.equal(0, rc, text)
    for line in text:gmatch("[^\n]+") do list[#list + 1] = cjson.decode(line) end
    return list
  end

  it("prints a table of what waits", function()
    local text, rc = notices ""
    assert.equal(0, rc)
    local lines = {}
    for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.matches("^STATE +TARGET +SUBSCRIPTION +AGE +ATTEMPTS +BYTES +ERROR$", lines[1])
    assert.matches("^parked +Cdev +/moon/%w+ +%d+s +0 +%d+ +%-$", lines[2])
    assert.matches("http://127.0.0.1:1/x +/moon/%w+ +%d+s +%d+ +%d+", lines[4])
    assert.equal("4 notices", lines[6])
    assert.matches("\n1 notice, and more: see %-%-limit$", (notices "--limit 1"))
    assert.equal("0 notices", (notices "--target Cnone"))
  end)

  it("prints JSON", function()
    local list = rows "--target Cdev"
    assert.equal(2, #list)
    assert.equal("parked", list[1].state)
    assert.is_true(list[1].id < list[2].id)
    assert.is_true(list[1].age >= 0 and list[1].at > 1e15)
    assert.equal(2, #rows("--sub " .. list[1].sur))
    assert.equal(2, #rows("--sub " .. list[1].sur:match("[^/]+$")))
    assert.equal(0, #rows("--sub nonsense"))
  end)

  it("counts", function()
    local failed = h.wait("a failure", function()
      local a = rows("--counters --target http://127.0.0.1:1/x")[1]
      return a.error and a
    end)
    assert.equal(2, failed.events)
    assert.is_true(failed.sent >= 1)
    assert.equal(2, failed.queued)
    assert.equal(0, failed.acknowledged)
    local ws = s:listen(ae)
    for _ = 1, 2 do assert(ws:notification(5, true)) end
    local a = h.wait("acknowledgements", function()
      local x = rows("--counters --target Cdev")[1]
      return x.acknowledged == 2 and x
    end)
    assert.same({ 2, 2, 2, 0, 0, "connected" },
      { a.events, a.sent, a.answered, a.failed, a.queued, a.state })
    assert.equal(2, s:metric("moon2m_target_notices_total",
      'target="Cdev",state="acknowledged"'))
    local of = ('sub="%s"'):format(a.sur)
    assert.equal(2, s:metric("moon2m_subscription_events_total", of))
    assert.equal(0, s:metric("moon2m_subscription_waiting", of))
    assert.equal(2, s:metric("moon2m_subscription_notices_total", of .. ',state="acknowledged"'))
    assert.equal(2, s:metric("moon2m_subscription_waiting", ('sub="%s"'):format(failed.sur)))
    assert.matches("\n1 account$", (notices "--counters --target Cdev"))
    ws:close()
    assert.matches("SUBSCRIPTION +TARGET +IS +EVENTS", (notices "--counters"))
  end)

  it("shows the status that a URL answers", function()
    local web = socket.listen { host = "127.0.0.1", port = 0 }
    web:settimeout(10)
    web:listen()
    local _, _, port = web:localname()
    local url = ("http://127.0.0.1:%d/gone"):format(port)
    expect(2001, s:create("/moon/dev", "Cdev", 3, { rn = "d" }))
    expect(2001, s:create("/moon/dev/d", "Cdev", 23, { nu = { url }, enc = { net = { 3 } } }))
    s:add("/moon/dev/d", "Cdev", "v")
    local c = assert(web:accept(10))
    c:setmode("b", "bn")
    c:settimeout(10)
    assert(c:read("*l"))
    c:write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    c:flush()
    local a = h.wait("the failure", function()
      local x = rows("--counters --target " .. url)[1]
      return x and x.failed == 1 and x
    end)
    c:close()
    web:close()
    assert.same({ 404, "refused" }, { a.code, a.error })
    assert.matches(" 404 refused\n1 account$", (notices("--counters --target " .. url)))
  end)

  it("counts what a policy holds back to its target", function()
    expect(2001, s:create("/moon/dev", "Cdev", 3, { rn = "e" }))
    expect(2001, s:create("/moon/dev/e", "Cdev", 23, { nu = { "Cdev" }, bn = { num = 100 },
      enc = { net = { 3 }, chty = { 4 } } }))
    for i = 1, 3 do s:add("/moon/dev/e", "Cdev", "v" .. i) end
    h.wait("three to be held", function() return s:metric("moon2m_notices_held") == 3 end)
    assert.equal(3, s:metric("moon2m_target_waiting", 'target="Cdev"'))
    assert.is_nil(s:metric("moon2m_target_waiting", "lane:"))
    local sub = rows("--counters --target Cdev")
    local held
    for _, a in ipairs(sub) do held = a.held == 3 and a or held end
    assert.equal(3, s:metric("moon2m_subscription_waiting", ('sub="%s"'):format(held.sur)))
  end)

  it("tries again and drops", function()
    local text, rc = notices "--replay --target http://127.0.0.1:1/x"
    assert.equal(0, rc)
    assert.matches("^%d+ notices? tried again$", text)
    text, rc = notices "--drop"
    assert.equal(2, rc)
    assert.matches("%-%-target, %-%-sub or %-%-all", text)
    h.wait("an end of all", function()
      notices "--drop --all"
      return #rows "" == 0
    end)
    assert.is_true(s:metric("moon2m_notices_dropped_total", 'reason="operator"') >= 1)
  end)

  it("says what is wrong", function()
    local text, rc = h.sh("%s notices --data /nowhere", h.bin)
    assert.equal(1, rc)
    assert.matches("no server to ask: /nowhere/moon2m.sock: ", text)
    for _, args in ipairs { "--replay --drop", "--limit 0", "--limit x", "--what" } do
      assert.equal(2, select(2, notices(args)))
    end
    text, rc = notices "extra"
    assert.equal(2, rc)
    assert.matches("unexpected argument 'extra'", text)
    assert.matches("^600 srw", (h.sh("stat -c '%%a %%A' %s/moon2m.sock", s.data)))
  end)
end)
