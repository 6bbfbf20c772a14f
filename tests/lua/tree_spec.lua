-- The cache of the tree under concurrency: what is queued is visible at once, what fails is undone,
-- what is deleted stays dead, what is evicted comes back the same.

local world = require "world"

local w, tree

local function create(rn, to, ty)
  return w:start { op = 1, to = to or "moon/alice", fr = "Calice", ty = ty or 3,
    pc = { [ty == 4 and "m2m:cin" or "m2m:cnt"] = ty == 4 and { con = rn } or { rn = rn } } }
end

local function delete(to)
  return w:start { op = 4, to = to, fr = "Calice" }
end

before_each(function()
  w = world.new(true)
  tree = require "moon2m.tree"
  w:create("Calice", "moon/alice", 3, { rn = "c" })
end)

describe("what is queued", function()
  it("takes the name: a second create of it is refused before the first is on disk", function()
    w.fake.hold()
    local a, b = create("x"), create("x")
    w.fake.run()
    assert.is_true(b.done)
    assert.equal(4105, b[1])
    assert.is_false(a.done)
    w.fake.flush()
    assert.equal(2001, a[1])
  end)

  it("takes the AE-ID", function()
    w.fake.hold()
    local function ae(rn)
      return w:start { op = 1, to = "moon", fr = "Cnew", ty = 2,
        pc = { ["m2m:ae"] = { rn = rn, api = "Nx", rr = true, srv = { "3" } } } }
    end
    local a, b = ae("one"), ae("two")
    w.fake.run()
    w.fake.flush()
    assert.equal(2001, a[1])
    assert.equal(4117, b[1])
  end)

  it("can have children at once", function()
    w.fake.hold()
    local a = create("x")
    w.fake.run()
    local b, i = create("y", "moon/alice/x"), create("1", "moon/alice/x", 4)
    w.fake.run()
    w.fake.flush()
    assert.equal(2001, a[1])
    assert.equal(2001, b[1])
    assert.equal(2001, i[1])
  end)

  it("is deleted after it was made, in that order", function()
    w.fake.hold()
    local a = create("x")
    w.fake.run()
    local d = delete("moon/alice/x")
    w.fake.run()
    local again = create("x")
    w.fake.run()
    w.fake.flush()
    assert.equal(2001, a[1])
    assert.equal(2002, d[1])
    assert.equal(2001, again[1])
    assert.equal(2000, (w:retrieve("Calice", "moon/alice/x")))
  end)

  it("is not found once its deletion is queued", function()
    w:create("Calice", "moon/alice/c", 3, { rn = "deep" })
    w.fake.hold()
    local d = delete("moon/alice/c")
    w.fake.run()
    for _, to in ipairs { "moon/alice/c", "14", "moon/alice/c/deep", "15", "moon/alice/c/la" } do
      local box = w:start { op = 2, to = to, fr = "Calice" }
      w.fake.run()
      assert.equal(4004, box[1], to)
    end
    local child = create("y", "moon/alice/c")
    w.fake.run()
    assert.equal(4004, child[1])
    w.fake.flush()
    assert.equal(2002, d[1])
  end)
end)

describe("what fails", function()
  it("with a conflict of the store leaves nothing behind", function()
    w.fake.hold()
    local box = create("x")
    w.fake.run()
    w.fake.fail("conflict")
    w.fake.flush()
    w.fake.fail(nil)
    assert.equal(4105, box[1])
    assert.equal(4004, (w:retrieve("Calice", "moon/alice/x")))
    assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = "x" })))
  end)

  it("takes what was created below it along", function()
    w.fake.hold()
    local a = create("x")
    w.fake.run()
    local b = create("y", "moon/alice/x")
    w.fake.run()
    w.fake.fail("io")
    w.fake.flush()
    w.fake.fail(nil)
    assert.equal(5000, a[1])
    assert.equal(5000, b[1])
    assert.equal(4004, (w:retrieve("Calice", "moon/alice/x/y")))
    assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = "x" })))
  end)

  it("in an update shows the old values again", function()
    w.fake.fail("io")
    assert.equal(5000, (w:update("Calice", "moon/alice/c", "m2m:cnt", { lbl = { "x" } })))
    w.fake.fail(nil)
    local _, pc = w:retrieve("Calice", "moon/alice/c")
    assert.is_nil(pc["m2m:cnt"].lbl)
    assert.equal(0, pc["m2m:cnt"].st)
  end)

  it("in a delete leaves the resource with its subscriptions", function()
    w:create("Calice", "moon/alice/c", 23, { rn = "s", nu = { "Calice" }, enc = { net = { 3 } } })
    w.fake.fail("io")
    assert.equal(5000, (w:delete("Calice", "moon/alice/c/s")))
    assert.equal(5000, (w:delete("Calice", "moon/alice/c")))
    w.fake.fail(nil)
    assert.equal(2000, (w:retrieve("Calice", "moon/alice/c/s")))
    w:create("Calice", "moon/alice/c", 4, { con = "1" })
    assert.equal(1, #w.fake.published)
  end)

  it("in a read answers 5000", function()
    tree.drop()
    local store = require "moon2m.core.store"
    local get = store.get
    store.get = function() error("store: disk I/O error", 0) end
    local rsc = w:retrieve("CAdmin", "moon/alice")
    store.get = get
    assert.equal(5000, rsc)
    assert.equal(2000, (w:retrieve("CAdmin", "moon/alice")))
  end)
end)

