-- The example formats (apps/senml.lua and others) over the wire: frames of an AE's own connection
-- with the subprotocol of that name, and HTTP bodies with their content type.  What the formats say
-- is tested by apps/*_test.lua.

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
