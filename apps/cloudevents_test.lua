-- moon2m test apps/cloudevents_test.lua
local t = require "moon2m.test"

local function host()
  return t.host { scripts = { "apps/cloudevents.lua" }, tree = {
    ["/dev"] = { ty = "ae" },
    ["/dev/c"] = { ty = "container" },
    ["/dev/c/s"] = { ty = "subscription", nu = { "Cdev" }, enc = { net = { 3, 4 } },
      lbl = { "format:cloudevents" } },
  }, now = 1767258000 }                           -- 2026-01-01 09:00 UTC
end

t.test("a structured event with every required attribute", function()
  local h = host()
  local cin = t.ok(h:create("/dev/c", "21.50"))
  local bodies, about = h:notifications("Cdev")
  t.same(bodies[1], {
    specversion = "1.0", id = "1767258000000000.create", source = "/dev/c",
    type = "org.onem2m.resource.create", subject = cin.rn, time = "2026-01-01T09:00:00.000000Z",
    datacontenttype = "application/json", data = cin,
  })
  t.equal(about[1].type, "application/cloudevents+json")
end)

t.test("an id of its own for each event, deletions too", function()
  local h = host()
  h:create("/dev/c", "1")
  t.ok(h:delete("/dev/c/la"))
  local bodies = h:notifications("Cdev")
  t.match(bodies[2], '"org.onem2m.resource.delete"')
  local first, second = bodies[1]:match('"id":"([^"]+)"'), bodies[2]:match('"id":"([^"]+)"')
  t.ok(first ~= second, "two events have the id " .. first)
end)
