-- The soak: luajit tests/soak/soak.lua [SECONDS [CREATES-PER-SECOND]]
-- A server with a policy, a check and a reaction; four clients create instances all the time, one
-- AE takes every notification of them, one comes and goes, others register, subscribe and leave,
-- somebody discovers, the scripts are reloaded.  Every ten seconds resident memory, descriptors
-- and the Lua heap are read.  At the end: nothing lost, nothing repeated to the AE that stayed, the
-- slope of memory over the second half at most 1 MiB an hour (in half an hour and more), and
-- descriptors as at the half.

package.path = "tests/wire/?.lua;tests/crash/?.lua;" .. package.path

local cqueues = require "cqueues"
local client = require "client"
local h = require "harness"
local ledger = require "ledger"

local SECONDS, RATE = tonumber(arg[1]) or 3600, tonumber(arg[2]) or 200
local CLIENTS, SAMPLE, SLOPE, SPARE = 4, 10, 1.0, 4
local VISITORS = 50
local WARM = 1800                          -- seconds: a shorter run says nothing of memory
local now = cqueues.monotime

local SCRIPT = [[
local cse = require "moon2m"
local seen = cse.state { n = 0 }
cse.policy("/soak/**", function(req) return req.fr:sub(1, 1) == "C" or nil end)
cse.check("create", "/soak/hot", function(req)
  if req.pc.con == "bad" then return false, "bad" end
end)
cse.on("create", "/soak/hot", function(ev)
  seen.n = seen.n + 1
  if seen.n % 100 == 0 then
    cse.ensure("/soak/sums", "container", { mni = 10 })
    cse.add("/soak/sums", seen.n)
  end
end)
]]

local server, hot, stay, leave
local stop_at, answered, visits = nil, 0, 0

local function going() return now() < stop_at end

-- ---- who is there -------------------------------------------------------------------------------

local function subscribe(who, aei)
  return h.expect(2001, server:create("/moon/soak/hot", aei, 23,
    { rn = who, nu = { aei }, enc = { net = { 3 }, chty = { 4 } } }))
end

local function prepare()
  server = h.start { scripts = { soak = SCRIPT } }
  server:register "soak"
  h.expect(2001, server:create("/moon/soak", "Csoak", 3, { rn = "hot", mni = 1000 }))
  hot = ledger.container("/moon/soak/hot", 1000)
  stay = { ae = server:register "stay", told = {}, n = 0, repeats = 0 }
  leave = { ae = server:register "leave", told = {}, n = 0, repeats = 0 }
  stay.sub, leave.sub = subscribe("stay", "Cstay"), subscribe("leave", "Cleave")
end

-- ---- what goes on -------------------------------------------------------------------------------

local sent = 0

local function create()
  local c = assert(client.connect(server.port, "Csoak"))
  while going() do
    sent = sent + 1
    local con = tostring(sent)
    local rsc, body = c:add("/moon/soak/hot", con)
    if rsc ~= 2001 then error(("a create was answered %s: %s"):format(tostring(rsc), body), 0) end
    answered = answered + 1
    hot.answered[con] = true
    cqueues.sleep(CLIENTS / RATE)
  end
  c:close()
end

local function take(w, ws, seconds)
  local m = ws:receive(seconds)
  if not m then return false end
  local con = m.pc["m2m:sgn"].nev.rep["m2m:cin"].con
  if w.told[con] then w.repeats = w.repeats + 1 else w.n = w.n + 1 end
  w.told[con] = true
  ws:send { rsc = 2000, rqi = m.rqi, rvi = "3" }
  return true
end

local function drain(w, ws)
  while w.n < answered and take(w, ws, 5) do end
end

local function listen()
  local ws = server:listen(stay.ae)
  while going() do take(stay, ws, 1) end
  cqueues.sleep(2)
  drain(stay, ws)
  ws:close()
end

