-- A wall clock that jumps: luajit tests/faults/clock.lua [WINDOW [IDLE]], with libfaketime
-- A day ahead, then a day behind: nothing crashes, no timer runs wild (CPU time while nothing is
-- asked), what expires in two days stays, what has expired by the clock is gone, a rate limit and a
-- batch keep their length, a closed schedule stays closed, notices come in order, a script's timers
-- keep their time, and requests under way (delayed, slow, a poll) end as they would have.  What is
-- kept for an hour for who is away is there, a timeSeries misses nothing that was not due, a beacon
-- tells the time in its period, and who guesses credentials is braked as long as ever.

package.path = "tests/wire/?.lua;" .. package.path

local cqueues = require "cqueues"
local h = require "harness"
local expect = h.expect

local FAKETIME = "/usr/lib/" .. h.sh "gcc -print-multiarch" .. "/faketime/libfaketimeMT.so.1"
local WINDOW = tonumber(arg[1]) or 9       -- seconds of a rate limit and of a batch; whole ones
local IDLE = tonumber(arg[2]) or 2         -- seconds in which nothing is asked
local CPU = IDLE / 4                       -- of them, at most: a busy loop takes all
local DAY = 86400
local EARLY, LATE = WINDOW * 2 / 3, WINDOW + 31   -- seconds that such a window may take
local REQUEST = WINDOW / 9                 -- seconds of the shortest request that is under way
local BEACON = 1                           -- seconds
local BRAKE = WINDOW >= 9 and 6            -- seconds; of a short run nothing

local SCRIPT = ([[
local cse = require "moon2m"
local ticks = 0
cse.every(0.5, function() ticks = ticks + 1 end)
cse.virtual("/plain/ticks", function() return { con = tostring(ticks) } end)
cse.virtual("/plain/slow", function()
  cse.sleep(%g)
  return { con = "slept" }
end)
]]):format(REQUEST)

local function stamp(seconds) return os.date("!%Y%m%dT%H%M%S", os.time() + seconds) end

local function cpu(server)
  local f = h.read_file(("/proc/%d/stat"):format(server.pid)):match("%) (.*)$")
  local user, system = f:match(("%S+ "):rep(11) .. "(%d+) (%d+)")
  return (user + system) / 100
end

local function jump(server, offset)
  h.write_file(server.dir .. "/clock", offset .. "\n")
  h.wait("the clock to be " .. offset, function()
    local ctm = expect(2000, server:retrieve("/moon?atrl=ctm", "CAdmin")).ctm
    local day = os.date("!%Y%m%d", os.time() + tonumber(offset:match "[+-]%d+") * 86400)
    return ctm and ctm:sub(1, 8) == day
  end)
end

local function subscribe(server, ae, rn, attrs)
  local sub = { rn = rn, nu = { ae.aei }, enc = { net = { 3 }, chty = { 4 } } }
  for k, v in pairs(attrs or {}) do sub[k] = v end
  expect(2001, server:create("/moon/" .. rn .. "/c", ae.aei, 23, sub))
end

-- An AE of the subscription's name, with a container and its connection.
local function subscriber(server, name, attrs)
  local ae = server:register(name)
  expect(2001, server:create("/moon/" .. name, ae.aei, 3, { rn = "c" }))
  subscribe(server, ae, name, attrs)
  return { server = server, ae = ae, path = "/moon/" .. name .. "/c", ws = server:listen(ae) }
end

local function add(s, from, to)
  for i = from, to or from do s.server:add(s.path, s.ae.aei, tostring(i)) end
end

local function content(s, want)
  local got = s.ws:content()
  if got ~= want then error(("%s: %s came, not %s"):format(s.path, tostring(got), want), 0) end
end

-- Nothing comes, as far as that can be told before the time `till`.
local function silent(s, till)
  local now = cqueues.monotime()
  if till and now + 0.2 > till then return end
  local m = s.ws:receive(0.2)
  if m then error(s.path .. ": a notice came early", 0) end
end

local TIME = ("PT%dS"):format(WINDOW)

