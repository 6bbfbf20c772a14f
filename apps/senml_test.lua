-- Run it from the top folder:
--   busted --lua=luajit -m 'tests/wire/?.lua' apps/senml_test.lua
local cjson = require "cjson"
local h = require "harness"
local reading = require "reading"

describe("apps/senml.lua", function()
  local s

  setup(function() s = reading.start "senml" end)
  teardown(h.stop_all)

  it("makes one record of a number, as a text frame", function()
    local text, opcode = reading.frame(s, "21.50")
    local pack = cjson.decode(text)
    assert.equal("text", opcode)
    assert.equal(1, #pack)
    assert.equal("dev/c", pack[1].bn)          -- RFC 8428 4.5.1: it starts with a letter or digit
    assert.equal(21.5, pack[1].v)
    assert.is_true(math.abs(pack[1].bt - os.time()) < 60)
  end)

  it("makes a record of each member of an object", function()
    local pack = cjson.decode((reading.frame(s, { b = true, a = 1, c = "x" })))
    assert.same({ "/a", "/b", "/c" }, { pack[1].n, pack[2].n, pack[3].n })
    assert.equal("dev/c", pack[1].bn)
    assert.same({ 1, true, "x" }, { pack[1].v, pack[2].vb, pack[3].vs })
  end)

  it("is application/senml+json over HTTP", function()
    local head, body = reading.posted(s, "senml", "7")
    assert.matches("^application/senml%+json", head["content-type"])
    assert.equal(7, cjson.decode(body)[1].v)
  end)
end)
