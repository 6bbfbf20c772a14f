-- Slow and dead consumers beside good ones: luajit tests/faults/consumers.lua [GOOD] [EVENTS]
-- Good AEs on WebSockets get each event; beside them, first nobody, then one that reads nothing and
-- one URL where nobody listens.  Told: the time from the creation to the last good one, both ways;
-- what was dropped for the bad ones is counted exactly, memory stays within the bounds.

package.path = "tests/wire/?.lua;" .. package.path

local cqueues = require "cqueues"
local h = require "harness"
local raw = require "raw"
local expect = h.expect

local GOOD, EVENTS = tonumber(arg[1]) or 99, tonumber(arg[2]) or 120
local KEEP = 50                               -- notices kept for one target
local CON = ("x"):rep(2000)

local function rss(pid)
  return tonumber(h.read_file(("/proc/%d/status"):format(pid)):match("VmRSS:%s+(%d+)")) / 1024
end

local ok, why = pcall(function()
  local s = h.start { config = ("notification = { max_count = %d, window = 16 }\n"):format(KEEP) }
  s:register("src")
  local all = { acr = { { acor = { "all" }, acop = 63 } } }
  expect(2001, s:create("/moon/src", "Csrc", 1, { rn = "all", pv = all, pvs = all }))
  expect(2001, s:create("/moon/src", "Csrc", 3, { rn = "c", mni = 10, acpi = { "moon/src/all" } }))
  local function subscribe(name, nu)          -- an AE for itself: it need not be asked
    local fr = nu:find("://") and "Csrc" or nu
    expect(2001, s:create("/moon/src/c", fr, 23, { rn = name, nu = { nu },
      enc = { net = { 3 }, chty = { 4 } } }))
  end
  local good = {}
  for i = 1, GOOD do
    good[i] = s:listen(s:register("g" .. i))
    subscribe("s" .. i, "Cg" .. i)
  end

  local function measure()
    local times = {}
    for i = 1, EVENTS do
      local began = cqueues.monotime()
      s:add("/moon/src/c", "Csrc", CON .. i)
      for _, ws in ipairs(good) do
        local m = assert(ws:notification(20))
        if m.pc["m2m:sgn"].nev.rep["m2m:cin"].con ~= CON .. i then error("out of order", 0) end
      end
      times[i] = cqueues.monotime() - began
    end
    table.sort(times)
    return times[math.ceil(#times * 0.99)] * 1000, times[math.ceil(#times / 2)] * 1000
  end

  measure()
  local before, middle_before = measure()
  local slow = s:register("slow")
  local c, r = raw.websocket(s.ws_port, "Sec-WebSocket-Protocol: oneM2M.json\r\n",
    slow.url:match("//[^/]+(/.*)$"))
  if r.status ~= 101 then error("the slow one is not let in: " .. r.line, 0) end
  subscribe("slow", "Cslow")
  subscribe("dead", ("http://127.0.0.1:%d/dead"):format(h.free_port()))
  local memory = rss(s.pid)
  local during, middle_during = measure()
  local grown = rss(s.pid) - memory
  local dropped = s:metric("moon2m_limit_total", 'limit="target_queue"')
  local waiting = s:metric "moon2m_notices_waiting" + s:metric "moon2m_notices_parked"
  c:close()
  print(("%d good consumers, one that reads nothing, one dead: an event at all good ones p99 %.1f"
    .. " ms, before %.1f ms (%.2f x; median %.2f x); of %d notices for the bad ones %d dropped, %d"
    .. " wait; memory %+.1f MiB"):format(GOOD, during, before, during / before,
    middle_during / middle_before, 2 * EVENTS, dropped, waiting, grown))
  if dropped + waiting ~= 2 * EVENTS then error("some are not accounted for", 0) end
  if grown > 32 then error("memory grew", 0) end
  if middle_during > middle_before * 2 then error("good ones were held up", 0) end
end)
h.stop_all()
if not ok then print(why) end
os.exit(ok and 0 or 1)
