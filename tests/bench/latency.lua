-- (d) Notification latency with one subscriber, at a rate that leaves the server idle most of the
-- time: from when the create was due to the frame.

local lab = require "lab"

local RATE, SECONDS = 200, lab.pick(5, 3)

return function(report)
  local s, rows = lab.server("latency"):prepare(), {}
  s:load("aes", 1)
  for _, k in ipairs { { "raw", "compact" }, { "ack", "-" } } do
    local kind, runs = k[1], {}
    s:container(kind, 1000)
    s:load("subs", 1, k[2], kind)
    lab.say("latency: one subscriber, %s", kind)
    for i = 1, lab.reps do runs[i] = s:load("latency", SECONDS, RATE, kind, kind) end
    local m = lab.median(runs)
    rows[#rows + 1] = { kind, report.count(m.count), report.ms(m.p50_us), report.ms(m.p99_us),
      report.ms(m.max_us) }
    report.asked(("(d) notification p99 with one subscriber, %s, ms"):format(kind),
      { at_most = 5 }, m.p99_us / 1000, "%.2f")
  end
  s:finish()
  report.table("Notification latency", ("%d creates per second, one at a time."):format(RATE),
    { "kind", "notifications", "p50 ms", "p99 ms", "max ms" }, rows)
end
