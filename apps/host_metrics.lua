-- This host as an AE: load, memory, disk and network counters from /proc, one container each, read
-- every second.  Real input for the demo of `make run`.  Anybody may read and subscribe, nobody but
-- the server itself may write: the access control policy below says so.
-- Run it:  moon2m run -c apps/demo.conf.lua apps/host_metrics.lua
-- Then:    . apps/try.sh; cse_get /host/load/la
local cse = require "moon2m"
local cfg = cse.config { period = 1, keep = 3600 }

-- Each probe turns one file of /proc into a table of numbers.
local probes = {
  load = { "/proc/loadavg", function(text)
    local m1, m5, m15, running, total = text:match("^(%S+) (%S+) (%S+) (%d+)/(%d+)")
    return { m1 = tonumber(m1), m5 = tonumber(m5), m15 = tonumber(m15),
      running = tonumber(running), processes = tonumber(total) }
  end },
  memory = { "/proc/meminfo", function(text)
    local function kib(name) return tonumber(text:match(name .. ":%s+(%d+) kB")) end
    return { total = kib("MemTotal"), free = kib("MemFree"), available = kib("MemAvailable"),
      cached = kib("\nCached"), unit = "KiB" }
  end },
  disk = { "/proc/diskstats", function(text)
    local read, written = 0, 0
    for name, r, w in text:gmatch("%d+%s+%d+%s+(%S+) %d+ %d+ (%d+) %d+ %d+ %d+ (%d+)") do
      if not name:match("^loop") and not name:match("^ram") and not name:match("%d$") then
        read, written = read + tonumber(r), written + tonumber(w)
      end
    end
    return { sectors_read = read, sectors_written = written }
  end },
  network = { "/proc/net/dev", function(text)
    local received, sent = 0, 0
    for name, counters in text:gmatch("(%S+):([%d%s]+)") do
      local field = {}
      for value in counters:gmatch("%d+") do field[#field + 1] = tonumber(value) end
      if name ~= "lo" then received, sent = received + field[1], sent + field[9] end
    end
    return { bytes_received = received, bytes_sent = sent }
  end },
}

local RETRIEVE, CREATE, DISCOVER, SUBSCRIPTION = 2, 1, 32, 23

local function measure(name)
  local file, parse = probes[name][1], probes[name][2]
  local text, err = cse.read(file)
  if not text then return cse.log.warn("%s: %s", name, err.msg) end
  cse.add("/host/" .. name, parse(text))
end

cse.start(function()
  local readers = assert(cse.ensure("/host_readers", "acp", {
    pv = { acr = {
      { acor = { "all" }, acop = RETRIEVE + DISCOVER },
      { acor = { "all" }, acop = CREATE, acod = { { chty = { SUBSCRIPTION } } } },
    } },
    pvs = { acr = { { acor = { "/moon" }, acop = 63 } } },
  }))
  local acpi = { readers.ri }
  local host = { api = "Nhost.metrics", rr = false, srv = { "3" }, acpi = acpi }
  assert(cse.ensure("/host", "ae", host))
  for name in pairs(probes) do
    assert(cse.ensure("/host/" .. name, "container", { mni = cfg.keep, acpi = acpi }))
  end
end)

cse.every(cfg.period, function()
  for name in pairs(probes) do measure(name) end
end)
