-- (f) Notification at its edges: 10,000 subscriptions beside one subscription with 10,000 targets;
-- what a target that stops reading costs another; what is kept for AEs that are away, in memory and
-- on their return.

local lab = require "lab"

local TARGETS = lab.pick(10000, 1000)
local ROUNDS = lab.pick(50, 20)
local RATE, SECONDS = 500, lab.pick(8, 4)
local AWAY, EVENTS = lab.pick(1000, 200), 100
local MIB = 1048576

-- The medians of a run on each of two sides, in turn, and of the ratio of neighbouring runs.
local function in_turn(run, a, b)
  local of_a, of_b = {}, {}
  for i = 1, lab.reps do of_a[i], of_b[i] = run(a), run(b) end
  return lab.median(of_a), lab.median(of_b)
end

local function many_or_wide(report)
  local s = lab.server("notify"):prepare()
  lab.say("notify: %d subscriptions, and one with as many targets", TARGETS)
  s:load("aes", TARGETS)
  s:container("many", 1000)
  s:load("subs", TARGETS, "-", "many")
  s:container("wide", 1000)
  s:load("wide", TARGETS, "wide")
  s:quiet()
  local many, wide = in_turn(function(name)
    local r = s:load("fanout", TARGETS, ROUNDS, "ack", name)
    s:quiet()
    return r
  end, "many", "wide")
  s:finish()
  report.asked(("(f) %s subscriptions against one with as many targets, frames/s"):format(
    report.count(TARGETS)), { at_least = 0.7 }, many.rate / wide.rate, "%.2f",
    ("%s/s of %s/s"):format(report.count(many.rate), report.count(wide.rate)))
  return { many = many, wide = wide }
end

local function stalled(report)
  local s = lab.server("stalled"):prepare()
  s:load("aes", 2)
  s:container("side", 1000)
  s:load("subs", 2, "-", "side")
  lab.say("notify: one target reads, the other does, or does not")
  local stalls, reads = in_turn(function(how)
    lab.sh("taskset -c %s %s/bench/load %d hold 1 %g %s > /dev/null 2>&1 &", lab.client_core,
      lab.build, s.port, SECONDS + 2, how)
    lab.sleep(0.3)
    local r = s:load("latency", SECONDS, RATE, "ack", "side")
    lab.sleep(2.5)                 -- the other one has ended
    s:quiet()
    return r
  end, "stalls", "reads")
  s:finish()
  report.asked("(f) p99 of a target beside one that stopped reading, against beside one that reads",
    { at_most = 1.2 }, stalls.p99_us / reads.p99_us, "%.2f",
    ("%s ms of %s ms"):format(report.ms(stalls.p99_us), report.ms(reads.p99_us)))
  return { stalls = stalls, reads = reads }
end

local function kept(report)
  local s = lab.server("kept"):prepare()
  s:load("aes", AWAY)
  local runs = {}
  for i = 1, lab.reps do
    local name = "kept" .. i
    s:container(name, 1000)
    s:load("subs", AWAY, "-", name)
    s:restart()
    s:quiet()
    lab.say("notify: %d events while %d AEs are away", EVENTS, AWAY)
    runs[i] = s:load("kept", AWAY, EVENTS, name)
    runs[i].grown = runs[i].rss - runs[i].rss_before
    s:quiet()
  end
  s:finish()
  local m = lab.median(runs)
  local what = report.count(AWAY * EVENTS) .. " kept notices"
  report.asked(("(f) %s: resident memory grows by, MiB"):format(what), { at_most = 20 },
    m.grown / MIB, "%.1f")
  report.asked(("(f) %s: delivered and acknowledged on return, per second"):format(what),
    { at_least = 50000 }, m.rate)
  return m
end

return function(report)
  local fan, side, away = many_or_wide(report), stalled(report), kept(report)
  local function fan_row(name, r)
    return { name, report.count(r.rate), report.ms(r.last_p50_us), report.ms(r.last_p99_us),
      report.count(r.cpu_ns) }
  end
  report.table("Many subscriptions, many targets",
    ("Single events, acknowledged, to %s AEs."):format(report.count(TARGETS)),
    { "subscriptions", "frames/s", "last frame p50 ms", "p99 ms", "CPU ns/frame" },
    { fan_row("one each", fan.many), fan_row("one in all", fan.wide) })
  report.table("Beside a target that stopped reading", ("%d events per second."):format(RATE),
    { "the other target", "p50 ms", "p99 ms", "max ms" }, {
      { "reads", report.ms(side.reads.p50_us), report.ms(side.reads.p99_us),
        report.ms(side.reads.max_us) },
      { "does not", report.ms(side.stalls.p50_us), report.ms(side.stalls.p99_us),
        report.ms(side.stalls.max_us) } })
  report.table("Kept for AEs that are away", nil, { "what", "figure" }, {
    { "AEs", report.count(AWAY) }, { "notices", report.count(AWAY * EVENTS) },
    { "resident before, MiB", ("%.1f"):format(away.rss_before / MIB) },
    { "resident after, MiB", ("%.1f"):format(away.rss / MIB) },
    { "delivered on return, per second", report.count(away.rate) },
    { "CPU ns/notice", report.count(away.cpu_ns) } })
end
