-- Values as text for a person.

local json = require "moon2m.json"
local show = require "moon2m.show"

describe("show", function()
  it("writes scalars as Lua does", function()
    assert.equal("nil", show.value(nil))
    assert.equal("true", show.value(true))
    assert.equal("42", show.value(42))
    assert.equal("-0.5", show.value(-0.5))
    assert.equal("1795526187143910", show.value(1795526187143910))
    assert.equal("1e+300", show.value(1e300))
    assert.equal("inf nan", show.value(math.huge) .. " " .. show.value(0 / 0))
    assert.equal("null", show.value(json.null))
    assert.equal("function: built in", show.value(print))
    assert.matches("^function: .*show_spec%.lua:%d+$", show.value(function() end))
    assert.equal("thread: suspended", show.value(coroutine.create(print)))
  end)

  it("quotes strings so that Lua reads them back", function()
    for _, s in ipairs { "", "a\"b\\c", "x\ny\tz\0\127", "gr\195\188n", "\195", "1\0012" } do
      local text = show.value(s)
      assert.equal(s, assert(loadstring("return " .. text))())
      assert.is_nil(text:find("[%c]"))
    end
    assert.equal('"gr\195\188n"', show.value("gr\195\188n"))
    assert.equal('"\\195"', show.value("\195"))
  end)

  it("shortens long strings and says how long they are", function()
    assert.equal('"' .. ("a"):rep(2000) .. '"..(100000 bytes)', show.value(("a"):rep(100000)))
    assert.equal('"\195\188"..(6 bytes)', show.quote("\195\188\195\188\195\188", 3))
  end)

  it("nests tables, keys sorted, on one line when there is room", function()
    assert.equal('{ 1, 2, [10] = 3, a = { b = "c" }, ["end"] = 2, ["x y"] = 1 }',
      show.value { 1, 2, a = { b = "c" }, [10] = 3, ["x y"] = 1, ["end"] = 2 })
    assert.equal("{}", show.value({}))
    assert.equal("[]", show.value(json.array {}))
    assert.equal('{\n  a = "1234567890",\n  b = "1234567890"\n}',
      show.value({ a = "1234567890", b = "1234567890" }, 20))
    assert.equal("{\n  10000, 20000,\n  30000\n}", show.value({ 10000, 20000, 30000 }, 20))
  end)

  it("names cycles, prints what is shared, stops at a depth", function()
    local t = { 1 }
    t.me = t
    assert.equal("{ 1, me = <cycle> }", show.value(t))
    local shared = { 7 }
    assert.equal("{ { 7 }, { 7 } }", show.value { shared, shared })
    local deep = {}
    for _ = 1, 100 do deep = { deep } end
    assert.matches("{%.%.}", show.value(deep))
  end)

  it("lines up lists of records", function()
    assert.equal(" a  b\n 1  x\n22  yy", show.value { { a = 1, b = "x" }, { a = 22, b = "yy" } })
    assert.equal("b   a\nx   1\nyy", show.value(show.table({ { a = 1, b = "x" }, { b = "yy" } },
      { "b", "a" })))
    assert.equal("none", show.value(show.table({}, { "a" })))
    local wide = show.value { { a = ("w"):rep(300), b = 1 }, { a = "\n", b = { 1, 2 } } }
    assert.equal("a", wide:match("^a"))
    assert.matches("\n" .. ("w"):rep(46) .. "%.%.  1\n\\n +{ 1, 2 }$", wide)
  end)

  it("looks at a bounded part of what is big", function()
    local list = {}
    for i = 1, 1e6 do list[i] = i end
    local text = show.value(list)
    assert.is_true(#text < 2000)
    assert.matches(',%s+200,%s+%.%.%s+}$', text)
    local set = {}
    for i = 1, 1e5 do set["k" .. i] = { { {} } } end
    assert.matches("%.%.%s+}$", show.value(set))
    local rows = {}
    for i = 1, 1e5 do rows[i] = { n = i } end
    assert.matches("\n200\n%.%.$", show.value(rows))
  end)

  it("runs nothing of the value's", function()
    local mine = setmetatable({ 1 }, { __index = error, __tostring = error, __pairs = error,
      __len = error, __eq = error })
    assert.equal("{ 1 }", show.value(mine))
  end)

  it("is brief in one line", function()
    assert.equal('{ a = { b = 1 } }', show.brief({ a = { b = 1 } }, 50))
    assert.equal('{ "aaaaaa..', show.brief({ ("a"):rep(100) }, 11))
    assert.is_nil(show.brief({ ("a"):rep(200), { x = ("b"):rep(200) } }, 1000):find("\n"))
  end)
end)
