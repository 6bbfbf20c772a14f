-- Slow attackers: luajit tests/faults/slow.lua [ATTACKERS] [SECONDS] [TURNS] [HEADER] [BODY]
-- Half of them send header fields, half a body, a byte a second each, from a process of their own,
-- while eight clients ask a hundred times a second each.  What they notice is compared with what
-- they see without, by turns; what the server computes for the slow ones is told; those are gone
-- after limits.header_time, and limits.body_time.

package.path = "tests/wire/?.lua;tests/faults/?.lua;" .. package.path

local cqueues = require "cqueues"
local h = require "harness"
local raw = require "raw"
local turns = require "turns"

local ATTACKERS = tonumber(arg[1]) or 1000
local SECONDS = tonumber(arg[2]) or 5         -- of each measurement; less than the limits
local TURNS = tonumber(arg[3]) or 5
local HEADER, BODY = tonumber(arg[4]) or 10, tonumber(arg[5]) or 30   -- the limits; the defaults
local SLACK = 10                              -- a busy machine
local RATIO = 1.5
local LOUD = TURNS > 1                        -- with one turn noise decides

local GET = raw.head("GET", "/moon")
local PAUSE = 0.01                            -- between the requests of a client
local IDLE = math.min(4, HEADER / 3)          -- seconds with nobody but the slow ones

-- CPU seconds of the server so far.
local function cpu(s)
  local text, field = h.read_file(("/proc/%d/stat"):format(s.pid)):match("%) (.*)$"), {}
  for word in text:gmatch("%S+") do field[#field + 1] = tonumber(word) or 0 end
  return (field[12] + field[13]) / 100
end

-- Eight clients for some seconds: the times of their answers, in ms.
local function ask(s)
  local cq, times, till = cqueues.new(), {}, cqueues.monotime() + SECONDS
  for _ = 1, 8 do
    cq:wrap(function()
      local c = raw.connect(s.port)
      while cqueues.monotime() < till do
        local began = cqueues.monotime()
        local r = c:write(GET):response()
        if not r or r.rsc ~= 2000 then error("a good client got " .. tostring(r and r.line)) end
        times[#times + 1] = cqueues.monotime() - began
        cqueues.sleep(PAUSE)
      end
      c:close()
    end)
  end
  assert(cq:loop())
  return { p99 = turns.quantile(times, 0.99) * 1000, p50 = turns.quantile(times, 0.5) * 1000 }
end

local function attackers(s, seconds)
  local out = assert(io.popen(("luajit tests/faults/slow_clients.lua %d %d %g"):format(s.port,
    ATTACKERS, seconds)))
  if out:read() ~= "in" then error("the attackers did not get in", 0) end
  return out
end

-- How long they last when nobody ends them but the server.
local function outlasted(s)
  local out, slowest, n = attackers(s, BODY + 3 * SLACK), { head = 0, body = 0 }, 0
  local held = s:metric "moon2m_connections_unidentified"
  h.sleep(1)
  local used = cpu(s)
  h.sleep(IDLE)
  used = (cpu(s) - used) / IDLE
  for line in out:lines() do
    local kind, lasted = line:match "^(%a+) ([%d.]+)$"
    slowest[kind] = math.max(slowest[kind], tonumber(lasted))
    n = n + 1
  end
  out:close()
  if held < ATTACKERS * 0.9 then error(("only %d attackers got in"):format(held), 0) end
  if n < ATTACKERS then error(("%d attackers were not ended"):format(ATTACKERS - n), 0) end
  for kind, bound in pairs { head = HEADER, body = BODY } do
    if slowest[kind] > bound + SLACK then
      error(("a slow %s lasted %.1f s"):format(kind, slowest[kind]), 0)
    end
  end
  return slowest, held, used
end

local ok, why = pcall(function()
  local s = h.start { args = ("--set limits.unidentified=%d --set limits.per_address=%d"
    .. " --set limits.header_time=%g --set limits.body_time=%g"):format(ATTACKERS + 100,
    ATTACKERS + 200, HEADER, BODY) }
  ask(s)
  local r = turns.compare(TURNS, function() return ask(s) end, function()
    local out = attackers(s, SECONDS + 1)
    local times = ask(s)
    out:read "*a"
    out:close()
    return times
  end)
  local gone, held, used = outlasted(s)
  print(("%d slow attackers (%d in at once): p99 of good clients %.2f ms, %.2f ms without; by turns"
    .. " %.2f x (%.2f to %.2f in %d turns), median %.2f x; the slow ones alone take %.1f %% of a"
    .. " core, and are gone after %.1f s (headers), %.1f s (bodies); counted: %d and %d"):format(
    ATTACKERS, held, r.during99, r.before99, r.p99, r.least99, r.most99, TURNS, r.p50, used * 100,
    gone.head, gone.body, s:metric("moon2m_limit_total", 'limit="header_time"'),
    s:metric("moon2m_limit_total", 'limit="body_time"')))
  if LOUD and r.p99 > RATIO then error("good clients were held up", 0) end
end)
h.stop_all()
if not ok then print(why) end
os.exit(ok and 0 or 1)
