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
