-- Attribute kinds: what an attribute's raw JSON text must look like, and which value it stands for.
-- A kind checks raw text and hands back the decoded value; the text itself is what is stored.
-- schema.lua makes attributes of them, kinds.lua is how types make their own.  Nothing here yields.
--
-- A kind is { name, what, check }: check(raw) -> value | nil, reason; what as in "expected WHAT".
-- lua: what scripts see of it, as in the reference ("string", "integer", ...), when it is known.
-- Where it applies it also has `least` and `most` (of a number; of a list: of its entries),
-- `values` (all that are possible), `of` (the kind of the entries), `members`, and `tested`: a
-- function that a type gave is asked.

local core = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local json = require "moon2m.json"
local path = require "moon2m.path"

local byte, find, sub, format = string.byte, string.find, string.sub, string.format
local lower = string.lower
local ipairs, pairs, type, tonumber = ipairs, pairs, type, tonumber
local concat = table.concat

local MOST = 9007199254740991    -- 2^53 - 1: integers beyond are not exact

-- named: the kinds that have a name, by it.
local kind = { named = {} }
local named = kind.named

local words = { [34] = "a string", [123] = "an object", [91] = "an array", [116] = "a boolean",
  [102] = "a boolean", [110] = "null" }

local function expected(what, raw)
  return format("expected %s, got %s", what, words[byte(raw, 1)] or "a number")
end

-- The same, with a number as it is.
local function expected_number(what, raw)
  return format("expected %s, got %s", what, words[byte(raw, 1)] or raw)
end

--- The text of a raw JSON string, or nil.
function kind.text_of(raw)
  if byte(raw, 1) ~= 34 then return nil end
  if find(raw, "\\", 1, true) then return core.string(raw) end
  return sub(raw, 2, -2)
end
local text_of = kind.text_of

local function new(name, what, check, lua)
  local k = { name = name, what = what, check = check, lua = lua }
  if name then named[name] = k end
  return k
end

-- What a test(value) says: nil and true, the value fits; false, reason: it does not; anything else
-- is the value that counts instead.  what, raw: for the reason that it leaves out.
local function verdict(v, what, raw, r, why)
  if r == true or r == nil and why == nil then return v end
  if r then return r end
  return nil, type(why) == "string" and why or expected_number(what, raw)
end

-- A kind of string; test(text) as above, or nil.
local function string_kind(name, what, test)
  return new(name, what, function(raw)
    local s = text_of(raw)
    if not s then return nil, expected(what, raw) end
    if not test then return s end
    return verdict(s, what, raw, test(s))
  end, "string")
end

new("any", "any value", function(raw) return raw end, "any")
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
  local k = new(name, what, function(raw)
    if not find(raw, "^%-?%d+$") then return nil, expected(what, raw) end
    local n = tonumber(raw)
    if n < least then return nil, expected_number(what, raw) end
    if n > MOST then return nil, "larger than 2^53 - 1" end
    return n
  end, "integer")
  k.least = least
  return k
end
integer_kind("uint", "a non-negative integer", 0)
integer_kind("posint", "a positive integer", 1)
integer_kind("int", "an integer", -MOST)

