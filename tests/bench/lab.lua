-- The bench's laboratory: settings, the servers under measurement, the load generator, medians.
--
-- A server runs pinned to one core in a folder of its own, the load generator on another.  Whatever
-- was started ends with this process, also when it is killed: a shell beside each server waits for
-- the end of its input.  Any failure of a run raises; no figure comes from a run that failed.

local cjson = require "cjson"

local lab = {}

local function env(name, default)
  local v = os.getenv(name)
  if v == nil or v == "" then return default end
  return v
end

lab.quick = env("QUICK", "0") ~= "0"
lab.reps = lab.quick and 1 or 3
lab.server_core = env("SERVER_CORE", "1")
lab.client_core = env("CLIENT_CORE", "0")
lab.build = env("BUILD", "build")
lab.out = env("BENCH_OUT", "out/bench")
lab.here = arg[0]:match("^(.*)/[^/]*$") or "."

--- The value for a whole run, or for a quick one.
function lab.pick(whole, quick) return lab.quick and quick or whole end

function lab.say(fmt, ...)
  io.stderr:write(("%s  "):format(os.date("%H:%M:%S")), fmt:format(...), "\n")
end

function lab.read_file(name)
  local f = io.open(name, "rb")
  local text = f and f:read("*a") or ""
  if f then f:close() end
  return text
end

function lab.write_file(name, text)
  local f = assert(io.open(name, "wb"))
  f:write(text)
  f:close()
end

--- Runs a shell command; its standard output.  Raises when it fails.
function lab.sh(fmt, ...)
  local command = select("#", ...) > 0 and fmt:format(...) or fmt
  local p = assert(io.popen("{ " .. command .. "\n}; echo \" rc=$?\""))
  local out = p:read("*a")
  p:close()
  local text, rc = out:match("^(.-)%s* rc=(%d+)%s*$")
  if rc ~= "0" then error(("exit code %s: %s\n%s"):format(rc or "?", command, text or out), 0) end
  return text
end

function lab.sleep(s) lab.sh("sleep %g", s) end

-- The median of a list of numbers.
local function median(list)
  table.sort(list)
  local n = #list
  return n % 2 == 1 and list[(n + 1) / 2] or (list[n / 2] + list[n / 2 + 1]) / 2
end

--- The runs' medians, column by column.
function lab.median(runs)
  local out = {}
  for key, value in pairs(runs[1]) do
    out[key] = value
    if type(value) == "number" then
      local list = {}
      for i, run in ipairs(runs) do list[i] = run[key] end
      out[key] = median(list)
    end
  end
  return out
end

