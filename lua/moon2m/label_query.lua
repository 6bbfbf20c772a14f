-- Queries of labels (labelsQuery, TS-0001 Table 8.1.2-2): `key`, `NT key`, `key EQ value` or
-- `key:value`, `key NE value`, `key IN (v,...)`, `key NI (v,...)`.  A label is a key or
-- "key:value".
-- NE and NI ask for the key with none of the values; NT for its absence.  Pure.

local match, sub = string.match, string.sub

local labels = {}

local MAX_VALUES = 128

local function trimmed(s)
  return match(s, "^%s*(.-)%s*$")
end

local function listed(key, text)
  local out = {}
  for v in (text .. ","):gmatch("([^,]*),") do
    v = trimmed(v)
    if v == "" or #out >= MAX_VALUES then return nil end
    out[#out + 1] = key .. ":" .. v
  end
  return out
end

--- The query: { key = text, absent = true | only = labels | other = labels }; key alone: any label
-- of that key.  nil when it is none.
function labels.parse(s)
  s = trimmed(s)
  local key = match(s, "^NT%s+(%S+)$")
  if key then return { key = key, absent = true } end
  local k, op, rest = match(s, "^(%S+)%s+(%u%u)%s*(%S.*)$")
  if not k then
    if s == "" or s:find("%s") then return nil end
    return s:find(".:.") and { key = match(s, "^[^:]+"), only = { s } } or { key = s }
  end
  local inner = match(rest, "^%((.*)%)$")
  local list
  if op == "EQ" or op == "NE" then
    list = { k .. ":" .. rest }
  elseif (op == "IN" or op == "NI") and inner then
    list = listed(k, inner)
  end
  if not list then return nil end
  return sub(op, 1, 1) == "N" and { key = k, other = list } or { key = k, only = list }
end

local function has(list, one)
  for _, v in ipairs(list) do
    if v == one then return true end
  end
  return false
end

--- Whether the labels of a resource (a list) meet a query.
function labels.met(query, list)
  local keyed, named = false, false
  for _, label in ipairs(list) do
    if label == query.key or sub(label, 1, #query.key + 1) == query.key .. ":" then keyed = true end
    if has(query.only or query.other or {}, label) then named = true end
  end
  if query.absent then return not keyed end
  if query.only then return named end
  return keyed and not named
end

return labels
