-- The rows of the standard's tables about <subscription> that no other test speaks of: every
-- attribute's values, checks and status codes of CREATE, UPDATE and DELETE (TS-0004 7.4.8.2),
-- verification (7.5.1.2.3), what is done with what waits.

local cqueues = require "cqueues"
local h = require "harness"
local expect = h.expect

local ME = "Crow"

describe("subscription", function()
  local s, ws, other, row

  setup(function()
    s = h.start { config = "return { notification = { answer_time = 1 } }" }
    row = s:register("row")
    ws = s:listen(row)
    other = s:listen(s:register("other"))
  end)
  teardown(function()
    ws:close()
    other:close()
    h.stop_all()
  end)

  local last = 0
  local function container()
    last = last + 1
    expect(2001, s:create("/moon/row", ME, 3, { rn = "c" .. last }))
    return "/moon/row/c" .. last
  end

  local function subscribe(path, attrs)
    attrs.rn, attrs.nu = attrs.rn or "s", attrs.nu or { ME }
    return expect(2001, s:create(path, ME, 23, attrs))
  end

  local function change(path, text)
    return s:update(path .. "/s", ME, '{"m2m:sub":' .. text .. "}")
  end

  local NEW = { net = { 3 }, chty = { 4 } }

  describe("CREATE", function()
    it("5203 below what is not subscribable", function()
      local c = container()
      local cin = s:add(c, ME, "1")
      local poller = s:register("rowpoll", { rr = false })
      expect(2001, s:create("/moon/rowpoll", poller.aei, 15, { ["m2m:pch"] = { rn = "pch" } }))
      expect(5203, s:create(c .. "/" .. cin.rn, ME, 23, { nu = { ME } }))
      expect(5203, s:create("/moon/rowpoll/pch", poller.aei, 23, { nu = { poller.aei } }))
    end)

    it("4103 without RETRIEVE of the parent, besides CREATE", function()
      local pvs = { acr = { { acor = { ME }, acop = 63 } } }
      for name, acop in pairs { only = 1, both = 3 } do
        local c = container()
        expect(2001, s:create("/moon/row", ME, 1, { rn = name .. last, pvs = pvs, pv = { acr = {
          { acor = { "Cother" }, acop = acop }, { acor = { ME }, acop = 63 } } } }))
        expect(2004, s:update(c, ME, ('{"m2m:cnt":{"acpi":["moon/row/%s%d"]}}'):format(name, last)))
        expect(name == "both" and 2001 or 4103, s:create(c, "Cother", 23, { nu = { "Cother" } }))
      end
    end)

    it("no net: net 1; an empty enc too; with atr it is about that attribute", function()
      local c = container()
      subscribe(c, { rn = "e" })
      expect(2001, s:create(c, ME, 23, '{"m2m:sub":{"rn":"f","nu":["' .. ME .. '"],"enc":{}}}'))
      subscribe(c, { enc = { atr = { "lbl" } } })
      expect(2004, s:update(c, ME, { ["m2m:cnt"] = { mni = 5 } }))
      for _ = 1, 2 do assert.equal(1, ws:sgn().nev.net) end
      ws:expect_silence(0.2)
      expect(2004, s:update(c, ME, { ["m2m:cnt"] = { lbl = { "x" } } }))
      for _ = 1, 3 do assert.equal(1, ws:sgn().nev.net) end
      ws:expect_silence(0.2)
    end)

    it("several net with different defaults of nct need one (4000)", function()
      expect(4000, s:create("/moon/row", ME, 23, { nu = { ME }, enc = { net = { 1, 6 } } }), "nct")
    end)

    for name, cases in pairs {
      exc = { bad = { "0", "-1", '"1"', "1.5" }, good = { "1", "4294967295" } },
      pn = { bad = { "0", "3", '"1"' }, good = { "1", "2" } },
      nsp = { bad = { "0", "-1", '"1"' }, good = { "1", "100" } },
      ln = { bad = { "1", '"true"' }, good = { "true", "false" } },
      nec = { bad = { "0", "1", "5", "99", "1000", '"2"' },
        good = { "2", "3", "4", "100", "999" } },
      nct = { bad = { "0", "2", "4", "5", "6" }, good = { "1", "3" } },
      gpi = { bad = { "5", "[]" }, good = { '"moon/row/g"' } },
      nfu = { bad = { "5" }, good = { '"http://127.0.0.1:9/n"' } },
      su = { bad = { "5", "[]" }, good = { '"Crow"' } },
      acrs = { bad = { "[]", '"x"', "[5]" }, good = { '["/moon/none"]' } },
      nse = { bad = { "1" }, good = { "true", "false" } },
      eeno = { bad = { "1" }, good = { "true" } },
      bn = { bad = { '{"num":0}', '{"dur":"PT0S"}', "5", '{"x":1}' },
        good = { "{}", '{"num":2}', '{"dur":"PT5S"}' } },
      rl = { bad = { '{"mnn":0}', '{"tww":"5"}', '{"tww":"PT0S"}', "5" },
        good = { "{}", '{"mnn":2}', '{"tww":"PT5S"}' } },
    } do
      it(name .. ": what it may be and what not", function()
        local c = container()
        local function create(v)
          return s:create(c, ME, 23,
            ('{"m2m:sub":{"nu":["%s"],"enc":{"net":[2]},"%s":%s}}'):format(ME, name, v))
        end
        for _, v in ipairs(cases.bad) do expect(4000, create(v), name) end
        for _, v in ipairs(cases.good) do
          assert.is_not_nil(expect(2001, create(v))[name])
        end
      end)
    end

    it("bn and rl are shown whole", function()
      local sub = subscribe(container(), { bn = { num = 4 }, rl = { mnn = 3 } })
      assert.same({ num = 4, dur = "PT60S" }, sub.bn)
      assert.same({ mnn = 3, tww = "PT1S" }, sub.rl)
    end)

    it("cr is the originator: on request, and whenever somebody else is notified", function()
      local c = container()
      assert.equal(ME, expect(2001, s:create(c, ME, 23,
        '{"m2m:sub":{"nu":["' .. ME .. '"],"cr":null,"enc":{"net":[3],"chty":[4]}}}')).cr)
      assert.equal(ME, subscribe(c, { nu = { "http://127.0.0.1:9/x" }, enc = NEW }).cr)
      s:add(c, ME, "1")
      assert.equal(ME, ws:sgn().cr)
    end)

    it("a URL of a protocol that is not spoken here is refused, when nu changes too", function()
      local c = container()
      for url, rsc in pairs { ["mqtt://127.0.0.1/x"] = 5001, ["coaps://127.0.0.1/"] = 5001,
        ["ftp://127.0.0.1/"] = 4000 } do
        local a = s:create(c, ME, 23, { rn = "s", nu = { ME, url }, enc = NEW })
        expect(rsc, a)
        assert.matches("nu: " .. url:match("^%a+"), a.body["m2m:dbg"], 1, true)
      end
      subscribe(c, { enc = NEW, nu = { "HTTP://127.0.0.1:9/", "https://127.0.0.1:9/?ct=cbor",
        "ws://127.0.0.1:9/", "wss://127.0.0.1:9/" } })
      expect(5001, change(c, '{"nu":["mqtts://127.0.0.1/"]}'))
      expect(2004, change(c, '{"exc":3}'))
      expect(5001, s:create(c, ME, 23, { nu = { ME }, su = "mqtt://127.0.0.1/", enc = NEW }))
      expect(5001, s:create("/moon/row", ME, 48,
        ('{"m2m:crs":{"nu":["mqtt://h/"],"twt":1,"tws":"PT9S","rrat":["%s"],"encs":[{"net":[3]}]}}')
          :format(c:sub(2))))
    end)

    it("what this CSE does not act on is refused (5001)", function()
      local c = container()
      expect(5001, s:create(c, ME, 23, { nu = { ME }, ma = "PT5S" }), "ma")
    end)
  end)

  describe("verification", function()
    local function create_with(answer, attrs)
      local q, a = cqueues.new(), nil
      local c = container()
      q:wrap(function() a = s:create(c, ME, 23, attrs or { rn = "s", nu = { "Cother" } }) end)
      q:wrap(function()
        local m = assert(other:notification(5, false))
        assert.is_true(m.pc["m2m:sgn"].vrq)
        answer(m)
      end)
      assert(q:loop(10))
      return a, c
    end

    for _, rsc in ipairs { 4000, 4101, 4103, 4105, 5103, 5205, 2001, 2004 } do
      it(rsc .. " is 5204", function()
        local a, c = create_with(function(m) other:send { rsc = rsc, rqi = m.rqi, rvi = "3" } end)
        expect(5204, a, "Cother")
        expect(4004, s:retrieve(c .. "/s", ME))
      end)
    end

    it("one of several that refuses is enough; an answer may have content", function()
      local a = create_with(function(m)
        other:send { rsc = 2000, rqi = m.rqi, rvi = "3", pc = { ["m2m:sgn"] = { sur = "x" } } }
      end)
      expect(2001, a)
      expect(5204, s:create(container(), ME, 23, { nu = { ME, "Cnobody" } }), "Cnobody")
    end)

    it("a later 4101 or 5205 loses that notification, the subscription stays", function()
      local a, c = create_with(function(m) other:send { rsc = 2000, rqi = m.rqi, rvi = "3" } end,
        { rn = "s", nu = { "Cother" }, enc = NEW, exc = 5 })
      expect(2001, a)
      for _, rsc in ipairs { 4101, 5205 } do
        s:add(c, ME, "lost")
        local m = assert(other:notification(5, false))
        other:send { rsc = rsc, rqi = m.rqi, rvi = "3" }
      end
      s:add(c, ME, "next")
      assert.equal("next", other:content())
      h.wait("exc", function()
        return expect(2000, s:retrieve(c .. "/s", ME)).exc == 4     -- failures do not count
      end)
    end)
  end)

  describe("UPDATE", function()
    it("checks enc and nct as they will be", function()
      local c = container()
      subscribe(c, { enc = NEW })
      expect(4000, change(c, '{"enc":{"net":[3],"om":[{"ops":1}]}}'), "om")
      expect(4000, change(c, '{"enc":{"net":[3],"chty":[2]}}'), "chty")
      expect(4000, change(c, '{"enc":{"net":[7]},"nct":null}'))
      expect(4000, change(c, '{"enc":{"net":[7]}}'))
      expect(4000, change(c, '{"enc":{"net":[8],"md":{"num":1,"dur":"PT1S"}},"nct":5}'),
        "timeSeries")
      expect(4000, change(c, '{"nct":2}'), "nct")
      expect(2004, change(c, '{"enc":{"net":[1]},"nct":2}'))
      expect(4000, change(c, '{"enc":{"net":[3]}}'), "nct")
      expect(2004, change(c, '{"enc":{"om":[{"ops":2}]},"nct":1}'))
      expect(2000, s:retrieve(c, ME))
      local nev = ws:sgn().nev
      assert.same({ op = 2, ["or"] = ME }, nev.om)
      assert.is_nil(nev.net)
    end)

    it("su, psn, cr and nsi are not for it, nu and nct not to be removed", function()
      local c = container()
      subscribe(c, { enc = NEW, su = ME })
      for name, v in pairs { su = '"Cx"', psn = "1", cr = '"Cx"', nsi = "[]", nu = "null",
        nct = "null" } do
        expect(4000, change(c, ('{"%s":%s}'):format(name, v)), name)
      end
    end)

    it("optional attributes go with null", function()
      local c = container()
      subscribe(c, { enc = NEW, exc = 9, bn = { num = 2 }, rl = { mnn = 9 }, pn = 1, nsp = 2,
        ln = true, nec = 3, gpi = "moon/row", eeno = true, nse = true })
      local names = { "enc", "exc", "bn", "rl", "pn", "nsp", "ln", "nec", "gpi", "eeno", "nse" }
      expect(2004, change(c, '{"' .. table.concat(names, '":null,"') .. '":null}'))
      local sub = expect(2000, s:retrieve(c .. "/s", ME))
      for _, name in ipairs(names) do assert.is_nil(sub[name], name) end
      expect(2004, s:update(c, ME, { ["m2m:cnt"] = { mni = 7 } }))
      assert.equal(1, ws:sgn().nev.net)            -- as without enc
    end)

    it("ln true: of what waits only the newest is left", function()
      local c = container()
      subscribe(c, { enc = NEW, bn = { num = 9, dur = "PT60S" } })
      for i = 1, 3 do s:add(c, ME, tostring(i)) end
      expect(2004, change(c, '{"ln":true}'))
      expect(2004, change(c, '{"bn":null}'))
      local con, m = ws:content()
      assert.same({ "3", 4 }, { con, m.ec })
      ws:expect_silence(0.2)
    end)

    it("ln true: of what is kept for who is away only the newest is left, newer ones replace it",
      function()
        local c, d = container(), container()
        subscribe(c, { enc = NEW })
        subscribe(d, { enc = NEW })
        ws:close()
        h.wait("away", function() return s:metric("moon2m_connections", 'kind="ws"') == 1 end)
        for i = 1, 3 do s:add(c, ME, tostring(i)) end
        s:add(d, ME, "d")
        expect(2004, change(c, '{"ln":true}'))
        ws = s:listen(row)
        assert.equal("3", (ws:content()))
        assert.equal("d", (ws:content()))
        ws:expect_silence(0.2)
      end)

    it("nu: what waits for a target that is not named any more is dropped", function()
      local c = container()
      local q, a = cqueues.new(), nil
      q:wrap(function()
        a = s:create(c, ME, 23, { rn = "s", nu = { ME, "Cother" }, enc = NEW,
          bn = { num = 9, dur = "PT60S" } })
      end)
      q:wrap(function() assert.is_true(other:sgn().vrq) end)
      assert(q:loop(10))
      expect(2001, a)
      s:add(c, ME, "1")
      expect(2004, change(c, '{"nu":["' .. ME .. '"],"bn":{"num":1}}'))
      assert.equal("1", ws:notification(5).pc["m2m:agn"]["m2m:sgn"][1].nev.rep["m2m:cin"].con)
      other:expect_silence(0.3)
    end)
  end)

  describe("the end", function()
    it("by expiry and by exc tells su", function()
      local c = container()
      local et = os.date("!%Y%m%dT%H%M%S", os.time() + 2)
      local sub = subscribe(c, { enc = NEW, su = ME, et = et })
      assert.same({ sud = true, sur = "/moon/" .. sub.ri }, ws:sgn(10))
      sub = subscribe(c, { enc = NEW, su = ME, exc = 1 })
      s:add(c, ME, "1")
      assert.equal("1", ws:content())
      assert.same({ sud = true, sur = "/moon/" .. sub.ri }, ws:sgn())
    end)

    it("what a rate limit held back goes with the subscription", function()
      local c = container()
      subscribe(c, { enc = NEW, rl = { mnn = 1, tww = "PT60S" } })
      for i = 1, 3 do s:add(c, ME, tostring(i)) end
      assert.equal("1", ws:content())
      expect(2002, s:delete(c .. "/s", ME))
      ws:expect_silence(0.4)
    end)

    it("what waited for its schedule goes too", function()
      local c = container()
      subscribe(c, { enc = NEW, pn = 2 })
      expect(2001, s:create(c .. "/s", ME, 18,
        { ["m2m:sch"] = { se = { sce = { "* * * * * * 2001" } } } }))
      s:add(c, ME, "1")
      expect(2002, s:delete(c .. "/s", ME))
      ws:expect_silence(0.4)
    end)
  end)

  it("every notification has sur; nec is its ec", function()
    local c = container()
    for _, nec in ipairs { 2, 3, 4, 100, 999 } do
      local sub = subscribe(c, { rn = "n" .. nec, enc = NEW, nec = nec })
      s:add(c, ME, "1")
      local sgn, m = ws:sgn()
      assert.same({ "/moon/" .. sub.ri, nec }, { sgn.sur, m.ec })
      expect(2002, s:delete(c .. "/n" .. nec, ME))
    end
  end)

  it("net 2 and 4 with nct 3: the identifier of what is gone", function()
    local c = container()
    expect(2001, s:create(c, ME, 3, { rn = "d" }))
    local d = expect(2000, s:retrieve(c .. "/d", ME))
    subscribe(c .. "/d", { enc = { net = { 2 } }, nct = 3 })
    subscribe(c, { enc = { net = { 4 } }, nct = 3 })
    expect(2002, s:delete(c .. "/d", ME))
    local seen = {}
    for _ = 1, 2 do
      local nev = ws:sgn().nev
      seen[nev.net] = nev.rep["m2m:uri"]
    end
    assert.same({ [2] = d.ri, [4] = d.ri }, seen)
  end)
end)
