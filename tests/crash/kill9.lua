-- The crash test: luajit tests/crash/kill9.lua [CYCLES [RESOURCES]]
-- RESOURCES containers (0) are there beside, so that a start has a large store.
-- Eight clients create instances, one AE is connected and acknowledges its notifications, one is
-- away; then kill -9, a restart, and every promise is checked: what was answered 2001 is there
-- (unless evicted), cni and cbs are true, st ascends, no notice is missing, out of order, or
-- repeated beyond what was under way, and a repeat carries the same rqi.
-- Prints figures per cycle and a summary; exits 1 at the first broken promise and leaves the data.

package.path = "tests/wire/?.lua;tests/crash/?.lua;" .. package.path

local cjson = require "cjson"
local cqueues = require "cqueues"
local client = require "client"
local h = require "harness"
local ledger = require "ledger"

local USAGE = "usage: luajit tests/crash/kill9.lua [CYCLES [RESOURCES]]"
local cycles = tonumber(arg[1] or 10) or error(USAGE, 0)
local resources = tonumber(arg[2] or 0) or error(USAGE, 0)

local CLIENTS = 8
local WINDOW = 64
local GRACE = 1           -- seconds: acknowledgements are written in groups
local READY = 10          -- seconds a restart may take
local DRAIN = 30          -- seconds to deliver what was kept
local PAGE = 1000

local CONFIG = ([[
notification = { window = %d, max_count = 1000000, max_bytes = "1G" }
]]):format(WINDOW)

-- Two that only grow, two that evict; of each kind one has subscriptions.
local PLAN = {
  { name = "grows" }, { name = "grows_watched", watched = true },
  { name = "few", mni = 50 }, { name = "few_watched", mni = 500, watched = true },
}

local now = cqueues.monotime
local server, containers
local near, far           -- the AEs: { ae = registration, subs = sur -> notices, url }
local answered, refused = 0, nil

-- ---- setting up ---------------------------------------------------------------------------------

local function subscriber(name)
  local w = { name = name, ae = server:register(name), subs = {} }
  for _, p in ipairs(PLAN) do
    if p.watched then
      local sub = h.expect(2001, server:create("/moon/load/" .. p.name, w.ae.aei, 23,
        { rn = name, nu = { "C" .. name }, enc = { net = { 3 }, chty = { 4 } } }))
      w.subs["/moon/" .. sub.ri] = ledger.notices { name = name .. "/" .. p.name,
        container = containers[p.name], window = WINDOW, grace = GRACE }
    end
  end
  return w
end

-- ---- the load -----------------------------------------------------------------------------------

