-- `moon2m export`: the tree as lines of JSON, parents before children, in slices that a caller asks
-- for one by one; a cursor says where the next begins, so nothing is kept between them.
--
--   {"to":"a/b","m2m:cnt":{every attribute},"_":{"st":7,"raw":{...}}}   a resource below a/b
--   {"to":"a/b/c","st":9,"lt":"..."}           a container, after its instances
--
-- `_` holds what no client sees: the stateTag, an instance's own expiration time, the number of an
-- AE (as ri), texts of the CSE but what was granted for a time (grants.lua).
-- Guarantees: attributes and `con` are the bytes that were stored.  The tree may change between two
-- slices: it is no snapshot.

local core = require "moon2m.core.json"
local path = require "moon2m.path"
local schema = require "moon2m.schema"
local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local tree = require "moon2m.tree"

local REQUEST = 17               -- the resource of a request under way
local BYTES, LINES, PAGE = 131072, 500, 200
local quote, concat = core.quote, table.concat

local dump = {}

-- ---- lines --------------------------------------------------------------------------------------

-- The texts that encode_inner does not write as they are stored.
local function hidden(r)
  local T, names, parts = r.type, {}, {}
  for name in pairs(r.raw) do
    local A = T.attr[name]
    if (not A or A.get) and name ~= "_grants" then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = quote(name) .. ":" .. r.raw[name] end
  return parts[1] and '"raw":{' .. concat(parts, ",") .. "}"
end

local function line_of(to, r, own)
  own[#own + 1] = hidden(r)
  return ('{"to":%s,%s:%s,"_":{%s}}'):format(quote(to), quote(r.type.root),
    schema.encode_inner(r.type, r), concat(own, ","))
end

local function above(p)
  return p:match("^(.*)/[^/]*$") or ""
end

local function resource(r)
  local own = {}
  if r.st ~= 0 then own[1] = ('"st":%d'):format(r.st) end
  if r.ri ~= path.ri(r.id) then own[#own + 1] = ('"ri":%s'):format(quote(path.ri(r.id))) end
  return line_of(above(r.path), r, own)
end

local function instance(r, row)
  local i, own = tree.instance_of(r, row), {}
  if row.et then own[1] = ('"et":%s'):format(quote(sys.stamp(row.et))) end
  return line_of(r.path, i, own)
end

local function state(r)
  return ('{"to":%s,"st":%d,"lt":%s}'):format(quote(r.path), r.st, quote(sys.stamp(r.lt)))
end

-- ---- the walk -----------------------------------------------------------------------------------

-- A frame of the cursor: { id, "i" | "k", after }: its instances or its other children, the
-- stateTag or the number of the last one.
local function open(stack, r)
  stack[#stack + 1] = { r.id, tree.holds(r) and "i" or "k", tree.holds(r) and -1 or 0 }
end

local function instances(frame, add)
  local r = tree.by_id(frame[1])
  local rows = r and store.insts(r.id, "from", PAGE, frame[3] + 1) or {}
  for _, row in ipairs(rows) do
    add(instance(r, row))
    frame[3] = row.st
  end
  if rows[PAGE] then return end
  if r then add(state(r)) end
  frame[2], frame[3] = "k", 0
end

local function child(stack, frame, add)
  local r, id = tree.next_child(frame[1], frame[3])
  if not id then
    stack[#stack] = nil
    return
  end
  frame[3] = id
  if not r or r.ty == REQUEST or not r.type then return end
  add(resource(r))
  open(stack, r)
end

--- The next lines of the export: a list of JSON texts, and the cursor for the next slice or nil at
-- the end.  cursor: { r.id } of dump.start or what a slice gave.  Yields.
function dump.slice(cursor)
  local lines, bytes = {}, 0
  local function add(text)
    lines[#lines + 1] = text
    bytes = bytes + #text
  end
  while cursor[1] and bytes < BYTES and #lines < LINES do
    local frame = cursor[#cursor]
    if frame[2] == "i" then instances(frame, add) else child(cursor, frame, add) end
  end
  return lines, cursor[1] and cursor or nil
end

--- Where an export of r begins: its first lines and the cursor.
function dump.start(r)
  local cursor = {}
  open(cursor, r)
  return r.ty == 5 and {} or { resource(r) }, cursor
end

local COUNT = [[
SELECT (SELECT count(*) FROM res WHERE path >= ?1 AND path < ?2) +
(SELECT coalesce(sum(c.cni + 1), 0) FROM cs c JOIN res r ON r.id = c.cid
WHERE r.path >= ?1 AND r.path < ?2) AS n]]

--- How many lines an export of what is below r will have, about.  Yields.
function dump.count(r)
  local lo = r.path == "" and "" or r.path .. "/"
  local rows = store.find(COUNT, { lo, r.path == "" and "\255" or r.path .. "0" }, 1)
  return rows[1] and rows[1].n or 0
end

return dump
