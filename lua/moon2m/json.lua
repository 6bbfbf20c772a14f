-- JSON text to Lua values and back, with what cjson loses kept right: arrays stay arrays when
-- they are empty, integers beyond 2^53 keep their digits, output has one order (keys sorted) and
-- no exponent.
--
-- decode() is for values that somebody looks into; attributes and `con` otherwise stay the raw
-- text that was received.  Input is expected to have passed core.json.check (UTF-8, depth,
-- duplicates). encode() never writes something that is not JSON: it raises instead.

local cjson = require "cjson"
local core = require "moon2m.core.json"

local byte, find, sub, format = string.byte, string.find, string.sub, string.format
local tonumber, type, pairs, next, getmetatable = tonumber, type, pairs, next, getmetatable
local setmetatable, pcall, error = setmetatable, pcall, error
local rawget = rawget
local concat, sort = table.concat, table.sort
local quote, intricate = core.quote, core.intricate

local MAX_DEPTH = 64
local EXACT = 9007199254740992  -- 2^53

local fast = cjson.new()
if fast.decode_invalid_numbers then fast.decode_invalid_numbers(false) end

local json = { null = cjson.null }
local array_mt = { __name = "array" }

--- Marks a table as an array, so that it is written as [] even when it is empty; returns it.
function json.array(t)
  return setmetatable(t or {}, array_mt)
end

--- Whether a value is written as an array: marked, or a table with an element 1.
function json.is_array(v)
  return type(v) == "table" and (getmetatable(v) == array_mt or rawget(v, 1) ~= nil)
end

-- ---- decode -------------------------------------------------------------------------------------

local parse

local function space(s, i)
  return find(s, "[^ \t\r\n]", i) or #s + 1
end

local function fail(s, i)
  error({ msg = i > #s and "unexpected end of JSON text"
    or format("unexpected character at byte %d of the JSON text", i) })
end

