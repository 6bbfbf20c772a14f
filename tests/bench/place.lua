-- (h) Discovery by place: located containers in a row, a degree from each other, in one container.

local lab = require "lab"

local PLACES, SECONDS = lab.pick(100000, 20000), lab.pick(3, 1)
local BELOW = "/moon/bench?fu=1&gsf=1&gmty="
local BOX = "3&geom=[[%g,-1],[%g,1],[%g,1],[%g,-1],[%g,-1]]"
local P50, P99 = 1, 10                        -- ms, asked for

local function box(low, high) return BOX:format(low, low, high, high, low) end

-- What, PATH, RANGE of "#", found; of what is everywhere nothing is asked.
local SEARCHES = {
  { "at a point, one is there", BELOW .. "1&geom=[#,0]", PLACES, 1 },
  { "at a point, none is there", BELOW .. "1&geom=[#,5]", PLACES, 0 },
  { "in a polygon, 20 are there", BELOW .. box(99.5, 119.5), 1, 20 },
  { "in a polygon around all, lim 20", BELOW .. box(-1, PLACES) .. "&lim=20", 1, 20,
    free = true },
}

local function search(s, row)
  local runs = {}
  for i = 1, lab.reps do
    runs[i] = s:load("get", 1, SECONDS, row[2], row[3], "moon/bench/", row[4])
  end
  return lab.median(runs)
end

return function(report)
  local s = lab.server("places"):prepare()
  lab.say("place: creating %d located containers", PLACES)
  s:load("holders", "p", 3, PLACES, '"loc":{"typ":1,"crd":"[#,0]"}')
  s:quiet()
  local rows = {}
  for i, row in ipairs(SEARCHES) do
    lab.say("place: %s", row[1])
    local m = search(s, row)
    rows[i] = { row[1], row[4], report.count(m.rate), report.ms(m.p50_us), report.ms(m.p99_us) }
    if not row.free then
      report.asked(("(h) discovery, %s: p50 ms"):format(row[1]), { at_most = P50 },
        m.p50_us / 1000, "%.2f")
      report.asked(("(h) discovery, %s: p99 ms"):format(row[1]), { at_most = P99 },
        m.p99_us / 1000, "%.2f")
    end
  end
  report.table("Discovery by place", ("%s located containers, one client."):format(
    report.count(PLACES)), { "what", "found", "answers/s", "p50 ms", "p99 ms" }, rows)
  s:finish()
end
