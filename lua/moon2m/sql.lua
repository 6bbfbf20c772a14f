-- Filter criteria to SQL over the store's tables (runtime/store_schema.c): one SELECT for the
-- resources of a subtree, one for its instances, in the order (path, st), to be continued after
-- any row.
--
-- Values are bound, never written into the text: the text depends on the shape of the criteria
-- only, so the store's statement cache holds.  An instance's row has its container's path;
-- discovery.lua names it. What drives the search: the posting lists of labels, else the
-- index (ty, path) for a single type, else the path range; sizes and other conditions are looked
-- at row by row.

local path = require "moon2m.path"
local types = require "moon2m.types"

local concat = table.concat
local find, gsub = string.find, string.gsub

local sql = {}

local NEVER = 9223372036854774784  -- later than any time; exact as a double

-- ---- a statement under construction -------------------------------------------------------------

local function new_query()
  return { params = {}, n = 0 }
end

local function bind(q, value)
  q.n = q.n + 1
  q.params[q.n] = value
  return "?" .. q.n
end

local function bind_all(q, values)
  local marks = {}
  for i, v in ipairs(values) do marks[i] = bind(q, v) end
  return concat(marks, ",")
end

-- `column` is one of values; a single one as "=", so that an index gives rows in path order.
local function one_of(q, column, values)
  if #values == 1 then return column .. "=" .. bind(q, values[1]) end
  return column .. " IN (" .. bind_all(q, values) .. ")"
end

-- ---- attribute conditions -----------------------------------------------------------------------

-- A value with "*" for any characters as a GLOB pattern; nil when it has none.
local function glob(value)
  if not find(value, "*", 1, true) then return nil end
  return (gsub(value, "[%[?]", "[%0]"))
end

local function compare(q, column, value)
  local pattern = glob(value)
  if pattern then return column .. " GLOB " .. bind(q, pattern) end
  return column .. "=" .. bind(q, value)
end

-- Some value at a JSON path: of an array any element, of true "true", of a number the same
-- number.
local function compare_json(q, document, member, value)
  local each = member and document .. "," .. bind(q, '$."' .. member .. '"') or document
  local pattern, number = glob(value), tonumber(value)
  local text = "CASE e.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
    .. " ELSE CAST(e.value AS TEXT) END"
  local test = pattern and text .. " GLOB " .. bind(q, pattern) or text .. "=" .. bind(q, value)
  if number and not pattern then
    test = "(" .. test .. " OR e.type IN ('integer','real') AND e.value=" .. bind(q, number) .. ")"
  end
  return "EXISTS(SELECT 1 FROM json_each(" .. each .. ") e WHERE " .. test .. ")"
end

local RES_COLUMN = { rn = "r.rn", aei = "r.aei" }
local RES_COUNTER = { cni = "s.cni", cbs = "s.cbs" }
local CIN_COLUMN = { cr = "i.cr" }

-- An identifier as conditions on numbers; text that is none matches an AE's aei only.
local function res_identifier(q, name, value)
  local id, st = path.parse_ri(value)
  if name == "ri" then
    if id and not st then return "(r.id=" .. bind(q, id) .. " AND r.ty<>2)" end
    return "r.aei=" .. bind(q, value)
  end
  if id and not st then
    return "(r.pid=" .. bind(q, id) .. " AND NOT EXISTS(SELECT 1 FROM res p WHERE p.id=r.pid"
      .. " AND p.ty=2))"
  end
  return "EXISTS(SELECT 1 FROM res p WHERE p.id=r.pid AND p.aei=" .. bind(q, value) .. ")"
end

local function res_attribute(q, nm, value)
  if nm == "ri" or nm == "pi" then return res_identifier(q, nm, value) end
  if RES_COLUMN[nm] then return compare(q, RES_COLUMN[nm], value) end
  if RES_COUNTER[nm] then return RES_COUNTER[nm] .. "=" .. bind(q, tonumber(value) or -1) end
  if nm == "acpi" then return compare_json(q, "r.acpi", nil, value) end
  return compare_json(q, "r.doc", nm, value)
end

local function cin_identifier(q, nm, value)
  local id, st = path.parse_ri(value)
  if nm == "pi" then
    return not st and id and "i.cid=" .. bind(q, id) or "0"
  end
  if not st then return "0" end
  return "(i.cid=" .. bind(q, id) .. " AND i.st=" .. bind(q, st) .. ")"
end

