-- flexContainer (TS-0001 9.6.35, TS-0004 7.4.37) and its specialisations: those that scripts
-- declare, and the classes of TS-0023.

local h = require "harness"
local expect = h.expect

local ME = "Chome"

local COLOR = [[
local cse = require "moon2m"
cse.type { ty = 28, name = "color", short = "x:color",
  cnd = "org.example.moduleclass.colour",
  attrs = {
    { "red", "uint", create = "M", update = "O" },
    { "green", "uint", create = "O", update = "O" },
    { "mode", { "warm", "cold" }, create = "O", update = "O" } } }
cse.type { ty = 28, name = "lamp", short = "x:devLt", cnd = "org.example.device.deviceLight",
  attrs = { { "dgt", "timestamp", create = "O", update = "O" } },
  check = function(values) if values.dgt == 0 then return false, "dgt: not the epoch" end end }
cse.virtual("/home/made", function()
  local c = assert(cse.create("/home", "x:color", { rn = "byscript", red = 9,
    cnd = "org.example.moduleclass.colour" }))
  assert(cse.update("/home/byscript", { green = 3 }))
  return { con = c.red + cse.retrieve("/home/byscript").green }
end)
cse.on("update", "/home/lamp/c", function(ev) cse.log.info("red %d", ev.res.red) end)
]]

local CND = '"cnd":"org.example.moduleclass.colour"'

describe("flexContainer", function()
  local s
  setup(function()
    s = h.start { scripts = { color = COLOR } }
    s:register("home")
  end)
  teardown(h.stop_all)

  it("references name the specialisation", function()
    expect(2001, s:create("/moon/home", ME, 28, '{"x:color":{"rn":"seen","red":1,' .. CND ..
      "}}"))
    local want = { { nm = "seen", typ = 28, val = "moon/home/seen",
      spty = "org.example.moduleclass.colour" } }
    assert.same(want, expect(2000, s:retrieve("/moon/home?rcn=6&rn=seen", ME)).rrf)
    assert.same(want, expect(2000, s:retrieve("/moon/home?rcn=5&rn=seen", ME)).ch)
    assert.same(want, expect(2000, s:retrieve("/moon/home?fu=1&rcn=6&rn=seen", ME)).rrf)
    assert.same(want, expect(2000, s:retrieve("/moon?fu=1&rcn=6&ty=2&rn=home&arp=seen", ME)).rrf)
    expect(2002, s:delete("/moon/home/seen", ME))
  end)

  local function make(path, root, inner)
    return s:create(path, ME, 28, ('{"%s":{%s}}'):format(root, inner))
  end

  it("is created as one of its specialisations, which says what is valid", function()
    local lamp = expect(2001, make("/moon/home", "x:devLt",
      '"rn":"lamp","cnd":"org.example.device.deviceLight"'))
    assert.equal(28, lamp.ty)
    assert.equal(0, lamp.cs)
    local c = make("/moon/home/lamp", "x:color", '"rn":"c","red":200,"mode":"warm",' .. CND)
    assert.equal(7, expect(2001, c).cs)
    assert.is_table(c.body["x:color"])
    expect(4000, make("/moon/home", "x:color", CND), "red")
    expect(4000, make("/moon/home", "x:color", '"red":-1,' .. CND), "red")
    expect(4000, make("/moon/home", "x:color", '"red":1,"mode":"hot",' .. CND), "mode")
    expect(4000, make("/moon/home", "x:color", '"red":1,"blue":2,' .. CND), "blue")
    expect(4000, make("/moon/home", "x:color", '"red":1'), "cnd")
    expect(4000, make("/moon/home", "x:color", '"red":1,"cnd":"org.x"'), "cnd: expected")
    expect(4000, make("/moon/home", "x:devLt", '"dgt":"19700101T000000",' ..
      '"cnd":"org.example.device.deviceLight"'), "not the epoch")
  end)

  it("unknown specialisations are refused: 4125 for their cnd, else 4000", function()
    expect(4125, make("/moon/home", "x:none", '"cnd":"org.none"'), "org.none")
    expect(4000, make("/moon/home", "x:none", '"red":1'), "x:none")
    expect(4000, make("/moon/home", "m2m:flexContainer", CND), "expected x:color")
    expect(4000, make("/moon/home", "m2m:cnt", '"rn":"x"'), "m2m:cnt is no specialisation")
  end)

  it("is updated, found, subscribed to and deleted like anything else", function()
    local c = expect(2004, s:update("/moon/home/lamp/c", ME, '{"x:color":{"red":7}}'))
    assert.equal(7, c.red)
    s:logs("red 7")
    assert.equal(5, expect(2000, s:retrieve("/moon/home/lamp/c", ME)).cs)
    expect(4000, s:update("/moon/home/lamp/c", ME, '{"x:color":{"cnd":"x"}}'), "cnd")
    expect(4000, s:update("/moon/home/lamp/c", ME, '{"x:color":{"red":null}}'), "red")
    assert.same({ "moon/home/lamp", "moon/home/lamp/c" },
      expect(2000, s:retrieve("/moon/home?fu=1&ty=28", ME)))
    expect(2001, s:create("/moon/home/lamp/c", ME, 23, { nu = { ME }, enc = { net = { 1 } } }))
    expect(4108, s:create("/moon/home/lamp/c", ME, 4, { con = "1" }))
  end)

  it("scripts create and update them", function()
    assert.equal(12, expect(2000, s:retrieve("/moon/home/made", ME)).con)
  end)

  it("stays readable over a restart, with its script and without", function()
    assert.equal(0, s:stop())
    s:run()
    expect(2004, s:update("/moon/home/lamp/c", ME, '{"x:color":{"red":8}}'))
    assert.equal(0, s:stop())
    s.apps = {}
    s:run()
    local a = s:retrieve("/moon/home/lamp/c", ME)
    local c = expect(2000, a)
    assert.is_table(a.body["x:color"])
    assert.equal(8, c.red)
    assert.equal("warm", c.mode)
    expect(2000, s:retrieve("/moon/home?rcn=4", ME))
    expect(4125, make("/moon/home", "x:color", '"red":1,' .. CND))
    expect(2002, s:delete("/moon/home/lamp", ME))
  end)
end)

