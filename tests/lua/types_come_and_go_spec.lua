-- Types that scripts declare: extended, taken back in any order, specialised, read without their
-- script.

local world = require "world"

describe("types of scripts", function()
  local types, w

  before_each(function()
    w = world.new(true)
    types = require "moon2m.types"
  end)

  local LAMP = { ty = 1001, name = "lamp", short = "x:lamp", parents = { "ae" },
    attrs = { "rn", "ty", "ri", "pi", "ct", "lt", "et", { "lumen", "uint", create = "M" } } }

  it("extensions of one type go in any order", function()
    local T = types.by_name.container
    local _, back_a = types.register { extends = "container", attrs = { { "a", "uint",
      create = "O" } } }
    local _, back_b = types.register { extends = "container", attrs = { { "b", "uint",
      create = "O" } }, children = { "schedule" } }
    assert.is_true(T.attr.a ~= nil and T.attr.b ~= nil and T.children.schedule)
    assert.is_true(types.has_attribute "a")
    back_a()
    assert.is_true(T.attr.a == nil and T.attr.b ~= nil and T.children.schedule)
    assert.is_false(types.has_attribute "a")
    back_b()
    assert.is_true(T.attr.b == nil and T.children.schedule == nil)
    assert.equal(T, types.by_name.container)
  end)

  it("an extension may change an attribute, not a fixed one, and its check comes last", function()
    local _, back = types.register { extends = "container",
      attrs = { { "mni", "posint", create = "O", update = "O" } },
      check = function(values)
        if values.mni == 13 then return require("moon2m.rsc").err(4000, "mni: not 13") end
      end }
    assert.equal(4000, (w:create("Calice", "moon/alice", 3, { rn = "c", mni = 0 })))
    assert.equal(4000, (w:create("Calice", "moon/alice", 3, { rn = "c", mni = 13 })))
    assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = "c", mni = 12 })))
    back()
    assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = "d", mni = 13 })))
    assert.error_matches(function()
      types.register { extends = "container", attrs = { { "ri", "string", create = "O" } } }
    end, "ri cannot be changed")
    assert.error_matches(function()
      types.register { extends = "container", attrs = { { "m", "string", create = "M" } } }
    end, "optional")
    assert.error_matches(function() types.register { extends = "none" } end, "no resource type")
  end)

  it("the table of a type outlives its script, and is filled again", function()
    local T, back = types.register(LAMP)
    assert.is_nil(types.child_error(types.by_name.ae, T))
    back()
    assert.is_nil(types.by_ty[1001])
    assert.is_nil(types.by_name.ae.children.lamp)
    assert.same({ "-", "-" }, { T.attr.lumen.create, T.attr.lumen.update })
    assert.equal(T, types.of_row(1001, { _root = '"x:lamp"', lumen = "4" }))
    local again = types.register(LAMP)
    assert.equal(T, again)
    assert.equal("M", T.attr.lumen.create)
  end)

  it("what was never declared in this run is read as it is", function()
    local T = types.of_row(1002, { _root = '"x:gone"', one = "1", _cr = '"C"' })
    assert.equal("x:gone", T.root)
    assert.is_table(T.attr.one)
    assert.is_nil(T.attr._cr)
    assert.equal(T, types.of_row(1002, { _root = '"x:gone"', two = "2" }))
    assert.is_true(T.attr.one ~= nil and T.attr.two ~= nil)
    assert.is_nil(types.by_ty[1002])
    local raw, e = require("moon2m.schema").check_update(T, { one = "2" }, { raw = {} })
    assert.is_nil(raw)
    assert.equal("one: not permitted in an UPDATE while no script declares x:gone", e.msg)
  end)

  it("wrong data is told and changes nothing", function()
    for _, case in ipairs {
      { {}, "needs name and short" },
      { { name = "x", short = "x", ty = 1, attrs = {} }, "needs name and short" },
      { { name = "x", short = "x:x", ty = 0, attrs = {} }, "positive integer" },
      { { name = "x", short = "x:x", ty = 3, attrs = {} }, "taken" },
      { { name = "container", short = "x:x", ty = 1003, attrs = {} }, "taken" },
      { { name = "x", short = "m2m:cnt", ty = 1003, attrs = {} }, "taken" },
      { { name = "x", short = "x:x", ty = 1003 }, "attrs is missing" },
      { { name = "x", short = "x:x", ty = 28, attrs = {} }, "needs cnd" },
      { { name = "x", short = "x:x", ty = 28, cnd = "org.x", attrs = { "rn" } }, "rn twice" },
      { { name = "x", short = "x:x", ty = 1003, attrs = { { "a", "nokind" } } }, "kind" },
    } do
      assert.error_matches(function() types.register(case[1]) end, case[2])
    end
    assert.is_nil(types.by_root["x:x"])
  end)
end)
