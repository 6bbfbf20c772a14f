-- timeSyncBeacon (Release 4): the time of the CSE, told in periods or when a requester's clock is
-- off.

local h = require "harness"
local expect = h.expect

describe("a timeSyncBeacon", function()
  local s, ae
  local ME = "Cclock"

  setup(function()
    s = h.start()
    ae = s:register "clock"
  end)
  teardown(h.stop_all)

  local function create(attrs, where) return s:create(where or "/moon/clock", ME, 60, attrs) end
  local function beacon(attrs)
    local r = expect(2001, create(attrs))
    return "/moon/clock/" .. r.rn, r
  end
  local function update(path, attrs) return s:update(path, ME, { ["m2m:tsb"] = attrs }) end
  local function stamp(ahead) return os.date("!%Y%m%dT%H%M%S", os.time() + (ahead or 0)) end

  -- The next beacon of a connection: its content and the primitive.
  local function told(ws, seconds)
    local m, why = ws:notification(seconds)
    if not m then error("no beacon: " .. tostring(why), 2) end
    return m.pc["m2m:tsbn"], m
  end

  it("stands below the CSEBase, an AE, a remoteCSE; nothing else", function()
    expect(2001, s:create("/moon", "CAdmin", 60, { bcnc = 1, bcni = "PT1H", bcnu = { ME } }))
    expect(2001, s:create("/moon/clock", ME, 3, { rn = "c" }))
    expect(4108, create({ bcnc = 1, bcnu = { ME } }, "/moon/clock/c"))
    local path = beacon { bcnc = 1, bcnu = { ME } }
    expect(2001, s:create(path, ME, 23, { nu = { ME }, enc = { net = { 2 } } }))
    expect(4108, s:create(path, ME, 3, {}))
  end)

  it("has its attributes, and shows what the CSE chose", function()
    local path, r = beacon { bcnc = 1, bcnu = { ME, "http://127.0.0.1:1/x" } }
    assert.same({ 60, 1, "PT1H" }, { r.ty, r.bcnc, r.bcni })
    assert.is_nil(r.bcnt)
    assert.same(r, expect(2000, s:retrieve(path, ME)))
    local _, loss = beacon { bcnc = 2, bcnr = "Cother", bcnu = { ME } }
    assert.same({ "Cother", "PT10S" }, { loss.bcnr, loss.bcnt })
    expect(2004, update(path, { bcni = "PT30M", bcnu = { ME } }))
    expect(2004, s:update(path, ME, '{"m2m:tsb":{"bcni":null}}'))
    assert.equal("PT1H", expect(2000, s:retrieve(path, ME)).bcni)
    expect(2002, s:delete(path, ME))
    expect(4004, s:retrieve(path, ME))
  end)

  it("refuses what is wrong, and what does not fit its criterion", function()
    local function refused(attrs, pattern) expect(4000, create(attrs), pattern) end
    refused({ bcnu = { ME } }, "bcnc")
    refused({ bcnc = 3, bcnu = { ME } }, "bcnc")
    refused({ bcnc = 1 }, "bcnu")
    refused('{"m2m:tsb":{"bcnc":1,"bcnu":[]}}', "bcnu")
    refused({ bcnc = 1, bcnu = ME }, "bcnu")
    refused({ bcnc = 1, bcni = "often", bcnu = { ME } }, "bcni")
    refused({ bcnc = 1, bcni = "PT0S", bcnu = { ME } }, "bcni")
    refused({ bcnc = 2, bcnr = "Ca", bcni = "PT1S", bcnu = { ME } }, "bcni")
    refused({ bcnc = 1, bcnt = "PT1S", bcnu = { ME } }, "bcnt")
    refused({ bcnc = 1, bcnr = "Ca", bcnu = { ME } }, "bcnr")
    refused({ bcnc = 2, bcnu = { ME } }, "bcnr")
    local path = beacon { bcnc = 1, bcnu = { ME } }
    expect(4000, update(path, { bcnr = "Ca" }), "bcnr")
    expect(4000, update(path, { bcnc = 2 }), "bcn")
    expect(4000, update(path, { bcnt = "PT1S" }), "bcnt")
    expect(4000, s:update(path, ME, '{"m2m:tsb":{"bcnu":null}}'), "bcnu")
    expect(4000, s:update(path, ME, '{"m2m:tsb":{"bcnc":null}}'), "bcnc")
  end)

  it("is one for the loss of synchronization of a requester", function()
    local path = beacon { bcnc = 2, bcnr = "Cone", bcnu = { ME } }
    expect(4000, create { bcnc = 2, bcnr = "Cone", bcnu = { ME } }, "bcnr")
    beacon { bcnc = 2, bcnr = "Ctwo", bcnu = { ME } }
    expect(2002, s:delete(path, ME))
    beacon { bcnc = 2, bcnr = "Cone", bcnu = { ME } }
  end)

  it("tells the time in periods, also after a restart, until it is deleted", function()
    local ws = s:listen(ae)
    local path, r = beacon { bcnc = 1, bcni = "PT0.3S", bcnu = { ME, "Cnobody" } }
    local tsbn, m = told(ws)
    assert.equal(r.ri, tsbn.tbr)
    assert.equal(5, m.op)
    assert.is_true(tsbn.ctm >= stamp(-3) and tsbn.ctm <= stamp(3), tsbn.ctm)
    assert.is_true(told(ws).ctm > tsbn.ctm)
    ws:close()
    s:kill()
    s:run()
    ws = s:listen(ae)
    assert.equal(r.ri, told(ws).tbr)
    expect(2004, update(path, { bcni = "PT1H" }))
    while ws:notification(0.3) do end
    ws:expect_silence(0.5)
    expect(2004, update(path, { bcni = "PT0.2S" }))
    told(ws)
    expect(2002, s:delete(path, ME))
    while ws:notification(0.3) do end
    ws:expect_silence(0.5)
    ws:close()
  end)

  it("tells a requester whose clock is off, once at a time", function()
    local other = s:register "drift"
    local ws = s:listen(ae)
    local path, r = beacon { bcnc = 2, bcnr = other.aei, bcnt = "PT5S", bcnu = { ME } }
    local function ask(ot, who)
      expect(2000, s:retrieve("/moon/drift", who or other.aei, { headers = { ["x-m2m-ot"] = ot } }))
    end
    ask(stamp(1))
    ask(stamp(-1))
    ask(nil)
    expect(2000, s:retrieve("/moon/clock", ME, { headers = { ["x-m2m-ot"] = stamp(-100) } }))
    ws:expect_silence(0.3)
    ask(stamp(-20))
    assert.equal(r.ri, told(ws).tbr)
    ask(stamp(20))
    ws:expect_silence(0.3)
    ask(stamp(0))
    ask(stamp(20))
    assert.equal(r.ri, told(ws).tbr)
    s:kill()
    s:run()
    ws = s:listen(ae)
    ask(stamp(20))
    assert.equal(r.ri, told(ws).tbr)
    expect(2002, s:delete(path, ME))
    ask(stamp(0))
    ask(stamp(20))
    ws:expect_silence(0.3)
    ws:close()
  end)
end)
