-- (h) Discovery in a tree of a million resources of several types: by label, by type, by time, by
-- label and type in a subtree; by one who may see nothing of it; and what others wait while a
-- subtree of 100,000 resources is deleted.

local lab = require "lab"

local SITES = lab.pick(1008, 50)              -- of 992 resources each, see load.c
local DROPPED = lab.pick(101, 10)
local SECONDS = lab.pick(3, 1)
local RECENT = 20                             -- instances that are made last, in container "late"
local P50, P99 = 1, 10                        -- ms, asked for

-- What, PATH, RANGE of "#", found; "@" is the time when all but the recent ones were there.
local SEARCHES = {
  { "label, one has it", "/moon/bench?fu=1&lbl=serial:#", SITES * 99, 1 },
  { "label, many have it, lim 20", "/moon/bench?fu=1&lbl=room:7&lim=20", 1, 20 },
  { "type, whole tree, lim 20", "/moon/bench?fu=1&ty=23&lim=20", 1, 20 },
  { "type, in a subtree", "/moon/bench/s#?fu=1&ty=23", SITES, 1 },
  { "type of instances, in a subtree", "/moon/bench/s#/d50?fu=1&ty=4", SITES, 9 },
  { "created since, whole tree", "/moon/bench?fu=1&cra=@", 1, RECENT + 1 },
  { "created since, in a subtree", "/moon/bench/s#?fu=1&cra=@", SITES, 0 },
  { "created before, lim 20", "/moon/bench?fu=1&crb=@&lim=20", 1, 20 },
  { "modified since, containers", "/moon/bench?fu=1&ty=3&ms=@", 1, 1 },
  { "label and type, in a subtree", "/moon/bench/s#?fu=1&lbl=room:7&ty=3", SITES, 5 },
  { "label and type of instances", "/moon/bench/s#?fu=1&lbl=room:7&ty=4", SITES, 5 },
  { "label and type, whole tree, none", "/moon/bench?fu=1&lbl=room:7&ty=23", 1, 0 },
}

local function fill()
  local s = lab.server("sites"):prepare()
  lab.say("discovery: creating %d resources", SITES * 992)
  s:load("sites", SITES)
  lab.sleep(1)
  local now = lab.sh "date -u +%Y%m%dT%H%M%S"
  s:container("late", 1000)
  for i = 1, RECENT do
    s:create("/moon/bench/late", "Cbench", 4, ('{"m2m:cin":{"con":"%d"}}'):format(i))
  end
  s:quiet()
  return s, now
end

local function search(s, row, now)
  local runs = {}
  for i = 1, lab.reps do
    runs[i] = s:load("get", 1, SECONDS, row[2]:gsub("@", now), row[3], "moon/bench/", row[4])
  end
  return lab.median(runs)
end

local function searches(report, s, now)
  local rows = {}
  for i, row in ipairs(SEARCHES) do
    lab.say("discovery: %s", row[1])
    local m = search(s, row, now)
    rows[i] = { row[1], row[4], report.count(m.rate), report.ms(m.p50_us), report.ms(m.p99_us) }
    report.asked(("(h) discovery, %s: p50 ms"):format(row[1]), { at_most = P50 },
      m.p50_us / 1000, "%.2f")
    report.asked(("(h) discovery, %s: p99 ms"):format(row[1]), { at_most = P99 },
      m.p99_us / 1000, "%.2f")
  end
  report.table("Discovery", ("%s resources, one client."):format(report.count(SITES * 992)),
    { "what", "found", "answers/s", "p50 ms", "p99 ms" }, rows)
end

-- The same tree for one who may discover nothing of it.
local HIDDEN = {
  { "containers, nothing may be seen", "/moon/bench?fu=1&ty=3", 1, 0 },
  { "instances, nothing may be seen", "/moon/bench?fu=1&ty=4", 1, 0 },
  { "label, nothing may be seen", "/moon/bench?fu=1&lbl=room:7", 1, 0 },
}

local function hidden(report, s, now)
  s:update("/moon/all", '{"m2m:acp":{"pv":{"acr":[{"acor":["all"],"acop":31}]}}}')
  local rows = {}
  for i, row in ipairs(HIDDEN) do
    lab.say("discovery: %s", row[1])
    local m = search(s, row, now)
    rows[i] = { row[1], report.count(m.rate), report.ms(m.p50_us), report.ms(m.p99_us) }
  end
  report.table("Discovery without privileges",
    ("%s resources whose policy refuses the originator, one client."):format(
      report.count(SITES * 992)), { "what", "answers/s", "p50 ms", "p99 ms" }, rows)
end

local function drop(report, name, make, count)
  local runs = {}
  for i = 1, lab.reps do
    lab.say("discovery: deleting %s", name)
    local s = lab.server("drop"):prepare()
    make(s)
    s:quiet()
    runs[i] = s:load("drop", "/moon/bench", 5)
    s:finish()
  end
  local m = lab.median(runs)
  report.asked(("(h) deleting %d %s: the longest wait of another request, ms"):format(count, name),
    { at_most = 20 }, m.max_ms, "%.1f",
    ("answered after %.0f ms; before it the longest was %.1f"):format(m.delete_ms,
      m.before_max_ms))
end

return function(report)
  local s, now = fill()
  searches(report, s, now)
  hidden(report, s, now)
  s:finish()
  drop(report, "resources of several types", function(d) d:load("sites", DROPPED) end,
    DROPPED * 992)
  local n = lab.pick(100000, 5000)
  drop(report, "containers", function(d) d:load("containers", n, 10) end, n)
  n = lab.pick(10000, 1000)
  drop(report, "containers, a subscription in each", function(d)
    d:load("containers", n, 10)
    d:load("aes", 1)
    d:load("watch", n)
  end, n)
end
