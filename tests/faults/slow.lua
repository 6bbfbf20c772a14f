-- Slow attackers: luajit tests/faults/slow.lua [ATTACKERS] [SECONDS]
-- Half of them send header fields, half a body, a byte a second each, while eight clients ask as
-- fast as they are answered.  What the clients notice is told beside what they saw before; the slow
-- ones are gone after limits.header_time, and limits.body_time.

package.path = "tests/wire/?.lua;" .. package.path

local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local h = require "harness"
local raw = require "raw"

local ATTACKERS = tonumber(arg[1]) or 1000
local SECONDS = tonumber(arg[2]) or 8         -- of each measurement
local HEADER, BODY = 10, 30                   -- the defaults of the two limits
local SLACK = 10                              -- a busy machine

local ok, why = pcall(function()
  local s = h.start { args = ("--set limits.unidentified=%d"):format(ATTACKERS + 100) }
  local cq = cqueues.new()
  local get = raw.head("GET", "/moon")
  local slow = { head = {}, body = {} }        -- seconds that each lasted
  local asking = true

  local function client(times)
    local c = raw.connect(s.port)
    while asking do
      local began = cqueues.monotime()
      local r = c:write(get):response()
      if not r or r.rsc ~= 2000 then error("a good client got " .. tostring(r and r.line)) end
      times[#times + 1] = cqueues.monotime() - began
    end
    c:close()
  end

  local function attack(kind)
    local began = cqueues.monotime()
    local c = socket.connect { host = "127.0.0.1", port = s.port }
    c:setmode("bn", "bn")
    c:onerror(function(_, _, e) return e end)
    assert(c:connect(5))
    c:xwrite(kind == "head" and "GET /moon HTTP/1.1\r\nX-Slow: " or
      raw.head("POST", "/moon", "Content-Length: 100000\r\n"), "bn", 5)
    local there = { pollfd = c:pollfd(), events = "r" }
    repeat
      local answered = cqueues.poll(there, 1) == there
      local sent = not answered and c:xwrite("a", "bn", 1)
    until answered or not sent or cqueues.monotime() - began > BODY + 3 * SLACK
    table.insert(slow[kind], cqueues.monotime() - began)
    c:close()
  end

  local function measure(seconds)
    local all = {}
    asking = true
    for _ = 1, 8 do cq:wrap(client, all) end
    local till = cqueues.monotime() + seconds
    while cqueues.monotime() < till do assert(cq:step(0.05)) end
    asking = false
    till = cqueues.monotime() + 0.5
    while cqueues.monotime() < till do assert(cq:step(0.05)) end
    table.sort(all)
    return all[math.ceil(#all * 0.99)] * 1000, #all
  end

  measure(1)
  local before = measure(SECONDS)
  for i = 1, ATTACKERS do cq:wrap(attack, i % 2 == 0 and "head" or "body") end
  local till = cqueues.monotime() + 1.5         -- all are in
  while cqueues.monotime() < till do assert(cq:step(0.05)) end
  local held = s:metric "moon2m_connections_unidentified"
  local during, n = measure(SECONDS)
  till = cqueues.monotime() + BODY + 3 * SLACK
  while #slow.head + #slow.body < ATTACKERS and cqueues.monotime() < till do
    assert(cq:step(0.1))
  end
  local gone = {}
  for kind, bound in pairs { head = HEADER, body = BODY } do
    table.sort(slow[kind])
    gone[kind] = slow[kind][#slow[kind]] or 0
    if gone[kind] > bound + SLACK then
      error(("a slow %s lasted %.1f s"):format(kind, gone[kind]), 0)
    end
  end
  if #slow.head + #slow.body < ATTACKERS then error("some attackers are still there", 0) end
  if held < ATTACKERS * 0.9 then error(("only %d attackers got in"):format(held), 0) end
  print(("%d slow attackers (%d in at once): p99 of good clients %.2f ms, before %.2f ms (%.2f x,"
    .. " %d requests); gone after %.1f s (headers), %.1f s (bodies); counted: %d and %d"):format(
    ATTACKERS, held, during, before, during / before, n, gone.head, gone.body,
    s:metric("moon2m_limit_total", 'limit="header_time"'),
    s:metric("moon2m_limit_total", 'limit="body_time"')))
  if during > before * 3 + 5 then error("good clients were held up", 0) end
end)
h.stop_all()
if not ok then print(why) end
os.exit(ok and 0 or 1)