local function parse_string(s, i)
  local from, j = i + 1, i + 1
  while true do
    j = find(s, '["\\]', j)
    if not j then fail(s, #s + 1) end
    if byte(s, j) == 34 then break end
    j = j + 2
  end
  local text = sub(s, from, j - 1)
  if find(text, "\\", 1, true) then
    text = core.string(sub(s, i, j))
    if not text then fail(s, i) end
  end
  return text, j + 1
end

local function parse_number(s, i)
  local _, j = find(s, "^%-?%d+%.?%d*[eE]?[+-]?%d*", i)
  if not j then fail(s, i) end
  local text = sub(s, i, j)
  local n = tonumber(text)
  if not n then fail(s, i) end
  if (n > EXACT or n < -EXACT) and not find(text, "[.eE]") then return text, j + 1 end
  return n, j + 1
end

local function parse_array(s, i, depth)
  local t, n = json.array {}, 0
  i = space(s, i + 1)
  if byte(s, i) == 93 then return t, i + 1 end
  while true do
    n = n + 1
    t[n], i = parse(s, i, depth)
    i = space(s, i)
    local c = byte(s, i)
    if c == 93 then return t, i + 1 end
    if c ~= 44 then fail(s, i) end
    i = i + 1
  end
end

local function parse_object(s, i, depth)
  local t = {}
  i = space(s, i + 1)
  if byte(s, i) == 125 then return t, i + 1 end
  while true do
    i = space(s, i)
    if byte(s, i) ~= 34 then fail(s, i) end
    local key, after = parse_string(s, i)
    i = space(s, after)
    if byte(s, i) ~= 58 then fail(s, i) end
    t[key], i = parse(s, i + 1, depth)
    i = space(s, i)
    local c = byte(s, i)
    if c == 125 then return t, i + 1 end
    if c ~= 44 then fail(s, i) end
    i = i + 1
  end
end

local words = { [116] = { "true", true }, [102] = { "false", false },
  [110] = { "null", json.null } }

function parse(s, i, depth)
  if depth > MAX_DEPTH then error({ msg = "JSON text nested deeper than 64" }) end
  i = space(s, i)
  local c = byte(s, i)
  if c == 34 then return parse_string(s, i) end
  if c == 123 then return parse_object(s, i, depth + 1) end
  if c == 91 then return parse_array(s, i, depth + 1) end
  local w = words[c]
  if not w then return parse_number(s, i) end
  if sub(s, i, i + #w[1] - 1) ~= w[1] then fail(s, i) end
  return w[2], i + #w[1]
end

local function slow(s)
  local v, i = parse(s, 1, 0)
  i = space(s, i)
  if i <= #s then fail(s, i) end
  return v
end

--- The Lua value of JSON text: null is json.null, an array is marked (or has an element 1), an
-- integer beyond 2^53 is its text.  nil, message when the text is no JSON.
function json.decode(text)
  if byte(text) == 34 and find(text, '"', 2, true) == #text and not find(text, "[\\%c]") then
    return sub(text, 2, -2)
  end
  local ok, v = pcall(intricate(text) and slow or fast.decode, text)
  if ok then return v end
  return nil, type(v) == "table" and v.msg or tostring(v)
end

--- JSON text with each string in it, names of members too, given to fn; what fn returns stands for
-- it, nil: as it was, byte for byte.
function json.strings(text, fn)
  local out, n, i = {}, 0, 1
  while true do
    local a = find(text, '"', i, true)
    if not a then break end
    local b = a + 1
    while b <= #text and byte(text, b) ~= 34 do b = b + (byte(text, b) == 92 and 2 or 1) end
    local token = sub(text, a, b)
    local new = fn(core.string(token))
    out[n + 1], out[n + 2] = sub(text, i, a - 1), new and quote(new) or token
    n, i = n + 2, b + 1
  end
  out[n + 1] = sub(text, i)
  return concat(out)
end

-- ---- encode -------------------------------------------------------------------------------------

local write

local function number(v)
  if v - v ~= 0 then error("cannot encode a number that is not finite", 0) end
  if v % 1 == 0 and v < 1e300 and v > -1e300 then return format("%.0f", v) end
  local s = format("%.14g", v)
  if tonumber(s) ~= v then s = format("%.17g", v) end
  return s
end

local function write_array(out, n, t, depth)
  local len = #t
  for k in pairs(t) do
    if type(k) ~= "number" or k < 1 or k > len or k % 1 ~= 0 then
      error("cannot encode a table that is both a list and a map", 0)
    end
  end
  out[n + 1] = "["
  n = n + 1
  for i = 1, len do
    if i > 1 then
      n = n + 1
      out[n] = ","
    end
    n = write(out, n, t[i], depth)
  end
  out[n + 1] = "]"
  return n + 1
end

local function write_object(out, n, t, depth)
  local keys, m = {}, 0
  for k in pairs(t) do
    if type(k) ~= "string" then error("cannot encode a table with a key that is no string", 0) end
    m = m + 1
    keys[m] = k
  end
  sort(keys)
  out[n + 1] = "{"
  n = n + 1
  for i = 1, m do
    out[n + 1] = (i > 1 and "," or "") .. quote(keys[i]) .. ":"
    n = write(out, n + 1, t[keys[i]], depth)
  end
  out[n + 1] = "}"
  return n + 1
end

function write(out, n, v, depth)
  local t = type(v)
  if t == "table" then
    if depth >= MAX_DEPTH then error("cannot encode a table nested deeper than 64", 0) end
    if json.is_array(v) then return write_array(out, n, v, depth + 1) end
    if next(v) == nil then
      out[n + 1] = "{}"
      return n + 1
    end
    return write_object(out, n, v, depth + 1)
  end
  if t == "string" then
    out[n + 1] = quote(v)
  elseif t == "number" then
    out[n + 1] = number(v)
  elseif t == "boolean" then
    out[n + 1] = v and "true" or "false"
  elseif v == nil or v == json.null then
    out[n + 1] = "null"
  else
    error("cannot encode a " .. t, 0)
  end
  return n + 1
end

--- JSON text of a value.  A table with an element 1 or marked by json.array is an array, any
-- other an object with sorted keys.  Raises a message (no position) for what JSON cannot hold.
function json.encode(v)
  local t = type(v)
  if t == "string" then return quote(v) end
  local out = {}
  write(out, 0, v, 0)
  return concat(out)
end

return json
