-- Frames by RFC 6455, in the groups of the Autobahn test suite (1-7 and 10): sizes, pings, reserved
-- bits and opcodes, fragments, UTF-8, closing.  Each over both carriers: TCP and TLS.

local h = require "harness"
local raw = require "raw"
local tls = require "tls"

local TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8a

local function request(rqi, rest)
  return ('{"op":2,"to":"moon","fr":"Cpump","rqi":"%s","rvi":"3"%s}'):format(rqi, rest or "")
end

-- A close frame: its code, its reason.
local function closing(code, reason)
  return raw.frame(CLOSE, string.char(math.floor(code / 256), code % 256) .. (reason or ""))
end

local dir, s

local function start()
  dir = h.directory()
  tls.make(dir)
  s = h.start { dir = dir, args = "--listen 127.0.0.1:0,tls",
    config = ("tls = { cert = %q, key = %q }"):format(dir .. "/current.pem",
      dir .. "/current.key") }
  s:register("pump")
end

local function frames(secure)
  local c

  local function websocket(protocol)
    return raw.websocket(secure and tls.port(s) or s.ws_port,
      ("Sec-WebSocket-Protocol: oneM2M.%s\r\n"):format(protocol or "json"), nil, secure)
  end

  before_each(function() c = websocket() end)
  after_each(function() c:close() end)

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

  -- A connection for each of the texts, all at once; each must be closed with a code of its own
  -- (texts: what = { text, code ... }), and end, whether or not the client answers.
  local function closed(texts, silent)
    local conns = {}
    for what, case in pairs(texts) do
      conns[what] = websocket()
      conns[what]:write(case[1])
    end
    for what, conn in pairs(conns) do
      local code = conn:close_code()
      local found = false
      for i = 2, #texts[what] do found = found or code == texts[what][i] end
      assert.is_true(found, ("%s: closed with %s"):format(what, tostring(code)))
      if not silent then conn:write(raw.frame(CLOSE, "")) end
    end
    for what, conn in pairs(conns) do
      assert.is_true(conn:ended(3), what .. ": does not end")
      conn:close()
    end
  end

  it("1: a message of any size, in each form of the length", function()
    for _, size in ipairs { 70, 125, 126, 127, 128, 65535, 65536, 131072, 1048576 } do
      local rqi = "q" .. size
      local text = request(rqi)
      text = text .. (" "):rep(size - #text)
      c:write(raw.frame(TEXT, text))
      answered(rqi, size)
    end
  end)

  it("1: a binary message of any size", function()
    c:close()
    c = websocket "cbor"
    for _, size in ipairs { 0, 1, 125, 126, 127, 128, 65535, 65536 } do
      c:write(raw.frame(BINARY, ("\254"):rep(size)))      -- no CBOR: it is told so
      assert.equal(2, (c:frame()), size)
    end
  end)

  it("1: an empty message is a message", function()
    c:write(raw.frame(TEXT, ""))
    assert.equal(1, (c:frame()))
    c:write(raw.frame(TEXT, request "after"))
    answered "after"
  end)

  it("1: a message in pieces of 997 bytes of the stream, one in single bytes", function()
    local text = raw.frame(TEXT, request "pieces" .. (" "):rep(65536))
    for at = 1, #text, 997 do c:write(text:sub(at, at + 996)) end
    answered "pieces"
    text = raw.frame(TEXT, request "bytes")
    for at = 1, #text do c:write(text:sub(at, at)) end
    answered "bytes"
  end)

  it("2: a ping is answered with what it held, also empty, binary and of 125 bytes", function()
    for _, text in ipairs { "", "hello", "\0\255\254\253\252\251\0\255", ("\254"):rep(125) } do
      c:write(raw.frame(PING, text))
      ponged(text)
    end
    local text = raw.frame(PING, ("\254"):rep(125))
    for at = 1, #text do c:write(text:sub(at, at)) end
    ponged(("\254"):rep(125))
  end)

  -- RFC 6455 5.5.3: the newest ping may be answered for all of them.
  it("2: of ten pings at once the last is answered, others in order", function()
    local parts = {}
    for i = 0, 9 do parts[#parts + 1] = raw.frame(PING, "p" .. i) end
    c:write(table.concat(parts))
    local last = ""
    repeat
      local op, data = c:frame()
      assert.equal(10, op)
      assert.is_true(data > last, data)
      last = data
    until data == "p9"
  end)

  it("2: a pong that nobody asked for is ignored", function()
    c:write(raw.frame(PONG, "") .. raw.frame(PONG, "news") .. raw.frame(PING, "p"))
    ponged "p"
  end)

  it("2: a control frame of 126 bytes", function()
    local texts = {}
    for what, first in pairs { ping = PING, pong = PONG, close = CLOSE } do
      texts[what] = { raw.frame(first, "\3\232" .. ("p"):rep(124)), 1002 }
      texts[what .. " in 65,536"] = { raw.frame(first, "\3\232" .. ("p"):rep(65534)), 1002 }
    end
    closed(texts)
  end)

  it("2: a ping behind a close is not answered", function()
    c:write(closing(1000) .. raw.frame(PING, "late"))
    assert.equal(8, (c:frame()))
    assert.is_true(c:ended())
  end)

  it("3: no reserved bit without an extension, on any frame", function()
    local texts = {}
    for _, bits in ipairs { 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70 } do
      for _, first in ipairs { TEXT, BINARY, CLOSE, PING, PONG } do
        texts[("%02x"):format(first + bits)] = { raw.frame(first + bits, ""), 1002 }
      end
    end
    texts["behind a message in pieces"] = { raw.frame(0x01, "{") .. raw.frame(0xc0, "}"), 1002 }
    closed(texts)
  end)

  it("3: what was answered before the broken frame stays answered", function()
    c:write(raw.frame(PING, "before"))
    ponged "before"
    c:write(raw.frame(0xf1, "x"))
    assert.equal(1002, c:close_code())
    assert.is_true(c:ended(3))
  end)

  it("4: no reserved opcode", function()
    local texts = {}
    for _, opcode in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
      texts["opcode " .. opcode] = { raw.frame(0x80 + opcode, ""), 1002 }
      texts["opcode " .. opcode .. " with content"] = { raw.frame(0x80 + opcode, "x"), 1002 }
    end
    closed(texts)
  end)

  it("5: fragments of one byte and of none, with pings between each", function()
    local text = request "fragments"
    local parts = { raw.frame(0x01, "") }
    for i = 1, #text do
      parts[#parts + 1] = raw.frame(0x00, text:sub(i, i))
      if i % 10 == 0 then parts[#parts + 1] = raw.frame(PING, "p" .. i) end
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

  it("5: a ping between two fragments is answered before the message is whole", function()
    local text = request "halves"
    c:write(raw.frame(0x01, text:sub(1, 20)) .. raw.frame(PING, "between"))
    ponged "between"
    c:write(raw.frame(0x80, text:sub(21)))
    answered "halves"
  end)

  it("5: no control frame in pieces", function()
    closed { ping = { raw.frame(0x09, "p") .. raw.frame(0x80, "q"), 1002 },
      pong = { raw.frame(0x0a, "p") .. raw.frame(0x80, "q"), 1002 },
      close = { raw.frame(0x08, "\3\232"), 1002 } }
  end)

  it("5: no continuation of nothing, no message inside another", function()
    closed {
      ["a continuation, final"] = { raw.frame(0x80, "x"), 1002 },
      ["a continuation, not final"] = { raw.frame(0x00, "x"), 1002 },
      ["a continuation, not final, then more"] = { raw.frame(0x00, "x") .. raw.frame(0x00, "x")
        .. raw.frame(0x80, "x"), 1002 },
      ["a continuation behind a message"] = { raw.frame(0x01, "{") .. raw.frame(0x80, "}")
        .. raw.frame(0x80, "x"), 1002 },
      ["text in text"] = { raw.frame(0x01, "{") .. raw.frame(TEXT, "}"), 1002 },
      ["unfinished text in text"] = { raw.frame(0x01, "{") .. raw.frame(0x01, "}"), 1002 },
      ["binary in text"] = { raw.frame(0x01, "{") .. raw.frame(0x02, "}"), 1002 },
      ["text in binary"] = { raw.frame(0x02, "{") .. raw.frame(TEXT, "}"), 1002 },
    }
  end)

  -- Well-formed ones must be answered (with 4000: they are no JSON), others closed with 1007.
  it("6: UTF-8 of every length and form", function()
    for _, text in ipairs { "\206\186\225\189\185", "\0", "\127", "\194\128", "\223\191",
      "\224\160\128", "\239\191\191", "\237\159\191", "\238\128\128", "\240\144\128\128",
      "\244\143\191\191", "\239\191\190", "\240\159\191\191", "\239\187\191", "\239\183\144" } do
      c:write(raw.frame(TEXT, text))
      assert.equal(1, (c:frame()), h.quoted(text))
    end
  end)

  it("6: a character may be cut by fragments", function()
    c:write(raw.frame(0x01, '"\226') .. raw.frame(0x00, "\130") .. raw.frame(0x80, '\172"'))
    assert.equal(1, (c:frame()))
    c:write(raw.frame(0x01, '"\240') .. raw.frame(0x00, "\159") .. raw.frame(0x00, "")
      .. raw.frame(PING, "p") .. raw.frame(0x00, "\152") .. raw.frame(0x80, '\128"'))
    ponged "p"
    assert.equal(1, (c:frame()))
  end)

  it("6: what is no UTF-8 ends the connection with 1007", function()
    local texts = {}
    for i, text in ipairs { "\128", "\191", "\192\128", "\193\191", "\224\128\128", "\224\159\191",
      "\237\160\128", "\237\191\191", "\240\128\128\128", "\240\143\191\191", "\244\144\128\128",
      "\245\128\128\128", "\248\136\128\128\128", "\252\132\128\128\128\128", "\254", "\255",
      "\194", "\226\130", "\240\159\152", "a\195(", "\206\186\237\160\128e",
      "\237\160\128\237\176\128", "\248\128\128\128\128" } do
      texts[("text %d"):format(i)] = { raw.frame(TEXT, text), 1007 }
      texts[("text %d in pieces"):format(i)] = { raw.frame(0x01, text:sub(1, 1))
        .. raw.frame(0x80, text:sub(2)), 1007 }
    end
    closed(texts)
  end)

  it("7: a close is answered with its code, once, and the connection ends", function()
    local texts = {}
    for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000,
      4999 } do
      texts["code " .. code] = { closing(code, "bye"), code }
    end
    texts["the longest reason"] = { closing(1000, ("r"):rep(123)), 1000 }
    texts["behind an unfinished message"] = { raw.frame(0x01, "{") .. closing(1000), 1000 }
    texts["twice"] = { closing(1000) .. closing(1001), 1000 }
    texts["with messages behind"] = { closing(1000) .. raw.frame(TEXT, request "late"), 1000 }
    texts["without a code"] = { raw.frame(CLOSE, ""), 1000, 1005 }
    closed(texts, true)
  end)

  it("7: a close that cannot be", function()
    local texts = { ["one byte"] = { raw.frame(CLOSE, "\3"), 1002 },
      ["a reason that is no UTF-8"] = { closing(1000, "\206\186\237\160\128"), 1007 },
      -- no meaning is defined for these, also not for refusing them
      ["code 5000"] = { closing(5000), 1002, 5000 },
      ["code 65535"] = { closing(65535), 1002, 65535 } }
    for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999 } do
      texts["code " .. code] = { closing(code), 1002 }
    end
    closed(texts)
  end)

  it("9: a message that is too large, at once, in pieces or only announced", function()
    local piece = ("x"):rep(65536)
    local pieces = { raw.frame(0x01, piece) }
    for _ = 1, 16 do pieces[#pieces + 1] = raw.frame(0x00, piece) end
    closed { pieces = { table.concat(pieces), 1009 },
      announced = { "\129\255\0\0\0\0\0\16\0\1\1\2\3\4x", 1009 },
      huge = { "\129\255\127\255\255\255\255\255\255\255\1\2\3\4x", 1009 } }
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
end

describe("frames", function()
  setup(start)
  teardown(h.stop_all)
  describe("over TCP", function() frames(false) end)
  describe("over TLS", function() frames(true) end)
end)
