-- RETRIEVE (TS-0001 9.3.1, 8.1.2, 10.2.6; TS-0004 7.3.3.6): address forms, result content,
-- attribute lists, conditions.

local h = require "harness"
local expect = h.expect

local ME = "Cpump"

-- A CSE with the tree pump / level (three instances, a subscription), pump / level / inner, pump /
-- rest.
local function planted()
  local s = h.start()
  s:register("pump", { lbl = { "plant" } })
  local t = { s = s }
  t.level = expect(2001, s:create("/moon/pump", ME, 3, { rn = "level", mni = 10,
    lbl = { "room:1", "wet" } }))
  t.rest = expect(2001, s:create("/moon/pump", ME, 3, { rn = "rest" }))
  t.inner = expect(2001, s:create("/moon/pump/level", ME, 3, { rn = "inner" }))
  t.sub = expect(2001, s:create("/moon/pump/level", ME, 23, { rn = "s", nu = { ME } }))
  t.cin = {}
  for i = 1, 3 do t.cin[i] = s:add("/moon/pump/level", ME, "v" .. i) end
  return t
end

local function names(list)
  local out = {}
  for i, v in ipairs(list or {}) do out[i] = v.rn or v.nm end
  table.sort(out)
  return out
end

describe("addresses", function()
  local t, s

  setup(function() t = planted() s = t.s end)
  teardown(h.stop_all)

  local forms = {
    ["CSE-relative structured"] = function() return "/moon/pump/level" end,
    ["CSE-relative structured with -"] = function() return "/-/pump/level" end,
    ["CSE-relative unstructured"] = function() return "/" .. t.level.ri end,
    ["SP-relative structured"] = function() return "/~/moon/moon/pump/level" end,
    ["SP-relative structured with -"] = function() return "/~/moon/-/pump/level" end,
    ["SP-relative unstructured"] = function() return "/~/moon/" .. t.level.ri end,
    ["absolute structured"] = function() return "/_/moon2m.local/moon/moon/pump/level" end,
    ["absolute structured with -"] = function() return "/_/moon2m.local/moon/-/pump/level" end,
    ["absolute unstructured"] = function() return "/_/moon2m.local/moon/" .. t.level.ri end,
    ["hybrid, an AE-ID and a name"] = function() return "/" .. ME .. "/level" end,
    ["with one slash behind"] = function() return "/moon/pump/level/" end,
    ["percent-encoded"] = function() return "/moon/p%75mp/level" end,
  }
  for name, of in pairs(forms) do
    it("retrieves a container: " .. name, function()
      assert.equal(t.level.ri, expect(2000, s:retrieve(of(), ME)).ri)
      assert.equal("v3", expect(2000, s:retrieve((of():gsub("/$", "")) .. "/la", ME)).con)
    end)
  end

  it("retrieves the CSEBase: name, -, its ri, the CSE-ID alone", function()
    local base = expect(2000, s:retrieve("/moon", ME))
    assert.equal("", base.pi)
    assert.equal(5, base.ty)
    assert.equal("/moon", base.csi)
    for _, path in ipairs { "/-", "/" .. base.ri, "/~/moon/moon", "/~/moon/-", "/~/moon",
      "/_/moon2m.local/moon", "/_/moon2m.local/moon/moon" } do
      assert.equal(base.ri, expect(2000, s:retrieve(path, ME)).ri)
    end
  end)

  it("retrieves instances by identifier and by name", function()
    assert.equal("v2", expect(2000, s:retrieve("/" .. t.cin[2].ri, ME)).con)
    assert.equal("v2", expect(2000, s:retrieve("/moon/pump/level/" .. t.cin[2].rn, ME)).con)
    assert.equal("v1", expect(2000, s:retrieve("/" .. t.level.ri .. "/ol", ME)).con)
  end)

  it("answers 4004 for what is not there, also behind an instance and for another CSE", function()
    for _, path in ipairs { "/moon/none", "/moon/pump/none", "/zzz", "/9zz", "/moon/pump/la",
      "/moon/pump/level/la/x", "/~/other/cse", "/_/other.example/cse/x",
      "/moon/pump/level/" .. t.cin[1].rn .. "/x" } do
      local a = s:retrieve(path, ME)
      expect(4004, a)
      assert.equal(404, a.status)
    end
  end)

  it("is case-sensitive", function()
    expect(4004, s:retrieve("/moon/Pump", ME))
    expect(4004, s:retrieve("/Moon/pump", ME))
  end)

  for _, path in ipairs { "/", "//", "/moon//pump", "/moon/pump/%zz", "/moon/pump/%2", "/moon/%00",
    "/moon/a%2Fb", "/moon/pump/level%20" } do
    it("refuses the path " .. path, function()
      local a = s:retrieve(path, ME)
      assert.is_true(a.rsc == 4000 or a.rsc == 4004, a.text)
    end)
  end

  it("takes all six forms as `to` of a WebSocket primitive", function()
    local ws = s:primitives(ME)
    for _, to in ipairs { "moon/pump/level", "-/pump/level", t.level.ri, "/moon/moon/pump/level",
      "/moon/" .. t.level.ri, "//moon2m.local/moon/moon/pump/level",
      "//moon2m.local/moon/" .. t.level.ri } do
      assert.equal(t.level.ri, expect(2000, ws:request { op = 2, to = to, fr = ME }).ri)
    end
    expect(4000, ws:request { op = 2, to = "///moon", fr = ME }, "to")
    ws:close()
  end)
end)

