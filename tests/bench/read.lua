-- (c) Reads with a million resources in the store: `la`, one resource, discovery by label; and what
-- belongs to that store of (e): memory beyond the page cache, and time to open.

local lab = require "lab"

local CONTAINERS = 1000
local EACH = lab.pick(1000, 50)
local SECONDS = lab.pick(2, 1)
local LABELS = CONTAINERS * EACH / 1000		-- see load.c: 100 instances have each

local READS = {
  { "la, any of 1,000 containers", "/moon/bench/c#/la", CONTAINERS, '"con":"', 1, { 1, 64 } },
  { "la, always the same", "/moon/bench/c7/la", 1, '"con":"', 1, { 64 } },
  { "one resource, any of 1,000", "/moon/bench/c#", CONTAINERS, '"cni":' .. EACH, 1, { 1, 64 } },
  { "discovery by label, 100 found", "/moon/bench?fu=1&lbl=k#", LABELS, "moon/bench/", 100,
    { 1, 16 } },
}

local function fill()
  local s = lab.server("million"):prepare()
  s:load("containers", CONTAINERS, EACH)
  lab.say("reads: creating %d instances", CONTAINERS * EACH)
  local filled = s:load("fill", CONTAINERS, EACH)
  local there = s:load("count", CONTAINERS)
  if there.cni ~= CONTAINERS * EACH then
    error(("%d instances of %d are there"):format(there.cni, CONTAINERS * EACH), 0)
  end
  s:quiet()
  return s, filled
end

local function open(s, report, filled)
  local anon, ready = { s:memory().anon }, {}
  for i = 1, lab.reps do
    s:restart()
    ready[i] = { ms = s.ready_ms }
  end
  local ms = lab.median(ready).ms
  anon[2] = s:memory().anon
  report.asked(("(e) open a store of %s instances to ready, ms"):format(
    report.count(CONTAINERS * EACH)), { at_most = 1000 }, ms, "%.0f", "not in the page cache")
  return { filled = filled, anon = anon, ms = ms }
end

local function reads(s, report)
  local rows = {}
  for _, r in ipairs(READS) do
    for _, conns in ipairs(r[6]) do
      lab.say("reads: %s, %d connections", r[1], conns)
      local runs = {}
      for i = 1, lab.reps do runs[i] = s:load("get", conns, SECONDS, r[2], r[3], r[4], r[5]) end
      local m = lab.median(runs)
      rows[#rows + 1] = { r[1], conns, report.count(m.rate), report.ms(m.p50_us),
        report.ms(m.p99_us), report.count(m.cpu_ns) }
      if r == READS[1] and conns == 64 then
        report.asked("(c) la/s, 64 connections, any of 1,000 containers", { at_least = 25000 },
          m.rate)
      end
    end
  end
  report.table("Reads", ("%s instances in %s containers."):format(report.count(CONTAINERS * EACH),
    report.count(CONTAINERS)), { "what", "connections", "answers/s", "p50 ms", "p99 ms",
    "CPU ns/answer" }, rows)
end

local function creates(s, report)
  lab.say("reads: creates into it")
  local runs = {}
  for i = 1, lab.reps do runs[i] = s:load("create", 64, SECONDS, CONTAINERS) end
  return report.count(lab.median(runs).rate)
end

return function(report)
  local s, filled = fill()
  local m = open(s, report, filled)
  reads(s, report)
  m.anon[3] = s:memory().anon
  local rate = creates(s, report)
  m.anon[4] = s:memory().anon
  report.asked(("(e) memory with %s instances beyond the page cache, MiB"):format(
    report.count(CONTAINERS * EACH)), { at_most = 100 }, math.max(unpack(m.anon)) / 1048576, "%.1f",
    "the most of four moments")
  local function mib(i) return ("%.1f"):format(m.anon[i] / 1048576) end
  report.table("A full store", nil, { "what", "figure" }, {
    { "instances", report.count(CONTAINERS * EACH) },
    { "created over HTTP, 256 connections, per second", report.count(m.filled.rate) },
    { "open to ready, ms", ("%.0f"):format(m.ms) },
    { "anonymous memory after creating them, MiB", mib(1) },
    { "... after opening", mib(2) },
    { "... after the reads", mib(3) },
    { "... after creates into it", mib(4) },
    { "creates/s into it, 64 connections, mni reached", rate },
  })
  s:finish()
end
