-- Criteria of subscriptions on the wire: conditions on time, state and size, operation monitors,
-- containers without data, event categories, the pairs of net and nct (TS-0001 9.6.8, TS-0004
-- 6.3.5.7, 7.4.8.2).

local h = require "harness"
local expect = h.expect

local ME = "Cobs"

describe("criteria", function()
  local s, ws

  setup(function()
    s = h.start()
    ws = s:listen(s:register("obs"))
    s:register("other")
  end)
  teardown(function()
    ws:close()
    h.stop_all()
  end)

  local last = 0
  local function container(attrs)
    last = last + 1
    attrs = attrs or {}
    attrs.rn = "c" .. last
    expect(2001, s:create("/moon/obs", ME, 3, attrs))
    return "/moon/obs/c" .. last
  end

  local function subscribe(path, attrs)
    attrs.nu = attrs.nu or { ME }
    return expect(2001, s:create(path, ME, 23, attrs))
  end

  -- The contents of the notifications for these contents.
  local function told(path, list)
    for _, con in ipairs(list) do s:add(path, ME, con) end
    s:add(path, ME, "the end, which is long enough for all conditions")
    local out = {}
    while true do
      local con = ws:content()
      if con:find("^the end") then return table.concat(out, " ") end
      out[#out + 1] = con
    end
  end

  it("sza and szb: the size of an instance", function()
    local path = container()
    subscribe(path, { enc = { net = { 3 }, sza = 3 } })
    assert.equal("333 4444", told(path, { "1", "22", "333", "4444" }))
    path = container()
    subscribe(path, { enc = { net = { 3 }, szb = 3 } })
    for _, con in ipairs { "1", "22", "333" } do s:add(path, ME, con) end
    assert.equal("1", ws:content())
    assert.equal("22", ws:content())
    ws:expect_silence(0.2)
  end)

  it("stb and sts: the state of the subject, joined by fo", function()
    local path = container()
    subscribe(path, { enc = { net = { 3 }, stb = 2, sts = 4 } })
    for i = 1, 5 do s:add(path, ME, tostring(i)) end
    assert.equal("2", ws:content())
    assert.equal("3", ws:content())
    ws:expect_silence(0.2)
    path = container()
    subscribe(path, { enc = { net = { 3 }, stb = 4, sts = 2, fo = 2 } })
    for i = 1, 5 do s:add(path, ME, tostring(i)) end
    for _, con in ipairs { "1", "4", "5" } do assert.equal(con, ws:content()) end
    ws:expect_silence(0.2)
  end)

  it("crb, cra, ms, us, exb, exa: the times of the subject", function()
    local long_ago, far_ahead = "20200101T000000", "20990101T000000"
    for _, case in ipairs {
      { "crb", far_ahead, true }, { "crb", long_ago, false }, { "cra", long_ago, true },
      { "cra", far_ahead, false }, { "ms", long_ago, true }, { "ms", far_ahead, false },
      { "us", far_ahead, true }, { "us", long_ago, false }, { "exa", long_ago, true },
      { "exa", far_ahead, false }, { "exb", far_ahead, true }, { "exb", long_ago, false },
    } do
      local path = container()
      subscribe(path, { enc = { net = { 3 }, [case[1]] = case[2] } })
      s:add(path, ME, "x")
      if case[3] then assert.equal("x", ws:content()) else ws:expect_silence(0.1) end
    end
  end)

  it("judge the resource as it is after an update (net 1)", function()
    local path = container()
    subscribe(path, { enc = { net = { 1 }, atr = { "mni" }, stb = 2 } })
    for i = 1, 2 do expect(2004, s:update(path, ME, { ["m2m:cnt"] = { mni = i } })) end
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { mbs = 99 } }))
    assert.equal(2, ws:sgn().nev.rep["m2m:cnt"].mni)
    ws:expect_silence(0.2)
  end)

  it("malformed ones are refused by name", function()
    local path = container()
    for _, case in ipairs {
      { { net = { 9 } }, "net" }, { { net = { 1 }, crb = "yesterday" }, "crb" },
      { { net = { 1 }, sts = 0 }, "sts" }, { { net = { 1 }, stb = -1 }, "stb" },
      { { net = { 1 }, szb = "x" }, "szb" }, { { net = { 1 }, fo = 3 }, "fo" },
      { { net = { 1 }, om = { { ops = 1 } } }, "om" }, { { om = { { ops = 64 } } }, "ops" },
      { { om = { { zz = 1 } } }, "zz" }, { { net = { 8 } }, "md" },
      { { net = { 1 }, md = { num = 1, dur = "PT1S" } }, "md" },
      { { net = { 8 }, md = { num = 1, dur = "PT1S" } }, "timeSeries" },
      { { net = { 6 } }, "AE" }, { { net = { 3, 7 } }, "net 7" },
      { { net = { 3, 8 }, md = { num = 1, dur = "PT1S" } }, "net 8" },
    } do
      expect(4000, s:create(path, ME, 23, { nu = { ME }, enc = case[1] }), case[2])
    end
    expect(4000, s:create("/moon/obs", ME, 23, { nu = { ME }, enc = { net = { 5 } } }), "container")
  end)

  it("net and nct: each pair of the table, no other", function()
    local allowed = { { 1, 2, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 } }
    local path = container()
    for net, list in ipairs(allowed) do
      local ok = {}
      for _, nct in ipairs(list) do ok[nct] = true end
      for nct = 1, 5 do
        local a = s:create(path, ME, 23, { nu = { ME }, nct = nct, enc = { net = { net } } })
        expect(ok[nct] and 2001 or 4000, a, not ok[nct] and "nct" or nil)
      end
    end
    for nct = 1, 5 do
      expect(nct == 4 and 2001 or 4000,
        s:create("/moon/obs", ME, 23, { nu = { ME }, nct = nct, enc = { net = { 6 } } }))
    end
    assert.equal(4, subscribe("/moon/obs", { enc = { net = { 6 } } }).nct)
  end)
