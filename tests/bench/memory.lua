-- (e) Memory: the process that nobody has asked anything yet, and what an idle WebSocket connection
-- whose AE is known adds.  The server is started afresh before the connections are opened, so that
-- nothing that registration left behind can hide their cost.  Kernel memory is not in it.

local lab = require "lab"

local CONNECTIONS = lab.pick(10000, 2000)
local SECONDS = lab.pick(3, 2)

local function connected(s)
  s:restart()
  s:quiet()
  local r = s:load("idle", CONNECTIONS, SECONDS)
  if r.conns ~= CONNECTIONS then
    error(("%d connections of %d were open"):format(r.conns, CONNECTIONS), 0)
  end
  return { bytes = (r.rss - r.rss_before) / CONNECTIONS, cpu_ms = r.cpu_ms / r.seconds }
end

return function(report)
  lab.say("memory: the idle process")
  local s = lab.server("memory")
  s:quiet()
  local idle = s:memory()
  report.asked("(e) idle process, MiB", { at_most = 20 }, idle.rss / 1048576, "%.1f",
    ("%.1f of it anonymous"):format(idle.anon / 1048576))
  s:prepare()
  s:load("aes", CONNECTIONS)
  local runs = {}
  for i = 1, lab.reps do
    lab.say("memory: %d idle connections", CONNECTIONS)
    runs[i] = connected(s)
  end
  local m = lab.median(runs)
  report.asked("(e) idle WebSocket connection, KiB", { at_most = 8 }, m.bytes / 1024, "%.2f",
    ("%s connections"):format(report.count(CONNECTIONS)))
  report.asked("(e) idle WebSocket connections: CPU per second, ms", { at_most = 5 }, m.cpu_ms,
    "%.1f",
    ("%s connections"):format(report.count(CONNECTIONS)))
  report.table("Idle", nil, { "what", "figure" }, {
    { "process, resident, MiB", ("%.1f"):format(idle.rss / 1048576) },
    { "process, anonymous, MiB", ("%.1f"):format(idle.anon / 1048576) },
    { "WebSocket connections", report.count(CONNECTIONS) },
    { "resident per connection, bytes", report.count(m.bytes) },
    { "CPU per second with all of them, ms", ("%.1f"):format(m.cpu_ms) },
  })
  s:finish()
end
