-- Many lines of an import at a time: what is under way together, what is alone, what is told of it
-- when one fails.

local world = require "world"

local w, tree, intake

local FROM = { csi = "/moon", csn = "moon" }

local function cnt(to, rn, more)
  return ('{"to":"%s","m2m:cnt":{"rn":"%s"%s}}'):format(to, rn, more or "")
end

local function cin(to, rn, more)
  return ('{"to":"%s","m2m:cin":{"rn":"%s","con":"x"%s}}'):format(to, rn, more or "")
end

local function go_on()
  repeat w.fake.run() until not w.fake.soon()
end

local function begin(rows)
  local box = w.fake.task(intake.rows, rows, FROM)
  go_on()
  return box
end

-- To its end: what is told of it.
local function finish(box)
  for _ = 1, 100 do
    if box.done then return box[1] end
    w.fake.flush()
    go_on()
  end
  error("the import did not end")
end

local function import(rows)
  return finish(begin(rows))
end

local function told(r)
  return { r.done, r.made, r.there, r.beyond, r.why }
end

before_each(function()
  w = world.new(true)
  tree, intake = require "moon2m.tree", require "moon2m.intake"
  require("moon2m.restore").configure "CAdmin"
end)

describe("lines that are under way together", function()
  it("are queued before the first is on disk, children behind their parents", function()
    w.fake.hold()
    local box = begin { cnt("alice", "a"), cnt("alice/a", "b"), cin("alice/a/b", "i"),
      cin("alice/a/b", "j"), cnt("alice", "c") }
    assert.is_false(box.done)
    assert.equal(4, w.fake.queued())
    assert.same({ 5, 5, 0, 0 }, told(finish(box)))
    assert.equal(2, tree.peek_path("alice/a/b").cni)
  end)

  it("leave room for requests in between, whose instances come after theirs", function()
    w.fake.hold()
    local box = begin { cnt("alice", "a"), cin("alice/a", "i"), cin("alice/a", "j") }
    local other = w:start { op = 1, to = "moon/alice/a", fr = "Calice", ty = 4,
      pc = { ["m2m:cin"] = { con = "mine" } } }
    go_on()
    assert.same({ 3, 3, 0, 0 }, told(finish(box)))
    assert.equal(2001, other[1])
    local _, la = w:retrieve("Calice", "moon/alice/a/la")
    assert.equal("mine", la["m2m:cin"].con)
  end)

  it("are bounded", function()
    local rows = {}
    for i = 1, 200 do rows[i] = cnt("alice", "c" .. i) end
    w.fake.hold()
    local box = begin(rows)
    assert.equal(64, w.fake.queued())
    assert.same({ 200, 200, 0, 0 }, told(finish(box)))
  end)

  it("do not have one of a type that is completed behind its commit among them", function()
    w.fake.hold()
    local box = begin { cnt("alice", "a"), '{"to":"","m2m:nod":{"rn":"n","ni":"x"}}',
      cnt("alice", "b") }
    assert.equal(1, w.fake.queued())
    w.fake.flush(1)
    go_on()
    assert.equal(1, w.fake.queued())
    assert.is_nil(tree.peek_path "alice/b")
    finish(box)
    assert.truthy(tree.peek_path "alice/b")
  end)
end)

