-- For the tests of notification formats over the wire: a server with one app, an AE "Cdev" with
-- a container, readings that come back over its own connection and over HTTP.

local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local h = require "harness"

local reading = {}

--- Starts apps/NAME.lua; s.ae is the AE, s.ws its connection with the subprotocol NAME.
function reading.start(name)
  local s = h.start { apps = { ("apps/%s.lua"):format(name) } }
  s.ae = s:register("dev")
  h.expect(2001, s:create("/moon/dev", "Cdev", 3, { rn = "c" }))
  h.expect(2001, s:create("/moon/dev/c", "Cdev", 23,
    { rn = "s", nu = { "Cdev" }, enc = { net = { 3, 4 } } }))
  s.ws = assert(s:ws(s.ae.url, { protocols = { name } }))
  assert(s.ws.protocol == name, "the subprotocol was not accepted")
  return s
end

--- Adds a reading; the data frame it makes as bytes, its opcode, and the instance.
function reading.frame(s, con)
  local cin = s:add("/moon/dev/c", "Cdev", con)
  local text, opcode = s.ws.ws:receive(5)
  assert(text, "no frame: " .. tostring(opcode))
  return text, opcode, cin
end

local function head_and_body(c)
  local head = {}
  for line in c:lines("*l") do
    line = line:gsub("\r$", "")
    if line == "" then break end
    local name, value = line:match("^([^:]+):%s*(.*)$")
    if name then head[name:lower()] = value else head.request = line end
  end
  local length = tonumber(head["content-length"]) or 0
  return head, length > 0 and c:read(length) or ""
end

--- A subscription with the label format:NAME and a URL target; adds a reading.  The head (lower-
-- case names, `request` the first line) and the body of what is posted.
function reading.posted(s, name, con)
  local server = socket.listen { host = "127.0.0.1", port = 0 }
  server:settimeout(5)
  server:listen()
  local _, _, port = server:localname()
  h.expect(2001, s:create("/moon/dev/c", "Cdev", 23, { rn = "url", lbl = { "format:" .. name },
    nu = { ("http://127.0.0.1:%d/sink"):format(port) }, enc = { net = { 3 } } }))
  s:add("/moon/dev/c", "Cdev", con)
  local c = assert(server:accept(5))
  c:setmode("b", "bn")
  c:settimeout(5)
  local head, body = head_and_body(c)
  c:write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-M2M-RSC: 2000\r\n\r\n")
  c:flush()
  cqueues.sleep(0.05)
  c:close()
  server:close()
  h.expect(2002, s:delete("/moon/dev/c/url", "Cdev"))
  return head, body
end

return reading
