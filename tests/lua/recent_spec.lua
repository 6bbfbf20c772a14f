-- What is known of the containers that were written last.

local rows, asked
package.loaded["moon2m.core.store"] = { find = function(_, _, limit)
  asked = asked + 1
  local out = {}
  for i = 1, math.min(limit, #rows) do out[i] = rows[i] end
  return out, #rows > limit
end }

local recent = require "moon2m.recent"

local KEEP = 4096

-- What was written at t or later, sorted, as text; nil when unknown.
local function since(t, most)
  local list = recent.since(t, most or 100)
  if not list then return nil end
  table.sort(list, function(a, b) return tostring(a) < tostring(b) end)
  return table.concat(list, " ")
end

describe("containers written last", function()
  before_each(function()
    rows, asked = {}, 0
    recent.reset()
  end)

  it("are those of the store and those noted, each once", function()
    rows = { { id = 3, lt = 30 }, { id = 2, lt = 20 }, { id = 1, lt = 10 } }
    recent.note(4, 40)
    recent.note(2, 50)
    recent.note(2, 51)
    assert.equal("2", since(45))
    assert.equal("2 4", since(40))
    assert.equal("2 3 4", since(25))
    assert.equal("1 2 3 4", since(0))
    assert.equal("", since(52))
    assert.equal(1, asked)
  end)

  it("what was noted before the store was asked keeps its time", function()
    for i = 1, 9 do recent.note(i, i) end
    rows = { { id = 20, lt = 20 }, { id = 9, lt = 9 }, { id = 8, lt = 8 } }
    recent.note(20, 20)
    assert.equal("20", since(10))
    assert.equal("20 8 9", since(8))
  end)

  it("are unknown when there are too many", function()
    rows = { { id = 3, lt = 30 }, { id = 2, lt = 20 }, { id = 1, lt = 10 } }
    assert.is_nil(since(0, 2))
    assert.equal("2 3", since(20, 2))
  end)

  it("are unknown before what the store gave", function()
    for i = 1, KEEP + 1 do rows[i] = { id = i, lt = 1e6 - i } end
    assert.is_nil(since(1e6 - KEEP, 1e6))
    assert.is_not_nil(since(1e6 - KEEP + 1, 1e6))
    assert.equal("1 2", since(1e6 - 2))
  end)

  it("are bounded: the floor rises", function()
    for i = 1, 10 * KEEP do recent.note(i, i) end
    recent.note(1, 10 * KEEP + 1)
    assert.equal("1 " .. 10 * KEEP, since(10 * KEEP))
    assert.is_nil(since(5, 1e6))
    for i = 1, 10 * KEEP do recent.note(i % 3, 10 * KEEP + 1 + i) end
    assert.equal("0 1 2", since(10 * KEEP + 2))
  end)

  it("a clock that was set back hides none", function()
    recent.note(1, 100)
    recent.note(2, 50)
    recent.note(3, 60)
    assert.matches("1", since(100))
    assert.matches("2.*3", since(50))
  end)
end)
