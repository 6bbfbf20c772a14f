-- Slow and dead consumers beside good ones: consumers.lua [GOOD] [EVENTS] [TURNS], by luajit
-- Good AEs on WebSockets (tests/bench/load) acknowledge each event; beside them by turns nobody, or
-- one AE that reads nothing and one URL where nobody listens.  Told: the time from the creation to
-- the last good one, both ways; what was dropped for the bad ones is counted exactly, memory stays
-- within the bounds.

package.path = "tests/wire/?.lua;tests/faults/?.lua;" .. package.path

local cjson = require "cjson"
local h = require "harness"
local raw = require "raw"
local turns = require "turns"
local expect = h.expect

local GOOD, EVENTS = tonumber(arg[1]) or 99, tonumber(arg[2]) or 500
local TURNS = tonumber(arg[3]) or 9
local RATIO = TURNS > 1 and 1.2 or 5          -- with one turn noise decides
local WARM_UP = 3                             -- events that load does not measure
local KEEP = 50                               -- notices kept for one target
local LOAD = (os.getenv "B" or "build") .. "/bench/load"

local function rss(pid)
  return tonumber(h.read_file(("/proc/%d/status"):format(pid)):match("VmRSS:%s+(%d+)")) / 1024
end

-- One run of the load generator; its result.
local function load(s, fmt, ...)
  local out, rc = h.sh("PID=%d %s %d " .. fmt, s.pid, LOAD, s.port, ...)
  if rc ~= 0 then error(out, 0) end
  return out ~= "" and cjson.decode(out:match "{.*}") or {}
end

local function prepare(s)
  local all = { acr = { { acor = { "all" }, acop = 63 } } }
  s:register "bench"
  expect(2001, s:create("/moon/bench", "Cbench", 1, { rn = "all", pv = all, pvs = all }))
  local acpi = { "moon/bench/all" }
  expect(2001, s:create("/moon/bench", "Cbench", 3, { rn = "good", mni = 10, acpi = acpi }))
  load(s, "aes %d", GOOD)
  load(s, "subs %d - good", GOOD)
end

local function subscribe(s, fr, name, nu)     -- an AE for itself: it need not be asked
  expect(2001, s:create("/moon/bench/good", fr, 23, { rn = name, nu = { nu },
    enc = { net = { 3 }, chty = { 4 } } }))
end

-- An AE that is connected and reads nothing: who it is and its connection.
local function reads_nothing(s, name)
  local ae = s:register(name)
  local c, r = raw.websocket(s.ws_port, "Sec-WebSocket-Protocol: oneM2M.json\r\n",
    ae.url:match("//[^/]+(/.*)$"))
  if r.status ~= 101 then error("the slow one is not let in: " .. r.line, 0) end
  return ae.aei, c
end

local ok, why = pcall(function()
  local s = h.start { args = "--set outgoing.rate=1000000", config = ("notification = { max_count"
    .. " = %d, window = 16 }\n"):format(KEEP) }
  prepare(s)
  local dead = ("http://127.0.0.1:%d/dead"):format(h.free_port())
  local function dropped() return s:metric("moon2m_limit_total", 'limit="target_queue"') or 0 end

  local function measure()
    local one = load(s, "fanout %d %d ack good", GOOD, EVENTS)
    return { p99 = one.last_p99_us / 1000, p50 = one.last_p50_us / 1000,
      cpu = one.cpu_ns }
  end
  measure()
  local memory, most, events, turn = rss(s.pid), 0, 0, 0
  local result = turns.compare(TURNS, measure, function()
    turn = turn + 1
    local slow, c = reads_nothing(s, "slow" .. turn)
    subscribe(s, slow, "slow", slow)
    subscribe(s, "Cbench", "dead", dead)
    local before = dropped()
    local times = measure()
    local gone, n = dropped() - before, 2 * (EVENTS + WARM_UP)
    if gone ~= n - 2 * KEEP then      -- the rest waits
      error(("%d dropped of %d, %d of which may wait"):format(gone, n, 2 * KEEP), 0)
    end
    most, events = math.max(most, rss(s.pid) - memory), events + n
    c:close()
    expect(2002, s:delete("/moon/bench/good/slow", slow))
    expect(2002, s:delete("/moon/slow" .. turn, slow))
    expect(2002, s:delete("/moon/bench/good/dead", "Cbench"))
    return times
  end)
  print(("%d good consumers, one that reads nothing, one dead: an event at all good ones p99 %.2f"
    .. " ms, %.2f ms without; by turns %.2f x (%.2f to %.2f in %d turns), median %.2f x, the"
    .. " server's work for each notice %.2f x; of %d notices for the bad ones all but the newest %d"
    .. " dropped, as counted; memory %+.1f MiB"):format(GOOD, result.during99, result.before99,
    result.p99, result.least99, result.most99, TURNS, result.p50, result.cpu, events, 2 * KEEP,
    most))
  if most > 32 then error("memory grew", 0) end
  if result.p99 > RATIO then error("good ones were held up", 0) end
end)
h.stop_all()
if not ok then print(why) end
os.exit(ok and 0 or 1)
