-- Finding resources by filter criteria (TS-0001 10.2.6, TS-0004 7.3.3.14, 7.3.3.17): a search
-- below a resource, pushed down to the store and paged, and the same criteria on one resource in
-- memory (conditional operations).
--
-- Order: by structured path, the instances of a container by stateTag right after it.  What the
-- caller may not see is left out without a trace; ofst and lim count what is left, so paging by
-- cnot never loses or repeats a result while nothing changes.  Memory is bounded by the page and
-- the result limit.

local json = require "moon2m.core.json"
local geometry = require "moon2m.geometry"
local schema = require "moon2m.schema"
local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local label_query = require "moon2m.label_query"
local path = require "moon2m.path"
local recent = require "moon2m.recent"
local sql = require "moon2m.sql"
local sql_geo = require "moon2m.sql_geo"
local sql_match = require "moon2m.sql_match"
local sql_time = require "moon2m.sql_time"

local find, gsub, match = string.find, string.gsub, string.match

local discovery = {}

local ANY, ONE = 2, 3            -- of fo
-- What is no condition in filter criteria.
local HANDLING = { fu = true, fo = true, lim = true, lvl = true, ofst = true, arp = true,
  cfs = true, geo = true }
local MAX_RESULTS = 10000
local PAGE_MIN, PAGE_MAX = 32, 1000

-- ---- rows ---------------------------------------------------------------------------------------

