-- node (TS-0001 9.6.18, 9.6.9; TS-0004 7.4.18, 7.4.9): hael and hcl follow nl, schedules of nodes
-- and of the CSEBase, who is reachable when.

local world = require "world"

local OPEN, CLOSED = "* * * * * * *", "* * * * * * 2001"
local w, node

local function schedule(parent, rn, sce, more)
  local attrs = { rn = rn, se = { sce = { sce } } }
  for k, v in pairs(more or {}) do attrs[k] = v end
  return w:create("CAdmin", parent, 18, attrs)
end

local function of(address, name)
  local _, pc = w:retrieve("CAdmin", address)
  return pc["m2m:nod"][name]
end

-- The first entry of the schedule that a target has to keep to: whether it covers any second.
local function reachable(key)
  local list = node.schedule(key)
  return list and require("moon2m.opening").covers(list, require("moon2m.core.sys").now())
end

before_each(function()
  w = world.new(true)
  node = require "moon2m.node"
  assert.equal(2001, (w:create("CAdmin", "moon", 14, { rn = "n1", ni = "urn:dev:1" })))
  assert.equal(2001, (w:create("CAdmin", "moon", 14, { rn = "n2", ni = "urn:dev:2" })))
end)

describe("a node", function()
  it("is the administrator's, with what it needs", function()
    assert.equal(4103, (w:create("Calice", "moon", 14, { ni = "x" })))
    local rsc, pc = w:create("CAdmin", "moon", 14, { rn = "n3" })
    assert.equal(4000, rsc)
    assert.matches("ni: missing", world.dbg(pc))
    assert.equal(4108, (w:create("CAdmin", "moon/alice", 14, { ni = "x" })))
    rsc, pc = w:create("CAdmin", "moon", 14, { rn = "n3", ni = "x", rms = true })
    assert.equal(4000, rsc)
    assert.matches("rms", world.dbg(pc))
  end)

  it("has the AEs in hael whose nl names it", function()
    assert.equal(2004, (w:update("Calice", "moon/alice", "m2m:ae", { nl = "moon/n1" })))
    assert.equal(2001, (w:ae("Cnew", "new", { nl = "/moon/moon/n1" })))
    assert.same({ "Calice", "Cnew" }, of("moon/n1", "hael"))
    assert.equal(2004, (w:update("Calice", "moon/alice", "m2m:ae", { nl = "moon/n2" })))
    assert.same({ "Cnew" }, of("moon/n1", "hael"))
    assert.same({ "Calice" }, of("moon/n2", "hael"))
    assert.equal(2002, (w:delete("Cnew", "moon/new")))
    assert.is_nil(of("moon/n1", "hael"))
    local json = require "moon2m.json"
    assert.equal(2004, (w:update("Calice", "moon/alice", "m2m:ae", { nl = json.null })))
    assert.is_nil(of("moon/n2", "hael"))
    assert.equal(2004, (w:update("Cbob", "moon/bob", "m2m:ae", { nl = "moon/nowhere" })))
    assert.equal(2004, (w:update("Cbob", "moon/bob", "m2m:ae", { nl = "/other/base/n1" })))
  end)

  it("has the CSE in hcl whose nl names it", function()
    assert.equal(2001, (w:create("/other", "moon", 16,
      { rn = "o", cb = "/other/base", rr = true, srv = { "3" }, nl = "moon/n1" })))
    local _, pc = w:retrieve("/other", "moon/o")
    assert.equal(pc["m2m:csr"].ri, of("moon/n1", "hcl"))
    assert.equal(2001, (schedule("moon/n1", "s", CLOSED)))
    assert.is_false(reachable "/other")
    assert.is_false(reachable "/other/Cx")
    assert.is_nil(reachable "/others/Cx")
    assert.equal(2002, (w:delete("/other", "moon/o")))
    assert.is_nil(of("moon/n1", "hcl"))
    assert.is_nil(reachable "/other")
  end)
end)

describe("a node's schedules", function()
  it("are several, one that is open is enough", function()
    assert.equal(2004, (w:update("Calice", "moon/alice", "m2m:ae", { nl = "moon/n1" })))
    assert.is_nil(reachable "Calice")
    assert.equal(2001, (schedule("moon/n1", "a", CLOSED)))
    assert.is_false(reachable "Calice")
    assert.is_nil(reachable "Cbob")
    assert.equal(2001, (schedule("moon/n1", "b", OPEN)))
    assert.is_true(reachable "Calice")
    assert.equal(2004, (w:update("CAdmin", "moon/n1/b", "m2m:sch", { se = { sce = { CLOSED } } })))
    assert.is_false(reachable "Calice")
    assert.equal(2002, (w:delete("CAdmin", "moon/n1/b")))
    assert.is_false(reachable "Calice")
    assert.equal(2002, (w:delete("CAdmin", "moon/n1/a")))
    assert.is_nil(reachable "Calice")
  end)

  it("count for what the node says of itself, and go with it", function()
    assert.equal(2001, (schedule("moon/n1", "a", CLOSED)))
    assert.equal(2004, (w:update("CAdmin", "moon/n1", "m2m:nod", { hael = { "/moon/Cbob" } })))
    assert.is_false(reachable "Cbob")
    assert.equal(2002, (w:delete("CAdmin", "moon/n1")))
    assert.is_nil(reachable "Cbob")
  end)

  it("are known after a restart", function()
    assert.equal(2004, (w:update("Calice", "moon/alice", "m2m:ae", { nl = "moon/n1" })))
    assert.equal(2001, (schedule("moon/n1", "a", CLOSED)))
    for _, name in ipairs { "moon2m.node", "moon2m.opening" } do package.loaded[name] = nil end
    node = require "moon2m.node"
    w.fake.task(function()
      require("moon2m.opening").open()
      node.open()
    end)
    w.fake.run()
    assert.is_false(reachable "Calice")
  end)

  it("have nco, which is not supported", function()
    assert.equal(2001, (schedule("moon/n1", "a", OPEN, { nco = false })))
    assert.equal(5001, (schedule("moon/n1", "b", OPEN, { nco = true })))
    assert.equal(5001, (w:update("CAdmin", "moon/n1/a", "m2m:sch", { nco = true })))
    assert.equal(4102, (schedule("moon", "c", OPEN, { nco = true })))
  end)

  it("of the CSEBase: one", function()
    assert.equal(2001, (schedule("moon", "open", OPEN)))
    local rsc, pc = schedule("moon", "more", OPEN)
    assert.equal(4000, rsc)
    assert.matches("one schedule", world.dbg(pc))
  end)
end)
