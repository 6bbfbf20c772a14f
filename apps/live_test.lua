-- moon2m test apps/live_test.lua
local t = require "moon2m.test"

t.test("the page and what it shows first", function()
  local h = t.host { scripts = { "apps/live.lua" } }
  local page = t.ok(h:page("/live"))
  t.equal(page.type, "text/html; charset=utf-8")
  t.match(page.body, "^<!doctype html>")
  t.equal(h:page("/live.json").type, "application/json")
  t.same(h:page("/live.json").body, { show = { "host/load", "host/memory", "host/network" },
    button = "Show this host's load" })
end)

t.test("the operator says what is shown", function()
  local h = t.host { scripts = { "apps/live.lua" },
    config = { live = { show = { "plant/a" }, button = "Go" } } }
  t.same(h:page("/live.json").body, { show = { "plant/a" }, button = "Go" })
end)
