-- Devices of an area network and the list of the network (TS-0004 D.6.2), however a device goes.

local world = require "world"

local w, sys

local function node(rn)
  assert.equal(2001, (w:create("CAdmin", "moon", 14, { rn = rn, ni = "urn:" .. rn })))
end

-- Creates below a node; the status code and the identifier.
local function object(parent, root, attrs)
  local rsc, pc = w:request { op = 1, to = parent, fr = "CAdmin", ty = 13, pc = { [root] = attrs } }
  return rsc, pc and pc[root] and pc[root].ri
end

local function network(rn)
  assert.equal(2001, (object("moon/net", "m2m:ani", { rn = rn, mgd = 1004, ant = "zigbee" })))
end

local function device(parent, rn, awi, more)
  local attrs = { rn = rn, mgd = 1005, dvd = rn, dvt = "lamp", awi = awi }
  for k, v in pairs(more or {}) do attrs[k] = v end
  return object(parent, "m2m:andi", attrs)
end

local function ldv(rn)
  local _, pc = w:retrieve("CAdmin", "moon/net/" .. rn)
  return pc["m2m:ani"].ldv
end

before_each(function()
  w = world.new(true)
  sys = require "moon2m.core.sys"
  node "net"
  node "dev"
  network "a"
end)
after_each(function() world.real_time() end)

describe("an area network", function()
  it("lists its devices; one that names nothing or something else has no effect", function()
    local _, one = device("moon/dev", "one", "moon/net/a")
    local _, two = device("moon/net", "two", "/moon/moon/net/a")
    assert.same({ one, two }, ldv "a")
    assert.equal(2001, (device("moon/dev", "three", "moon/nowhere")))
    assert.equal(2001, (device("moon/dev", "four", "moon/dev/one")))
    assert.same({ one, two }, ldv "a")
  end)

  it("is not told of a device that was not stored", function()
    w.fake.fail "io"
    assert.equal(5000, (device("moon/dev", "one", "moon/net/a")))
    w.fake.fail(nil)
    assert.is_nil(ldv "a")
  end)

  it("loses what is deleted, alone or with its node", function()
    device("moon/dev", "one", "moon/net/a")
    local _, two = device("moon/net", "two", "moon/net/a")
    assert.equal(2002, (w:delete("CAdmin", "moon/dev")))
    assert.same({ two }, ldv "a")
    assert.equal(2002, (w:delete("CAdmin", "moon/net/two")))
    assert.is_nil(ldv "a")
  end)

  it("loses what expires", function()
    device("moon/dev", "one", "moon/net/a", { et = sys.stamp(sys.now() + 10e6) })
    assert.equal(1, #ldv "a")
    world.advance(11)
    local box = w.fake.task(require("moon2m.expire").turn)
    w.fake.run()
    assert.is_true(box.done)
    assert.is_nil(ldv "a")
  end)

  it("is left when awi changes, and only then", function()
    network "b"
    local _, one = device("moon/dev", "one", "moon/net/a")
    assert.equal(2004, (w:update("CAdmin", "moon/dev/one", "m2m:andi", { ss = "on" })))
    assert.same({ one }, ldv "a")
    assert.equal(2004, (w:update("CAdmin", "moon/dev/one", "m2m:andi", { awi = "moon/net/b" })))
    assert.is_nil(ldv "a")
    assert.same({ one }, ldv "b")
  end)
end)
