-- subscription (TS-0001 9.6.8, 10.2.10; TS-0004 7.4.8, 7.5.1): events, content types, criteria,
-- verification, the expiration counter, the deletion notice, updates.

local h = require "harness"
local expect = h.expect

local ME = "Cobs"

describe("subscription", function()
  local s, ws

  setup(function()
    s = h.start()
    ws = s:listen(s:register("obs"))
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

  -- Subscribes ME to path; the subscription.
  local function subscribe(path, attrs)
    attrs = attrs or {}
    attrs.nu = attrs.nu or { ME }
    return expect(2001, s:create(path, ME, 23, attrs))
  end

  -- The first member of rep: root, resource.
  local function rep(sgn) return next(sgn.nev.rep) end

  it("has its defaults: nct 1, enc absent, no creator when it notifies itself", function()
    local r = subscribe(container())
    assert.equal(1, r.nct)
    assert.same({ ME }, r.nu)
    assert.equal(23, r.ty)
    assert.is_nil(r.exc)
    assert.is_string(r.et)
  end)

  it("net 3: a child is created; the notification is a whole request primitive", function()
    local path = container()
    local sub = subscribe(path, { enc = { net = { 3 } } })
    local cin = s:add(path, ME, "21")
    local sgn, m = ws:sgn()
    assert.equal(5, m.op)
    assert.equal("/moon", m.fr)
    assert.is_string(m.rqi)
    assert.is_string(m.rvi)
    assert.is_nil(m.ty)
    assert.matches("Cobs$", m.to)
    assert.equal("/moon/" .. sub.ri, sgn.sur)
    assert.equal(3, sgn.nev.net)
    assert.same({ ["m2m:cin"] = cin }, sgn.nev.rep)
    assert.is_nil(sgn.vrq)
    expect(2001, s:create(path, ME, 3, { rn = "kid" }))
    local root, r = rep((ws:sgn()))
    assert.equal("m2m:cnt", root)
    assert.equal("kid", r.rn)
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { mni = 3 } }))
    ws:expect_silence()
  end)

  it("no enc: net 1, an update of the resource; not a new child", function()
    local path = container()
    subscribe(path)
    s:add(path, ME, "1")
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { mni = 7 } }))
    local sgn = ws:sgn()
    assert.equal(1, sgn.nev.net)
    local root, r = rep(sgn)
    assert.equal("m2m:cnt", root)
    assert.equal(7, r.mni)
    assert.equal(1, r.cni)
    ws:expect_silence()
  end)

  it("net 2: the resource is deleted", function()
    local path = container()
    local sub = subscribe(path, { enc = { net = { 2 } } })
    expect(2002, s:delete(path, ME))
    local sgn = ws:sgn()
    assert.equal(2, sgn.nev.net)
    assert.equal("/moon/" .. sub.ri, sgn.sur)
    local _, r = rep(sgn)
    assert.equal(path:match("[^/]+$"), r.rn)
  end)

  it("net 2 of a descendant that goes with its parent", function()
    local path = container()
    expect(2001, s:create(path, ME, 3, { rn = "kid" }))
    subscribe(path .. "/kid", { enc = { net = { 2 } } })
    expect(2002, s:delete(path, ME))
    local _, r = rep((ws:sgn()))
    assert.equal("kid", r.rn)
  end)

  it("net 4: a child is deleted, an instance too; not by eviction", function()
    local path = container { mni = 2 }
    subscribe(path, { enc = { net = { 4 } } })
    for i = 1, 4 do s:add(path, ME, tostring(i)) end
    ws:expect_silence()
    expect(2002, s:delete(path .. "/ol", ME))
    local sgn = ws:sgn()
    assert.equal(4, sgn.nev.net)
    local _, r = rep(sgn)
    assert.equal("3", r.con)
    expect(2001, s:create(path, ME, 3, { rn = "kid" }))
    expect(2002, s:delete(path .. "/kid", ME))
    _, r = rep((ws:sgn()))
    assert.equal("kid", r.rn)
  end)

  it("net 4 and 2: expiry deletes too", function()
    local path = container()
    subscribe(path, { enc = { net = { 4 } } })
    local soon = os.date("!%Y%m%dT%H%M%S", os.time() + 2)
    expect(2001, s:create(path, ME, 3, { rn = "kid", et = soon }))
    local _, r = rep((ws:sgn(6)))
    assert.equal("kid", r.rn)
  end)

  it("several net in one subscription", function()
    local path = container()
    subscribe(path, { enc = { net = { 1, 3, 4 } } })
    s:add(path, ME, "1")
    assert.equal(3, (ws:sgn()).nev.net)
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { lbl = { "x" } } }))
    assert.equal(1, (ws:sgn()).nev.net)
    expect(2002, s:delete(path .. "/la", ME))
    assert.equal(4, (ws:sgn()).nev.net)
  end)

  it("nct 2: modified attributes only", function()
    local path = container { mni = 4 }
    subscribe(path, { nct = 2 })
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { lbl = { "x" } } }))
    local root, r = rep((ws:sgn()))
    assert.equal("m2m:cnt", root)
    assert.same({ "x" }, r.lbl)
    assert.is_nil(r.mni)
    assert.is_nil(r.rn)
    assert.is_nil(r.ri)
  end)

  it("nct 3: the identifier only", function()
    local path = container()
    subscribe(path, { nct = 3, enc = { net = { 3 } } })
    local cin = s:add(path, ME, "1")
    local sgn = ws:sgn()
    assert.matches(cin.ri:gsub("%-", "%%-") .. "$", sgn.nev.rep["m2m:uri"])
  end)

  it("atr: only when one of the attributes is in the update", function()
    local path = container()
    subscribe(path, { enc = { net = { 1 }, atr = { "mni", "mbs" } } })
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { lbl = { "x" } } }))
    ws:expect_silence()
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { lbl = { "y" }, mbs = 100 } }))
    local _, r = rep((ws:sgn()))
    assert.equal(100, r.mbs)
  end)

  it("chty: only children of these types", function()
    local path = container()
    subscribe(path, { enc = { net = { 3, 4 }, chty = { 3 } } })
    s:add(path, ME, "1")
    ws:expect_silence()
    expect(2001, s:create(path, ME, 3, { rn = "kid" }))
    assert.equal(3, (ws:sgn()).nev.net)
    expect(2002, s:delete(path .. "/la", ME))
    expect(2002, s:delete(path .. "/kid", ME))
    assert.equal(4, (ws:sgn()).nev.net)
  end)

  it("on the AE and on the CSEBase", function()
    subscribe("/moon/obs", { rn = "on_ae", enc = { net = { 3 }, chty = { 3 } } })
    local path = container()
    local _, r = rep((ws:sgn()))
    assert.equal(path:match("[^/]+$"), r.rn)
    expect(2002, s:delete("/moon/obs/on_ae", ME))
    expect(2001, s:create("/moon", "CAdmin", 23, { rn = "on_cb",
      nu = { "http://127.0.0.1:9/" }, enc = { net = { 3 } } }))
    expect(2002, s:delete("/moon/on_cb", "CAdmin"))
  end)

  it("does not notify of itself", function()
    local path = container()
    local sub = subscribe(path, { enc = { net = { 1, 2, 3, 4 } } })
    expect(2004, s:update("/" .. sub.ri, ME, { ["m2m:sub"] = { lbl = { "x" } } }))
    expect(2002, s:delete("/" .. sub.ri, ME))
    ws:expect_silence()
  end)

  it("keeps each subscription's own order, and one event reaches every subscription once",
    function()
    local path = container()
    local a = subscribe(path, { enc = { net = { 3 }, chty = { 4 } } })
    local b = subscribe(path, { enc = { net = { 3 }, chty = { 4 } }, nct = 3 })
    for i = 1, 10 do s:add(path, ME, tostring(i)) end
    local seen = { [a.ri] = {}, [b.ri] = {} }
    for _ = 1, 20 do
      local sgn = ws:sgn()
      table.insert(seen[sgn.sur:match("[^/]+$")], sgn.nev.rep)
    end
    for i = 1, 10 do assert.equal(tostring(i), seen[a.ri][i]["m2m:cin"].con) end
    assert.equal(10, #seen[b.ri])
    ws:expect_silence(0.2)
  end)

  it("exc: counts deliveries down and deletes the subscription", function()
    local path = container()
    local sub = subscribe(path, { exc = 2, enc = { net = { 3 } } })
    assert.equal(2, sub.exc)
    s:add(path, ME, "1")
    assert.equal("1", (ws:content()))
    h.wait("exc to fall", function()
      return expect(2000, s:retrieve("/" .. sub.ri, ME)).exc == 1
    end)
    s:add(path, ME, "2")
    assert.equal("2", (ws:content()))
    h.wait("the subscription to end", function()
      return s:retrieve("/" .. sub.ri, ME).rsc == 4004
    end)
    s:add(path, ME, "3")
    ws:expect_silence()
  end)

  it("su is told of the end: sud with the subscription", function()
    local path = container()
    local sub = subscribe(path, { su = ME })
    assert.equal(ME, sub.su)
    expect(2002, s:delete("/" .. sub.ri, ME))
    local sgn = ws:sgn()
    assert.is_true(sgn.sud)
    assert.equal("/moon/" .. sub.ri, sgn.sur)
    assert.is_nil(sgn.nev)
    sub = subscribe(path, { su = ME })
    expect(2002, s:delete(path, ME))                 -- the parent goes
    sgn = ws:sgn()
    assert.is_true(sgn.sud)
    assert.equal("/moon/" .. sub.ri, sgn.sur)
  end)

  it("stops at once when it is deleted, and follows an UPDATE at once", function()
    local path = container()
    local sub = subscribe(path, { enc = { net = { 3 } } })
    expect(2004, s:update("/" .. sub.ri, ME, { ["m2m:sub"] = { enc = { net = { 4 } } } }))
    s:add(path, ME, "1")
    ws:expect_silence()
    expect(2002, s:delete(path .. "/la", ME))
    assert.equal(4, (ws:sgn()).nev.net)
    expect(2004, s:update("/" .. sub.ri, ME, '{"m2m:sub":{"enc":null}}'))
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { mni = 9 } }))
    assert.equal(1, (ws:sgn()).nev.net)
    expect(2002, s:delete("/" .. sub.ri, ME))
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { mni = 8 } }))
    ws:expect_silence()
  end)

  for _, nu in ipairs { "Cobs", "moon/obs", "-/obs", "/moon/Cobs", "/moon/moon/obs",
    "//moon2m.local/moon/Cobs", "Cobs?ct=json" } do
    it("nu may be " .. nu, function()
      local path = container()
      subscribe(path, { nu = { nu }, enc = { net = { 3 } } })
      s:add(path, ME, "x")
      assert.equal("x", (ws:content()))
    end)
  end

  it("with several targets each gets its own", function()
    local other = s:listen(s:register("obs2"))
    local path = container()
    local cq = require("cqueues").new()
    local sub
    cq:wrap(function() sub = subscribe(path, { nu = { ME, "Cobs2" }, enc = { net = { 3 } } }) end)
    cq:wrap(function() assert.is_true((other:sgn()).vrq) end)
    assert(cq:loop(10))
    assert.equal(ME, sub.cr)                       -- kept: somebody else is notified too
    s:add(path, ME, "x")
    assert.equal("x", (ws:content()))
    local sgn, m = other:sgn()
    assert.equal("x", sgn.nev.rep["m2m:cin"].con)
    assert.equal(ME, sgn.cr)
    assert.matches("Cobs2$", m.to)
    other:close()
  end)

  describe("refuses", function()
    local path
    setup(function() path = container() end)

    for what, case in pairs {
      ["no nu"] = { 4000, "nu", {} },
      ["an empty nu"] = { 4000, "nu", '{"m2m:sub":{"nu":[]}}' },
      ["nu that is no list"] = { 4000, "nu", { nu = "Cobs" } },
      ["net out of range"] = { 4000, "net", { nu = { ME }, enc = { net = { 99 } } } },
      ["net that is no list"] = { 4000, "net", { nu = { ME }, enc = { net = 3 } } },
      ["nct 2 for net 3"] = { 4000, "nct", { nu = { ME }, nct = 2, enc = { net = { 3 } } } },
      ["nct 4 for net 1"] = { 4000, "nct", { nu = { ME }, nct = 4 } },
      ["nct 9"] = { 4000, "nct", { nu = { ME }, nct = 9 } },
      ["net and om together"] = { 4000, "om",
        { nu = { ME }, enc = { net = { 1 }, om = { { ops = 1 } } } } },
      ["chty that cannot be a child"] = { 4000, "chty",
        { nu = { ME }, enc = { net = { 3 }, chty = { 2 } } } },
      ["an atr that the parent does not have"] = { 4000, "atr",
        { nu = { ME }, enc = { net = { 1 }, atr = { "con" } } } },
      ["an unknown member of enc"] = { 4000, "enc", { nu = { ME }, enc = { foo = 1 } } },
      ["exc 0"] = { 4000, "exc", { nu = { ME }, exc = 0 } },
      ["cr with a value"] = { 4000, "cr", { nu = { ME }, cr = ME } },
      ["missing data on a container"] = { 4000, nil,
        { nu = { ME }, enc = { net = { 8 }, md = { num = 1 } } } },
    } do
      it(what, function()
        expect(case[1], s:create(path, ME, 23, case[3]), case[2])
        assert.same({}, expect(2000, s:retrieve(path .. "?fu=1&ty=23", ME)))
      end)
    end

    it("children of a subscription, a subscription below one (5203)", function()
      local sub = subscribe(path)
      local a = s:create("/" .. sub.ri, ME, 23, { nu = { ME } })
      expect(5203, a)
      assert.equal(403, a.status)
      expect(4108, s:create("/" .. sub.ri, ME, 3, {}))
      expect(2002, s:delete("/" .. sub.ri, ME))
    end)

    it("updates of su and cr, removal of nu and nct", function()
      local sub = subscribe(path, { su = ME })
      for name, text in pairs { su = '"Cx"', cr = '"Cx"', nu = "null", nct = "null" } do
        expect(4000, s:update("/" .. sub.ri, ME, ('{"m2m:sub":{"%s":%s}}'):format(name, text)),
          name)
      end
      expect(2002, s:delete("/" .. sub.ri, ME))
      ws:sgn()
    end)
  end)
