-- A keep-alive HTTP client of the crash test that knows no more than it needs: one create after the
-- other on one connection.  A connection that ends in the middle is no error here: it says that the
-- create was not answered.  Runs inside a cqueues controller.

local socket = require "cqueues.socket"

local client = {}
local Client = {}
Client.__index = Client

local TIMEOUT = 20

--- Connects to 127.0.0.1:port, to create as `origin`; nil when nobody listens.
function client.connect(port, origin)
  local s = socket.connect { host = "127.0.0.1", port = port }
  s:setmode("bn", "bn")
  s:settimeout(TIMEOUT)
  s:onerror(function(_, _, why) return why end)
  if not s:connect(TIMEOUT) then return nil end
  return setmetatable({ s = s, origin = origin, n = 0 }, Client)
end

local function answer(self)
  local s = self.s
  local line = s:read("*l")
  if not line then return nil end
  local rsc, length
  while true do
    line = s:read("*l")
    if not line then return nil end
    if line == "\r" or line == "" then break end
    local name, value = line:match("^([^:]+):%s*(.-)\r?$")
    name = name and name:lower()
    if name == "x-m2m-rsc" then rsc = tonumber(value) end
    if name == "content-length" then length = tonumber(value) end
  end
  local body = ""
  if length and length > 0 then
    body = s:read(length)
    if not body or #body < length then return nil end
  end
  return rsc, body
end

--- Creates a resource of type `ty` from its JSON text; the response status code and the body, or
-- nil when the server did not answer.
function Client:create(path, ty, body)
  self.n = self.n + 1
  local ok = self.s:write(table.concat({
    "POST " .. path .. " HTTP/1.1", "Host: test", "X-M2M-Origin: " .. self.origin,
    "X-M2M-RI: " .. self.n, "X-M2M-RVI: 3", "Content-Type: application/json;ty=" .. ty,
    "Content-Length: " .. #body, "", body }, "\r\n"))
  if not ok then return nil end
  return answer(self)
end

--- Creates an instance with content `con` (no characters that JSON escapes).
function Client:add(path, con)
  return self:create(path, 4, '{"m2m:cin":{"con":"' .. con .. '"}}')
end

function Client:close() self.s:close() end

return client
