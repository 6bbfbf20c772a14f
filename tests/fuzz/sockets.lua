-- Broken HTTP and WebSocket messages against a live server: luajit tests/fuzz/sockets.lua COUNT
-- [SEED].  COUNT conversations, made from good ones by a seeded mutator, LANES at a time, every
-- third over TLS.  The server (MOON2M, best a sanitized one) must live, answer /healthz, keep the
-- part of its tree that the attacker may only read, and end with code 0.  What is sent last is kept
-- for a second look.

package.path = "tests/wire/?.lua;" .. package.path
local bit = require "bit"
local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local h = require "harness"
local raw = require "raw"
local tls = require "tls"

local COUNT = tonumber(arg[1]) or 20000
local SEED = tonumber(arg[2]) or os.time() % 1000000
local LANES, KEPT, PAUSE = 12, 64, 0.05
local rnd = math.random
math.randomseed(SEED)

local function pick(list) return list[rnd(#list)] end

-- ---- good messages ------------------------------------------------------------------------------
-- Ceve may read /moon/base and change nothing there; /moon/eve is hers to change.

local HEAD = "Host: 127.0.0.1\r\nX-M2M-Origin: Ceve\r\nX-M2M-RI: r%d\r\nX-M2M-RVI: 3\r\n"

local UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
  .. "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"

local function http(method, path, body, extra)
  local head = HEAD:format(rnd(1e6)) .. (extra or "")
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
      .. HEAD:format(1) .. json(4) .. '\r\nb\r\n{"m2m:cin":\r\nc;x=y\r\n{"con":"2"}}\r\n0\r\n\r\n'
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

-- ---- speaking -----------------------------------------------------------------------------------

local last = {}

local tls_port

local function connect(port)
  local secure = rnd(3) == 1
  local s = socket.connect { host = "127.0.0.1", port = secure and tls_port or port }
  s:setmode("bn", "bn")
  s:onerror(function(_, _, why) return why end)
  return s:connect(2) and (not secure or s:starttls(2)) and s
end

-- In one piece or in some, with or without a pause.
local function write(s, text)
  last[#last % KEPT + 1] = text
  local from = 1
  for _ = 1, pick { 0, 0, 0, 1, 3 } do
    local to = rnd(from, math.max(from, #text))
    s:xwrite(text:sub(from, to), "bn", 1)
    if rnd(4) == 1 then cqueues.sleep(0.002) end
    from = to + 1
  end
  s:xwrite(text:sub(from), "bn", 1)
end

local function listen(s) return s:xread(-65536, "b", PAUSE) end

local function speak_http(port)
  local s = connect(port)
  if not s then return false end
  local parts = {}
  for i = 1, pick { 1, 1, 2, 4 } do parts[i] = mutate(pick(HTTP)()) end
  write(s, table.concat(parts))
  if rnd(3) == 1 then s:shutdown("w") end
  if rnd(4) > 1 then listen(s) end
  s:close()
  return true
end

local FIRST = { 0x81, 0x81, 0x81, 0x82, 0x82, 0x01, 0x80, 0x00, 0x88, 0x89, 0x8a, 0x83, 0xc1, 0x91 }

local function frame()
  local text = raw.frame(pick(FIRST), mutate(pick(WS)()))
  return rnd(6) == 1 and mutate(text) or text
end

local PROTOCOLS = { "oneM2M.json", "oneM2M.cbor", "oneM2M.json, oneM2M.cbor", "oneM2M.cbor" }

local function speak_ws(port, path)
  local s = connect(port)
  if not s then return false end
  write(s, http("GET", rnd(3) == 1 and path or "/", nil,
    UPGRADE .. ("Sec-WebSocket-Protocol: %s\r\n"):format(pick(PROTOCOLS))))
  listen(s)
  for _ = 1, rnd(8) do
    write(s, frame())
    if rnd(3) == 1 then listen(s) end
  end
  if rnd(4) > 1 then listen(s) end
  s:close()
  return true
end

-- ---- the run ------------------------------------------------------------------------------------

local function keep()
  local name = os.tmpname()
  local f = assert(io.open(name, "wb"))
  for i, text in ipairs(last) do f:write(("-- %d\n%s\n"):format(i, text)) end
  f:close()
  return name
end

local server

local function fail(...)
  print(("seed %d: %s"):format(SEED, string.format(...)))
  print("what was sent last: " .. keep())
  print(server:text():sub(-2000))
  h.stop_all()
  os.exit(1)
end

local function healthy()
  if not server:alive() then fail("the server ended, code %d", server:exit_code()) end
  local status = h.curl("-o /dev/null -w '%{http_code}' " .. server.base .. "/healthz")
  if status ~= "200" then fail("/healthz answers %s", status) end
end

local function snapshot()
  local r = server:retrieve("/moon/base?rcn=4", "CAdmin")
  return r.rsc == 2000 and r.text or fail("the tree cannot be read: %s", r.text)
end

local function furnish()
  local dir = h.directory()
  tls.make(dir)
  server = h.start { dir = dir, args = "--listen 127.0.0.1:0,tls",
    config = ("tls = { cert = %q, key = %q }"):format(dir .. "/current.pem",
      dir .. "/current.key") }
  tls_port = tls.port(server)
  server:register "base"
  local eve = server:register "eve"
  local acp = h.expect(2001, server:create("/moon/base", "Cbase", 1, { ["m2m:acp"] = { rn = "p",
    pv = { acr = { { acor = { "Cbase" }, acop = 63 }, { acor = { "Ceve" }, acop = 34 } } },
    pvs = { acr = { { acor = { "Cbase" }, acop = 63 } } } } }))
  h.expect(2001, server:create("/moon/base", "Cbase", 3, { rn = "c", acpi = { acp.ri } }))
  for i = 1, 5 do server:add("/moon/base/c", "Cbase", "reading " .. i) end
  h.expect(2001, server:create("/moon/eve", "Ceve", 3, { rn = "c", mni = 20 }))
  h.expect(2001, server:create("/moon/eve/c", "Ceve", 23, { rn = "s", nu = { "Ceve" },
    enc = { net = { 3 } } }))
  return eve.url:match("^%w+://[^/]+(/.*)$")
end

local path, sent, refused = furnish(), 0, 0
local before = snapshot()
local loop = cqueues.new()
for _ = 1, LANES do
  loop:wrap(function()
    while sent < COUNT do
      sent = sent + 1
      local done
      if rnd(2) == 1 then
        done = speak_http(server.port)
      else
        done = speak_ws(server.ws_port, path)
      end
      if not done then
        refused = refused + 1
        cqueues.sleep(0.05)
        if not server:alive() then return end
      end
      if sent % 1000 == 0 then healthy() end
    end
  end)
end
assert(loop:loop())
healthy()
local after = snapshot()
if after ~= before then fail("the tree changed:\n%s\n%s", before, after) end
local secured = server:metric("moon2m_tls_handshakes_total", 'result="done"') or 0
local code = server:stop()
if code ~= 0 then fail("the server ended with code %d", code) end
print(("seed %d: %d conversations, %d of them over TLS, %d connections refused; healthy, unchanged")
  :format(SEED, sent, secured, refused))
h.stop_all()