describe("overlapping reads", function()
  it("of one resource give one object", function()
    tree.drop()
    local a = w.fake.task(tree.by_path, "alice/c")
    local b = w.fake.task(tree.by_id, 4)
    w.fake.run()
    assert.equal(a[1], b[1])
    assert.is_nil(a[1].gone)
  end)

  it("begun before a delete do not bring the dead back", function()
    w:create("Calice", "moon/alice/c", 3, { rn = "deep" })
    tree.drop()
    w:retrieve("Calice", "moon/alice/c")
    local store = require "moon2m.core.store"
    local get, slow = store.get, nil
    store.get = function(by, key)
      local row = get(by, key)
      if key == "alice/c/deep" and not slow then
        slow = coroutine.running()
        coroutine.yield()
      end
      return row
    end
    local late = w.fake.task(tree.by_path, "alice/c/deep")
    w.fake.run()
    assert.equal(2002, (w:delete("Calice", "moon/alice/c")))
    coroutine.resume(slow)
    w.fake.run()
    store.get = get
    assert.is_true(late.done)
    assert.is_nil(late[1])
    assert.equal(4004, (w:retrieve("Calice", "moon/alice/c/deep")))
  end)
end)

describe("the cache", function()
  it("stays within its bound, and evicted resources come back", function()
    tree.limit(64)
    for i = 1, 200 do
      assert.equal(2001, (w:create("Calice", "moon/alice/c", 3, { rn = "n" .. i })))
    end
    assert.is_true(tree.cached() <= 64)
    for i = 1, 200, 7 do
      local _, pc = w:retrieve("Calice", "moon/alice/c/n" .. i)
      assert.equal("n" .. i, pc["m2m:cnt"].rn)
    end
    assert.is_true(tree.cached() <= 64)
    assert.equal(2002, (w:delete("Calice", "moon/alice/c")))
    for i = 1, 200, 7 do
      assert.equal(4004, (w:retrieve("Calice", "moon/alice/c/n" .. i)))
    end
  end)

  it("a delete finds what is left of a subtree when what was between has been evicted", function()
    w:create("Calice", "moon/alice/c", 3, { rn = "between" })
    w:create("Calice", "moon/alice/c/between", 3, { rn = "deep" })
    tree.drop()
    assert.equal(2000, (w:retrieve("Calice", "moon/alice/c/between/deep")))
    assert.equal(2002, (w:delete("Calice", "moon/alice/c")))
    assert.equal(4004, (w:retrieve("Calice", "moon/alice/c/between/deep")))
  end)

  it("a delete sees to each of many descendants once", function()
    local statistics = require "moon2m.statistics"
    for i = 1, 1100 do
      assert.equal(2001, (w:create("Calice", "moon/alice/c", 23, { rn = "s" .. i,
        nu = { "Calice" } })))
    end
    local seen, count, forget = {}, 0, statistics.forget
    statistics.forget = function(id)
      assert.is_nil(seen[id])
      seen[id], count = true, count + 1
      return forget(id)
    end
    local ok, rsc = pcall(w.delete, w, "Calice", "moon/alice/c")
    statistics.forget = forget
    assert.same({ true, 2002, 1100 }, { ok, rsc, count })
  end)

  it("serves what it has without the store", function()
    w:create("Calice", "moon/alice/c", 4, { con = "1" })
    w:retrieve("Calice", "moon/alice/c/la")
    local before = w.fake.reads
    for _ = 1, 10 do w:retrieve("Calice", "moon/alice/c/la") end
    assert.equal(before, w.fake.reads)
  end)

  it("an update survives the eviction of its resource while it waits for verification", function()
    w.fake.answers.Cbob = 2000
    w:create("Calice", "moon/alice/c", 23, { rn = "s", nu = { "Calice" }, enc = { net = { 3 } } })
    local box = w:start { op = 3, to = "moon/alice/c/s", fr = "Calice",
      pc = { ["m2m:sub"] = { nu = { "Cbob" } } } }
    w.fake.run()
    tree.drop()
    for _ = 1, 4 do
      w.fake.fire()
      w.fake.run()
    end
    assert.equal(2004, box[1])
    w:create("Calice", "moon/alice/c", 4, { con = "1" })
    assert.equal("Cbob", w.fake.published[1].to[1].target)
  end)
end)