local function cin_attribute(q, nm, value)
  if nm == "ri" or nm == "pi" then return cin_identifier(q, nm, value) end
  if nm == "rn" then
    local id, st = path.parse_ri(value)
    if not st then return compare(q, "i.rn", value) end
    return "(i.rn IS NULL AND i.cid=" .. bind(q, id) .. " AND i.st=" .. bind(q, st) .. ")"
  end
  if CIN_COLUMN[nm] then return compare(q, CIN_COLUMN[nm], value) end
  if nm == "con" then return compare_json(q, "i.con", nil, value) end
  return compare_json(q, "i.att", nm, value)
end

-- ---- conditions of the two kinds of rows --------------------------------------------------------

-- Lower bounds hold for the value itself, upper ones do not (TS-0004 7.3.3.17).
local RANGES = {
  { "crb", "ct", "<" }, { "cra", "ct", ">=" }, { "us", "lt", "<" }, { "ms", "lt", ">=" },
  { "sts", "st", "<" }, { "stb", "st", ">=" }, { "exb", "et", "<" }, { "exa", "et", ">=" },
  { "szb", "size", "<" }, { "sza", "size", ">=" },
}

local res = {
  value = { ct = "r.ct", lt = "max(r.lt,coalesce(s.lt,0))", st = "max(r.st,coalesce(s.st,0))",
    et = "r.et" },
  attribute = res_attribute,
  type = function(q, list) return one_of(q, "r.ty", list) end,
  label = function(q, list)
    return "EXISTS(SELECT 1 FROM lbl l WHERE l.id=r.id AND l.st=0 AND "
      .. one_of(q, "l.lbl", list) .. ")"
  end,
  media = function() return "0" end,
}

local cin = {
  value = { ct = "i.ct", lt = "i.ct", st = "i.st", size = "i.size",
    et = "nullif(min(coalesce(i.et," .. NEVER .. "),coalesce(i.ct+s.mia*1000000," .. NEVER
      .. "),coalesce(c.et," .. NEVER .. "))," .. NEVER .. ")" },
  attribute = cin_attribute,
  label = function(q, list)
    return "EXISTS(SELECT 1 FROM lbl l WHERE l.id=i.cid AND l.st=i.st AND "
      .. one_of(q, "l.lbl", list) .. ")"
  end,
  -- the media type part of contentInfo: what stands before the first ":" or ";"
  media = function(q, list)
    local tests = {}
    for n, media in ipairs(list) do
      local cnf = "lower(json_extract(i.att,'$.cnf'))"
      local p = bind(q, media:lower())
      tests[n] = "substr(" .. cnf .. ",1,length(" .. p .. ")+1) IN (" .. p .. "||':'," .. p
        .. "||';')"
    end
    return "(" .. concat(tests, " OR ") .. ")"
  end,
}

-- A range of an attribute that the type has; stateTag: only some types have one.
local function range(q, kind, fc, r)
  local column = kind.value[r[2]]
  if not column then return "0" end
  local test = column .. r[3] .. bind(q, fc[r[1]])
  if r[2] == "st" and kind == res then
    test = "(" .. one_of(q, "r.ty", types.with_attribute("st")) .. " AND " .. test .. ")"
  end
  return test
end

