-- moon2m test apps/udp_plant_test.lua
local t = require "moon2m.test"

t.test("a datagram becomes two readings", function()
  local h = t.host { scripts = { "apps/udp_plant.lua" } }
  h:datagram(5700, "pump1,20.5,41", "10.0.0.7:900")
  t.equal(tostring(h:latest("/plant/pump1/temp")), "20.5")
  t.equal(tostring(h:latest("/plant/pump1/humidity")), "41")
  h:datagram(5700, "pump1,-3,41", "10.0.0.7:900")
  t.equal(tostring(h:latest("/plant/pump1/temp")), "-3")
end)

t.test("gateway polls on time", function()
  local h = t.host { scripts = { "apps/udp_plant.lua" } }
  h:datagram(5700, "pump1,20.5,41", "10.0.0.7:900")
  h:advance(30)                                   -- fake clock
  t.equal(h:sent(5700)[1].data, "poll")
  t.equal(h:sent(5700)[1].to, "10.0.0.7:900")
end)

t.test("a command is sent to the device's last address, also after a reload", function()
  local h = t.host { scripts = { "apps/udp_plant.lua" },
                     tree = { ["/plant/pump1/cmd"] = { ty = "container" } } }
  h:datagram(5700, "pump1,20.5,41", "10.0.0.7:900")
  h:datagram(5700, "pump1,20.5,41", "10.0.0.8:901")
  t.ok(h:reload("udp_plant"))
  h:create("/plant/pump1/cmd", "open")
  t.same(h:sent(5700), { { to = "10.0.0.8:901", data = "open" } })
end)

t.test("a command for an unknown device is kept until it has an address", function()
  local h = t.host { scripts = { "apps/udp_plant.lua" },
                     tree = { ["/plant/pump2/cmd"] = { ty = "container" } } }
  h:create("/plant/pump2/cmd", "open")
  h:expect_error("no address yet for device pump2")
  t.equal(#h:sent(5700), 0)
end)

t.test("what is no reading is logged", function()
  local h = t.host { scripts = { "apps/udp_plant.lua" } }
  h:datagram(5700, "nonsense", "10.0.0.7:900")
  t.ok(h:logged('bad datagram from 10.0.0.7:900: "nonsense"'))
end)
