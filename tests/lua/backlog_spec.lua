-- What keeps the events of scripts (backlog.lua): in the text of their group while they are quick,
-- in rows of their own when they are not, and nowhere once they were handled.

local fake = require "fake"

local backlog, store

-- The library forgets everything, the store does not.
local function restart()
  package.loaded["moon2m.backlog"] = nil
  backlog = require "moon2m.backlog"
end

local function rows(statement, after)
  local list = fake.task(function() return (store.find(statement, { after }, 99)) end)
  fake.run()
  return list[1]
end

local function own_rows()
  local list = {}
  for i, row in ipairs(rows(require("moon2m.sql_life").waiting_events, "evt/")) do
    list[i] = row.v:match('"r":"([^"]*)"') .. " " .. row.v:match('"to":"([^"]*)"')
  end
  return list
end

local function groups() return #rows(require("moon2m.sql_life").event_groups, 0) end

-- The event of a change of /c<n> for these rules, committed or (false) refused.  kept nil: not
-- decided.
local function event(n, kept, ...)
  local e = { op = "create", to = "/c" .. n, fr = "C\n~3:", rep = '{"a":{"con":"x\\ny"}}',
    at = backlog.sequence(), items = {} }
  for i, key in ipairs { ... } do
    e.items[i] = { e = e, at = e.at, n = i, queue = { owner = backlog.owner("s", key) } }
  end
  local op = backlog.note(e)
  if kept ~= false then fake.task(store.commit, { op }) end
  e.kept = kept
  return e
end

local function read()
  local list = {}
  fake.task(function()
    backlog.read(function(script, key, item)
      item.queue = { owner = backlog.owner(script, key) }
      list[#list + 1] = item
    end)
  end)
  fake.run()
  return list
end

local function names(list)
  local out = {}
  for i, item in ipairs(list) do
    out[i] = ("%s %s%s"):format(item.queue.owner.key, item.e.to, item.held and " held" or "")
  end
  return out
end

local function flush(all)
  fake.task(backlog.flush, all)
  fake.run()
end

describe("the backlog of events", function()
  before_each(function()
    fake.reset()
    backlog, store = require "moon2m.backlog", require "moon2m.core.store"
    fake.run()
  end)

  it("forgets what was handled in time, and has never a row of its own for it", function()
    local a, b = event(1, true, "r1", "r2"), event(2, true, "r1")
    backlog.forget(b.items[1])
    backlog.forget(a.items[1])
    flush()
    assert.equal(2, groups())
    backlog.forget(a.items[2])
    flush()
    assert.equal(0, groups())
    assert.same({}, own_rows())
  end)

  it("gives a row to what takes longer, and forgets it when it was handled", function()
    local a = event(1, true, "r1", "r2")
    backlog.forget(a.items[1])
    flush()                                      -- a's time begins
    local b = event(2, true, "r1")
    flush()
    assert.same({ "r2 /c1" }, own_rows())
    assert.equal(1, groups())
    flush()
    assert.same({ "r2 /c1", "r1 /c2" }, own_rows())
    assert.equal(0, groups())
    backlog.forget(a.items[2])
    backlog.forget(b.items[1])
    fake.fire()
    assert.same({}, own_rows())
  end)

  it("reads what a crash left, once each and in order, with every byte", function()
    event(1, true, "r1", "r2")
    flush()
    event(2, true, "r1")
    flush()                                      -- /c1 has rows of its own
    event(3, true, "r2")
    restart()
    local list = read()
    assert.same({ "r1 /c1", "r2 /c1", "r1 /c2", "r2 /c3" }, names(list))
    for _, item in ipairs(list) do
      assert.same({ "create", "C\n~3:", '{"a":{"con":"x\\ny"}}' },
        { item.e.op, item.e.fr, item.e.rep })
      assert.is_nil(item.e.old)
    end
    assert.is_true(backlog.sequence() > list[4].at)
    flush(true)
    assert.equal(0, groups())
    restart()
    assert.same({ "r1 /c1", "r2 /c1", "r1 /c2", "r2 /c3" }, names(read()))
  end)

  it("prefers an item's own row, which may say that it is held", function()
    local item = event(1, true, "r1", "r2").items[2]
    item.held = true
    local key, text = backlog.row(item)
    fake.task(store.commit, { { "meta", key, text } })
    fake.run()
    restart()
    local list = read()
    assert.same({ "r1 /c1", "r2 /c1 held" }, names(list))
    for _, i in ipairs(list) do backlog.forget(i) end
    flush()
    assert.equal(0, groups())
    assert.same({}, own_rows())
  end)

  it("waits for what is not decided, and keeps nothing of what was refused", function()
    local a = event(1, false, "r1")
    local b = event(2, nil, "r1")
    local c = event(3, true, "r1")
    flush()
    flush()
    assert.equal(2, groups())
    assert.same({}, own_rows())
    a.kept, b.kept = false, true
    flush()
    assert.same({ "r1 /c2", "r1 /c3" }, own_rows())
    assert.equal(0, groups())
    backlog.forget(b.items[1])
    backlog.forget(c.items[1])
    flush()
    assert.same({}, own_rows())
  end)

  it("does not wait for ever for a change whose task is gone", function()
    event(1, nil, "r1")
    local b = event(2, true, "r1")
    for _ = 1, 4 do flush() end
    assert.same({ "r1 /c2" }, own_rows())
    backlog.forget(b.items[1])
    fake.fire()
    assert.same({}, own_rows())
    assert.equal(0, groups())
  end)

  it("loses nothing when the store fails, and goes on when it works again", function()
    local a = event(1, true, "r1", "r2")
    local b = event(2, true, "r1")
    flush()
    fake.fail("io")
    flush()
    backlog.forget(a.items[1])
    assert.same({}, own_rows())
    assert.equal(2, groups())
    fake.fail(nil)
    flush()
    assert.same({ "r2 /c1", "r1 /c2" }, own_rows())
    assert.equal(0, groups())
    fake.fail("io")
    backlog.forget(a.items[2])
    flush()
    fake.fail(nil)
    backlog.forget(b.items[1])
    fake.fire()
    assert.same({}, own_rows())
  end)

  it("does not need the row of what is handled while it is written", function()
    local a = event(1, true, "r1")
    flush()
    fake.hold()
    flush()
    backlog.forget(a.items[1])
    fake.flush()
    assert.same({ "r1 /c1" }, own_rows())
    fake.fire()
    assert.same({}, own_rows())
    assert.equal(0, groups())
  end)

  it("leaves out what is damaged, and reads the rest", function()
    event(1, true, "r1")
    local op = backlog.note { at = backlog.sequence(), op = "create", to = "/c2", items = {
      { queue = { owner = backlog.owner("s", "r1") } } } }
    op[#op] = "9 9:s"
    fake.task(store.commit, { op })
    event(3, true, "r1")
    restart()
    assert.same({ "r1 /c1", "r1 /c3" }, names(read()))
  end)

  it("writes many rows in several transactions", function()
    local keys = {}
    for i = 1, 300 do keys[i] = "r" .. i end
    for n = 1, 5 do event(n, true, unpack(keys)) end
    flush()
    flush()
    assert.equal(0, groups())
    restart()
    assert.equal(1500, #read())
  end)
end)
