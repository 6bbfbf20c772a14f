-- The short form of `make fuzz-rules`: broken texts for what reads addresses, filters, times and
-- representations in Lua.

describe("broken texts", function()
  it("raise no error, and what is accepted is written as it was read", function()
    local bin = os.getenv("MOON2M") or "build/moon2m"
    local p = io.popen(bin .. " lua --lua lua tests/fuzz/rules.lua all 5000 7 2>&1")
    local out = p:read("*a")
    p:close()
    local _, targets = out:gsub("no fault", "")
    assert.same(4, targets, out)
  end)

  it("keep a time before 1970 as it is", function()
    local sys = require "moon2m.core.sys"
    assert.same("10240101T000000", sys.stamp(sys.parse_stamp("10240101T000000")))
    assert.has_error(function() sys.stamp(-1e18) end)
  end)
end)
