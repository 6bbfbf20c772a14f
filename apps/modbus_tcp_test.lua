-- moon2m test apps/modbus_tcp_test.lua
local t = require "moon2m.test"

local PLC = "127.0.0.1:1502"
local INPUT = "\4\0\0\0\4"                         -- read input registers 0 to 3
local HOLDING = "\3\0\10\0\1"                      -- read holding register 10
local VALUES = "\4\8\0\195\0\0\0\1\134\160"        -- 19.5 C, 100000 Wh
local SETPOINT = "\3\2\0\210"                      -- 21 C

local function host(config)
  local h = t.host { scripts = { "apps/modbus_tcp" }, config = { modbus_tcp = config or {} } }
  h:advance(0.1)
  return h
end

-- The PDU of the nth request, and a function that answers it.
local function request(h, n)
  local r = t.ok(h:sent(PLC)[n], "there is no request " .. n).data
  t.equal(r:sub(3, 4), "\0\0")
  t.equal(r:byte(5) * 256 + r:byte(6), #r - 6)
  return r:sub(8), function(pdu)
    h:bytes(PLC, r:sub(1, 4) .. string.char(0, #pdu + 1) .. r:sub(7, 7) .. pdu)
  end
end

local function answer(h, n, pdu) select(2, request(h, n))(pdu) end

t.test("registers beside each other are read at once, and become readings", function()
  local h = host()
  t.equal(request(h, 1), HOLDING)
  answer(h, 1, SETPOINT)
  t.equal(request(h, 2), INPUT)
  answer(h, 2, VALUES)
  t.equal(h:latest("/modbus/setpoint"), 21)
  t.equal(h:latest("/modbus/temperature"), 19.5)
  t.equal(h:latest("/modbus/energy"), 100)
  h:advance(2)
  answer(h, 3, SETPOINT)
  answer(h, 4, "\4\8\255\251\0\0\0\1\134\160")     -- -0.5 C, the same energy
  t.same(h:latest("/modbus/temperature", 9), { -0.5, 19.5 })
  t.same(h:latest("/modbus/energy", 9), { 100 })
end)

t.test("a command is written, in its turn", function()
  local h = host()
  t.ok(h:create("/modbus/setpoint/set", "-1.5"))
  t.equal(#h:sent(PLC), 1)                         -- the poll is under way
  answer(h, 1, SETPOINT)
  h:advance(0.1)
  local n = request(h, 2) == INPUT and 3 or 2
  if n == 3 then answer(h, 2, VALUES) end
  h:advance(0.1)
  t.equal(request(h, n), "\16\0\10\0\1\2\255\241")
  answer(h, n, "\16\0\10\0\1")
end)

t.test("what cannot be written is refused", function()
  local h = host()
  answer(h, 1, SETPOINT)
  t.match(t.refused(4000, h:create("/modbus/setpoint/set", "warm")).msg, "a number that fits")
  t.match(t.refused(4000, h:create("/modbus/setpoint/set", 4000)).msg, "a number that fits")
  t.is_nil(h:retrieve("/modbus/energy/set"))
end)

t.test("an exception of the device is told, the others are read", function()
  local h = host()
  answer(h, 1, "\131\2")
  t.equal(#h:logged("holding registers from 10: illegal data address"), 1)
  answer(h, 2, VALUES)
  t.equal(h:latest("/modbus/temperature"), 19.5)
end)

t.test("a device that does not answer, or not in Modbus, is connected again", function()
  local h = host()
  h:advance(3)
  t.equal(#h:logged("holding registers from 10: .*nothing came in 3 s"), 1)
  h:advance(3)
  t.equal(#h:logged("connected$"), 2)
  h:bytes(PLC, "HTTP/1.1 400 Bad Request\r\n")
  t.equal(#h:logged("that is no Modbus"), 1)
end)

t.test("a command that does not reach the device is kept", function()
  local h = host()
  h:offline(PLC, "Connection refused")
  h:hangup(PLC)
  t.ok(h:create("/modbus/setpoint/set", "20"))
  h:advance(1)
  h:expect_error "the device is not connected"
  t.equal(h:parked("modbus_tcp"), 1)
end)

t.test("a register map that is wrong is told at load", function()
  local err = t.raises(function()
    host { registers = { x = { at = 1, type = "u64" } } }
  end)
  t.match(err, "registers.x: type: u16, s16, u32, s32 or f32 was expected")
end)

t.test("floats, and numbers of two words", function()
  local h = host { registers = {
    f = { at = 0, type = "f32", write = true }, u = { at = 2, type = "u32", write = true },
    s = { at = 4, type = "s32" } } }
  answer(h, 1, "\3\12\64\73\15\219\0\1\0\0\255\255\255\254")
  t.equal(("%.6f"):format(h:latest("/modbus/f")), "3.141593")
  t.equal(h:latest("/modbus/u"), 65536)
  t.equal(h:latest("/modbus/s"), -2)
  h:create("/modbus/f/set", -0.15625)
  t.equal(request(h, 2), "\16\0\0\0\2\4\190\32\0\0")
  answer(h, 2, "\16\0\0\0\2")
  h:create("/modbus/u/set", 70000)
  t.equal(request(h, 3), "\16\0\2\0\2\4\0\1\17\112")
  answer(h, 3, "\16\0\2\0\2")
end)
