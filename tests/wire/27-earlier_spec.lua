-- Earlier events for a new subscription (psn, TS-0001 9.6.8): what it is told of first, in which
-- order against events that happen meanwhile, under its policies, and over kill -9.

local cqueues = require "cqueues"
local h = require "harness"
local expect = h.expect

local ME = "Cearl"

describe("psn", function()
  local s, a, ws

  setup(function()
    s = h.start()
    a = s:register("earl")
    ws = s:listen(a)
  end)
  teardown(function()
    ws:close()
    h.stop_all()
  end)

  local last = 0
  local function container(n)
    last = last + 1
    expect(2001, s:create("/moon/earl", ME, 3, { rn = "c" .. last }))
    for i = 1, n or 0 do s:add("/moon/earl/c" .. last, ME, tostring(i)) end
    return "/moon/earl/c" .. last
  end

  local function subscribe(c, attrs)
    attrs.rn, attrs.nu = "s", { ME }
    attrs.enc = attrs.enc or { net = { 3 } }
    return s:create(c, ME, 23, attrs)
  end

  local function contents(n)
    local list = {}
    for i = 1, n do list[i] = ws:content() end
    return table.concat(list, " ")
  end

  it("the newest children come first, the oldest of them before the others", function()
    local c = container(5)
    local answer = subscribe(c, { psn = 3 })
    assert.equal(3, expect(2001, answer).psn)
    assert.is_nil(answer.headers:get("x-m2m-vsi"))
    s:add(c, ME, "6")
    assert.equal("3 4 5 6", contents(4))
    ws:expect_silence(0.2)
  end)

  it("fewer when there are fewer; none: the answer says so", function()
    expect(2001, subscribe(container(2), { psn = 9 }))
    assert.equal("1 2", contents(2))
    for _, attrs in ipairs { { psn = 2 }, { psn = 2, enc = { net = { 1 } } },
      { psn = 2, enc = { net = { 4 } } } } do
      local answer = subscribe(container(attrs.enc and 2 or 0), attrs)
      expect(2001, answer)
      assert.matches("^psn: there are no earlier events", answer.headers:get("x-m2m-vsi"))
    end
    local c = container()
    local m = ws:request { op = 1, fr = ME, to = c:gsub("^/moon", "moon"), ty = 23,
      pc = { ["m2m:sub"] = { nu = { ME }, psn = 1 } } }
    assert.equal(2001, m.rsc)
    assert.matches("^psn: ", m.vsi)
    ws:expect_silence(0.2)
  end)

  it("is set at the creation only, and is a positive number", function()
    local c = container(1)
    for _, v in ipairs { "0", "-1", '"x"', "1.5", "null" } do
      expect(4000, s:create(c, ME, 23, '{"m2m:sub":{"nu":["' .. ME .. '"],"psn":' .. v .. "}}"),
        "psn")
    end
    expect(2001, subscribe(c, { psn = 1 }))
    assert.equal("1", contents(1))
    expect(4000, s:update(c .. "/s", ME, '{"m2m:sub":{"psn":2}}'), "psn")
  end)

  it("goes through bn, ln, rl, nct and exc like any event", function()
    expect(2001, subscribe(container(4), { psn = 4, bn = { num = 4, dur = "PT60S" } }))
    local agn = assert(ws:notification()).pc["m2m:agn"]["m2m:sgn"]
    assert.equal(4, #agn)
    assert.equal("1", agn[1].nev.rep["m2m:cin"].con)
    expect(2001, subscribe(container(4), { psn = 4, rl = { mnn = 3, tww = "PT1S" } }))
    local start = cqueues.monotime()
    assert.equal("1 2 3 4", contents(4))
    assert.is_true(cqueues.monotime() - start > 0.3)
    expect(2001, subscribe(container(1), { psn = 1, ln = true }))
    local _, m = ws:content()
    assert.equal(4, m.ec)
    expect(2001, subscribe(container(1), { psn = 1, nct = 3 }))
    assert.is_string(ws:sgn().nev.rep["m2m:uri"])
    local c = container(3)
    expect(2001, subscribe(c, { psn = 3, exc = 3 }))
    assert.equal("1 2 3", contents(3))
    h.wait("the end of the subscription", function()
      return s:retrieve(c .. "/s", ME).rsc == 4004
    end)
  end)

  it("is in order with events that race with it, none missing, none twice", function()
    for round = 1, 4 do
      local c = container(20)
      local seen, busy, stop = nil, 3, false
      local q = cqueues.new()
      local n = { 0, 0, 0 }
      for k = 1, 3 do
        q:wrap(function()
          while not stop and n[k] < 400 do
            n[k] = n[k] + 1
            expect(2001, s:create(c, ME, 4, { con = ("w%d.%d"):format(k, n[k]) }))
          end
          busy = busy - 1
        end)
      end
      q:wrap(function()
        cqueues.sleep(0.03 * round)
        expect(2001, subscribe(c, { psn = 10, rn = "s" }))
        cqueues.sleep(0.1)
        stop = true
      end)
      assert(q:loop())
      assert.equal(0, busy)
      local want = s:retrieve(c .. "/la", ME).body["m2m:cin"].st
      local first
      repeat
        local sgn = ws:sgn()
        local st = sgn.nev.rep["m2m:cin"].st
        if seen then assert.equal(seen + 1, st) end
        first, seen = first or st, st
      until st == want
      assert.is_true(want - first + 1 > 10)
      ws:expect_silence(0.1)
      expect(2002, s:delete(c .. "/s", ME))
    end
  end)

  it("what was promised is there after kill -9", function()
    local c = container(5)
    local answer = s:create(c, ME, 23, { nu = { ME }, enc = { net = { 3 } }, psn = 4, rn = "k" })
    expect(2001, answer)
    local seen = {}
    for i = 2, 5 do
      local con, m = ws:content()
      assert.equal(tostring(i), con)
      seen[m.rqi] = true
    end
    ws:close()
    expect(2001, s:create(c, ME, 23, { nu = { ME }, enc = { net = { 3 }, chty = { 4 } }, psn = 3,
      rn = "k2" }))
    s:add(c, ME, "6")
    s:kill()
    s:run()
    ws = s:listen(a)
    local list = {}
    while #list < 6 do
      local sgn, m = ws:sgn()
      local root, res = next(sgn.nev.rep)
      if not seen[m.rqi] then list[#list + 1] = root == "m2m:sub" and res.rn or res.con end
    end
    assert.equal("k2 3 4 5 6 6", table.concat(list, " "))
  end)

  it("is bounded by the configuration, and the answer says so", function()
    local small = h.start { config = "return { limits = { earlier = 2 } }" }
    local e = small:register("e")
    expect(2001, small:create("/moon/e", e.aei, 3, { rn = "c" }))
    for i = 1, 4 do small:add("/moon/e/c", e.aei, tostring(i)) end
    local answer = small:create("/moon/e/c", e.aei, 23, { nu = { e.aei }, enc = { net = { 3 } },
      psn = 4 })
    expect(2001, answer)
    assert.matches("^psn: at most 2", answer.headers:get("x-m2m-vsi"))
    local w = small:listen(e)
    assert.equal("3", (w:content()))
    assert.equal("4", (w:content()))
    w:close()
    assert.equal(0, small:stop())
  end)
end)
