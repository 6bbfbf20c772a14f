-- Run it from the top folder:
--   busted --lua=luajit -m 'tests/wire/?.lua' apps/cloudevents_test.lua
local cjson = require "cjson"
local h = require "harness"
local reading = require "reading"

describe("apps/cloudevents.lua", function()
  local s

  setup(function() s = reading.start "cloudevents" end)
  teardown(h.stop_all)

  it("makes a structured event with every required attribute", function()
    local text, opcode, cin = reading.frame(s, "21.50")
    local e = cjson.decode(text)
    assert.equal("text", opcode)
    assert.equal("1.0", e.specversion)
    assert.equal("/dev/c", e.source)
    assert.equal("org.onem2m.resource.create", e.type)
    assert.equal(cin.rn, e.subject)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d%d%d%dZ$", e.time)
    assert.equal("application/json", e.datacontenttype)
    assert.equal("21.50", e.data.con)
  end)

  it("gives each event an id of its own, deletions too", function()
    local first = cjson.decode((reading.frame(s, "1")))
    h.expect(2002, s:delete("/moon/dev/c/la", "Cdev"))
    local gone = cjson.decode((s.ws.ws:receive(5)))
    assert.equal("org.onem2m.resource.delete", gone.type)
    assert.not_equal(first.id, gone.id)
  end)

  it("is application/cloudevents+json over HTTP", function()
    local head, body = reading.posted(s, "cloudevents", "7")
    assert.matches("^application/cloudevents%+json", head["content-type"])
    assert.equal("7", cjson.decode(body).data.con)
  end)
end)
