-- Earlier events for a new subscription (psn): which children are told of, in which order, in which
-- transaction, and that nothing is missing or told twice when children are created meanwhile.

local world = require "world"

local w, json, earlier

local function cin(i)
  assert.equal(2001, (w:create("Calice", "moon/alice/c", 4, { con = tostring(i) })))
end

local function fill(from, to)
  for i = from, to do cin(i) end
end

local function sub_request(attrs)
  attrs.nu = attrs.nu or { "Calice" }
  attrs.enc = attrs.enc or { net = { 3 } }
  return { op = 1, to = "moon/alice/c", fr = "Calice", ty = 23, pc = { ["m2m:sub"] = attrs } }
end

local function subscribe(attrs)
  return w:request(sub_request(attrs))
end

-- The content or name of what was told, in order; sub: to this subscription only.
local function told(sub)
  local list = {}
  for _, ev in ipairs(w.fake.published) do
    local nev = json.decode(ev.body)["m2m:sgn"].nev
    assert.equal(3, nev.net)
    local _, res = next(nev.rep)
    if not sub or ev.to[1].sur == "/moon/" .. sub.ri then list[#list + 1] = res.con or res.rn end
  end
  return table.concat(list, " ")
end

before_each(function()
  w = world.new(true)
  json = require "moon2m.json"
  earlier = require "moon2m.earlier"
  w:create("Calice", "moon/alice", 3, { rn = "c" })
end)

describe("psn", function()
  it("tells of the newest children, the oldest first, then of what happens", function()
    fill(1, 5)
    local rsc, pc, extra = subscribe { psn = 3, rn = "s" }
    assert.equal(2001, rsc)
    assert.equal(3, pc["m2m:sub"].psn)
    assert.is_nil(extra.vsi)
    assert.equal("3 4 5", told())
    cin(6)
    assert.equal("3 4 5 6", told())
    assert.equal("/moon/" .. pc["m2m:sub"].ri, w.fake.published[1].to[1].sur)
  end)

  it("tells of what there is when more is wanted", function()
    fill(1, 2)
    subscribe { psn = 10 }
    assert.equal("1 2", told())
  end)

  it("looks past what was deleted, page by page", function()
    fill(1, 200)
    for _ = 1, 150 do w:delete("Calice", "moon/alice/c/la") end
    fill(201, 201)
    subscribe { psn = 52 }
    assert.matches("^1 2 3 .* 49 50 201$", told())
  end)

  it("tells of resources and instances in the order of their creation, as enc says", function()
    cin(1)
    w:create("Calice", "moon/alice/c", 3, { rn = "d" })
    cin(2)
    w:create("Calice", "moon/alice/c", 3, { rn = "e" })
    subscribe { psn = 3, rn = "all" }
    assert.equal("d 2 e", told())
    cin(12345)
    local function of(enc)
      enc.net = { 3 }
      local _, pc = subscribe { psn = 3, enc = enc }
      return told(pc["m2m:sub"])
    end
    assert.equal("d e", of { chty = { 3 } })
    assert.equal("1 2 12345", of { chty = { 4 } })
    assert.equal("12345", of { chty = { 4 }, sza = 5 })
  end)

  it("warns when there is nothing to tell of, or more is wanted than is told", function()
    local rsc, _, extra = subscribe { psn = 3 }
    assert.equal(2001, rsc)
    assert.matches("^psn: there are no earlier events", extra.vsi)
    fill(1, 4)
    _, _, extra = subscribe { psn = 3, enc = { net = { 1 } } }
    assert.matches("^psn: there are no earlier events", extra.vsi)
    earlier.configure(2)
    local pc
    _, pc, extra = subscribe { psn = 3, enc = { net = { 3 }, chty = { 4 } } }
    assert.matches("^psn: at most 2 ", extra.vsi)
    assert.equal("3 4", told(pc["m2m:sub"]))
  end)

  it("is stored with the subscription, or not at all", function()
    fill(1, 2)
    w.fake.hold()
    local box = w:start(sub_request { psn = 2 })
    w.fake.run()
    w.fake.flush()
    w.fake.run()
    w.fake.fail("io")
    w.fake.flush()
    w.fake.run()
    assert.equal(5000, box[1])
    assert.equal("", told())
    assert.equal(2, #w.fake.abandoned)
    w.fake.fail(nil)
    cin(3)
    assert.equal("", told())
  end)

  it("children that are created meanwhile wait, are told once and in order", function()
    fill(1, 3)
    w.fake.hold()
    local early = w:start { op = 1, to = "moon/alice/c", fr = "Calice", ty = 4,
      pc = { ["m2m:cin"] = { con = "4" } } }
    w.fake.run()
    local box = w:start(sub_request { psn = 2 })
    w.fake.run()
    local late = w:start { op = 1, to = "moon/alice/c", fr = "Calice", ty = 4,
      pc = { ["m2m:cin"] = { con = "5" } } }
    w.fake.run()
    for _ = 1, 20 do
      w.fake.flush()
      w.fake.run()
      w.fake.soon()
    end
    assert.equal(2001, early[1])
    assert.equal(2001, box[1])
    assert.equal(2001, late[1])
    assert.equal("3 4 5", told())
  end)

  it("lets children be created after a refusal", function()
    fill(1, 1)
    subscribe { psn = 1, rn = "s" }
    assert.equal(4105, (subscribe { psn = 1, rn = "s" }))
    cin(2)
    assert.equal("1 2", told())
  end)
end)
