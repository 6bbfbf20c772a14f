-- The descriptions of resource types (lua/moon2m/meta/resources/), made from the types' own files,
-- so that they cannot say something else than the server does.  `make meta` writes them; a test
-- compares.

local dictionary = require "attributes"
local kinds = require "moon2m.kind"
local schema = require "moon2m.schema"
local sys = require "moon2m.core.sys"

local resources = {}

local MAX_VALUES = 8             -- of an enumeration that are listed

local PRESENCE = {
  ["M-"] = "needed in a create, fixed",
  MO = "needed in a create, may be changed",
  ["O-"] = "may be set in a create",
  OO = "may be set and changed",
  ["-O"] = "may be changed",
  ["--"] = "the server's",
  ["null-"] = "the creator, when a create asks for it with null",
}

-- The begin of a sentence, unless it is the name of an attribute.
local function capital(text)
  if dictionary.attributes[text:match("^%w+")] then return text end
  return (text:gsub("^%l", string.upper))
end

-- ---- types of values ----------------------------------------------------------------------------

local type_of

-- A class of its own for the members of an object; its name.  The same object twice is one class.
local function class_of(out, name, k)
  if out.seen[k] then return out.seen[k] end
  out.seen[k] = name
  local lines = { ("---The value of `%s`: %s."):format(name:match("[^.]+$"),
    (k.what:gsub(" %(object%)$", ""))), "---@class " .. name }
  local list = {}
  for _, m in ipairs(k.members) do
    local kind = kinds.of(m[2])
    local text = dictionary.members[m[1]] or kind.what:gsub(" %(%l+%)$", "")
    local mark = m.required and "" or "?"
    local member = m[1]:match("^[%a_][%w_]*$") and m[1] .. mark or ('["%s"]%s'):format(m[1], mark)
    kind = m.list and kinds.list(kind) or kind
    list[#list + 1] = { member, type_of(out, name .. "." .. m[1], kind), text }
  end
  for _, one in ipairs(list) do lines[#lines + 1] = ("---@field %s %s %s"):format(unpack(one)) end
  out[#out + 1] = table.concat(lines, "\n") .. "\n"
  return name
end

-- The possible values, when they are few.
local function values_of(k)
  if not k.values or #k.values > MAX_VALUES then return nil end
  local list = {}
  for i, v in ipairs(k.values) do list[i] = type(v) == "string" and '"' .. v .. '"' or v end
  return table.concat(list, " | ")
end

function type_of(out, name, k)
  if k.lua == "list" then
    local one = type_of(out, name, k.of)
    return (one:find(" | ", 1, true) and "(" .. one .. ")" or one) .. "[]"
  end
  if values_of(k) then return values_of(k) end
  if k.members then return class_of(out, name, k) end
  return k.lua or "any"
end

-- ---- a type -------------------------------------------------------------------------------------

-- Which attributes a type has of those that all types know, and its own rows.
local function split(T)
  local common, own = {}, {}
  for _, name in ipairs(T.order) do
    if schema.common[name] then common[#common + 1] = name else own[#own + 1] = T.attr[name] end
  end
  return common, own
end

-- What the type's file says of it: "-- container (clauses): holds ...".
local function purpose(one)
  local file = one.name:gsub("^mgmt_", "mgmt.")
  local text = (sys.source("moon2m.types." .. file) or ""):match("^(.-)\n\n") or ""
  text = text:gsub("^[^\n]-%-%-", "--", 1):gsub("\n%-%- ?", " ")
  local clause, rest = text:match("^%-%- ?[%w]+ %((T[^)]*)%): (.-%.)%s")
  if not clause then clause, rest = text:match("^%-%- ?[%w]+ %((T[^)]*)%): (.*%.)$") end
  return rest and capital(rest), clause
end

local function wrapped(text)
  local lines, line = {}, "---"
  for word in text:gmatch("%S+") do
    if #line + #word > 98 then
      lines[#lines + 1] = line
      line = "---"
    end
    line = line .. (line == "---" and "" or " ") .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local function head(one, common)
  local T, what, clause = one.type, purpose(one)
  local children = {}
  for name in pairs(T.children) do children[#children + 1] = "`" .. name .. "`" end
  table.sort(children)
  local virtual = {}
  for name in pairs(T.virtual) do virtual[#virtual + 1] = "`" .. name .. "`" end
  table.sort(virtual)
  local text = ("Type %d, `%s`%s."):format(T.ty, T.root, clause and " (" .. clause .. ")" or "")
  if children[1] then text = text .. " Below it: " .. table.concat(children, ", ") .. "." end
  if virtual[1] then text = text .. " Virtual: " .. table.concat(virtual, ", ") .. "." end
  return (what and wrapped(what) .. "\n---\n" or "") .. wrapped(text) .. "\n---\n" ..
    wrapped("Of the attributes that all types know: `" .. table.concat(common, "` `") .. "`.")
end

local function field(out, one, a)
  local long = dictionary.attributes[a.name]
  local text = (long and long .. "; " or "") ..
    (a.later and "not supported: refused with 5001" or
      PRESENCE[a.create .. a.update] or a.create .. " " .. a.update)
  local name = a.name:match("^[%a_][%w_]*$") and a.name or ('["%s"]'):format(a.name)
  return ("---@field %s%s %s %s"):format(name, a.create == "M" and "" or "?",
    type_of(out, "moon2m.res." .. one.name .. "." .. a.name, a.kind), text)
end

--- The text of the description of one type: { name, type } of reference.resource_types().
function resources.text(one)
  local common, own = split(one.type)
  local classes, fields = { seen = {} }, {}
  for _, a in ipairs(own) do fields[#fields + 1] = field(classes, one, a) end
  local out = { "---@meta _\n-- Made by `make meta` from lua/moon2m/types/.  Do not edit.\n\n",
    "-- ---- ", one.name, " ", ("-"):rep(90 - #one.name), "\n\n", head(one, common), "\n",
    "---@class moon2m.res.", one.name, ": moon2m.resource\n", table.concat(fields, "\n"),
    fields[1] and "\n" or "" }
  for _, class in ipairs(classes) do out[#out + 1] = "\n" .. class end
  return table.concat(out)
end

return resources
