-- A Modbus TCP device to try modbus_tcp with: a room whose temperature (input register 0, 0.1 C)
-- follows its set point (holding register 10, 0.1 C), and an energy meter (input 2 and 3, Wh).
-- Run it:  moon2m run apps/modbus_tcp apps/modbus_tcp/simulator.lua
local cse = require "moon2m"
local cfg = cse.config { port = 1502 }
local state = cse.state { temperature = 185, setpoint = 210, energy = 65000 }

local function u16(n) return string.char(math.floor(n / 256) % 256, n % 256) end

local function registers(code)
  local energy = state.energy
  if code == 3 then return { [10] = state.setpoint } end
  return { [0] = state.temperature, [2] = math.floor(energy / 65536), [3] = energy % 65536 }
end

-- The answer to a PDU: function code, address, count, and what is written.
local function answer(pdu)
  local code, a, b, c, d, _, e, f = pdu:byte(1, 8)
  local at, count = (a or 0) * 256 + (b or 0), (c or 0) * 256 + (d or 0)
  if code == 16 and at == 10 and count == 1 then
    state.setpoint = e * 256 + f
    return pdu:sub(1, 5)
  end
  if code ~= 3 and code ~= 4 then return string.char(code + 128, 1) end
  if count < 1 or count > 125 then return string.char(code + 128, 3) end
  local there, words = registers(code), {}
  for i = 1, count do words[i] = u16(there[at + i - 1] or 0) end
  return string.char(code, 2 * count) .. table.concat(words)
end

cse.tcp({ listen = cfg.port }, function(conn)
  while true do
    local head = conn:read(7)
    if not head then return end
    local pdu = conn:read(head:byte(5) * 256 + head:byte(6) - 1)
    if not pdu then return end
    local out = answer(pdu)
    conn:write(head:sub(1, 4) .. u16(#out + 1) .. head:sub(7) .. out)
  end
end)

cse.every(1, function()
  local off = state.setpoint - state.temperature
  state.temperature = state.temperature + (off > 0 and 1 or off < 0 and -1 or 0)
  state.energy = state.energy + 500
end)
