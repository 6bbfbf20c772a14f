-- What a response carries: the shapes of result content (TS-0001 Table 8.1.2-1, TS-0004 7.5.2).
-- Everything here makes JSON text from resources; nothing here looks anything up.

local json = require "moon2m.core.json"
local null = require("moon2m.json").null
local path = require "moon2m.path"
local schema = require "moon2m.schema"

local quote, concat = json.quote, table.concat

local result = {}

-- Which rcn an operation may carry, and its default.
local CREATE, RETRIEVE, UPDATE, DELETE, NOTIFY = 1, 2, 3, 4, 5
local function set(...)
  local s = {}
  for _, v in ipairs { ... } do s[v] = true end
  return s
end
local ALLOWED = {
  [CREATE] = set(0, 1, 2, 3, 9), [RETRIEVE] = set(1, 4, 5, 6, 7, 8, 10, 12),
  [UPDATE] = set(0, 1, 9), [DELETE] = set(0, 1, 4, 5, 6, 8), [NOTIFY] = {},
}
local DISCOVERY = set(6, 11)
local DEFAULT = { [CREATE] = 1, [RETRIEVE] = 1, [UPDATE] = 1, [DELETE] = 0 }
local LATER = set(10)

--- Whether an operation may ask for rcn: true, or false and whether it is merely not supported
-- here.
function result.allows(op, rcn, discovery)
  local ok
  if discovery then ok = DISCOVERY[rcn] else ok = ALLOWED[op][rcn] end
  if not ok then return false end
  return not LATER[rcn], LATER[rcn]
end

function result.default(op)
  return DEFAULT[op]
end

--- m2m:dbg of an error.
function result.debug(msg)
  return '{"m2m:dbg":' .. quote(msg) .. "}"
end

--- The structured, CSE-relative address of a resource or an instance.
function result.address(r)
  local p = r.parent
  if not p then return path.structured(r.path) end
  return path.structured(p.path) .. "/" .. r.rn
end

--- rcn 12: what the originator may do with the resource, a sum of operations as in acop.  The
-- standard's releases up to 3 have no such content: the root is this CSE's.
function result.permissions(sum)
  return ('{"m2m:acop":%d}'):format(sum)
end

--- m2m:uri with the structured address, SP-relative when `who` (may be nil) is of another CSE.
function result.uri(r, who)
  local address = result.address(r)
  if who and who:byte() == 47 then address = path.sp_relative(address) end
  return '{"m2m:uri":' .. quote(address) .. "}"
end

--- m2m:agr (TS-0004 6.3.5.33) of responses as JSON text; ri (may be nil): the identifier of the
-- <request> that will hold the others.
function result.aggregated(list, ri)
  return '{"m2m:agr":{"m2m:rsp":[' .. concat(list, ",") .. "]" ..
    (ri and ',"ri":' .. quote(ri) or "") .. "}}"
end

-- The attributes that the CSE added to or changed in what the request brought.
local function added(r, members)
  local only = {}
  for _, name in ipairs(r.type.order) do
    if members[name] == nil then
      only[name] = true
    elseif name == "et" or name == "cr" or r.raw[name] and r.raw[name] ~= members[name] then
      only[name] = true
    end
  end
  return only
end

--- The content of a CREATE's response (rcn 0, 1, 2, 3, 9).  body: the full representation when it
-- has been made already; members: the request's.
function result.created(rcn, r, body, members)
  if rcn == 1 then return body end
  if rcn == 0 then return nil end
  if rcn == 2 then return result.uri(r) end
  if rcn == 3 then
    return '{"m2m:rce":' .. body:sub(1, -2) .. ',"uri":' .. quote(result.address(r)) .. "}}"
  end
  return schema.encode(r.type, r, added(r, members))
end

--- The Content-Location of a CREATE's response: only when its content holds the address (TS-0009
-- 6.4); nil otherwise.
function result.location(rcn, r)
  return (rcn == 2 or rcn == 3) and result.address(r) or nil
end

--- The content of an UPDATE's response (rcn 0, 1, 9); changed: name -> true, or null when removed.
function result.updated(rcn, r, changed)
  if rcn == 0 then return nil end
  return schema.encode(r.type, r, rcn == 9 and changed or nil)
end

--- The attributes named in `only` (partial retrieve, TS-0001 8.1.2), or all of them.
function result.attributes(r, only)
  return schema.encode(r.type, r, only)
end

-- ---- children ----------------------------------------------------------------------------------

-- childResourceRef (TS-0004 6.3.5.29); spty: what kind of flexContainer (a text) or mgmtObj (a
-- number) it is.
local function reference(child, unstructured)
  local spty = child.spty
  return '{"nm":' .. quote(child.rn) .. ',"typ":' .. child.ty .. ',"val":' ..
    quote(unstructured and child.ri or child.address) ..
    (spty and ',"spty":' .. (tonumber(spty) and ("%d"):format(spty) or quote(spty)) or "") .. "}"
end

local function references(list, unstructured)
  local out = {}
  for i, child in ipairs(list) do out[i] = reference(child, unstructured) end
  return "[" .. concat(out, ",") .. "]"
end

--- rcn 6, and discovery with rcn 6: list of { rn, ty, ri, address, spty }.
function result.child_references(list, unstructured)
  return '{"m2m:rrl":{"rrf":' .. references(list, unstructured) .. "}}"
end

--- Discovery without rcn: m2m:uril.
function result.uris(list, unstructured)
  local out = {}
  for i, child in ipairs(list) do out[i] = quote(unstructured and child.ri or child.address) end
  return '{"m2m:uril":[' .. concat(out, ",") .. "]}"
end

-- Inserts members before the closing brace of an object's text.
local function with(object, members)
  if members == "" then return object end
  if object == "{}" then return "{" .. members .. "}" end
  return object:sub(1, -2) .. "," .. members .. "}"
end

--- rcn 5: the attributes and "ch", the references of all descendants.
function result.with_references(r, list, unstructured)
  local inner = schema.encode_inner(r.type, r)
  return r.type.head .. with(inner, '"ch":' .. references(list, unstructured)) .. "}"
end

-- The children of `top` as arrays by type, each child with its own children, as JSON members.
-- by_parent: resource identifier -> list of { r, ri, ... }, in the order of the result.
local function nested(top, by_parent)
  local groups, order = {}, {}
  for _, child in ipairs(by_parent[top] or {}) do
    local root = child.r.type.root
    if not groups[root] then
      groups[root] = {}
      order[#order + 1] = root
    end
    table.insert(groups[root],
      with(schema.encode_inner(child.r.type, child.r), nested(child.ri, by_parent)))
  end
  local out = {}
  for i, root in ipairs(order) do
    out[i] = '"' .. root .. '":[' .. concat(groups[root], ",") .. "]"
  end
  return concat(out, ",")
end

--- rcn 4 (with the attributes of r) and 8 (without): the children nested by parentage. list: { r =
-- resource, ri, parent_ri }, parents before children; a child whose parent is neither r nor in the
-- list is left out.
function result.with_children(rcn, r, list)
  local by_parent = {}
  for _, child in ipairs(list) do
    local siblings = by_parent[child.parent_ri] or {}
    by_parent[child.parent_ri] = siblings
    siblings[#siblings + 1] = child
  end
  local inner = rcn == 4 and schema.encode_inner(r.type, r) or "{}"
  return r.type.head .. with(inner, nested(r.ri, by_parent)) .. "}"
end

result.null = null

return result
