-- What the members of a group have answered to a non-blocking fan-out that is not done (TS-0001
-- 10.2.7.1, TS-0004 7.4.14): the <request> is PARTIALLY_COMPLETED with the answers so far, and the
-- targets of an asynchronous result get each member's answer once, in as many NOTIFYs as it takes.
-- A fan-out that ends within a second is told in one.  Guarantees: the number of NOTIFYs and of
-- writes grows with time, not with members; what could not be stored is told with what follows.

local json = require "moon2m.core.json"
local path = require "moon2m.path"
local resource = require "moon2m.request_resource"
local result = require "moon2m.result"
local rsc = require "moon2m.rsc"
local times = require "moon2m.times"
local timers = require "moon2m.timers"

local FIRST, LONGEST = 1, 10     -- s between looks, doubling
local PATIENCE = 60              -- s; whoever is woken late looks again

local partial = {}

-- All answers there are, and those nobody was told of; their places are taken for told.
local function collect(p)
  local all, fresh, places = {}, {}, {}
  for i = 1, p.count do
    local text = p.answers[i]
    if text then all[#all + 1] = text end
    if text and not p.told[i] then
      fresh[#fresh + 1], places[#places + 1] = text, i
      p.told[i] = true
    end
  end
  return all, fresh, places
end

local function response(job, list)
  return resource.response(job.req, rsc.OK, result.aggregated(list))
end

-- targets: those of the answers that are new, nil: only the <request> is written.  Yields.
local function tell(job, targets)
  local p = job.progress
  while p.busy do timers.wait(p.busy, PATIENCE) end
  if job.done or times.late(job.req) then return end
  local gate = timers.gate()
  p.busy = gate
  local all, fresh, places = collect(p)
  if fresh[1] or p.unwritten then
    local ok = resource.complete(job.id, resource.PARTIAL, fresh[1] and targets,
      response(job, all), fresh[1] and response(job, fresh))
    p.unwritten = not ok
    for _, i in ipairs(not ok and places or {}) do p.told[i] = nil end
  end
  p.busy = nil
  timers.wake(gate)
end

--- Before a job is executed: what its fan-out, if it is one, reports to.  targets(job): who is
-- told.
function partial.expect(job, targets)
  local p = { told = {} }
  job.progress, job.req.progress = p, p
  local wait = FIRST
  local function look()
    if job.done then return end
    if job.id then tell(job, targets(job)) end
    wait = math.min(wait * 2, LONGEST)
    timers.after(wait, look)
  end
  p.begin = function(answers, n)
    p.answers, p.count = answers, n
    timers.after(wait, look)
  end
end

--- The answers so far, for an originator who does not wait any longer: the content with a reference
-- to <request> r for the rest, nil when nobody answered yet.  They are taken for told.
function partial.taken(job, r)
  local p = job.progress
  local all = p and p.answers and collect(p) or {}
  if not all[1] then return nil end
  p.unwritten = true
  timers.spawn(function() return tell(job) end)
  return result.aggregated(all, path.sp_relative(r.ri))
end

--- The job is done: its answers that nobody was told of as content, false when there are none; nil
-- when nothing was told yet, so that all of it has to be.  Yields.
function partial.rest(job)
  local p = job.progress
  while p and p.busy do timers.wait(p.busy, PATIENCE) end
  if not p or not next(p.told) then return nil end
  local _, fresh = collect(p)
  return fresh[1] and result.aggregated(fresh) or false
end

--- The content that a <request> has which was partially completed when the process ended, else nil.
function partial.kept(r)
  return r.raw.rs == ("%d"):format(resource.PARTIAL) and json.member(r.raw.ors, "pc") or nil
end

return partial
