-- Where things are: the attribute loc, discovery by it, and locationPolicy (TS-0001 9.6.10, 10.2.9;
-- TS-0004 7.4.10).

local h = require "harness"
local expect = h.expect

describe("the attribute loc", function()
  local s
  local ME = "Cmap"

  setup(function()
    s = h.start()
    s:register "map"
    local function place(rn, typ, crd)
      expect(2001, s:create("/moon/map", ME, 3, { rn = rn, loc = { typ = typ, crd = crd },
        lbl = { rn } }))
    end
    place("oslo", 1, "[10.75,59.91]")
    place("bern", 1, "[7.45,46.95]")
    place("rhine", 2, "[[7.6,47.56],[8.4,49.0],[6.78,51.22]]")
    place("alps", 3, "[[[6.0,45.0],[14.0,46.0],[13.0,48.0],[6.5,47.2],[6.0,45.0]]]")
    expect(2001, s:create("/moon/map", ME, 3, { rn = "nowhere", lbl = { "bern" } }))
    expect(2001, s:create("/moon/map/nowhere", ME, 4, { con = 1,
      loc = { typ = 1, crd = "[7.5,47.0]" } }))
    expect(2001, s:create("/moon", "CAdmin", 14, { ["m2m:nod"] = { rn = "box", ni = "box" } }))
    expect(2001, s:create("/moon/box", "CAdmin", 13, { ["m2m:dvi"] = { rn = "device", mgd = 1007,
      dlb = "|a:b", man = "m", mod = "x", dty = "d", loc = "[7.45,46.95]" } }))
  end)
  teardown(h.stop_all)

  local function find(query, where, who)
    local list = expect(2000, s:retrieve((where or "/moon/map") .. "?fu=1&" .. query, who or ME))
    local names = {}
    for _, uri in ipairs(list) do
      local rn = uri:match("([^/]+)$")
      names[#names + 1] = rn:find("^%d") and "instance" or rn
    end
    table.sort(names)
    return table.concat(names, " ")
  end
  local SWISS = "gmty=3&geom=[[[5.9,45.8],[10.5,45.8],[10.5,47.9],[5.9,47.9],[5.9,45.8]]]"

  it("is a geometry", function()
    local function refused(loc, pattern)
      expect(4000, s:create("/moon/map", ME, 3, { loc = loc }), pattern)
      expect(4000, s:update("/moon/map", ME, { ["m2m:ae"] = { loc = loc } }), pattern)
    end
    refused({ typ = 7, crd = "[1,2]" }, "typ")
    refused({ typ = 1 }, "crd")
    refused({ typ = 1, crd = "1,2" }, "crd")
    refused({ typ = 3, crd = "[[[0,0],[1,0],[1,1]]]" }, "crd")
    refused({ typ = 2, crd = "[[0,0]]" }, "crd")
    local at = expect(2000, s:retrieve("/moon/map/rhine", ME)).loc
    assert.same({ typ = 2, crd = "[[7.6,47.56],[8.4,49.0],[6.78,51.22]]" }, at)
  end)

  it("finds what is within, contains or meets a geometry", function()
    assert.equal("bern instance", find(SWISS .. "&gsf=1"))
    assert.equal("instance", find(SWISS .. "&gsf=1&ty=4"))
    assert.equal("alps bern rhine", find(SWISS .. "&gsf=3&ty=3"))
    assert.equal("bern", find(SWISS .. "&gsf=1&ty=3"))
    assert.equal("alps", find("gmty=1&geom=[8.0,46.5]&gsf=2"))
    assert.equal("oslo", find("gmty=1&geom=[10.75,59.91]&gsf=2"))
    assert.equal("", find("gmty=1&geom=[0,0]&gsf=3"))
    assert.equal("oslo", find("gmty=4&geom=[[10.75,59.91],[1,1]]&gsf=3"))
  end)

  it("goes with other conditions", function()
    assert.equal("bern", find(SWISS .. "&gsf=1&lbl=bern"))
    assert.equal("bern nowhere oslo", (find(SWISS .. "&gsf=1&lbl=bern&lbl=oslo&fo=2&lvl=1")))
    assert.equal("nowhere oslo", (find(SWISS .. "&gsf=1&lbl=bern&lbl=oslo&fo=3&lvl=1")))
    assert.equal("alps", find(SWISS .. "&gsf=3&ty=3&lim=1"))
    expect(2000, s:retrieve("/moon/map/bern?" .. SWISS .. "&gsf=1", ME))
    expect(4004, s:retrieve("/moon/map/oslo?" .. SWISS .. "&gsf=1", ME))
    local all = expect(2000, s:retrieve("/moon/map?rcn=8&ty=3&" .. SWISS .. "&gsf=1", ME))
    assert.equal("bern", all["m2m:cnt"][1].rn)
  end)

  it("is not the location of a device, which is a text", function()
    assert.equal("", find("gmty=1&geom=[7.45,46.95]&gsf=3", "/moon/box", "CAdmin"))
    assert.equal("device", find("loc=[7.45,46.95]", "/moon/box", "CAdmin"))
  end)

  it("needs the three parameters of a geo-query", function()
    local function refused(query, pattern)
      expect(4000, s:retrieve("/moon/map?fu=1&" .. query, ME), pattern)
    end
    refused("gmty=1&geom=[1,2]", "gsf")
    refused("gsf=1&geom=[1,2]", "gmty")
    refused("gsf=1&gmty=1", "geom")
    refused("gsf=4&gmty=1&geom=[1,2]", "gsf")
    refused("gsf=1&gmty=7&geom=[1,2]", "gmty")
    refused("gsf=1&gmty=1&geom=here", "geom")
    refused("gsf=1&gmty=2&geom=[1,2]", "geom")
  end)
end)

describe("a locationPolicy", function()
  local s
  local ME = "Ctruck"
  local n = 0

  setup(function()
    s = h.start()
    s:register "truck"
  end)
  teardown(h.stop_all)

  local function create(attrs, who) return s:create("/moon", who or ME, 10, attrs) end
  local function policy(attrs)
    attrs.los = 2
    n = n + 1
    attrs.lon = attrs.lon or "track" .. n
    local r = expect(2001, create(attrs))
    return "/moon/" .. r.rn, "/moon/" .. attrs.lon, r
  end
  local function move(x, y)
    expect(2004, s:update("/moon/truck", ME,
      { ["m2m:ae"] = { loc = { typ = 1, crd = ("[%d,%d]"):format(x, y) } } }))
  end
  local function get(path) return expect(2000, s:retrieve(path, ME)) end
  local function count(path, number)
    h.wait(number .. " instances", function() return get(path).cni >= number end)
    h.sleep(0.1)
    assert.equal(number, get(path).cni)
  end
  local SQUARE = { typ = 3, crd = "[[[0,0],[10,0],[10,10],[0,10],[0,0]]]" }

  it("has its attributes, and a container that comes and goes with it", function()
    local path, track, r = policy { lou = { "PT1H" }, lon = "mine" }
    assert.same({ 10, 2, 1, "mine" }, { r.ty, r.los, r.lit, r.lon })
    assert.equal("no position is known", r.lost)
    local c = get(track)
    assert.same({ r.ri, r.loi }, { c.li, c.ri })
    assert.same(r, get(path))
    expect(2004, s:update(path, ME, { ["m2m:lcp"] = { lou = { "PT2H" } } }))
    expect(4105, create { los = 2, lon = "mine" })
    expect(2001, s:create(path, ME, 23, { nu = { ME }, enc = { net = { 1 } } }))
    expect(4108, s:create("/moon/truck", ME, 10, { los = 2 }))
    expect(2002, s:delete(path, ME))
    expect(4004, s:retrieve(path, ME))
    expect(4004, s:retrieve(track, ME))
  end)

  it("refuses what is wrong", function()
    local function refused(attrs, pattern)
      attrs.los = attrs.los or 2
      expect(4000, create(attrs), pattern)
    end
    expect(4000, create { lit = 1 }, "los")
    refused({ los = 4 }, "los")
    expect(5001, create { los = 1 }, "los")
    expect(5001, create { los = 3 }, "los")
    refused({ lot = "x" }, "lot")
    refused({ lor = "http://x" }, "lor")
    refused({ aid = "x" }, "aid")
    refused({ rlkl = true }, "rlkl")
    refused({ luec = 0 }, "luec")
    refused({ loi = "x" }, "loi")
    refused({ lost = "x" }, "lost")
    refused({ lit = 3 }, "lit")
    refused({ lou = "PT1S" }, "lou")
    refused({ lou = { "soon" } }, "lou")
    refused({ lou = { "PT0.01S" } }, "lou")
    refused({ lit = 2, gec = 1 }, "gta")
    refused({ lit = 2, gta = SQUARE }, "gec")
    refused({ gec = 5 }, "gec")
    refused({ gta = { typ = 1, crd = "[1,2]" } }, "gta")
    refused({ gta = "nowhere" }, "gta")
    local path = policy {}
    expect(4000, s:update(path, ME, { ["m2m:lcp"] = { los = 2 } }), "los")
    expect(4000, s:update(path, ME, '{"m2m:lcp":{"lit":null}}'), "lit")
    expect(4000, s:update(path, ME, { ["m2m:lcp"] = { lit = 2 } }), "gta")
  end)

  it("without a period writes the position when la is asked for", function()
    local path, track = policy {}
    expect(4004, s:retrieve(track .. "/la", ME))
    move(1, 2)
    assert.equal("[1,2]", get(track .. "/la").con.crd)
    get(track .. "/la")
    assert.equal(1, get(track).cni)
    assert.equal("located", get(path).lost)
    move(3, 4)
    assert.equal("[3,4]", get(track .. "/la").con.crd)
    assert.equal(2, get(track).cni)
  end)

  it("writes the position in periods, also after a restart", function()
    move(5, 5)
    local path, track = policy { lou = { "PT0.3S" } }
    h.wait("two positions", function() return get(track).cni >= 2 end)
    assert.equal("[5,5]", get(track .. "/la").con.crd)
    s:kill()
    s:run()
    local before = get(track).cni
    h.wait("another", function() return get(track).cni > before end)
    expect(2004, s:update(path, ME, { ["m2m:lcp"] = { lou = { "PT1H" } } }))
    h.sleep(0.4)
    before = get(track).cni
    h.sleep(0.5)
    assert.equal(before, get(track).cni)
  end)

  it("tells of the border of an area", function()
    move(20, 20)
    local _, entering = policy { lit = 2, gta = SQUARE, gec = 1 }
    local _, leaving = policy { lit = 2, gta = "[[0,0],[10,0],[10,10],[0,10],[0,0]]", gec = 2 }
    local _, inside = policy { lit = 2, gta = SQUARE, gec = 3 }
    local _, outside = policy { lit = 2, gta = SQUARE, gec = 4 }
    count(outside, 1)
    move(5, 5)
    count(entering, 1)
    count(inside, 1)
    assert.equal(1, get(entering .. "/la").con)
    assert.equal(0, get(leaving).cni)
    s:kill()
    s:run()
    move(6, 6)
    count(inside, 2)
    move(30, 5)
    count(leaving, 1)
    assert.equal(2, get(leaving .. "/la").con)
    count(outside, 2)
    assert.same({ 1, 2 }, { get(entering).cni, get(inside).cni })
  end)
end)
