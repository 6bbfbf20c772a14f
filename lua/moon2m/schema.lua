-- Attributes and resource types: which attributes a type has, and in which order they are written.
--
-- A type is compiled once from its data file, its attributes' kinds are kind.lua's.  check_create
-- and check_update answer 4000 with the attribute and the reason, 5001 for an attribute that the
-- standard has and this release does not act on.  Nothing here decodes `con`.

local core = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local geometry = require "moon2m.geometry"
local json = require "moon2m.json"
local kind = require "moon2m.kind"
local rsc = require "moon2m.rsc"

local find, format = string.find, string.format
local pairs, ipairs, type = pairs, ipairs, type
local concat = table.concat
local err, BAD, NOT_IMPLEMENTED = rsc.err, rsc.BAD_REQUEST, rsc.NOT_IMPLEMENTED
local null = json.null

local schema = {}

-- ---- common attributes --------------------------------------------------------------------------

-- TS-0001 9.6.1.3, TS-0004 6.3.6.  create and update: "M" mandatory, "O" optional, "-" not
-- permitted, "null" only as null; announced as in announced.lua.  A type's file names those it has,
-- in place, and may change a field.
schema.location = kind.object("a location (object)", {
  { "typ", kind.range("a geometry type", 1, 6), required = true },
  { "crd", "string", required = true },
}, function(v)
  local _, why = geometry.parse(v.typ, v.crd)
  if why then return false, "crd: " .. why end
end)

schema.common = {
  rn = { "rn", "name", create = "O", update = "-" },
  ty = { "ty", "uint", create = "-", update = "-" },
  ri = { "ri", "id", create = "-", update = "-" },
  pi = { "pi", "id", create = "-", update = "-" },
  ct = { "ct", "timestamp", create = "-", update = "-" },
  lt = { "lt", "timestamp", create = "-", update = "-" },
  et = { "et", "timestamp", create = "O", update = "O", announced = "MA" },
  acpi = { "acpi", "id", list = 1, create = "O", update = "O", announced = "MA" },
  lbl = { "lbl", "label", list = 1, create = "O", update = "O", announced = "MA" },
  daci = { "daci", "uri", list = 1, create = "O", update = "O", announced = "OA" },
  at = { "at", "uri", list = 1, create = "O", update = "O" },
  aa = { "aa", "string", list = 1, create = "O", update = "O" },
  ast = { "ast", kind.range("an announcement mode", 1, 2), create = "O", update = "O",
    announced = "MA" },
  st = { "st", "uint", create = "-", update = "-" },
  cr = { "cr", "id", create = "null", update = "-" },
  cstn = { "cstn", "id", create = "O", update = "O" },
  loc = { "loc", schema.location, create = "O", update = "O", announced = "OA" },
}

-- ---- compile ------------------------------------------------------------------------------------

local function row(spec, r)
  if type(r) == "string" then
    return schema.common[r] or error(format("%s: no common attribute %q", spec.name, r), 0)
  end
  if type(r) ~= "table" or type(r[1]) ~= "string" then
    error(format("%s: attrs: a name or { name, kind, ... } was expected", spec.name), 0)
  end
  local base = not r[2] and schema.common[r[1]]
  if not base then return r end
  local out = {}
  for k, v in pairs(base) do out[k] = v end
  for k, v in pairs(r) do out[k] = v end
  return out
end

-- Where a written value comes from when it is not in r.raw.
local function token(s)
  if find(s, '["\\%c]') then return core.quote(s) end
  return '"' .. s .. '"'
end
local function int(n) return n and format("%d", n) end

-- The last one again: ct and lt of what is new are the same.
local last_time, last_stamp
local function stamp(us)
  if not us then return nil end
  if us ~= last_time then last_time, last_stamp = us, '"' .. sys.stamp(us) .. '"' end
  return last_stamp
end

local getters = {
  rn = function(r) return token(r.rn or r.ri) end,
  ty = function(r) return int(r.ty) end,
  ri = function(r) return token(r.ri) end,
  pi = function(r) return token(r.pi or "") end,
  ct = function(r) return stamp(r.ct) end,
  lt = function(r) return stamp(r.lt or r.ct) end,
  et = function(r) return stamp(r.et) end,
  st = function(r) return int(r.st) end,
  cni = function(r) return int(r.cni) end,
  cbs = function(r) return int(r.cbs) end,
  cs = function(r) return int(r.size or r.cs) end,
}

