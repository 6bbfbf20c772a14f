-- container and contentInstance (TS-0001 9.6.6, 9.6.7; TS-0004 7.4.6, 7.4.7, 7.4.27, 7.4.28).

local h = require "harness"
local expect = h.expect

local ME = "Cpump"

describe("container and contentInstance", function()
  local s

  setup(function()
    s = h.start()
    s:register("pump", { et = "20900101T000000" })
  end)
  teardown(h.stop_all)

  local last = 0
  -- A new container; its address and representation.
  local function container(attrs, origin)
    last = last + 1
    attrs = attrs or {}
    attrs.rn = "c" .. last
    local r = expect(2001, s:create("/moon/pump", origin or ME, 3, attrs))
    return "/moon/pump/c" .. last, r
  end

  local function contents(path)
    local list = expect(2000, s:retrieve(path .. "?rcn=8&ty=4", ME))["m2m:cin"] or {}
    local out = {}
    for i, c in ipairs(list) do out[i] = c.con end
    return out, list
  end

  it("has its defaults", function()
    local _, r = container { lbl = { "a" } }
    assert.equal(0, r.st)
    assert.equal(0, r.cni)
    assert.equal(0, r.cbs)
    assert.equal(3, r.ty)
    assert.equal(ME, r.pi)
    assert.equal(r.ct, r.lt)
    assert.is_nil(r.mni)
    assert.is_nil(r.cr)
  end)

  it("writes the creator when it is asked to, and only then", function()
    local _, r = container()
    assert.is_nil(r.cr)
    local a = s:create("/moon/pump", ME, 3, '{"m2m:cnt":{"rn":"mine","cr":null}}')
    assert.equal(ME, expect(2001, a).cr)
    expect(4000, s:create("/moon/pump", ME, 3, { rn = "c0", cr = ME }), "cr")
    a = s:create("/moon/pump/mine", ME, 4, '{"m2m:cin":{"con":"x","cr":null}}')
    assert.equal(ME, expect(2001, a).cr)
  end)

  it("keeps names: unique, assigned when absent, counted in the parent's namespace", function()
    local path = container()
    local r = expect(2001, s:create(path, ME, 3, { lbl = { "x" } }))
    assert.is_string(r.rn)
    expect(2000, s:retrieve(path .. "/" .. r.rn, ME))
    expect(4105, s:create(path, ME, 3, { rn = r.rn }), "rn")
    expect(2001, s:create(path, ME, 4, { rn = "named", con = "1" }))
    expect(4105, s:create(path, ME, 4, { rn = "named", con = "2" }), "rn")
    expect(4105, s:create(path, ME, 3, { rn = "named" }), "rn")
    expect(4105, s:create(path, ME, 4, { rn = r.rn, con = "2" }), "rn")
    assert.equal("1", expect(2000, s:retrieve(path .. "/named", ME)).con)
    for _, rn in ipairs { "la", "ol" } do
      expect(4000, s:create(path, ME, 4, { rn = rn, con = "2" }), "rn")
    end
  end)

  it("counts: cni, cbs, st and lt follow each instance", function()
    local path, c = container()
    for i, con in ipairs { "a", "bcd", "" } do
      local r = s:add(path, ME, con)
      assert.equal(4, r.ty)
      assert.equal(#con, r.cs)
      assert.equal(i, r.st)
      assert.equal(c.ri, r.pi)
    end
    local r = expect(2000, s:retrieve(path, ME))
    assert.equal(3, r.cni)
    assert.equal(4, r.cbs)
    assert.equal(3, r.st)
    assert.is_true(r.lt >= c.lt)
    expect(2002, s:delete(path .. "/ol", ME))
    r = expect(2000, s:retrieve(path, ME))
    assert.equal(2, r.cni)
    assert.equal(3, r.cbs)
    assert.equal(4, s:add(path, ME, "z").st)
  end)

  it("counts bytes of UTF-8, and of the JSON text when content is no string", function()
    local path = container()
    assert.equal(2, s:add(path, ME, "ö").cs)
    local a = s:create(path, ME, 4, '{"m2m:cin":{"con":{"a":1}}}')
    local r = expect(2001, a)
    assert.equal(7, r.cs)
    assert.same({ a = 1 }, r.con)
  end)

  for name, raw in pairs { object = '{"b":[1,2,{"c":null}],"a":"x"}', array = "[]",
    number = "-0.50",
    big = "12345678901234567890", ["true"] = "true", escapes = '"\\u0041\\n\\"\\\\ \\ud83d\\ude00"',
    text = '"21.5 °C"' } do
    it("keeps content as it was received: " .. name, function()
      local path = container()
      expect(2001, s:create(path, ME, 4, '{"m2m:cin":{"con":' .. raw .. "}}"))
      local text = s:retrieve(path .. "/la", ME).text
      assert.is_truthy(text:find('"con":' .. raw, 1, true), text)
    end)
  end

  it("keeps every attribute of an instance", function()
    local path = container()
    local et = os.date("!%Y%m%dT%H%M%S", os.time() + 86400)
    local r = expect(2001, s:create(path, ME, 4, { con = "aGk=", cnf = "text/plain:1", lbl = {
      "l" },
      ["or"] = "http://example.org/o", et = et, rn = "full", dgt = "60000",
      conr = { urir = { { nm = "part", uri = "moon/other" } } } }))
    local again = expect(2000, s:retrieve(path .. "/full", ME))
    assert.same(r, again)
    assert.equal("text/plain:1", r.cnf)
    assert.equal(et, r.et:sub(1, 15))
    assert.same({ "l" }, r.lbl)
    assert.equal("part", r.conr.urir[1].nm)
    assert.is_true(r.dgt > r.ct and r.dgt < et)   -- it was given relative to the arrival
    assert.is_nil(r.acpi)
  end)

  it("la and ol: newest and oldest, RETRIEVE and DELETE only", function()
    local path = container()
    expect(4004, s:retrieve(path .. "/la", ME))
    expect(4004, s:retrieve(path .. "/ol", ME))
    expect(4004, s:delete(path .. "/la", ME))
    for i = 1, 3 do s:add(path, ME, tostring(i)) end
    assert.equal("3", expect(2000, s:retrieve(path .. "/la", ME)).con)
    assert.equal("1", expect(2000, s:retrieve(path .. "/ol", ME)).con)
    expect(4005, s:update(path .. "/la", ME, '{"m2m:cin":{"lbl":["x"]}}'))
    expect(4005, s:create(path .. "/la", ME, 4, { con = "x" }))
    expect(2002, s:delete(path .. "/la", ME))
    assert.equal("2", expect(2000, s:retrieve(path .. "/la", ME)).con)
    expect(2002, s:delete(path .. "/ol", ME))
    assert.equal("2", expect(2000, s:retrieve(path .. "/ol", ME)).con)
    expect(2002, s:delete(path .. "/ol", ME))
    expect(4004, s:retrieve(path .. "/la", ME))
    assert.equal(0, expect(2000, s:retrieve(path, ME)).cni)
  end)

  it("mni keeps the newest, in the create that exceeds it", function()
    local path = container { mni = 3 }
    for i = 1, 7 do
      s:add(path, ME, tostring(i))
      assert.equal(math.min(i, 3), expect(2000, s:retrieve(path, ME)).cni)
    end
    assert.same({ "5", "6", "7" }, (contents(path)))
    assert.equal("5", expect(2000, s:retrieve(path .. "/ol", ME)).con)
    assert.equal(3, expect(2000, s:retrieve(path, ME)).cbs)
    assert.equal(7, expect(2000, s:retrieve(path, ME)).st)
  end)

  it("mbs keeps what fits, refuses what never can (5207) and changes nothing then", function()
    local path = container { mbs = 10 }
    s:add(path, ME, "12345")
    s:add(path, ME, "1234")
    s:add(path, ME, "abc")
    assert.same({ "1234", "abc" }, (contents(path)))
    assert.equal(7, expect(2000, s:retrieve(path, ME)).cbs)
    local a = s:create(path, ME, 4, { con = "12345678901" })
    expect(5207, a, "con")
    assert.equal(406, a.status)
    local r = expect(2000, s:retrieve(path, ME))
    assert.equal(2, r.cni)
    assert.equal(3, r.st)
    s:add(path, ME, "1234567890")
    assert.same({ "1234567890" }, (contents(path)))
  end)

  it("mni and mbs together", function()
    local path = container { mni = 2, mbs = 4 }
    for _, con in ipairs { "aa", "bb", "cc", "dddd" } do s:add(path, ME, con) end
    assert.same({ "dddd" }, (contents(path)))
  end)

  it("mia ages instances: et is capped, they go, the counters follow", function()
    local path = container { mia = 1 }
    local r = s:add(path, ME, "old")
    local function seconds(t) return tonumber(t:match("T%d%d%d%d(%d%d)")) end
    assert.equal(1, (seconds(r.et) - seconds(r.ct)) % 60)
    s:add(path, ME, "old2")
    h.wait("la to be gone", function() return s:retrieve(path .. "/la", ME).rsc == 4004 end, 3)
    h.wait("instances to expire, swept every ten seconds", function()
      return expect(2000, s:retrieve(path, ME)).cni == 0
    end, 15)
    expect(4004, s:retrieve("/" .. r.ri, ME))
    assert.equal(0, expect(2000, s:retrieve(path, ME)).cbs)
  end)

  it("an instance's own et ends it", function()
    local path = container()
    local soon = os.date("!%Y%m%dT%H%M%S", os.time() + 2)
    local r = expect(2001, s:create(path, ME, 4, { con = "short", et = soon }))
    s:add(path, ME, "long")
    h.wait("the instance to expire", function()
      return s:retrieve("/" .. r.ri, ME).rsc == 4004
    end, 6)
    assert.equal("long", expect(2000, s:retrieve(path .. "/ol", ME)).con)
    h.wait("cni to follow", function() return expect(2000, s:retrieve(path, ME)).cni == 1 end, 3)
  end)

  it("a container's et ends it with its children", function()
    local soon = os.date("!%Y%m%dT%H%M%S", os.time() + 2)
    local path = container { et = soon }
    s:add(path, ME, "x")
    h.wait("the container to expire", function() return s:retrieve(path, ME).rsc == 4004 end, 6)
    expect(4004, s:retrieve(path .. "/la", ME))
  end)

  it("lowering mni and mbs evicts the oldest", function()
    local path = container()
    for i = 1, 6 do s:add(path, ME, tostring(i)) end
    assert.equal(3, expect(2004, s:update(path, ME, { ["m2m:cnt"] = { mni = 3 } })).mni)
    assert.same({ "4", "5", "6" }, (contents(path)))
    assert.equal(3, expect(2000, s:retrieve(path, ME)).cni)
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { mbs = 2 } }))
    assert.same({ "5", "6" }, (contents(path)))
    expect(2004, s:update(path, ME, '{"m2m:cnt":{"mni":null,"mbs":null}}'))
    for i = 7, 10 do s:add(path, ME, tostring(i)) end
    assert.equal(6, #contents(path))
    assert.is_nil(expect(2000, s:retrieve(path, ME)).mni)
  end)

  it("an UPDATE adds 1 to st, sets lt, and keeps what it does not name", function()
    local path, c = container { lbl = { "a" }, mni = 5 }
    local r = expect(2004, s:update(path, ME, { ["m2m:cnt"] = { mni = 6 } }))
    assert.equal(c.st + 1, r.st)
    assert.same({ "a" }, r.lbl)
    assert.equal(6, r.mni)
    assert.equal(c.ct, r.ct)
    r = expect(2004, s:update(path, ME, '{"m2m:cnt":{"lbl":null}}'))
    assert.is_nil(r.lbl)
    assert.equal(c.st + 2, r.st)
  end)

  it("disr closes RETRIEVE and DELETE of instances (4005); its end empties the container",
    function()
    local path = container()
    local r = s:add(path, ME, "1")
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { disr = true } }))
    for _, p in ipairs { path .. "/la", path .. "/ol", "/" .. r.ri } do
      expect(4005, s:retrieve(p, ME))
      expect(4005, s:delete(p, ME))
    end
    s:add(path, ME, "2")
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { disr = false } }))
    assert.equal(0, expect(2000, s:retrieve(path, ME)).cni)
    expect(4004, s:retrieve(path .. "/la", ME))
    s:add(path, ME, "3")
    assert.equal("3", expect(2000, s:retrieve(path .. "/la", ME)).con)
  end)

  it("instances cannot be updated (4005) and have no children", function()
    local path = container()
    local r = s:add(path, ME, "1")
    expect(4005, s:update("/" .. r.ri, ME, '{"m2m:cin":{"con":"2"}}'))
    expect(4108, s:create("/" .. r.ri, ME, 3, { rn = "x" }))
    expect(5203, s:create("/" .. r.ri, ME, 23, { nu = { ME } }))
    assert.equal("1", expect(2000, s:retrieve("/" .. r.ri, ME)).con)
  end)

  it("checks parents: an instance below an AE or the CSEBase is 4108", function()
    expect(4108, s:create("/moon/pump", ME, 4, { con = "1" }))
    expect(4108, s:create("/moon", "CAdmin", 4, { con = "1" }))
    local path = container()
    expect(4108, s:create(path, ME, 2, { api = "N", rr = true, srv = { "3" } }))
    expect(4108, s:create(path, ME, 1,
      '{"m2m:acp":{"pv":{},"pvs":{"acr":[{"acor":["all"],"acop":63}]}}}'))
  end)

  it("caps an update's et at the parent's, refuses one before a child's", function()
    local path = container { et = "20301231T000000" }
    expect(2001, s:create(path, ME, 3, { rn = "child", et = "20300601T000000" }))
    expect(4000, s:update(path, ME, { ["m2m:cnt"] = { et = "20300101T000000" } }), "et")
    expect(4000, s:update(path, ME, { ["m2m:cnt"] = { et = "20200101T000000" } }), "et")
    expect(2004, s:update(path, ME, { ["m2m:cnt"] = { et = "20300801T000000" } }))
    local r = expect(2004, s:update(path .. "/child", ME, { ["m2m:cnt"] = {
      et = "20400101T000000" } }))
    assert.matches("^20300801T000000", r.et)
  end)

  it("counts right when many create at once", function()
    local path = container { mni = 20 }
    local cq = require("cqueues").new()
    for w = 1, 8 do
      cq:wrap(function()
        for i = 1, 15 do s:add(path, ME, w .. "." .. i) end
      end)
    end
    assert(cq:loop(30))
    local r = expect(2000, s:retrieve(path, ME))
    local _, list = contents(path)
    assert.equal(20, r.cni)
    assert.equal(120, r.st)
    assert.equal(20, #list)
    for i, c in ipairs(list) do assert.equal(100 + i, c.st) end
  end)

  it("is there after a restart: counters, order, names", function()
    local path, c = container { mni = 3 }
    for i = 1, 5 do s:add(path, ME, tostring(i)) end
    expect(2001, s:create(path, ME, 4, { rn = "six", con = "6" }))
    local before = s:retrieve(path, ME).text
    assert.equal(0, s:stop())
    s:run()
    assert.equal(before, s:retrieve(path, ME).text)
    assert.same({ "4", "5", "6" }, (contents(path)))
    assert.equal("6", expect(2000, s:retrieve(path .. "/six", ME)).con)
    local r = s:add(path, ME, "7")
    assert.equal(7, r.st)
    assert.equal(c.ri, r.pi)
    local d = expect(2001, s:create("/moon/pump", ME, 3, {}))
    assert.not_equal(c.ri, d.ri)
  end)
end)
