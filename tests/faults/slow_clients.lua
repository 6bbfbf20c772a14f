-- The attackers of slow.lua, a process of their own: slow_clients.lua PORT COUNT SECONDS
-- COUNT connections, half of them send header fields, half a body, a byte a second each, until they
-- are answered or closed, or SECONDS are over.  Prints "in" when all have connected, then "head" or
-- "body" and the seconds that it lasted for each that was ended by the server.

package.path = "tests/wire/?.lua;" .. package.path

local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local raw = require "raw"

local PORT, COUNT, SECONDS = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3])
local FIRST = { head = "GET /moon HTTP/1.1\r\nX-Slow: ",
  body = raw.head("POST", "/moon", "Content-Length: 100000\r\n") }

local cq, started, connected = cqueues.new(), cqueues.monotime(), 0

local function tell(text)
  io.write(text, "\n")
  io.flush()
end

local function attack(kind, wait)
  cqueues.sleep(wait)
  local began = cqueues.monotime()
  local c = socket.connect { host = "127.0.0.1", port = PORT }
  c:setmode("bn", "bn")
  c:onerror(function(_, _, e) return e end)
  assert(c:connect(10))
  c:xwrite(FIRST[kind], "bn", 5)
  connected = connected + 1
  if connected == COUNT then tell "in" end
  local there = { pollfd = c:pollfd(), events = "r" }
  local ended
  repeat
    ended = cqueues.poll(there, 1) == there or not c:xwrite("a", "bn", 1)
  until ended or cqueues.monotime() - started > SECONDS
  if ended then tell(("%s %.1f"):format(kind, cqueues.monotime() - began)) end
  c:close()
end

for i = 1, COUNT do      -- not all their bytes come at once
  cq:wrap(attack, i % 2 == 0 and "head" or "body", i / 1000)
end
assert(cq:loop())
