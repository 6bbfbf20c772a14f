-- Updates of flexContainers beside creates of contentInstances, over 64 connections, in turns: each
-- is one transaction and, "notified", one notification that is sent to one subscriber and
-- acknowledged.  "kept": fcied, so that each update also writes an instance and evicts the oldest.

local lab = require "lab"

local N, MNI, CONNS = 1000, 100, 64
local SECONDS = lab.pick(3, 1.5)

local function measure(s, watched)
  local creates, updates, ratios = {}, {}, {}
  for i = 1, lab.reps do
    creates[i] = s:load("create", CONNS, SECONDS, N, watched)
    s:quiet()
    updates[i] = s:load("update", CONNS, SECONDS, N, watched)
    s:quiet()
    ratios[i] = { ratio = updates[i].rate / creates[i].rate }
  end
  return lab.median(updates), lab.median(creates), lab.median(ratios).ratio
end

local function row(report, what, updates, creates, ratio)
  return { what, report.count(updates.rate), report.count(creates.rate), ("%.2f"):format(ratio),
    report.ms(updates.p50_us), report.ms(updates.p99_us), report.count(updates.cpu_ns),
    report.count(creates.cpu_ns) }
end

-- A server with containers and flexContainers; more: attributes of these.
local function setup(more)
  local s = lab.server("flex"):prepare()
  s:load("aes", 1)
  s:load("containers", N, MNI)
  s:load("fill", N, MNI)
  s:load("flex", N, more)
  return s
end

return function(report)
  local rows = {}
  lab.say("flex: updates")
  local s = setup("-")
  rows[1] = row(report, "silent", measure(s))
  s:load("watch", N)
  s:load("flex", N, "watch")
  local updates, creates, ratio = measure(s, "watched")
  rows[2] = row(report, "notified", updates, creates, ratio)
  report.asked("flexContainer updates, one subscription: against contentInstance creates",
    { at_least = 0.7 }, ratio, "%.2f", report.count(updates.rate) .. "/s")
  s:finish()
  lab.say("flex: updates that are kept")
  s = setup([["fcied":true,"mni":100]])
  rows[3] = row(report, "kept", measure(s))
  s:finish()
  report.table("Updates of flexContainers", "1,000 of them, an attribute of 100 bytes, 64 "
    .. "connections; creates of contentInstances of that size beside them.",
    { "", "updates/s", "creates/s", "ratio", "p50 ms", "p99 ms", "CPU ns/update", "CPU ns/create" },
    rows)
end