local function new_attribute(r)
  local name = r[1]
  local k = kind.of(r[2] or "any")
  if r.list then k = kind.list(k, r.list) end
  return {
    name = name, kind = k, check = r.guard and r.guard(k) or k.check, list = r.list ~= nil,
    create = r.create or "-", update = r.update or "-", later = r.later,
    -- null in an UPDATE removes it, unless its multiplicity is 1; et: the CSE chooses anew
    one = r.one or r.create == "M", default = r.default, announced = r.announced,
    -- taken out of the raw table: the resource object has them as fields
    field = name == "rn" or name == "et" or name == "cr" and r.create == "null",
    key = '"' .. name .. '":', next_key = ',"' .. name .. '":',
    get = getters[name], field_get = getters[name],
  }
end

-- Types share the rows of schema.common and of what they specialise: one attribute for each.
local made = setmetatable({}, { __mode = "k" })

local function attribute(r)
  local a = made[r] or new_attribute(r)
  made[r] = a
  return a
end

local function set_of(list)
  local s = {}
  for _, v in ipairs(list or {}) do s[v] = true end
  return s
end

--- Compiles a type's data file (or a script's cse.type, whose rows may have guard(kind) -> check
-- where a function of the script is asked) into T:
--   ty, name, root, order = {names}, attr = {name = A}, mandatory = {names}, children = set of
--   type names, instances = the name of the type of its instances (a container), virtual = { la =
--   "latest" }, check.  What the server does for it (create, update ...; procedures) is joined to
--   it by types.lua.
-- spec.like: rows that were compiled already, row -> A, or nil.
-- Raises a text that names the type and the row when the data is wrong.
function schema.compile(spec)
  local T = { ty = spec.ty, name = spec.name, root = spec.short, spec = spec,
    order = {}, attr = {}, rows = {}, mandatory = {}, children = set_of(spec.children),
    virtual = spec.virtual or {}, procedures = {},
    parents = spec.parents, instance = spec.instance, container = spec.instances ~= nil or nil,
    instances = spec.instances, check = spec.check, head = '{"' .. spec.short .. '":' }
  for _, given in ipairs(spec.attrs) do
    local a = spec.like and spec.like[given] or attribute(row(spec, given))
    if T.attr[a.name] then error(format("%s: attribute %s twice", spec.name, a.name), 0) end
    T.attr[a.name] = a
    T.order[#T.order + 1] = a.name
    T.rows[#T.rows + 1] = a
    if a.create == "M" then T.mandatory[#T.mandatory + 1] = a.name end
  end
  return T
end

-- ---- check --------------------------------------------------------------------------------------

local function unknown(T, name)
  return err(BAD, "%s: unknown attribute of %s", name, T.root)
end

local function not_supported(a)
  return err(NOT_IMPLEMENTED, "%s: %s", a.name,
    a.later == true and "attribute not supported by this CSE" or a.later)
end

-- A kind's reason as an err; what guards a kind has made one already.
local function misfit(name, why)
  return type(why) == "table" and why or err(BAD, "%s: %s", name, why)
end

local function create_one(T, a, name, raw)
  if not a then return nil, unknown(T, name) end
  if a.create == "-" then
    return nil, err(BAD, "%s: not permitted in a CREATE, the CSE sets it", name)
  end
  if a.create == "null" then
    if raw == "null" or raw == '""' then return null end
    return nil, err(BAD, "%s: only null is permitted, the CSE writes the creator", name)
  end
  if raw == "null" then return nil, err(BAD, "%s: null is not permitted in a CREATE", name) end
  local v, why = a.check(raw)
  if v == nil then return nil, misfit(name, why) end
  return v
end

--- Checks the members of a CREATE's representation: { name = raw text }.  Returns two new tables:
-- raw = { name = raw text } without rn, et and cr, and values = { name = decoded value } with
-- them (et in microseconds; cr = json.null when the client asked for it; `con` and other "any"
-- stay raw text). nil, err: 4000, or 5001 for an attribute of a later release (after everything
-- else was checked).
function schema.check_create(T, members)
  local attr, raw, values, later = T.attr, {}, {}, nil
  for name, text in pairs(members) do
    local a = attr[name]
    local v, e = create_one(T, a, name, text)
    if v == nil then return nil, e end
    values[name] = v
    if not a.field then raw[name] = text end
    if a.later then later = a end
  end
  local need = T.mandatory
  for i = 1, #need do
    if members[need[i]] == nil then
      return nil, err(BAD, "%s: missing, mandatory in a CREATE of %s", need[i], T.root)
    end
  end
  if T.check then
    local e = T.check(values, nil)
    if e then return nil, e end
  end
  if later then return nil, not_supported(later) end
  return raw, values
end

--- The decoded value that an attribute has after a request: values as check_create or check_update
-- give them, r the resource of an UPDATE or nil.  nil when there is none.
function schema.after(values, r, name)
  local v = values[name]
  if v == null then return nil end
  if v == nil and r and r.raw[name] then return json.decode(r.raw[name]) end
  return v
end

-- An attribute of a resource as its kind decodes it; nil when it is not there.  What the server
-- only shows (procedures' getters) is not there.
local function decoded(r, a)
  local text
  if a.field_get then text = a.field_get(r) else text = r.raw[a.name] end
  local v = text and a.check(text)
  if v ~= nil then return v end
end

-- What a type's check sees of the resource of an UPDATE: its attributes, decoded when one is asked
-- for.  ORIGIN, TYPE: the resource and its type.
local ORIGIN, TYPE = {}, {}
local SEEN = { __index = function(t, name)
  local r = t[ORIGIN]
  local a = t[TYPE].attr[name]
  local v = a and decoded(r, a)
  rawset(t, name, v)
  return v
end }

local function seen(T, r)
  return setmetatable({ [ORIGIN] = r, [TYPE] = T }, SEEN)
end

--- The same as a plain table of all attributes.
function schema.all_seen(t)
  local r, all = t[ORIGIN], {}
  for _, a in ipairs(t[TYPE].rows) do all[a.name] = decoded(r, a) end
  return all
end

local function update_one(T, a, name, raw)
  if not a then return nil, unknown(T, name) end
  if a.update == "-" and T.retired then
    return nil, err(BAD, "%s: not permitted in an UPDATE while no script declares %s", name, T.root)
  end
  if a.update == "-" then return nil, err(BAD, "%s: not permitted in an UPDATE", name) end
  if raw == "null" then
    if a.one then return nil, err(BAD, "%s: mandatory, cannot be removed", name) end
    return null
  end
  local v, why = a.check(raw)
  if v == nil then return nil, misfit(name, why) end
  return v
end

--- Checks the members of an UPDATE of r.  Returns raw = { name = raw text, or "null" to remove }
-- without et, and values = { name = decoded value, or json.null to remove } with it.  nil, err as
-- check_create. acpi must come alone (TS-0001 9.6.1.3.2).
function schema.check_update(T, members, r)
  local attr, raw, values, later, count = T.attr, {}, {}, nil, 0
  for name, text in pairs(members) do
    local a = attr[name]
    local v, e = update_one(T, a, name, text)
    if v == nil then return nil, e end
    values[name] = v
    count = count + 1
    if not a.field then raw[name] = text end
    if a.later and v ~= null then later = a end
  end
  if members.acpi and count > 1 then
    return nil, err(BAD, "acpi: must be the only attribute of an UPDATE")
  end
  if T.check then
    local e = T.check(values, seen(T, r))
    if e then return nil, e end
  end
  if later then return nil, not_supported(later) end
  return raw, values
end

-- ---- encode -------------------------------------------------------------------------------------

--- The attributes as a JSON object, in the type's order: numbers and times from r, the rest from
-- r.raw. only: a set of names to write (others are left out); a value of json.null in it writes
-- null.
function schema.encode_inner(T, r, only)
  local out, n, raw, rows = { "{" }, 1, r.raw, T.rows
  for i = 1, #rows do
    local a = rows[i]
    local want = not only or only[a.name]
    if want then
      local v
      if want == null then v = "null" elseif a.get then v = a.get(r) else v = raw[a.name] end
      if v then
        out[n + 1] = n == 1 and a.key or a.next_key
        out[n + 2] = v
        n = n + 2
      end
    end
  end
  out[n + 1] = "}"
  return concat(out)
end

--- The representation '{"m2m:cnt":{...}}' as encode_inner writes it.
function schema.encode(T, r, only)
  return T.head .. schema.encode_inner(T, r, only) .. "}"
end

return schema
