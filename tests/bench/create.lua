-- (b) Durable creates: every answer is an instance on disk, and the container's oldest one gone, as
-- mni is reached.  Beside a bare SQLite loop that commits as many operations at once as there are
-- connections, on the same file system.  "notified": every create also makes a kept notification,
-- sent to one subscriber and deleted when it has acknowledged it; the baseline writes and deletes
-- such a row too.  Every answered create must be there afterwards.

local lab = require "lab"

local CONTAINERS, MNI = 1000, 100
local LEVELS = lab.pick({ 1, 16, 64, 256 }, { 1, 64, 256 })
local SECONDS = lab.pick(3, 1.5)

local function setup()
  local s = lab.server("create"):prepare()
  s:load("containers", CONTAINERS, MNI)
  s:load("aes", 1)
  lab.say("creates: filling %d containers", CONTAINERS)
  s:load("fill", CONTAINERS, MNI)
  return s
end

local function checked(s, conns, watched)
  local before = s:load("count", CONTAINERS)
  local r = s:load("create", conns, SECONDS, CONTAINERS, watched and "watched" or nil)
  local after = s:load("count", CONTAINERS)
  if after.st - before.st ~= r.count or after.cni ~= CONTAINERS * MNI then
    error(("%d creates were answered, %d are there; %d instances in all"):format(r.count,
      after.st - before.st, after.cni), 0)
  end
  return r
end

local function measure(s, conns, watched)
  lab.say("creates: %d connections%s", conns, watched and ", notified" or "")
  local ours, bare, ratios = {}, {}, {}
  for i = 1, lab.reps do
    ours[i] = checked(s, conns, watched)
    s:quiet()
    bare[i] = lab.bare_sqlite(conns, SECONDS, CONTAINERS, MNI, watched)
    ratios[i] = { ratio = ours[i].rate / bare[i].ops_per_s }
  end
  return { conns = conns, watched = watched, ours = lab.median(ours), bare = lab.median(bare),
    ratio = lab.median(ratios).ratio }
end

local function judge(report, m)
  local rate, bare = m.ours.rate, m.bare.ops_per_s
  local note = ("%s/s of %s/s"):format(report.count(rate), report.count(bare))
  if m.conns == 64 then
    report.asked("(b) durable creates, 64 connections" .. (m.watched and ", notified" or "")
      .. ": against bare SQLite", { at_least = 0.5 }, m.ratio, "%.2f", note)
    report.asked("(b) durable creates/s, 64 connections" .. (m.watched and ", notified" or ""),
      { at_least = 10000 }, rate)
  elseif m.conns == 256 then
    report.asked("(b) durable creates/s, 256 connections", { at_least = 14000 }, rate)
  end
end

local function tables(report, all)
  local rows, ours, bare = {}, {}, {}
  for i, m in ipairs(all) do
    rows[i] = { m.conns .. (m.watched and ", notified" or ""), report.count(m.ours.rate),
      report.count(m.bare.ops_per_s), ("%.2f"):format(m.ratio), report.ms(m.ours.p50_us),
      report.ms(m.ours.p99_us), ("%.2f"):format(m.bare.p50_ms), ("%.2f"):format(m.bare.p99_ms),
      report.count(m.ours.cpu_ns) }
    if not m.watched then
      ours[#ours + 1] = { m.conns, m.ours.rate }
      bare[#bare + 1] = { m.conns, m.bare.ops_per_s }
    end
  end
  report.table("Durable creates", ("%d containers, mni %d reached, content of 100 bytes, a "
    .. "container at random. The baseline's times are those of a commit."):format(CONTAINERS, MNI),
    { "connections", "creates/s", "bare SQLite", "ratio", "p50 ms", "p99 ms", "bare p50 ms",
      "p99 ms", "CPU ns/create" }, rows)
  report.plot("create", "Durable creates, mni reached", "connections", "creates/s",
    { { "moon2m", ours }, { "bare SQLite", bare } }, { logx = true })
end

return function(report)
  local s, all = setup(), {}
  for _, conns in ipairs(LEVELS) do
    all[#all + 1] = measure(s, conns, false)
    judge(report, all[#all])
  end
  s:load("watch", CONTAINERS)
  all[#all + 1] = measure(s, 64, true)
  judge(report, all[#all])
  s:finish()
  tables(report, all)
end
