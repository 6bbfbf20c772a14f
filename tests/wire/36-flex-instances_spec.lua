-- flexContainerInstance: what the attributes of a flexContainer were (fcied, mni, mbs, mia).

local h = require "harness"
local expect = h.expect

local ME = "Chome"
local CND = '"cnd":"org.onem2m.common.moduleclass.colour"'

describe("flexContainerInstance", function()
  local s, ae, last

  setup(function()
    s = h.start()
    ae = s:register("home")
    last = 0
  end)
  teardown(h.stop_all)

  -- A new flexContainer; its path, and what it is.
  local function make(more, lbl)
    last = last + 1
    local a = s:create("/moon/home", ME, 28, ('{"cod:color":{"rn":"c%d","red":1,"green":2,"blue":3,'
      .. '%s%s%s}}'):format(last, CND, more and "," .. more or "", lbl or ""))
    return "/moon/home/c" .. last, expect(2001, a)
  end

  local function put(path, inner)
    return expect(2004, s:update(path, ME, '{"cod:color":{' .. inner .. '}}'))
  end

  local function get(path) return expect(2000, s:retrieve(path, ME)) end

  -- The values of red in the instances, oldest first.
  local function reds(path)
    local out = {}
    for _, uri in ipairs(expect(2000, s:retrieve(path .. "?fu=1&ty=58", ME))) do
      out[#out + 1] = get("/" .. uri).red
    end
    return out
  end

  it("without fcied there are none, nor limits of them: 4000", function()
    local path, c = make()
    assert.same({}, { c.cni, c.cbs })
    put(path, '"red":2')
    expect(4004, s:retrieve(path .. "/la", ME))
    for _, limit in ipairs { "mni", "mbs", "mia" } do
      expect(4000, s:update(path, ME, '{"cod:color":{"' .. limit .. '":5}}'), limit)
      expect(4000, s:create("/moon/home", ME, 28, '{"cod:color":{"red":1,"green":2,"blue":3,"' ..
        limit .. '":5,' .. CND .. "}}"), limit)
    end
  end)

  it("has the location that the flexContainer had then, and is found by it", function()
    local function at(x) return ('"loc":{"typ":1,"crd":"[%d,5]"}'):format(x) end
    local path = make('"fcied":true,' .. at(1))
    put(path, '"red":2,' .. at(2))
    assert.equal("[2,5]", get(path .. "/la").loc.crd)
    assert.equal("[1,5]", get(path .. "/ol").loc.crd)
    local found = expect(2000, s:retrieve(path .. "?fu=1&ty=58&gmty=1&gsf=1&geom=[1,5]", ME))
    assert.equal(1, #found)
  end)

  it("one is made at the creation and with each change of the own attributes", function()
    local path, c = make('"fcied":true,"lbl":["x"]')
    assert.same({ 1, 1, 3 }, { c.st, c.cni, c.cbs })
    local a = s:retrieve(path .. "/la", ME)
    local i = expect(2000, a)
    local name = path:match("[^/]+$")
    assert.is_table(a.body["cod:color"])
    assert.same({ 58, name .. "_1", 1, 3, "Chome", 1, 2, 3 },
      { i.ty, i.rn, i.st, i.cs, i.org, i.red, i.green, i.blue })
    assert.same({ "x" }, i.lbl)
    assert.same({ c.ri, c.et }, { i.pi, i.et })
    assert.is_nil(i.cnd)
    c = put(path, '"red":20')
    assert.equal(2, c.st)
    c = put(path, '"lbl":["y"]')
    assert.equal(2, c.st)
    c = get(path)
    assert.same({ 2, 7 }, { c.cni, c.cbs })
    assert.equal(20, get(path .. "/la").red)
    assert.equal(1, get(path .. "/ol").red)
    assert.equal(20, get(path .. "/" .. name .. "_2").red)
    assert.equal(1, get("/" .. i.ri).red)
    assert.same({ 1, 20 }, reds(path))
  end)

  it("nobody else makes or changes one: 4005; they can be deleted", function()
    local path = make('"fcied":true')
    expect(4005, s:create(path, ME, 58, '{"cod:color":{"red":1}}'), "flex_container_instance")
    put(path, '"red":2')
    expect(4005, s:update(path .. "/la", ME, '{"cod:color":{"red":1}}'))
    local name = path:match("[^/]+$")
    expect(4005, s:update(path .. "/" .. name .. "_1", ME, '{"cod:color":{"red":1}}'))
    expect(4000, s:create(path, ME, 3, { rn = name .. "_9" }), "reserved")
    expect(2002, s:delete(path .. "/la", ME))
    assert.same({ 1 }, reds(path))
    assert.equal(1, get(path .. "/la").red)
    assert.equal(1, get(path).cni)
    expect(2002, s:delete(path .. "/" .. name .. "_1", ME))
    expect(4004, s:retrieve(path .. "/la", ME))
    assert.same({ 0, 0 }, { get(path).cni, get(path).cbs })
    put(path, '"red":3')
    assert.same({ 3 }, reds(path))
  end)

  it("mni, mbs and mia bound them; 0 and less than cs are refused: 4000", function()
    local path = make('"fcied":true,"mni":2,"mbs":9')
    for v = 2, 4 do put(path, '"red":' .. v) end
    assert.same({ 3, 4 }, reds(path))
    put(path, '"red":10000')
    assert.same({ 10000 }, reds(path))
    expect(4000, s:update(path, ME, '{"cod:color":{"red":100000000}}'), "mbs: 9 is less than cs")
    expect(4000, s:update(path, ME, '{"cod:color":{"mbs":6}}'), "mbs: 6 is less than cs, 7")
    expect(4000, s:update(path, ME, '{"cod:color":{"mni":0}}'), "mni: 0")
    assert.equal(10000, get(path).red)
    put(path, '"mbs":null,"mni":null,"mia":3600')
    for v = 1, 3 do put(path, '"red":' .. v) end
    assert.same({ 10000, 1, 2, 3 }, reds(path))
    assert.is_true(get(path .. "/la").et < get(path).et)
    put(path, '"mni":1')
    assert.same({ 3 }, reds(path))
    put(path, '"mia":1,"mni":null')
    h.wait("the instance is too old", function()
      return s:retrieve(path .. "/la", ME).rsc == 4004
    end, 15)
    expect(4000, s:create("/moon/home", ME, 28, '{"cod:color":{"red":1,"green":2,"blue":3,' ..
      '"fcied":true,"mbs":2,' .. CND .. "}}"), "mbs")
  end)

  it("fcied false keeps the newest one, and makes no more", function()
    local path = make('"fcied":true')
    put(path, '"red":2')
    put(path, '"red":3')
    put(path, '"fcied":false')
    assert.same({ 3 }, reds(path))
    put(path, '"red":4')
    assert.same({ 3 }, reds(path))
    put(path, '"fcied":true')
    assert.same({ 3, 4 }, reds(path))
    put(path, '"fcied":false,"red":5')
    assert.equal(1, #reds(path))
    path = make('"fcied":false')
    assert.same({ 1 }, reds(path))
  end)

  it("without fcied again all are deleted, and their limits with it", function()
    local path = make('"fcied":true,"mni":5')
    put(path, '"red":2')
    local c = put(path, '"fcied":null')
    assert.same({}, { c.mni, c.cni, c.cbs })
    assert.same({}, reds(path))
    expect(4004, s:retrieve(path .. "/ol", ME))
    put(path, '"red":3')
    c = put(path, '"fcied":true')
    assert.equal(1, get(path).cni)
    assert.equal(c.st, get(path .. "/la").st)
    assert.same({ 3 }, reds(path))
  end)

  it("begins later only when no child has such a name: 4000", function()
    local path = make()
    expect(2001, s:create(path, ME, 3, { rn = path:match("[^/]+$") .. "_7" }))
    expect(4000, s:update(path, ME, '{"cod:color":{"fcied":true}}'), "fcied: the child")
    expect(2002, s:delete(path .. "/" .. path:match("[^/]+$") .. "_7", ME))
    put(path, '"fcied":true')
    assert.same({ 1 }, reds(path))
  end)

  it("is told with net 3, in the order of the changes, and by psn", function()
    local ws = s:listen(ae)
    local path = make('"fcied":true')
    put(path, '"red":2')
    expect(2001, s:create(path, ME, 23, { nu = { ME }, enc = { net = { 3 }, chty = { 58 } },
      psn = 2 }))
    put(path, '"red":3')
    for want = 1, 3 do
      local root, i = next(ws:sgn().nev.rep)
      assert.same({ "cod:color", 58, want }, { root, i.ty, i.red })
    end
    expect(2001, s:create(path, ME, 23, { nu = { ME }, enc = { net = { 1 }, atr = { "blue" } } }))
    put(path, '"blue":7')
    local seen = {}
    for _ = 1, 2 do
      local _, r = next(ws:sgn().nev.rep)
      seen[r.ty] = r.blue
    end
    assert.same({ [28] = 7, [58] = 7 }, seen)
    expect(2001, s:create(path, ME, 23, { nu = { ME }, enc = { net = { 4 } } }))
    expect(2002, s:delete(path .. "/ol", ME))
    assert.equal(1, select(2, next(ws:sgn().nev.rep)).red)
    ws:close()
  end)

  it("is found by its attributes and labels, and nested in its flexContainer", function()
    local path = make('"fcied":true,"lbl":["find:me"]')
    put(path, '"red":77')
    local name = path:match("[^/]+$")
    assert.same({ "moon/home/" .. name .. "/" .. name .. "_2" },
      expect(2000, s:retrieve("/moon?fu=1&ty=58&red=77", ME)))
    assert.same(3, #expect(2000, s:retrieve("/moon?fu=1&lbl=find:me", ME)))
    assert.same(2, #expect(2000, s:retrieve("/moon?fu=1&lbl=find:me&ty=58", ME)))
    local all = get(path .. "?rcn=4")
    assert.equal(2, #all["cod:color"])
    assert.same({}, expect(2000, s:retrieve("/moon?fu=1&ty=58&cfq=%24.red", ME)))
  end)

  it("outlives a restart, the specialisation of a script its script", function()
    local types = h.start { scripts = { x = [[
      require("moon2m").type { ty = 28, name = "x", short = "x:one", cnd = "org.x",
        attrs = { { "v", "uint", create = "M", update = "O" } } }
    ]] } }
    types:register("home")
    expect(2001, types:create("/moon/home", ME, 28,
      '{"x:one":{"rn":"x","v":1,"cnd":"org.x","fcied":true}}'))
    expect(2004, types:update("/moon/home/x", ME, '{"x:one":{"v":2}}'))
    assert.equal(0, types:stop())
    types:run()
    expect(2004, types:update("/moon/home/x", ME, '{"x:one":{"v":3}}'))
    assert.equal(3, expect(2000, types:retrieve("/moon/home/x/x_3", ME)).v)
    assert.equal(0, types:stop())
    types.apps = {}
    types:run()
    assert.equal(1, expect(2000, types:retrieve("/moon/home/x/ol", ME)).v)
    assert.equal(3, #expect(2000, types:retrieve("/moon/home?fu=1&ty=58", ME)))
    assert.equal(3, #expect(2000, types:retrieve("/moon/home/x?rcn=8", ME))["x:one"])
    expect(2002, types:delete("/moon/home/x/la", ME))
    expect(2002, types:delete("/moon/home/x", ME))
  end)
end)
