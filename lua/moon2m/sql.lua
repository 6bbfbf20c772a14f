-- Filter criteria to SQL over the store's tables (runtime/store_schema.c): one SELECT for the
-- resources of a subtree, one for its instances, in the order (path, st), to be continued after
-- any row; or both for one resource alone.
--
-- Values are bound, never written into the text: the text depends on the shape of the criteria
-- only, so the store's statement cache holds.  An instance's row has its container's path;
-- discovery.lua names it. What drives the search: the posting lists of labels, else the few that
-- are recent or old enough (sql_time.lua) or in the place (sql_geo.lua), else the index (ty, path)
-- for a single type, else the path range; sizes and other conditions are looked at row by row
-- (sql_match.lua).

local geo = require "moon2m.sql_geo"
local json = require "moon2m.json"
local match = require "moon2m.sql_match"
local time = require "moon2m.sql_time"
local types = require "moon2m.types"

local bind, one_of = match.bind, match.one_of
local concat = table.concat
local gsub = string.gsub

local sql = {}

local RES_ROW = match.res("r", "s")

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

-- What must hold, and what fc asks for.
local function where(q, must, kind, fc, done)
  match.add(must, q, kind, fc, done)
  return concat(must, " AND ")
end

-- ---- who sees it --------------------------------------------------------------------------------

-- Leaves out what scope.view.who cannot see (r: alias of res): what names policies that were found
-- to refuse, and, unless there are defaults for it (view.defaults), what names none and belongs to
-- others.  accessControlPolicies and what has a custodian are left to the caller.
local function add_view(must, q, r, view)
  if not view then return end
  local owned = view.defaults and "1" or "R.ty=1 OR R.aei=WHO"
    .. " OR json_extract(R.doc,'$._cr')=WHO OR json_extract(R.doc,'$.cr')=WHO"
    .. " OR json_extract(R.doc,'$.cstn') IS NOT NULL"
  local text = "CASE WHEN R.acpi IS NULL THEN " .. owned
    .. " ELSE R.acpi NOT IN (SELECT value FROM json_each(REFUSED)) END"
  must[#must + 1] = text:gsub("%u+", { R = r, WHO = bind(q, view.who),
    REFUSED = bind(q, json.encode(json.array(view.refused))) })
end

-- ---- resources ----------------------------------------------------------------------------------

local function res_scope(q, column, scope)
  if scope.only then return { "r.id=" .. bind(q, scope.id) } end
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

-- Whether the posting lists of labels drive the search.
local function leads(fc, scope)
  return match.all(fc) and fc.lbl ~= nil and not scope.only
end