new("number", "a number", function(raw)
  local n = not words[byte(raw, 1)] and tonumber(raw)
  if n and n - n == 0 then return n end
  return nil, expected("a number", raw)
end, "number")
new("object", "an object", function(raw)
  if byte(raw, 1) == 123 then return raw end
  return nil, expected("an object", raw)
end, "table")
new("bool", "a boolean", function(raw)
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

-- ---- kinds that are made ------------------------------------------------------------------------

--- One of the given numbers.
function kind.enum(what, numbers)
  local set = {}
  for _, n in ipairs(numbers) do set[n] = true end
  local k = new(nil, what, function(raw)
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
function kind.range(what, lo, hi)
  local k = new(nil, what, function(raw)
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

--- A text.  test(text) here and test(value) below: nil or true, it fits; false and a reason (else
-- that of the kind): it does not; anything else counts instead of it.
function kind.text(what, test)
  local k = string_kind(nil, what, test)
  k.tested = test ~= nil
  return k
end

--- An integer of at most 2^53 - 1, and test(n).
function kind.integer(what, test)
  local k = new(nil, what, function(raw)
    local n = find(raw, "^%-?%d+$") and tonumber(raw)
    if not n then return nil, expected(what, raw) end
    if n > MOST or n < -MOST then return nil, "beyond 2^53 - 1" end
    return verdict(n, what, raw, test(n))
  end, "integer")
  k.tested = true
  return k
end

--- Any JSON value, decoded, and test(value).
function kind.value(what, test)
  local k = new(nil, what, function(raw)
    local v = json.decode(raw)
    return verdict(v, what, raw, test(v))
  end, "any")
  k.tested = true
  return k
end

--- What k takes and test(value), with the value as k decodes it.
function kind.where(k, test)
  local of, own = kind.of(k), {}
  for name, v in pairs(of) do own[name] = v end
  function own.check(raw)
    local v, why = of.check(raw)
    if v == nil then return nil, why end
    return verdict(v, of.what, raw, test(v))
  end
  own.tested = true
  return own
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

-- ---- what stands for a kind ---------------------------------------------------------------------

local sealed = setmetatable({}, { __mode = "k" })      -- what stands for a kind -> the kind

local SEAL = { __metatable = "sealed", __index = function()
  error("a kind has no fields", 2)
end, __newindex = function()
  error("a kind cannot be changed", 2)
end }

--- Something that stands for a kind and shows nothing of it.
function kind.seal(k)
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

--- A kind by its name, sealed, or as the list of the numbers or texts that are possible: what types
-- may say.  Raises for anything else.
function kind.known(k)
  if sealed[k] then return sealed[k] end
  if type(k) == "table" then
    if type(k[1]) == "string" then return choice(copy(k)) end
    if type(k[1]) == "number" then return kind.enum("a number", copy(k)) end
  end
  return named[k] or error(format(
    "no attribute kind %q; `moon2m help type.attribute` names them", tostring(k)), 0)
end

--- The same, or a kind itself.
function kind.of(k)
  if type(k) == "table" and rawget(k, "check") then return k end
  return kind.known(k)
end

-- ---- kinds of kinds -----------------------------------------------------------------------------

local function count_misfit(n, least, most)
  if n < least and least ~= most then
    return format("expected at least %d in the array, got %d", least, n)
  elseif n < least or most and n > most then
    return format("expected %s%d in the array, got %d", least == most and "" or "at most ", most, n)
  end
end

--- An array of k with at least `least` entries (default 1), and no more than `most` (default: any
-- number).
function kind.list(k, least, most)
  k, least = kind.of(k), least or 1
  local check_one = k.check
  local list = new(nil, "an array", function(raw)
    if byte(raw, 1) ~= 91 then return nil, expected("an array", raw) end
    local items, why = core.elements(raw)
    if not items then return nil, why end
    why = count_misfit(#items, least, most)
    if why then return nil, why end
    local out = json.array {}
    for i, item in ipairs(items) do
      local v
      v, why = check_one(item)
      if v == nil then return nil, format("entry %d: %s", i, why) end
      out[i] = v
    end
    return out
  end, "list")
  list.of, list.least, list.most, list.tested = k, least, most, k.tested
  return list
end

--- One k, or an array of up to `most` of them: the value is an array either way.
function kind.several(k, most)
  k = kind.of(k)
  local check_one, check_all = k.check, kind.list(k, 1, most).check
  local list = new(nil, k.what .. " or an array", function(raw)
    if byte(raw, 1) == 91 then return check_all(raw) end
    local v, why = check_one(raw)
    if v == nil then return nil, why end
    return json.array { v }
  end, (k.lua or "any") .. "[]")
  list.tested = k.tested
  return list
end

--- What one of these kinds takes; the first that does says what the value is.
function kind.either(what, list)
  local checks, words_of, tested = {}, {}, false
  for i, k in ipairs(list) do
    k = kind.of(k)
    checks[i], tested = k.check, tested or k.tested
    words_of[i] = k.of and (k.of.lua or "any") .. "[]" or k.lua or "any"
  end
  local k = new(nil, what, function(raw)
    for i = 1, #checks do
      local v = checks[i](raw)
      if v ~= nil then return v end
    end
    return nil, expected_number(what, raw)
  end, concat(words_of, " | "))
  k.tested = tested
  return k
end

local function object_check(what, members, by, test)
  return function(raw)
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
    if test then return verdict(out, what, raw, test(out)) end
    return out
  end
end

--- An object: members = { { name, kind, required = true|nil, list = least|nil }, ... }; an unknown
-- member is refused.  test(value) looks at the whole.
function kind.object(what, members, test)
  local by, tested = {}, test ~= nil
  for _, m in ipairs(members) do
    local k = kind.of(m[2])
    if m.list then k = kind.list(k, m.list) end
    by[m[1]], tested = k.check, tested or k.tested
  end
  local k = new(nil, what, object_check(what, members, by, test), "table")
  k.members, k.tested = members, tested
  return k
end

return kind
