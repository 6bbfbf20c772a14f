-- Frames by RFC 6455, in the groups of the Autobahn test suite (1-7 and 10): sizes, pings, reserved
-- bits and opcodes, fragments, UTF-8, closing.

local h = require "harness"
local raw = require "raw"

local function request(rqi, rest)
  return ('{"op":2,"to":"moon","fr":"Cpump","rqi":"%s","rvi":"3"%s}'):format(rqi, rest or "")
end

describe("frames", function()
  local s, c

  setup(function()
    s = h.start()
    s:register("pump")
  end)
  before_each(function() c = raw.websocket(s.ws_port) end)
  after_each(function() c:close() end)
  teardown(h.stop_all)

  -- The next message answers `rqi`.
  local function answered(rqi, what)
    local op, data = c:frame()
    assert.equal(1, op, what)
    assert.is_truthy(data:find('"rqi":"' .. rqi .. '"', 1, true), data)
  end

  local function ponged(with)
    local op, data = c:frame()
    assert.equal(10, op)
    assert.equal(with, data)
  end

  -- The connection is closed with one of the codes ("end": or without).
  local function fails(codes, what)
    local code = c:close_code()
    local found = false
    for _, want in ipairs(codes) do found = found or (code or "end") == want end
    assert.is_true(found, ("%s: closed with %s"):format(what, tostring(code)))
    return code
  end

  -- The same, and the connection ends when the client has answered.
  local function closes(codes, what)
    if fails(codes, what) then c:write(raw.frame(0x88, "")) end
    assert.is_true(c:ended(), what)
  end

  -- A new connection for each of the texts.
  local function each(texts, check)
    for what, text in pairs(texts) do
      c:close()
      c = raw.websocket(s.ws_port)
      c:write(text)
      check(what)
    end
  end

  it("1: a message of any size, in each form of the length", function()
    for _, size in ipairs { 70, 125, 126, 127, 128, 65535, 65536, 131072, 1048576 } do
      local rqi = "q" .. size
      local text = request(rqi)
      text = text .. (" "):rep(size - #text)
      c:write(raw.frame(0x81, text))
      answered(rqi, size)
    end
  end)

  it("1: an empty message is a message", function()
    c:write(raw.frame(0x81, ""))
    assert.equal(1, (c:frame()))
    c:write(raw.frame(0x81, request "after"))
    answered "after"
  end)

  it("2: a ping is answered with what it held, also empty, binary and of 125 bytes", function()
    for _, text in ipairs { "", "hello", "\0\255\254\253\252\251\0\255", ("\254"):rep(125) } do
      c:write(raw.frame(0x89, text))
      ponged(text)
    end
  end)

  it("2: a pong that nobody asked for is ignored", function()
    c:write(raw.frame(0x8a, "") .. raw.frame(0x8a, "news") .. raw.frame(0x89, "p"))
    ponged "p"
  end)

  it("2: a ping of 126 bytes, in pieces, or behind a close is not answered", function()
    each({ long = raw.frame(0x89, ("p"):rep(126)), pieces = raw.frame(0x09, "p") },
      function(what) closes({ 1002, "end" }, what) end)
    c:close()
    c = raw.websocket(s.ws_port)
    c:write(raw.frame(0x88, "\3\232") .. raw.frame(0x89, "late"))
    assert.equal(8, (c:frame()))
    assert.is_true(c:ended())
  end)

  it("3: no reserved bit without an extension, on any frame", function()
    local texts = {}
    for _, bits in ipairs { 0x10, 0x20, 0x40, 0x50, 0x70 } do
      for _, first in ipairs { 0x81, 0x82, 0x88, 0x89, 0x8a } do
        texts[("%02x"):format(first + bits)] = raw.frame(first + bits, "")
      end
    end
    each(texts, function(what) fails({ 1002 }, what) end)
  end)

  it("3: what was answered before the broken frame stays answered", function()
    c:write(raw.frame(0x89, "before"))
    ponged "before"
    c:write(raw.frame(0xf1, "x"))
    closes({ 1002 }, "the reserved bits")
  end)

  it("4: no reserved opcode", function()
    local texts = {}
    for _, opcode in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
      texts["opcode " .. opcode] = raw.frame(0x80 + opcode, "")
      texts["opcode " .. opcode .. " with content"] = raw.frame(0x80 + opcode, "x")
    end
    each(texts, function(what) closes({ 1002 }, what) end)
  end)

  it("5: fragments of one byte and of none, with pings between each", function()
    local text = request "fragments"
    local parts = { raw.frame(0x01, "") }
    for i = 1, #text do
      parts[#parts + 1] = raw.frame(0x00, text:sub(i, i))
      if i % 10 == 0 then parts[#parts + 1] = raw.frame(0x89, "p" .. i) end
    end
    parts[#parts + 1] = raw.frame(0x80, "")
    c:write(table.concat(parts))
    local last, data
    repeat
      last, data = c:frame()
    until last ~= 10
    assert.equal(1, last)
    assert.is_truthy(data:find('"rqi":"fragments"', 1, true), data)
  end)

  it("5: no continuation of nothing, no message inside another", function()
    each({
      ["a continuation, final"] = raw.frame(0x80, "x"),
      ["a continuation, not final"] = raw.frame(0x00, "x"),
      ["a continuation behind a message"] = raw.frame(0x01, "{") .. raw.frame(0x80, "}")
        .. raw.frame(0x80, "x"),
      ["text in text"] = raw.frame(0x01, "{") .. raw.frame(0x81, "}"),
      ["binary in text"] = raw.frame(0x01, "{") .. raw.frame(0x02, "}"),
    }, function(what) closes({ 1002 }, what) end)
  end)

  -- Well-formed ones must be answered (with 4000: they are no JSON), others closed with 1007.
  it("6: UTF-8 of every length and form", function()
    for _, text in ipairs { "\206\186\225\189\185", "\0", "\127", "\194\128", "\223\191",
      "\224\160\128", "\239\191\191", "\237\159\191", "\238\128\128", "\240\144\128\128",
      "\244\143\191\191", "\239\191\190", "\240\159\191\191" } do
      c:write(raw.frame(0x81, text))
      assert.equal(1, (c:frame()), h.quoted(text))
    end
  end)

  it("6: a character may be cut by fragments", function()
    c:write(raw.frame(0x01, '"\226') .. raw.frame(0x00, "\130") .. raw.frame(0x80, '\172"'))
    assert.equal(1, (c:frame()))
  end)

  it("6: what is no UTF-8 ends the connection with 1007", function()
    local texts = {}
    for i, text in ipairs { "\128", "\191", "\192\128", "\193\191", "\224\128\128", "\224\159\191",
      "\237\160\128", "\237\191\191", "\240\128\128\128", "\240\143\191\191", "\244\144\128\128",
      "\245\128\128\128", "\248\136\128\128\128", "\252\132\128\128\128\128", "\254", "\255",
      "\194", "\226\130", "\240\159\152", "a\195(", "\206\186\237\160\128e" } do
      texts[("text %d"):format(i)] = raw.frame(0x81, text)
      texts[("text %d in pieces"):format(i)] = raw.frame(0x01, text:sub(1, 1))
        .. raw.frame(0x80, text:sub(2))
    end
    each(texts, function(what) closes({ 1007 }, what) end)
  end)

  it("7: a close is answered with its code, once, and the connection ends", function()
    for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000,
      4999 } do
      c:close()
      c = raw.websocket(s.ws_port)
      c:write(raw.frame(0x88, string.char(math.floor(code / 256), code % 256) .. "bye"))
      closes({ code }, code)
    end
  end)

  it("7: a close without a code, with the longest reason, behind an unfinished message", function()
    each({ none = raw.frame(0x88, "") }, function(what) closes({ 1000, 1005 }, what) end)
    each({ reason = raw.frame(0x88, "\3\232" .. ("r"):rep(123)),
      unfinished = raw.frame(0x01, "{") .. raw.frame(0x88, "\3\232") },
      function(what) closes({ 1000 }, what) end)
  end)

  it("7: a close that cannot be", function()
    each({ ["one byte"] = raw.frame(0x88, "\3") },    -- or taken as one without a code
      function(what) closes({ 1002, 1005 }, what) end)
    each({ ["124 bytes of reason"] = raw.frame(0x88, "\3\232" .. ("r"):rep(124)),
      ["in pieces"] = raw.frame(0x08, "\3\232") },
      function(what) closes({ 1002, "end" }, what) end)
    each({ ["a reason that is no UTF-8"] = raw.frame(0x88, "\3\232\206\186\237\160\128") },
      function(what) closes({ 1002, 1007, "end" }, what) end)
    local texts = {}
    for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999 } do
      texts["code " .. code] = raw.frame(0x88, string.char(math.floor(code / 256), code % 256))
    end
    each(texts, function(what) closes({ 1002 }, what) end)
    -- no meaning is defined for these, also not for refusing them
    each({ [5000] = raw.frame(0x88, "\19\136"), [65535] = raw.frame(0x88, "\255\255") },
      function(code) closes({ 1002, code }, code) end)
  end)

  it("10: a message of 64 KiB in pieces of 1,300 bytes", function()
    local text = request("pieces", (',"lbl_":"%s"'):format(("x"):rep(65000)))
    local parts = {}
    for at = 1, #text, 1300 do
      local first = (at == 1 and 1 or 0) + (at + 1300 > #text and 0x80 or 0)
      parts[#parts + 1] = raw.frame(first, text:sub(at, at + 1299))
    end
    c:write(table.concat(parts))
    answered "pieces"
  end)
end)
