-- The example gateways against devices that are not ours: UDP sockets, a terminal of socat,
-- Debian's mosquitto and its clients, a Modbus device in Node.

local cjson = require "cjson"
local d = require "devices"
local h = require "harness"
local expect, sh = h.expect, h.sh

describe("example gateways", function()
  local dir
  setup(function() dir = h.directory() end)
  teardown(function()
    h.stop_all()
    d.stop_all()
    h.sh("rm -rf %s", dir)
  end)

  -- The newest content of a container, when there is one.
  local function latest(s, path)
    local a = s:retrieve(path .. "/la", "CAdmin")
    return a.rsc == 2000 and expect(2000, a).con
  end

  local function shows(s, path, value, seconds)
    local last
    local ok = pcall(h.wait, path, function()
      last = latest(s, path)
      return last == value
    end, seconds or 15)
    if not ok then
      error(("%s: %s instead of %s\n%s"):format(path, tostring(last), tostring(value), s:text()), 2)
    end
  end

  local function reload(s, name)
    local out, rc = sh("%s reload --data %s %s", h.bin, s.data, name)
    assert.equal(0, rc, out)
  end

  it("udp_plant.lua: readings, polls, and commands to the last address", function()
    local port = d.free_udp_port()
    local s = h.start { apps = { "apps/udp_plant.lua" },
      config = ("scripts = { udp_plant = { port = %d, poll = 0.2 } }"):format(port) }
    local pump = d.udp(port)
    pump.send "pump1,20.5,41"
    shows(s, "/moon/plant/pump1/temp", "20.5")
    shows(s, "/moon/plant/pump1/humidity", "41")
    assert.equal("poll", pump.receive())
    reload(s, "udp_plant")
    expect(2001, s:create("/moon/plant/pump1", "CAdmin", 3, { rn = "cmd" }))
    s:add("/moon/plant/pump1/cmd", "CAdmin", "open")
    h.wait("the command", function() return pump.receive(5) == "open" end)
    pump.send "nonsense"
    d.logs(s, 'bad datagram from ' .. pump.address() .. ': "nonsense"')
    assert.not_matches(" error ", s:text())
  end)

  it("serial_meter.lua: the dialogue of a meter, over a terminal", function()
    local tty = d.terminal(dir)
    local s = h.start { apps = { "apps/serial_meter.lua" },
      config = ("scripts = { serial_meter = { device = %q, period = 0.5 } }"):format(tty.device) }
    d.logs(s, "serial " .. tty.device .. ": open")
    assert.equal("/?!\r", tty.line())
    tty.write "/ISK5MT382-1000\r\n"
    h.wait("the acknowledgement", function() return tty.line() == "\006000\r" end)
    local body = "1.8.0(001234.5*kWh)\r\n16.7.0(0.250*kW)\r\n!\r\n\3"
    local sum = 0
    for i = 1, #body do sum = require("bit").bxor(sum, body:byte(i)) end
    tty.write("\2" .. body .. string.char(sum))
    shows(s, "/moon/meter/energy", 1234.5)
    shows(s, "/moon/meter/power", 0.25)
    assert.same({ "unit:kWh" }, expect(2000, s:retrieve("/moon/meter/energy", "CAdmin")).lbl)
    assert.not_matches(" error ", s:text())
  end)

  it("mqtt_bridge.lua: both ways between two servers and a broker, without loops", function()
    local broker = d.broker(dir)
    local config = ("scripts = { mqtt_bridge = { port = %d } }"):format(broker.port)
    local one = h.start { apps = { "apps/mqtt_bridge.lua" }, config = config }
    local two = h.start { apps = { "apps/mqtt_bridge.lua" }, config = config }
    local file = dir .. "/messages"
    d.spawn("sh -c 'exec mosquitto_sub -p %d -v -t plant/# >%s'", broker.port, file)
    for _, s in ipairs { one, two } do
      h.wait("a connection", function() return s:text():find(": connected", 1, true) end)
    end
    local function pub(more) return sh("mosquitto_pub -p %d %s", broker.port, more) end
    h.wait("the subscriptions", function()
      pub "-t plant/begin -m x -r"
      return latest(one, "/moon/mqtt/plant/begin") and latest(two, "/moon/mqtt/plant/begin") and
        h.read_file(file):find("plant/begin x", 1, true)
    end)
    pub "-t plant/pump1/temp -m 20.5"
    shows(one, "/moon/mqtt/plant/pump1/temp", "20.5")
    shows(two, "/moon/mqtt/plant/pump1/temp", "20.5")
    one:add("/moon/mqtt/plant/pump1/temp", "CAdmin", "21")
    shows(two, "/moon/mqtt/plant/pump1/temp", "21")
    two:add("/moon/mqtt/plant/pump1/temp", "CAdmin", { v = 22 })
    h.wait("an object", function()
      local con = latest(one, "/moon/mqtt/plant/pump1/temp")
      return type(con) == "string" and con:find("22", 1, true) and cjson.decode(con).v == 22
    end)
    for i = 1, 50 do one:add("/moon/mqtt/plant/pump1/temp", "CAdmin", "n" .. i) end
    shows(two, "/moon/mqtt/plant/pump1/temp", "n50")
    h.sleep(0.5)                                  -- a loop would go on now
    for _, s in ipairs { one, two } do
      assert.equal(53, expect(2000, s:retrieve("/moon/mqtt/plant/pump1/temp", "CAdmin")).cni)
      assert.not_matches(" error ", s:text())
    end
    local _, n = h.read_file(file):gsub("plant/pump1/temp ", "")
    assert.equal(53, n)
  end)

  it("modbus_tcp: registers of a device, commands, an outage, a reload", function()
    local port = h.free_port()
    local out, input = dir .. "/modbus.out", dir .. "/modbus.in"
    sh("mkfifo %s", input)
    local function device()
      return d.spawn("sh -c 'exec node tests/wire/modbus_device.js %d <>%s >%s'", port, input, out)
    end
    local function set(text) sh("echo %s >%s", text, input) end
    local function says(text)
      h.wait(text, function() return h.read_file(out):find(text, 1, true) end)
    end
    local pid = device()
    says "ready"
    set "input 0 195"
    set "input 3 50000"
    local s = h.start { apps = { "apps/modbus_tcp" },
      config = ("scripts = { modbus_tcp = { port = %d, poll = 0.1 } }"):format(port) }
    shows(s, "/moon/modbus/temperature", 19.5)
    shows(s, "/moon/modbus/energy", 50)
    set "input 0 65535"
    shows(s, "/moon/modbus/temperature", -0.1)
    s:add("/moon/modbus/setpoint/set", "CAdmin", "-1.5")
    says "write 10 65521"
    shows(s, "/moon/modbus/setpoint", -1.5)
    expect(4000, s:create("/moon/modbus/setpoint/set", "CAdmin", 4, { con = "warm" }),
      "a number that fits was expected")
    d.kill(pid)
    h.wait("the device to be missed", function() return s:text():find("refused", 1, true) end)
    s:add("/moon/modbus/setpoint/set", "CAdmin", "30")
    s:logs "the device is not connected"
    device()
    says "ready"
    set "input 0 200"
    shows(s, "/moon/modbus/temperature", 20)
    local text, rc = sh("%s replay --data %s modbus_tcp", h.bin, s.data)
    assert.equal(0, rc, text)
    says "write 10 300"
    reload(s, "modbus_tcp")
    set "input 0 210"
    shows(s, "/moon/modbus/temperature", 21)
    s:add("/moon/modbus/setpoint/set", "CAdmin", "25")
    says "write 10 250"
  end)

  it("modbus_tcp with its own simulator, its test beside the folder", function()
    local port = h.free_port()
    local s = h.start { apps = { "apps/modbus_tcp", "apps/modbus_tcp/simulator.lua" },
      config = ([[
        scripts = { modbus_tcp = { port = %d, poll = 0.2 }, simulator = { port = %d } }
        reload = { modbus_tcp = "tested" }
      ]]):format(port, port) }
    local out, rc = sh("%s reload --data %s modbus_tcp", h.bin, s.data)
    assert.equal(0, rc, out)
    assert.matches("^modbus_tcp/init.lua reloaded: 4 rules", out)
    shows(s, "/moon/modbus/setpoint", 21)
    s:add("/moon/modbus/setpoint/set", "CAdmin", "19.5")
    shows(s, "/moon/modbus/setpoint", 19.5)
    h.wait("the temperature", function()
      return (latest(s, "/moon/modbus/temperature") or 0) > 18.5
    end)
    assert.not_matches(" error ", s:text())
  end)

  it("home_gateway.lua: a room, its target, its summary", function()
    local port = d.free_udp_port()
    local s = h.start { apps = { "apps/home_gateway.lua" },
      config = ("scripts = { home_gateway = { port = %d } }"):format(port) }
    local room = d.udp(port)
    room.send "kitchen,19.5,46\n"
    shows(s, "/moon/home/kitchen/temp", 19.5)
    s:add("/moon/home/kitchen/target", "CAdmin", "22")
    assert.equal("heat 22", room.receive())
    h.wait("the extremes", function() return latest(s, "/moon/home/kitchen/temp-today") end)
    local con = expect(2000, s:retrieve("/moon/home/summary", "CAdmin")).con
    assert.equal(19.5, (type(con) == "string" and cjson.decode(con) or con).kitchen.temp)
    assert.not_matches(" error ", s:text())
  end)
end)
