-- moon2m test apps/home_gateway_test.lua
local t = require "moon2m.test"

local function host(more)
  local o = { scripts = { "apps/home_gateway.lua" },
    tree = { ["/resident"] = { ty = "ae" }, ["/guest"] = { ty = "ae" } } }
  for k, v in pairs(more or {}) do o[k] = v end
  local h = t.host(o)
  h:datagram(5701, "kitchen,19.5,46\n", "10.0.0.7:900")
  return h
end

t.test("a room's readings, and today's extremes beside them", function()
  local h = host()
  h:datagram(5701, "kitchen,22,44", "10.0.0.7:900")
  t.equal(h:latest("/home/kitchen/temp"), 22)
  t.equal(h:latest("/home/kitchen/humidity"), 44)
  local today = os.date("%Y-%m-%d", h:now())
  t.same(h:latest("/home/kitchen/temp-today"), { day = today, min = 19.5, max = 22 })
  h:advance(86400)
  h:datagram(5701, "kitchen,18,44", "10.0.0.7:900")
  t.equal(h:latest("/home/kitchen/temp-today").max, 18)
  h:datagram(5701, "hello", "10.0.0.8:1")
  t.equal(#h:logged('10.0.0.8:1: no reading: "hello"'), 1)
end)

t.test("a target is sent to the room, if it is one", function()
  local h = host()
  t.ok(h:create("/home/kitchen/target", 22))
  t.same(h:sent(5701), { { to = "10.0.0.7:900", data = "heat 22" } })
  t.match(t.refused(4000, h:create("/home/kitchen/target", 50)).msg, "from 5 to 30")
  t.same(h:retrieve("/home/summary").con, { kitchen = { temp = 19.5, target = 22 } })
end)

t.test("set points follow the time of day", function()
  local h = host { now = os.time { year = 2026, month = 1, day = 5, hour = 21 } }
  h:advance(3600)
  t.equal(h:latest("/home/kitchen/target"), 17)
  h:advance(8.5 * 3600)
  t.equal(h:latest("/home/kitchen/target"), 21)
  t.equal(h:sent(5701)[2].data, "heat 21")
end)

t.test("residents read and set targets, nobody else", function()
  local h = host()
  local resident, guest = h:as("Cresident"), h:as("Cguest")
  t.equal(resident:latest("/home/kitchen/temp"), 19.5)
  t.ok(resident:create("/home/kitchen/target", 20))
  t.match(t.refused(4103, resident:create("/home/kitchen/temp", 99)).msg, "residents read")
  t.refused(4103, resident:delete("/home/kitchen"))
  t.refused(4103, guest:latest("/home/kitchen/temp"))
end)

t.test("a display gets lines", function()
  local h = host()
  t.ok(h:as("Cresident"):create("/home/kitchen/temp", "subscription", { nu = { "Cresident" },
    enc = { net = { 3 } }, lbl = { "format:home" } }))
  h:datagram(5701, "kitchen,20.25,46", "10.0.0.7:900")
  t.same(h:notifications("Cresident"), { "kitchen temp 20.25" })
end)

t.test("rooms are known after a reload", function()
  local h = host()
  t.ok(h:reload("home_gateway"))
  h:create("/home/kitchen/target", 20)
  t.equal(h:sent(5701)[1].data, "heat 20")
end)
