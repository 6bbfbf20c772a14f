-- Response types (TS-0001 8.2.2, TS-0004 7.3.2.2 to 7.3.2.5): blocking, non-blocking synchronous
-- (1001, the result in a <request>), asynchronous (1002, the result as a NOTIFY to rt.nu or the
-- originator, kept while it is away), flexBlocking (the result when it is there soon, else as
-- non-blocking) and noResponse; delayed execution (oet).
--
-- A fan-out tells in parts what its members answer (partial.lua).
-- Guarantees: an accepted request is executed at most once, in a task of its own; what was not done
-- at a restart is FAILED, what was not due yet is executed in time.  The number of accepted
-- requests is bounded, per originator and in all.

local sys = require "moon2m.core.sys"
local partial = require "moon2m.partial"
local request = require "moon2m.request"
local resource = require "moon2m.request_resource"
local result = require "moon2m.result"
local rows = require "moon2m.rows"
local rsc = require "moon2m.rsc"
local sql_life = require "moon2m.sql_life"
local target = require "moon2m.target"
local timers = require "moon2m.timers"
local times = require "moon2m.times"
local tree = require "moon2m.tree"

local SYNCH, ASYNCH, BLOCKING, FLEX, NONE = 1, 2, 3, 4, 5
local CREATE, AE, REQUEST = 1, 2, 17
local OUTLAST = 60e6             -- us that a <request> lives beyond its rp
local LONGEST = 31 * 86400e6     -- us that it lives at most

local nonblocking = {}
local limit, limit_each, keep, patience = 10000, 100, 3600, 1

--- o.limit: accepted requests in all; o.each: per originator; o.keep: s a result is kept when rp is
-- absent; o.patience: s that flexBlocking waits for the result.
function nonblocking.configure(o)
  limit, limit_each = o.limit or limit, o.each or limit_each
  keep, patience = o.keep or keep, o.patience or patience
end

local function bad(...)
  return nil, rsc.err(rsc.BAD_REQUEST, ...)
end

-- ---- what is pending ---------------------------------------------------------------------------

local pending = {}               -- resource number -> job
local by_originator = {}         -- who -> { count, rqi -> true }
local count = 0

local function enter(job)
  local who, rqi = job.req.who, job.req.rqi
  local mine = by_originator[who] or { count = 0, rqi = {} }
  by_originator[who] = mine
  mine.count, mine.rqi[rqi] = mine.count + 1, true
  count = count + 1
end

local function leave(job)
  local who = job.req.who
  local mine = by_originator[who]
  mine.count, mine.rqi[job.req.rqi] = mine.count - 1, nil
  if mine.count == 0 then by_originator[who] = nil end
  count = count - 1
  if job.id then pending[job.id] = nil end
end

-- nil, or why another one is not accepted.
local function check_room(req)
  local mine = by_originator[req.who]
  if mine and mine.rqi[req.rqi] then
    return rsc.err(rsc.BAD_REQUEST, "rqi: %s is pending already", req.rqi)
  end
  if count >= limit or mine and mine.count >= limit_each then
    return rsc.err(rsc.INTERNAL_SERVER_ERROR, "rt: too many non-blocking requests are pending%s",
      count < limit and " for " .. req.who or "")
  end
end

--- How many there are.
function nonblocking.count()
  return count
end

--- The <request> with this number is to be deleted: nil, or 5220 when it runs (TS-0004 7.4.12).
function nonblocking.cancel(id)
  local job = pending[id]
  if not job then return nil end
  if not job.timer or not timers.cancel(job.timer) then
    return rsc.err(rsc.UNABLE_TO_RECALL_REQUEST, "the request is being executed")
  end
  leave(job)
end

-- ---- results -----------------------------------------------------------------------------------

