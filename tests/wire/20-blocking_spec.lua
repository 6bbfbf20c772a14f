-- Blocking updates on the wire (net 7; TS-0001 9.6.8, TS-0004 7.3.2.9, 7.5.1.2.19): the target is
-- asked before an UPDATE is applied; what waits; status codes.

local cqueues = require "cqueues"
local h = require "harness"
local expect = h.expect

local ME = "Cguard"
local C = "/moon/guard/c"

describe("blocking update", function()
  local s, ws, me

  setup(function()
    s = h.start { config = "return { notification = { answer_time = 2 } }" }
    me = s:register("guard")
    ws = s:listen(me)
    s:register("other")
    expect(2001, s:create("/moon/guard", ME, 3, { rn = "c" }))
    expect(2001, s:create(C, ME, 23, { rn = "s", nu = { ME },
      enc = { net = { 7 }, atr = { "mni", "lbl" } } }))
  end)
  teardown(function()
    pcall(ws.close, ws)
    h.stop_all()
  end)

  local function update(attrs, o) return s:update(C, ME, { ["m2m:cnt"] = attrs }, o) end

  -- Runs functions at the same time.
  local function together(...)
    local q = cqueues.new()
    for _, fn in ipairs { ... } do q:wrap(fn) end
    assert(q:loop(20))
  end

  -- Answers the next question with rsc; the question.
  local function answer(rsc)
    local m = assert(ws:notification(5, false))
    ws:send { rsc = rsc, rqi = m.rqi, rvi = "3" }
    return m
  end

  -- An update that is answered with rsc by the target; its answer and the question.
  local function asked(attrs, rsc)
    local a, m
    together(function() a = update(attrs) end, function() m = answer(rsc) end)
    return a, m
  end

  it("asks with the content of the request, and applies it on 2000", function()
    local a, m = asked({ mni = 5, mbs = 1000 }, 2000)
    expect(2004, a)
    assert.equal(5, m.op)
    assert.equal("/moon", m.fr)
    local sgn = m.pc["m2m:sgn"]
    assert.equal(7, sgn.nev.net)
    assert.same({ ["m2m:cnt"] = { mni = 5, mbs = 1000 } }, sgn.nev.rep)
    assert.matches("^/moon/", sgn.sur)
    assert.equal(5, expect(2000, s:retrieve(C, ME)).mni)
  end)

  for rsc, code in pairs { [4005] = 4127, [5103] = 5107, [4102] = 4102, [5000] = 5000 } do
    it("an answer of " .. rsc .. " becomes " .. code .. ", nothing is changed", function()
      local before = expect(2000, s:retrieve(C, ME))
      expect(code, asked({ mni = 77 }, rsc), ME)
      assert.same(before, expect(2000, s:retrieve(C, ME)))
    end)
  end

  it("attributes that are not listed need no consent", function()
    expect(2004, update { mbs = 2000 })
    ws:expect_silence(0.1)
  end)

  it("no answer in time is 5107", function()
    local started = cqueues.monotime()
    expect(5107, update { mni = 6 }, "no answer")
    local took = cqueues.monotime() - started
    assert.is_true(took > 1.8 and took < 8, "took " .. took)
    ws:notification(1, false)
  end)

  it("the originator's rqet bounds the wait", function()
    local started = cqueues.monotime()
    local a = update({ mni = 6 }, { headers = { ["x-m2m-ret"] = "500" } })
    assert.is_true(a.rsc == 5107 or a.rsc == 4008)
    assert.is_true(cqueues.monotime() - started < 1.9)
    ws:notification(1, false)
    assert.equal(5, expect(2000, s:retrieve(C, ME)).mni)
  end)

  it("others wait in order; reading and adding go on", function()
    local order, codes = {}, {}
    local function one(n)
      return function()
        cqueues.sleep(0.1 * n)
        codes[n] = update({ mni = 10 + n }).rsc
        order[#order + 1] = n
      end
    end
    together(one(1), one(2), one(3), function()
      local m = assert(ws:notification(5, false))
      cqueues.sleep(0.5)
      expect(2000, s:retrieve(C, ME))
      s:add(C, ME, "1")
      ws:send { rsc = 2000, rqi = m.rqi, rvi = "3" }
      assert.equal(12, answer(4005).pc["m2m:sgn"].nev.rep["m2m:cnt"].mni)
      assert.equal(13, answer(2000).pc["m2m:sgn"].nev.rep["m2m:cnt"].mni)
    end)
    assert.same({ 1, 2, 3 }, order)
    assert.same({ 2004, 4127, 2004 }, codes)
    assert.equal(13, expect(2000, s:retrieve(C, ME)).mni)
  end)

  it("there is one per resource (4124)", function()
    expect(4124, s:create(C, ME, 23, { nu = { ME }, enc = { net = { 7 } } }), "enc")
  end)

  it("its target must be allowed to update the resource (4103)", function()
    expect(2001, s:create("/moon/guard", ME, 3, { rn = "d" }))
    expect(4103, s:create("/moon/guard/d", ME, 23, { nu = { "Cother" }, enc = { net = { 7 } } }),
      "Cother")
  end)

  it("malformed ones are refused (4000)", function()
    for _, attrs in ipairs {
      { nu = { ME, "Cother" } }, { nu = { "http://127.0.0.1:1/" } }, { nec = 2 }, { exc = 1 },
      { su = ME }, { nct = 1 }, { enc = { net = { 7 }, stb = 1 } }, { enc = { net = { 1, 7 } } },
    } do
      attrs.nu = attrs.nu or { ME }
      attrs.enc = attrs.enc or { net = { 7 } }
      expect(4000, s:create("/moon/guard/d", ME, 23, attrs))
    end
    expect(2001, s:create("/moon/guard/d", ME, 23, { rn = "s", nu = { ME }, enc = { net = { 1 } },
      nct = 2 }))
    expect(4000, s:update("/moon/guard/d/s", ME, { ["m2m:sub"] = { enc = { net = { 7 } } } }),
      "net 7")
  end)

  it("a DELETE waits too", function()
    local a, b
    together(function() a = update { mni = 20 } end, function()
      cqueues.sleep(0.1)
      b = s:delete(C, ME)
    end, function()
      local m = assert(ws:notification(5, false))
      cqueues.sleep(0.3)
      expect(2000, s:retrieve(C, ME))
      ws:send { rsc = 2000, rqi = m.rqi, rvi = "3" }
    end)
    expect(2004, a)
    expect(2002, b)
    expect(4004, s:retrieve(C, ME))
  end)

  it("a target that is away is 5107 at once or in time", function()
    expect(2001, s:create("/moon/guard", ME, 3, { rn = "e" }))
    expect(2001, s:create("/moon/guard/e", ME, 23, { nu = { ME }, enc = { net = { 7 } } }))
    ws:close()
    expect(5107, s:update("/moon/guard/e", ME, { ["m2m:cnt"] = { mni = 1 } }), ME)
  end)
end)
