-- moon2m test apps/serial_meter_test.lua
local t = require "moon2m.test"

local DEVICE = "/dev/ttyUSB0"
local BODY = "0.0.0(00339226)\r\n1.8.0(001234.5*kWh)\r\n1-0:16.7.0*255(-0.25*kW)\r\n!\r\n\3"

local function host(config)
  return t.host { scripts = { "apps/serial_meter.lua" }, config = { serial_meter = config or {} } }
end

local function sum(text)
  local n = 0
  for i = 1, #text do n = bit.bxor(n, text:byte(i)) end
  return string.char(n)
end

t.test("the meter is asked, answered, and its registers are stored with their units", function()
  local h = host()
  h:advance(60)
  t.same(h:sent(DEVICE), { { data = "/?!\r\n" } })
  h:bytes(DEVICE, "/ISK5MT382")
  t.equal(#h:sent(DEVICE), 1)
  h:bytes(DEVICE, "-1000\r\n")
  t.equal(h:sent(DEVICE)[2].data, "\006000\r\n")
  h:bytes(DEVICE, "\2" .. BODY:sub(1, 40))
  t.is_nil(h:latest("/meter/energy"))
  h:bytes(DEVICE, BODY:sub(41))
  h:bytes(DEVICE, sum(BODY))
  t.equal(h:latest("/meter/energy"), 1234.5)
  t.equal(h:latest("/meter/power"), -0.25)
  t.same(t.ok(h:retrieve("/meter/energy")).lbl, { "unit:kWh" })
  t.same(h:children("/meter"), { "energy", "power" })
  h:advance(60)
  t.equal(h:sent(DEVICE)[3].data, "/?!\r\n")
end)

t.test("a readout with a wrong check sum is thrown away, the next one counts", function()
  local h = host()
  h:bytes(DEVICE, "\2" .. BODY .. "x")
  t.equal(#h:logged("a readout with errors"), 1)
  t.is_nil(h:latest("/meter/energy"))
  h:bytes(DEVICE, "\2" .. BODY .. sum(BODY))
  t.equal(h:latest("/meter/energy"), 1234.5)
end)

t.test("half a readout survives a reload", function()
  local h = host()
  h:bytes(DEVICE, "\2" .. BODY:sub(1, 30))
  t.ok(h:reload("serial_meter"))
  h:bytes(DEVICE, BODY:sub(31) .. sum(BODY))
  t.equal(h:latest("/meter/energy"), 1234.5)
end)

t.test("a meter that sends by itself is not asked", function()
  local h = host { ask = false, registers = { ["1.8.1"] = "day" } }
  h:advance(120)
  h:bytes(DEVICE, "/ESY5Q3D\r\n\r\n1-0:1.8.1*255(00002.75*kWh)\r\n1-0:1.8.0*255(3*kWh)\r\n!\r\n/ES")
  t.equal(h:latest("/meter/day"), 2.75)
  t.same(h:children("/meter"), { "day" })
  t.equal(#h:sent(DEVICE), 0)
end)

t.test("a device that is away is told, noise does not fill the memory", function()
  local h = host()
  h:bytes(DEVICE, ("x"):rep(20000))
  t.equal(#h:logged("something else than a readout"), 1)
  h:offline(DEVICE, "No such file or directory")
  h:hangup(DEVICE)
  h:advance(60)
  t.equal(#h:logged("is not asked: the device is not open"), 1)
end)
