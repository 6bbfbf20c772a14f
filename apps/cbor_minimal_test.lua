-- moon2m test apps/cbor_minimal_test.lua
local t = require "moon2m.test"

local function host()
  return t.host { scripts = { "apps/cbor_minimal.lua" }, tree = {
    ["/dev"] = { ty = "ae" },
    ["/dev/c"] = { ty = "container" },
    ["/dev/c/s"] = { ty = "subscription", nu = { "Cdev" }, enc = { net = { 3, 4 } },
      lbl = { "format:cbor_minimal" } },
  } }
end

-- The bytes that a reading makes.
local function frame(h, con)
  h:create("/dev/c", con)
  local bodies, about = h:notifications("Cdev")
  t.equal(about[#about].type, "application/cbor")
  t.equal(about[#about].binary, true)
  return bodies[#bodies]
end

t.test("a binary frame: the array of path, seconds and value", function()
  local bytes = frame(host(), "21")
  -- RFC 8949: array of 3, text of 6 bytes, a number of 4 or 8 bytes, unsigned 21
  t.equal(bytes:sub(1, 8), "\131\102/dev/c")
  t.equal(bytes:sub(-1), "\21")
  t.ok(#bytes <= 8 + 9 + 1, "some bytes too many")
end)

t.test("text and objects stay what they are", function()
  local h = host()
  t.equal(frame(h, "ok"):sub(-3), "\98ok")
  t.equal(frame(h, { a = 1 }):sub(-4), "\161\97a\1")
end)
