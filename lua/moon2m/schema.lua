-- Attribute kinds and resource types: what an attribute's raw JSON text must look like, which
-- attributes a type has, and in which order they are written.
--
-- Kinds check raw text and hand back the decoded value; the text itself is what is stored.  A
-- type is compiled once from its data file.  check_create and check_update answer 4000 with the
-- attribute and the reason, 5001 for an attribute that the standard has and this release does not
-- act on.  Nothing here yields, and nothing here decodes `con`.

local core = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local geometry = require "moon2m.geometry"
local json = require "moon2m.json"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"

local byte, find, sub, format = string.byte, string.find, string.sub, string.format
local lower = string.lower
local pairs, ipairs, type, tonumber = pairs, ipairs, type, tonumber
local concat = table.concat
local err, BAD, NOT_IMPLEMENTED = rsc.err, rsc.BAD_REQUEST, rsc.NOT_IMPLEMENTED
local null = json.null

local schema = { kinds = {} }
local kinds = schema.kinds

-- ---- kinds --------------------------------------------------------------------------------------

local words = { [34] = "a string", [123] = "an object", [91] = "an array", [116] = "a boolean",
  [102] = "a boolean", [110] = "null" }

local function expected(what, raw)
  return format("expected %s, got %s", what, words[byte(raw, 1)] or "a number")
end

-- The text of a raw JSON string, or nil.
local function text_of(raw)
  if byte(raw, 1) ~= 34 then return nil end
  if find(raw, "\\", 1, true) then return core.string(raw) end
  return sub(raw, 2, -2)
end
schema.text_of = text_of

--- Defines a kind: name as in "expected NAME", check(raw) -> value | nil, reason.  Returns it.
-- lua: what scripts see of it, as in the reference ("string", "integer", ...), when it is known.
-- Where it applies a kind also has `least` and `most` (of a number; of a list: of its entries),
-- `values` (all that are possible), `of` (the kind of the entries) and `members`.
function schema.kind(name, what, check, lua)
  local k = { name = name, what = what, check = check, lua = lua }
  if name then kinds[name] = k end
  return k
end
local kind = schema.kind

-- A kind of string: test(text) -> true | nil, reason.
local function string_kind(name, what, test)
  return kind(name, what, function(raw)
    local s = text_of(raw)
    if not s then return nil, expected(what, raw) end
    if test then
      local v, why = test(s)
      if v == nil then return nil, why end
      return v
    end
    return s
  end, "string")
end
schema.string_kind = string_kind

kind("any", "any value", function(raw) return raw end, "any")
string_kind("string", "a string")

local function no_space(s)
  if s == "" then return nil, "empty" end
  if find(s, "[%z\1-\32\127]") then return nil, "space or control character in it" end
  return s
end
string_kind("id", "an identifier (string)", no_space)
string_kind("uri", "a URI (string)", no_space)
string_kind("label", "a label (string)", function(s)
  if s == "" then return nil, "empty label" end
  return s
end)
string_kind("name", "a resource name (string)", function(s)
  if path.is_name(s) then return s end
  return nil, "not a resource name (letters, digits, - . _, at most 128, not la or ol)"
end)
string_kind("timestamp", "a timestamp (string)", function(s)
  local us = sys.parse_stamp(s)
  if us then return us end
  return nil, "not a timestamp (YYYYMMDDThhmmss[,ffffff], UTC)"
end)
string_kind("duration", "a duration (string)", function(s)
  local us = sys.parse_duration(s)
  if us then return us end
  return nil, "not a duration (PnYnMnDTnHnMnS)"
end)
local MAX_AHEAD = 1e14           -- ms, from now: no time behind the year 9999
string_kind("abs_rel_timestamp", "a timestamp or milliseconds (string)", function(s)
  local us = sys.parse_stamp(s)
  if us then return us end
  local ms = find(s, "^%d+$") and tonumber(s)
  if not ms then return nil, "neither a timestamp nor milliseconds" end
  if ms > MAX_AHEAD then return nil, "more milliseconds than until the year 9999" end
  return ms * 1000
end)

-- Of XML Schema, in the forms of ISO 8601 with and without separators; the zone is optional.
local DATE = { "^%d%d%d%d%-(%d%d)%-(%d%d)$", "^%d%d%d%d(%d%d)(%d%d)$" }
local TIME = { "^(%d%d):(%d%d):(%d%d)(.*)$", "^(%d%d)(%d%d)(%d%d)(.*)$" }
local REST = { "", "Z", "[+-]%d%d:?%d%d" }

