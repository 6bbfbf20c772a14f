-- schedule below a subscription, pn and nec on the wire (TS-0001 9.6.9, TS-0004 7.4.9, 7.5.1.2.2):
-- what is sent when, and what becomes of the rest.

local cqueues = require "cqueues"
local h = require "harness"
local expect = h.expect

local CLOSED = "* * * * * * 2001"
local OPEN = "* * * * * * *"
local names = 0

describe("schedule", function()
  local s

  setup(function() s = h.start() end)
  teardown(h.stop_all)

  local function create(a, sce, attrs)
    local sch = { se = { sce = { sce } } }
    for k, v in pairs(attrs or {}) do sch[k] = v end
    return s:create(a.c .. "/s", a.aei, 18, { ["m2m:sch"] = sch })
  end

  -- An AE with a container, a subscription that has a schedule, and its connection.
  local function subscriber(attrs, sce)
    names = names + 1
    local name = "sch" .. names
    local a = s:register(name)
    a.c = "/moon/" .. name .. "/c"
    expect(2001, s:create("/moon/" .. name, a.aei, 3, { rn = "c" }))
    local sub = { rn = "s", nu = { a.aei }, enc = { net = { 3 }, chty = { 4 } } }
    for k, v in pairs(attrs) do sub[k] = v end
    expect(2001, s:create(a.c, a.aei, 23, sub))
    if sce then expect(2001, create(a, sce)) end
    return a, s:listen(a)
  end

  local function add(a, from, to)
    for i = from, to or from do s:add(a.c, a.aei, tostring(i)) end
  end

  local function set(a, sce)
    expect(2004, s:update(a.c .. "/s/notificationSchedule", a.aei,
      { ["m2m:sch"] = { se = { sce = { sce } } } }))
  end

  -- An entry that covers the seconds from `from` to `to` from now on.
  local function soon(from, to)
    local list = {}
    for i = from, to do list[#list + 1] = (os.time() + i) % 60 end
    return table.concat(list, ",") .. " * * * * * *"
  end

  it("has its name, its parents and its attributes", function()
    local a = subscriber {}
    expect(4000, create(a, CLOSED, { rn = "other" }), "notificationSchedule")
    expect(4000, create(a, "* * * *"), "se")
    expect(4000, create(a, "0 0 25 * * * *"), "hour")
    expect(4102, create(a, CLOSED, { nco = true }), "nco")
    expect(4108, s:create(a.c, a.aei, 18, { ["m2m:sch"] = { se = { sce = { OPEN } } } }))
    local sch = expect(2001, create(a, OPEN, { lbl = { "x" } }))
    assert.equal("notificationSchedule", sch.rn)
    assert.equal(18, sch.ty)
    expect(4105, create(a, OPEN))
    assert.same({ sce = { OPEN } }, expect(2000,
      s:retrieve(a.c .. "/s/notificationSchedule", a.aei)).se)
    expect(2002, s:delete(a.c .. "/s/notificationSchedule", a.aei))
  end)

  it("closed: nothing is sent and nothing kept without pn", function()
    local a, ws = subscriber({}, CLOSED)
    add(a, 1, 2)
    ws:expect_silence(0.2)
    set(a, OPEN)
    ws:expect_silence(0.2)
    add(a, 3)
    assert.equal("3", (ws:content()))
    assert.equal(2, s:metric("moon2m_notices_dropped_total", 'reason="policy"'))
  end)

  it("pn 2: all come in order when it opens by itself", function()
    local a, ws = subscriber({ pn = 2 }, soon(2, 12))
    local started = cqueues.monotime()
    add(a, 1, 5)
    for i = 1, 5 do assert.equal(tostring(i), (ws:content())) end
    assert.is_true(cqueues.monotime() - started > 0.5)
    add(a, 6)
    assert.equal("6", (ws:content()))
  end)

  it("pn 1: the newest comes, with ec 4", function()
    local a, ws = subscriber({ pn = 1 }, CLOSED)
    add(a, 1, 5)
    ws:expect_silence(0.2)
    set(a, OPEN)
    local what, m = ws:content()
    assert.equal("5", what)
    assert.equal(4, m.ec)
    add(a, 6)
    what, m = ws:content()
    assert.equal("6", what)
    assert.is_nil(m.ec)
  end)

  it("nec 2 does not wait", function()
    local a, ws = subscriber({ nec = 2 }, CLOSED)
    add(a, 1)
    local what, m = ws:content()
    assert.equal("1", what)
    assert.equal(2, m.ec)
  end)

  it("updates: pn 1 keeps the newest, without pn nothing; a deleted schedule is open", function()
    local a, ws = subscriber({ pn = 2 }, CLOSED)
    local function pn(v)
      expect(2004, s:update(a.c .. "/s", a.aei, '{"m2m:sub":{"pn":' .. v .. "}}"))
    end
    add(a, 1, 3)
    pn "1"
    pn "2"
    add(a, 4)
    expect(2002, s:delete(a.c .. "/s/notificationSchedule", a.aei))
    assert.equal("3", (ws:content()))
    assert.equal("4", (ws:content()))
    expect(2001, create(a, CLOSED))
    add(a, 5, 6)
    pn "null"
    set(a, OPEN)
    ws:expect_silence(0.2)
    add(a, 7)
    assert.equal("7", (ws:content()))
    expect(4000, s:update(a.c .. "/s", a.aei, '{"m2m:sub":{"pn":3}}'), "pn")
  end)

  it("with bn and rl: batches wait for it, then for their window", function()
    local a, ws = subscriber({ pn = 2, bn = { num = 2 }, rl = { mnn = 1, tww = "PT1S" } }, CLOSED)
    add(a, 1, 4)
    ws:expect_silence(0.2)
    set(a, OPEN)
    local started = cqueues.monotime()
    for i = 1, 3, 2 do
      local list = assert(ws:notification(5)).pc["m2m:agn"]["m2m:sgn"]
      assert.equal(2, #list)
      assert.equal(tostring(i), list[1].nev.rep["m2m:cin"].con)
    end
    assert.is_true(cqueues.monotime() - started > 0.9)
  end)

  it("what it keeps, and itself, survive kill -9", function()
    local a = subscriber({ pn = 2 }, CLOSED)
    add(a, 1, 3)
    s:kill()
    s:run()
    local ws = s:listen(a)
    add(a, 4)
    ws:expect_silence(0.3)
    set(a, OPEN)
    for i = 1, 4 do assert.equal(tostring(i), (ws:content())) end
  end)
end)
