-- moon2m test apps/mqtt_bridge_test.lua
local t = require "moon2m.test"

local BROKER = "127.0.0.1:1883"

local function host(config)
  local h = t.host { scripts = { "apps/mqtt_bridge.lua" },
    config = { mqtt_bridge = config or {} } }
  h:advance(0.1)
  return h
end

t.test("a message becomes a reading, and is not sent back", function()
  local h = host()
  t.equal(h:message(BROKER, "plant/pump1/temp", "20.5"), 1)
  t.equal(h:latest("/mqtt/plant/pump1/temp"), "20.5")
  t.same(t.ok(h:retrieve("/mqtt/plant/pump1/temp/la")).lbl, { "from:mqtt" })
  t.equal(h:message(BROKER, "other/pump1", "1"), 0)
  t.equal(#h:sent(BROKER), 0)
end)

t.test("a reading becomes a message, whose echo is no reading", function()
  local h = host()
  h:message(BROKER, "plant/a", "1")
  h:create("/mqtt/plant/a", "2")
  h:create("/mqtt/plant/a", { v = 3 })
  t.same(h:sent(BROKER), {
    { topic = "plant/a", data = "2", qos = 1, retain = false },
    { topic = "plant/a", data = '{"v":3}', qos = 1, retain = false } })
  h:message(BROKER, "plant/a", "2")
  h:message(BROKER, "plant/a", '{"v":3}')
  t.equal(t.ok(h:retrieve("/mqtt/plant/a")).cni, 3)
  h:message(BROKER, "plant/a", "2")               -- somebody else says the same
  t.equal(t.ok(h:retrieve("/mqtt/plant/a")).cni, 4)
  t.equal(#h:sent(BROKER), 2)
end)

t.test("echoes that do not come are forgotten", function()
  local h = host()
  h:message(BROKER, "plant/a", "1")
  h:create("/mqtt/plant/a", "2")
  h:advance(61)
  h:message(BROKER, "plant/a", "2")
  t.equal(t.ok(h:retrieve("/mqtt/plant/a")).cni, 3)
end)

t.test("a retained message that is known already is no new reading", function()
  local h = host()
  h:message(BROKER, "plant/a", "1", { retain = true })
  h:message(BROKER, "plant/a", "1", { retain = true })
  h:message(BROKER, "plant/a", "1")
  t.equal(t.ok(h:retrieve("/mqtt/plant/a")).cni, 2)
end)

t.test("a topic that cannot be a path is told", function()
  local h = host()
  h:message(BROKER, "plant/a b", "1")
  t.equal(#h:logged("topic plant/a b is not mirrored: .*space"), 1)
end)

t.test("while the broker is away, readings wait and leave with the next connection", function()
  local h = host()
  h:message(BROKER, "plant/a", "1")
  h:hangup(BROKER)
  h:create("/mqtt/plant/a", "2")
  t.equal(#h:sent(BROKER), 0)
  h:advance(5)
  t.equal(h:sent(BROKER)[1].data, "2")
end)