local function is_date(s)
  for _, pattern in ipairs(DATE) do
    local m, d = s:match(pattern)
    if m then return m >= "01" and m <= "12" and d >= "01" and d <= "31" end
  end
  return false
end

local function is_time(s)
  for _, pattern in ipairs(TIME) do
    local h, m, sec, rest = s:match(pattern)
    if h then
      rest = rest:gsub("^[.,]%d+", "")
      for _, zone in ipairs(REST) do
        if rest:find("^" .. zone .. "$") then return h < "25" and m < "60" and sec < "61" end
      end
    end
  end
  return false
end

string_kind("date", "a date (string)", function(s)
  if is_date(s) then return s end
  return nil, "not a date (YYYY-MM-DD)"
end)
string_kind("time", "a time of day (string)", function(s)
  if is_time(s:gsub("^T", "")) then return s end
  return nil, "not a time of day (hh:mm:ss)"
end)
string_kind("date_time", "a date and time (string)", function(s)
  local day, time = s:match("^([%d-]+)T(.+)$")
  if day and is_date(day) and is_time(time) then return s end
  return nil, "not a date and time (YYYY-MM-DDThh:mm:ss)"
end)

local function integer_kind(name, what, least)
  local k = kind(name, what, function(raw)
    if not find(raw, "^%-?%d+$") then return nil, expected(what, raw) end
    local n = tonumber(raw)
    if n < least then return nil, format("expected %s, got %s", what, raw) end
    if n > 9007199254740991 then return nil, "larger than 2^53 - 1" end
    return n
  end, "integer")
  k.least = least
  return k
end
integer_kind("uint", "a non-negative integer", 0)
integer_kind("posint", "a positive integer", 1)
integer_kind("int", "an integer", -9007199254740991)

kind("number", "a number", function(raw)
  local n = not words[byte(raw, 1)] and tonumber(raw)
  if n and n - n == 0 then return n end
  return nil, expected("a number", raw)
end, "number")
kind("object", "an object", function(raw)
  if byte(raw, 1) == 123 then return raw end
  return nil, expected("an object", raw)
end, "table")
kind("bool", "a boolean", function(raw)
  if raw == "true" then return true end
  if raw == "false" then return false end
  return nil, expected("true or false", raw)
end, "boolean")

-- URL form of a pointOfAccess (TS-0004 6.3.3): scheme "://" host and more, no spaces.
string_kind("poa", "a URL (string)", function(s)
  if not no_space(s) then return nil, "empty or with a space" end
  if find(s, "^%a[%w+.-]*://[^/]") then return s end
  return nil, "not a URL (scheme://host[:port][/path])"
end)

-- contentInfo (TS-0004 6.3.4.2.28): media type ":" encoding [":" contentSecurity].
string_kind("cnf", "a content info (string)", function(s)
  local rest = s:match("^[%w!#$&^_.+-]+/[%w!#$&^_.+-]+[^:]*:(.*)$")
  if rest and find(rest, "^[012]$") or rest and find(rest, "^[012]:%d$") then return s end
  return nil, "not a content info (media type:encoding[:security], encoding 0, 1 or 2)"
end)

string_kind("release", "a release version (string)", function(s)
  if find(s, "^[1-9]%d?a?$") then return s end
  return nil, 'not a release version ("2a", "3", "4" ...)'
end)

-- Serializations (TS-0004 6.3.3): the short names, or the media types that peers send.
local serializations = { xml = true, json = true, cbor = true }
string_kind("serialization", "a serialization (string)", function(s)
  local short = lower(s):gsub("^application/", ""):gsub("^vnd%.onem2m%-res%+", "")
  if serializations[short] then return s end
  return nil, "not a serialization (json, cbor or xml)"
end)

--- One of the given numbers; names = { [1] = "update", ... } or a list of numbers.
function schema.enum(what, numbers)
  local set = {}
  for _, n in ipairs(numbers) do set[n] = true end
  local k = kind(nil, what, function(raw)
    local n = find(raw, "^%d+$") and tonumber(raw)
    if not n then return nil, expected(what, raw) end
    if not set[n] then
      return nil, format("expected %s (one of %s), got %s", what, concat(numbers, ", "), raw)
    end
    return n
  end, "integer")
  k.values = numbers
  return k