end)

describe("verification", function()
  local s

  setup(function() s = h.start { config = "notification = { answer_time = 1 }\n" } end)
  teardown(h.stop_all)

  -- Creates a subscription while `answer(primitive)` answers what the target receives.
  local function create_while(path, origin, attrs, target, answer)
    local cq = require("cqueues").new()
    local a
    cq:wrap(function() a = s:create(path, origin, 23, attrs) end)
    cq:wrap(function()
      local m = target:receive(5)
      if m then answer(m) end
    end)
    assert(cq:loop(10))
    return a
  end

  it("asks a target that is not the originator; 2000 lets the subscription be", function()
    s:register("owner")
    local target = s:listen(s:register("target"))
    expect(2001, s:create("/moon/owner", "Cowner", 3, { rn = "c" }))
    local asked
    local a = create_while("/moon/owner/c", "Cowner", { nu = { "Ctarget" }, enc = { net = { 3 } } },
      target, function(m)
        asked = m
        target:send { rsc = 2000, rqi = m.rqi, rvi = "3" }
      end)
    local sub = expect(2001, a)
    assert.equal(5, asked.op)
    assert.is_true(asked.pc["m2m:sgn"].vrq)
    assert.equal("/moon/" .. sub.ri, asked.pc["m2m:sgn"].sur)
    assert.equal("Cowner", asked.pc["m2m:sgn"].cr)
    assert.equal("Cowner", sub.cr)
    s:add("/moon/owner/c", "Cowner", "1")
    assert.equal("1", (target:content()))
    target:close()
  end)

  it("any other answer fails the create with 5204, nothing is stored", function()
    local target = s:listen(s:register("grump"))
    local a = create_while("/moon/owner/c", "Cowner", { rn = "no", nu = { "Cgrump" } }, target,
      function(m) target:send { rsc = 4101, rqi = m.rqi, rvi = "3" } end)
    expect(5204, a, "Cgrump")
    assert.equal(500, a.status)
    expect(4004, s:retrieve("/moon/owner/c/no", "Cowner"))
    target:close()
  end)

  it("silence and absence fail it too, in bounded time, and block nobody", function()
    local target = s:listen(s:register("mute"))
    local started = require("cqueues").monotime()
    local a = create_while("/moon/owner/c", "Cowner", { rn = "no", nu = { "Cmute" } }, target,
      function() s:add("/moon/owner/c", "Cowner", "meanwhile") end)
    expect(5204, a)
    assert.is_true(require("cqueues").monotime() - started < 8)
    target:close()
    s:register("away")
    expect(5204, s:create("/moon/owner/c", "Cowner", 23, { rn = "no", nu = { "Caway" } }))
    expect(5204, s:create("/moon/owner/c", "Cowner", 23, { rn = "no", nu = { "Cnobody" } }))
    expect(4004, s:retrieve("/moon/owner/c/no", "Cowner"))
  end)

  it("does not ask the originator itself, nor a URL", function()
    expect(2001, s:create("/moon/owner/c", "Cowner", 23, { rn = "self", nu = { "Cowner" } }))
    expect(2001, s:create("/moon/owner/c", "Cowner", 23,
      { rn = "url", nu = { "http://127.0.0.1:9/x" } }))
  end)

  it("asks a target that an UPDATE adds", function()
    local target = s:listen(s:register("added"))
    local cq = require("cqueues").new()
    local a
    cq:wrap(function()
      a = s:update("/moon/owner/c/self", "Cowner",
        { ["m2m:sub"] = { nu = { "Cowner", "Cadded" }, enc = { net = { 3 } } } })
    end)
    cq:wrap(function() assert.is_true((target:sgn()).vrq) end)
    assert(cq:loop(10))
    expect(2004, a)
    s:add("/moon/owner/c", "Cowner", "2")
    assert.equal("2", (target:content()))
    target:close()
  end)
end)
