-- The rare parameters of a request, from an HTTP query string (TS-0009 6.2.2.2) or from the
-- members of a WebSocket primitive (TS-0004 8.2.2): rcn, drt, rt, rp, da, filter criteria,
-- attribute list.
--
-- Both forms become the same table and pass the same checks.  A parameter that does not exist or
-- has an impossible value is 4000 naming it; one that the standard has and this CSE does not act
-- on is 5001. Which rcn goes with which operation is the dispatcher's business.

local core = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local encode = require("moon2m.json").encode
local geometry = require "moon2m.geometry"
local jsonpath = require "moon2m.jsonpath"
local kinds = require "moon2m.kind"
local label_query = require "moon2m.label_query"
local rsc = require "moon2m.rsc"
local types = require "moon2m.types"

local find, sub, gsub, char = string.find, string.sub, string.gsub, string.char
local err, BAD = rsc.err, rsc.BAD_REQUEST
local quote = core.quote

local MAX_FIELDS, MAX_VALUES = 64, 128

local query = {}

-- ---- what there is ------------------------------------------------------------------------------

local uint, posint, bool = kinds.named.uint, kinds.named.posint, kinds.named.bool
local stamp, text, uri = kinds.named.timestamp, kinds.named.string, kinds.named.uri

local query_of_labels = kinds.text("a label query (string)", function(s)
  if label_query.parse(s) then return s end
  return nil, "expected key, NT key, key EQ v, key NE v, key IN (v,...) or key NI (v,...)"
end)

local query_of_content = kinds.text("a JSONPath (string)", function(s)
  local steps, at = jsonpath.parse(s)
  if steps then return s end
  return nil, ("not a JSONPath that this CSE reads, at character %d"):format(at)
end)

local TEXTS = { [text] = true, [stamp] = true, [uri] = true, [query_of_labels] = true,
  [query_of_content] = true }

-- Parameters of a request besides those that have a header of their own.
local params = {
  rcn = { uint }, drt = { kinds.enum("a result type", { 1, 2 }) }, da = { bool }, rp = { text },
  grtm = { uri, list = true },
}

-- Conditions and handling of filter criteria (TS-0004 6.3.5.8).
local filters = {
  crb = { stamp }, cra = { stamp }, ms = { stamp }, us = { stamp },
  exb = { stamp }, exa = { stamp },
  sts = { posint }, stb = { uint }, sza = { uint }, szb = { posint },
  ty = { uint, list = true }, lbl = { text, list = true }, cty = { text, list = true },
  fu = { kinds.enum("a filter usage", { 1, 2, 3 }) },
  fo = { kinds.enum("a filter operation", { 1, 2, 3 }) },
  chty = { uint, list = true }, pty = { uint, list = true },
  clbl = { text, list = true }, palb = { text, list = true }, lbq = { query_of_labels },
  cfs = { kinds.enum("a content filter syntax", { 1 }) }, cfq = { query_of_content },
  gmty = { kinds.enum("a geometry type", { 1, 2, 3, 4, 5, 6 }) }, geom = { text },
  gsf = { kinds.enum("a geospatial function", { 1, 2, 3 }) },
  lim = { uint }, lvl = { posint }, ofst = { posint }, arp = { text },
}

-- Known to the standard, not offered here: 5001, unless it says "no".
local unsupported = {}
for name in ([[rids tids ltids tkns tqi asi aus auri sqi omr prpi ma msu gstn
  smf]]):gmatch("%S+") do
  unsupported[name] = true
end

-- Members of a primitive that the bindings have taken (bindings check them).
local taken = {}
for name in ("op to fr rqi ty pc ot rqet rset oet ec gid rvi vsi"):gmatch("%S+") do
  taken[name] = true
end

-- Attributes with a filter condition of their own may not be named (TS-0004 7.3.3.17.9).
local reserved = {}
for name in ("ct lt st et lbl ty cs cnf"):gmatch("%S+") do reserved[name] = true end

