-- Values of attributes: one that is right, and all that are wrong in some way.  What is wrong
-- follows from the kind's description (lua, values, least, most, of, members), see kind.lua.

local core = require "moon2m.core.json"
local kinds = require "moon2m.kind"

local M = {}

-- Texts of JSON values, from which the first that a kind takes is the right one.
local POOL = { '"20990101T000000"', "1", "2", "0", '"x"', "true", '["x"]', "[1]", '{"zz":1}',
  '"PT10S"', '"http://h.example/x"', '"2"', '"json"', '"text/plain:0"', '"2030-01-01"',
  '"10:20:30"', '"2030-01-01T10:20:30"', '"* * * * * * *"', '"/other"', '"10.0.0.1"',
  '"12345678901234567890"', '"123456"', "{}", "[]", "[1,2]", "[1,2,3]", "1001", "[true,true]" }

-- What is not of a type, by what scripts see of a kind.
local STRING, NUMBER, OBJECT = { "5", "1.5", "true", '{"zz":1}', '["x"]' },
  { '"x"', '"5"', "1e999", "true", '{"zz":1}', "[1]" }, { '"x"', "5", "true", "[]", "[1]" }
local OTHER = {
  string = STRING,
  integer = { "1.5", "1e300", "9007199254740993", unpack(NUMBER) },
  number = NUMBER,
  boolean = { "1", "0", '"true"', "[true]", '{"zz":1}' },
  table = OBJECT,
  list = { '"x"', "5", "true", '{"zz":1}' },
  ["number[]"] = { '"x"', "5", "true", '{"zz":1}', '["x"]' },
  ["boolean[]"] = { '"x"', "5", "true", '{"zz":1}', '["x"]', "[1,1]" },
  ["integer[]"] = { '"x"', "5", "true", '{"zz":1}', '["x"]', "[1.5]" },
  ["table[]"] = { '"x"', "5", "true", '["x"]', '{"zz":1}', '[{"zz":1}]' },
  ["table | any[] | string"] = { "5", "1.5", "true" },
  ["string | integer"] = { "1.5", "true", '{"zz":1}', '["x"]' },
  any = {},
}

-- Texts that are no value of a kind of text.
local TEXTS = {
  name = { "a/b", "la", "ol", "-", ("n"):rep(200) },
  timestamp = { "2099", "20991301T000000", "2099-01-01T00:00:00", "20990101T000000+01" },
  abs_rel_timestamp = { "-5", "1.5", "20991301T000000", "12345678901234567890" },
  duration = { "P", "PT", "10S", "P1H" },
  release = { "0", "x3", "3b" },
  serialization = { "yaml" },
  poa = { "h.example", "http:/h.example" },
  cnf = { "text/plain", "text/plain:7", "0" },
  date = { "2030-13-01", "01.01.2030" },
  time = { "25:00:00", "10" },
  date_time = { "2030-01-01 10:20:30", "2030-01-01" },
}

local function as_kind(member)
  local k = kinds.of(member[2])
  return member.list and kinds.list(k, member.list) or k
end

local function object(k, but, raw)
  local parts = {}
  for _, m in ipairs(k.members) do
    local text = m[1] == but and raw or m[1] ~= but and m.required and M.right(as_kind(m))
    if text then parts[#parts + 1] = core.quote(m[1]) .. ":" .. text end
  end
  return parts, "{" .. table.concat(parts, ",") .. "}"
end

local function list_of(k, item)
  local parts = {}
  for i = 1, math.max(k.least, 1) do parts[i] = item or M.right(k.of) end
  return "[" .. table.concat(parts, ",") .. "]"
end

--- The text of a value that a kind takes, or nil when none is known.
function M.right(k)
  for _, raw in ipairs(POOL) do
    if k.check(raw) ~= nil and not (k.lua == "list" and raw == "[]") then return raw end
  end
  if k.values then
    local v = k.values[1]
    return type(v) == "string" and core.quote(v) or tostring(v)
  end
  local raw
  if k.of then
    raw = M.right(k.of) and list_of(k)
  elseif k.members then
    raw = select(2, object(k))
  end
  return raw and k.check(raw) ~= nil and raw or nil
end

local function bounds(k, add)
  if k.least then add("too small", ("%.0f"):format(k.least - 1)) end
  if k.most then add("too large", ("%.0f"):format(k.most + 1)) end
end

-- A number that is between and beyond the values of an enumeration, a text that is none of them.
local function unknown(k, add)
  if type(k.values[1]) == "string" then return add("an unknown value", '"zz"') end
  local known, most = {}, 0
  for _, v in ipairs(k.values) do known[v], most = true, math.max(most, v) end
  for v = 0, most + 1 do
    if not known[v] then
      add("an unknown value", tostring(v))
      if v > 0 then return end
    end
  end
end

local function one_member(k, m, add, depth)
  local name, kind = m[1], as_kind(m)
  local function with(what, value)
    local _, raw = object(k, name, value)
    add(("member %s%s"):format(name, what), raw)
  end
  if m.required then with(" missing", nil) end
  if kind.lua ~= "any" then with(": null", "null") end
  local value = M.right(kind)
  if value then with(" twice", value .. "," .. core.quote(name) .. ":" .. value) end
  for _, v in ipairs(depth < 3 and M.of(kind, depth + 1) or {}) do with(": " .. v[1], v[2]) end
end

local function members(k, add, depth)
  local right = M.right(k)
  if right and right:sub(1, 1) == "{" then
    local parts = object(k)
    parts[#parts + 1] = '"zz":1'
    add("an unknown member", "{" .. table.concat(parts, ",") .. "}")
  end
  for _, m in ipairs(k.members) do one_member(k, m, add, depth) end
end

local FREE = { string = true, label = true }   -- texts of any characters

local function texts(k, add)
  if k.name ~= "string" then add("an empty text", '""') end
  if not FREE[k.name] then add("a text that is none", [["a\u0001 b"]]) end
  for _, text in ipairs(TEXTS[k.name] or {}) do add("the text " .. text, core.quote(text)) end
end

-- A list of k.of.
local function entries(k, add, depth)
  if k.least > 0 then add("an empty list", "[]") end
  for _, v in ipairs(depth < 3 and M.of(k.of, depth + 1) or {}) do
    add("entry: " .. v[1], list_of(k, v[2]))
  end
  if k.of.lua == "any" then return end
  local item = M.right(k.of)
  if item then add("no list", item) end
  add("an entry that is null", list_of(k, "null"))
end

--- What is wrong for a kind: { { what, text of the value }, ... }.  Raises for a kind that does not
-- say what scripts see of it.
function M.of(k, depth)
  depth = depth or 1
  local found = {}
  local function add(what, raw) found[#found + 1] = { what, raw } end
  for _, raw in ipairs(OTHER[k.lua] or error("what scripts see of " .. k.what .. "?", 0)) do
    add("wrong type: " .. raw, raw)
  end
  if k.lua == "string" then texts(k, add) end
  if k.values then unknown(k, add) end
  if k.of then return entries(k, add, depth) or found end
  bounds(k, add)
  if k.members then members(k, add, depth) end
  return found
end

return M