local function come_and_go()
  while going() do
    local ws = server:listen(leave.ae)
    for _ = 1, RATE * 4 do if not take(leave, ws, 1) then break end end
    if math.random(2) == 1 then ws:close() else ws:drop() end
    cqueues.sleep(3)
  end
  cqueues.sleep(2)
  local ws = server:listen(leave.ae)
  drain(leave, ws)
  ws:close()
end

local function visit()
  while going() do
    visits = visits + 1
    local name = "visitor" .. visits % VISITORS       -- caches of names are full soon
    server:register(name)
    h.expect(2001, server:create("/moon/soak/hot", "C" .. name, 23,
      { rn = name, nu = { "C" .. name }, enc = { net = { 3 } } }))
    h.expect(2000, server:retrieve("/moon?fu=1&ty=3&lbl=none", "CAdmin"))
    h.expect(2000, server:retrieve("/moon/soak/hot?rcn=4&lim=20", "CAdmin"))
    cqueues.sleep(1)
    h.expect(2002, server:delete("/moon/" .. name, "CAdmin"))
    h.expect(2002, server:delete("/moon/soak/hot/" .. name, "CAdmin"))
    if visits % 30 == 0 then server:signal "HUP" end
  end
end

-- ---- what is read -------------------------------------------------------------------------------

local samples = {}

local function sample()
  local status = h.read_file(("/proc/%d/status"):format(server.pid))
  local s = { at = now(), rss = tonumber(status:match("VmRSS:%s*(%d+)")) / 1024,
    fds = tonumber((h.sh("ls /proc/%d/fd | wc -l", server.pid))),
    lua = server:metric "moon2m_lua_bytes" / 1048576 }
  samples[#samples + 1] = s
  if #samples % 6 == 1 then
    print(("%5.0f s: %d creates, resident %.1f MiB, Lua %.1f MiB, %d descriptors"):format(
      s.at - samples[1].at, answered, s.rss, s.lua, s.fds))
    io.stdout:flush()
  end
end

local function watch()
  while going() do
    sample()
    cqueues.sleep(SAMPLE)
  end
end

-- Least squares over the second half: MiB an hour.
local function slope(name)
  local n, sx, sy, sxx, sxy = 0, 0, 0, 0, 0
  for i = math.ceil(#samples / 2), #samples do
    local x, y = samples[i].at / 3600, samples[i][name]
    n, sx, sy, sxx, sxy = n + 1, sx + x, sy + y, sxx + x * x, sxy + x * y
  end
  return (n * sxy - sx * sy) / (n * sxx - sx * sx)
end

local function judge()
  local half, last = samples[math.ceil(#samples / 2)], samples[#samples]
  print(("%d creates, %d visitors; told %d and %d, repeated %d and %d (came and went)"):format(
    answered, visits, stay.n, leave.n, stay.repeats, leave.repeats))
  print(("memory: %+.2f MiB an hour (Lua %+.2f) over the second half, at the end %.1f MiB; "
    .. "descriptors %d, %d at the half"):format(slope "rss", slope "lua", last.rss, last.fds,
    half.fds))
  for con in pairs(hot.answered) do
    assert(stay.told[con], "the AE that stayed was never told of " .. con)
    assert(leave.told[con], "the AE that came and went was never told of " .. con)
  end
  assert(stay.repeats == 0, "notices were repeated to the AE that stayed")
  assert(last.fds <= half.fds + SPARE, "descriptors grow")
  if SECONDS >= WARM then assert(slope "rss" <= SLOPE, "memory grows") end
  assert(server:stop() == 0, "SIGTERM did not end it with exit code 0")
end

local ok, why = xpcall(function()
  prepare()
  stop_at = now() + SECONDS
  local cq = cqueues.new()
  for _ = 1, CLIENTS do cq:wrap(create) end
  for _, fn in ipairs { listen, come_and_go, visit, watch } do cq:wrap(fn) end
  assert(cq:loop())
  judge()
end, function(e) return type(e) == "string" and debug.traceback(e, 2) or tostring(e) end)
if not ok then
  print("soak: FAILED: " .. why)
  if server then print(server:text():sub(-2000)) end
  h.stop_all()
  os.exit(1)
end
h.stop_all()
print "soak: whole"
