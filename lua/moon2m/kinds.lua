-- Attribute kinds for resource types: `require "moon2m.kinds"` of scripts, and of the types of this
-- server.  A kind that is made here is opaque: it shows nothing and cannot be changed.
-- Functions that a kind is given are asked each time; those of a script within a budget
-- (parts/types.lua sees to it).

local json = require "moon2m.json"
local kind = require "moon2m.kind"
local mistake = require "moon2m.mistake"

local argument = mistake.argument
local null = json.null

local kinds = {}

local function check_what(name, what)
  if type(what) ~= "string" or what == "" then argument(name, "what", "a text", what) end
end

local function check_number(name, parameter, v)
  if type(v) ~= "number" then argument(name, parameter, "a number", v) end
end

local function check_test(name, test, optional)
  if type(test) ~= "function" and not (optional and test == nil) then
    argument(name, "test", "a function", test)
  end
end

-- The kind that `v` stands for: a name, a list of texts or numbers, or one that was made here.
local function known(name, parameter, v)
  local ok, k = pcall(kind.known, v)
  if not ok then argument(name, parameter, "a kind", v) end
  return k
end

--- An integer from least to most.
function kinds.range(what, least, most)
  check_what("kinds.range", what)
  check_number("kinds.range", "least", least)
  check_number("kinds.range", "most", most)
  return kind.seal(kind.range(what, least, most))
end

--- One of these numbers.
function kinds.enum(what, values)
  check_what("kinds.enum", what)
  local list = {}
  for i, v in ipairs(type(values) == "table" and values or {}) do
    if type(v) == "number" then list[i] = v end
  end
  if not list[1] or #list ~= #values then
    argument("kinds.enum", "values", "a list of numbers", values)
  end
  return kind.seal(kind.enum(what, list))
end

--- A text.  test(text): nil or true: it fits; false, why: it does not; anything else counts instead
-- of the text.  The tests of all kinds are so.
function kinds.text(what, test)
  check_what("kinds.text", what)
  check_test("kinds.text", test, true)
  return kind.seal(kind.text(what, test))
end

--- An integer that test(n) takes.
function kinds.integer(what, test)
  check_what("kinds.integer", what)
  check_test("kinds.integer", test)
  return kind.seal(kind.integer(what, test))
end

--- Any JSON value that test(value) takes.
function kinds.value(what, test)
  check_what("kinds.value", what)
  check_test("kinds.value", test)
  return kind.seal(kind.value(what, test))
end

--- What a kind takes and test(value), with the value as that kind decodes it.
function kinds.where(of, test)
  of = known("kinds.where", "kind", of)
  check_test("kinds.where", test)
  return kind.seal(kind.where(of, test))
end

--- An array of these, with at least so many entries (1) and at most so many.
function kinds.list(entry, least, most)
  entry = known("kinds.list", "kind", entry)
  if least ~= nil then check_number("kinds.list", "least", least) end
  if most ~= nil then check_number("kinds.list", "most", most) end
  return kind.seal(kind.list(entry, least, most))
end

--- One of these, or an array of up to `most`; the value is an array.
function kinds.several(entry, most)
  entry = known("kinds.several", "kind", entry)
  if most ~= nil then check_number("kinds.several", "most", most) end
  return kind.seal(kind.several(entry, most))
end

--- What one of these kinds takes.
function kinds.either(what, list)
  check_what("kinds.either", what)
  if type(list) ~= "table" or list[1] == nil then
    argument("kinds.either", "kinds", "a list of kinds", list)
  end
  local own = {}
  for i, k in ipairs(list) do own[i] = known("kinds.either", "kinds", k) end
  return kind.seal(kind.either(what, own))
end

local function member(m)
  if type(m) ~= "table" or type(m[1]) ~= "string" then
    argument("kinds.object", "members", "a row that begins with a name", m)
  end
  local where = ("members: %s"):format(m[1])
  if m.list ~= nil then check_number("kinds.object", where, m.list) end
  return { m[1], known("kinds.object", where, m[2]), list = m.list, required = m.required == true }
end

--- An object with these members, rows of { name, kind [, required = true] [, list = least] }, and
-- test(object) when they must fit together.
function kinds.object(what, members, test)
  check_what("kinds.object", what)
  if type(members) ~= "table" then
    argument("kinds.object", "members", "a list of rows", members)
  end
  check_test("kinds.object", test, true)
  local list = {}
  for i, m in ipairs(members) do list[i] = member(m) end
  return kind.seal(kind.object(what, list, test))
end

--- For the check of a type: what the attribute is after the request, nil when it is not there.
function kinds.after(values, resource, name)
  local v = values[name]
  if v == nil then return resource and resource[name] end
  if v == null then return nil end
  return v
end

return kinds
