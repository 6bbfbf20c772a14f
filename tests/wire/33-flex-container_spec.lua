-- flexContainer and its specialisations, which scripts declare.

local h = require "harness"
local expect = h.expect

local ME = "Chome"

local COLOR = [[
local cse = require "moon2m"
cse.type { ty = 28, name = "color", short = "cod:color",
  cnd = "org.onem2m.home.moduleclass.colour",
  attrs = {
    { "red", "uint", create = "M", update = "O" },
    { "green", "uint", create = "O", update = "O" },
    { "mode", { "warm", "cold" }, create = "O", update = "O" } } }
cse.type { ty = 28, name = "lamp", short = "cod:devLt", cnd = "org.onem2m.home.device.deviceLight",
  attrs = { { "dgt", "timestamp", create = "O", update = "O" } },
  check = function(values) if values.dgt == 0 then return false, "dgt: not the epoch" end end }
cse.virtual("/home/made", function()
  local c = assert(cse.create("/home", "cod:color", { rn = "byscript", red = 9,
    cnd = "org.onem2m.home.moduleclass.colour" }))
  assert(cse.update("/home/byscript", { green = 3 }))
  return { con = c.red + cse.retrieve("/home/byscript").green }
end)
cse.on("update", "/home/lamp/c", function(ev) cse.log.info("red %d", ev.res.red) end)
]]

local CND = '"cnd":"org.onem2m.home.moduleclass.colour"'

describe("flexContainer", function()
  local s
  setup(function()
    s = h.start { scripts = { color = COLOR } }
    s:register("home")
  end)
  teardown(h.stop_all)

  it("references name the specialisation", function()
    expect(2001, s:create("/moon/home", ME, 28, '{"cod:color":{"rn":"seen","red":1,' .. CND ..
      "}}"))
    local want = { { nm = "seen", typ = 28, val = "moon/home/seen",
      spty = "org.onem2m.home.moduleclass.colour" } }
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
    local lamp = expect(2001, make("/moon/home", "cod:devLt",
      '"rn":"lamp","cnd":"org.onem2m.home.device.deviceLight"'))
    assert.equal(28, lamp.ty)
    assert.equal(0, lamp.cs)
    local c = make("/moon/home/lamp", "cod:color", '"rn":"c","red":200,"mode":"warm",' .. CND)
    assert.equal(7, expect(2001, c).cs)
    assert.is_table(c.body["cod:color"])
    expect(4000, make("/moon/home", "cod:color", CND), "red")
    expect(4000, make("/moon/home", "cod:color", '"red":-1,' .. CND), "red")
    expect(4000, make("/moon/home", "cod:color", '"red":1,"mode":"hot",' .. CND), "mode")
    expect(4000, make("/moon/home", "cod:color", '"red":1,"blue":2,' .. CND), "blue")
    expect(4000, make("/moon/home", "cod:color", '"red":1'), "cnd")
    expect(4000, make("/moon/home", "cod:color", '"red":1,"cnd":"org.x"'), "cnd: expected")
    expect(5001, make("/moon/home", "cod:color", '"red":1,"fcied":true,' .. CND), "fcied")
    expect(4000, make("/moon/home", "cod:devLt", '"dgt":"19700101T000000",' ..
      '"cnd":"org.onem2m.home.device.deviceLight"'), "not the epoch")
  end)

  it("unknown specialisations are refused: 4125 for their cnd, else 4000", function()
    expect(4125, make("/moon/home", "cod:none", '"cnd":"org.none"'), "org.none")
    expect(4000, make("/moon/home", "cod:none", '"red":1'), "cod:none")
    expect(4000, make("/moon/home", "m2m:flexContainer", CND), "expected cod:color")
    expect(4000, make("/moon/home", "m2m:cnt", '"rn":"x"'), "m2m:cnt is no specialisation")
  end)

  it("is updated, found, subscribed to and deleted like anything else", function()
    local c = expect(2004, s:update("/moon/home/lamp/c", ME, '{"cod:color":{"red":7}}'))
    assert.equal(7, c.red)
    s:logs("red 7")
    assert.equal(5, expect(2000, s:retrieve("/moon/home/lamp/c", ME)).cs)
    expect(4000, s:update("/moon/home/lamp/c", ME, '{"cod:color":{"cnd":"x"}}'), "cnd")
    expect(4000, s:update("/moon/home/lamp/c", ME, '{"cod:color":{"red":null}}'), "red")
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
    expect(2004, s:update("/moon/home/lamp/c", ME, '{"cod:color":{"red":8}}'))
    assert.equal(0, s:stop())
    s.apps = {}
    s:run()
    local a = s:retrieve("/moon/home/lamp/c", ME)
    local c = expect(2000, a)
    assert.is_table(a.body["cod:color"])
    assert.equal(8, c.red)
    assert.equal("warm", c.mode)
    expect(2000, s:retrieve("/moon/home?rcn=4", ME))
    expect(4125, make("/moon/home", "cod:color", '"red":1,' .. CND))
    expect(2002, s:delete("/moon/home/lamp", ME))
  end)
end)
