-- Reads an electricity meter through its optical or serial port (IEC 62056-21, modes C and D): it
-- is asked for its registers, each that has a name here becomes a reading.
-- Run it:  moon2m run -c meter.conf apps/serial_meter.lua        with meter.conf, for example
--          scripts = { serial_meter = { device = "/dev/ttyUSB0", baud = 300, period = 60 } }
-- Without a meter, device = "/tmp/meter" and a pair of terminals:
--          socat pty,raw,echo=0,link=/tmp/meter pty,raw,echo=0,link=/tmp/far &
--          cat /tmp/far &                          shows the "/?!" that asks, after a period
--          printf '/MOO5demo\r\n\0021.8.0(001234.5*kWh)\r\n!\r\n\003{' >/tmp/far
--          . apps/try.sh; cse_get /meter/energy/la
local cse = require "moon2m"

local cfg = cse.config {
  device = "/dev/ttyUSB0", baud = 300, period = 60, base = "/meter",
  ask = true,                             -- false: the meter sends by itself (mode D)
  registers = { ["1.8.0"] = "energy", ["2.8.0"] = "export", ["16.7.0"] = "power" },
}
local state = cse.state { text = "", greeted = false }
local MOST = 16384                        -- bytes of a readout

local function check_sum(text)
  local sum = 0
  for i = 1, #text do sum = bit.bxor(sum, text:byte(i)) end
  return sum
end

-- "1-0:1.8.0*255(001234.5*kWh)"
local function store(body)
  for id, value, unit in body:gmatch("([%d.]+)[*&]?%d*%(([%d.+-]+)%*?([^()]*)%)") do
    local name, number = cfg.registers[id], tonumber(value)
    if name and number then
      local path = cfg.base .. "/" .. name
      assert(cse.ensure(path, "container", { mni = 1000, lbl = { "unit:" .. unit } }))
      assert(cse.add(path, number))
    end
  end
end

-- The first complete readout in the text, and what is behind it; nil: there is none yet.  Mode C:
-- STX, lines, "!" CR LF ETX and a check sum; mode D: "/IDENT" CR LF, lines, "!" CR LF.
local function cut(text)
  if not cfg.ask then return text:match("/[^\r\n]+\r\n(.-)!\r\n(.*)$") end
  local body, sum, rest = text:match("\2([^\3]*\3)(.)(.*)$")
  if not body then return nil end
  if sum:byte() == check_sum(body) then return body, rest end
  cse.log.warn("a readout with errors")
  return "", rest
end

local meter = cse.serial(cfg.device, { baud = cfg.baud, bits = 7, parity = "even" },
  function(bytes, port)
    state.text = state.text .. bytes
    local body, rest = cut(state.text)
    if body then
      state.text, state.greeted = rest, false
      return store(body)
    end
    if cfg.ask and not state.greeted and state.text:find("/[^\r\n]+\r\n$") then
      state.greeted = true
      port:write("\0060" .. "00\r\n")       -- send it all, at the speed we have
    end
    if #state.text > MOST then
      state.text = ""
      cse.log.warn("%s sends something else than a readout", cfg.device)
    end
  end)

if cfg.ask then
  cse.every(cfg.period, function()
    state.text, state.greeted = "", false
    local ok, err = meter:write("/?!\r\n")
    if not ok then cse.log.warn("%s is not asked: %s", cfg.device, err.msg) end
  end)
end
