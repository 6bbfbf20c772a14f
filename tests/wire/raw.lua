-- A bare TCP client for wire tests that need bytes as they are: HTTP messages cut anywhere, several
-- in one write, malformed ones, and WebSocket frames that no library would send.
-- Every read is bounded in time.

local bit = require "bit"
local cqueues = require "cqueues"
local socket = require "cqueues.socket"

local raw = {}
local Raw = {}
Raw.__index = Raw
local TIMEOUT = 5

--- Connects to 127.0.0.1:port; secure: over TLS, whatever certificate is shown.
function raw.connect(port, secure)
  local s = assert(socket.connect { host = "127.0.0.1", port = port })
  s:setmode("bn", "bn")
  s:settimeout(TIMEOUT)
  s:onerror(function(_, _, why) return why end)
  assert(s:connect(TIMEOUT))
  if secure then assert(s:starttls(TIMEOUT)) end
  return setmetatable({ s = s }, Raw)
end

function Raw:write(text)
  self.s:xwrite(text, "bn", TIMEOUT)
  return self
end

local function line(self, seconds)
  local l = self.s:xread("*L", "b", seconds or TIMEOUT)
  return l and (l:gsub("\r?\n$", ""))
end

local function chunks(self)
  local parts = {}
  while true do
    local n = tonumber((line(self) or ""):match("^%x+") or "0", 16)
    if n == 0 then
      repeat local l = line(self) until not l or l == ""
      return table.concat(parts)
    end
    parts[#parts + 1] = self.s:xread(n, "b", TIMEOUT)
    line(self)
  end
end

--- The next HTTP response: { status, headers = { lower case name = value }, body, line }; nil when
-- the connection ended or nothing came in time.  no_body: the request was HEAD.
function Raw:response(no_body, seconds)
  local first = line(self, seconds)
  if not first then return nil end
  local r = { line = first, status = tonumber(first:match("^HTTP/1%.1 (%d%d%d)")), headers = {},
    body = "" }
  while true do
    local l = line(self)
    if not l or l == "" then break end
    local name, value = l:match("^([^:]+):%s*(.-)%s*$")
    if name then r.headers[name:lower()] = value end
  end
  r.rsc = tonumber(r.headers["x-m2m-rsc"])
  if no_body or r.status == 100 or r.status == 101 or r.status == 204 then return r end
  if (r.headers["transfer-encoding"] or ""):lower() == "chunked" then
    r.body = chunks(self)
  else
    local n = tonumber(r.headers["content-length"] or "0")
    if n > 0 then r.body = self.s:xread(n, "b", TIMEOUT) or "" end
  end
  return r
end

--- True when the peer closed the connection (within `seconds`) without sending more.
function Raw:ended(seconds)
  local data, why = self.s:xread(1, "b", seconds or TIMEOUT)
  if data then return false, data end
  return why ~= require("cqueues.errno").ETIMEDOUT
end

--- Everything up to the end of the connection (or what came within `seconds`).
function Raw:rest(seconds)
  local parts, deadline = {}, cqueues.monotime() + (seconds or TIMEOUT)
  while cqueues.monotime() < deadline do
    local data = self.s:xread(-4096, "b", deadline - cqueues.monotime())
    if not data then break end
    parts[#parts + 1] = data
  end
  return table.concat(parts)
end

function Raw:close() self.s:close() end

--- The head of a request with the usual headers.
function raw.head(method, path, headers)
  return ("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nX-M2M-Origin: CAdmin\r\nX-M2M-RI: r1\r\n" ..
    "X-M2M-RVI: 3\r\n%s\r\n"):format(method, path, headers or "")
end

--- A complete request with a JSON body.
function raw.post(path, ty, body, rqi)
  local head = raw.head("POST", path, ("Content-Type: application/json%s\r\nContent-Length: %d\r\n")
    :format(ty and ";ty=" .. ty or "", #body))
  return (head:gsub("X%-M2M%-RI: r1", "X-M2M-RI: " .. (rqi or "r1"))) .. body
end

-- ---- WebSocket ----------------------------------------------------------------------------------

--- A connection after the opening handshake on "/", and the handshake's response.
function raw.websocket(port, headers, path, secure)
  local c = raw.connect(port, secure)
  c:write(("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n" ..
    "Connection: Upgrade\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n" ..
    "Sec-WebSocket-Version: 13\r\n%s\r\n"):format(
    path or "/", port, headers or "Sec-WebSocket-Protocol: oneM2M.json\r\n"))
  return c, c:response()
end

--- A masked client frame.  first: the first byte (0x81 text, 0x82 binary, 0x01 unfinished text).
function raw.frame(first, data)
  local mask = { 1, 2, 3, 4 }
  local out = {}
  for i = 1, #data do out[i] = string.char(bit.bxor(data:byte(i), mask[(i - 1) % 4 + 1])) end
  local n = #data
  local length
  if n < 126 then
    length = string.char(128 + n)
  elseif n < 65536 then
    length = string.char(254, math.floor(n / 256), n % 256)
  else
    length = string.char(255, 0, 0, 0, 0, math.floor(n / 16777216) % 256,
      math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256)
  end
  return string.char(first) .. length .. "\1\2\3\4" .. table.concat(out)
end

--- The next frame of the server: opcode, payload; nil at the end.
function Raw:frame(seconds)
  local h = self.s:xread(2, "b", seconds or TIMEOUT)
  if not h then return nil end
  local n = h:byte(2) % 128
  if n == 126 then
    local l = self.s:xread(2, "b", TIMEOUT)
    n = l:byte(1) * 256 + l:byte(2)
  elseif n == 127 then
    local l = self.s:xread(8, "b", TIMEOUT)
    n = ((l:byte(5) * 256 + l:byte(6)) * 256 + l:byte(7)) * 256 + l:byte(8)
  end
  return h:byte(1) % 16, n > 0 and self.s:xread(n, "b", TIMEOUT) or ""
end

--- Reads frames until the close frame; its code (1005: none), or nil when it just ended.
function Raw:close_code(seconds)
  while true do
    local op, data = self:frame(seconds)
    if not op then return nil end
    if op == 8 then return #data >= 2 and data:byte(1) * 256 + data:byte(2) or 1005 end
  end
end

return raw
