-- moon2m test apps/senml_test.lua
local t = require "moon2m.test"

local function host()
  return t.host { scripts = { "apps/senml.lua" }, tree = {
    ["/dev"] = { ty = "ae" },
    ["/dev/c"] = { ty = "container" },
    ["/dev/c/s"] = { ty = "subscription", nu = { "Cdev" }, enc = { net = { 3, 4 } },
      lbl = { "format:senml" } },
  } }
end

t.test("one record of a number, as text", function()
  local h = host()
  h:create("/dev/c", "21.50")
  local bodies, about = h:notifications("Cdev")
  -- RFC 8428 4.5.1: a base name starts with a letter or a digit
  t.same(bodies[1], { { bn = "dev/c", bt = h:now(), v = 21.5 } })
  t.equal(about[1].type, "application/senml+json")
  t.equal(about[1].frame, "raw")
  t.equal(about[1].binary, false)
end)

t.test("a record of each member of an object", function()
  local h = host()
  h:create("/dev/c", { b = true, a = 1, c = "x" })
  t.same(h:notifications("/dev/c/s")[1], {
    { bn = "dev/c", bt = h:now(), n = "/a", v = 1 },
    { n = "/b", vb = true },
    { n = "/c", vs = "x" },
  })
end)

t.test("nothing of an event that is no reading", function()
  local h = host()
  h:create("/dev/c", {})
  h:create("/dev/c", "container", { rn = "inner" })
  t.same(h:notifications(), {})
end)