local function is_no(raw)
  return raw == "false" or raw == "0" or raw == "[]"
end

local TOKENS = { tids = true, ltids = true, tkns = true, tqi = true }
local SPARQL = { smf = true, ["fc.smf"] = true, sqi = true }

local function not_supported(name)
  if SPARQL[name] then
    return err(rsc.NOT_IMPLEMENTED,
      "%s: semantic discovery with SPARQL is not supported by this CSE", name)
  end
  if TOKENS[name] then
    return err(rsc.NOT_IMPLEMENTED, "%s: tokens of dynamic authorization are not supported by this "
      .. "CSE; the servers that daci names are asked by it, without tokens", name)
  end
  return err(rsc.NOT_IMPLEMENTED, "%s: not supported by this CSE", name)
end

local function bad(name, why)
  return err(BAD, "%s: %s", name, why)
end

-- ---- checks, on raw JSON ------------------------------------------------------------------------

local function check_list(name, spec, items)
  if #items == 0 then return nil, bad(name, "empty list") end
  if #items > MAX_VALUES then return nil, bad(name, "more than " .. MAX_VALUES .. " values") end
  local out = {}
  for i, raw in ipairs(items) do
    local v, why = spec[1].check(raw)
    if v == nil then return nil, bad(name, why) end
    out[i] = v
  end
  return out
end

local function check_one(name, spec, raw)
  if spec.list then
    local items = raw:byte() == 91 and core.elements(raw)
    if not items then return nil, bad(name, "expected an array") end
    return check_list(name, spec, items)
  end
  local v, why = spec[1].check(raw)
  if v == nil then return nil, bad(name, why) end
  return v
end

local function check_path(arp)
  if find(arp, "^/") or find(arp, "[%z\1-\32\127]") or arp == "" or find(arp, "//", 1, true) then
    return bad("arp", "expected a relative path")
  end
end