local function prepare(server)
  local w = {}
  w.plain = subscriber(server, "plain")
  w.limited = subscriber(server, "limited", { rl = { mnn = 1, tww = TIME } })
  w.batched = subscriber(server, "batched", { bn = { num = 100, dur = TIME } })
  w.shut = subscriber(server, "shut", { pn = 2 })
  expect(2001, server:create(w.shut.path .. "/shut", w.shut.ae.aei, 18,
    { ["m2m:sch"] = { se = { sce = { "* * * * * * 2001" } } } }))
  server:register("poll", { rr = false })
  expect(2001, server:create("/moon/poll", "Cpoll", 15, { ["m2m:pch"] = { rn = "pch" } }))
  expect(2001, server:create("/moon/plain", "Cplain", 3, { rn = "stays", et = stamp(2 * DAY) }))
  expect(2001, server:create("/moon/plain", "Cplain", 3, { rn = "goes", et = stamp(DAY / 2) }))
  w.away = server:register("away")
  expect(2001, server:create("/moon/away", w.away.aei, 3, { rn = "c" }))
  subscribe(server, w.away, "away")
  expect(2001, server:create("/moon/plain", "Cplain", 29,
    { rn = "ts", pei = 3600000, mdt = 1800000, mdd = true }))
  local told = server:register("told")
  expect(2001, server:create("/moon", "CAdmin", 60,
    { bcnc = 1, bcni = ("PT%dS"):format(BEACON), bcnu = { told.aei } }))
  w.told = server:listen(told)
  return w
end

local function measure(server, ahead)
  expect(2001, server:create("/moon/plain/ts", "Cplain", 30, { dgt = stamp(ahead), con = 1 }))
end

local function nothing_missing(server)
  local ts = expect(2000, server:retrieve("/moon/plain/ts", "Cplain"))
  if (ts.mdc or 0) ~= 0 then error(ts.mdc .. " instances are missing that were not due", 0) end
end

local function beacon_goes_on(w)
  local began = cqueues.monotime()
  while w.told:notification(0.01) do end        -- of before
  if not w.told:notification(LATE) then error("the beacon is silent", 0) end
  local took = cqueues.monotime() - began
  if took > LATE then error(("a beacon of %d s took %.1f s"):format(BEACON, took), 0) end
end

local function kept_for_who_was_away(server, w)
  local ws = server:listen(w.away)
  for i = 1, 3 do
    local got = ws:content()
    if got ~= tostring(i) then error("what was kept for an hour: " .. tostring(got), 0) end
  end
end

local function ticks(server)
  return tonumber(expect(2000, server:retrieve("/moon/plain/ticks", "Cplain")).con)
end

-- Requests that take one to three times REQUEST while fn runs, none longer than it may.
local function requests_beside(server, fn)
  local cq = cqueues.new()
  local function ask(code, path, origin, o)
    cq:wrap(function() expect(code, server:retrieve(path, origin, o)) end)
  end
  local within = { ["x-m2m-ret"] = "20000" }
  ask(2000, "/moon/plain/slow", "Cplain", { headers = within })
  ask(2000, "/moon/plain", "Cplain", { headers = { ["x-m2m-ret"] = "20000",
    ["x-m2m-oet"] = ("%d"):format(REQUEST * 2000) } })
  ask(4008, "/moon/poll/pch/pcu", "Cpoll", { headers = {
    ["x-m2m-ret"] = ("%d"):format(REQUEST * 3000) } })
  cq:wrap(fn)
  assert(cq:loop())
end

-- What is under way when the clock jumps keeps its length.
local function jump_under_way(server, w, offset, n)
  local began = cqueues.monotime()
  add(w.limited, n, n + 1)
  content(w.limited, tostring(n))       -- its window has begun
  for _, s in ipairs { w.batched, w.shut, w.plain } do add(s, n, n + 1) end
  local since = cqueues.monotime()
  local ticked = ticks(server)
  requests_beside(server, function()
    cqueues.sleep(REQUEST / 3)
    jump(server, offset)
  end)
  local passed = cqueues.monotime() - since
  ticked = ticks(server) - ticked
  if ticked > passed / 0.5 + 2 or ticked < passed / 0.5 / 4 - 1 then
    error(("a timer of 0.5 s ran %d times in %.1f s"):format(ticked, passed), 0)
  end
  add(w.plain, n + 2)
  for i = n, n + 2 do content(w.plain, tostring(i)) end
  silent(w.shut)
  silent(w.limited, began + EARLY)
  silent(w.batched, began + EARLY)
  content(w.limited, tostring(n + 1))
  local list = assert(w.batched.ws:notification(20)).pc["m2m:agn"]["m2m:sgn"]
  if #list ~= 2 then error("a batch was cut", 0) end
  local took = cqueues.monotime() - began
  if took < EARLY or took > LATE then
    error(("windows of %d s took %.1f s"):format(WINDOW, took), 0)
  end
  expect(2000, server:retrieve("/moon/plain/stays", "Cplain"))