-- A row of the store as a result: path, ty, rn, ri, acpi (of an instance its container's); pid: the
-- parent's number; of an instance id
-- is its container's number and st its stateTag, of others st is nil.
local function result(row)
  if row.st == 0 then
    return { path = row.path, ty = row.ty, id = row.id, pid = row.pid, rn = row.rn,
      spty = row.spty, acpi = row.acpi, ri = row.ty == 2 and row.aei or path.ri(row.id) }
  end
  local ri = path.ri_inst(row.id, row.st)
  local rn = row.rn or ri
  return { path = row.path .. "/" .. rn, ty = row.ty, id = row.id, pid = row.id, rn = rn, ri = ri,
    acpi = row.acpi, st = row.st }
end

-- What leads a search by time.  Yields.
local function led_by(scope, fc)
  local since = sql_time.since(fc)
  local written = since and recent.since(since, sql_time.MOST)
  local count = written and #written
  local statement, params = sql_time.probe(scope, fc, count)
  if not statement then return nil end
  scope.written = written and "[" .. table.concat(written, ",") .. "]"
  return sql_time.choose(store.find(statement, params, 1)[1], count)
end

-- What the boxes of locations lead to, nil: nothing.  Yields.
local function near(fc)
  local box = sql_geo.box(fc)
  if not box or fc.lbl then return nil end
  local statement, params = sql_geo.probe(box)
  return sql_geo.choose(store.find(statement, params, 1)[1])
end

-- The rows that match, one after the other, in order.  Yields.
local function rows(root, fc, page, view)
  local scope = { id = root.id, path = root.path, now = sys.now(), view = view }
  scope.by = led_by(scope, fc)
  scope.near = not scope.by and near(fc) or nil
  local list, i, more = {}, 0, true
  return function()
    i = i + 1
    if not list[i] then
      if not more then return nil end
      local statement, params = sql.search(scope, fc)
      if not statement then return nil end
      list, more = store.find(statement, params, page)
      page, i = math.min(page * 2, PAGE_MAX), 1
      local last = list[#list]
      if not last then return nil end
      scope.after = { path = last.path, st = last.st }
    end
    return list[i]
  end
end

-- The specialization of a resource as its row has it.
local function special(r)
  local raw = r.raw and (r.raw.cnd or r.raw.mgd)
  return raw and (json.string(raw) or raw)
end

-- ---- search -------------------------------------------------------------------------------------

-- The resource that a match stands for when a relative path is applied to it; nil: not there.
local function applied(hit, arp, resolve)
  local there = hit.path .. "/" .. arp
  local r = resolve(path.structured(there))
  if not r then return nil end
  if r.virtual then
    return { path = there, ty = r.parent.ty, id = r.parent.id, pid = r.parent.pid,
      rn = r.virtual, ri = r.parent.ri .. "/" .. r.virtual, virtual = r.virtual }
  end
  return { path = there, ty = r.ty, id = r.cid or r.id, pid = r.cid or r.pid, rn = r.rn,
    ri = r.ri, st = r.cid and r.st or nil, spty = special(r) }
end

-- ---- geo-queries --------------------------------------------------------------------------------

-- The other conditions of fc, joined by fo.
local function without_geo(fc, fo)
  local rest = {}
  for k, v in pairs(fc) do rest[k] = v end
  rest.geo, rest.fo = nil, fo
  return rest
end

local function has_conditions(fc)
  for tag in pairs(fc) do
    if not HANDLING[tag] then return true end
  end
  return false
end

-- Whether the location of r and the query's geometry are to each other as the query wants.
local function located(r, geo)
  local A = r.type and r.type.attr.loc
  if not A or A.kind ~= schema.location then return false end
  local loc = r.raw.loc and A.check(r.raw.loc)
  local shape = loc and geometry.parse(loc.typ, loc.crd)
  return shape and geo[2](shape, geo[1]) or false
end

-- Whether r, which the store found, or all of whose other conditions are met (fo 1), meets fc.
-- Yields.
local function met_with_geo(r, fc, value)
  local is = located(r, fc.geo)
  if fc.fo ~= ANY and fc.fo ~= ONE then return is end
  local rest = without_geo(fc, (is or fc.fo == ANY) and ANY or ONE)
  if not has_conditions(rest) then return is end
  if fc.fo == ANY then return is or discovery.met(r, rest, value) end
  return is ~= discovery.met(r, rest, value)
end

-- ---- the search ---------------------------------------------------------------------------------

--- Searches below root (id and path; root itself is no result).  fc: as query.lua makes it, may
-- be empty. opts: allow(hit) -> whether the originator may see a hit (may yield; nil: all);
--   hides(path): whether what is there is no result for anybody, or nil;
--   view: what the store may leave out of it (sql.search), nil: nothing;
--   resolve(address) -> resource | nil, needed for arp (tree.resolve);
--   resource(hit) -> the resource or instance, or nil; needed for a geo-query;
--   max: most results (default 10,000); fc.lim lowers it.
-- Returns a list of hits { path, ty, id, pid, rn, ri, st of an instance, spty } and the number of
-- the next result (contentOffset, TS-0004 6.4.2) when there are more, else nil.  Yields; raises
-- when the store fails.
function discovery.find(root, fc, opts)
  local allow, hides, out, n = opts.allow, opts.hides, {}, 0
  local skip = (fc.ofst or 1) - 1
  local most = math.min(fc.lim or MAX_RESULTS, opts.max or MAX_RESULTS)
  local page = math.max(PAGE_MIN, math.min(PAGE_MAX, skip + most + 1))
  local seen = fc.arp and {}
  for row in rows(root, fc, page, not fc.arp and opts.view or nil) do
    local hit = result(row)
    local r = fc.geo and opts.resource(hit)
    if fc.geo and not (r and met_with_geo(r, fc, opts.value(r))) then hit = nil end
    if hit and fc.arp then
      hit = applied(hit, fc.arp, opts.resolve)
      if hit and seen[hit.path] then hit = nil end
      if hit then seen[hit.path] = true end
    end
    if hit and hides and hides(hit.path) then hit = nil end
    if hit and (not allow or allow(hit)) then
      if skip > 0 then
        skip = skip - 1
      elseif n >= most then
        return out, (fc.ofst or 1) + n
      else
        n = n + 1
        out[n] = hit
      end
    end
  end
  return out, nil
end

-- ---- one resource -------------------------------------------------------------------------------

local function contains(list, v)
  for _, x in ipairs(list) do
    if x == v then return true end
  end
  return false
end

-- Lua pattern of a value with "*".
local function pattern(value)
  return "^" .. gsub(gsub(value, "[^%w*]", "%%%0"), "%*", ".*") .. "$"
end

local function text_of(v)
  return type(v) == "number" and v % 1 == 0 and ("%.0f"):format(v) or tostring(v)
end

-- As sql.lua's compare_json: any element of a list, any member of an object, the same number.
local function same(v, wanted)
  if type(v) == "table" then
    for _, x in pairs(v) do
      if type(x) ~= "table" and same(x, wanted) then return true end
    end
    return false
  end
  if find(wanted, "*", 1, true) then return find(text_of(v), pattern(wanted)) ~= nil end
  return text_of(v) == wanted or type(v) == "number" and v == tonumber(wanted)
end

local function below(attr)
  return function(get, bound)
    local v = get(attr)
    return v ~= nil and v < bound
  end
end

local function from(attr)
  return function(get, bound)
    local v = get(attr)
    return v ~= nil and v >= bound
  end
end

-- The conditions by tag: test(get, value of the tag).
local TESTS = {
  crb = below "ct", us = below "lt", sts = below "st", exb = below "et", szb = below "cs",
  cra = from "ct", ms = from "lt", stb = from "st", exa = from "et", sza = from "cs",
  ty = function(get, list) return contains(list, get("ty")) end,
  lbl = function(get, list)
    for _, label in ipairs(get("lbl") or {}) do
      if contains(list, label) then return true end
    end
    return false
  end,
  lbq = function(get, text)
    return label_query.met(label_query.parse(text), get("lbl") or {})
  end,
  cty = function(get, list)
    local cnf = get("cnf")
    local media = type(cnf) == "string" and match(cnf, "^[^:;]*"):lower()
    for _, wanted in ipairs(list) do
      if wanted:lower() == media then return true end
    end
    return false
  end,
  atr = function(get, list)
    for _, a in ipairs(list) do
      local v = get(a.nm)
      if v ~= nil and same(v, a.val) then return true end
    end
    return false
  end,
}

--- Whether a resource meets the conditions of fc (TS-0004 7.3.3.1): get(name) -> decoded value of
-- an attribute, times in microseconds, nil when absent.  fo joins different tags (1 all, 2 any, 3
-- exactly one), the values of one tag are alternatives.  No condition at all: true.
function discovery.match(fc, get)
  local met, unmet = 0, 0
  for tag, test in pairs(TESTS) do
    local v = fc[tag]
    if v ~= nil then
      if test(get, v) then met = met + 1 else unmet = unmet + 1 end
    end
  end
  if fc.fo == 2 then return met > 0 or unmet == 0 end
  if fc.fo == 3 then return met == 1 or met + unmet == 0 end
  return unmet == 0
end

--- The same of a resource r, for conditions of every kind: those on its relatives and on content
-- are asked of the store.  value(name) as above.  Yields then; raises when the store fails.
function discovery.met(r, fc, value)
  if fc.geo then
    if not met_with_geo(r, fc, value) then return false end
    if fc.fo == ANY or fc.fo == ONE then return true end
    fc = without_geo(fc, fc.fo)
  end
  if not sql_match.asks_store(fc) then return discovery.match(fc, value) end
  local statement, params = sql.search({ only = true, id = r.cid or r.id, st = r.cid and r.st,
    path = "", now = sys.now() }, fc)
  return statement ~= nil and store.find(statement, params, 1)[1] ~= nil
end

return discovery