-- The targets of an asynchronous result.  Yields.
local function result_targets(job)
  if job.mode ~= ASYNCH then return nil end
  local nu, list = job.req.rt.nu, {}
  if not nu then return { job.req.who } end
  for _, address in ipairs(nu) do
    local to, e = target.of(address)
    if to then
      list[#list + 1] = to
    else
      sys.log("warn", "request", ("the result of %s is not sent to %s: %s"):format(job.req.rqi,
        address, e.msg))
    end
  end
  return list
end

-- The request is done: its resource, and the notices.
local function complete(job)
  local code, pc, extra = job.code, job.pc, job.extra
  local late = times.late(job.req)
  local targets
  if late then
    code, pc, extra = late.rsc, result.debug(late.msg), nil
  else
    targets = result_targets(job)
  end
  local rest = partial.rest(job)
  if code >= 4000 then rest = nil end
  if rest == false then targets = nil end     -- they were told of everything
  local rs = code < 4000 and resource.COMPLETED or resource.FAILED
  resource.complete(job.id, rs, targets,
    resource.response(job.req, code, job.answered or pc, extra),
    resource.response(job.req, code, rest or pc, extra))
  leave(job)
end

local function run(job)
  local e = job.again and request.admit(job.req) or times.expired(job.req)
  if e then
    job.code, job.pc = e.rsc, result.debug(e.msg)
  else
    partial.expect(job, result_targets)
    job.code, job.pc, job.extra = job.execute(job.req)
  end
  job.done = true
  if job.id then return complete(job) end
  timers.wake(job.gate)
end

local function start(job)
  local at = job.req.times.oet
  local delay = at and math.max(0, (at - sys.now()) / 1e6) or 0
  job.again = job.again or delay > 0
  job.timer = timers.after(delay, function()
    job.timer = nil
    return run(job)
  end)
end

-- ---- accepting ---------------------------------------------------------------------------------

-- When the <request> expires: rp, else some time after everything else; nil, err.
local function expiry(req)
  local now, t = req.now, req.times
  local at, e = times.persistence(req.params.rp, now)
  if e then return nil, e end
  if at and at < (t.oet or now) then return bad("rp: earlier than oet") end
  local last = math.max(t.rqet or now, t.rset or now, t.oet or now)
  return at and at + OUTLAST or math.min(last + keep * 1e6, now + LONGEST)
end

local function acknowledged(job, r)
  return job.mode == ASYNCH and rsc.ACCEPTED_ASYNCH or rsc.ACCEPTED_SYNCH,
    result.uri(r, job.req.far and "/" .. job.req.who or job.req.who)
end

-- Makes the resource of a job that has been entered.
local function record(job)
  local et, e = expiry(job.req)
  if not et then return nil, e end
  local r
  r, e = resource.create(job.req, et,
    job.mode == ASYNCH and rsc.ACCEPTED_ASYNCH or rsc.ACCEPTED_SYNCH)
  if not r then return nil, e end
  job.id = r.id
  pending[r.id] = job
  return r
end

local function accept(req, execute, mode)
  local e = check_room(req)
  if e then return nil, e end
  local job = { req = req, execute = execute, mode = mode }
  enter(job)
  local r
  r, e = record(job)
  if not r then
    leave(job)
    return nil, e
  end
  start(job)
  return acknowledged(job, r)
end

-- Waits a moment for the result; then it is as if the request had been non-blocking.
local function flex(req, execute)
  local mode = req.rt.nu and ASYNCH or SYNCH
  if req.times.oet and req.times.oet > req.now then return accept(req, execute, mode) end
  local job = { req = req, execute = execute, mode = mode, gate = timers.gate() }
  local room = check_room(req) == nil
  if room then enter(job) end
  start(job)
  local left = math.min(room and patience or 1e9, times.left(req) / 1e6)
  timers.wait(job.gate, math.max(0, left))
  if room and not job.done then
    local r = record(job)
    if r and job.done then timers.spawn(function() return complete(job) end) end
    local part = r and not job.done and partial.taken(job, r)
    if part then return rsc.OK, part end
    if r then return acknowledged(job, r) end
    job.id = nil
  end
  while not job.done do timers.wait(job.gate, 60) end
  if room then leave(job) end
  return job.code, job.pc, job.extra
end

-- ---- blocking ----------------------------------------------------------------------------------

-- A delayed execution while the originator waits.
local function delay(req)
  local at = req.times.oet
  if not at or at <= req.now then return nil end
  if at > times.deadline(req) then
    return rsc.err(rsc.BAD_REQUEST, "oet: later than a blocking request may take (give rqet or rt)")
  end
  sys.sleep((at - req.now) / 1e6)
  return request.admit(req)
end

local function blocking(req, execute)
  local e = delay(req)
  if e then return nil, e end
  local code, pc, extra = execute(req)
  e = times.late(req)
  if e then return nil, e end
  return code, pc, extra
end

-- ---- all of it ---------------------------------------------------------------------------------

-- Whether the target takes blocking requests only: a <request> (TS-0004 7.4.12), a poll.  Yields.
local function only_blocking(req)
  local r = tree.resolve(req.to)
  return r and (r.ty == REQUEST or r.virtual == "pcu") or false
end

--- Whether an admitted request is to be executed now and answered when it is done, whatever its
-- result's time: the usual.
function nonblocking.plain(req)
  local t = req.times
  return not req.rt and not t.oet and not t.rset
end

--- Performs an admitted request by its response type; execute(req) -> rsc, pc, extra does it and
-- never raises.  rsc, pc, extra | nil, err.  Yields.
function nonblocking.perform(req, execute)
  local mode = req.rt and req.rt.rtv or BLOCKING
  if mode == BLOCKING or mode == NONE then return blocking(req, execute) end
  if req.op == CREATE and req.ty == AE and not req.ae then
    if mode == FLEX then return blocking(req, execute) end
    return bad("rt: a registration is blocking")
  end
  if only_blocking(req) then
    if mode == FLEX then return blocking(req, execute) end
    return bad("rt: %s takes blocking requests only", req.to)
  end
  if mode == FLEX then return flex(req, execute) end
  return accept(req, execute, mode)
end

-- ---- after a restart ---------------------------------------------------------------------------

local function resume(r, execute)
  local req = resource.restore(r)
  req.now, req.mono = sys.now(), sys.mono()
  local e = times.read(req)
  local params, why = request.parameters(req)
  req.times, req.params, req.rt = req.times or {}, params or {}, params and params.rt
  local job = { req = req, execute = execute, id = r.id, mode = req.rt and req.rt.rtv or SYNCH,
    again = true }
  if job.mode == FLEX then job.mode = req.rt.nu and ASYNCH or SYNCH end
  pending[r.id] = job
  enter(job)
  job.answered = partial.kept(r)
  if not (e or job.answered) and params and req.times.oet and req.times.oet > req.now then
    return start(job)
  end
  e = e or why or rsc.err(rsc.INTERNAL_SERVER_ERROR,
    "the CSE was restarted before it was known whether this was done")
  req.times.rset = nil
  job.code, job.pc = e.rsc, result.debug(e.msg)
  return complete(job)
end

--- At start: what was pending is executed when it is due, or failed.  Yields.
function nonblocking.open(execute)
  for row in rows.each(sql_life.pending, "path", "") do
    local r = tree.by_id(row.id)
    if r and not pending[row.id] then resume(r, execute) end
  end
end

return nonblocking
