-- The register map of the settings: which registers are asked for together, and what their words
-- mean.  A register is { at = address, kind = "holding" or "input", type = "u16", "s16", "u32",
-- "s32" or "f32" (words high first), scale = factor, write = true when it takes commands }.
local map = {}

local WORDS = { u16 = 1, s16 = 1, u32 = 2, s32 = 2, f32 = 2 }
local GAP, MOST = 8, 125                  -- registers skipped in one request, and in all of it

local function wrong(name, r)
  if type(r) ~= "table" then return "a table was expected" end
  if type(r.at) ~= "number" or r.at % 1 ~= 0 or r.at < 0 or r.at > 65535 then
    return "at: an address from 0 to 65535 was expected"
  end
  if r.kind and r.kind ~= "holding" and r.kind ~= "input" then
    return 'kind: "holding" or "input" was expected'
  end
  if r.type and not WORDS[r.type] then return "type: u16, s16, u32, s32 or f32 was expected" end
  if r.write and r.kind == "input" then return "input registers cannot be written" end
  if not name:find("^%w[%w_.-]*$") then return "that is no name of a container" end
end

--- Checks the settings, fills in defaults; blocks { kind, at, count, registers } to be read.
function map.blocks(registers)
  local list, blocks = {}, {}
  for name, r in pairs(registers) do
    local why = wrong(name, r)
    if why then error(("registers.%s: %s"):format(name, why), 0) end
    r.name, r.kind, r.type, r.scale = name, r.kind or "holding", r.type or "u16", r.scale or 1
    list[#list + 1] = r
  end
  table.sort(list, function(a, b) return a.kind .. ("%5d"):format(a.at) <
    b.kind .. ("%5d"):format(b.at) end)
  for _, r in ipairs(list) do
    local b, behind = blocks[#blocks], r.at + WORDS[r.type]
    if not b or b.kind ~= r.kind or r.at > b.at + b.count + GAP or behind - b.at > MOST then
      b = { kind = r.kind, at = r.at, count = 0, registers = {} }
      blocks[#blocks + 1] = b
    end
    b.count = math.max(b.count, behind - b.at)
    table.insert(b.registers, r)
  end
  return blocks
end

local function float(n)
  local sign, exponent, fraction = n >= 2 ^ 31 and -1 or 1, math.floor(n / 2 ^ 23) % 256, n % 2 ^ 23
  if exponent == 255 then return nil end                          -- infinite, or not a number
  if exponent == 0 then return sign * math.ldexp(fraction, -149) end
  return sign * math.ldexp(fraction + 2 ^ 23, exponent - 150)
end

--- What register r says in the words of a block; nil when that is no number.
function map.value(r, block, words)
  local i = r.at - block.at + 1
  local n = words[i]
  if WORDS[r.type] == 2 then n = n * 65536 + words[i + 1] end
  if r.type == "f32" then n = float(n) end
  if r.type == "s16" and n >= 2 ^ 15 then n = n - 2 ^ 16 end
  if r.type == "s32" and n >= 2 ^ 31 then n = n - 2 ^ 32 end
  return n and tonumber(("%.12g"):format(n * r.scale))             -- 18.9, not 18.900000000000002
end

local function float_bits(v)
  local fraction, exponent = math.frexp(math.abs(v))
  if v == 0 or exponent < -125 then return 0 end
  local n = (exponent + 126) * 2 ^ 23 + math.floor((fraction * 2 - 1) * 2 ^ 23 + 0.5)
  return v < 0 and n + 2 ^ 31 or n
end

--- The words that make register r say v; nil when it cannot.
function map.words(r, v)
  local n = v / r.scale
  n = r.type == "f32" and float_bits(n) or math.floor(n + 0.5)
  local size = 65536 ^ WORDS[r.type]
  local signed = r.type:sub(1, 1) == "s"
  local least, most = signed and -size / 2 or 0, signed and size / 2 - 1 or size - 1
  if not (n >= least and n <= most) then return nil end
  n = n % size
  if WORDS[r.type] == 1 then return { n } end
  return { math.floor(n / 65536), n % 65536 }
end

return map