end)

describe("operation monitor", function()
  local s, ws

  setup(function()
    s = h.start()
    ws = s:listen(s:register("obs"))
    s:register("other")
    expect(2001, s:create("/moon/obs", ME, 3, { rn = "c" }))
    expect(2001, s:create("/moon/obs/c", ME, 23, { rn = "s", nu = { ME },
      enc = { om = { { ops = 4 + 8 + 32 }, { ops = 2, ["or"] = "Cother" } } } }))
  end)
  teardown(function()
    ws:close()
    h.stop_all()
  end)

  local function om()
    local sgn = ws:sgn()
    assert.is_nil(sgn.nev.net)
    assert.equal("c", sgn.nev.rep["m2m:cnt"].rn)
    return sgn.nev.om.op .. " " .. sgn.nev.om["or"]
  end

  it("is told of what succeeds, and of what is refused", function()
    expect(2000, s:retrieve("/moon/obs/c", ME))
    expect(2004, s:update("/moon/obs/c", ME, { ["m2m:cnt"] = { mni = 3 } }))
    assert.equal("3 Cobs", om())
    expect(4103, s:update("/moon/obs/c", "Cother", { ["m2m:cnt"] = { mni = 3 } }))
    assert.equal("3 Cother", om())
    expect(4103, s:retrieve("/moon/obs/c", "Cother"))
    assert.equal("2 Cother", om())
    expect(2000, s:retrieve("/moon/obs/c?fu=1", ME))
    assert.equal("2 Cobs", om())
    expect(4000, s:update("/moon/obs/c", ME, { ["m2m:cnt"] = { zz = 3 } }))
    assert.equal("3 Cobs", om())
    s:add("/moon/obs/c", ME, "1")
    expect(2000, s:retrieve("/moon/obs/c/la", ME))
    ws:expect_silence(0.2)
  end)

  it("works after a restart, before anybody touched its subscriptions", function()
    ws:close()
    assert.equal(0, s:stop())
    s:run()
    expect(4103, s:retrieve("/moon/obs/c", "Cother"))
    ws = s:primitives(ME)
    expect(2000, ws:request { op = 2, to = "moon/obs", fr = ME })
    assert.equal("2 Cother", om())
  end)

  it("can become something else and back, at once", function()
    local function update(enc)
      expect(2004, s:update("/moon/obs/c/s", ME, { ["m2m:sub"] = { enc = enc } }))
    end
    update { net = { 3 } }
    expect(2004, s:update("/moon/obs/c", ME, { ["m2m:cnt"] = { mni = 4 } }))
    s:add("/moon/obs/c", ME, "2")
    assert.equal("2", ws:content())
    update { om = { { ops = 8 } } }
    s:add("/moon/obs/c", ME, "3")
    expect(2002, s:delete("/moon/obs/c", ME))
    assert.equal("4 Cobs", om())
    ws:expect_silence(0.2)
  end)
end)

