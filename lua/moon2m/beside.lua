-- Functions that run beside handlers (cse.spawn): each in a task of its own, started in the order
-- in which they were spawned, few in a turn of the loop, so that the server goes on whatever they
-- do.  Those of one line of a script are one rule: it rests when five in a row fail.
-- Never: more than MOST of a script at a time; one that is left out without a word in the log.

local sys = require "moon2m.core.sys"
local rule = require "moon2m.rule"
local timers = require "moon2m.timers"

local beside = {}

local MOST = 1000         -- functions of a script that wait to be started or run
local BATCH = 16          -- most that start in a turn of the loop,
local QUICK = 2000        -- when the last so many took no longer than this: microseconds

-- Of a scope: `beside`, { sites = rules by place, queue, first, last (what waits), under_way,
-- batch (how many start next), began (when the first of them did), launching }.
local function books(scope)
  local b = scope.beside
  if not b then
    b = { sites = {}, queue = {}, first = 1, last = 0, under_way = 0, batch = 1 }
    scope.beside = b
  end
  return b
end

local function site(scope, b, name, at)
  local r = b.sites[at]
  if not r then
    r = rule.beside(scope, name, at)
    b.sites[at] = r
  end
  return r
end

local function log(r, fmt, ...)
  sys.log("warn", "script", ("%s: %s"):format(r.scope.name, fmt:format(...)))
end

-- Seconds that the rule still rests.
local function rests(r)
  return r.resting and math.max(0, (r.resting - sys.mono()) / 1e6) or 0
end

local function run(b, job)
  local r, fn = job.rule, job.fn
  if rests(r) > 0 then
    r.left_out = (r.left_out or 0) + 1
  else
    if r.left_out then log(r, "%d functions of %s were left out", r.left_out, r.name) end
    r.left_out, r.fn = nil, fn
    local ok, what = rule.call(r, job.hop, job.chain)
    if r.fn == fn then r.fn = nil end
    if ok then
      rule.succeeded(r)
    else
      rule.report(r, what, "spawned", "nothing else is affected")
    end
  end
  b.under_way = b.under_way - 1
end

-- Starts the next ones, each in a task of its own; when they have begun, those behind them are for
-- the next turn.
local function launch(b)
  b.began = nil
  for _ = 1, math.min(b.batch, b.last - b.first + 1) do
    local job = b.queue[b.first]
    b.queue[b.first], b.first = nil, b.first + 1
    timers.spawn(function()
      b.began = b.began or sys.mono()
      return run(b, job)
    end)
  end
  timers.spawn(function()
    local quick = b.began and sys.mono() - b.began <= QUICK
    b.batch = quick and math.min(2 * b.batch, BATCH) or 1
    if b.first > b.last then b.launching = false else return launch(b) end
  end)
end

--- Runs fn of a scope beside what runs now, in a task of its own.  at: "file:line" of the call, nil
-- when it has none.  nil, why: too many, or the rule of this place rests.
function beside.spawn(scope, fn, name, at)
  local b = books(scope)
  local r = site(scope, b, name, at or scope.file)
  local rest = rests(r)
  if rest > 0 then
    return nil, ("5 functions from here failed in a row, the next one may start in %.0f s"):format(
      math.ceil(rest))
  end
  if b.under_way >= MOST then
    return nil, ("%d functions wait or run, no more are started"):format(MOST)
  end
  local current = rule.current()
  b.under_way, b.last = b.under_way + 1, b.last + 1
  b.queue[b.last] = { rule = r, fn = fn, hop = current and current.hop or 0,
    chain = current and current.chain }
  if not b.launching then
    b.launching = true
    timers.spawn(function() return launch(b) end)
  end
  return true
end

return beside
