-- A restart with notices waiting: luajit tests/faults/restart.lua [COUNT] [kill]
-- An AE is away while COUNT (1,000) instances are created; it comes, answers some notices, takes a
-- window of others without an answer, and is gone; the server ends, by SIGTERM, then by kill -9;
-- after the start the AE gets the rest: all in order, repeated only what was not answered.

package.path = "tests/wire/?.lua;tests/crash/?.lua;" .. package.path

local cjson = require "cjson"
local cqueues = require "cqueues"
local h = require "harness"
local ledger = require "ledger"
local load = require "load"

local COUNT = tonumber(arg[1]) or 1000
local WINDOW = 16
local SETTLE = 1          -- seconds: acknowledgements are written in groups, 0.1 s apart
local PATIENCE = 20

-- Takes notices, the first `answered` of `n` with an answer; how many came.
local function take(ws, notices, n, answered)
  for i = 1, n do
    local m = ws:receive(i <= n - WINDOW and PATIENCE or 1)
    if not m then return i - 1 end
    local sgn = m.op == 5 and m.pc and m.pc["m2m:sgn"]
    if not sgn then error("the AE got " .. cjson.encode(m), 0) end
    local cin = sgn.nev.rep["m2m:cin"]
    notices:arrived(cin.con, cin.st, m.rqi, cqueues.monotime())
    if i <= answered then ws:send { rsc = 2000, rqi = m.rqi, rvi = "3" } end
  end
  return n
end

local function round(server, c, ae, notices, how)
  local from = #notices.log
  local r = load.run(server, c, { seconds = 60, count = COUNT })
  if r.created ~= COUNT then error(("%d of %d were created"):format(r.created, COUNT), 0) end
  local ws = server:listen(ae)
  local some = math.floor(COUNT / 3)
  take(ws, notices, some + WINDOW, some)
  cqueues.sleep(SETTLE)
  ws:drop()
  notices:broke(cqueues.monotime())
  server[how](server)
  server:run()
  local before = notices.repeats
  ws = server:listen(ae)
  take(ws, notices, COUNT - some + WINDOW, math.huge)
  ws:close()
  load.judge(server, c)
  notices:judge()
  local fresh, again = #notices.log - from, notices.repeats - before
  if fresh ~= COUNT then error(("%s: %d of %d came"):format(how, fresh, COUNT), 0) end
  if again > WINDOW then error(("%s: %d were repeated"):format(how, again), 0) end
  return again
end

local ok, why = pcall(function()
  local server = h.start { config = ("notification = { window = %d }\n"):format(WINDOW) }
  local c = load.prepare(server)
  local away = server:register "away"
  local open = { acr = { { acor = { "all" }, acop = 63 } } }
  local acp = h.expect(2001, server:create("/moon/load", "Cload", 1, { pv = open, pvs = open }))
  h.expect(2004, server:update(c.path, "Cload", { ["m2m:cnt"] = { acpi = { acp.ri } } }))
  h.expect(2001, server:create(c.path, away.aei, 23, { nu = { away.aei },
    enc = { net = { 3 }, chty = { 4 } } }))
  local notices = ledger.notices { name = "away", container = c, window = WINDOW, grace = 0 }
  local stopped = arg[2] ~= "kill" and round(server, c, away, notices, "stop") or 0
  local killed = round(server, c, away, notices, "kill")
  print(("restart with notices waiting: %d and %d delivered in order, window %d; repeated: %d over"
    .. " SIGTERM, %d over kill -9; ready after %.0f ms"):format(COUNT, COUNT, WINDOW, stopped,
    killed, server.ready_after * 1e3))
end)
h.stop_all()
if not ok then print(why) end
os.exit(ok and 0 or 1)
