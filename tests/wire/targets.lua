-- Targets that are URLs: HTTP and WebSocket servers of the tests (lua-http), in one cqueues
-- controller beside the test's own steps.

local cjson = require "cjson"
local cqueues = require "cqueues"
local http_server = require "http.server"
local new_headers = require "http.headers".new
local websocket = require "http.websocket"

local targets = {}
local Target = {}
Target.__index = Target

--- A server on a free port.  answer(t, request) may return a status (default 200) and JSON text, or
-- wait; every POST is kept in t.got as { path =, headers = {}, body = decoded, text = }, every
-- WebSocket message as { body =, text =, protocol = }.
function targets.new(answer)
  local t = setmetatable({ got = {}, cq = cqueues.new() }, Target)
  t.server = assert(http_server.listen {
    host = "127.0.0.1", port = 0, cq = t.cq, tls = false,
    onstream = function(_, stream) t:serve(stream, answer) end,
    onerror = function() end,
  })
  assert(t.server:listen())
  local _, _, port = t.server:localname()
  t.port = port
  t.url = ("http://127.0.0.1:%d"):format(port)
  t.ws_url = ("ws://127.0.0.1:%d"):format(port)
  return t
end

local function keep(t, entry)
  local ok, body = pcall(cjson.decode, entry.text)
  entry.body = ok and body or nil
  entry.at = cqueues.monotime()
  t.got[#t.got + 1] = entry
  return entry
end

function Target:serve_ws(stream, headers, answer)
  local ws = websocket.new_from_stream(stream, headers)
  local protocols = ws.protocols
  assert(ws:accept({ protocols = protocols }, 5))
  while true do
    local text = ws:receive(10)
    if not text then break end
    local entry = keep(self, { text = text, protocol = protocols and protocols[1] })
    if answer then answer(self, entry, ws) end
  end
  ws:close(1000, "", 1)
end

function Target:serve(stream, answer)
  local headers = stream:get_headers(5)
  if not headers then return end
  if (headers:get("upgrade") or ""):lower() == "websocket" then
    return self:serve_ws(stream, headers, answer)
  end
  local h = {}
  for name, value in headers:each() do h[name] = value end
  local entry = keep(self, { path = headers:get(":path"), method = headers:get(":method"),
    headers = h,
    text = stream:get_body_as_string(5) or "" })
  local status, body
  if answer then status, body = answer(self, entry) end
  local out = new_headers()
  out:append(":status", tostring(status or 200))
  out:append("x-m2m-rsc", "2000")
  out:append("x-m2m-ri", h["x-m2m-ri"] or "")
  out:append("content-length", tostring(body and #body or 0))
  if body then out:append("content-type", "application/json") end
  stream:write_headers(out, not body, 5)
  if body then stream:write_chunk(body, true, 5) end
end

--- Serves until fn() is true; fails with `what` after `seconds`.
function Target:wait(what, fn, seconds)
  local deadline = cqueues.monotime() + (seconds or 10)
  while not fn() do
    if cqueues.monotime() > deadline then error("waited in vain for " .. what, 2) end
    assert(self.cq:step(0.02))
  end
end

--- Serves until n messages came.
function Target:expect(n, seconds)
  self:wait(n .. " messages", function() return #self.got >= n end, seconds)
end

--- Serves for a while.
function Target:serve_for(seconds)
  local deadline = cqueues.monotime() + seconds
  while cqueues.monotime() < deadline do assert(self.cq:step(0.02)) end
end

function Target:close()
  self.server:close()
  self.cq:step(0.02)
end

return targets