local function create_until_killed(id, cycle)
  local c = client.connect(server.port, "Cload")
  local n = 0
  while c do
    n = n + 1
    local into = containers[PLAN[(id + n) % #PLAN + 1].name]
    local con = ("%d.%d.%d."):format(cycle, id, n) .. ("x"):rep((id * 31 + n * 17) % 200)
    into.sent[con] = true
    local rsc, body = c:add(into.path, con)
    if not rsc then break end
    if rsc ~= 2001 then
      refused = ("%s: a create was answered %d: %s"):format(into.path, rsc, body)
      break
    end
    into.answered[con] = tonumber(body:match('"st":(%d+)'))
    answered = answered + 1
  end
  if c then c:close() end
end

-- One message of a connection: judged and, when `ack`, acknowledged.  False when it was the last.
local function take(w, ws, ack, seconds)
  local m = ws:receive(seconds)
  if not m then return false end
  local sgn = m.op == 5 and m.pc and m.pc["m2m:sgn"]
  local notices = sgn and w.subs[sgn.sur]
  if not notices then error(w.name .. " got " .. cjson.encode(m), 0) end
  local cin = sgn.nev.rep["m2m:cin"]
  notices:arrived(cin.con, cin.st, m.rqi, now())
  if ack then ws:send { rsc = 2000, rqi = m.rqi, rvi = "3" } end
  return true
end

local function broke(w, at)
  for _, notices in pairs(w.subs) do notices:broke(at) end
end

local function listen_until_killed(w)
  local ws = assert(server:listen(w.ae))
  while take(w, ws, true, 5) do end
  ws:drop()
end

-- Runs the functions side by side until all have returned.
local function together(list)
  local cq = cqueues.new()
  for _, fn in ipairs(list) do cq:wrap(fn) end
  assert(cq:loop())
end

local function load_and_kill(cycle)
  local seconds = 0.3 + cycle * 0.37 % 0.9
  local before, began = answered, now()
  local jobs = { function()
    cqueues.sleep(seconds)
    server:signal("KILL")
  end, function() listen_until_killed(near) end }
  for id = 1, CLIENTS do
    jobs[#jobs + 1] = function() create_until_killed(id, cycle) end
  end
  together(jobs)
  server:exit_code()
  broke(near, began + seconds)
  if refused then error(refused, 0) end
  return answered - before, seconds
end

-- ---- the judgement ------------------------------------------------------------------------------

local function instances(c)
  local list, offset = {}, nil
  repeat
    local a = server:retrieve(("%s?rcn=8&ty=4&lim=%d%s"):format(c.path, PAGE,
      offset and "&ofst=" .. offset or ""), "CAdmin")
    for _, cin in ipairs(h.expect(2000, a)["m2m:cin"] or {}) do list[#list + 1] = cin end
    offset = a.headers:get("x-m2m-cto")
  until not offset
  return list
end

local function judge_store()
  local total = 0
  for _, p in ipairs(PLAN) do
    local c = containers[p.name]
    local list = instances(c)
    c:judge(list, h.expect(2000, server:retrieve(c.path, "CAdmin")))
    local la = h.expect(2000, server:retrieve(c.path .. "/la", "CAdmin"))
    if la.con ~= list[#list].con then error(c.path .. "/la is not the newest", 0) end
    total = total + #list
  end
  return total
end

local function all_told(w)
  for _, notices in pairs(w.subs) do
    if notices:missing() then return false end
  end
  return true
end

local function told(w)
  local n = 0
  for _, notices in pairs(w.subs) do n = n + #notices.log end
  return n
end

-- Connects and takes what was kept, all of it; `breaks`: the link is lost once on the way, with
-- the last notices not acknowledged.
local function drain(w, breaks)
  local deadline, before = now() + DRAIN, told(w)
  local ws = assert(server:listen(w.ae))
  if breaks then
    for i = 1, 100 do
      if not take(w, ws, i <= 90, 1) then break end
    end
    ws:drop()
    broke(w, now())
    ws = assert(server:listen(w.ae))
  end
  while not all_told(w) do
    if not take(w, ws, true, 1) and now() > deadline then break end
  end
  while take(w, ws, true, 0.2) do end
  for _, notices in pairs(w.subs) do notices:judge() end
  ws:close()
  return told(w) - before
end

-- ---- the cycles ---------------------------------------------------------------------------------

local function repeats()
  local n = 0
  for _, w in ipairs { near, far } do
    for _, notices in pairs(w.subs) do n = n + notices.repeats end
  end
  return n
end

-- Containers k = first, first + CLIENTS, ... of `n`, a thousand in each of `boxes`.
local function fill_from(first, n, boxes)
  local c = assert(client.connect(server.port, "Cload"))
  for k = first, n, CLIENTS do
    local rsc, body = c:create("/moon/load/box" .. k % boxes, 3,
      ('{"m2m:cnt":{"rn":"c%d","lbl":["l%d"]}}'):format(k, k))
    if rsc ~= 2001 then error(("a container was answered %s: %s"):format(rsc, body), 0) end
  end
  c:close()
end

local function fill(n)
  local boxes, jobs = math.ceil(n / PAGE), {}
  for box = 0, boxes - 1 do
    h.expect(2001, server:create("/moon/load", "Cload", 3, { rn = "box" .. box }))
  end
  for id = 1, CLIENTS do jobs[id] = function() fill_from(id, n, boxes) end end
  together(jobs)
end

local function prepare()
  server = h.start { config = CONFIG }
  server:register("load")
  local everybody = { acr = { { acor = { "all" }, acop = 63 } } }
  local acp = h.expect(2001, server:create("/moon/load", "Cload", 1,
    { rn = "open", pv = everybody, pvs = everybody }))
  containers = {}
  for _, p in ipairs(PLAN) do
    h.expect(2001, server:create("/moon/load", "Cload", 3, { rn = p.name, mni = p.mni,
      acpi = { acp.ri } }))
    containers[p.name] = ledger.container("/moon/load/" .. p.name, p.mni)
  end
  near, far = subscriber("near"), subscriber("far")
  fill(resources)
end

local function cycle_once(cycle)
  local creates, seconds = load_and_kill(cycle)
  server:run()
  if server.ready_after > READY then
    error(("not ready after %g s"):format(server.ready_after), 0)
  end
  local total = judge_store()
  local kept = drain(near)
  -- Every other time the AE that is away stays away: its notices outlive two kills.
  local of_far = (cycle % 2 == 0 or cycle == cycles) and drain(far, true)
  print(("cycle %d: %d creates answered in %.2f s, killed; ready after %.0f ms with %d instances; "
    .. "kept notices: near %d, far %s"):format(cycle, creates, seconds, server.ready_after * 1e3,
    total, kept, of_far or "still away"))
  return server.ready_after
end

local function run()
  prepare()
  local slowest = 0
  for cycle = 1, cycles do slowest = math.max(slowest, cycle_once(cycle)) end
  local code = server:stop()
  if code ~= 0 then error("SIGTERM ended it with exit code " .. code, 0) end
  print(("kill -9: %d cycles, %d other resources, %d creates answered, none lost; %d notices"
    .. " in order, none missing, %d repeated; ready within %.0f ms"):format(cycles, resources,
    answered, told(near) + told(far), repeats(), slowest * 1e3))
end

local ok, why = xpcall(run, function(e)
  return type(e) == "string" and debug.traceback(e, 2) or tostring(e)
end)
if not ok then
  io.stderr:write("kill -9: FAILED: ", why, "\n")
  if server then
    if server.pid and server:alive() then server:kill() end
    io.stderr:write("the data and the logs are left in ", server.dir, "\n")
  end
  os.exit(1)
end
h.stop_all()
