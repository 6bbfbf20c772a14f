-- A small CBOR codec of the tests' own (RFC 8949), so that no byte is judged by the code under
-- test. Encodes text, integers, doubles, booleans, null and tables (1..n: array, else map with
-- sorted keys); decodes what a JSON model needs, with definite and indefinite lengths.

local bit = require "bit"

local cbor = {}
cbor.null = {}

local function head(major, n)
  if n < 24 then return string.char(major * 32 + n) end
  if n < 256 then return string.char(major * 32 + 24, n) end
  if n < 65536 then return string.char(major * 32 + 25, math.floor(n / 256), n % 256) end
  return string.char(major * 32 + 26, math.floor(n / 16777216) % 256, math.floor(n / 65536) % 256,
    math.floor(n / 256) % 256, n % 256)
end
cbor.head = head

local function double(v)
  if v == 0 then return "\251" .. ("\0"):rep(8) end
  local sign = v < 0 and 128 or 0
  local m, e = math.frexp(math.abs(v))
  m, e = m * 2 - 1, e - 1 + 1023
  local out = {}
  m = m * 16
  local top = math.floor(m)
  m = m - top
  out[1] = string.char(sign + math.floor(e / 16), (e % 16) * 16 + top)
  for i = 2, 7 do
    m = m * 256
    local b = math.floor(m)
    m = m - b
    out[i] = string.char(b)
  end
  return "\251" .. table.concat(out)
end

--- A Lua value as CBOR.
function cbor.encode(v)
  local t = type(v)
  if v == cbor.null then return "\246" end
  if t == "boolean" then return v and "\245" or "\244" end
  if t == "string" then return head(3, #v) .. v end
  if t == "number" then
    if v % 1 ~= 0 then return double(v) end
    return v >= 0 and head(0, v) or head(1, -1 - v)
  end
  local out = {}
  if #v > 0 then
    for i = 1, #v do out[i] = cbor.encode(v[i]) end
    return head(4, #v) .. table.concat(out)
  end
  local keys = {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys)
  for i, k in ipairs(keys) do out[i] = cbor.encode(k) .. cbor.encode(v[k]) end
  return head(5, #keys) .. table.concat(out)
end

local decode

local function argument(s, i, info)
  if info < 24 then return info, i end
  local n = ({ [24] = 1, [25] = 2, [26] = 4, [27] = 8 })[info]
  if not n then return nil, i end                 -- indefinite
  local v = 0
  for k = 0, n - 1 do v = v * 256 + s:byte(i + k) end
  return v, i + n
end

local function float(s, i, bytes)
  local b = { s:byte(i, i + bytes - 1) }
  local ebits = bytes == 8 and 11 or bytes == 4 and 8 or 5
  local mbits = bytes * 8 - 1 - ebits
  local sign = b[1] >= 128 and -1 or 1
  local bits, m = {}, 0
  for _, byte in ipairs(b) do
    for k = 7, 0, -1 do bits[#bits + 1] = bit.band(bit.rshift(byte, k), 1) end
  end
  local e = 0
  for k = 2, 1 + ebits do e = e * 2 + bits[k] end
  for k = 2 + ebits, #bits do m = m * 2 + bits[k] end
  local bias = 2 ^ (ebits - 1) - 1
  if e == 0 then return sign * m / 2 ^ mbits * 2 ^ (1 - bias) end
  return sign * (1 + m / 2 ^ mbits) * 2 ^ (e - bias)
end

local function text(s, i, n)
  if n then return s:sub(i, i + n - 1), i + n end
  local parts = {}
  while s:byte(i) ~= 255 do parts[#parts + 1], i = decode(s, i) end
  return table.concat(parts), i + 1
end

local function container(s, i, n, map)
  local out, count = {}, 0
  while n and count < n or not n and s:byte(i) ~= 255 do
    local k
    if map then k, i = decode(s, i) end
    count = count + 1
    out[k or count], i = decode(s, i)
  end
  return out, n and i or i + 1
end

function decode(s, i)
  local b = s:byte(i)
  local major, info = bit.rshift(b, 5), bit.band(b, 31)
  i = i + 1
  if major == 7 then
    if info == 20 then return false, i elseif info == 21 then return true, i end
    if info == 22 then return cbor.null, i end
    local bytes = ({ [25] = 2, [26] = 4, [27] = 8 })[info]
    return float(s, i, bytes), i + bytes
  end
  local n
  n, i = argument(s, i, info)
  if major == 0 then return n, i end
  if major == 1 then return -1 - n, i end
  if major == 2 or major == 3 then return text(s, i, n) end
  return container(s, i, n, major == 5)
end

--- CBOR as a Lua value; raises when it is cut short.
function cbor.decode(s)
  local v, i = decode(s, 1)
  assert(i == #s + 1, "bytes behind the value")
  return v
end

--- Bytes of a hexadecimal text.
function cbor.hex(text_)
  return (text_:gsub("%x%x", function(x) return string.char(tonumber(x, 16)) end))
end

return cbor
