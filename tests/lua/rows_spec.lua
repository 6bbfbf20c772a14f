-- Rows and resources in pages: all of them, in order, once, whatever the size of the last page.

local world = require "world"

describe("rows", function()
  local w, store, rows

  before_each(function()
    w = world.new()
    store, rows = require "moon2m.core.store", require "moon2m.rows"
  end)
  after_each(world.real_time)

  -- What rows.each gives of a table of n rows, and the parameters of each page.
  local function read(n)
    local find, seen, asked = store.find, {}, {}
    store.find = function(statement, parameters, limit)
      asked[#asked + 1] = { statement, unpack(parameters) }
      local page, after = {}, parameters[#parameters]
      for id = after + 1, math.min(n, after + limit) do page[#page + 1] = { id = id } end
      return page, after + limit < n
    end
    for row in rows.each("S", "id", 0, "x", "y") do seen[#seen + 1] = row.id end
    store.find = find
    return seen, asked
  end

  it("come page by page", function()
    for n, pages in pairs { [0] = 1, [1] = 1, [499] = 1, [500] = 1, [501] = 2, [1000] = 2,
      [1203] = 3 } do
      local seen, asked = read(n)
      assert.same(n, #seen)
      for i, id in ipairs(seen) do assert.same(i, id) end
      assert.same(pages, #asked, n)
      assert.same({ "S", "x", "y", 0 }, asked[1])
      if pages > 1 then assert.same({ "S", "x", "y", 500 }, asked[2]) end
    end
  end)

  it("are resources of a type, those that are there", function()
    w:ae("Calice", "alice")
    for i = 1, 3 do
      assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = "c" .. i })))
    end
    assert.equal(2002, (w:delete("Calice", "moon/alice/c2")))
    local names = {}
    w.fake.task(function()
      for r in w.tree.all(3) do names[#names + 1] = r.rn end
    end)
    w.fake.run()
    assert.same({ "c1", "c3" }, names)
  end)
end)