describe("a live subscription", function()
  local s, ws, other

  setup(function()
    s = h.start()
    ws = s:listen(s:register("obs"))
    other = s:listen(s:register("other"))
    expect(2001, s:create("/moon/obs", ME, 3, { rn = "c" }))
    expect(2001, s:create("/moon/obs/c", ME, 23, { rn = "s", nu = { ME }, nec = 2,
      enc = { net = { 3 } } }))
  end)
  teardown(function()
    ws:close()
    other:close()
    h.stop_all()
  end)

  local function update(attrs)
    return s:update("/moon/obs/c/s", ME, { ["m2m:sub"] = attrs })
  end

  it("takes another nct and nec for the next event", function()
    s:add("/moon/obs/c", ME, "1")
    local sgn, m = ws:sgn()
    assert.equal("1", sgn.nev.rep["m2m:cin"].con)
    assert.equal(2, tonumber(m.ec))
    expect(2004, update { nct = 3, nec = 101 })
    local cin = s:add("/moon/obs/c", ME, "2")
    sgn, m = ws:sgn()
    assert.equal(cin.ri, sgn.nev.rep["m2m:uri"])
    assert.equal(101, tonumber(m.ec))
    expect(4000, update { nct = 2 }, "nct")
    expect(4000, update { nec = 5 }, "nec")
    expect(2004, update { nct = 1 })
  end)

  it("verifies a new target, then tells it", function()
    local done
    local cqueues = require "cqueues"
    local q = cqueues.new()
    q:wrap(function() done = update { nu = { ME, "Cother" } } end)
    q:wrap(function() assert.is_true(other:sgn().vrq) end)
    assert(q:loop(10))
    expect(2004, done)
    s:add("/moon/obs/c", ME, "3")
    assert.equal("3", ws:content())
    assert.equal("3", other:content())
    expect(2004, update { nu = { "Cother" } })
    s:add("/moon/obs/c", ME, "4")
    assert.equal("4", other:content())
    ws:expect_silence(0.2)
  end)

  it("stays as it was when the new target refuses", function()
    expect(5204, update { nu = { "Cnobody" } }, "Cnobody")
    s:add("/moon/obs/c", ME, "5")
    assert.equal("5", other:content())
  end)

  it("tells of a RETRIEVE that finds no instances (net 5)", function()
    expect(2001, s:create("/moon/obs", ME, 3, { rn = "empty" }))
    expect(2001, s:create("/moon/obs/empty", ME, 23, { nu = { ME }, enc = { net = { 5 } } }))
    expect(2000, s:retrieve("/moon/obs/empty", ME))
    expect(2000, s:retrieve("/moon/obs/empty?rcn=4", ME))
    local sgn = ws:sgn()
    assert.equal(5, sgn.nev.net)
    assert.equal("empty", sgn.nev.rep["m2m:cnt"].rn)
    s:add("/moon/obs/empty", ME, "1")
    expect(2000, s:retrieve("/moon/obs/empty?rcn=8", ME))
    ws:expect_silence(0.2)
  end)

  it("names the originator of the event with eeno", function()
    expect(2001, s:create("/moon/obs", ME, 3, { rn = "e" }))
    expect(2001, s:create("/moon/obs/e", ME, 23, { nu = { ME }, eeno = true,
      enc = { net = { 3 } } }))
    s:add("/moon/obs/e", "CAdmin", "1")
    assert.equal("CAdmin", ws:sgn().cr)
    s:add("/moon/obs/e", ME, "2")
    assert.equal(ME, ws:sgn().cr)
  end)
end)
