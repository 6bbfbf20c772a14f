-- A rule is one declaration of a script; this file runs its code: in a coroutine, within its
-- budget, counted.  A rule that fails five times in a row rests for half a minute.  Whatever a rule
-- does, the caller gets an answer: true and its results, or false and a message with file and line.

local guard = require "moon2m.core.guard"
local sys = require "moon2m.core.sys"
local rsc = require "moon2m.rsc"

local rule = {}

-- Seconds of CPU for one uninterrupted slice, and of wall time in all (waits included).
local BUDGET = {
  load = { 0.5, 5 }, policy = { 0.02, 2 }, check = { 0.02, 2 }, virtual = { 0.02, 2 },
  on = { 0.1, 30 }, format = { 0.02, 0.02 }, timer = { 0.1, 30 }, start = { 0.5, 30 },
  stop = { 0.1, 2 },
}
local MAX_HOPS = 8
local BREAKER = 5         -- failures in a row, then the rule rests
local REST = 30           -- seconds

--- True when `kind` has a budget of its own (others run under that of timers).
function rule.has_budget(kind)
  return BUDGET[kind] ~= nil
end

--- Overrides the budgets (configuration section `budgets`: kind -> { slice, total } in seconds).
function rule.set_budgets(over)
  for kind, b in pairs(over or {}) do
    if BUDGET[kind] then BUDGET[kind] = { b[1] or BUDGET[kind][1], b[2] or BUDGET[kind][2] } end
  end
end

-- ---- calling user code --------------------------------------------------------------------------

local running             -- { rule, hop, chain } of the user code that runs now

--- The rule whose code runs now, with its hop count; nil outside user code.
function rule.current()
  return running
end

--- Seconds until the user code that runs now must be done, that of an outer rule included;
-- math.huge outside user code.
function rule.time_left()
  local deadline, c = math.huge, running
  while c do
    deadline, c = math.min(deadline, c.deadline), c.outer
  end
  return (deadline - sys.mono()) / 1e6
end

local function step(r, context, slice, deadline, co, ok, first, ...)
  running = context.outer
  if not ok then return false, first end
  if coroutine.status(co) == "dead" then return true, first, ... end
  if first ~= guard.SERVER then
    return false, r.where_declared .. ": yielded outside a coroutine of its own"
  end
  return step(r, context, slice, deadline, co, context.continue(coroutine.yield(first, ...)))
end

-- Runs r.fn(...) in a coroutine within its budget.  true, results | false, message.
function rule.call(r, hop, chain, ...)
  local budget = BUDGET[r.budget]
  local slice = math.min(r.scope.slice or budget[1], budget[1])
  local deadline = sys.mono() + budget[2] * 1e6
  local co = coroutine.create(r.fn)
  local context = { rule = r, hop = hop or 0, chain = chain, outer = running, deadline = deadline }
  function context.continue(...)
    if sys.mono() > deadline then
      return false, ("%s: not finished after %g s, stopped"):format(r.where_declared, budget[2])
    end
    running = context
    return guard.resume(slice, r.name, co, ...)
  end
  running = context
  return step(r, context, slice, deadline, co, guard.resume(slice, r.name, co, ...))
end

local function first_line(text)
  return (tostring(text):match("^[^\n]*"))
end

-- One error, three facts: where and what; which rule and event; what happened to the data.
function rule.report(r, what, about, fate)
  local scope = r.scope
  scope.errors = scope.errors + 1
  scope.last_error = { text = first_line(what), at = sys.now(), rule = r.name, fate = fate }
  r.failures = r.failures + 1
  sys.count("moon2m_script_errors_total", ('script="%s"'):format(scope.name), 1,
    "Errors raised by scripts")
  sys.log("error", "script", ("%s: %s"):format(scope.name, tostring(what)))
  sys.log("error", "script", ("%s: in %s, %s; %s"):format(scope.name, r.name, about, fate))
  if r.failures >= BREAKER and not r.resting then
    r.resting = sys.mono() + REST * 1e6
    sys.log("error", "script", ("%s: %s failed %d times in a row and rests for %d s"):format(
      scope.name, r.name, r.failures, REST))
  end
end

function rule.is_resting(r)
  if not r.resting then return false end
  if sys.mono() < r.resting then return true end
  r.resting, r.failures = nil, 0
  return false
end

function rule.succeeded(r)
  r.failures = 0
  r.calls = r.calls + 1
end

--- Hop count and chain of paths for a primitive that user code makes now; nil, err past the limit.
function rule.next_hop(to)
  if not running then return 0, nil end
  local hop = running.hop + 1
  local chain = running.chain and running.chain .. " -> " .. to or to
  if hop > MAX_HOPS then
    sys.log("error", "script", ("script loop through %s, stopped"):format(chain))
    return nil, rsc.err(rsc.BAD_REQUEST, "script loop through %s, stopped", chain)
  end
  return hop, chain
end

return rule
