-- The README says what the server reads.

describe("the README", function()
  it("has the configuration table that the schema makes", function()
    local f = assert(io.open("README.md"))
    local text = f:read("*a")
    f:close()
    local table_text = text:match("<!%-%- made by.-%-%->\n(.-)<!%-%- end %-%->")
    assert.equal(require("moon2m.config").reference(), table_text)
  end)
end)

describe("the README of the examples", function()
  it("has a line for each example, and an example for each line", function()
    local f = assert(io.open("apps/README.md"))
    local text = f:read("*a")
    f:close()
    local told, there = {}, {}
    for name in text:gmatch("\n| `([%w_]+)[%w_./]*`") do told[name] = true end
    local p = assert(io.popen("ls -d apps/*.lua apps/*/"))
    for file in p:lines() do
      local name = file:match("([%w_]+)%.lua$") or file:match("([%w_]+)/$")
      if not name:match("_test$") and not file:match("%.conf%.lua$") then there[name] = true end
    end
    p:close()
    assert.same(there, told)
  end)
end)
