-- moon2m test apps/host_metrics_test.lua
local t = require "moon2m.test"

local PROC = {
  ["/proc/loadavg"] = "0.52 0.58 0.59 2/389 12345\n",
  ["/proc/meminfo"] = "MemTotal:       16303428 kB\nMemFree:         1234567 kB\n" ..
    "MemAvailable:    9876543 kB\nBuffers:          100000 kB\nCached:          5000000 kB\n",
  ["/proc/diskstats"] = "   8       0 sda 10 2 300 4 50 6 700 8 0 9 10\n" ..
    "   8       1 sda1 10 2 300 4 50 6 700 8 0 9 10\n   7       0 loop0 1 1 9 1 1 1 9 1 0 1 1\n",
  ["/proc/net/dev"] = "Inter-|   Receive\n face |bytes\n" ..
    "    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n" ..
    "  eth0: 1000 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n" ..
    "  eth1: 10 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n",
}

local function host(files)
  return t.host {
    scripts = { "apps/host_metrics.lua" }, config = { host_metrics = { period = 1, keep = 3 } },
    server = { read = { "/proc/**" } }, files = files,
    tree = { ["/me"] = { ty = "ae" } },
  }
end

t.test("four files of /proc become four containers", function()
  local h = host(PROC)
  h:advance(1)
  t.same(h:latest("/host/load"), { m1 = 0.52, m5 = 0.58, m15 = 0.59, running = 2, processes = 389 })
  t.same(h:latest("/host/memory"), { total = 16303428, free = 1234567, available = 9876543,
    cached = 5000000, unit = "KiB" })
  t.same(h:latest("/host/disk"), { sectors_read = 300, sectors_written = 700 })
  t.same(h:latest("/host/network"), { bytes_received = 1010, bytes_sent = 202 })
  h:advance(9)
  t.equal(t.ok(h:retrieve("/host/load")).cni, 3)
end)

t.test("anybody reads and subscribes, nobody writes", function()
  local h = host(PROC)
  h:advance(1)
  local me = h:as("Cme")
  t.ok(me:retrieve("/host/load/la"))
  t.ok(me:create("/host/load", "subscription", { nu = { "Cme" }, enc = { net = { 3 } } }))
  t.refused(4103, me:create("/host/load", "1"))
  t.refused(4103, me:delete("/host"))
  h:advance(1)
  t.equal(#h:notifications("Cme"), 1)
end)

t.test("the files of this host", function()
  local h = host()
  h:advance(1)
  for _, name in ipairs { "load", "memory", "disk", "network" } do
    local n = 0
    for _, v in pairs(t.ok(h:latest("/host/" .. name), name)) do
      if type(v) == "number" then n = n + 1 end
    end
    t.ok(n >= 2, name)
  end
end)

t.test("a file that may not be read is said, and the others go on", function()
  local h = t.host { scripts = { "apps/host_metrics.lua" }, files = PROC,
    server = { read = { "/proc/loadavg" } } }
  h:advance(1)
  t.ok(h:latest("/host/load"))
  t.is_nil(h:latest("/host/disk"))
  t.equal(#h:logged("disk: reading /proc/diskstats is not allowed"), 1)
end)
