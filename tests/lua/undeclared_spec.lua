-- What a script names and does not have is told when it is loaded.

local test = require "moon2m.test"

local function told(h)
  local list = {}
  for i, line in ipairs(h:logged "undeclared variable") do
    assert.equal("warn", line.level)
    list[i] = line.text:match("([^/]+)$")
  end
  return list
end

describe("names that nobody declares", function()
  after_each(function() test.host():close() end)

  it("are told with their lines, in handlers and functions inside them", function()
    local h = test.host { scripts = { a = [[
local cse = require "moon2m"
local sock = cse.udp(5700, function(data, from)
  sock:send(from, tonumbr(data))
end)
cse.every(5, function()
  local function inner() return { [1] = function() return x, x end } end
  y = inner
end)
    ]] } }
    assert.same({ "a.lua:3: undeclared variable 'sock'", "a.lua:3: undeclared variable 'tonumbr'",
      "a.lua:6: undeclared variable 'x'", "a.lua:7: undeclared variable 'y'" }, told(h))
  end)

  it("are none of what there is, of what the script made, and of fields", function()
    local h = test.host { scripts = { a = [[
local cse = require "moon2m"
rawset(_G, "mine", 1)
cse.every(5, function()
  local t = { field = mine }
  return t.field, string.format("%d", t.other or 1), print, os.time, mine, _G, coroutine.wrap
end)
    ]] } }
    assert.same({}, told(h))
  end)

  it("are told of a new version too, and of its modules", function()
    local h = test.host { scripts = { a = 'local cse = require "moon2m"' } }
    h:write("part", "return function()\n  return nothing\nend")
    h:write("a", 'local part = require "part"\nreturn function() return part, missing end')
    assert.is_true(h:reload "a")
    assert.same({ "a.lua:2: undeclared variable 'missing'",
      "part.lua:2: undeclared variable 'nothing'" }, told(h))
  end)
end)