-- The conditions of fc but for those in `done`.
local function conditions(q, kind, fc, done)
  local list = {}
  if fc.ty and not done.ty then list[#list + 1] = kind.type(q, fc.ty) end
  if fc.lbl and not done.lbl then list[#list + 1] = kind.label(q, fc.lbl) end
  for _, r in ipairs(RANGES) do
    if fc[r[1]] ~= nil then list[#list + 1] = range(q, kind, fc, r) end
  end
  if fc.cty then list[#list + 1] = kind.media(q, fc.cty) end
  local any = {}
  for i, a in ipairs(fc.atr or {}) do any[i] = kind.attribute(q, a.nm, a.val) end
  if any[1] then list[#list + 1] = "(" .. concat(any, " OR ") .. ")" end
  return list
end

local function count(s, c)
  local _, n = gsub(s, c, "")
  return n
end

-- The number of "/" that paths at most `levels` below top may have.
local function slashes(top, levels)
  return top == "" and levels - 1 or count(top, "/") + levels
end

local function depth(q, column, top, levels)
  return "length(" .. column .. ")-length(replace(" .. column .. ",'/',''))<="
    .. bind(q, slashes(top, levels))
end

-- Conditions joined: what must hold (scope) and what fc asks for.
local function where(must, asked, fc)
  if asked[1] then
    must[#must + 1] = fc.fo == 2 and "(" .. concat(asked, " OR ") .. ")" or concat(asked, " AND ")
  end
  return concat(must, " AND ")
end

-- ---- resources ----------------------------------------------------------------------------------

local function res_scope(q, column, scope)
  local top, after = scope.path, scope.after
  local low = top == "" and "" or top .. "/"
  local must
  if after and after.path >= low then
    must = { column .. ">" .. bind(q, after.path) }
  elseif top == "" then
    must = { column .. ">''" }
  else
    must = { column .. ">=" .. bind(q, low) }
  end
  if top ~= "" then must[2] = column .. "<" .. bind(q, top .. "0") end
  return must
end

local function single(list)
  return list and #list == 1
end

-- Whether any condition looks at a container's hot row.
local function needs_counters(fc)
  if fc.us or fc.ms or fc.sts or fc.stb then return true end
  for _, a in ipairs(fc.atr or {}) do
    if RES_COUNTER[a.nm] then return true end
  end
  return false
end

-- The posting lists of fc.lbl within a scope, as a table l in path order: one list is read as it
-- is, several are joined, each row once.  scoped(q, path column, st column) and kind are its
-- conditions: "=0" resources, ">0" instances, by their stateTag.
local function postings(q, fc, scoped, kind)
  if single(fc.lbl) then
    local must = scoped(q, "l.path", "l.st")
    table.insert(must, 1, "l.lbl=" .. bind(q, fc.lbl[1]))
    must[#must + 1] = "l.st" .. kind
    return "lbl l", must
  end
  local must = scoped(q, "path", "st")
  table.insert(must, 1, one_of(q, "lbl", fc.lbl))
  must[#must + 1] = "st" .. kind
  return "(SELECT DISTINCT path,st,id FROM lbl WHERE " .. concat(must, " AND ") .. ") l", {}
end

local RES = " AS st,r.ty AS ty,r.id AS id,r.pid AS pid,r.rn AS rn,"
  .. "r.aei AS aei FROM "

local function resources(q, scope, fc)
  local by_label = fc.fo ~= 2 and fc.lbl ~= nil
  local must, from
  if by_label then
    from, must = postings(q, fc, function(_, column) return res_scope(q, column, scope) end, "=0")
    from = from .. " CROSS JOIN res r ON r.id=l.id"
  else
    must = res_scope(q, "r.path", scope)
    from = "res r"
  end
  if needs_counters(fc) then from = from .. " LEFT JOIN cs s ON s.cid=r.id" end
  if fc.lvl == 1 then must[#must + 1] = "r.pid=" .. bind(q, scope.id) end
  if fc.lvl and fc.lvl > 1 then must[#must + 1] = depth(q, "r.path", scope.path, fc.lvl) end
  must[#must + 1] = "(r.et IS NULL OR r.et>" .. bind(q, scope.now) .. ")"
  local key = by_label and "l.path AS path,l.st" or "r.path AS path,0"
  return "SELECT " .. key .. RES .. from .. " WHERE "
    .. where(must, conditions(q, res, fc, { lbl = by_label }), fc)
end

-- ---- instances ----------------------------------------------------------------------------------

-- The containers whose instances are in scope: the top itself and what is below it.
local function cin_scope(q, column, st, scope)
  local top, after = scope.path, scope.after
  local must = {}
  if after then
    local p = bind(q, after.path)
    must[1] = column .. ">=" .. p
    must[2] = st .. ">CASE WHEN " .. column .. "=" .. p .. " THEN " .. bind(q, after.st)
      .. " ELSE 0 END"
  end
  if top ~= "" then
    local p = bind(q, top)
    if not after then must[#must + 1] = column .. ">=" .. p end
    must[#must + 1] = column .. "<" .. bind(q, top .. "0")
    must[#must + 1] = "(" .. column .. "=" .. p .. " OR " .. column .. ">=" .. bind(q, top .. "/")
      .. ")"
  end
  return must
end

local CIN = " AS ty,c.id AS id,c.id AS pid,i.rn AS rn,NULL AS aei FROM "

-- The instances of one kind of container as a kind of rows.
local function kind_of(holder)
  return setmetatable({ type = function(_, list)
    for _, ty in ipairs(list) do
      if ty == holder[2] then return "1" end
    end
    return "0"
  end }, { __index = cin })
end

-- The types of the rows of a label's instances, whose containers may be of several.
local function types_of(holders)
  local cases = {}
  for i, h in ipairs(holders) do cases[i] = ("WHEN %d THEN %d"):format(h[1], h[2]) end
  return "CASE c.ty " .. concat(cases, " ") .. " END"
end

local function first_of(holders)
  local list = {}
  for i, h in ipairs(holders) do list[i] = h[1] end
  return list
end

-- holders: the kinds of containers, as of types.containers; one unless the labels drive the search.
local function instances(q, scope, fc, holders)
  local by_label = fc.fo ~= 2 and fc.lbl ~= nil
  local must, from
  if by_label then
    from, must = postings(q, fc, function(_, column, st)
      return cin_scope(q, column, st, scope)
    end, ">0")
    from = from .. " CROSS JOIN res c ON c.id=l.id CROSS JOIN cs s ON s.cid=c.id"
      .. " CROSS JOIN cin i ON i.cid=c.id AND i.st=l.st"
    if fc.ty then must[#must + 1] = one_of(q, "c.ty", first_of(holders)) end
  else
    must = cin_scope(q, "c.path", "i.st", scope)
    must[#must + 1] = "c.ty=" .. bind(q, holders[1][1])
    from = "res c CROSS JOIN cs s ON s.cid=c.id CROSS JOIN cin i ON i.cid=c.id"
  end
  if fc.fo ~= 2 then
    -- a container that was not written since then has no newer instance
    local newest = fc.cra and fc.ms and math.max(fc.cra, fc.ms) or fc.cra or fc.ms
    if newest then must[#must + 1] = "s.lt>=" .. bind(q, newest) end
  end
  if fc.lvl == 1 then must[#must + 1] = "c.id=" .. bind(q, scope.id) end
  if fc.lvl and fc.lvl > 1 then
    must[#must + 1] = "(c.id=" .. bind(q, scope.id) .. " OR "
      .. depth(q, "c.path", scope.path, fc.lvl - 1) .. ")"
  end
  local now = bind(q, scope.now)
  must[#must + 1] = "(c.et IS NULL OR c.et>" .. now .. ")"
  must[#must + 1] = "(s.mia IS NULL OR i.ct+s.mia*1000000>" .. now .. ")"
  must[#must + 1] = "(i.et IS NULL OR i.et>" .. now .. ")"
  must[#must + 1] = "coalesce(json_extract(c.doc,'$.disr'),0)=0"
  local key = by_label and "l.path AS path,l.st" or "c.path AS path,i.st"
  local ty = by_label and types_of(holders) or holders[1][2]
  return "SELECT " .. key .. " AS st," .. ty .. CIN .. from .. " WHERE "
    .. where(must, conditions(q, kind_of(holders[1]), fc, { lbl = by_label, ty = fc.fo ~= 2 }), fc)
end

-- ---- both ---------------------------------------------------------------------------------------

local function has(list, v)
  for _, x in ipairs(list or {}) do
    if x == v then return true end
  end
  return false
end

-- Which kinds of rows can match, an AND of conditions that one of them never meets leaves it out:
-- whether resources can, and the kinds of containers whose instances can.
local function arms(fc)
  local holders = types.containers()
  if fc.fo == 2 then return true, holders end
  local wants_res = not (fc.sza or fc.szb or fc.cty)
  if not fc.ty then return wants_res, holders end
  local wanted, n = {}, 0
  for _, h in ipairs(holders) do
    if has(fc.ty, h[2]) then wanted[#wanted + 1] = h end
  end
  for _, ty in ipairs(fc.ty) do
    local T = types.by_ty[ty]
    if not (T and T.instance) then n = n + 1 end
  end
  return wants_res and n > 0, wanted
end

-- The same order in the words that let an index give it: (ty, path) knows that it is unique only
-- with its row id, the posting list is unique with stateTag, paths alone are when no instance is
-- there.
local function order(fc, wants_cin)
  if not wants_cin then return " ORDER BY path" end
  return fc.fo ~= 2 and fc.lbl and " ORDER BY path,st" or " ORDER BY path,id,st"
end

--- The search below a resource.  scope = { id, path, now = microseconds, after = { path, st } of
-- the last row seen or nil }; fc as query.lua makes it.  Returns the statement and its
-- parameters; columns path, st (0: no instance), ty, id (of an instance: its container), pid, rn
-- (NULL: named by the CSE), aei.  nil when nothing can match.
function sql.search(scope, fc)
  local q = new_query()
  local wants_res, holders = arms(fc)
  local parts = {}
  if wants_res then parts[1] = resources(q, scope, fc) end
  if fc.fo ~= 2 and fc.lbl and holders[1] then
    parts[#parts + 1] = instances(q, scope, fc, holders)
  else
    for _, h in ipairs(holders) do parts[#parts + 1] = instances(q, scope, fc, { h }) end
  end
  if not parts[1] then return nil end
  return concat(parts, " UNION ALL ") .. order(fc, holders[1] ~= nil), q.params
end

return sql
