-- moon2m test apps/compact_test.lua
local t = require "moon2m.test"

local function host()
  return t.host { scripts = { "apps/compact.lua" }, tree = {
    ["/dev"] = { ty = "ae" },
    ["/dev/c"] = { ty = "container" },
    ["/dev/c/s"] = { ty = "subscription", nu = { "Cdev" }, enc = { net = { 3, 4 } },
      lbl = { "format:compact" } },
  } }
end

-- The line that a reading makes.
local function line(h, con)
  h:create("/dev/c", con)
  local bodies, about = h:notifications("Cdev")
  t.equal(about[#about].type, "text/plain")
  t.equal(about[#about].binary, false)
  return bodies[#bodies]
end

t.test("one line of a reading, the content as it was", function()
  local h = host()
  local text = line(h, "21.50")
  local cin = t.ok(h:retrieve("/dev/c/la"))
  t.equal(text, ("/dev/c %s 21.50\n"):format(cin.ct))
end)

t.test("one line, whatever the content", function()
  local h = host()
  t.match(line(h, "two\nlines"), " two lines\n$")
  t.match(line(h, { load = 0.5, cores = 2 }), " cores=2 load=0.5\n$")
end)
