-- Creates through a group of 100 members, each 100 durable instances and one answer with 100
-- answers in it, beside single creates in the same containers, 100 at a time.  Every answer is
-- looked at, and what they say is counted in the store afterwards.

local lab = require "lab"

local MEMBERS, MNI = 100, 100
local LEVELS = { 1, 8 }
local SECONDS = lab.pick(3, 1.5)

local function setup()
  local s = lab.server("group"):prepare()
  s:load("containers", MEMBERS, MNI)
  s:load("fill", MEMBERS, MNI)
  local mid = {}
  for i = 1, MEMBERS do mid[i] = ('"moon/bench/c%d"'):format(i - 1) end
  s:create("/moon/bench", "Cbench", 9, ('{"m2m:grp":{"rn":"g","mt":3,"mnm":%d,"mid":[%s]}}'):format(
    MEMBERS, table.concat(mid, ",")))
  return s
end

local function grouped(s, conns)
  local before = s:load("count", MEMBERS)
  local r = s:load("grouped", conns, SECONDS, "g", MEMBERS)
  local after = s:load("count", MEMBERS)
  if after.st - before.st ~= r.count * MEMBERS then
    error(("%d creates were answered, %d are there"):format(r.count * MEMBERS,
      after.st - before.st), 0)
  end
  return r
end

local function measure(s, conns)
  lab.say("group: %d at a time", conns)
  local all, single, ratios = {}, {}, {}
  for i = 1, lab.reps do
    single[i] = s:load("create", MEMBERS, SECONDS, MEMBERS)
    s:quiet()
    all[i] = grouped(s, conns)
    s:quiet()
    ratios[i] = { ratio = all[i].rate * MEMBERS / single[i].rate }
  end
  return lab.median(all), lab.median(single), lab.median(ratios).ratio
end

return function(report)
  local s, rows = setup(), {}
  for i, conns in ipairs(LEVELS) do
    local all, single, ratio = measure(s, conns)
    if conns == 1 then
      report.asked("creates through a group of 100 members: against 100 single creates",
        { at_least = 0.5 }, ratio, "%.2f", report.count(all.rate * MEMBERS) .. "/s of "
          .. report.count(single.rate) .. "/s")
    end
    rows[i] = { conns, report.count(all.rate * MEMBERS), report.count(single.rate),
      ("%.2f"):format(ratio), report.ms(all.p50_us), report.ms(all.p99_us),
      report.count(all.cpu_ns / MEMBERS), report.count(single.cpu_ns) }
  end
  s:finish()
  report.table("Creates through a group", "100 containers in it, mni reached, content of "
    .. "100 bytes; beside it single creates over 100 connections.", { "at a time", "instances/s",
      "single creates/s", "ratio", "p50 ms", "p99 ms", "CPU ns/instance", "CPU ns/create" }, rows)
end