describe("what fails", function()
  local store, commit

  before_each(function()
    store = require "moon2m.core.store"
    commit = store.commit
  end)
  after_each(function() store.commit = commit end)

  -- The transactions that put something at this path, or an instance with that name, have this end.
  local function fails(name, code, times)
    store.commit = function(ops)
      local op = ops[1]
      local hit = op and (op[1] == "put" and op[2].path or op[1] == "inst" and op[9]) == name
      if not hit or times == 0 then return commit(ops) end
      times = times and times - 1
      commit {}
      return nil, code, "made to fail"
    end
  end

  it("in itself ends the import there, what stands before it is stored", function()
    local r = import { cnt("alice", "a"), cnt("alice", "b", ',"mni":"x"'), cnt("alice", "c") }
    assert.same({ 1, 1, 0, 0 }, { r.done, r.made, r.there, r.beyond })
    assert.equal("mni", r.attr)
    assert.truthy(w.fake.by_path "alice/a")
    assert.is_nil(w.fake.by_path "alice/c")
    assert.equal("no resource in the line (as \"m2m:cnt\")",
      import { cnt("alice", "a"), '{"to":"alice"}' }.why)
  end)

  it("once, when others were under way, is tried again alone, and what depends on it", function()
    fails("alice/a", "conflict", 1)
    w.fake.hold()
    local r = import { cnt("alice", "0"), cnt("alice", "a"), cnt("alice/a", "b"),
      cin("alice/a/b", "i"), cnt("alice", "c"), cnt("alice", "d") }
    assert.same({ 6, 6, 0, 0 }, told(r))
    assert.equal(1, tree.peek_path("alice/a/b").cni)
  end)

  it("for good is told with what was stored behind it", function()
    fails("alice/a", "conflict")
    w.fake.hold()
    local r = import { cnt("alice", "0"), cnt("alice", "a"), cnt("alice/a", "b"),
      cnt("alice", "c"), cnt("alice", "d") }
    assert.same({ 1, 3, 0, 2 }, { r.done, r.made, r.there, r.beyond })
    assert.truthy(r.why:find("already used", 1, true), r.why)
    assert.truthy(w.fake.by_path "alice/d")
  end)

  it("as one of many instances leaves the others with theirs", function()
    local rows = { cnt("alice", "a") }
    for i = 1, 20 do rows[#rows + 1] = cin("alice/a", "i" .. i) end
    rows[#rows + 1] = cin("alice/a", "i7")
    assert.same({ 22, 21, 1, 0 }, told(import(rows)))
    assert.equal(20, tree.peek_path("alice/a").cni)
    assert.same({ 22, 0, 22, 0 }, told(import(rows)))
    assert.equal(20, tree.peek_path("alice/a").st)
  end)

  it("when the disk is full: nothing is told as done that is not", function()
    w.fake.fail("io")
    local r = import { cnt("alice", "a"), cnt("alice", "b") }
    assert.same({ 0, 0, 0, 0 }, { r.done, r.made, r.there, r.beyond })
    assert.truthy(r.why:find("store failed", 1, true), r.why)
    w.fake.fail(nil)
    assert.same({ 2, 2, 0, 0 }, told(import { cnt("alice", "a"), cnt("alice", "b") }))
  end)

  it("while the numbers of what was deleted are not free yet is waited for, alone", function()
    local rows = { '{"to":"alice","m2m:cnt":{"rn":"a","ri":"900"},"_":{"st":0}}',
      '{"to":"alice/a","m2m:cnt":{"rn":"b","ri":"901"},"_":{"st":2}}',
      '{"to":"alice/a/b","m2m:cin":{"ri":"901-2","con":1},"_":{}}' }
    local path = require "moon2m.path"
    for i, text in ipairs(rows) do
      rows[i] = text:gsub('"(%d+)%-(%d+)"', function(c, st)
        return '"' .. path.ri_inst(tonumber(c), tonumber(st)) .. '"'
      end):gsub('"ri":"(%d+)"', function(id) return '"ri":"' .. path.ri(tonumber(id)) .. '"' end)
    end
    fails("alice/a", "gone", 3)
    local box = begin(rows)
    for _ = 1, 10 do
      w.fake.fire()
      go_on()
    end
    assert.same({ 3, 3, 0, 0 }, told(finish(box)))
    assert.same({ 900, 901, 2 }, { tree.peek_path("alice/a").id, tree.peek_path("alice/a/b").id,
      tree.peek_path("alice/a/b").st })
  end)
end)
