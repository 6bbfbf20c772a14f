-- Discovery (TS-0001 10.2.6, TS-0004 7.3.3.14, 7.3.3.17): each filter, alone and together, paging,
-- order, forms of the result.

local cqueues = require "cqueues"
local h = require "harness"
local expect = h.expect

local ME = "Cfind"

describe("discovery", function()
  local s, by = nil, {}

  -- find / a (lbl x, k:1; mni 5) / a1 (lbl y) / deep
  --      / b (lbl x)  / 3 instances: "1" text/plain, "22" application/json, "333" without cnf
  --      / s (subscription)
  setup(function()
    s = h.start()
    s:register("find", { lbl = { "root" } })
    s:register("stranger")
    local function make(path, ty, attrs)
      local r = expect(2001, s:create("/moon/find" .. path, ME, ty, attrs))
      by[attrs.rn] = r
      return r
    end
    make("", 3, { rn = "a", lbl = { "x", "k:1" }, mni = 5 })
    make("/a", 3, { rn = "a1", lbl = { "y" } })
    make("/a/a1", 3, { rn = "deep" })
    h.sleep(0.02)
    make("", 3, { rn = "b", lbl = { "x" }, et = os.date("!%Y%m%dT%H%M%S", os.time() + 3600) })
    make("/b", 4, { rn = "i1", con = "1", cnf = "text/plain:0", lbl = { "one" } })
    make("/b", 4, { rn = "i2", con = "22", cnf = "application/json:0" })
    make("/b", 4, { rn = "i3", con = "333" })
    make("", 23, { rn = "s", nu = { ME } })
    expect(2004, s:update("/moon/find/a/a1", ME, { ["m2m:cnt"] = { mbs = 1000 } }))
    by.a1 = expect(2000, s:retrieve("/moon/find/a/a1", ME))
  end)
  teardown(h.stop_all)

  local PATH = { a = "a", a1 = "a/a1", deep = "a/a1/deep", b = "b", i1 = "b/i1", i2 = "b/i2",
    i3 = "b/i3", s = "s" }
  local NAME = {}
  for name, path in pairs(PATH) do NAME["moon/find/" .. path] = name end

  -- The names of what a query below /moon/find finds, sorted.
  local function find(query, root)
    local list = expect(2000, s:retrieve((root or "/moon/find") .. "?fu=1" .. query, ME))
    local out = {}
    for i, uri in ipairs(list) do out[i] = NAME[uri] or uri end
    table.sort(out)
    return table.concat(out, " ")
  end

  local everything = "a a1 b deep i1 i2 i3 s"

  it("leaves out AEs whose registration is inactive, and what is below them", function()
    s:register("gone", { regs = 1 })
    expect(2001, s:create("/moon/gone", "Cgone", 3, { rn = "c", lbl = { "lost" } }))
    local function lost(more)
      return #expect(2000, s:retrieve("/moon?fu=1&lbl=lost" .. (more or ""), "CAdmin"))
    end
    assert.equal(1, lost())
    expect(2004, s:update("/moon/gone", "Cgone", { ["m2m:ae"] = { regs = 2 } }))
    assert.equal(0, lost())
    assert.equal(0, #expect(2000, s:retrieve("/moon/gone?fu=1", "Cgone")))
    expect(2000, s:retrieve("/moon/gone/c", "Cgone"))
    s:stop()
    s:run()
    assert.equal(0, lost())
    expect(2004, s:update("/moon/gone", "Cgone", { ["m2m:ae"] = { regs = 1 } }))
    assert.equal(1, lost())
    expect(2002, s:delete("/moon/gone", "Cgone"))
  end)

  it("without a condition finds everything below, not the root, nothing virtual", function()
    assert.equal(everything, find(""))
    assert.equal("a1 deep", find("", "/moon/find/a"))
    assert.equal("", find("", "/moon/find/s"))
  end)

  for query, want in pairs {
    ["ty=3"] = "a a1 b deep", ["ty=4"] = "i1 i2 i3", ["ty=23"] = "s", ["ty=3+23"] = "a a1 b deep s",
    ["ty=2"] = "", ["ty=1"] = "",
    ["lbl=x"] = "a b", ["lbl=x+y"] = "a a1 b", ["lbl=x&lbl=y"] = "a a1 b", ["lbl=k:1"] = "a",
    ["lbl=k"] = "", ["lbl=root"] = "", ["lbl=one"] = "i1",
    ["cra=20200101T000000"] = everything, ["crb=20200101T000000"] = "",
    ["cra=20990101T000000"] = "", ["crb=20990101T000000"] = everything,
    ["ms=20200101T000000"] = everything, ["us=20200101T000000"] = "",
    ["ms=20990101T000000"] = "", ["us=20990101T000000"] = everything,
    ["exa=20200101T000000"] = everything, ["exb=20200101T000000"] = "",
    ["sza=2"] = "i2 i3", ["szb=2"] = "i1", ["sza=2&szb=3"] = "i2", ["sza=0"] = "i1 i2 i3",
    ["cty=text/plain"] = "i1", ["cty=text/plain+application/json"] = "i1 i2",
      ["cty=image/png"] = "",
    ["sts=1&ty=3"] = "a deep", ["stb=1&ty=3"] = "a1 b", ["stb=3&ty=3"] = "b",
      ["stb=2&ty=4"] = "i2 i3",
    ["sts=2&ty=4"] = "i1",
    ["mni=5"] = "a", ["mni=6"] = "", ["rn=a1"] = "a1", ["rn=a*"] = "a a1", ["rn=*"] = everything,
    ["rn=i*&ty=4"] = "i1 i2 i3", ["mbs=1*"] = "a1", ["con=22"] = "i2", ["nct=1"] = "s",
    ["rn=%25"] = "", ["rn=_1"] = "",
    ["lvl=1"] = "a b s", ["lvl=2"] = "a a1 b i1 i2 i3 s", ["lvl=3"] = everything,
    ["lvl=2&ty=3"] = "a a1 b",
    ["ty=3&lbl=x"] = "a b", ["ty=4&lbl=x"] = "", ["ty=4&lbl=x&fo=2"] = "a b i1 i2 i3",
    ["ty=3&lbl=x&rn=b"] = "b", ["ty=23&lbl=y&rn=b&fo=2"] = "a1 b s", ["ty=3&lbl=x&fo=1"] = "a b",
    ["ty=4&cty=text/plain&fo=1"] = "i1",
    ["ty=3&lbl=x&rn=b&fo=3"] = "a1 deep", ["lbl=y&ty=23&fo=3"] = "a1 s",
    ["pty=2"] = "a b s", ["pty=3"] = "a1 deep i1 i2 i3", ["palb=x"] = "a1 i1 i2 i3",
    ["palb=root&ty=3"] = "a b", ["p.mni=5"] = "a1", ["p.rn=b&ty=4"] = "i1 i2 i3",
    ["chty=4"] = "b", ["chty=3"] = "a a1", ["clbl=y"] = "a", ["clbl=one"] = "b",
    ["c.con=22"] = "b", ["c.rn=deep"] = "a1", ["chty=23"] = "",
    ["lbq=k"] = "a", ["lbq=k+EQ+1"] = "a", ["lbq=k+NE+1"] = "", ["lbq=NT+k&ty=3"] = "a1 b deep",
    ["lbq=x"] = "a b", ["lbq=k+IN+(1,2)"] = "a", ["lbq=k+NI+(2,3)"] = "a",
    ["arp=i2"] = "i2", ["ty=3&arp=a1"] = "a1", ["arp=none"] = "",
    ["ty=3&arp=a1/deep"] = "deep",
  } do
    it("?" .. query, function() assert.equal(want, find("&" .. query)) end)
  end

  it("compares times with the edge included as the standard says", function()
    assert.equal("b", find("&ty=3&rn=b&cra=" .. by.b.ct))
    assert.equal("", find("&ty=3&rn=b&crb=" .. by.b.ct))
    assert.equal("a1", find("&rn=a1&ms=" .. by.a1.lt))
    assert.equal("", find("&rn=a1&us=" .. by.a1.lt))
    assert.equal("b", find("&rn=b&exa=" .. by.b.et))
    assert.equal("", find("&rn=b&exb=" .. by.b.et))
    assert.equal("a a1 deep", find("&ty=3&crb=" .. by.b.ct))
    assert.equal("b", find("&ty=3&cra=" .. by.b.ct))
    local tomorrow = os.date("!%Y%m%dT%H%M%S", os.time() + 86400)
    assert.equal("b i1 i2 i3", find("&exb=" .. tomorrow))
  end)

  it("arp with la: the latest of each container", function()
    local list = expect(2000, s:retrieve("/moon/find?fu=1&ty=3&lbl=x&arp=la", ME))
    assert.same({ "moon/find/a/la", "moon/find/b/la" }, list)
    assert.same({}, expect(2000, s:retrieve("/moon/find?fu=1&ty=4&arp=la", ME)))
  end)

  it("lim and ofst page through everything, once, in the same order", function()
    local all = expect(2000, s:retrieve("/moon/find?fu=1", ME))
    local seen, offset = {}, nil
    for _ = 1, 20 do
      local a = s:retrieve("/moon/find?fu=1&lim=3" .. (offset and "&ofst=" .. offset or ""), ME)
      for _, uri in ipairs(expect(2000, a)) do seen[#seen + 1] = uri end
      offset = a.headers:get("x-m2m-cto")
      assert.equal(offset and "1" or nil, (a.headers:get("x-m2m-cts")))
      if not offset then break end
    end
    assert.same(all, seen)
  end)

  it("lim that cuts nothing is not partial", function()
    local a = s:retrieve("/moon/find?fu=1&lim=100", ME)
    assert.equal(8, #expect(2000, a))
    assert.is_nil(a.headers:get("x-m2m-cto"))
    assert.not_equal("1", (a.headers:get("x-m2m-cts")))
  end)

  it("drt: structured (default, 1) or unstructured (2)", function()
    assert.same({ "moon/find/a" }, expect(2000, s:retrieve("/moon/find?fu=1&rn=a&drt=1", ME)))
    assert.same({ by.a.ri }, expect(2000, s:retrieve("/moon/find?fu=1&rn=a&drt=2", ME)))
    assert.same({ by.i1.ri }, expect(2000, s:retrieve("/moon/find?fu=1&rn=i1&drt=2", ME)))
  end)

  it("each result can be retrieved", function()
    for _, drt in ipairs { 1, 2 } do
      for _, uri in ipairs(expect(2000, s:retrieve("/moon/find?fu=1&drt=" .. drt, ME))) do
        expect(2000, s:retrieve("/" .. uri, ME))
      end
    end
  end)

  it("rcn 6: references; other rcn are 4000", function()
    local list = expect(2000, s:retrieve("/moon/find?fu=1&ty=3&lbl=x&rcn=6", ME)).rrf
    table.sort(list, function(a, b) return a.nm < b.nm end)
    assert.same({ { nm = "a", typ = 3, val = "moon/find/a" }, { nm = "b", typ = 3,
      val = "moon/find/b" } },
      list)
    for _, rcn in ipairs { 1, 4, 5, 8 } do
      expect(4000, s:retrieve("/moon/find?fu=1&rcn=" .. rcn, ME), "rcn")
    end
  end)

  it("an empty result is m2m:uril [], as an array", function()
    local a = s:retrieve("/moon/find?fu=1&rn=nothing", ME)
    expect(2000, a)
    assert.equal('{"m2m:uril":[]}', a.text)
    assert.equal('{"m2m:uril":["moon/find/a"]}', s:retrieve("/moon/find?fu=1&rn=a", ME).text)
  end)

  it("from the CSEBase: only what the originator may discover", function()
    local list = expect(2000, s:retrieve("/moon?fu=1", ME))
    local set = {}
    for _, uri in ipairs(list) do set[uri] = true end
    assert.is_true(set["moon/find"])
    assert.is_true(set["moon/find/b/i3"])
    assert.is_nil(set["moon/stranger"])
    assert.same({ "moon/stranger" }, expect(2000, s:retrieve("/moon?fu=1", "Cstranger")))
    assert.is_true(#expect(2000, s:retrieve("/moon?fu=1", "CAdmin")) >= 10)
  end)

  it("refuses reserved names in attribute conditions over WebSocket, and unknown tags", function()
    local ws = s:primitives(ME)
    local a = ws:request { op = 2, to = "moon/find", fr = ME,
      fc = { fu = 1, atr = { { nm = "rn", val = "a*" }, { nm = "mni", val = 5 } } } }
    assert.equal(2, #expect(2000, a))
    a = ws:request { op = 2, to = "moon/find", fr = ME, fc = { fu = 1, ty = { 3 }, lbl = { "x" } } }
    assert.equal(2, #expect(2000, a))
    for _, name in ipairs { "ct", "lt", "st", "et", "lbl", "ty", "cs", "cnf" } do
      expect(4000, ws:request { op = 2, to = "moon/find", fr = ME,
        fc = { fu = 1, atr = { { nm = name, val = "1" } } } }, name)
    end
    expect(4000, ws:request { op = 2, to = "moon/find", fr = ME, fc = { fu = 1, zz = 1 } }, "zz")
    expect(4000, ws:request { op = 2, to = "moon/find", fr = ME, fc = { fu = 1, ty = 3 } }, "ty")
    expect(5001, ws:request { op = 2, to = "moon/find", fr = ME, fc = { fu = 1, smf = { "x" } } },
      "smf")
    ws:close()
  end)

  it("cfq: a JSONPath into the content, also of content that is a text with JSON in it", function()
    expect(2001, s:create("/moon/find", ME, 3, { rn = "json", lbl = { "j" } }))
    expect(2001, s:create("/moon/find/json", ME, 4, { rn = "object", con = { t = 21,
      at = { "home" } } }))
    expect(2001, s:create("/moon/find/json", ME, 4, { rn = "text", con = '{"t":5}' }))
    expect(2001, s:create("/moon/find/json", ME, 4, { rn = "plain", con = "t" }))
    for query, want in pairs { ["$.t"] = "object text", ["$.at[0]"] = "object", ["$.x"] = "",
      ["$[?(@ > 20)]"] = "object", ["$.at[?(@ == 'home')]"] = "object",
      ["$"] = "object plain text" } do
      local out = {}
      for _, uri in ipairs(expect(2000, s:retrieve("/moon/find/json?fu=1&cfs=1&cfq=" ..
        query:gsub("[^%w$.]", function(c) return ("%%%02X"):format(c:byte()) end), ME))) do
        out[#out + 1] = uri:match("[^/]*$")
      end
      table.sort(out)
      assert.equal(want, table.concat(out, " "), query)
    end
    expect(4000, s:retrieve("/moon/find?fu=1&cfs=1", ME), "cfq")
    expect(4000, s:retrieve("/moon/find?fu=1&cfq=$.a[1:2]", ME), "cfq")
    expect(2002, s:delete("/moon/find/json", ME))
  end)

  it("conditions on relatives and content hold for one resource too", function()
    for query, code in pairs { ["pty=2"] = 2000, ["pty=3"] = 4004, ["chty=3"] = 2000,
      ["chty=23"] = 4004, ["clbl=y"] = 2000, ["palb=root&mni=5"] = 2000, ["palb=no"] = 4004,
      ["lbq=k"] = 2000, ["lbq=NT+k"] = 4004 } do
      expect(code, s:retrieve("/moon/find/a?" .. query, ME))
    end
    expect(2000, s:retrieve("/moon/find/b/la?cfq=$&p.rn=b", ME))
    expect(4004, s:update("/moon/find/a?chty=23", ME, { ["m2m:cnt"] = { mni = 5 } }))
    expect(4004, s:delete("/moon/find/a?pty=3", ME))
  end)

  it("a condition on a child does not look at what has expired", function()
    expect(2001, s:create("/moon/find", ME, 3, { rn = "parent" }))
    expect(2001, s:create("/moon/find/parent", ME, 3, { rn = "soon", lbl = { "soon" },
      et = os.date("!%Y%m%dT%H%M%S", os.time() + 2) }))
    assert.equal("moon/find/parent", find("&clbl=soon"))
    h.wait("the child's end", function() return find("&clbl=soon") == "" end, 10)
    assert.equal("", find("&c.rn=soon"))
    expect(2002, s:delete("/moon/find/parent", ME))
  end)

  describe("with the help of an interworking proxy (fu 3)", function()
    local ws
    setup(function()
      s:register("proxy")
      ws = s:primitives("Cproxy")
    end)

    -- Asks as the proxy's AE itself; answer(request) is what the proxy says.
    local function ask(query, answer)
      local q, a = cqueues.new(), nil
      q:wrap(function() a = s:retrieve("/moon/proxy?fu=3" .. query, "Cproxy") end)
      q:wrap(function()
        local req = answer and ws:receive(5)
        if req then ws:send(answer(req)) end
      end)
      assert(q:loop(10))
      return a
    end

    it("is asked when nothing is there yet, and what it makes is the answer", function()
      local seen
      local a = ask("&ty=3&lbl=lamp", function(req)
        seen = req
        expect(2001, s:create("/moon/proxy", "Cproxy", 3, { rn = "lamp", lbl = { "lamp" } }))
        return { rsc = 2000, rqi = req.rqi, rvi = "3" }
      end)
      assert.same({ "moon/proxy/lamp" }, expect(2000, a))
      assert.same({ ["or"] = "/moon/Cproxy", fc = { fu = 3, ty = { 3 }, lbl = { "lamp" } } },
        seen.pc["m2m:sgn"].idr)
    end)

    it("is not asked when something is there", function()
      assert.same({ "moon/proxy/lamp" }, expect(2000, ask("&lbl=lamp")))
    end)

    it("its refusal is passed on", function()
      local a = ask("&lbl=door", function(req)
        return { rsc = 5208, rqi = req.rqi, rvi = "3", pc = { ["m2m:dbg"] = "no doors here" } }
      end)
      expect(5208, a, "no doors here")
    end)

    it("an answer without anything made is an empty list", function()
      assert.same({}, expect(2000, ask("&lbl=door", function(req)
        return { rsc = 2000, rqi = req.rqi, rvi = "3" }
      end)))
    end)

    it("only an AE is one (4000)", function()
      expect(4000, s:retrieve("/moon/find/a?fu=3", ME), "fu: 3 is for the AE")
    end)
  end)

  it("survives a quote, a percent sign and an underscore in every text filter", function()
    for _, v in ipairs { "'", "%27%20OR%201=1", "%25", "_", "%22", "%5C", "%5B*", "%00" } do
      for _, name in ipairs { "lbl", "rn", "cty", "con" } do
        local a = s:retrieve(("/moon/find?fu=1&%s=%s"):format(name, v), ME)
        assert.is_true(a.rsc == 4000 or a.rsc == 2000 and #a.body["m2m:uril"] == 0,
          name .. "=" .. v .. ": " .. a.text)
      end
    end
  end)

  it("finds a new resource at once, and a deleted one no more", function()
    expect(2001, s:create("/moon/find/b", ME, 3, { rn = "fresh", lbl = { "fresh" } }))
    assert.equal("moon/find/b/fresh", find("&lbl=fresh"))
    expect(2004, s:update("/moon/find/b/fresh", ME, { ["m2m:cnt"] = { lbl = { "stale" } } }))
    assert.equal("", find("&lbl=fresh"))
    assert.equal("moon/find/b/fresh", find("&lbl=stale"))
    expect(2002, s:delete("/moon/find/b/fresh", ME))
    assert.equal("", find("&lbl=stale"))
  end)
end)