local function colour(more)
  return '"rn":"c","red":1,"green":2,"blue":3,"cnd":"org.onem2m.common.moduleclass.colour"' ..
    (more or "")
end

describe("flexContainers of the standard's classes", function()
  local s, ae
  setup(function()
    s = h.start()
    ae = s:register("home")
  end)
  teardown(h.stop_all)

  local function make(to, root, inner)
    return s:create("/moon/home" .. to, ME, 28, ('{"%s":{%s}}'):format(root, inner))
  end

  local function device(rn)
    return expect(2001, make("", "cod:devLt", '"rn":"' .. rn .. '",' ..
      '"cnd":"org.onem2m.common.device.deviceLight"'))
  end

  it("need no script", function()
    local d = device("lamp")
    assert.equal(28, d.ty)
    assert.equal(0, d.cs)
    assert.equal(0, d.st)
    local a = make("/lamp", "cod:color", colour(',"dgt":"20260101T120000"'))
    assert.equal(15 + 3, expect(2001, a).cs)
    assert.is_table(a.body["cod:color"])
  end)

  it("mandatory attributes, kinds and unknown names are checked: 4000", function()
    local function refused(inner, why)
      expect(4000, make("", "cod:color", '"cnd":"org.onem2m.common.moduleclass.colour",' .. inner),
        why)
    end
    refused('"red":1,"green":2', "blue: missing")
    refused('"red":1.5,"green":2,"blue":3', "red: expected an integer")
    refused('"red":"1","green":2,"blue":3', "red: expected an integer")
    refused('"red":1,"green":2,"blue":3,"dgt":"now"', "dgt: not a timestamp")
    refused('"red":1,"green":2,"blue":3,"alpha":4', "alpha: unknown attribute of cod:color")
    refused('"red":1,"green":2,"blue":3,"cs":4', "cs: not permitted")
    local flow = '"cnd":"org.onem2m.common.moduleclass.airFlow","speed":-1,'
    expect(4000, make("", "cod:airFw", flow .. '"verDn":-1'), "verDn")
    expect(4000, make("", "cod:airFw", flow .. '"suVDn":1'), "suVDn: expected an array")
    expect(2001, make("", "cod:airFw", flow .. '"suVDn":[1,2],"autoe":true'))
  end)

  it("cnd and root must fit", function()
    expect(4000, make("", "cod:color", '"red":1,"green":2,"blue":3'), "cnd: missing")
    expect(4000, make("", "cod:color", '"red":1,"green":2,"blue":3,"cnd":"org.example"'),
      "cnd: expected org.onem2m.common.moduleclass.colour")
    expect(4000, make("", "cod:colour", colour()), "expected cod:color for this cnd")
    expect(4125, make("", "cod:nothing", '"cnd":"org.onem2m.common.moduleclass.nothing"'))
    expect(4000, make("", "cod:nothing", '"red":1'), "cod:nothing is no specialisation")
    expect(4000, make("", "m2m:ajapA", '"dir":1,"cnd":"x"'), "announced")
    expect(2001, make("", "m2m:gis", '"rn":"service","gisn":"light","cnd":"org.example.any"'))
    expect(4000, s:update("/moon/home/service", ME, '{"m2m:gis":{"gisn":"x"}}'), "gisn")
  end)

  it("a class takes those that it lists, and all that is no class of TS-0023: else 4108", function()
    expect(4108, make("/lamp", "cod:waQMr", '"cnd":"org.onem2m.common.moduleclass.' ..
      'waterQualityMonitor"'), "cod:waQMr cannot be created below a cod:devLt")
    expect(4108, make("/lamp", "cod:devLt", '"cnd":"org.onem2m.common.device.deviceLight"'))
    expect(2001, make("/lamp", "cod:binSh", '"rn":"switch","state":true,' ..
      '"cnd":"org.onem2m.common.moduleclass.binarySwitch"'))
    expect(2001, make("/lamp/switch", "cod:togge",
      '"rn":"toggle","cnd":"org.onem2m.common.action.toggle"'))
    expect(2001, s:create("/moon/home/lamp", ME, 3, { rn = "log" }))
    expect(4108, s:create("/moon/home/lamp", ME, 4, { con = "1" }))
  end)

  it("an update changes the attributes given, cs, and st when they are the class's own", function()
    local c = expect(2004, s:update("/moon/home/lamp/c", ME, '{"cod:color":{"red":100}}'))
    assert.equal(1, c.st)
    assert.equal(15 + 5, c.cs)
    c = expect(2004, s:update("/moon/home/lamp/c", ME, '{"cod:color":{"lbl":["x"]}}'))
    assert.equal(1, c.st)
    c = expect(2004, s:update("/moon/home/lamp/c", ME, '{"cod:color":{"dgt":null}}'))
    assert.equal(2, c.st)
    assert.equal(5, c.cs)
    expect(4000, s:update("/moon/home/lamp/c", ME, '{"cod:color":{"red":null}}'), "red: mandatory")
    expect(4000, s:update("/moon/home/lamp/c", ME, '{"m2m:flexContainer":{"red":1}}'), "pc:")
    expect(4000, s:update("/moon/home/lamp/c", ME, '{"cod:color":{"st":1}}'), "st")
  end)

  it("are found by cnd and by their attributes", function()
    local function found(query) return expect(2000, s:retrieve("/moon?fu=1&" .. query, ME)) end
    assert.same({ "moon/home/lamp/c" }, found("cnd=org.onem2m.common.moduleclass.colour"))
    assert.same({ "moon/home/lamp/c" }, found("red=100&ty=28"))
    assert.same({ "moon/home/lamp/switch/toggle" }, found("cnd=org.onem2m.common.action.*"))
    assert.same({}, found("red=1"))
    expect(4000, s:retrieve("/moon?fu=1&nosuch=1", ME), "nosuch")
  end)

  it("subscribers are told of changes and of new modules", function()
    local ws = s:listen(ae)
    expect(2001, s:create("/moon/home/lamp/c", ME, 23,
      { nu = { ME }, nct = 2, enc = { net = { 1 }, atr = { "green" } } }))
    expect(2001, s:create("/moon/home/lamp", ME, 23, { nu = { ME }, enc = { net = { 3 } } }))
    s:update("/moon/home/lamp/c", ME, '{"cod:color":{"red":5}}')
    s:update("/moon/home/lamp/c", ME, '{"cod:color":{"green":6}}')
    local rep = ws:sgn().nev.rep
    assert.equal(6, rep["cod:color"].green)
    assert.is_nil(rep["cod:color"].red)
    expect(2001, make("/lamp", "cod:fauDn", '"rn":"fault","sus":false,' ..
      '"cnd":"org.onem2m.common.moduleclass.faultDetection"'))
    assert.is_false(ws:sgn().nev.rep["cod:fauDn"].sus)
    ws:close()
  end)

  it("stay what they are over a restart", function()
    assert.equal(0, s:stop())
    s:run()
    local found = expect(2000, s:retrieve("/moon?fu=1&green=6", ME))
    assert.same({ "moon/home/lamp/c" }, found)
    local a = s:retrieve("/moon/home/lamp/c", ME)
    assert.equal(6, a.body["cod:color"].green)
    expect(2004, s:update("/moon/home/lamp/c", ME, '{"cod:color":{"green":7}}'))
    expect(4000, s:update("/moon/home/lamp/c", ME, '{"cod:color":{"green":"7"}}'))
  end)

  it("flex_unknown \"bad_request\" refuses unknown specialisations with 4000", function()
    local lax = h.start { config = 'return { flex_unknown = "bad_request" }' }
    lax:register("home")
    expect(4000, lax:create("/moon/home", ME, 28, '{"x:none":{"cnd":"org.none"}}'), "org.none")
    expect(4000, lax:create("/moon/home", ME, 28, '{"x:none":{"red":1}}'), "x:none")
  end)

  it("flex_children \"any\" lets any class be below any other", function()
    local any = h.start { config = 'return { flex_children = "any" }' }
    any:register("home")
    expect(2001, any:create("/moon/home", ME, 28, '{"cod:devLt":{"rn":"lamp",' ..
      '"cnd":"org.onem2m.common.device.deviceLight"}}'))
    expect(2001, any:create("/moon/home/lamp", ME, 28, '{"cod:tempe":{"curT0":20.5,' ..
      '"cnd":"org.onem2m.common.moduleclass.temperature"}}'))
  end)
end)
