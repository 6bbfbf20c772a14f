-- timeSeries, timeSeriesInstance and the report of missing data (TS-0001 9.6.36, 9.6.37; TS-0004
-- 7.4.38, 7.4.39, 7.5.1.2.9).

local cqueues = require "cqueues"
local h = require "harness"
local expect = h.expect

local names = 0

-- Microseconds since 1970, and as a timestamp.
local function now() return tonumber((h.sh "date +%s%6N")) end
local function stamp(us)
  return os.date("!%Y%m%dT%H%M%S", math.floor(us / 1e6)) .. (",%06d"):format(us % 1e6)
end

describe("a timeSeries", function()
  local s, ae
  local ME = "Cseries"

  setup(function()
    s = h.start()
    ae = s:register "series"
  end)
  teardown(h.stop_all)

  local function series(attrs)
    names = names + 1
    attrs = attrs or {}
    attrs.rn = "ts" .. names
    local path = "/moon/series/" .. attrs.rn
    return path, expect(2001, s:create("/moon/series", ME, 29, attrs))
  end

  local function instance(path, dgt, con, more)
    local tsi = { dgt = type(dgt) == "number" and stamp(dgt) or dgt, con = con or "1" }
    for k, v in pairs(more or {}) do tsi[k] = v end
    return s:create(path, ME, 30, tsi)
  end

  local function add(path, ...) return expect(2001, instance(path, ...)) end
  local function read(path) return expect(2000, s:retrieve(path, ME)) end
  local function update(path, attrs) return s:update(path, ME, { ["m2m:ts"] = attrs }) end

  -- A value that is refused, and an UPDATE that is queued before it is.
  local function refused_and_updated(path)
    local ws, to, got = s:primitives(ME), path:sub(2), {}
    assert(ws:send { op = 1, to = to, fr = ME, ty = 30, rqi = "again", rvi = "3",
      pc = { ["m2m:tsi"] = { dgt = "20250101T000000", con = "2" } } })
    assert(ws:send { op = 3, to = to, fr = ME, rqi = "update", rvi = "3",
      pc = { ["m2m:ts"] = { lbl = { "x" } } } })
    for _ = 1, 2 do
      local a = assert(ws:receive())
      got[a.rqi] = a.rsc
    end
    ws:close()
    assert.same({ again = 4105, update = 2004 }, got)
  end

  it("is what it says that it is when a value was refused while it was updated", function()
    local path = series()
    add(path, "20250101T000000")
    refused_and_updated(path)
    local text = s:retrieve(path, ME).text
    assert.equal(0, s:stop())
    s:run()
    assert.equal(text, s:retrieve(path, ME).text)
  end)

  it("is as it was when several values at once were refused", function()
    local path = series()
    add(path, "20250101T000000")
    local text, ws = s:retrieve(path, ME).text, s:primitives(ME)
    for n = 1, 3 do
      assert(ws:send { op = 1, to = path:sub(2), fr = ME, ty = 30, rqi = "r" .. n, rvi = "3",
        pc = { ["m2m:tsi"] = { dgt = "20250101T000000", con = "2" } } })
    end
    for _ = 1, 3 do assert.equal(4105, assert(ws:receive()).rsc) end
    ws:close()
    assert.equal(text, s:retrieve(path, ME).text)
  end)

  it("takes values when one was refused while it was updated, and none is left", function()
    local path = series()
    add(path, "20250101T000000", "1", { rn = "first" })
    refused_and_updated(path)
    expect(2002, s:delete(path .. "/first", ME))
    add(path, "20250101T000001")
  end)

  it("stands below the CSEBase, an AE, a container and a remoteCSE; nothing else", function()
    series()
    expect(2001, s:create("/moon", "CAdmin", 29, { rn = "top" }))
    expect(2001, s:create("/moon/series", ME, 3, { rn = "c" }))
    expect(2001, s:create("/moon/series/c", ME, 29, { rn = "ts" }))
    expect(4108, s:create("/moon/series/c/ts", ME, 29, { rn = "ts" }))
    expect(4108, s:create("/moon/series/c", ME, 30, { dgt = stamp(0), con = "1" }))
    expect(4108, s:create("/moon/series/c/ts", ME, 4, { con = "1" }))
    expect(4108, s:create("/moon/series/c/ts", ME, 3, {}))
  end)

  it("has its attributes, and shows what the CSE chose", function()
    local path, r = series { mni = 10, mbs = 1000, mia = 3600, pei = 1000, mdt = 900, mdn = 5,
      cnf = "text/plain:0", ["or"] = "http://o", cr = require("cjson").null }
    assert.same({ 29, 0, 0, 0, 500, ME, "text/plain:0" }, { r.ty, r.cni, r.cbs, r.mdc, r.peid, r.cr,
      r.cnf })
    assert.is_nil(r.st)
    assert.is_nil(r.mdlt)
    assert.is_nil(r.mdd)
    assert.same(r, read(path))
    assert.equal(149, select(2, series { pei = 1000, mdt = 150 }).peid)
    assert.equal(3, select(2, series { pei = 7 }).peid)
    assert.is_nil(select(2, series { mdt = 150 }).peid)
  end)

  it("refuses what does not fit together", function()
    local function refused(attrs, pattern)
      expect(4000, s:create("/moon/series", ME, 29, attrs), pattern)
    end
    refused({ pei = 1000, peid = 501 }, "peid")
    refused({ mdd = true, pei = 1000 }, "mdt")
    refused({ pei = 1000, peid = 100, mdt = 100 }, "mdt")
    refused({ pei = 0 }, "pei")
    refused({ pei = -1 }, "pei")
    refused({ pei = "1000" }, "pei")
    refused({ peid = -1 }, "peid")
    refused({ mdn = 0 }, "mdn")
    refused({ mdt = 0 }, "mdt")
    refused({ mdd = 1 }, "mdd")
    refused({ mni = -1 }, "mni")
    refused({ cnf = "text" }, "cnf")
    refused({ mdlt = { stamp(0) } }, "mdlt")
    refused({ mdc = 0 }, "mdc")
    refused({ cni = 0 }, "cni")
    refused({ st = 0 }, "st")
    refused({ disr = true }, "disr")
    expect(2001, s:create("/moon/series", ME, 29, { pei = 1000, peid = 500, mdt = 501 }))
  end)

  it("is updated; the values of the detection only while it is off, and not with mdd", function()
    local path = series { pei = 1000, mdt = 600 }
    expect(2004, update(path, { pei = 2000, peid = 100, mdn = 3, lbl = { "x" } }))
    expect(4000, update(path, { peid = 1001 }), "peid")
    expect(4000, update(path, { pei = 100 }), "peid")
    expect(4000, update(path, { mdt = 100 }), "mdt")
    expect(4000, update(path, { cnf = "text/plain:0" }), "cnf")
    for _, name in ipairs { "mdt", "mdn", "pei", "peid" } do
      expect(4000, update(path, { mdd = true, [name] = 300 }), "mdd")
    end
    expect(2004, update(path, { mdd = true }))
    for _, name in ipairs { "mdt", "mdn", "pei", "peid" } do
      expect(4000, update(path, { [name] = 300 }), name)
      expect(4000, s:update(path, ME, ('{"m2m:ts":{"%s":null}}'):format(name)), name)
    end
    expect(4000, update(path, { mdlt = { stamp(0) } }), "mdlt")
    expect(2004, update(path, { mni = 5 }))
    expect(2004, update(path, { mdd = false }))
    expect(2004, update(path, { mdt = 500 }))
    expect(4000, update((series()), { mdd = true }), "mdt")
  end)

  describe("instance", function()
    it("has a time, content, a number; cs is counted", function()
      local path, ts = series()
      local r = add(path, "20250102T030405,5", "äb", { snr = 7, lbl = { "l" }, rn = "n" })
      assert.same({ 30, ts.ri, "20250102T030405,5", "äb", 7, 3, "n" },
        { r.ty, r.pi, r.dgt, r.con, r.snr, r.cs, r.rn })
      assert.is_nil(r.st)
      assert.same(r, read(path .. "/n"))
      assert.same(r, read(path .. "/la"))
      local other = add(path, "20250102T030405")
      assert.equal(other.rn, other.ri)
      assert.same(other, read("/" .. other.ri))
      local t = read(path)
      assert.same({ 2, 4 }, { t.cni, t.cbs })
    end)

    for name, raw in pairs { number = "-0.50", boolean = "true", text = '"21 °C"' } do
      it("keeps content as it was received: " .. name, function()
        local path = series()
        expect(2001, s:create(path, ME, 30, '{"m2m:tsi":{"dgt":"20250101T000000","con":' .. raw
          .. "}}"))
        assert.is_truthy(s:retrieve(path .. "/la", ME).text:find('"con":' .. raw, 1, true))
      end)
    end

    it("is refused when a value is wrong", function()
      local path = series()
      local function refused(attrs, pattern)
        expect(4000, s:create(path, ME, 30, attrs), pattern)
      end
      refused({ con = "1" }, "dgt")
      refused({ dgt = stamp(0) }, "con")
      refused({ dgt = "yesterday", con = "1" }, "dgt")
      refused({ dgt = 20250101, con = "1" }, "dgt")
      refused({ dgt = stamp(0), con = "1", snr = -1 }, "snr")
      refused({ dgt = stamp(0), con = "1", snr = "1" }, "snr")
      refused({ dgt = stamp(0), con = "1", cs = 1 }, "cs")
      refused({ dgt = stamp(0), con = "1", cnf = "text/plain:0" }, "cnf")
      refused({ dgt = stamp(0), con = "1", acpi = { "x" } }, "acpi")
      refused({ dgt = stamp(0), con = "1", et = "20200101T000000" }, "et")
      expect(4000, s:create(path, ME, 30, { ["m2m:cin"] = { con = "1" } }), "m2m:tsi")
      assert.equal(0, read(path).cni)
    end)

    it("takes milliseconds from its arrival as time, and shows the time", function()
      local path = series()
      local before = now()
      local dgt = add(path, "2000").dgt
      assert.is_true(dgt >= stamp(before + 1990000) and dgt <= stamp(now() + 2010000), dgt)
    end)

    it("has a time of its own: 4105 for a second one, however it is written", function()
      local path = series()
      add(path, "20250102T030405")
      expect(4105, instance(path, "20250102T030405"), "dgt")
      expect(4105, instance(path, "20250102T030405,000"), "dgt")
      add(path, "19700101T000000")
      expect(4105, instance(path, "19700101T000000"), "dgt")
      add(path, "20250102T030405,000001")
      add(series(), "20250102T030405")
      assert.equal(3, read(path).cni)
      expect(2002, s:delete(path .. "/ol", ME))
      add(path, "20250102T030405")
    end)

    it("is never updated; deleted by its name, la, ol", function()
      local path = series()
      for i = 1, 4 do add(path, i * 1e6, tostring(i), { rn = "i" .. i }) end
      expect(4005, s:update(path .. "/i1", ME, { ["m2m:tsi"] = { lbl = { "x" } } }))
      expect(4005, s:update(path .. "/la", ME, { ["m2m:tsi"] = { lbl = { "x" } } }))
      expect(4005, s:create(path .. "/la", ME, 30, { dgt = stamp(0), con = "1" }))
      assert.same({ "4", "1" }, { read(path .. "/la").con, read(path .. "/ol").con })
      expect(2002, s:delete(path .. "/la", ME))
      expect(2002, s:delete(path .. "/ol", ME))
      expect(2002, s:delete(path .. "/i2", ME))
      assert.same({ "3", 1 }, { read(path .. "/la").con, read(path).cni })
      expect(2002, s:delete(path .. "/la", ME))
      expect(4004, s:retrieve(path .. "/la", ME))
      expect(4004, s:retrieve(path .. "/ol", ME))
    end)

    it("belongs to who may see the timeSeries", function()
      local path = series()
      add(path, "20250102T030405")
      s:register "stranger"
      expect(4103, s:retrieve(path .. "/la", "Cstranger"))
      expect(4103, s:create(path, "Cstranger", 30, { dgt = stamp(0), con = "1" }))
    end)
  end)

  it("is bounded by mni, mbs and mia; lowering evicts", function()
    local path = series { mni = 3, mbs = 10 }
    for i = 1, 5 do add(path, i * 1e6, "abc") end
    local r = read(path)
    assert.same({ 3, 9, stamp(3e6) }, { r.cni, r.cbs, read(path .. "/ol").dgt })
    expect(5207, instance(path, 9e6, "12345678901"), "mbs")
    add(path, 1e6, "12345678")                  -- evicted: its time is free
    assert.same({ 1, 8 }, { read(path).cni, read(path).cbs })
    add(path, 2e6, "x")
    expect(2004, update(path, { mni = 1 }))
    assert.same({ 1, stamp(2e6) }, { read(path).cni, read(path .. "/la").dgt })
    local old = series { mia = 1 }
    add(old, 1e6)
    h.wait("mia to hide it", function() return s:retrieve(old .. "/la", ME).rsc == 4004 end)
  end)

  it("is found with its instances: by type, label and attribute; with rcn 4", function()
    local path = series { lbl = { "bench" } }
    add(path, 1e6, "one", { lbl = { "special" }, snr = 4 })
    add(path, 2e6, "two")
    local function found(query)
      local list = expect(2000, s:retrieve("/moon/series?fu=1&" .. query, ME))
      return #(list["m2m:uril"] or list)
    end
    local at = "moon" .. path:sub(6)
    assert.same({ at }, expect(2000, s:retrieve("/moon/series?fu=1&ty=29&lbl=bench", ME)))
    assert.equal(1, found "ty=30&lbl=special")
    assert.equal(1, found "lbl=special")
    assert.equal(0, found "ty=4&lbl=special")
    assert.equal(1, found "ty=30&snr=4")
    local list = expect(2000, s:retrieve(path .. "?fu=1&ty=30", ME))
    assert.equal(2, #list)
    assert.equal("two", read("/" .. list[2]).con)
    assert.same({}, expect(2000, s:retrieve(path .. "?fu=1&ty=4", ME)))
    local all = expect(2000, s:retrieve(path .. "?rcn=4", ME))
    assert.same({ "one", "two" }, { all["m2m:tsi"][1].con, all["m2m:tsi"][2].con })
    local refs = expect(2000, s:retrieve(path .. "?rcn=6", ME))
    assert.equal(30, refs.rrf[1].typ)
  end)

  it("tells of instances (net 3, net 4)", function()
    local path = series()
    expect(4000, s:create(path, ME, 23, { nu = { ME }, enc = { net = { 3 }, chty = { 4 } } }),
      "chty")
    expect(2001, s:create(path, ME, 23, { nu = { ME }, enc = { net = { 3, 4 }, chty = { 30 } } }))
    local ws = s:listen(ae)
    add(path, 1e6, "hello")
    local nev = ws:sgn().nev
    assert.same({ 3, "hello", stamp(1e6) }, { nev.net, nev.rep["m2m:tsi"].con,
      nev.rep["m2m:tsi"].dgt })
    expect(2002, s:delete(path .. "/la", ME))
    assert.equal(4, ws:sgn().nev.net)
    ws:close()
  end)
end)

describe("a script", function()
  teardown(h.stop_all)

  it("makes a timeSeries, adds to it and reads it with the verbs of containers", function()
    local s = h.start { scripts = { power = [[
      local cse = require "moon2m"
      cse.start(function()
        cse.ensure("/power", "timeSeries", { mni = 100, lbl = { "w" } })
        local at = cse.now() - 60
        assert(cse.add("/power", 230.5, { snr = 1, dgt = at }))
        local twice, why = cse.add("/power", 231, { dgt = at })
        assert(twice == nil and why.rsc == 4105, why and why.msg)
        for i = 1, 3 do assert(cse.add("/power", i)) end
        assert(cse.create("/power", "tsi", { dgt = "20250102T030405", con = "old" }))
        local newest = cse.latest("/power", 3)
        assert(cse.latest("/power").con == "old" and newest[2].con == 3 and newest[3].con == 2)
        assert(math.abs(cse.epoch(newest[2].dgt) - cse.now()) < 30)
        assert(newest[2].dgt > newest[3].dgt)
        cse.ensure("/result", "container")
        cse.add("/result", cse.retrieve("/power").cni)
      end)]] } }
    h.wait("the script", function() return s:retrieve("/moon/result/la", "CAdmin").rsc == 2000 end)
    assert.equal(5, expect(2000, s:retrieve("/moon/result/la", "CAdmin")).con)
    local list = expect(2000, s:retrieve("/moon/power?rcn=8", "CAdmin"))["m2m:tsi"]
    assert.same({ 230.5, 1, "old" }, { list[1].con, list[1].snr, list[5].con })
  end)
end)

describe("cse.add", function()
  teardown(h.stop_all)

  it("to what holds no values is refused, and is no error of the library", function()
    local s = h.start { scripts = { color = [[
      local cse = require "moon2m"
      cse.type { ty = 28, name = "color", short = "x:color", cnd = "org.example.colour",
        attrs = { { "red", "uint", create = "M", update = "O" } } }
      cse.start(function()
        cse.ensure("/c", "container")
        assert(cse.create("/c", "x:color", { rn = "f", red = 1, cnd = "org.example.colour" }))
        for _, to in ipairs { "/c/f", "/none", "/" } do
          local made, why = cse.add(to, 1)
          cse.log.info("add %s: %s %s", to, tostring(made), tostring(why and why.rsc))
        end
      end)]] } }
    s:logs "add /none: nil 4004"
    s:logs "add /c/f: nil 4%d+"
    s:logs "add /: nil 4108"
  end)
end)

describe("missing data", function()
  local s, ae
  local ME = "Cwatch"
  local PEI = 200

  setup(function()
    s = h.start()
    ae = s:register "watch"
  end)
  teardown(h.stop_all)

  local function series(attrs)
    names = names + 1
    attrs.rn = "ts" .. names
    attrs.pei, attrs.mdt = attrs.pei or PEI, attrs.mdt or 150
    if attrs.mdd == nil then attrs.mdd = true end
    expect(2001, s:create("/moon/watch", ME, 29, attrs))
    return "/moon/watch/" .. attrs.rn
  end

  local function add(path, us)
    return expect(2001, s:create(path, ME, 30, { dgt = stamp(us), con = "1" }))
  end
  local function read(path) return expect(2000, s:retrieve(path, ME)) end
  local function set(path, mdd)
    expect(2004, s:update(path, ME, { ["m2m:ts"] = { mdd = mdd } }))
  end
  local function wait_for(path, n)
    return h.wait(n .. " missing", function()
      local r = read(path)
      return r.mdc >= n and r
    end)
  end

  -- The times of a list, as indices of intervals since `first`.
  local function indices(first, list, pei)
    local out = {}
    for i, text in ipairs(list) do
      local y, mo, d, hh, mi, ss, f =
        text:match "^(%d%d%d%d)(%d%d)(%d%d)T(%d%d)(%d%d)(%d%d),?(%d*)$"
      local sec = os.time { year = y, month = mo, day = d, hour = hh, min = mi, sec = ss,
        isdst = false }
      local utc = os.time(os.date("!*t", 86400)) - 86400
      local us = (sec - utc) * 1e6 + tonumber((f .. "000000"):sub(1, 6))
      out[i] = (us - first) / ((pei or PEI) * 1000)
    end
    return out
  end

  it("begins with the first instance, and lists what did not come", function()
    local path = series { peid = 20 }
    cqueues.sleep(0.5)
    assert.equal(0, read(path).mdc)
    local first = now()
    add(path, first)
    add(path, first + 1 * PEI * 1000 + 19000)          -- within peid
    add(path, first + 2 * PEI * 1000 - 21000)          -- not
    local r = wait_for(path, 2)
    local list = indices(first, r.mdlt)
    assert.same({ 2, 3 }, { list[1], list[2] })
    assert.equal(r.mdc, #r.mdlt)
  end)

  it("takes early instances when their time comes", function()
    local path = series { peid = 20 }
    local first = now()
    for i = 0, 5 do
      if i ~= 2 then add(path, first + i * PEI * 1000) end
    end
    local r = wait_for(path, 2)
    local list = indices(first, r.mdlt)
    assert.same({ 2, 6 }, { list[1], list[2] })
  end)

  it("keeps the newest mdn", function()
    local path = series { mdn = 2, pei = 40, mdt = 30 }
    local first = now()
    add(path, first)
    wait_for(path, 2)
    h.wait("a later one", function() return indices(first, read(path).mdlt, 40)[1] >= 3 end)
    local r = read(path)
    assert.same({ 2, 2 }, { r.mdc, #r.mdlt })
  end)

  it("ends with mdd false and begins anew with true", function()
    local path = series {}
    add(path, now())
    wait_for(path, 1)
    set(path, false)
    local r = read(path)
    cqueues.sleep(0.5)
    assert.same({ r.mdc, r.mdlt }, { read(path).mdc, read(path).mdlt })
    set(path, true)
    r = read(path)
    assert.equal(0, r.mdc)
    assert.is_nil(r.mdlt)
    cqueues.sleep(0.5)
    assert.equal(0, read(path).mdc)
    local first = now()
    add(path, first)
    assert.equal(1, indices(first, wait_for(path, 1).mdlt)[1])
  end)

  it("survives a restart: what passed meanwhile is missing, what had come is not", function()
    local path = series { peid = 20, mni = 1 }
    local first = now()
    for i = 0, 2 do add(path, first + i * PEI * 1000) end
    add(path, first + 4 * PEI * 1000)
    s:kill()
    cqueues.sleep(1.5)
    s:run()
    local r = wait_for(path, 3)
    local list = indices(first, r.mdlt)
    assert.same({ 3, 5, 6 }, { list[1], list[2], list[3] })
  end)

  it("is reported to subscribers of net 8 from md.num on", function()
    local path = series { peid = 20 }
    expect(4000, s:create("/moon/watch", ME, 23, { nu = { ME }, enc = { net = { 8 },
      md = { num = 1, dur = "PT10S" } } }), "timeSeries")
    expect(4000, s:create(path, ME, 23, { nu = { ME }, enc = { net = { 8 } } }), "md")
    local sub = expect(2001, s:create(path, ME, 23, { rn = "s", nu = { ME }, enc = { net = { 8 },
      md = { num = 2, dur = "PT60S" } } }))
    assert.equal(5, sub.nct)
    local ws = s:listen(ae)
    local first = now()
    add(path, first)
    local nev = ws:sgn().nev
    assert.equal(8, nev.net)
    local tsn = nev.rep["m2m:tsn"]
    assert.same({ 2, 1, 2 }, { tsn.mdc, unpack(indices(first, tsn.mdlt)) })
    tsn = ws:sgn().nev.rep["m2m:tsn"]
    assert.same({ 3, 3 }, { tsn.mdc, unpack(indices(first, tsn.mdlt)) })
    set(path, false)
    ws:close()
  end)

  it("goes on counting for a subscriber after a restart", function()
    local path = series { pei = 400, mdt = 100 }
    expect(2001, s:create(path, ME, 23, { rn = "s", nu = { ME }, enc = { net = { 8 },
      md = { num = 3, dur = "PT60S" } } }))
    local first = now()
    add(path, first)
    wait_for(path, 1)
    s:kill()
    s:run()
    local ws = s:listen(ae)
    local tsn
    repeat tsn = ws:sgn().nev.rep["m2m:tsn"] until indices(first, tsn.mdlt, 400)[1] == 1
    assert.is_true(tsn.mdc >= 3)
    assert.equal(tsn.mdc, #tsn.mdlt)
    set(path, false)
    ws:close()
  end)

  it("leaves nothing behind when the timeSeries is deleted", function()
    local path = series {}
    add(path, now())
    expect(2002, s:delete(path, ME))
    cqueues.sleep(0.6)
    assert.is_nil(s:text():match "error[^\n]*")
  end)
end)