end

--- An integer from lo to hi.
function schema.range(what, lo, hi)
  local k = kind(nil, what, function(raw)
    local n = find(raw, "^%-?%d+$") and tonumber(raw)
    if not n then return nil, expected(what, raw) end
    if n < lo or n > hi then
      return nil, format("expected %s from %d to %d, got %s", what, lo, hi, raw)
    end
    return n
  end, "integer")
  k.least, k.most = lo, hi
  return k
end

-- One of the given texts.
local function choice(texts)
  local set = {}
  for _, s in ipairs(texts) do set[s] = true end
  local what = "one of " .. concat(texts, ", ")
  local k = string_kind(nil, what, function(s)
    if set[s] then return s end
    return nil, format("expected %s, got %s", what, core.quote(s))
  end)
  k.values = texts
  return k
end

local sealed = setmetatable({}, { __mode = "k" })      -- what stands for a kind -> the kind

local SEAL = { __metatable = "sealed", __index = function()
  error("a kind has no fields", 2)
end, __newindex = function()
  error("a kind cannot be changed", 2)
end }

--- Something that stands for a kind and shows nothing of it.
function schema.seal(k)
  local t = setmetatable({}, SEAL)
  sealed[t] = k
  return t
end

-- A copy of a list whose entries are of the type of the first one.
local function copy(list)
  local out = {}
  for i, v in ipairs(list) do
    if type(v) ~= type(list[1]) then error("a list of texts or of numbers was expected", 0) end
    out[i] = v
  end
  return out
end

--- A kind by its name, sealed, or as the list of the numbers or texts that are possible: what has
-- no function of a script in it.  Raises for anything else.
function schema.plain_kind(k)
  if sealed[k] then return sealed[k] end
  if type(k) == "table" then
    if type(k[1]) == "string" then return choice(copy(k)) end
    if type(k[1]) == "number" then return schema.enum("a number", copy(k)) end
  end
  return kinds[k] or error(format("no attribute kind %q", tostring(k)), 0)
end

--- The same, or a kind itself.
function schema.as_kind(k)
  if type(k) == "table" and rawget(k, "check") then return k end
  return schema.plain_kind(k)
end

