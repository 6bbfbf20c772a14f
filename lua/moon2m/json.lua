-- JSON text to Lua values and back, with what is easily lost kept right: arrays stay arrays when
-- they are empty, integers beyond 2^53 keep their digits, output has one order (keys sorted) and
-- no exponent.
--
-- decode() is for values that somebody looks into; attributes and `con` otherwise stay the raw
-- text that was received.  encode() never writes something that is not JSON: it raises instead.

local core = require "moon2m.core.json"

local byte, find, sub, format = string.byte, string.find, string.sub, string.format
local tonumber, type, pairs, next, getmetatable = tonumber, type, pairs, next, getmetatable
local setmetatable, error, rawget = setmetatable, error, rawget
local concat, sort = table.concat, table.sort
local quote = core.quote

local MAX_DEPTH = 64

local json = { null = core.null }
local array_mt = { __name = "array" }

--- Marks a table as an array, so that it is written as [] even when it is empty; returns it.
function json.array(t)
  return setmetatable(t or {}, array_mt)
end

--- Whether a value is written as an array: marked, or a table with an element 1.
function json.is_array(v)
  return type(v) == "table" and (getmetatable(v) == array_mt or rawget(v, 1) ~= nil)
end

--- decode(text): the Lua value of JSON text: null is json.null, an array is marked, an integer
-- beyond 2^53 is its text.  nil, message when the text is no JSON.
-- inside(text): the same of an object's first member; nil when it has none, nil, message when it is
-- no object.
-- open(members): a table of the values of { name = text }.  Raises what is wrong with a text.
json.decode, json.inside, json.open = core.reader(array_mt)

--- untouched(values, members): whether values are what json.open makes of members, told without
-- making anything; also false or nil when one of them is a table, null or has an escape.
json.untouched = core.untouched

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