-- The posting lists of fc.lbl within a scope, as a table l in path order: one list is read as it
-- is, several are joined, each row once.  scoped(q, path column, st column) and kind are its
-- conditions: "=0" resources, ">0" instances, by their stateTag; kinds: their types, nil for any.
local function postings(q, fc, scoped, kind, kinds)
  if single(fc.lbl) then
    local must = scoped(q, "l.path", "l.st")
    table.insert(must, 1, "l.lbl=" .. bind(q, fc.lbl[1]))
    must[#must + 1] = "l.st" .. kind
    if kinds then must[#must + 1] = one_of(q, "l.ty", kinds) end
    return "lbl l", must
  end
  local must = scoped(q, "path", "st")
  table.insert(must, 1, one_of(q, "lbl", fc.lbl))
  must[#must + 1] = "st" .. kind
  if kinds then must[#must + 1] = one_of(q, "ty", kinds) end
  return "(SELECT DISTINCT path,st,id FROM lbl WHERE " .. concat(must, " AND ") .. ") l", {}
end

-- The specialization of a flexContainer or mgmtObj.
local RES = " AS st,r.ty AS ty,r.id AS id,r.pid AS pid,r.rn AS rn,r.aei AS aei,"
  .. "r.acpi AS acpi,"
  .. "CASE r.ty WHEN 28 THEN json_extract(r.doc,'$.cnd') WHEN 13 THEN json_extract(r.doc,'$.mgd')"
  .. " END AS spty FROM "

local function resources(q, scope, fc)
  local by_label = leads(fc, scope)
  local must, from
  if by_label then
    from, must = postings(q, fc, function(_, column)
      return res_scope(q, column, scope)
    end, "=0", fc.ty)
    from = from .. " CROSS JOIN res r ON r.id=l.id"
  elseif scope.near and scope.near.resources then
    must = res_scope(q, "+r.path", scope)
    table.insert(must, 1, geo.leading(q, geo.box(fc)))
    from = "geo b CROSS JOIN res r ON r.id=b.id/2"
  else
    must = res_scope(q, scope.by and "+r.path" or "r.path", scope)
    from = "res r"
    if scope.by then must[#must + 1] = time.leading(q, scope, fc, "r") end
  end
  if match.counts(fc) then from = from .. " LEFT JOIN cs s ON s.cid=r.id" end
  local lvl = not scope.only and fc.lvl
  if lvl == 1 then must[#must + 1] = "r.pid=" .. bind(q, scope.id) end
  if lvl and lvl > 1 then must[#must + 1] = depth(q, "r.path", scope.path, lvl) end
  must[#must + 1] = "(r.et IS NULL OR r.et>" .. bind(q, scope.now) .. ")"
  add_view(must, q, "r", scope.view)
  local key = by_label and "l.path AS path,l.st" or "r.path AS path,0"
  return "SELECT " .. key .. RES .. from .. " WHERE "
    .. where(q, must, RES_ROW, fc, { lbl = by_label })
end

-- ---- instances ----------------------------------------------------------------------------------

-- The containers whose instances are in scope: the top itself and what is below it.
local function cin_scope(q, column, st, scope)
  if scope.only then
    return { "c.id=" .. bind(q, scope.id), "i.st=" .. bind(q, scope.st) }
  end
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

local CIN = " AS ty,c.id AS id,c.id AS pid,i.rn AS rn,NULL AS aei,"
  .. "c.acpi AS acpi,NULL AS spty FROM "

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

-- How far below the scope a container may be.
local function within_level(q, must, scope, lvl)
  if lvl == 1 then must[#must + 1] = "c.id=" .. bind(q, scope.id) end
  if lvl and lvl > 1 then
    must[#must + 1] = "(c.id=" .. bind(q, scope.id) .. " OR "
      .. depth(q, "c.path", scope.path, lvl - 1) .. ")"
  end
end

-- holders: the kinds of containers, as of types.containers; one unless the labels drive the search.
local function instances(q, scope, fc, holders)
  local by_label = leads(fc, scope)
  local must, from
  if by_label then
    from, must = postings(q, fc, function(_, column, st)
      return cin_scope(q, column, st, scope)
    end, ">0")
    from = from .. " CROSS JOIN res c ON c.id=l.id CROSS JOIN cs s ON s.cid=c.id"
      .. " CROSS JOIN cin i ON i.cid=c.id AND i.st=l.st"
    if #holders < #types.containers() then
      must[#must + 1] = one_of(q, "c.ty", first_of(holders))
    end
  elseif scope.near and scope.near.instances then
    must = cin_scope(q, "+c.path", "i.st", scope)
    table.insert(must, 1, geo.leading(q, geo.box(fc), true))
    must[#must + 1] = "+c.ty=" .. bind(q, holders[1][1])
    from = "geo b CROSS JOIN cin i ON i.id=b.id/2 CROSS JOIN res c ON c.id=i.cid"
      .. " CROSS JOIN cs s ON s.cid=c.id"
  else
    must = cin_scope(q, scope.by and "+c.path" or "c.path", "i.st", scope)
    must[#must + 1] = (scope.by and "+" or "") .. "c.ty=" .. bind(q, holders[1][1])
    if scope.by then must[#must + 1] = time.leading(q, scope, fc, "c", true) end
    from = "res c CROSS JOIN cs s ON s.cid=c.id CROSS JOIN cin i ON i.cid=c.id"
  end
  if not by_label and not scope.only then
    for _, test in ipairs(time.instances(q, fc)) do must[#must + 1] = test end
  end
  within_level(q, must, scope, not scope.only and fc.lvl)
  for _, test in ipairs(match.alive(q, "c", "s", "i")) do must[#must + 1] = test end
  add_view(must, q, "c", scope.view)
  local key = by_label and "l.path AS path,l.st" or "c.path AS path,i.st"
  local ty = by_label and types_of(holders) or holders[1][2]
  local kind = match.cin("c", "s", "i", not by_label and ty or nil)
  return "SELECT " .. key .. " AS st," .. ty .. CIN .. from .. " WHERE "
    .. where(q, must, kind, fc, { lbl = by_label, ty = match.all(fc) })
end

-- ---- both ---------------------------------------------------------------------------------------

-- The same order in the words that let an index give it: (ty, path) knows that it is unique only
-- with its row id, the posting list is unique with stateTag, paths alone are when no instance is
-- there.
local function order(by_label, wants_cin)
  if not wants_cin then return " ORDER BY path" end
  return by_label and " ORDER BY path,st" or " ORDER BY path,id,st"
end

--- The search below a resource.  scope = { id, path, now = microseconds, after = { path, st } of
-- the last row seen or nil, by and written as of time.leading,
-- near as of geo.choose }, or { only = true, id, st } for a
-- resource (st nil) or an instance (id: its container) alone; view, or nil: { who = originator,
-- refused = { acpi texts }, defaults = boolean }, what may be left out because who cannot see it;
-- fc as query.lua makes it.  Returns the statement and its parameters; columns path, st (0: no
-- instance), ty, id (of an instance: its container), pid, rn (NULL: named by the CSE), aei, acpi,
-- spty (of a flexContainer cnd, of a mgmtObj mgd).  nil when nothing can match.
function sql.search(scope, fc)
  local q = match.new_query(scope.now)
  local wants_res, holders = match.kinds(fc)
  if scope.only then
    wants_res = wants_res and not scope.st
    holders = scope.st and holders or {}
  end
  local parts = {}
  if wants_res then parts[1] = resources(q, scope, fc) end
  if leads(fc, scope) and holders[1] then
    parts[#parts + 1] = instances(q, scope, fc, holders)
  else
    for _, h in ipairs(holders) do parts[#parts + 1] = instances(q, scope, fc, { h }) end
  end
  if not parts[1] then return nil end
  return concat(parts, " UNION ALL ") .. order(leads(fc, scope), holders[1] ~= nil), q.params
end

return sql