-- One attribute condition: value as text, "*" stands for any characters.  tag: atr, catr (of a
-- child) or patr (of the parent).
local function add_attribute(fc, tag, name, value)
  if reserved[name] then
    return err(BAD, "%s: %s has a filter condition of its own", tag, name)
  end
  if not types.has_attribute(name) then return bad(name, "unknown parameter or attribute") end
  local list = fc[tag] or {}
  if #list >= MAX_VALUES then return bad(tag, "more than " .. MAX_VALUES .. " conditions") end
  list[#list + 1] = { nm = name, val = value }
  fc[tag] = list
end

-- The text of a raw value that an attribute is compared with.
local function comparable(raw)
  local s = kinds.text_of(raw)
  if s then return s end
  local c = raw:byte()
  if c == 123 or c == 91 or c == 110 then return nil end
  return raw
end

-- ---- filter criteria of a WebSocket primitive ---------------------------------------------------

local function attribute_list(fc, tag, raw)
  local items = raw:byte() == 91 and core.elements(raw)
  if not items then return bad(tag, "expected an array") end
  for _, item in ipairs(items) do
    local m = item:byte() == 123 and core.members(item)
    local nm = m and m.nm and kinds.text_of(m.nm)
    local val = m and m.val and comparable(m.val)
    if not nm or not val then return bad(tag, "expected entries with nm and val") end
    local e = add_attribute(fc, tag, nm, val)
    if e then return e end
  end
end

local function filter_member(fc, name, raw)
  local spec = filters[name]
  if spec then
    local v, e = check_one(name, spec, raw)
    if v == nil then return e end
    fc[name] = v
    return name == "arp" and check_path(v) or nil
  elseif name == "atr" or name == "catr" or name == "patr" then
    return attribute_list(fc, name, raw)
  elseif unsupported[name] then
    return not_supported("fc." .. name)
  end
  local val = comparable(raw)
  if not val then return bad(name, "expected a string, a number or a boolean") end
  return add_attribute(fc, "atr", name, val)
end

local GEO = { "gmty", "geom", "gsf" }

-- The three parameters of a geo-query become one condition: geo = { shape, function, written = they
-- as they were }.
local function geo_query(fc)
  local missing, given
  for _, name in ipairs(GEO) do
    if fc[name] == nil then missing = missing or name else given = name end
  end
  if not given then return nil end
  if missing then return bad(missing, "missing, " .. given .. " is there") end
  local shape, why = geometry.parse(fc.gmty, fc.geom)
  if not shape then return bad("geom", why) end
  fc.geo = { shape, geometry.functions[fc.gsf],
    written = { gmty = fc.gmty, geom = fc.geom, gsf = fc.gsf } }
  fc.gmty, fc.geom, fc.gsf = nil, nil, nil
end

-- contentFilterSyntax and contentFilterQuery go together (TS-0004 6.3.5.8); JSONPath is the only
-- one.
local function check_criteria(fc)
  if fc and fc.cfs and not fc.cfq then return bad("cfq", "missing, cfs is there") end
  return fc and geo_query(fc)
end

local function filter_criteria(raw)
  local members, names
  if raw:byte() == 123 then members, names = core.members(raw) end
  if not members then return nil, bad("fc", names or "expected an object") end
  local fc = {}
  for _, name in ipairs(names) do
    local e = filter_member(fc, name, members[name])
    if e then return nil, e end
  end
  local e = check_criteria(fc)
  if e then return nil, e end
  return fc
end

local TIMES = { crb = true, cra = true, ms = true, us = true, exb = true, exa = true }

--- Criteria as a primitive has them, JSON text.
function query.criteria(fc)
  local out = {}
  for name, v in pairs(fc) do
    if name ~= "geo" then out[name] = TIMES[name] and sys.stamp(v) or v end
  end
  for name, v in pairs(fc.geo and fc.geo.written or {}) do out[name] = v end
  return encode(out)
end

--- Whether criteria ask for discovery (filterUsage 1, and 3: with the help of an AE).
function query.discovers(fc)
  return fc ~= nil and (fc.fu == 1 or fc.fu == 3)
end

-- ---- a WebSocket primitive ----------------------------------------------------------------------

local response_type = kinds.object("a response type (object)", {
  { "rtv", kinds.enum("a response type", { 1, 2, 3, 4, 5 }), required = true },
  { "nu", "uri", list = 0 },
})

local function member(out, name, raw)
  if params[name] then
    local v, e = check_one(name, params[name], raw)
    out[name] = v
    return e
  elseif name == "fc" then
    local fc, e = filter_criteria(raw)
    out.fc = fc
    return e
  elseif name == "rt" then
    local v, why = response_type.check(raw)
    out.rt = v
    return v == nil and bad("rt", why) or nil
  elseif unsupported[name] then
    if not is_no(raw) then return not_supported(name) end
  elseif not taken[name] then
    return bad(name, "unknown parameter")
  end
end

--- Reads the members of a primitive (JSON text): { rcn, drt, da, rp, grtm, rt = { rtv, nu }, fc }
-- or nil, err. fc has the conditions as check returned them (times in microseconds, lists as
-- lists),
-- and atr, catr, patr = { { nm, val = text }, ... }.
function query.from_fields(json)
  local members, names = core.members(json)
  if not members then return nil, err(BAD, "%s", names) end
  local out = {}
  for _, name in ipairs(names) do
    local e = member(out, name, members[name])
    if e then return nil, e end
  end
  return out
end

-- ---- a query string -----------------------------------------------------------------------------

local function unescape(s)
  if not find(s, "%", 1, true) then return s end
  if find(gsub(s, "%%%x%x", ""), "%", 1, true) then return nil end
  return (gsub(s, "%%(%x%x)", function(h) return char(tonumber(h, 16)) end))
end

-- The values of a list: separated by a space, which is written as "+" or "%20".
local function split_list(value, into)
  for part in gsub(value, "%%20", "+"):gmatch("[^+]+") do
    local v = unescape(part)
    if not v then return nil end
    into[#into + 1] = v
  end
  return into
end

-- A query's text as the raw JSON that the kind checks.
local function as_raw(kind, value)
  if kind == bool then
    if value == "1" then return "true" elseif value == "0" then return "false" end
  elseif not TEXTS[kind] then
    if find(value, "^%-?%d+$") then return value end
  end
  if (kind == bool) and (value == "true" or value == "false") then return value end
  return quote(value)
end

local function query_list(into, name, spec, value)
  local values = split_list(value, {})
  if not values then return bad(name, "bad percent-encoding") end
  local items = {}
  for i, v in ipairs(values) do items[i] = as_raw(spec[1], v) end
  local list, e = check_list(name, spec, items)
  if not list then return e end
  local have = into[name] or {}
  for _, v in ipairs(list) do have[#have + 1] = v end
  if #have > MAX_VALUES then return bad(name, "more than " .. MAX_VALUES .. " values") end
  into[name] = have
end

local function query_one(into, name, spec, value)
  if into[name] ~= nil then return bad(name, "given twice") end
  local v, e = check_one(name, spec, as_raw(spec[1], value))
  if v == nil then return e end
  into[name] = v
  return name == "arp" and check_path(v) or nil
end

local function attribute_names(out, value)
  local list = split_list(value, out.atrl or {})
  if not list or #list == 0 then return bad("atrl", "expected attribute names") end
  if #list > MAX_VALUES then return bad("atrl", "more than " .. MAX_VALUES .. " names") end
  out.atrl = list
end

local function query_response_type(out, value)
  local n = find(value, "^[1-5]$") and tonumber(value)
  if not n then return bad("rt", "expected a response type from 1 to 5") end
  out.rt = { rtv = n }
end

-- How a query string names an attribute of a child or the parent (TS-0009 6.2.2.2).
local RELATIVE = { c = "catr", p = "patr" }

local function query_field(out, name, value)
  if name == "atrl" then return attribute_names(out, value) end
  local spec = params[name]
  local into = out
  if not spec then
    spec = filters[name]
    if spec then
      out.fc = out.fc or {}
      into = out.fc
    end
  end
  if spec and spec.list then return query_list(into, name, spec, value) end
  value = unescape((gsub(value, "+", " ")))
  if not value then return bad(name, "bad percent-encoding") end
  if spec then return query_one(into, name, spec, value) end
  if name == "rt" then return query_response_type(out, value) end
  if unsupported[name] then return not (is_no(value)) and not_supported(name) or nil end
  if taken[name] or name == "fc" or name == "atr" or name == "catr" or name == "patr" then
    return bad(name, "not permitted in a query")
  end
  out.fc = out.fc or {}
  local relative, attribute = name:match("^([cp])%.(%a%w*)$")
  return add_attribute(out.fc, relative and RELATIVE[relative] or "atr", attribute or name, value)
end

--- Reads a query string without its "?": as from_fields, and atrl = { attribute names }.  Any
-- name that is no parameter is an attribute condition (TS-0009 6.2.2.2).
function query.params(s)
  local out, n = {}, 0
  for field in s:gmatch("[^&]+") do
    n = n + 1
    if n > MAX_FIELDS then return nil, err(BAD, "query: more than %d fields", MAX_FIELDS) end
    local eq = find(field, "=", 1, true)
    local name = unescape(eq and sub(field, 1, eq - 1) or field)
    if not name or not eq or not find(name, "^%a[%w.]*$") then
      return nil, err(BAD, "query: expected name=value, got %s", quote(sub(field, 1, 64)))
    end
    local e = query_field(out, name, sub(field, eq + 1))
    if e then return nil, e end
  end
  local e = check_criteria(out.fc)
  if e then return nil, e end
  return out
end

return query
