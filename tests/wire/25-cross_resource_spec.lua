-- Cross-resource subscriptions on the wire (TS-0004 7.4.58, 7.5.1.2.18, 7.5.1.2.20): creation with
-- status codes and roll back, windows, notices over WebSocket, kept while the target is away and
-- over kill -9, the end.

local h = require "harness"
local expect = h.expect

local ME = "Cfarm"
local A, B = "/moon/farm/a", "/moon/farm/b"
local NEW = { net = { 3 } }

describe("crossResourceSubscription", function()
  local s, ws, me

  setup(function()
    s = h.start { config = "return { notification = { answer_time = 1 } }" }
    me = s:register("farm")
    ws = s:listen(me)
    s:register("other")
    for _, rn in ipairs { "a", "b" } do expect(2001, s:create("/moon/farm", ME, 3, { rn = rn })) end
  end)
  teardown(function()
    pcall(ws.close, ws)
    h.stop_all()
  end)

  local function create(attrs, where)
    attrs.nu, attrs.twt, attrs.tws = attrs.nu or { ME }, attrs.twt or 2, attrs.tws or "PT5S"
    if not attrs.rrat and not attrs.srat then
      attrs.rrat, attrs.encs = { "moon/farm/a", "moon/farm/b" }, { NEW }
    end
    return s:create(where or "/moon/farm", ME, 48, { ["m2m:crs"] = attrs })
  end

  local function gone(path)
    h.wait(path .. " to be gone", function() return s:retrieve(path, "CAdmin").rsc == 4004 end)
  end

  local function finish(path)
    expect(2002, s:delete(path, ME))
    gone(path)
  end

  it("makes its subscriptions and tells when all have had an event", function()
    local crs = expect(2001, create { rn = "x" })
    assert.equal(48, crs.ty)
    assert.equal(2, #crs.rrats)
    local sub = expect(2000, s:retrieve("/" .. crs.rrats[1], ME))
    assert.same({ "/moon/" .. crs.ri }, sub.nu)
    s:add(A, ME, "1")
    ws:expect_silence(0.2)
    s:add(B, ME, "2")
    local sgn, m = ws:sgn()
    assert.same({ sur = "/moon/" .. crs.ri }, sgn)
    assert.equal("/moon", m.fr)
    s:add(B, ME, "3")
    ws:expect_silence(0.2)
    s:add(A, ME, "4")
    assert.equal("/moon/" .. crs.ri, ws:sgn().sur)
    finish "/moon/farm/x"
    gone("/" .. crs.rrats[1])
    s:add(A, ME, "5")
    s:add(B, ME, "6")
    ws:expect_silence(0.2)
  end)

  it("carries its event category, and counts its notifications", function()
    local crs = expect(2001, create { rn = "x", exc = 1, nec = 100 })
    s:add(A, ME, "1")
    s:add(B, ME, "2")
    local _, m = ws:sgn()
    assert.equal(100, m.ec)
    gone "/moon/farm/x"
    gone("/" .. crs.rrats[2])
  end)

  it("periodic: begins again at its end, forgetting what was marked", function()
    expect(2001, create { rn = "x", twt = 1, tws = "PT1S" })
    s:add(A, ME, "1")
    h.sleep(1.1)
    s:add(B, ME, "2")
    ws:expect_silence(0.2)
    finish "/moon/farm/x"
  end)

  it("evaluation mode 4: nothing came in a period", function()
    local crs = expect(2001, create { rn = "x", twt = 1, tws = "PT1S", eem = 4 })
    assert.equal("/moon/" .. crs.ri, ws:sgn(3).sur)
    finish "/moon/farm/x"
    while ws:notification(0.3) do end
  end)

  it("joins subscriptions that are there, and leaves them", function()
    expect(2001, s:create(A, ME, 23, { rn = "s", nu = { ME }, enc = NEW }))
    local crs = expect(2001, create { rn = "x", srat = { "moon/farm/a/s" } })
    local sub = expect(2000, s:retrieve(A .. "/s", ME))
    assert.same({ ME, "/moon/" .. crs.ri }, sub.nu)
    assert.same({ "/moon/" .. crs.ri }, sub.acrs)
    s:add(A, ME, "1")
    local seen = {}
    for _ = 1, 2 do
      local sgn = ws:sgn()
      seen[sgn.sur] = sgn.nev and "event" or "cross"
    end
    assert.same({ ["/moon/" .. sub.ri] = "event", ["/moon/" .. crs.ri] = "cross" }, seen)
    finish "/moon/farm/x"
    h.wait("the subscription to be as it was", function()
      local now = expect(2000, s:retrieve(A .. "/s", ME))
      return #now.nu == 1 and now.acrs == nil
    end)
    expect(2002, s:delete(A .. "/s", ME))
  end)

  it("is refused with what is wrong, and leaves nothing behind", function()
    expect(4000, s:create("/moon/farm", ME, 48,
      { ["m2m:crs"] = { nu = { ME }, twt = 1, tws = "PT1S" } }), "rrat")
    expect(4000, create { rrat = { "moon/farm/a" } }, "encs: missing")
    expect(4000, create { rrat = { "moon/farm/a" }, encs = { NEW, NEW } }, "encs: one for all")
    expect(4000, create { twt = 3 }, "twt")
    expect(4000, create { tws = "PT0S" }, "tws")
    expect(4000, create { tws = "P4000D" }, "ten years")
    expect(4000, create { eem = 3 }, "eem")
    expect(4108, create({}, A), "below")
    expect(5204, create { nu = { "Cother" } }, "no answer")
    expect(5221, create { rrat = { "moon/farm/a", "moon/other" }, encs = { NEW } }, "4103")
    expect(5221, create { rrat = { "moon/farm/a", "moon/farm/zz" }, encs = { NEW } }, "4004")
    expect(5221, create { srat = { "moon/farm/a" } }, "no subscription")
    for _, kid in ipairs(expect(2000, s:retrieve(A .. "?rcn=6", ME)).rrf or {}) do
      assert.not_equal(23, kid.typ)
    end
  end)

  it("refuses updates of what is set for good", function()
    expect(2001, create { rn = "x" })
    for _, name in ipairs { "rrat", "srat", "encs", "nec", "su", "rrats" } do
      expect(4000, s:update("/moon/farm/x", ME, { ["m2m:crs"] = { [name] = { "x" } } }), name)
    end
    expect(2004, s:update("/moon/farm/x", ME, { ["m2m:crs"] = { tws = "PT9S", exc = 3 } }))
    expect(5203, s:create("/moon/farm/x", ME, 23, { nu = { ME } }))
    finish "/moon/farm/x"
  end)

  it("ends with one of its subscriptions and tells su", function()
    local crs = expect(2001, create { rn = "x", su = ME })
    expect(2002, s:delete("/" .. crs.rrats[1], ME))
    local sgn = ws:sgn()
    assert.same({ sud = true, sur = "/moon/" .. crs.ri }, sgn)
    gone "/moon/farm/x"
    gone("/" .. crs.rrats[2])
  end)

  -- How many notices come within `seconds`, all of them of crs.
  local function count(crs, seconds)
    local n = 0
    while true do
      local m = ws:notification(seconds)
      if not m then return n end
      assert.same({ sur = "/moon/" .. crs.ri }, m.pc["m2m:sgn"])
      n = n + 1
    end
  end

  it("evaluation modes 2, 3 and 5: some came, some did not", function()
    for eem, of in pairs { [2] = { 0, 1, 1 }, [3] = { 1, 1, 0 }, [5] = { 0, 1, 0 } } do
      for events = 0, 2 do
        local crs = expect(2001, create { rn = "x", twt = 1, tws = "PT1.5S", eem = eem })
        if events > 0 then s:add(A, ME, "1") end
        if events > 1 then s:add(B, ME, "2") end
        h.sleep(1.8)
        finish "/moon/farm/x"
        assert.equal(of[events + 1], count(crs, 0.2), eem .. " with " .. events)
      end
    end
    expect(4000, create { twt = 2, eem = 3 }, "eem")
    expect(4000, create { twt = 2, eem = 4 }, "eem")
    expect(4000, create { twt = 1, eem = 6 }, "eem")
    expect(2001, create { rn = "x", twt = 1, eem = 4, tws = "PT60S" })
    expect(4000, s:update("/moon/farm/x", ME, { ["m2m:crs"] = { twt = 2 } }), "eem")
    finish "/moon/farm/x"
  end)

  it("sliding: a window that is over forgets; a new twt or tws begins another", function()
    local crs = expect(2001, create { rn = "x", tws = "PT1S" })
    s:add(A, ME, "1")
    h.sleep(1.2)
    s:add(B, ME, "2")
    ws:expect_silence(0.2)
    s:add(A, ME, "3")
    assert.equal(1, count(crs, 0.3))
    s:add(A, ME, "4")
    expect(2004, s:update("/moon/farm/x", ME, { ["m2m:crs"] = { tws = "PT60S", twt = 1 } }))
    s:add(B, ME, "5")
    ws:expect_silence(0.2)
    s:add(A, ME, "6")
    assert.equal(1, count(crs, 0.3))
    s:add(A, ME, "7")
    s:add(B, ME, "8")
    assert.equal(0, count(crs, 0.3), "once per window")
    finish "/moon/farm/x"
  end)

  it("statistics: nse and nsi", function()
    local crs = expect(2001, create { rn = "x", nse = true })
    assert.is_nil(crs.nsi)
    expect(4000, s:update("/moon/farm/x", ME, { ["m2m:crs"] = { nsi = {} } }), "nsi")
    local function nsi() return expect(2000, s:retrieve("/moon/farm/x", ME)).nsi end
    local function becomes(n)
      return h.wait("nsi", function()
        local one = (nsi() or {})[1]
        return one and one.rqs == n and one.rsr == n and one.noec == n and one.tg == ME
      end)
    end
    for n = 1, 2 do
      s:add(A, ME, "1")
      s:add(B, ME, "2")
      ws:sgn()
      becomes(n)
    end
    expect(2004, s:update("/moon/farm/x", ME, '{"m2m:crs":{"nse":false}}'))
    s:add(A, ME, "3")
    s:add(B, ME, "4")
    ws:sgn()
    becomes(2)
    s:stop()
    s:run()
    ws = s:listen(me)
    becomes(2)
    expect(2004, s:update("/moon/farm/x", ME, '{"m2m:crs":{"nse":true}}'))
    assert.is_nil(nsi())
    expect(2004, s:update("/moon/farm/x", ME, '{"m2m:crs":{"nse":null}}'))
    assert.is_nil(nsi())
    finish "/moon/farm/x"
    while ws:notification(0.2) do end
  end)

  it("ends when a subscription leaves it: acrs without it, or sud", function()
    expect(2001, s:create(A, ME, 23, { rn = "s", nu = { ME }, enc = NEW }))
    expect(2001, create { rn = "x", srat = { "moon/farm/a/s" }, su = ME })
    expect(2004, s:update(A .. "/s", ME, '{"m2m:sub":{"acrs":null}}'))
    gone "/moon/farm/x"
    assert.is_true(ws:sgn().sud)
    expect(2002, s:delete(A .. "/s", ME))
    local crs = expect(2001, create { rn = "x" })
    expect(2000, s:http("POST", "/moon/farm/x", ME, { body = { ["m2m:sgn"] = { sud = true,
      sur = "/moon/" .. crs.rrats[1] } } }))
    gone "/moon/farm/x"
    gone("/" .. crs.rrats[1])
  end)

  it("checks its attributes, and carries them", function()
    local crs = expect(2001, create { rn = "x", exc = 5, nec = 2, su = ME, eem = 1, lbl = { "l" } })
    for name, v in pairs { exc = 5, nec = 2, su = ME, eem = 1, twt = 2, tws = "PT5S" } do
      assert.equal(v, crs[name], name)
    end
    assert.same({ "moon/farm/a", "moon/farm/b" }, crs.rrat)
    assert.same({ NEW }, crs.encs)
    for name, v in pairs { exc = "0", nec = "1", su = "5", eem = "0", twt = "0", tws = '"5"',
      nse = "1", nu = "[]", rrats = '["x"]', nsi = "[]", encs = "[]", rrat = "[]" } do
      local text = { nu = '["' .. ME .. '"]', twt = "1", tws = '"PT5S"', rrat = '["moon/farm/a"]',
        encs = '[{"net":[3]}]' }
      text[name] = v
      local parts = {}
      for k, t in pairs(text) do parts[#parts + 1] = ('"%s":%s'):format(k, t) end
      expect(4000, s:create("/moon/farm", ME, 48, '{"m2m:crs":{' .. table.concat(parts, ",")
        .. "}}"), name)
    end
    for _, name in ipairs { "twt", "tws", "nu" } do
      expect(4000, s:update("/moon/farm/x", ME, '{"m2m:crs":{"' .. name .. '":null}}'), name)
    end
    finish "/moon/farm/x"
    while ws:notification(0.2) do end
  end)

  it("a restart and kill -9 end no window, and forget no mark", function()
    for twt = 1, 2 do
      local crs = expect(2001, create { rn = "x", twt = twt, tws = "PT60S" })
      s:add(A, ME, "1")
      h.sleep(0.3)
      if twt == 1 then s:kill() else s:stop() end
      s:run()
      ws:close()
      ws = s:listen(me)
      s:add(B, ME, "2")
      assert.equal("/moon/" .. crs.ri, ws:sgn().sur)
      h.sleep(0.1)
      s:kill()
      s:run()
      ws:close()
      ws = s:listen(me)
      while ws:notification(0.3) do end        -- not known to be acknowledged
      s:add(B, ME, "3")
      s:add(A, ME, "4")
      if twt == 1 then
        ws:expect_silence(0.3)                 -- once per window
      else
        assert.equal("/moon/" .. crs.ri, ws:sgn().sur)
      end
      finish "/moon/farm/x"
      while ws:notification(0.2) do end
    end
  end)

  it("takes a NOTIFY from who may send it", function()
    local crs = expect(2001, create { rn = "x" })
    local function notify(fr, sur)
      return s:http("POST", "/moon/farm/x", fr, { body = { ["m2m:sgn"] = { sur = sur,
        nev = { net = 3, rep = { ["m2m:cin"] = { con = "1" } } } } } })
    end
    expect(4103, notify("Cother", crs.rrats[1]))
    expect(4000, notify(ME, nil), "sur")
    expect(2000, notify(ME, "/moon/" .. crs.rrats[1]))
    expect(2000, notify(ME, "/moon/" .. crs.rrats[2]))
    assert.equal("/moon/" .. crs.ri, ws:sgn().sur)
    finish "/moon/farm/x"
  end)

  it("is silent while its schedule is closed, after a restart too", function()
    local crs = expect(2001, create { rn = "x" })
    local sch = "/moon/farm/x/notificationSchedule"
    expect(2001, s:create("/moon/farm/x", ME, 18,
      { ["m2m:sch"] = { se = { sce = { "* * * * * * 2001" } } } }))
    s:add(A, ME, "1")
    s:add(B, ME, "2")
    ws:expect_silence(0.3)
    s:stop()
    s:run()
    ws = s:listen(me)
    s:add(A, ME, "3")
    s:add(B, ME, "4")
    ws:expect_silence(0.3)
    expect(2002, s:delete(sch, ME))
    s:add(A, ME, "5")
    s:add(B, ME, "6")
    assert.equal("/moon/" .. crs.ri, ws:sgn().sur)
    finish "/moon/farm/x"
  end)

  it("keeps its notices while the target is away, and what was answered counts after kill -9",
    function()
      local crs = expect(2001, create { rn = "x", tws = "PT60S" })
      ws:close()
      s:add(A, ME, "1")
      s:add(B, ME, "2")
      h.sleep(0.3)
      s:kill()
      s:run()
      ws = s:listen(me)
      assert.equal("/moon/" .. crs.ri, ws:sgn().sur)
      s:add(B, ME, "3")
      s:add(A, ME, "4")
      assert.equal("/moon/" .. crs.ri, ws:sgn().sur)
      finish "/moon/farm/x"
    end)
end)