-- Clock ticks of CPU: of the whole machine, of this process and what it waited for.
local function cpu_ticks()
  local all, own = 0, 0
  local fields = {}
  for v in lab.read_file("/proc/stat"):match("^cpu +([%d ]+)"):gmatch("%d+") do
    fields[#fields + 1] = tonumber(v)
  end
  for i, v in ipairs(fields) do
    if i ~= 4 and i ~= 5 and i <= 8 then all = all + v end	-- all but idle, iowait, guests
  end
  local i = 0
  for v in lab.read_file("/proc/self/stat"):match("%) (.*)"):gmatch("%S+") do
    i = i + 1
    if i >= 12 and i <= 15 then own = own + tonumber(v) end
  end
  return { all = all, own = own, at = os.time() }
end

local at_start = cpu_ticks()

--- Percent of one core that others used since the start, on average: 0 on a machine of its own.
function lab.others()
  local now = cpu_ticks()
  local ticks = now.all - at_start.all - (now.own - at_start.own)
  return ticks / 100 / math.max(1, now.at - at_start.at) * 100
end

-- ---- processes ----------------------------------------------------------------------------------

local running = {}

-- Ports below the ephemeral ones, other ones for other processes of this bench.
local port = 20000 + tonumber(lab.read_file("/proc/self/stat"):match("^%d+")) % 5000 * 2

local Process = {}
Process.__index = Process

-- Starts `command` pinned to the server's core; its input ends when this process does.
local function start(name, command, listen)
  local p = setmetatable({ name = name, port = listen, log = lab.out .. "/" .. name .. ".log" },
    Process)
  local pid_file = lab.out .. "/" .. name .. ".pid"
  p.started = tonumber((lab.sh "date +%s.%N"))
  p.hold = assert(io.popen(("trap '' INT; taskset -c %s %s > %s 2>&1 < /dev/null & p=$!; "
    .. "echo $p > %s; read _; kill $p; { wait $p; } 2> /dev/null; echo rc=$? >> %s"):format(
    lab.server_core, command, p.log, pid_file, p.log), "w"))
  running[p] = true
  lab.sh("while ! [ -s %s ]; do sleep 0.005; done", pid_file)
  p.pid = tonumber(lab.read_file(pid_file))
  os.remove(pid_file)
  return p
end

--- Ends the process and waits for it.
function Process:stop()
  if not running[self] then return end
  running[self] = nil
  self.hold:close()
end

function lab.stop_all()
  for p in pairs(running) do p:stop() end
end

--- Runs the load generator in a mode; the JSON lines that it printed, decoded.
function Process:load(...)
  local words = { ... }
  for i, w in ipairs(words) do
    words[i] = "'" .. (type(w) == "number" and ("%.10g"):format(w) or w) .. "'"
  end
  local ok, text = pcall(lab.sh, "TLS=%s AUTHORIZATION='%s' PID=%d taskset -c %s %s/bench/load "
    .. "%d %s", self.tls and 1 or "", self.authorization or "", self.pid, lab.client_core,
    lab.build, self.port, table.concat(words, " "))
  if not ok then
    error(("%s\nlog of %s: %s"):format(text, self.name, lab.read_file(self.log):sub(-2000)), 0)
  end
  local out = {}
  for line in text:gmatch("[^\n]+") do out[#out + 1] = cjson.decode(line) end
  return unpack(out)
end

--- Memory of the process in bytes: { rss, anon }.
function Process:memory()
  local status = lab.read_file(("/proc/%d/status"):format(self.pid))
  local function field(name) return tonumber(status:match(name .. ":%s+(%d+) kB")) * 1024 end
  return { rss = field("VmRSS"), anon = field("RssAnon") }
end

-- CPU time so far, clock ticks.
local function ticks(pid)
  local rest = lab.read_file(("/proc/%d/stat"):format(pid)):match("%) (.*)")
  local fields = {}
  for v in rest:gmatch("%S+") do fields[#fields + 1] = tonumber(v) or 0 end
  return fields[12] + fields[13]
end

--- CPU time of the process so far, ns.
function Process:cpu() return ticks(self.pid) * 1e7 end

--- Waits until the process has nothing left to do, e.g. the connections of the last run to close.
function Process:quiet()
  local before
  for _ = 1, 100 do
    local now = ticks(self.pid)
    if before and now - before <= 1 then return end
    before = now
    lab.sleep(0.1)
  end
  error(self.name .. " does not come to rest", 0)
end

-- ---- moon2m -------------------------------------------------------------------------------------

local Server = setmetatable({}, { __index = Process })
Server.__index = Server

function Server:run()
  local at = port + self.beside
  local p = start(self.name, ("%s/moon2m run -c %s --data %s --listen 127.0.0.1:%d "
    .. "--set outgoing.loopback=true --strict %s/compact.lua %s"):format(lab.build, self.config,
    self.data, at, lab.here, self.apps), at)
  for k, v in pairs(p) do self[k] = v end
  running[p] = nil
  running[self] = true
  local ready = self:load("ready")
  self.ready_ms = (ready.wall - self.started) * 1000
  return self
end

--- Starts moon2m on a new, empty store; apps: further scripts, words of a command line; config: its
-- configuration file; beside: 1 for one that runs beside another.
function lab.server(name, apps, config, beside)
  local s = setmetatable({ name = name, data = lab.out .. "/store-" .. name, apps = apps or "",
    config = config or lab.here .. "/server.conf.lua", beside = beside or 0 }, Server)
  lab.sh("rm -rf %s", s.data)
  return s:run()
end

--- Stops it and starts it again on the same store, which is not in the page cache any more.
function Server:restart()
  self:stop()
  lab.sh("for f in %s/*; do sync $f; dd if=$f iflag=nocache count=0 status=none; done", self.data)
  return self:run()
end

--- Ends it for good: the store goes too.
function Server:finish()
  self:stop()
  lab.sh("rm -rf %s", self.data)
end

--- Creates a resource over HTTP; raises unless it was created.
function Server:create(path, originator, ty, body)
  local answer = lab.sh("curl -sS -X POST -H 'X-M2M-Origin: %s' -H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3' "
    .. "-H 'Content-Type: application/json;ty=%d' -d '%s' -w ' %%{http_code}' "
    .. "http://127.0.0.1:%d%s", originator, ty, body, self.port, path)
  if not answer:match(" 201$") then error(path .. ": " .. answer, 0) end
end

--- Updates a resource over HTTP as the administrator; raises unless it was updated.
function Server:update(path, body)
  local answer = lab.sh("curl -sS -X PUT -H 'X-M2M-Origin: CAdmin' -H 'X-M2M-RI: 1' "
    .. "-H 'X-M2M-RVI: 3' -H 'Content-Type: application/json' -d '%s' -w ' %%{http_code}' "
    .. "http://127.0.0.1:%d%s", body, self.port, path)
  if not answer:match(" 200$") then error(path .. ": " .. answer, 0) end
end

--- What all modes of the load generator expect: a policy for all, and the AE Cbench.
function Server:prepare()
  self:create("/moon", "CAdmin", 1, '{"m2m:acp":{"rn":"all","pv":{"acr":[{"acor":["all"],'
    .. '"acop":63}]},"pvs":{"acr":[{"acor":["CAdmin"],"acop":63}]}}}')
  self:create("/moon", "Cbench", 2, '{"m2m:ae":{"rn":"bench","api":"Nbench","rr":true,'
    .. '"srv":["3"],"acpi":["moon/all"]}}')
  return self
end

function Server:container(name, mni)
  self:create("/moon/bench", "Cbench", 3,
    ('{"m2m:cnt":{"rn":"%s","mni":%d,"acpi":["moon/all"]}}'):format(name, mni))
end

-- ---- baselines ----------------------------------------------------------------------------------

--- Starts raw_fanout with frames of so many bytes.
function lab.raw_fanout(bytes)
  local p = start("raw_fanout", ("%s/bench/raw_fanout %d %d"):format(lab.build, port + 1, bytes),
    port + 1)
  lab.sleep(0.1)
  return p
end

--- One run of bare_sqlite on the file system of the servers' stores.
function lab.bare_sqlite(outstanding, seconds, containers, keep, notices)
  local file = lab.out .. "/bare.db"
  local text = lab.sh("taskset -c %s %s/bench/bare_sqlite %s %d %g %d %d %s", lab.server_core,
    lab.build, file, outstanding, seconds, containers, keep, notices and "notices" or "")
  lab.sh("rm -f %s %s-wal %s-shm", file, file, file)
  return cjson.decode(text)
end

return lab
