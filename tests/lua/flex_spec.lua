-- The classes of the standard as data: each is whole, and costs nothing before it is used.

local world = require "world"

describe("classes of flexContainer", function()
  local flex, types

  before_each(function()
    world.new(true)
    flex, types = require "moon2m.flex", require "moon2m.types"
  end)

  it("are 278, with the announced ones", function()
    local n, announced = 0, 0
    flex.each(function(root)
      n = n + 1
      if flex.announced(root) then announced = announced + 1 end
    end)
    assert.same({ 278, 8 }, { n, announced })
  end)

  it("are types, with attributes of known kinds and classes that exist", function()
    flex.each(function(root)
      if flex.announced(root) then return end
      local spec = flex.spec(root)
      for child in pairs(spec.classes or {}) do
        assert.is_true(flex.spec(child) ~= nil or flex.announced(child), root .. ": " .. child)
      end
      if spec.cnd then assert.equal(root, flex.root_of(spec.cnd)) end
      local T = types.find(root)
      assert.same({ 28, root, "flex_container" }, { T.ty, T.root, T.as })
      assert.equal(T, types.by_root[root])
      assert.equal(T, types.find(root))
    end)
    assert.is_nil(types.find("cod:none"))
    assert.is_nil(types.find("none"))
    assert.is_nil(flex.root_of("org.onem2m.common.moduleclass.none"))
    assert.is_nil(flex.root_of("org.example"))
  end)

  it("have mandatory, fixed and single attributes", function()
    local T = types.find("cod:color")
    assert.same({ "cnd", "red", "green", "blue" }, T.mandatory)
    assert.same({ "O", "O", false }, { T.attr.dgt.create, T.attr.dgt.update, T.attr.dgt.one })
    local fixed = types.find("m2m:ajmc").attr
    assert.same({ "O", "-", true }, { fixed.inp.create, fixed.inp.update, fixed.inp.one })
    assert.same({ "O", "O", true }, { fixed.out.create, fixed.out.update, fixed.out.one })
    assert.is_true(types.find("cod:airFw").attr.suVDn.list)
  end)

  it("those not used are neither read nor registered", function()
    assert.is_nil(package.loaded["moon2m.flex.common_module_classes"])
    types.find("mad:dmAgt")
    assert.is_nil(package.loaded["moon2m.flex.common_module_classes"])
    collectgarbage()
    collectgarbage()
    local before = collectgarbage("count")
    assert.is_true(types.has_attribute("curT0"))
    assert.is_false(types.has_attribute("noSuch"))
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage("count") - before < 300)
  end)

  it("share what all have, and take little", function()
    types.find("cod:color")
    collectgarbage()
    collectgarbage()
    local before, n = collectgarbage("count"), 0
    flex.each(function(root) n = n + (types.find(root) and 1 or 0) end)
    collectgarbage()
    collectgarbage()
    assert.is_true((collectgarbage("count") - before) / n < 10)
    assert.equal(types.find("cod:color").attr.cnd, types.find("cod:binSh").attr.cnd)
  end)

  it("a script's type takes the place of one, and gives it back", function()
    local T = types.find("cod:color")
    local S, back = types.register { ty = 28, name = "mine", short = "cod:color",
      cnd = "org.example.mine", attrs = { { "shade", "uint", create = "M" } } }
    assert.equal(T, S)
    assert.same({ "cnd", "shade" }, T.mandatory)
    assert.error_matches(function()
      types.register { ty = 28, name = "other", short = "cod:color", cnd = "x", attrs = {} }
    end, "taken")
    back()
    assert.equal(T, types.by_root["cod:color"])
    assert.same({ "cnd", "red", "green", "blue" }, T.mandatory)
    assert.is_nil(types.by_name.mine)
  end)
end)

describe("an update that the store refuses", function()
  it("leaves the resource and its instances as they were", function()
    local w = world.new(true)
    local function get(path)
      local _, pc = w:retrieve("Calice", "moon/alice/c" .. path)
      return pc["cod:color"]
    end
    local function put(attrs)
      return (w:update("Calice", "moon/alice/c", "cod:color", attrs))
    end
    assert.equal(2001, (w:create("Calice", "moon/alice", 28, '{"cod:color":{"rn":"c","red":1,'
      .. '"green":2,"blue":3,"cnd":"org.onem2m.common.moduleclass.colour","fcied":true}}')))
    assert.equal(2004, put { red = 2 })
    local before, newest = get "", get "/la"
    for _, code in ipairs { "toobig", "io" } do
      w.fake.fail(code, 1)
      assert.is_true(put { red = 3, lbl = { "x" } } >= 4000)
      assert.same(before, get "")
      assert.same(newest, get "/la")
    end
    assert.equal(2004, put { red = 4 })
    assert.same({ 3, 4, 3 }, { get("").st, get("/la").red, get("").cni })
  end)
end)

describe("kinds of XML Schema", function()
  local kinds
  before_each(function() kinds = require("moon2m.kind").named end)

  local function valid(name, list, want)
    for _, text in ipairs(list) do
      assert.equal(want, kinds[name].check('"' .. text .. '"') ~= nil, text)
    end
    assert.is_nil((kinds[name].check("1")))
  end

  it("date, time and dateTime", function()
    valid("date", { "2026-12-31", "20261231" }, true)
    valid("date", { "2026-13-01", "2026-1-1", "31.12.2026", "" }, false)
    valid("time", { "23:59:59", "235959", "T000000", "12:00:00.5Z", "12:00:00+01:00" }, true)
    valid("time", { "25:00:00", "12:60:00", "12:00", "noon", "12:00:00x" }, false)
    valid("date_time", { "2026-12-31T23:59:59Z", "20261231T235959", "20261231T235959,5" }, true)
    valid("date_time", { "2026-12-31", "T12:00:00", "2026-12-31 23:59:59" }, false)
  end)
end)
