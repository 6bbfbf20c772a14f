-- timeSeriesInstances beside contentInstances: as many of both into as many timeSeries and
-- containers, over 64 connections, in turns; and into timeSeries that watch for missing data, where
-- each instance stores what is expected next.

local lab = require "lab"

local HOLDERS, EACH = 1000, lab.pick(100, 20)
local KINDS = {
  { name = "container", ty = 3, of = 4, more = "-" },
  { name = "timeSeries", ty = 29, of = 30, more = "-" },
  { name = "timeSeries, mdd", ty = 29, of = 30,
    more = [["mdd":true,"pei":1,"peid":0,"mdt":1]] },
}

local function measure(s, kind, turn)
  local name = ("%s%d_"):format(kind.name:gsub("%W", ""), turn)
  s:load("holders", name, kind.ty, HOLDERS, kind.more)
  local r = s:load("values", name, kind.of, HOLDERS, EACH)
  s:quiet()
  return r
end

return function(report)
  local s, all, rows = lab.server("series"):prepare(), {}, {}
  for turn = 1, lab.reps do
    for i, kind in ipairs(KINDS) do
      lab.say("series: %s", kind.name)
      all[i] = all[i] or {}
      all[i][turn] = measure(s, kind, turn)
      all[i][turn].ratio = all[i][turn].rate / all[1][turn].rate
    end
  end
  s:finish()
  local n = report.count(HOLDERS * EACH)
  for i, kind in ipairs(KINDS) do
    local m = lab.median(all[i])
    rows[i] = { kind.name, report.count(m.rate), ("%.2f"):format(m.ratio), report.ms(m.p50_us),
      report.ms(m.p99_us), report.count(m.cpu_ns) }
    if i == 2 then
      report.asked(n .. " instances: " .. kind.name .. " against container",
        { at_least = 0.9 }, m.ratio, "%.2f", report.count(m.rate) .. "/s")
    end
  end
  report.table("Instances of timeSeries", n .. " in 1,000, content of 100 bytes, 64 connections.",
    { "into", "creates/s", "ratio", "p50 ms", "p99 ms", "CPU ns/create" }, rows)
end
