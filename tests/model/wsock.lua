-- A WebSocket of the model test: as little as a client (or a dialled server) needs, and quick.
-- Nothing is read unless `poll` is called, so a reader can stall; a lost link is one close of the
-- socket.  Runs inside a cqueues controller.

local bit = require "bit"
local cqueues = require "cqueues"
local digest = require "openssl.digest"
local socket = require "cqueues.socket"

local wsock = {}
local Sock = {}
Sock.__index = Sock

local TIMEOUT = 10
local KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="
local GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
local B64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local AGAIN = 11

--- Makes a socket of bytes whose failures are results, not errors.
function wsock.plain(s)
  s:setmode("bn", "bn")
  s:onerror(function(_, _, why) return why end)
  return s
end

--- Waits until there is something to read.
function wsock.readable(s, seconds)
  cqueues.poll({ pollfd = s:pollfd(), events = "r", timeout = seconds })
end

local function base64(text)
  local out = {}
  for i = 1, #text, 3 do
    local a, b, c = text:byte(i, i + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    for k = 1, 4 do
      local d = math.floor(n / 64 ^ (4 - k)) % 64
      out[#out + 1] = (k == 3 and not b or k == 4 and not c) and "=" or B64:sub(d + 1, d + 1)
    end
  end
  return table.concat(out)
end

local function wrap(s, rest, masked)
  return setmetatable({ s = s, buf = rest or "", masked = masked }, Sock)
end

-- Reads until an empty line; the head and what came behind it.
local function head_of(s)
  local text, deadline = "", cqueues.monotime() + TIMEOUT
  while cqueues.monotime() < deadline do
    local more, why = s:recv(-65536, "b")
    if more then
      text = text .. more
      local a, b = text:find("\r\n\r\n", 1, true)
      if a then return text:sub(1, a), text:sub(b + 1) end
    elseif why ~= AGAIN then
      return nil
    else
      wsock.readable(s, 0.05)
    end
  end
end

--- Opens ws://127.0.0.1:port/path.  o = { protocol =, origin = }.  nil, why when it is refused.
function wsock.connect(port, path, o)
  local s = wsock.plain(socket.connect { host = "127.0.0.1", port = port, nodelay = true })
  if not s:connect(TIMEOUT) then return nil, "no connection" end
  s:xwrite(("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    .. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s%s\r\n"):format(path, port, KEY,
    o.protocol and "Sec-WebSocket-Protocol: " .. o.protocol .. "\r\n" or "",
    o.origin and "X-M2M-Origin: " .. o.origin .. "\r\n" or ""), "bn", TIMEOUT)
  local head, rest = head_of(s)
  local status = head and head:match("^HTTP/1.1 (%d+)")
  if status ~= "101" then
    s:close()
    return nil, status or "no answer"
  end
  return wrap(s, rest)
end

--- The server's side: head is the request that asked for it.
function wsock.accept(s, head, rest)
  local key = head:match("[Ss]ec%-[Ww]eb[Ss]ocket%-[Kk]ey:%s*(%S+)")
  local protocol = head:match("[Ss]ec%-[Ww]eb[Ss]ocket%-[Pp]rotocol:%s*([^,%s]+)")
  s:xwrite("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    .. "Sec-WebSocket-Accept: " .. base64(digest.new("sha1"):final(key .. GUID)) .. "\r\n"
    .. (protocol and "Sec-WebSocket-Protocol: " .. protocol .. "\r\n" or "") .. "\r\n",
    "bn", TIMEOUT)
  return wrap(s, rest, true)
end

-- A client's frames are masked, here by zeros, which leave the text as it is.
local function frame(opcode, text, masked)
  local n, mask = #text, masked and 0 or 128
  local head
  if n < 126 then
    head = string.char(128 + opcode, mask + n)
  elseif n < 65536 then
    head = string.char(128 + opcode, mask + 126, math.floor(n / 256), n % 256)
  else
    head = string.char(128 + opcode, mask + 127, 0, 0, 0, 0, math.floor(n / 2 ^ 24) % 256,
      math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256)
  end
  return head .. (masked and "" or "\0\0\0\0") .. text
end

--- Sends texts, each as a frame (opcode 1), in one write.  False: the connection is gone.
function Sock:send(list, opcode)
  local out = {}
  for i, text in ipairs(list) do out[i] = frame(opcode or 1, text, self.masked) end
  return not self.ended and self.s:xwrite(table.concat(out), "bn", TIMEOUT) and true or false
end

local function unmask(text, key)
  if key == "\0\0\0\0" then return text end
  local k, out = { key:byte(1, 4) }, {}
  for i = 1, #text do out[i] = string.char(bit.bxor(text:byte(i), k[(i - 1) % 4 + 1])) end
  return table.concat(out)
end

-- The next whole frame at `at` of the buffer: opcode, text, where the next begins; nil: not yet.
local function parse(buf, at)
  local a, b = buf:byte(at, at + 1)
  if not b then return nil end
  local n, masked = b % 128, b >= 128
  at = at + 2
  if n >= 126 then
    local size = n == 126 and 2 or 8
    if #buf < at + size - 1 then return nil end
    n = 0
    for i = at, at + size - 1 do n = n * 256 + buf:byte(i) end
    at = at + size
  end
  local key = masked and buf:sub(at, at + 3)
  at = at + (masked and 4 or 0)
  if #buf < at + n - 1 then return nil end
  local text = buf:sub(at, at + n - 1)
  return a % 16, masked and unmask(text, key) or text, at + n
end

--- What has arrived, without waiting: calls fn(opcode, text) for each frame.  self.ended is
-- "closed" after the end of the stream, "lost" after an error.
function Sock:poll(fn)
  local parts = { self.buf }
  while not self.ended do
    local more, why = self.s:recv(-262144, "b")
    if more then
      parts[#parts + 1] = more
    elseif why == AGAIN then
      break
    else
      self.ended = self.s:eof("r") and "closed" or "lost"
    end
  end
  local buf, at = table.concat(parts), 1
  while true do
    local opcode, text, next_at = parse(buf, at)
    if not opcode then break end
    at = next_at
    if opcode == 9 then self:send({ text }, 10) end
    if opcode == 8 then
      self.code = #text >= 2 and text:byte(1) * 256 + text:byte(2) or 1005
    end
    fn(opcode, text)
  end
  self.buf = buf:sub(at)
end

--- Waits until there may be something to poll.
function Sock:wait(seconds)
  if not self.ended then wsock.readable(self.s, seconds) end
end

--- Ends it without a word, as a lost link does.
function Sock:drop()
  if self.gone then return end
  self.gone, self.ended = true, self.ended or "dropped"
  self.s:close()
end

wsock.head_of = head_of

return wsock