--- An array of k with at least min entries (default 1).
function schema.list(k, min)
  k, min = schema.as_kind(k), min or 1
  local check_one = k.check
  local list = kind(nil, "an array", function(raw)
    if byte(raw, 1) ~= 91 then return nil, expected("an array", raw) end
    local items, why = core.elements(raw)
    if not items then return nil, why end
    if #items < min then
      return nil, format("expected at least %d in the array, got %d", min, #items)
    end
    local out = json.array {}
    for i, item in ipairs(items) do
      local v
      v, why = check_one(item)
      if v == nil then return nil, format("entry %d: %s", i, why) end
      out[i] = v
    end
    return out
  end, "list")
  list.of, list.least = k, min
  return list
end

--- An object: members = { { name, kind, required = true|nil, list = min|nil }, ... }; an unknown
-- member is refused.  test(value) -> nil | reason looks at the whole.
function schema.object(what, members, test)
  local by = {}
  for _, m in ipairs(members) do
    local k = schema.as_kind(m[2])
    if m.list then k = schema.list(k, m.list) end
    by[m[1]] = k.check
  end
  local k = kind(nil, what, function(raw)
    if byte(raw, 1) ~= 123 then return nil, expected("an object", raw) end
    local got, names = core.members(raw)
    if not got then return nil, names end
    local out = {}
    for _, name in ipairs(names) do
      local check = by[name]
      if not check then return nil, format("unknown member %s", name) end
      local v, why = check(got[name])
      if v == nil then return nil, format("%s: %s", name, why) end
      out[name] = v
    end
    for _, m in ipairs(members) do
      if m.required and out[m[1]] == nil then return nil, format("member %s is missing", m[1]) end
    end
    local why = test and test(out)
    if why then return nil, why end
    return out
  end, "table")
  k.members = members
  return k
end

-- ---- common attributes --------------------------------------------------------------------------

-- TS-0001 9.6.1.3, TS-0004 6.3.6.  create and update: "M" mandatory, "O" optional, "-" not
-- permitted, "null" only as null.  A type's file names those it has, in place, and may change a
-- field.
local location = schema.object("a location (object)", {
  { "typ", schema.range("a geometry type", 1, 6), required = true },
  { "crd", "string", required = true },
}, function(v)
  local _, why = geometry.parse(v.typ, v.crd)
  return why and "crd: " .. why
end)
schema.location = location
schema.common = {
  rn = { "rn", "name", create = "O", update = "-" },
  ty = { "ty", "uint", create = "-", update = "-" },
  ri = { "ri", "id", create = "-", update = "-" },
  pi = { "pi", "id", create = "-", update = "-" },
  ct = { "ct", "timestamp", create = "-", update = "-" },
  lt = { "lt", "timestamp", create = "-", update = "-" },
  et = { "et", "timestamp", create = "O", update = "O" },
  acpi = { "acpi", "id", list = 1, create = "O", update = "O" },
  lbl = { "lbl", "label", list = 1, create = "O", update = "O" },
  daci = { "daci", "uri", list = 1, create = "O", update = "O" },
  at = { "at", "uri", list = 1, create = "O", update = "O", later = true },
  aa = { "aa", "string", list = 1, create = "O", update = "O", later = true },
  ast = { "ast", schema.range("an announcement mode", 1, 2), create = "O", update = "O",
    later = true },
  st = { "st", "uint", create = "-", update = "-" },
  cr = { "cr", "id", create = "null", update = "-" },
  cstn = { "cstn", "id", create = "O", update = "O" },
  loc = { "loc", location, create = "O", update = "O" },
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

local function new_attribute(spec, r)
  local name = r[1]
  local k = schema.as_kind(r[2] or "any")
  if r.list then k = schema.list(k, r.list) end
  return {
    name = name, kind = k, check = k.check, list = r.list ~= nil,
    create = r.create or "-", update = r.update or "-", later = r.later,
    -- null in an UPDATE removes it, unless its multiplicity is 1; et: the CSE chooses anew
    one = r.one or r.create == "M", default = r.default,
    -- taken out of the raw table: the resource object has them as fields
    field = name == "rn" or name == "et" or name == "cr" and r.create == "null",
    key = '"' .. name .. '":', next_key = ',"' .. name .. '":',
    get = spec.getters and spec.getters[name] or getters[name],
  }
end

-- Types share the rows of schema.common and of what they specialise: one attribute for each.
local made = setmetatable({}, { __mode = "k" })

local function attribute(spec, r)
  if spec.getters then return new_attribute(spec, r) end
  local a = made[r] or new_attribute(spec, r)
  made[r] = a
  return a
end

local function set_of(list)
  local s = {}
  for _, v in ipairs(list or {}) do s[v] = true end
  return s
end

--- Compiles a type's data file (or a script's cse.type) into T:
--   ty, name, root, order = {names}, attr = {name = A}, mandatory = {names}, children = set of
--   type names, instances = the name of the type of its instances (a container), virtual = { la =
--   "latest" }, check, create, update, delete, child_created, applied, arrives, refused, committed,
--   deleted (hooks or nil).
-- spec.like: rows that were compiled already, row -> A, or nil.
-- Raises a text that names the type and the row when the data is wrong.
function schema.compile(spec)
  local T = { ty = spec.ty, name = spec.name, root = spec.short, spec = spec,
    order = {}, attr = {}, rows = {}, mandatory = {}, children = set_of(spec.children),
    virtual = spec.virtual or {},
    parents = spec.parents, instance = spec.instance, container = spec.instances ~= nil or nil,
    instances = spec.instances,
    check = spec.check, create = spec.create, update = spec.update, delete = spec.delete,
    child_created = spec.child_created, applied = spec.applied, arrives = spec.arrives,
    refused = spec.refused, committed = spec.committed, deleted = spec.deleted,
    head = '{"' .. spec.short .. '":' }
  for _, given in ipairs(spec.attrs) do
    local a = spec.like and spec.like[given] or attribute(spec, row(spec, given))
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
  return err(NOT_IMPLEMENTED, "%s: attribute not supported by this CSE", a.name)
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
  if v == nil then return nil, err(BAD, "%s: %s", name, why) end
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
  if v == nil then return nil, err(BAD, "%s: %s", name, why) end
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
    local e = T.check(values, r)
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
