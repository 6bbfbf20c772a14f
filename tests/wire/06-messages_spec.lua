-- HTTP/1.1 messages by RFC 9110 and 9112 on a live server: what is waited for, answered, refused
-- and how.  A request that is refused has another behind it, which must not be answered: nothing of
-- a broken message counts as the next.  (The parser alone, all cut at every byte, and its limits:
-- tests/unit/test_http1.c.)

local h = require "harness"
local raw = require "raw"

local LINE = "GET /healthz HTTP/1.1\r\n"
local HOST = "Host: h\r\n"
local GET = LINE .. HOST
local POST = "POST /moon HTTP/1.1\r\nHost: h\r\nX-M2M-Origin: Cx\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 3\r\n"
  .. "Content-Type: application/json;ty=3\r\n"
local BODY = '{"m2m:cnt":{}}'
local CHUNKED = POST .. "Transfer-Encoding: chunked\r\n\r\n"
local ALONE = "\r\n"           -- the end of a head
local NEXT = GET .. "X-Behind: 1\r\n\r\n"

-- By the status that they are refused with.
local REFUSED = {
  ["the request line"] = {
    [400] = {
      ["no version"] = "GET /healthz\r\n\r\n",
      ["no version, a space"] = "GET /healthz \r\n\r\n",
      ["no target"] = "GET HTTP/1.1\r\n" .. HOST .. ALONE,
      ["two spaces before the target"] = "GET  /healthz HTTP/1.1\r\n" .. HOST .. ALONE,
      ["two spaces behind the target"] = "GET /healthz  HTTP/1.1\r\n" .. HOST .. ALONE,
      ["tabs"] = "GET\t/healthz\tHTTP/1.1\r\n" .. HOST .. ALONE,
      ["a space at the begin"] = " " .. GET .. ALONE,
      ["a space at the end"] = "GET /healthz HTTP/1.1 \r\n" .. HOST .. ALONE,
      ["words before"] = "Extra line" .. GET .. ALONE,
      ["a space in the target"] = "GET /a b HTTP/1.1\r\n" .. HOST .. ALONE,
      ["a tab in the target"] = "GET /a\tb HTTP/1.1\r\n" .. HOST .. ALONE,
      ["a NUL in the target"] = "GET /a\0b HTTP/1.1\r\n" .. HOST .. ALONE,
      ["a DEL in the target"] = "GET /a\127b HTTP/1.1\r\n" .. HOST .. ALONE,
      ["bytes of UTF-8 in the target"] = "GET /\195\169 HTTP/1.1\r\n" .. HOST .. ALONE,
      ["a fragment"] = "GET /healthz#x HTTP/1.1\r\n" .. HOST .. ALONE,
      ["a target without a slash"] = "GET healthz HTTP/1.1\r\n" .. HOST .. ALONE,
      ["* that is not for OPTIONS"] = "GET * HTTP/1.1\r\n" .. HOST .. ALONE,
      ["another scheme"] = "GET ftp://h/ HTTP/1.1\r\n" .. HOST .. ALONE,
      ["no authority"] = "GET http:///healthz HTTP/1.1\r\n" .. HOST .. ALONE,
      ["user information"] = "GET http://u:p@h/healthz HTTP/1.1\r\n" .. HOST .. ALONE,
      ["a bracket in the method"] = "GE(T /healthz HTTP/1.1\r\n" .. HOST .. ALONE,
      ["a NUL in the method"] = "GE\0T /healthz HTTP/1.1\r\n" .. HOST .. ALONE,
      ["a version in small letters"] = "GET /healthz http/1.1\r\n" .. HOST .. ALONE,
      ["HTTP/1.10"] = "GET /healthz HTTP/1.10\r\n" .. HOST .. ALONE,
      ["HTTP/1"] = "GET /healthz HTTP/1\r\n" .. HOST .. ALONE,
      ["HTTP/1."] = "GET /healthz HTTP/1.\r\n" .. HOST .. ALONE,
      ["HTTP/11"] = "GET /healthz HTTP/11\r\n" .. HOST .. ALONE,
      ["HTTP /1.1"] = "GET /healthz HTTP /1.1\r\n" .. HOST .. ALONE,
      ["a line that ends in LF"] = "GET /healthz HTTP/1.1\n" .. HOST .. ALONE,
      ["a line that ends in CR"] = "GET /healthz HTTP/1.1\r" .. HOST .. ALONE,
      ["a line that ends in CR CR LF"] = "GET /healthz HTTP/1.1\r\r\n" .. HOST .. ALONE,
      ["LF before it"] = "\n" .. GET .. ALONE,
      ["CR before it"] = "\r" .. GET .. ALONE,
      ["five empty lines before it"] = ("\r\n"):rep(5) .. GET .. ALONE,
      ["a TLS client"] = "\22\3\1\0\5\1\0\0\1\0\r\n\r\n",
      ["garbage"] = "garbage\r\n\r\n",
    },
    [414] = { ["over 4 KiB"] = "GET /" .. ("a"):rep(4096) .. " HTTP/1.1\r\n" .. HOST .. ALONE },
    [501] = {
      ["a method that nobody knows"] = "FROB /healthz HTTP/1.1\r\n" .. HOST .. ALONE,
      ["a method in small letters"] = "get /healthz HTTP/1.1\r\n" .. HOST .. ALONE,
      ["CONNECT"] = "CONNECT h:80 HTTP/1.1\r\n" .. HOST .. ALONE,
    },
    [505] = {
      ["HTTP/0.9"] = "GET /healthz HTTP/0.9\r\n" .. HOST .. ALONE,
      ["HTTP/1.2"] = "GET /healthz HTTP/1.2\r\n" .. HOST .. ALONE,
      ["HTTP/2.0"] = "GET /healthz HTTP/2.0\r\n" .. HOST .. ALONE,
      ["HTTP/9.9"] = "GET /healthz HTTP/9.9\r\n" .. HOST .. ALONE,
      ["HTTP/2 with prior knowledge"] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    },
  },
  ["Host"] = {
    [400] = {
      ["none"] = LINE .. ALONE,
      ["none, with a length"] = LINE .. "Content-Length: 5\r\n\r\n",
      ["two"] = GET .. "Host: other\r\n\r\n",
      ["the same twice"] = GET .. "hOsT: h\r\n\r\n",
      ["empty"] = LINE .. "Host:\r\n\r\n",
      ["a space"] = LINE .. "Host: a b\r\n\r\n",
      ["a list"] = LINE .. "Host: a, b\r\n\r\n",
      ["a path"] = LINE .. "Host: a/b\r\n\r\n",
      ["user information"] = LINE .. "Host: u@b\r\n\r\n",
      ["no name"] = LINE .. "Host: :80\r\n\r\n",
      ["a port that is no number"] = LINE .. "Host: h:8x\r\n\r\n",
      ["an open bracket"] = LINE .. "Host: [::1\r\n\r\n",
      ["none beside an absolute target"] = "GET http://h/healthz HTTP/1.1\r\n\r\n",
    },
  },
  ["header fields"] = {
    [400] = {
      ["brackets in the name"] = GET .. "X-Invalid[]: test\r\n\r\n",
      ["a space before the colon"] = GET .. "X : y\r\n\r\n",
      ["a tab before the colon"] = GET .. "X\t: y\r\n\r\n",
      ["a NUL in the name"] = GET .. "X\0: y\r\n\r\n",
      ["a byte of UTF-8 in the name"] = GET .. "X\195\169: y\r\n\r\n",
      ["no name"] = GET .. ": y\r\n\r\n",
      ["no colon"] = GET .. "X y\r\n\r\n",
      ["a folded value"] = GET .. "X: y\r\n z\r\n\r\n",
      ["a value folded by a tab"] = GET .. "X: y\r\n\tz\r\n\r\n",
      ["a folded first line"] = LINE .. " Host: h\r\n\r\n",
      ["a bell in the value"] = GET .. "X: y\7\r\n\r\n",
      ["a NUL in the value"] = GET .. "X: y\0z\r\n\r\n",
      ["a DEL in the value"] = GET .. "X: y\127\r\n\r\n",
      ["a CR in the value"] = GET .. "X: y\rZ: w\r\n\r\n",
      ["a line that ends in LF"] = GET .. "X: y\nZ: w\r\n\r\n",
      ["a line that ends in CR CR LF"] = GET .. "X: y\r\r\n\r\n",
      ["an end of LF LF"] = "GET /healthz HTTP/1.1\r\nHost: h\n\n",
      ["an end of CR LF LF"] = GET .. "\n",
      ["a CR instead of the end"] = GET .. "\rSome-Header: Test\r\n\r\n",
      ["two originators"] = GET .. "X-M2M-Origin: Ca\r\nx-m2m-origin: Cb\r\n\r\n",
    },
    [417] = {
      ["an Expect that nobody knows"] = GET .. "Expect: magic\r\n\r\n",
      ["two of Expect"] = GET .. ("Expect: 100-continue\r\n"):rep(2) .. ALONE,
    },
    [431] = {
      ["over 100"] = GET .. ("X: y\r\n"):rep(100) .. ALONE,
      ["over 16 KiB"] = GET .. ("X: " .. ("y"):rep(1000) .. "\r\n"):rep(17) .. ALONE,
      ["one over 16 KiB"] = GET .. "X: " .. ("y"):rep(17000) .. "\r\n\r\n",
    },
  },
  ["Content-Length"] = {
    [400] = {
      ["empty"] = POST .. "Content-Length:\r\n\r\n" .. BODY,
      ["negative"] = POST .. "Content-Length: -14\r\n\r\n" .. BODY,
      ["far below zero"] = POST .. "Content-Length: -123456789123456789123456789\r\n\r\n" .. BODY,
      ["beyond 64 bits"] = POST .. "Content-Length: 18446744073709551630\r\n\r\n" .. BODY,
      ["a sign"] = POST .. "Content-Length: +14\r\n\r\n" .. BODY,
      ["letters"] = POST .. "Content-Length: abc\r\n\r\n" .. BODY,
      ["hexadecimal"] = POST .. "Content-Length: 0xe\r\n\r\n" .. BODY,
      ["a fraction"] = POST .. "Content-Length: 14.0\r\n\r\n" .. BODY,
      ["a space inside"] = POST .. "Content-Length: 1 4\r\n\r\n" .. BODY,
      ["a list of equal ones"] = POST .. "Content-Length: 14, 14\r\n\r\n" .. BODY,
      ["twice, equal"] = POST .. ("Content-Length: 14\r\n"):rep(2) .. ALONE .. BODY,
      ["twice, different"] = POST .. "Content-Length: 14\r\nContent-Length: 5\r\n\r\n" .. BODY,
      ["a space before its colon"] = POST .. "Content-Length : 14\r\n\r\n" .. BODY,
      ["with Transfer-Encoding"] = POST .. "Content-Length: 14\r\nTransfer-Encoding: chunked\r\n"
        .. "\r\n0\r\n\r\n",
      ["behind Transfer-Encoding"] = POST .. "Transfer-Encoding: chunked\r\nContent-Length: 14\r\n"
        .. "\r\n0\r\n\r\n",
    },
    [413] = { ["over 1 MiB"] = POST .. "Content-Length: 1048577\r\n\r\n" },
  },
  ["Transfer-Encoding"] = {
    [400] = {
      ["twice"] = POST .. ("Transfer-Encoding: chunked\r\n"):rep(2) .. "\r\n0\r\n\r\n",
      ["in HTTP/1.0"] = "POST /moon HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      ["a space before its colon"] = POST .. "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
      ["folded"] = POST .. "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
      ["a vertical tab"] = POST .. "Transfer-Encoding: \11chunked\r\n\r\n0\r\n\r\n",
    },
    [501] = {
      ["gzip"] = POST .. "Transfer-Encoding: gzip\r\n\r\n",
      ["gzip, then chunked"] = POST .. "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      ["chunked, then more"] = POST .. "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
      ["chunked twice"] = POST .. "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
      ["identity"] = POST .. "Transfer-Encoding: identity\r\n\r\n" .. BODY,
      ["in quotes"] = POST .. 'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
      ["a parameter"] = POST .. "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
      ["a longer word"] = POST .. "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    },
  },
  ["chunks"] = {
    [400] = {
      ["no size"] = CHUNKED .. "\r\n",
      ["a size that is no number"] = CHUNKED .. "zz\r\n",
      ["0x"] = CHUNKED .. "0xe\r\n" .. BODY .. "\r\n0\r\n\r\n",
      ["a sign"] = CHUNKED .. "-1\r\n",
      ["a space before the size"] = CHUNKED .. " e\r\n" .. BODY .. "\r\n0\r\n\r\n",
      ["a space behind the size"] = CHUNKED .. "e \r\n" .. BODY .. "\r\n0\r\n\r\n",
      ["a size line that ends in LF"] = CHUNKED .. "e\n" .. BODY .. "\r\n0\r\n\r\n",
      ["a size line that ends in CR"] = CHUNKED .. "e\r" .. BODY .. "\r\n0\r\n\r\n",
      ["data longer than the size"] = CHUNKED .. "d\r\n" .. BODY .. "\r\n0\r\n\r\n",
      ["data that ends in LF"] = CHUNKED .. "e\r\n" .. BODY .. "\n0\r\n\r\n",
      ["no end of the data"] = CHUNKED .. "e\r\n" .. BODY .. "0\r\n\r\n",
      ["a control character in an extension"] = CHUNKED .. "e;a\1\r\n" .. BODY .. "\r\n0\r\n\r\n",
      ["an extension without an end"] = CHUNKED .. "e;" .. ("a"):rep(300),
      ["a trailer without a colon"] = CHUNKED .. "e\r\n" .. BODY .. "\r\n0\r\nX\r\n\r\n",
      ["a space before a trailer's colon"] = CHUNKED .. "e\r\n" .. BODY .. "\r\n0\r\nX : y\r\n\r\n",
      ["a trailer that ends in LF"] = CHUNKED .. "e\r\n" .. BODY .. "\r\n0\r\nX: y\n\r\n",
    },
    [413] = { ["a size beyond 64 bits"] = CHUNKED .. "fffffffffffffffff\r\n",
      ["a size over 1 MiB"] = CHUNKED .. "100001\r\n" },
    [431] = { ["trailers over 16 KiB"] = CHUNKED .. "e\r\n" .. BODY .. "\r\n0\r\n"
      .. ("X: " .. ("y"):rep(1000) .. "\r\n"):rep(17) .. ALONE },
  },
}

-- Answered with a status, and so is what stands behind them (on a connection that stays).
local ANSWERED = {
  [200] = {
    ["the least there is"] = GET .. ALONE,
    ["an empty line before it"] = "\r\n" .. GET .. ALONE,
    ["a name in other letters, tabs around the value"] = LINE .. "hoSt:\th\t \r\n\r\n",
    ["an empty value"] = GET .. "X-Empty:\r\nX-Blank: \r\n\r\n",
    ["bytes of UTF-8 in a value"] = GET .. "X: \195\169\r\n\r\n",
    ["each character that a name may have"] = GET .. "!#$%&'*+-.^_`|~09AZaz: x\r\n\r\n",
    ["an address of IPv6"] = LINE .. "Host: [::1]:80\r\n\r\n",
    ["an absolute target"] = "GET http://other:80/healthz HTTP/1.1\r\n" .. HOST .. ALONE,
    ["an absolute target of https"] = "GET HTTPS://other/healthz HTTP/1.1\r\n" .. HOST .. ALONE,
    ["a length of nothing"] = GET .. "Content-Length: 0\r\n\r\n",
    ["a GET with a body"] = GET .. "Content-Length: 5\r\n\r\nhello",
    ["a GET with chunks"] = GET .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ["an Expect without a body"] = GET .. "Expect: 100-continue\r\n\r\n",
    ["the longest line"] = "GET http://" .. ("h"):rep(4068) .. "/healthz HTTP/1.1\r\n" .. HOST
      .. ALONE,
    ["100 fields"] = GET .. ("X: y\r\n"):rep(98) .. ALONE,
  },
  [403] = {                    -- Cx is not registered: the message was understood
    ["a body"] = POST .. "Content-Length: 14\r\n\r\n" .. BODY,
    ["zeros before the length"] = POST .. "Content-Length: 00014\r\n\r\n" .. BODY,
    ["a chunk"] = CHUNKED .. "e\r\n" .. BODY .. "\r\n0\r\n\r\n",
    ["chunks of a byte, sizes with zeros"] = CHUNKED .. BODY:gsub(".", "01\r\n%0\r\n")
      .. "000\r\n\r\n",
    ["large digits, extensions, trailers"] = CHUNKED .. 'E;a="b;c";d\r\n' .. BODY
      .. "\r\n0;x\r\nX: y\r\nContent-Length: 99\r\n\r\n",
    ["the coding in other letters"] = POST .. "Transfer-Encoding: CHUNKED\r\n\r\ne\r\n" .. BODY
      .. "\r\n0\r\n\r\n",
  },
}

describe("HTTP messages", function()
  local s

  setup(function() s = h.start() end)
  teardown(h.stop_all)

  -- A connection for each text, which is written; all are open at once.
  local function speak(texts)
    local conns = {}
    for what, text in pairs(texts) do conns[what] = raw.connect(s.port):write(text) end
    return conns
  end

  for what, by_status in pairs(REFUSED) do
    for status, texts in pairs(by_status) do
      it(("%s: %d for what is wrong with it, and the end"):format(what, status), function()
        local with_next = {}
        for name, text in pairs(texts) do with_next[name] = text .. NEXT end
        for name, c in pairs(speak(with_next)) do
          local r = c:response()
          while r and r.status == 100 do r = c:response() end
          assert.is_not_nil(r, name)
          assert.equal(status, r.status, name .. ": " .. r.line)
          assert.equal("close", r.headers.connection, name)
          assert.equal("", c:rest(), name)
          c:close()
        end
      end)
    end
  end

  for status, texts in pairs(ANSWERED) do
    it(("answered with %d, and what is behind it too"):format(status), function()
      local with_next = {}
      for name, text in pairs(texts) do with_next[name] = text .. NEXT end
      for name, c in pairs(speak(with_next)) do
        local r = c:response()
        if r and r.status == 100 then r = c:response() end
        assert.is_not_nil(r, name)
        assert.equal(status, r.status, name .. ": " .. r.line)
        assert.equal(200, c:response().status, name)
        c:close()
      end
    end)
  end

  it("HTTP/1.0: without Host, the connection ends unless it is asked to stay", function()
    local line = "GET /healthz HTTP/1.0\r\n"
    for text, stays in pairs { [line .. ALONE] = false, [line .. HOST .. ALONE] = false,
      [line .. "Connection: keep-alive\r\n\r\n"] = true } do
      local c = raw.connect(s.port):write(text)
      assert.equal(200, c:response().status)
      if stays then assert.equal(200, c:write(text):response().status) end
      if not stays then assert.is_true(c:ended()) end
      c:close()
    end
  end)

  it("Connection: a list with close in it, in any letters", function()
    for _, value in ipairs { "close", "Close", "keep-alive, close", "x,CLOSE",
      "x\r\nConnection: close" } do
      local c = raw.connect(s.port):write(GET .. "Connection: " .. value .. "\r\n\r\n" .. NEXT)
      local r = c:response()
      assert.equal(200, r.status)
      assert.equal("close", r.headers.connection, value)
      assert.is_true(c:ended(), value)
      c:close()
    end
  end)

  it("OPTIONS *", function()
    local c = raw.connect(s.port):write("OPTIONS * HTTP/1.1\r\n" .. HOST .. ALONE .. NEXT)
    local status = c:response().status
    assert.is_true(status == 200 or status == 204, tostring(status))
    assert.equal(200, c:response().status)
    c:close()
  end)

  it("waits for the rest of a message, wherever it is cut", function()
    local text = CHUNKED .. "e;x=y\r\n" .. BODY .. "\r\n0\r\nX: y\r\n\r\n"
    local first = {}
    for cut = 1, #text - 1 do first[cut] = text:sub(1, cut) end
    local conns = speak(first)
    h.sleep(0.1)
    for cut, c in pairs(conns) do c:write(text:sub(cut + 1)) end
    for cut, c in pairs(conns) do
      local r = c:response()
      assert.is_not_nil(r, cut)
      assert.equal(403, r.status, cut)         -- had it answered before, it could not answer now
      assert.equal(200, c:write(NEXT):response().status, cut)
      c:close()
    end
  end)

  it("ends when the client has left in the middle of a message", function()
    for _, text in ipairs { "G", LINE, GET, POST .. "Content-Length: 14\r\n\r\n{",
      CHUNKED .. "e\r\n{" } do
      local c = raw.connect(s.port):write(text)
      c.s:shutdown("w")
      local r = c:response()
      assert.is_true(r == nil or r.status == 400, r and r.line)
      assert.is_true(c:ended())
      c:close()
    end
  end)
end)
