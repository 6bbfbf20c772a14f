-- The reader of descriptions (LuaCATS): what it takes, and that it takes nothing else.

local annotations = require "moon2m.annotations"

local HEAD = "---@meta x\n\n-- ---- Section ----\n\n---A class.\n---@class x\nlocal t = {}\n\n"

local function read(text)
  return annotations.read(HEAD .. text, "x.lua")
end

local function entry(text)
  local entries = read(text).sections[1].entries
  return entries[#entries]
end

-- The error that a text is refused with; n: the line of it, after the head's eight.
local function refused(n, pattern, text)
  local ok, why = pcall(read, text)
  assert.is_false(ok, text)
  assert.matches(("^x%%.lua:%d: %s"):format(8 + n, pattern), why)
end

describe("annotations", function()
  it("reads a function with its parameters and results", function()
    local f = entry [[
---Does it.
---
---```lua
---t.f(1, "a")
---  -- indented
---```
---@async
---@param a integer how many
---@param b? string | { x: integer, y?: fun(z: any): boolean } what
---@param c fun(): integer?
---@param ... any
---@return x[]? list of them
---@return string? err why not
function t.f(a, b, c, ...) end
]]
    assert.equal("t.f", f.name)
    assert.equal('Does it.\n\n```lua\nt.f(1, "a")\n  -- indented\n```', f.text)
    assert.is_true(f.async)
    assert.same({ name = "a", type = "integer", text = "how many" }, f.params[1])
    assert.same({ name = "b", optional = true, text = "what",
      type = "string | { x: integer, y?: fun(z: any): boolean }" }, f.params[2])
    assert.same({ name = "c", type = "fun(): integer?", text = "" }, f.params[3])
    assert.equal("...", f.params[4].name)
    assert.same({ name = "list", optional = true, type = "x[]", text = "of them" }, f.returns[1])
    assert.equal("err", f.returns[2].name)
  end)

  it("reads classes with texts of several lines, aliases, and texts of sections", function()
    local c = entry [[
---What it is.
---@class y: x
---@field a "one" | 2 said here
---said in
---two lines
---@field b? table<string, integer[]>
---@field [integer] (x | y)[] list
]]
    assert.same({ "x" }, c.parents)
    assert.equal("said in\ntwo lines", c.fields[2].text)
    assert.equal("(x | y)[]", c.fields[3].type)
    local a = entry "---Either.\n---@alias z\n---| \"a\" the first\n---| \"b\" the second\n"
    assert.same({ type = '"b"', text = "the second" }, a.variants[2])
    assert.equal("About all of them.", read("---About all of them.\n").sections[1].text)
  end)

  it("names the types that are used, with the line", function()
    local _, used = read "---F.\n---@param a other.type\nfunction t.f(a) end\n"
    assert.same({ ["other.type"] = 10 }, used)
  end)

  it("refuses what it does not know, with file and line", function()
    refused(2, "unknown tag @parm", "---F.\n---@parm a any\nfunction t.f(a) end\n")
    refused(1, "not understood: x = 1", "x = 1\n")
    refused(2, "a name and a type were expected", "---F.\n---@param a\nfunction t.f(a) end\n")
    refused(2, "a name and a type were expected", "---F.\n---@param 1 any\nfunction t.f(a) end\n")
    refused(2, "a type was expected", "---F.\n---@param a string |\nfunction t.f(a) end\n")
    refused(2, "a type was expected", "---F.\n---@param a table<string\nfunction t.f(a) end\n")
    refused(2, "a type was expected", "---F.\n---@param a {x integer}\nfunction t.f(a) end\n")
    refused(2, "@return: a type, a name and a text", "---F.\n---@return any\nfunction t.f() end\n")
    refused(3, "@field b: no text", "---C.\n---@class y\n---@field b any\n")
    refused(1, "@field without @class", "---@field b any text\n")
  end)

  it("wants parameters in their order, each and no other", function()
    refused(3, "t%.f: parameter 1 is a, its @param is b",
      "---F.\n---@param b any\nfunction t.f(a) end\n")
    refused(2, "t%.f: parameter 1 is a, its @param is missing", "---F.\nfunction t.f(a) end\n")
    refused(3, "t%.f has no parameter b", "---F.\n---@param b any\nfunction t.f() end\n")
  end)

  it("wants a text for each entry, before its tags", function()
    refused(1, "t%.f has no text", "function t.f() end\n")
    refused(3, "text after the last tag: more", "---F.\n---@param a any\n---more\n" ..
      "function t.f(a) end\n")
    refused(2, "u is no table of this file", "---F.\nfunction u.f() end\n")
  end)
end)
