-- (a) Fan-out: single events, one after the other, to N subscribers of one container, and a flood
-- of events, 64 of them outstanding; beside the bare server that calls send() once per frame.
-- The frames of both have the same size.  "raw": nobody answers; "ack": every client answers every
-- frame, the baseline's too, which reads the answers and does nothing with them.

local lab = require "lab"

local FORMAT = { raw = "compact", ack = "-" }
local BASE = { raw = "base", ack = "baseack" }
local SIZES = lab.pick({ 100, 1000, 10000 }, { 100, 1000 })
local OUTSTANDING = 64

local function rounds(n) return lab.pick(math.min(300, 3e5 / n), math.min(100, 5e4 / n)) end

-- Runs a mode on both, in turn; the medians of each and of the ratio of neighbouring runs.
local function side_by_side(server, run, kind)
  local ours, theirs, ratios = {}, {}, {}
  local base
  for i = 1, lab.reps do
    ours[i] = run(server, kind)
    if kind == "raw" and ours[i].kept > 0 then
      error(ours[i].kept .. " frames came late, of an earlier run", 0)
    end
    server:quiet()
    base = base or lab.raw_fanout(math.floor(ours[i].bytes + 0.5))
    theirs[i] = run(base, BASE[kind])
    base:quiet()
    ratios[i] = { ratio = ours[i].rate / theirs[i].rate }
  end
  base:stop()
  return { ours = lab.median(ours), base = lab.median(theirs), ratio = lab.median(ratios).ratio }
end

local function setup()
  local s = lab.server("fanout"):prepare()
  s:load("aes", SIZES[#SIZES])
  for _, n in ipairs(SIZES) do
    for kind, format in pairs(FORMAT) do
      s:container(kind .. n, 1000)
      s:load("subs", n, format, kind .. n)
    end
  end
  return s
end

local function measure(s, n, kind)
  local name = kind .. n
  lab.say("fan-out: single events to %d subscribers, %s", n, kind)
  local single = side_by_side(s, function(p, k) return p:load("fanout", n, rounds(n), k, name) end,
    kind)
  lab.say("fan-out: flood to %d subscribers, %s", n, kind)
  local flood = side_by_side(s, function(p, k)
    return p:load("flood", n, lab.pick(2, 1), OUTSTANDING, k, name)
  end, kind)
  return { n = n, kind = kind, single = single, flood = flood }
end

local function judge(report, m)
  local who = ("%s subscribers, %s"):format(report.count(m.n), m.kind)
  report.asked("(a) single events to " .. who .. ": frames/s against one send() per frame",
    { at_least = 0.8 }, m.single.ratio, "%.2f",
    ("%s/s of %s/s"):format(report.count(m.single.ours.rate), report.count(m.single.base.rate)))
  report.asked("(a) flood to " .. who .. ": frames/s against one send() per frame",
    { at_least = m.kind == "raw" and m.n >= 1000 and 10 or 2 }, m.flood.ratio, "%.2f",
    ("%s/s of %s/s"):format(report.count(m.flood.ours.rate), report.count(m.flood.base.rate)))
end

-- Every notice acknowledged, against frames that nobody answers.
local function judge_answered(report, raw, ack)
  local ours, base = ack.flood.ours.rate, raw.flood.base.rate
  report.asked(("(a) flood to %s subscribers, ack: against one send() per unanswered frame"):format(
    report.count(ack.n)), { at_least = ack.n >= 1000 and 2.5 or 1 }, ours / base, "%.2f",
    ("%s/s of %s/s"):format(report.count(ours), report.count(base)))
end

local function tables(report, all)
  local single, flood = {}, {}
  for i, m in ipairs(all) do
    local o, b = m.single.ours, m.single.base
    single[i] = { report.count(m.n), m.kind, report.count(o.rate), report.count(b.rate),
      ("%.2f"):format(m.single.ratio), ("%.2f"):format(o.span_rate / b.span_rate),
      report.ms(o.first_p50_us), report.ms(o.last_p50_us),
      report.ms(o.last_p99_us), report.ms(b.last_p50_us), report.ms(b.last_p99_us),
      report.count(o.cpu_ns), report.count(b.cpu_ns), ("%.0f"):format(o.bytes) }
    o, b = m.flood.ours, m.flood.base
    flood[i] = { report.count(m.n), m.kind, report.count(o.rate), report.count(b.rate),
      ("%.2f"):format(m.flood.ratio), report.count(o.cpu_ns), report.count(b.cpu_ns) }
  end
  report.table("Fan-out of single events",
    "From sending the create to the last frame at the last subscriber; the time of the commit that "
    .. "precedes the frames is in it, the baseline has none. Ratio 2: from the first frame to the "
    .. "last. CPU: all threads of the server.",
    { "subscribers", "kind", "frames/s", "baseline", "ratio", "ratio 2", "first frame p50 ms",
      "last frame p50 ms", "p99 ms", "baseline p50 ms", "p99 ms", "CPU ns/frame", "baseline",
      "bytes" }, single)
  report.table("Flood", OUTSTANDING .. " events outstanding: each is until all its frames came.",
    { "subscribers", "kind", "frames/s", "baseline", "ratio", "CPU ns/frame", "baseline" }, flood)
end

local function line(all, kind, mode, who)
  local points = {}
  for _, m in ipairs(all) do
    if m.kind == kind then points[#points + 1] = { m.n, m[mode][who].rate } end
  end
  return points
end

local function plot(report, all)
  report.plot("fanout", "Fan-out of one container", "subscribers", "frames/s", {
    { "flood, raw", line(all, "raw", "flood", "ours") },
    { "flood, acknowledged", line(all, "ack", "flood", "ours") },
    { "single events, raw", line(all, "raw", "single", "ours") },
    { "single events, acknowledged", line(all, "ack", "single", "ours") },
    { "one send() per frame", line(all, "raw", "single", "base") },
  }, { logx = true, logy = true })
end

return function(report)
  local s, all = setup(), {}
  for _, n in ipairs(SIZES) do
    for _, kind in ipairs { "raw", "ack" } do
      all[#all + 1] = measure(s, n, kind)
      judge(report, all[#all])
    end
    judge_answered(report, all[#all - 1], all[#all])
  end
  s:finish()
  tables(report, all)
  plot(report, all)
end
