-- moon2m test apps/stats_test.lua
local t = require "moon2m.test"

t.test("stats keeps min, max and average beside the container", function()
  local h = t.host { scripts = { "apps/stats.lua" }, config = { stats = { window = 2 } },
                     tree = { ["/home/kitchen/temp"] = { ty = "container" } } }
  h:create("/home/kitchen/temp", "20")
  h:create("/home/kitchen/temp", "30")
  h:create("/home/kitchen/temp", "10")           -- the first reading falls out of the window
  t.same(h:latest("/home/kitchen/temp-stats"), { min = 10, max = 30, avg = 20, n = 2 })
end)

t.test("a virtual resource computes the same when it is read", function()
  local h = t.host { scripts = { "apps/stats.lua" },
                     tree = { ["/home/kitchen/temp"] = { ty = "container" } } }
  t.refused(4004, h:retrieve("/home/kitchen/temp/stats"))
  for _, v in ipairs { "20", "30", "no number", "10" } do h:create("/home/kitchen/temp", v) end
  t.same(t.ok(h:retrieve("/home/kitchen/temp/stats")).con,
    { min = 10, max = 30, avg = 20, n = 3 })
  t.refused(4004, h:retrieve("/home/cellar/temp/stats"))
end)

t.test("24 summaries are kept", function()
  local h = t.host { scripts = { "apps/stats.lua" },
                     tree = { ["/home/kitchen/temp"] = { ty = "container" } } }
  for i = 1, 30 do h:create("/home/kitchen/temp", tostring(i)) end
  t.equal(t.ok(h:retrieve("/home/kitchen/temp-stats")).cni, 24)
  t.same(h:latest("/home/kitchen/temp-stats"), { min = 1, max = 30, avg = 15.5, n = 30 })
end)

t.test("what is created before the first reading, as a subscription, is no failure", function()
  local h = t.host { scripts = { "apps/stats.lua" },
                     tree = { ["/home/kitchen/temp"] = { ty = "container" } } }
  t.ok(h:create("/home/kitchen/temp", "subscription", { rn = "s", nu = { h:url("log") } }))
  h:create("/home/kitchen/temp", "20")
  t.same(h:latest("/home/kitchen/temp-stats"), { min = 20, max = 20, avg = 20, n = 1 })
end)
