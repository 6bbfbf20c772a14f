-- A target of the model test that is a URL: an HTTP server, which also takes WebSockets.  What it
-- receives waits in `inbox` until the test looks; how it answers is its mood: "ok", "slow",
-- "error" (500: try again), "hang up" (before the answer), "refuse" (4xx: final), "mute" (of a
-- WebSocket: no answer until the mood changes).  `broke`: when a WebSocket ended, with what was in
-- it; `line`: the connection that an entry came on.

local cbor = require "cbor"
local cjson = require "cjson"
local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local wsock = require "wsock"

local sink = {}
local Sink = {}
Sink.__index = Sink

sink.MOODS = { "ok", "ok", "slow", "error", "hang up", "refuse", "mute" }

local HTTP = { ok = "200 OK\r\nX-M2M-RSC: 2000", slow = "200 OK\r\nX-M2M-RSC: 2000",
  mute = "200 OK\r\nX-M2M-RSC: 2000",
  error = "500 Internal Server Error", refuse = "403 Forbidden\r\nX-M2M-RSC: 4103" }

-- Keeps what arrived; the entry, whose `done` says whether the server was told that it is done.
local function keep(self, text, rqi)
  local entry = { text = text, rqi = rqi, at = cqueues.monotime(), done = false,
    boot = self.boots() }
  table.insert(self.inbox, entry)
  return entry
end

local function serve_http(self, s, head, rest)
  while head do
    local n = tonumber(head:match("[Cc]ontent%-[Ll]ength:%s*(%d+)")) or 0
    while #rest < n do
      local more, why = s:recv(-65536, "b")
      if not more and why ~= 11 then return end
      if not more then wsock.readable(s, 1) end
      rest = rest .. (more or "")
    end
    local mood = self.mood
    local entry = keep(self, rest:sub(1, n), head:match("[Xx]%-[Mm]2[Mm]%-[Rr][Ii]:%s*(%S+)"))
    entry.cbor = head:find("application/cbor", 1, true) ~= nil
    if mood == "hang up" then return end
    if mood == "slow" then cqueues.sleep(0.03) end
    entry.done, entry.ok = mood ~= "error", mood ~= "refuse"
    if not s:xwrite("HTTP/1.1 " .. HTTP[mood] .. "\r\nContent-Length: 0\r\n\r\n", "bn", 5) then
      return
    end
    local more, behind = wsock.head_of(s)
    head, rest = more, behind
  end
end

local function serve_ws(self, s, head, rest)
  local ws = wsock.accept(s, head, rest)
  local line, open = {}, {}
  local function answer(entry)
    entry.ok = self.mood ~= "refuse"
    entry.at = cqueues.monotime()
    local a = { rsc = entry.ok and 2000 or 4103, rqi = entry.rqi, rvi = "3" }
    entry.done = ws:send({ entry.cbor and cbor.encode(a) or cjson.encode(a) },
      entry.cbor and 2 or 1)
  end
  local function take(opcode, text)
    if opcode > 2 then return end
    local is_cbor = opcode == 2
    local entry = keep(self, text, (is_cbor and cbor or cjson).decode(text).rqi)
    entry.line, entry.cbor = line, is_cbor
    if self.mood == "hang up" or self.mood == "error" then
      ws.ended = "dropped"
    elseif entry.rqi and self.mood == "mute" then
      open[#open + 1] = entry
    elseif entry.rqi then
      answer(entry)
    end
  end
  while not ws.ended and not self.closed do
    ws:poll(take)
    while open[1] and self.mood ~= "mute" do answer(table.remove(open, 1)) end
    ws:wait(#open > 0 and 0.01 or 0.2)
  end
  line.ended_at = cqueues.monotime()
  self.broke = line.ended_at
end

local function serve(self, s)
  local head, rest = wsock.head_of(s)
  if head and head:lower():find("upgrade: websocket", 1, true) then
    serve_ws(self, s, head, rest)
  elseif head then
    serve_http(self, s, head, rest)
  end
  s:close()
end

--- A server on a free port; kind: "http" or "ws"; ct: "" or "?ct=cbor"; boots(): which run of the
-- server it is.
function sink.new(cq, kind, ct, boots)
  local self = setmetatable({ inbox = {}, mood = "ok", kind = kind, boots = boots }, Sink)
  self.listener = socket.listen { host = "127.0.0.1", port = 0, nodelay = true }
  self.listener:listen()
  self.listener:onerror(function(_, _, why) return why end)
  local _, _, port = self.listener:localname()
  self.url = ("%s://127.0.0.1:%d/n%s"):format(kind, port, ct)
  cq:wrap(function()
    while not self.closed do
      local s = self.listener:accept(0.2)
      if s then cq:wrap(function() serve(self, wsock.plain(s)) end) end
    end
    self.listener:close()
  end)
  return self
end

function Sink:close() self.closed = true end

return sink
