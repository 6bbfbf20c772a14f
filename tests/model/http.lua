-- The model test's HTTP client: one keep-alive connection, requests one after the other; sending
-- and taking the answer are two calls, so that several connections can have requests under way at
-- the same time.  An answer that does not come is nil, no error: the server may have been killed.

local cjson = require "cjson"
local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local wsock = require "wsock"

local http = {}
local Http = {}
Http.__index = Http

local TIMEOUT = 20
local last_rqi = 0

--- A connection to 127.0.0.1:port, opened at the first request.
function http.new(port) return setmetatable({ port = port, buf = "" }, Http) end

local function open(self)
  if self.s then return true end
  local s = wsock.plain(socket.connect { host = "127.0.0.1", port = self.port, nodelay = true })
  if not s:connect(TIMEOUT) then return false end
  self.s, self.buf = s, ""
  return true
end

--- body: a table, or nil.  False when nobody listens.
function Http:send(method, path, origin, ty, body)
  if not open(self) then return false end
  last_rqi = last_rqi + 1
  local text = body and cjson.encode(body) or ""
  local head = { method .. " " .. path .. " HTTP/1.1", "Host: test", "X-M2M-RI: m" .. last_rqi,
    "X-M2M-RVI: 3" }
  if origin then head[#head + 1] = "X-M2M-Origin: " .. origin end
  if body then
    head[#head + 1] = "Content-Type: application/json" .. (ty and ";ty=" .. ty or "")
    head[#head + 1] = "Content-Length: " .. #text
  end
  return self.s:xwrite(table.concat(head, "\r\n") .. "\r\n\r\n" .. text, "bn", TIMEOUT)
    and true or false
end

local function fill(self, deadline)
  local more, why = self.s:recv(-262144, "b")
  if more then
    self.buf = self.buf .. more
    return true
  end
  if why ~= 11 or cqueues.monotime() > deadline then return false end
  wsock.readable(self.s, 0.5)
  return true
end

--- The answer to the oldest request: { rsc =, status =, head =, text = }; nil when there is none.
function Http:answer()
  local deadline = cqueues.monotime() + TIMEOUT
  while self.s do
    local a, b = self.buf:find("\r\n\r\n", 1, true)
    if a then
      local head = self.buf:sub(1, a)
      local n = tonumber(head:match("[Cc]ontent%-[Ll]ength:%s*(%d+)")) or 0
      if #self.buf >= b + n then
        local text = self.buf:sub(b + 1, b + n)
        self.buf = self.buf:sub(b + n + 1)
        return { rsc = tonumber(head:match("[Xx]%-[Mm]2[Mm]%-[Rr][Ss][Cc]:%s*(%d+)")),
          status = tonumber(head:match("^HTTP/1.1 (%d+)")), head = head, text = text }
      end
    end
    if not fill(self, deadline) then self:close() end
  end
end

function Http:request(...)
  return self:send(...) and self:answer() or nil
end

function Http:close()
  if self.s then self.s:close() end
  self.s = nil
end

return http
