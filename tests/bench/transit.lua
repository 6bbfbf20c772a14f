-- Retrieves that are passed on to another CSE beside retrieves of the same resources at that CSE:
-- two servers on the one core, reached over HTTP or over a WebSocket that the first one dials.

local lab = require "lab"

local CONTAINERS, CONNS = 100, 64
local SECONDS = lab.pick(2, 1)

local function other()
  local config = lab.out .. "/far.conf.lua"
  lab.write_file(config, [[
cse = { id = "/far", name = "moon" }
limits = { connections = 16384, unidentified = 16384 }
log = { level = "warn" }
]])
  local s = lab.server("far", nil, config, 1):prepare()
  s:load("containers", CONTAINERS, 100)
  s:create("/moon", "/moon", 16, '{"m2m:csr":{"cb":"/moon/moon","rr":true,"srv":["3"]}}')
  return s
end

local function measure(near, far, conns)
  local one, two, ratios = {}, {}, {}
  for i = 1, lab.reps do
    one[i] = far:load("get", conns, SECONDS, "/moon/bench/c#", CONTAINERS, '"cni":', 1)
    two[i] = near:load("get", conns, SECONDS, "/~/far/moon/bench/c#", CONTAINERS, '"cni":', 1)
    ratios[i] = { ratio = two[i].rate / one[i].rate }
  end
  return lab.median(one), lab.median(two), lab.median(ratios).ratio
end

return function(report)
  local far, rows = other(), {}
  for _, scheme in ipairs { "http", "ws" } do
    local near = lab.server("near"):prepare()
    near:create("/moon", "/far", 16, ('{"m2m:csr":{"cb":"/far/moon","rr":true,"srv":["3"],'
      .. '"poa":["%s://127.0.0.1:%d"]}}'):format(scheme, far.port))
    for _, conns in ipairs { 1, CONNS } do
      lab.say("transit: over %s, %d connections", scheme, conns)
      local one, two, ratio = measure(near, far, conns)
      if conns == CONNS and scheme == "http" then
        report.asked("retrieves passed on to another CSE over HTTP: against its own",
          { at_least = 0.2 }, ratio, "%.2f", ("%s/s of %s/s, both servers on one core"):format(
            report.count(two.rate), report.count(one.rate)))
      end
      rows[#rows + 1] = { scheme, conns, report.count(two.rate), report.count(one.rate),
        ("%.2f"):format(ratio), report.ms(two.p50_us), report.ms(two.p99_us),
        report.ms(one.p50_us) }
    end
    near:finish()
  end
  far:finish()
  report.table("Retrieves passed on", "Both servers on one core.", { "over", "connections",
    "answers/s", "of its own", "ratio", "p50 ms", "p99 ms", "p50 ms of its own" }, rows)
end
