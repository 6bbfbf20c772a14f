-- Memory that is not there: luajit tests/faults/memory.lua [RUNS [SEED]]
-- 1. An address space of 256 MiB, eight clients with large instances, and an AE that is away:
--    the server goes on, or ends with a line that says why.
-- 2. RUNS servers in which some allocations fail, at a place of the seed's choice: each goes on, or
--    ends with a line that says why and exit code 1, by no signal.
-- After each a server without the fault finds everything that was answered, and true counts.

package.path = "tests/wire/?.lua;tests/crash/?.lua;" .. package.path

local cqueues = require "cqueues"
local client = require "client"
local h = require "harness"
local ledger = require "ledger"

local RUNS, SEED = tonumber(arg[1]) or 150, tonumber(arg[2]) or os.time() % 100000
local CLIENTS, MIB = 8, 1048576
math.randomseed(SEED)

local sent = 0

-- Creates instances of `bytes` in the container until `seconds` are over or the server ends.
local function load(server, c, bytes, seconds)
  local cl, stop = client.connect(server.port, "Cload"), cqueues.monotime() + seconds
  while cl and cqueues.monotime() < stop do
    sent = sent + 1
    local con = ("%d."):format(sent) .. ("x"):rep(math.random(bytes))
    c.sent[con] = true
    local rsc, body = cl:add(c.path, con)
    if not rsc then break end
    if rsc == 2001 then c.answered[con] = tonumber(body:match('"st":(%d+)')) end
  end
  if cl then cl:close() end
end

local function all_of(server, c)
  local list, offset = {}, nil
  repeat
    local a = server:retrieve(("%s?rcn=8&ty=4&lim=200%s"):format(c.path,
      offset and "&ofst=" .. offset or ""), "CAdmin")
    for _, cin in ipairs(h.expect(2000, a)["m2m:cin"] or {}) do list[#list + 1] = cin end
    offset = a.headers:get("x-m2m-cto")
  until not offset
  return list
end

local function judge(server, c)
  local list = all_of(server, c)
  c:judge(list, h.expect(2000, server:retrieve(c.path, "CAdmin")))
  return #list
end

-- How it ended: nil while it lives; an error when nobody can tell why.
local function ending(server)
  if server:alive() then return nil end
  local code, text = server:exit_code(), server:text()
  local why = text:match("[^\n]*out of memory[^\n]*") or text:match("[^\n]*not enough memory[^\n]*")
    or text:match("error [^\n]*") or text:match("moon2m: [^\n]*")
  if code ~= 1 then
    error(("%s: ended with %s, not 1:\n%s"):format(server.o.env, tostring(code),
      text:sub(-1500)), 0)
  end
  if not why then error("ended and did not say why:\n" .. text:sub(-1500), 0) end
  return why
end

local function prepare(server)
  server:register("load")
  server:register("away")
  local c = ledger.container("/moon/load/c")
  h.expect(2001, server:create("/moon/load", "Cload", 3, { rn = "c" }))
  local acp = h.expect(2001, server:create("/moon/load", "Cload", 1, { rn = "open",
    pv = { acr = { { acor = { "all" }, acop = 63 } } },
    pvs = { acr = { { acor = { "Cload" }, acop = 63 } } } }))
  h.expect(2004, server:update("/moon/load/c", "Cload", { ["m2m:cnt"] = { acpi = { acp.ri } } }))
  h.expect(2001, server:create("/moon/load/c", "Caway", 23,
    { rn = "s", nu = { "Caway" }, enc = { net = { 3 } } }))
  return c
end

local function with_load(server, c, bytes, seconds)
  local cq = cqueues.new()
  for _ = 1, CLIENTS do cq:wrap(function() load(server, c, bytes, seconds) end) end
  assert(cq:loop())
end

local function address_space()
  local server = h.start()
  local c = prepare(server)
  server:stop()
  server.o.env = "prlimit --as=" .. 256 * MIB
  server:run()
  with_load(server, c, 200000, 6)
  local why = ending(server)
  local rss = h.read_file("/proc/" .. server.pid .. "/status"):match("VmHWM:%s*(%d+)")
  if not why then server:stop() end
  server.o.env = nil
  server:run()
  print(("256 MiB of address space: %d instances, %s; all that was answered is there"):format(
    judge(server, c), why or ("went on, resident at most %d MiB"):format(tonumber(rss) / 1024)))
  h.stop_all()
end

local function shim()
  local so = h.directory() .. "/failing_malloc.so"
  local out, rc = h.sh("cc -shared -fPIC -O1 -o %s tests/faults/failing_malloc.c", so)
  assert(rc == 0, out)
  return so
end

local function failing(so)
  local lived, ended, reasons = 0, 0, {}
  local server = h.start()
  local c = prepare(server)
  server:stop()
  for i = 1, RUNS do
    local after = math.floor(10 ^ (2 + 3 * math.random()))
    server.o.env = ("LD_PRELOAD=%s FAIL_AFTER=%d FAIL_COUNT=%d"):format(so, after,
      math.random(3) == 1 and 100 or 1)
    server.o.wait = false
    server:run()
    h.wait("it to listen or end", function()
      return not server:alive() or server:text():find("boot ready")
    end, 20)
    with_load(server, c, 100, 0.1)
    local why = ending(server)
    if why then
      ended = ended + 1
      reasons[why:gsub("%d+", "N")] = true
    else
      lived = lived + 1
      server:stop()
    end
    server.o.env, server.o.wait = nil, nil
    if i % 10 == 0 then
      server:run()
      judge(server, c)
      server:stop()
    end
  end
  print(("allocations that fail, %d runs (seed %d): %d went on, %d ended and said why; nothing"
    .. " answered was lost"):format(RUNS, SEED, lived, ended))
  for why in pairs(reasons) do print("  " .. why:sub(1, 160)) end
  h.stop_all()
end

local ok, why = pcall(function()
  address_space()
  failing(shim())
end)
if not ok then
  print(("seed %d: %s"):format(SEED, tostring(why)))
  os.exit(1)
end
