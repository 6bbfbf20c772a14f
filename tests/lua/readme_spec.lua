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
