-- Attribute kinds for resource types (cse.type): `require "moon2m.kinds"` of scripts, and what data
-- files of the library use.  A kind is opaque: it shows nothing and cannot be changed, and it holds
-- no function of a script, for kinds are asked outside of any budget.

local mistake = require "moon2m.mistake"
local schema = require "moon2m.schema"

local argument = mistake.argument

local kinds = {}

local function check_what(name, what)
  if type(what) ~= "string" or what == "" then argument(name, "what", "a text", what) end
end

local function check_number(name, parameter, v)
  if type(v) ~= "number" then argument(name, parameter, "a number", v) end
end

-- The kind that `v` stands for: a name, a list of texts or numbers, or one that was made here.
local function known(name, parameter, v)
  local ok, k = pcall(schema.plain_kind, v)
  if not ok then argument(name, parameter, "a kind", v) end
  return k
end

--- An integer from least to most.
function kinds.range(what, least, most)
  check_what("kinds.range", what)
  check_number("kinds.range", "least", least)
  check_number("kinds.range", "most", most)
  return schema.seal(schema.range(what, least, most))
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
  return schema.seal(schema.enum(what, list))
end

--- An array of these, with at least so many entries (1).
function kinds.list(kind, least)
  kind = known("kinds.list", "kind", kind)
  if least ~= nil then check_number("kinds.list", "least", least) end
  return schema.seal(schema.list(kind, least))
end

local function member(m)
  if type(m) ~= "table" or type(m[1]) ~= "string" then
    argument("kinds.object", "members", "a row that begins with a name", m)
  end
  local where = ("members: %s"):format(m[1])
  if m.list ~= nil then check_number("kinds.object", where, m.list) end
  return { m[1], known("kinds.object", where, m[2]), list = m.list, required = m.required == true }
end

--- An object with these members, rows of { name, kind [, required = true] [, list = least] }.
function kinds.object(what, members)
  check_what("kinds.object", what)
  if type(members) ~= "table" then
    argument("kinds.object", "members", "a list of rows", members)
  end
  local list = {}
  for i, m in ipairs(members) do list[i] = member(m) end
  return schema.seal(schema.object(what, list))
end

return kinds
