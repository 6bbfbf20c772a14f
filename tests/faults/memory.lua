-- Memory that is not there: luajit tests/faults/memory.lua [RUNS [SEED [SECONDS]]]
-- 1. An address space of 256 MiB, eight clients with large instances, and an AE that is away:
--    the server goes on, or ends with a line that says why.
-- 2. RUNS servers in which some allocations fail, at a place of the seed's choice: each goes on, or
--    ends with a line that says why and exit code 1, by no signal.
-- After each a server without the fault finds everything that was answered, and true counts.

package.path = "tests/wire/?.lua;tests/crash/?.lua;" .. package.path

local h = require "harness"
local load = require "load"

local RUNS, SEED = tonumber(arg[1]) or 150, tonumber(arg[2]) or os.time() % 100000
local SECONDS = tonumber(arg[3]) or 6       -- of large instances
local MIB = 1048576
math.randomseed(SEED)

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
  local c = load.prepare(server)
  server:register("away")
  local acp = h.expect(2001, server:create("/moon/load", "Cload", 1, { rn = "open",
    pv = { acr = { { acor = { "all" }, acop = 63 } } },
    pvs = { acr = { { acor = { "Cload" }, acop = 63 } } } }))
  h.expect(2004, server:update("/moon/load/c", "Cload", { ["m2m:cnt"] = { acpi = { acp.ri } } }))
  h.expect(2001, server:create("/moon/load/c", "Caway", 23,
    { rn = "s", nu = { "Caway" }, enc = { net = { 3 } } }))
  return c
end

local function address_space()
  local server = h.start()
  local c = prepare(server)
  server:stop()
  server.o.env = "prlimit --as=" .. 256 * MIB
  server:run()
  load.run(server, c, { bytes = 200000, random = true, seconds = SECONDS })
  local why = ending(server)
  local rss = h.read_file("/proc/" .. server.pid .. "/status"):match("VmHWM:%s*(%d+)")
  if not why then server:stop() end
  server.o.env = nil
  server:run()
  why = why or ("went on, resident at most %d MiB"):format(tonumber(rss) / 1024)
  print(("256 MiB of address space: %d instances, %s; all that was answered is there"):format(
    load.judge(server, c), why))
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
    load.run(server, c, { random = true, seconds = 0.1 })
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
      load.judge(server, c)
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
