-- Good HTTP messages, WebSocket primitives, handshakes and TLS greetings, and a mutator of them:
-- what sockets.lua sends.  All by math.random, so that a seed repeats it.

local bit = require "bit"
local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local raw = require "raw"

local broken = {}
local rnd = math.random

local function pick(list) return list[rnd(#list)] end

-- ---- good messages ------------------------------------------------------------------------------
-- Ceve may read /moon/base and change nothing there; /moon/eve is hers to change.

local HEAD = "Host: 127.0.0.1\r\nX-M2M-Origin: Ceve\r\nX-M2M-RI: r%d\r\nX-M2M-RVI: 3\r\n"

--- What clients show: a list of header lines ("": nothing), those that come more often more often.
broken.proofs = { "" }

local UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
  .. "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"

local function http(method, path, body, extra)
  local head = HEAD:format(rnd(1e6)) .. pick(broken.proofs) .. (extra or "")
  if body then head = head .. ("Content-Length: %d\r\n"):format(#body) end
  return ("%s %s HTTP/1.1\r\n%s\r\n%s"):format(method, path, head, body or "")
end

local function json(ty)
  return ("Content-Type: application/json%s\r\n"):format(ty and ";ty=" .. ty or "")
end

local HTTP = {
  function() return http("GET", "/moon/base") end,
  function() return http("GET", "/moon/base?rcn=" .. rnd(0, 12)) end,
  function() return http("GET", "/moon?fu=1&ty=3&lbl=a&lvl=2&lim=5&cra=20200101T000000") end,
  function() return http("GET", "/moon/base/c/la", nil, "Accept: application/cbor\r\n") end,
  function() return http("GET", "/~/moon/base/c?rcn=4&arp=la&drt=1&sts=3&szb=100") end,
  function() return http("GET", "/_/sp.local/moon/base?atrl=lbl+rn+ty") end,
  function() return http("PUT", "/moon/base/c", '{"m2m:cnt":{"mni":3,"lbl":["a"]}}', json()) end,
  function() return http("DELETE", "/moon/base/c") end,
  function() return http("POST", "/moon/base/c", '{"m2m:cin":{"con":"1"}}', json(4)) end,
  function() return http("POST", "/moon/eve", '{"m2m:cnt":{"mni":3,"mia":9}}', json(3)) end,
  function() return http("POST", "/moon/eve/c", '{"m2m:cin":{"con":{"a":[2.5]}}}', json(4)) end,
  function()
    return http("POST", "/moon/eve/c", "\161gm2m:cin\161ccon\24\42",
      "Content-Type: application/vnd.onem2m-res+cbor;ty=4\r\n")
  end,
  function()
    return http("POST", "/moon/eve/c", '{"m2m:sub":{"nu":["Ceve"],"nct":1,"exc":3,"enc":{"net":'
      .. '[1,2,3,4],"atr":["lbl"],"crb":"20200101T000000"}}}', json(23))
  end,
  function() return http("PUT", "/moon/eve/c", '{"m2m:cnt":{"lbl":null,"mni":2}}', json()) end,
  function() return http("DELETE", "/moon/eve/c/la") end,
  function()
    return "POST /moon/eve/c HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
      .. HEAD:format(1) .. pick(broken.proofs) .. json(4)
      .. '\r\nb\r\n{"m2m:cin":\r\nc;x=y\r\n{"con":"2"}}\r\n0\r\n\r\n'
  end,
  function() return http("OPTIONS", "/moon", nil, "Origin: http://a.b\r\n") end,
  function() return http("GET", "/metrics") end,
  function()
    return http("GET", "/", nil, UPGRADE .. "Sec-WebSocket-Protocol: oneM2M.json\r\n")
  end,
}

local function primitive(op, to, rest)
  return ('{"op":%d,"to":"%s","fr":"Ceve","rqi":"w%d","rvi":"3"%s}'):format(op, to, rnd(1e6),
    rest or "")
end

local WS = {
  function() return primitive(2, "moon/base", ',"rcn":4') end,
  function() return primitive(2, "moon", ',"fc":{"fu":1,"ty":[3,4],"lim":4},"drt":2') end,
  function() return primitive(2, "/moon/base/c/ol", ',"pc":{"m2m:atrl":["con","cs"]}') end,
  function() return primitive(1, "moon/eve/c", ',"ty":4,"pc":{"m2m:cin":{"con":"3"}}') end,
  function() return primitive(3, "moon/eve/c", ',"pc":{"m2m:cnt":{"mbs":1000}}') end,
  function() return primitive(4, "moon/eve/c/la") end,
  function() return primitive(5, "Ceve", ',"pc":{"m2m:sgn":{"vrq":true,"sur":"x"}}') end,
  function() return ('{"m2m:rqp":%s}'):format(primitive(2, "moon/eve")) end,
  function() return ('{"m2m:rsp":{"rsc":2000,"rqi":"%d","rvi":"3"}}'):format(rnd(100)) end,
  function() return '{"rsc":2000,"rqi":"1","pc":{"m2m:dbg":"x"}}' end,
  function() return "\165bop\2bto\105moon/basebfrdCevecrqi\97\49crvi\97\51" end,
}

-- ---- the mutator --------------------------------------------------------------------------------

local WORDS = { "\r\n", "\n", "\0", "\r\n\r\n", " ", "{", "}", "[", "\"", "\\u0000", "\\ud800",
  "null", "-1", "1e999", "18446744073709551616", "9223372036854775808", "\255\254", "%00", "%2e%2e",
  "..", "Content-Length: 5\r\n", "Content-Length: 99999999999999999999\r\n",
  "Transfer-Encoding: chunked\r\n", "X-M2M-RQET: 1\r\n", "X-M2M-VSI: maybe\r\n", "?rcn=", "&&==",
  "X-M2M-RTU: http://127.0.0.1:1/&ws://x\r\n", "\127\255\255\255", "\240\159\152\128",
  "\131\255\255\255\255\255\255\255\255", "oneM2M.cbor", ',"rqet":"1"', ',"rp":"+1"', ',"ec":4',
  ',"fc":{"lvl":-1}', ',"a":' .. ("["):rep(70), ("a"):rep(300), ("/x"):rep(200) }

local function splice(text, from, to, with) return text:sub(1, from - 1) .. with .. text:sub(to) end

local NUMBERS = { 0, -1, 7, 255, 65536, 2 ^ 31, 2 ^ 53 }
local MUTATE = {
  function(s, at) return splice(s, at, at + 1, string.char(rnd(0, 255))) end,
  function(s, at)
    return splice(s, at, at + 1, string.char(bit.bxor(s:byte(at), 2 ^ rnd(0, 7))))
  end,
  function(s, at) return splice(s, at, at, pick(WORDS)) end,
  function(s, at) return splice(s, at, at + rnd(8), pick(WORDS)) end,
  function(s, at) return splice(s, at, at + rnd(16), "") end,
  function(s, at) return splice(s, at, at, s:sub(at, at + rnd(32))) end,
  function(s, at) return s:sub(1, at) end,
  function(s, at)                                          -- a number becomes another
    local from, to = s:find("%d+", at)
    return from and splice(s, from, to + 1, tostring(pick(NUMBERS))) or s
  end,
  function(s, at)                                          -- so does a string
    local from, to = s:find('"[^"]*"', at)
    return from and splice(s, from, to + 1, pick { "1", "true", "[]", "{}", '""', "null" }) or s
  end,
}

local function mutate(s)
  for _ = 1, pick { 0, 1, 1, 1, 2, 3, 5 } do
    if #s == 0 then return s end
    s = pick(MUTATE)(s, rnd(#s))
  end
  return s
end

--- An HTTP request, mutated.
function broken.http() return mutate(pick(HTTP)()) end

-- ---- handshakes ---------------------------------------------------------------------------------

local FIRST = { 0x81, 0x81, 0x81, 0x82, 0x82, 0x01, 0x80, 0x00, 0x88, 0x89, 0x8a, 0x83, 0xc1,
  0x91 }

--- A frame with a primitive in it, both perhaps mutated.
function broken.frame()
  local text = raw.frame(pick(FIRST), mutate(pick(WS)()))
  return rnd(6) == 1 and mutate(text) or text
end

broken.protocols = { "oneM2M.json", "oneM2M.cbor", "oneM2M.json, oneM2M.cbor", "oneM2M.cbor" }

--- A handshake as it should be.
function broken.hello(path)
  return http("GET", path, nil,
    UPGRADE .. ("Sec-WebSocket-Protocol: %s\r\n"):format(pick(broken.protocols)))
end

local LINES = { "Upgrade: h2c", "Upgrade: websocket, h2c", "Upgrade: WEBSOCKET",
  "Connection: close",
  "Connection: keep-alive, Upgrade", "Connection: Upgrade, close", "Sec-WebSocket-Version: 8",
  "Sec-WebSocket-Version: 13, 8", "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw",
  "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0OD===", "Sec-WebSocket-Key:", "Sec-WebSocket-Protocol:",
  "Sec-WebSocket-Protocol: oneM2M.json,,oneM2M.cbor", "Sec-WebSocket-Protocol: other",
  "Sec-WebSocket-Protocol: " .. ("oneM2M.json, "):rep(40) .. "x",
  "Sec-WebSocket-Protocol: oneM2M.json, bearer.x", "Origin: https://page.example", "Origin: null",
  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", "Content-Length: 4",
  "Transfer-Encoding: chunked", "Expect: 100-continue", "Authorization: Bearer",
  "Authorization: Basic !", "Authorization: Digest x", "X-M2M-Origin: Cbase", "X-M2M-Origin:",
  "Host: b.example", "Host: a b", " folded" }

-- The weights of what is done to a handshake's lines.
local LINE_MUTATE = {
  { 4, function(lines) table.insert(lines, rnd(2, #lines), pick(LINES)) end },
  { 3, function(lines) lines[rnd(2, #lines - 2)] = pick(LINES) end },
  { 2, function(lines) table.remove(lines, rnd(1, #lines - 2)) end },
  { 2, function(lines) table.insert(lines, rnd(#lines - 1), lines[rnd(#lines - 2)]) end },
  { 1, function(lines)
    local a, b = rnd(#lines - 2), rnd(#lines - 2)
    lines[a], lines[b] = lines[b], lines[a]
  end },
  { 1, function(lines)
    lines[1] = pick { "GET / HTTP/1.0", "POST / HTTP/1.1", "GET * HTTP/1.1", "HEAD / HTTP/1.1",
      "GET http://b.example/ HTTP/1.1", "GET /notify/" .. ("A"):rep(43) .. " HTTP/1.1",
      "GET /notify/ HTTP/1.1", "GET /?x HTTP/1.1", "PRI * HTTP/2.0", "CONNECT / HTTP/1.1" }
  end },
  { 2, function(lines)
    local i = rnd(#lines - 2)
    lines[i] = mutate(lines[i])
  end },
}

local function weighted(list)
  local sum = 0
  for _, entry in ipairs(list) do sum = sum + entry[1] end
  local n = rnd(sum)
  for _, entry in ipairs(list) do
    n = n - entry[1]
    if n <= 0 then return entry[2] end
  end
end
broken.weighted = weighted

--- A handshake with lines that were added, changed, lost, repeated or moved.
function broken.handshake(path)
  local lines = {}
  for line in broken.hello(path):gmatch("(.-)\r\n") do lines[#lines + 1] = line end
  lines[#lines + 1] = ""
  for _ = 1, pick { 1, 1, 2, 3 } do
    if #lines > 5 then weighted(LINE_MUTATE)(lines) end
  end
  return table.concat(lines, "\r\n")
end

-- ---- TLS ----------------------------------------------------------------------------------------

--- The first bytes of a TLS client, of a real one.
function broken.greeting(port)
  local l = socket.listen { host = "127.0.0.1", port = port }
  local hello
  assert(l:listen())
  local loop = cqueues.new()
  loop:wrap(function()
    local s = l:accept(5)
    s:setmode("bn", "bn")
    s:onerror(function(_, _, why) return why end)
    hello = s:xread(-4096, "b", 5)
    s:close()
  end)
  loop:wrap(function()
    local s = socket.connect { host = "127.0.0.1", port = port }
    s:onerror(function(_, _, why) return why end)
    if s:connect(5) then s:starttls(5) end
    s:close()
  end)
  assert(loop:loop())
  l:close()
  return assert(hello, "no TLS client spoke")
end

local function noise(n)
  local out = {}
  for i = 1, n do out[i] = string.char(rnd(0, 255)) end
  return table.concat(out)
end

--- What a port with TLS may be sent instead: noise, records, a greeting with changes or cut.
function broken.record(greeting)
  return weighted {
    { 2, function() return noise(rnd(300)) end },
    { 3, function()
      local n = rnd(0, 40)
      return string.char(pick { 20, 21, 22, 23, 24, 0x80 }, 3, rnd(0, 4), 0, n) .. noise(n)
    end },
    { 1, function() return "\22\3\1\255\255\1\255\255\255" .. noise(100) end },
    { 4, function() return mutate(greeting) end },
    { 2, function() return greeting:sub(1, rnd(#greeting)) end },
    { 2, function() return greeting .. noise(rnd(100)) end },
    { 1, function() return broken.http() end },
  }()
end

return broken
