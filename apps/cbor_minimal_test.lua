-- Run it from the top folder:
--   busted --lua=luajit -m 'tests/wire/?.lua' apps/cbor_minimal_test.lua
local h = require "harness"
local reading = require "reading"

describe("apps/cbor_minimal.lua", function()
  local s

  setup(function() s = reading.start "cbor_minimal" end)
  teardown(h.stop_all)

  it("makes a binary frame: the array of path, seconds and value", function()
    local bytes, opcode = reading.frame(s, "21")
    assert.equal("binary", opcode)
    -- RFC 8949: array of 3, text of 6 bytes, a number of 4 or 8 bytes, unsigned 21
    assert.equal("\131\102/dev/c", bytes:sub(1, 8))
    assert.equal("\21", bytes:sub(-1))
    assert.is_true(#bytes <= 8 + 9 + 1)
  end)

  it("keeps text and objects", function()
    assert.equal("\98ok", (reading.frame(s, "ok")):sub(-3))
    assert.equal("\161\97a\1", (reading.frame(s, { a = 1 })):sub(-4))
  end)

  it("is application/cbor over HTTP", function()
    local head, body = reading.posted(s, "cbor_minimal", "7")
    assert.matches("^application/cbor", head["content-type"])
    assert.equal("\7", body:sub(-1))
  end)
end)