describe("result content", function()
  local t, s

  setup(function() t = planted() s = t.s end)
  teardown(h.stop_all)

  it("1: attributes, without children (the default)", function()
    for _, q in ipairs { "", "?rcn=1" } do
      local a = s:retrieve("/moon/pump/level" .. q, ME)
      local r = expect(2000, a)
      assert.same({ "m2m:cnt" }, { (next(a.body)) })
      assert.equal(3, r.cni)
      assert.equal(6, r.cbs)
      assert.equal(10, r.mni)
      assert.is_nil(r["m2m:cin"])
      assert.is_nil(r.ch)
    end
  end)

  it("4: attributes and children, nested", function()
    local r = expect(2000, s:retrieve("/moon/pump?rcn=4", ME))
    assert.equal("Ntest", r.api)
    assert.same({ "level", "rest" }, names(r["m2m:cnt"]))
    local level
    for _, c in ipairs(r["m2m:cnt"]) do
      if c.rn == "level" then level = c end
    end
    assert.equal(3, #level["m2m:cin"])
    assert.equal("v1", level["m2m:cin"][1].con)
    assert.same({ "inner" }, names(level["m2m:cnt"]))
    assert.same({ "s" }, names(level["m2m:sub"]))
    assert.is_nil(level.la)
  end)

  it("5: attributes and a flat list of references", function()
    local r = expect(2000, s:retrieve("/moon/pump?rcn=5", ME))
    assert.equal("Ntest", r.api)
    assert.equal(7, #r.ch)
    local by = {}
    for _, c in ipairs(r.ch) do by[c.nm] = c end
    assert.same({ nm = "level", typ = 3, val = "moon/pump/level" }, by.level)
    assert.equal(23, by.s.typ)
    assert.equal("moon/pump/level/" .. t.cin[1].rn, by[t.cin[1].rn].val)
  end)

  it("6: references only", function()
    local a = s:retrieve("/moon/pump/level?rcn=6", ME)
    expect(2000, a)
    local list = a.body["m2m:rrl"].rrf
    assert.equal(5, #list)
    for _, ref in ipairs(list) do assert.matches("^moon/pump/level/", ref.val) end
  end)

  it("5 and 6 with drt 2: unstructured references", function()
    local list = expect(2000, s:retrieve("/moon/pump/level?rcn=6&drt=2&ty=3", ME)).rrf
    assert.same({ { nm = "inner", typ = 3, val = t.inner.ri } }, list)
  end)

  it("8: children without the parent's attributes", function()
    local r = expect(2000, s:retrieve("/moon/pump/level?rcn=8", ME))
    assert.is_nil(r.ri)
    assert.is_nil(r.mni)
    assert.equal(3, #r["m2m:cin"])
  end)

  it("4 with conditions: they select the children; lvl bounds the depth", function()
    local r = expect(2000, s:retrieve("/moon/pump?rcn=4&ty=3&lvl=1", ME))
    assert.same({ "level", "rest" }, names(r["m2m:cnt"]))
    assert.is_nil(r["m2m:cnt"][1]["m2m:cin"])
    r = expect(2000, s:retrieve("/moon/pump/level?rcn=8&ty=4", ME))
    assert.equal(3, #r["m2m:cin"])
    assert.is_nil(r["m2m:sub"])
  end)

  it("4 with lim: partial content, and where to go on", function()
    local a = s:retrieve("/moon/pump/level?rcn=8&ty=4&lim=2", ME)
    assert.equal(2, #expect(2000, a)["m2m:cin"])
    assert.equal("1", a.headers:get("x-m2m-cts"))
    local offset = assert(a.headers:get("x-m2m-cto"))
    local b = s:retrieve("/moon/pump/level?rcn=8&ty=4&lim=2&ofst=" .. offset, ME)
    assert.equal("v3", expect(2000, b)["m2m:cin"][1].con)
    assert.is_nil(b.headers:get("x-m2m-cto"))
  end)

  it("of a childless resource is empty, not an error", function()
    assert.same({}, expect(2000, s:retrieve("/moon/pump/rest?rcn=6", ME)).rrf)
    expect(2000, s:retrieve("/moon/pump/rest?rcn=4", ME))
    expect(2000, s:retrieve("/moon/pump/rest?rcn=8", ME))
  end)

  for _, rcn in ipairs { 0, 2, 3, 9, 7, 99 } do
    it(("refuses rcn %d for a RETRIEVE"):format(rcn), function()
      expect(4000, s:retrieve("/moon/pump/level?rcn=" .. rcn, ME), "rcn")
    end)
  end

  it("of a CREATE: 0, 1, 2, 3, 9", function()
    local function create(rcn, name)
      return s:create("/moon/pump/rest?rcn=" .. rcn, ME, 3, { rn = name, lbl = { "x" } })
    end
    local a = create(0, "a0")
    expect(2001, a)
    assert.equal("", a.text)
    assert.same({ "x" }, expect(2001, create(1, "a1")).lbl)
    a = create(2, "a2")
    expect(2001, a)
    assert.equal("moon/pump/rest/a2", a.body["m2m:uri"])
    a = create(3, "a3")
    expect(2001, a)
    assert.equal("moon/pump/rest/a3", a.body["m2m:rce"].uri)
    assert.same({ "x" }, a.body["m2m:rce"]["m2m:cnt"].lbl)
    local r = expect(2001, create(9, "a9"))
    assert.is_string(r.ri)
    assert.is_string(r.et)
    assert.is_nil(r.lbl)
    assert.is_nil(r.rn)
    for _, rcn in ipairs { 4, 5, 6, 7, 8 } do expect(4000, create(rcn, "no"), "rcn") end
    expect(4004, s:retrieve("/moon/pump/rest/no", ME))
  end)

  it("of an UPDATE: 0, 1, 9", function()
    local function update(rcn, lbl)
      return s:update("/moon/pump/rest?rcn=" .. rcn, ME, { ["m2m:cnt"] = { lbl = { lbl } } })
    end
    local a = update(0, "u0")
    expect(2004, a)
    assert.equal("", a.text)
    assert.equal("rest", expect(2004, update(1, "u1")).rn)
    local r = expect(2004, update(9, "u9"))
    assert.is_string(r.lt)
    assert.is_nil(r.rn)
    assert.is_nil(r.ri)
    expect(4000, update(4, "no"), "rcn")
    assert.same({ "u9" }, expect(2000, s:retrieve("/moon/pump/rest", ME)).lbl)
  end)

  it("of a DELETE: 0 by default, else what was there", function()
    for i = 1, 4 do
      expect(2001, s:create("/moon/pump/rest", ME, 3, { rn = "d" .. i }))
      s:add("/moon/pump/rest/d" .. i, ME, "x")
    end
    local a = s:delete("/moon/pump/rest/d1", ME)
    expect(2002, a)
    assert.equal("", a.text)
    assert.equal("d2", expect(2002, s:delete("/moon/pump/rest/d2?rcn=1", ME)).rn)
    local r = expect(2002, s:delete("/moon/pump/rest/d3?rcn=4", ME))
    assert.equal("x", r["m2m:cin"][1].con)
    r = expect(2002, s:delete("/moon/pump/rest/d4?rcn=8", ME))
    assert.equal("x", r["m2m:cin"][1].con)
    for i = 1, 4 do expect(4004, s:retrieve("/moon/pump/rest/d" .. i, ME)) end
  end)
end)

describe("partial retrieve", function()
  local t, s

  setup(function() t = planted() s = t.s end)
  teardown(h.stop_all)

  it("returns the attributes named in the query, inside the normal root", function()
    local a = s:retrieve("/moon/pump/level?atrl=ri+lbl+mni", ME)
    expect(2000, a)
    assert.same({ ["m2m:cnt"] = { ri = t.level.ri, lbl = { "room:1", "wet" }, mni = 10 } }, a.body)
  end)

  it("leaves out what is not set, refuses what the type does not have", function()
    local r = expect(2000, s:retrieve("/moon/pump/level?atrl=ri+mbs", ME))
    assert.same({ ri = t.level.ri }, r)
    expect(4000, s:retrieve("/moon/pump/level?atrl=ri+con", ME), "con")
  end)

  it("takes m2m:atrl as content and #attr in `to` over WebSocket", function()
    local ws = s:primitives(ME)
    local a = ws:request { op = 2, to = "moon/pump/level", fr = ME,
      pc = { ["m2m:atrl"] = { "rn", "cni" } } }
    expect(2000, a)
    assert.same({ ["m2m:cnt"] = { rn = "level", cni = 3 } }, a.pc)
    a = ws:request { op = 2, to = "moon/pump/level#lbl", fr = ME }
    expect(2000, a)
    assert.same({ ["m2m:cnt"] = { lbl = { "room:1", "wet" } } }, a.pc)
    a = ws:request { op = 2, to = t.level.ri .. "#nix", fr = ME }
    expect(4000, a, "nix")
    expect(4000, ws:request { op = 2, to = "moon/pump", fr = ME, pc = { ["m2m:cnt"] = { x = 1 } } },
      "pc")
    ws:close()
  end)
end)

describe("conditional requests", function()
  local t, s

  setup(function() t = planted() s = t.s end)
  teardown(h.stop_all)

  -- filter = whether pump/level meets it
  for query, met in pairs {
    ["ty=3"] = true, ["ty=2"] = false, ["lbl=wet"] = true, ["lbl=dry"] = false, ["mni=10"] = true,
    ["mni=11"] = false, ["stb=3"] = true, ["stb=4"] = false, ["sts=4"] = true, ["sts=3"] = false,
    ["cra=20200101T000000"] = true, ["crb=20200101T000000"] = false, ["ms=20200101T000000"] = true,
    ["us=20200101T000000"] = false, ["exa=20200101T000000"] = true,
    ["exb=20200101T000000"] = false, ["ty=3&lbl=dry"] = false, ["ty=3&lbl=dry&fo=2"] = true,
    ["fu=2&ty=3"] = true,
  } do
    it(("RETRIEVE ?%s: %s"):format(query, met and 2000 or 4004), function()
      expect(met and 2000 or 4004, s:retrieve("/moon/pump/level?" .. query, ME))
    end)
  end

  it("an UPDATE that is not met changes nothing", function()
    expect(4004, s:update("/moon/pump/level?lbl=dry", ME, { ["m2m:cnt"] = { mni = 5 } }))
    assert.equal(10, expect(2000, s:retrieve("/moon/pump/level", ME)).mni)
    expect(2004, s:update("/moon/pump/level?lbl=wet", ME, { ["m2m:cnt"] = { mni = 9 } }))
  end)

  it("a DELETE that is not met deletes nothing", function()
    expect(4004, s:delete("/moon/pump/rest?ty=4", ME))
    expect(2000, s:retrieve("/moon/pump/rest", ME))
    expect(2002, s:delete("/moon/pump/rest?ty=3", ME))
  end)

  it("fu 1 and 3 are for a RETRIEVE (4000)", function()
    for _, fu in ipairs { 1, 3 } do
      expect(4000, s:update("/moon/pump?fu=" .. fu, ME, { ["m2m:ae"] = { lbl = { "x" } } }), "fu")
      expect(4000, s:delete("/moon/pump?fu=" .. fu, ME), "fu")
    end
    expect(2000, s:retrieve("/moon/pump", ME))
  end)

  it("a CREATE has no conditions (4000)", function()
    expect(4000, s:create("/moon/pump?lbl=x", ME, 3, { rn = "no" }), "fc")
    expect(4004, s:retrieve("/moon/pump/no", ME))
    assert.is_table(t)
  end)
end)

describe("the CSEBase", function()
  teardown(h.stop_all)

  it("has its attributes and can be neither created, updated nor deleted (4005)", function()
    local s = h.start()
    local r = expect(2000, s:retrieve("/moon", "CAdmin"))
    for _, name in ipairs { "rn", "ty", "ri", "ct", "lt", "csi", "srt", "poa", "cst", "srv" } do
      assert.is_not_nil(r[name], name)
    end
    assert.is_nil(r.et)
    for _, ty in ipairs { 1, 2, 3, 4, 5, 23 } do
      local found
      for _, v in ipairs(r.srt) do found = found or v == ty end
      assert.is_true(found, "srt " .. ty)
    end
    for _, v in ipairs(r.srv) do assert.is_string(v) end
    local a = s:update("/moon", "CAdmin", '{"m2m:cb":{"lbl":["x"]}}')
    expect(4005, a)
    assert.equal(405, a.status)
    expect(4005, s:delete("/moon", "CAdmin"))
    expect(4005, s:create("/moon", "CAdmin", 5, { ["m2m:cb"] = { rn = "x" } }))
  end)
end)
