-- contentInstances: retention, stateTags, the newest and the oldest one, disr, names, and many
-- creates at once (TS-0004 7.4.6, 7.4.7, 7.4.27).

local world = require "world"

local w, sys

local function add(con, more)
  local attrs = { con = con }
  for k, v in pairs(more or {}) do attrs[k] = v end
  return w:create("Calice", "moon/alice/c", 4, attrs)
end

local function container(attrs)
  attrs.rn = "c"
  assert.equal(2001, (w:create("Calice", "moon/alice", 3, attrs)))
end

local function read(to)
  local rsc, pc = w:retrieve("Calice", "moon/alice/c" .. (to and "/" .. to or ""))
  return pc["m2m:cin"] or pc["m2m:cnt"] or rsc, rsc
end

before_each(function()
  w = world.new(true)
  sys = require "moon2m.core.sys"
end)
after_each(function() world.real_time() end)

describe("a container", function()
  it("counts its instances and modifications", function()
    container {}
    for i = 1, 3 do assert.equal(i, select(2, add("12"))["m2m:cin"].st) end
    local c = read()
    assert.equal(3, c.cni)
    assert.equal(6, c.cbs)
    assert.equal(3, c.st)
    w:update("Calice", "moon/alice/c", "m2m:cnt", { lbl = { "x" } })
    assert.equal(4, read().st)
    assert.equal(5, select(2, add("1"))["m2m:cin"].st)
  end)

  it("a clock that is set back puts no instance before an older one", function()
    container {}
    local first = select(2, add("1"))["m2m:cin"].ct
    world.advance(-3600)
    local second = select(2, add("2"))["m2m:cin"].ct
    assert.is_true(second >= first)
    assert.is_true(read().lt >= second)
    w:update("Calice", "moon/alice/c", "m2m:cnt", { lbl = { "x" } })
    assert.is_true(read().lt >= second)
  end)

  it("keeps mni instances", function()
    container { mni = 2 }
    for i = 1, 5 do add(tostring(i)) end
    assert.equal(2, read().cni)
    assert.equal("5", read("la").con)
    assert.equal("4", read("ol").con)
    assert.equal(4004, (w:retrieve("Calice", "14-13")))
    assert.equal(2, #w.fake.instances(4))
  end)

  it("keeps mbs bytes and refuses what can never fit", function()
    container { mbs = 10 }
    add("12345")
    add("12345")
    add("1")
    assert.equal(2, read().cni)
    assert.equal(6, read().cbs)
    local rsc, pc = add("12345678901")
    assert.equal(5207, rsc)
    assert.truthy(world.dbg(pc):find("mbs", 1, true))
    assert.equal(2, read().cni)
    assert.equal(3, read().st)
  end)

  it("with mni 0 keeps none", function()
    container { mni = 0 }
    assert.equal(2001, (add("1")))
    assert.equal(0, read().cni)
    assert.equal(4004, read("la"))
    assert.equal(4004, read("ol"))
    assert.equal(2, select(2, add("1"))["m2m:cin"].st)
  end)

  it("drops the oldest when mni is lowered", function()
    container {}
    for i = 1, 5 do add(tostring(i)) end
    w:update("Calice", "moon/alice/c", "m2m:cnt", { mni = 1 })
    assert.equal(1, read().cni)
    assert.equal("5", read("ol").con)
    w:update("Calice", "moon/alice/c", "m2m:cnt", { mni = 0 })
    assert.equal(4004, read("la"))
  end)

  it("sizes strings by their text, other values by their JSON", function()
    container {}
    for con, size in pairs { ['"abc"'] = 3, ['"a\\nb"'] = 3, ['"\\u00e9"'] = 2, ["21.50"] = 5,
      ['{"a": 1}'] = 8, ["true"] = 4 } do
      local rsc, pc = w:create("Calice", "moon/alice/c", 4, '{"m2m:cin":{"con":' .. con .. "}}")
      assert.equal(2001, rsc)
      assert.equal(size, pc["m2m:cin"].cs, con)
    end
  end)

  it("with mia shows when instances end, and hides them then", function()
    container { mia = 60 }
    local _, pc = add("1")
    local cin = pc["m2m:cin"]
    assert.equal(60e6, sys.parse_stamp(cin.et) - sys.parse_stamp(cin.ct))
    world.advance(30)
    add("2")
    world.advance(31)
    assert.equal(4004, (w:retrieve("Calice", cin.ri)))
    assert.equal("2", read("ol").con)
    assert.equal("2", read("la").con)
    world.advance(31)
    assert.equal(4004, read("la"))
    assert.equal(4004, read("ol"))
  end)

  it("passes by expired instances at both ends", function()
    container {}
    add("old", { et = sys.stamp(sys.now() + 10e6) })
    add("kept")
    add("new", { et = sys.stamp(sys.now() + 10e6) })
    world.advance(11)
    assert.equal("kept", read("la").con)
    assert.equal("kept", read("ol").con)
  end)

  it("with disr hides its instances, and drops them when that ends", function()
    container { disr = true }
    add("1")
    for _, to in ipairs { "la", "ol", "14-11" } do
      assert.equal(4005, (w:retrieve("Calice", "moon/alice/c/" .. to)), to)
      assert.equal(4005, (w:delete("Calice", "moon/alice/c/" .. to)), to)
    end
    assert.equal(2001, (add("2")))
    assert.equal(2004, (w:update("Calice", "moon/alice/c", "m2m:cnt", { disr = false })))
    assert.equal(0, read().cni)
    assert.equal(4004, read("la"))
    assert.equal(2001, (add("3")))
    assert.equal("3", read("la").con)
  end)
end)

describe("an instance", function()
  it("keeps every attribute over a restart of the cache", function()
    container {}
    local _, pc = add("x", { cnf = "text/plain:0", lbl = { "a", "b" }, ["or"] = "http://o/x" })
    require("moon2m.tree").drop()
    assert.same(pc["m2m:cin"], read("la"))
    assert.same(pc["m2m:cin"], read("14-11"))
  end)

  it("has a name that is unique among instances and resources", function()
    container {}
    assert.equal(2001, (add("1", { rn = "mine" })))
    assert.equal(4105, (add("2", { rn = "mine" })))
    assert.equal(4105, (w:create("Calice", "moon/alice/c", 3, { rn = "mine" })))
    assert.equal(2001, (w:create("Calice", "moon/alice/c", 3, { rn = "deep" })))
    assert.equal(4105, (add("2", { rn = "deep" })))
    assert.equal(4000, (add("2", { rn = "14-19" })))
    assert.equal(2, select(2, add("2", { rn = "yours" }))["m2m:cin"].st)
  end)

  it("is deleted by la, ol, name or identifier", function()
    container {}
    for i = 1, 6 do add(tostring(i), { rn = "n" .. i }) end
    assert.equal(2002, (w:delete("Calice", "moon/alice/c/la")))
    assert.equal("5", read("la").con)
    assert.equal(2002, (w:delete("Calice", "moon/alice/c/ol")))
    assert.equal("2", read("ol").con)
    assert.equal(2002, (w:delete("Calice", "moon/alice/c/n4")))
    local rsc, pc = w:delete("Calice", "14-13", "rcn=1")
    assert.equal(2002, rsc)
    assert.equal("3", pc["m2m:cin"].con)
    assert.equal(2, read().cni)
    assert.equal(4004, (w:delete("Calice", "14-13")))
    w:delete("Calice", "moon/alice/c/la")
    w:delete("Calice", "moon/alice/c/la")
    assert.equal(4004, (w:delete("Calice", "moon/alice/c/la")))
  end)
end)

describe("many creates at once", function()
  local function start(con, more)
    local attrs = { con = con }
    for k, v in pairs(more or {}) do attrs[k] = v end
    return w:start { op = 1, to = "moon/alice/c", fr = "Calice", ty = 4,
      pc = { ["m2m:cin"] = attrs } }
  end

  it("get their stateTags in the order of their transactions", function()
    container {}
    add("0")
    w.fake.hold()
    local boxes = {}
    for i = 1, 5 do boxes[i] = start(tostring(i)) end
    w.fake.run()
    assert.equal(5, w.fake.queued())
    w.fake.flush(2)
    assert.is_true(boxes[2].done)
    assert.is_false(boxes[3].done)
    assert.equal("2", read("la").con)
    w.fake.flush()
    for i = 1, 5 do assert.equal(2001, boxes[i][1]) end
    for i, row in ipairs((w.fake.instances(4))) do
      assert.equal(i, row.st)
      assert.equal('"' .. i - 1 .. '"', row.con)
    end
    assert.equal("5", read("la").con)
  end)

  it("with the same name: the first wins", function()
    container {}
    add("0")
    w.fake.hold()
    local a, b = start("a", { rn = "n" }), start("b", { rn = "n" })
    w.fake.run()
    w.fake.flush()
    assert.equal(2001, a[1])
    assert.equal(4105, b[1])
    assert.equal("a", read("n").con)
    assert.equal(2, read().st)
    assert.equal(3, select(2, add("c"))["m2m:cin"].st)
  end)

  it("in a container that is deleted meanwhile: 4004", function()
    container {}
    add("0")
    w.fake.hold()
    local early = start("early")
    local deleted = w:start { op = 4, to = "moon/alice/c", fr = "Calice" }
    w.fake.run()
    local late = start("late")
    w.fake.run()
    w.fake.flush()
    assert.equal(2001, early[1])
    assert.equal(2002, deleted[1])
    assert.equal(4004, late[1])
  end)

  it("a failing disk answers 5000, forgets, and goes on with the store's truth", function()
    container {}
    add("0")
    w.fake.hold()
    local a, b = start("a"), start("b")
    w.fake.run()
    w.fake.fail("io")
    w.fake.flush()
    assert.equal(5000, a[1])
    assert.equal(5000, b[1])
    w.fake.fail(nil)
    assert.equal("0", read("la").con)
    assert.equal(1, read().cni)
    assert.equal(1, read().st)
    assert.equal(2, select(2, add("c"))["m2m:cin"].st)
    assert.equal("c", read("la").con)
  end)
end)