end

local function idle(server)
  local used = cpu(server)
  cqueues.sleep(IDLE)
  used = cpu(server) - used
  if used > CPU then error(("%.2f s of CPU in %g s"):format(used, IDLE), 0) end
  return used
end

local function start(dir, o)
  h.write_file(dir .. "/clock", "+0\n")
  o.dir = dir
  o.env = ("LD_PRELOAD=%s FAKETIME_TIMESTAMP_FILE=%s/clock"
    .. " FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1"):format(FAKETIME, dir)
  return h.start(o)
end

-- Ten guesses; whoever was not here before is refused for BRAKE seconds, whatever the clock says.
local function braked(server, dir, token, offset)
  local function status(secret)
    return server:retrieve("/moon", "Cother", { headers = { authorization = "Bearer " .. secret } })
      .status
  end
  for i = 1, 10 do status("guess." .. i .. offset) end
  local began = cqueues.monotime()
  h.write_file(dir .. "/clock", offset .. "\n")
  if status(token) ~= 429 and cqueues.monotime() - began < BRAKE / 2 then
    error("the brake was off at once when the clock was " .. offset, 0)
  end
  h.wait("the brake's end", function() return status(token) ~= 429 end, LATE)
  local took = cqueues.monotime() - began
  if took < BRAKE - 1 then error(("a brake of %d s took %.1f s"):format(BRAKE, took), 0) end
end

local function brake(dir)
  h.sh("mkdir -m 700 %s/data", dir)
  local function credential(name)
    return (h.sh("%s credential add %s Cother --data %s/data 2>/dev/null", h.bin, name, dir))
  end
  local one, other = credential "one", credential "other"
  local server = start(dir, { config = ("identity = { brake_time = %d }"):format(BRAKE) })
  braked(server, dir, one, "+1d")
  braked(server, dir, other, "-1d")
  if server:stop() ~= 0 then error("it did not end well", 0) end
end

local function run(dir)
  local server = start(dir, { scripts = { timers = SCRIPT },
    args = "--set notification.max_age=3600" })
  local w = prepare(server)
  measure(server, 0)
  server:add("/moon/away/c", w.away.aei, "1")
  jump_under_way(server, w, "+1d", 1)
  local ahead = idle(server)
  nothing_missing(server)
  beacon_goes_on(w)
  expect(4004, server:retrieve("/moon/plain/goes", "Cplain"))
  measure(server, DAY)
  server:add("/moon/away/c", w.away.aei, "2")
  jump_under_way(server, w, "-1d", 11)
  local behind = idle(server)
  nothing_missing(server)
  beacon_goes_on(w)
  server:add("/moon/away/c", w.away.aei, "3")
  kept_for_who_was_away(server, w)
  if server:stop() ~= 0 then error("it did not end well", 0) end
  if BRAKE then brake(h.directory()) end
  print(("clock: +1 d, then -1 d: nothing expired early, windows of %d s kept their length, timers"
    .. " their time, requests under way ended as ever, notices in order,"
    .. " kept for who was away, no instance missing, beacons in their period%s;"
    .. " %.2f and %.2f s of CPU in %g s without requests"):format(WINDOW,
    BRAKE and ", brakes as long as ever" or "", ahead, behind, IDLE))
end

local dir = h.directory()
local ok, why = pcall(run, dir)
pcall(h.stop_all)
if not ok then print(why) end
os.exit(ok and 0 or 1)
