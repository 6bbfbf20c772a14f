-- Run it from the top folder:
--   busted --lua=luajit -m 'tests/wire/?.lua' apps/compact_test.lua
local h = require "harness"
local reading = require "reading"

describe("apps/compact.lua", function()
  local s

  setup(function() s = reading.start "compact" end)
  teardown(h.stop_all)

  it("makes one line of a reading, the content as it was", function()
    local text, opcode, cin = reading.frame(s, "21.50")
    assert.equal("text", opcode)
    assert.equal(("/dev/c %s 21.50\n"):format(cin.ct), text)
  end)

  it("keeps to one line, whatever the content", function()
    local text = reading.frame(s, "two\nlines")
    assert.matches(" two lines\n$", text)
    text = reading.frame(s, { load = 0.5, cores = 2 })
    assert.matches(" cores=2 load=0.5\n$", text)
  end)

  it("is text/plain over HTTP", function()
    local head, body = reading.posted(s, "compact", "7")
    assert.matches("^text/plain", head["content-type"])
    assert.matches("^/dev/c %S+ 7\n$", body)
  end)
end)
