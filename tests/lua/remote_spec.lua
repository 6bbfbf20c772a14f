-- The way to other CSEs (TS-0001 10.2.2.6, TS-0004 7.3.2.6): next hops by csi, dcse and
-- configuration, what is told to the C core, targets of subscriptions that other CSEs host.

local world = require "world"

local w, remote

local function csr(csi, rn, more)
  local attrs = { rn = rn, cb = csi .. "/base", rr = true, srv = { "3" } }
  for k, v in pairs(more or {}) do attrs[k] = v end
  return w:create(csi, "moon", 16, attrs)
end

local function hop(id)
  local box = w.fake.task(remote.hop, id)
  w.fake.run()
  return box[1]
end

-- What the C core is told when it asks for the way to a target.
local function asked(key)
  w.fake.calls = {}
  w.fake.task(require("moon2m.register").unknown_target, key)
  w.fake.run()
  return w.fake.calls[1]
end

before_each(function()
  w = world.new(true)
  remote = require "moon2m.remote"
  remote.configure {}
end)

describe("the next hop", function()
  it("is the CSE itself, or the one that named it as its descendant", function()
    assert.equal(2001, (csr("/one", "one", { poa = { "http://one", "coap://x" },
      dcse = { "/two", "//sp.example/three" } })))
    local h = hop "/one/Cx"
    assert.same({ "/one", { "http://one" } }, { h.via, h.urls })
    assert.equal("/one", hop("/one").via)
    assert.equal("/one", hop("/two/Cx").via)
    assert.equal("/one", hop("/three/a/b").via)
    assert.is_nil(hop "/four/Cx")
    assert.is_nil(hop "/moon/Cx")
    assert.is_nil(hop "//other.example/one/Cx")
    assert.equal(2001, (csr("/two", "two")))
    assert.equal("/two", hop("/two/Cx").via)
    assert.equal(2002, (w:delete("/one", "moon/one")))
    assert.is_nil(hop "/three/Cx")
  end)

  it("else what the configuration names", function()
    remote.configure { ["/far"] = "http://far", ["*"] = "http://up" }
    assert.same({ via = "/far", urls = { "http://far" } }, hop "/far/Cx")
    assert.same({ via = "/x", urls = { "http://up" } }, hop "/x/Cx")
    assert.is_nil(hop "/moon/Cx")
    assert.equal(2001, (csr("/far", "far")))
    assert.same({}, hop("/far/Cx").urls)
  end)

  it("is known after a restart, before it is asked for", function()
    assert.equal(2001, (csr("/one", "one")))
    package.loaded["moon2m.remote"] = nil
    remote = require "moon2m.remote"
    assert.equal("/one", hop("/one/Cx").via)
  end)

  it("is no CSE whose registration has expired", function()
    local sys = require "moon2m.core.sys"
    assert.equal(2001, (csr("/one", "one", { et = sys.stamp(sys.now() + 60e6) })))
    assert.is_table(hop "/one/Cx")
    world.advance(61)
    assert.is_nil(hop "/one/Cx")
    world.real_time()
  end)
end)

describe("what the core is told", function()
  it("the points of access and who carries it", function()
    assert.equal(2001, (csr("/one", "one", { poa = { "http://one", "ws://default" } })))
    assert.same({ "routes", "/one/Cx", { "http://one", "ws://default" }, "/one" },
      asked "/one/Cx")
    assert.same({ "forget_target", "/none/Cx" }, asked "/none/Cx")
  end)

  it("its polling channel, when it has no server", function()
    assert.equal(2001, (csr("/one", "one", { rr = false, poa = { "http://one" } })))
    assert.same({ "http://one" }, asked("/one/Cx")[3])
    w.fake.calls = {}
    assert.equal(2001, (w:create("/one", "moon/one", 15, { rn = "pch" })))
    assert.equal("reroute", w.fake.calls[1][1])
    assert.same({ "routes", "/one/Cx", { "pch:" }, "/one" }, asked "/one/Cx")
    assert.equal(2002, (w:delete("/one", "moon/one/pch")))
    assert.same({ "http://one" }, asked("/one/Cx")[3])
  end)

  it("that everything is gone with its registration", function()
    assert.equal(2001, (csr("/one", "one")))
    w.fake.calls = {}
    assert.equal(2002, (w:delete("/one", "moon/one")))
    local seen = {}
    for _, c in ipairs(w.fake.calls) do seen[c[1] .. " " .. tostring(c[2])] = true end
    assert.is_true(seen["unbind /one"] and seen["forget_target /one"] and seen["reroute nil"])
  end)
end)

describe("a target that another CSE hosts", function()
  local function target_of(nu)
    local box = w.fake.task(require("moon2m.target").of, nu)
    w.fake.run()
    return box[1]
  end

  it("is its SP-relative address, in whatever form it came", function()
    assert.equal("/one/Cx", target_of "/one/Cx")
    assert.equal("/one/Cx", target_of "//sp.example/one/Cx")
    assert.equal("/one/Cx", target_of "/one/Cx?ct=json")
    assert.equal("Calice", target_of "/moon/Calice")
    assert.is_nil(target_of "//other.example/one/Cx")
  end)

  it("is asked before it is notified, when there is a way to it", function()
    assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = "c" })))
    local rsc, pc = w:create("Calice", "moon/alice/c", 23, { nu = { "/one/Cx" } })
    assert.equal(5204, rsc)
    assert.matches("no way", world.dbg(pc))
    assert.equal(2001, (csr("/one", "one")))
    assert.equal(5204, (w:create("Calice", "moon/alice/c", 23, { nu = { "/one/Cx" } })))
    w.fake.answers["/one/Cx"] = 2000
    assert.equal(2001, (w:create("Calice", "moon/alice/c", 23, { nu = { "/one/Cx" } })))
    assert.matches('"vrq":true', w.fake.asked[1].pc)
  end)

  it("of an AE that is registered there is the originator too", function()
    assert.equal(4106, (w:retrieve("/one/Cx", "moon")))
    assert.equal(2001, (csr("/one", "one")))
    assert.equal(2000, (w:retrieve("/one/Cx", "moon")))
    assert.equal(2000, (w:retrieve("//sp.example/one/Cx", "moon")))
    assert.equal(4103, (w:retrieve("/one/Cx", "moon/alice")))
  end)
end)
