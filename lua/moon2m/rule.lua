-- A rule is one declaration of a script; this file runs its code: in a coroutine, within its
-- budget, counted.  A rule that fails five times in a row rests for half a minute, then one call is
-- a try: it closes the case or rests again.  Whatever a rule does, the caller gets an answer: true
-- and its results, or false and a message with file and line.

local guard = require "moon2m.core.guard"
local sys = require "moon2m.core.sys"
local rsc = require "moon2m.rsc"
local timers = require "moon2m.timers"

local rule = {}

local MEMORY = 32 * 1048576

-- Seconds of CPU for one uninterrupted slice, of wall time in all (waits included), and bytes that
-- a slice may add to what Lua holds.
local BUDGET = {
  load = { 0.5, 5, MEMORY }, policy = { 0.02, 2, MEMORY }, check = { 0.02, 2, MEMORY },
  virtual = { 0.02, 2, MEMORY }, on = { 0.1, 30, MEMORY }, format = { 0.02, 0.02, MEMORY },
  timer = { 0.1, 30, MEMORY }, start = { 0.5, 30, MEMORY }, stop = { 0.1, 2, MEMORY },
  tcp = { 0.1, math.huge, MEMORY }, console = { 2, math.huge, MEMORY },
}
local MAX_HOPS = 8
local BREAKER = 5         -- failures in a row, then the rule rests
local REST = 30           -- seconds

--- Called after each call of user code as observe(rule, ok, seconds, results, ...), results being a
-- list with n (ok) or the message, then the arguments; nil: nobody looks, and it costs nothing.
rule.observe = nil

--- True when `kind` has a budget of its own (others run under that of timers).
function rule.has_budget(kind)
  return BUDGET[kind] ~= nil
end

--- Overrides the budgets (configuration section `budgets`: kind -> { slice, total [, bytes] }).
function rule.set_budgets(over)
  for kind, b in pairs(over or {}) do
    local old = BUDGET[kind]
    if old then BUDGET[kind] = { b[1] or old[1], b[2] or old[2], b[3] or old[3] } end
  end
end

--- A rule of a scope (`lasting`: a reload does not wait for its calls): fn, run under the budget of
-- that kind; at: "file:line" of the declaration. Its books: calls, errors, seconds (wall time in
-- all, waits included), hist (how many calls took less than 2^i microseconds, by i; the absent are
-- 0).
function rule.new(scope, budget, name, fn, at)
  at = at or scope.file
  return { scope = scope, budget = budget, fn = fn, where_declared = at,
    name = ("%s (%s)"):format(name, at), failures = 0, calls = 0, errors = 0, seconds = 0,
    hist = {} }
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

local frexp, mono = math.frexp, sys.mono
local create, status, yield = coroutine.create, coroutine.status, coroutine.yield
local resume, SERVER = guard.resume, guard.SERVER

local function book(r, context)
  local us = mono() - context.began
  local _, i = frexp(us)
  local hist, scope = r.hist, r.scope
  if not r.lasting then scope.running = scope.running - 1 end
  r.calls, r.seconds, hist[i] = r.calls + 1, r.seconds + us / 1e6, (hist[i] or 0) + 1
  if context.took then context.took.seconds = us / 1e6 end
end

-- What a slice of the rule may use, less when its script says so (cse.budget); counts what it used.
local function meter_of(r)
  local b, s = BUDGET[r.budget], r.scope
  r.meter = guard.meter(math.min(s.slice or b[1], b[1]), math.min(s.memory or b[3], b[3]), s.name,
    r.name)
  return r.meter
end

local go_on

local function step(r, context, co, ok, first, ...)
  running = context.outer
  if not ok then
    book(r, context)
    r.trace = (...)
    return false, first
  end
  if status(co) == "dead" then
    book(r, context)
    return true, first, ...
  end
  if first ~= SERVER then
    book(r, context)
    return false, r.where_declared .. ": yielded outside a coroutine of its own"
  end
  return go_on(r, context, co, yield(first, ...))
end

-- What it waited for is there.
function go_on(r, context, co, ...)
  if mono() > context.deadline then
    return step(r, context, co, false, ("%s: not finished after %g s, stopped"):format(
      r.where_declared, BUDGET[r.budget][2]))
  end
  running = context
  return step(r, context, co, resume(r.meter, r.name, co, ...))
end

local function call(r, hop, chain, took, ...)
  local began, scope = mono(), r.scope
  local context = { rule = r, hop = hop or 0, chain = chain, outer = running, began = began,
    deadline = began + BUDGET[r.budget][2] * 1e6, took = took }
  local co = create(r.fn)
  if not r.lasting then scope.running = (scope.running or 0) + 1 end
  running = context
  return step(r, context, co, resume(r.meter or meter_of(r), r.name, co, ...))
end

--- Memory of a scope's rules, in bytes: { allocated = asked for in all, kept = what runs added
-- and did not give back (approximate: a collection counts for whose run it fell into), peak = most
-- that one run asked for, runs = slices }.
function rule.memory(scope)
  local sum = { allocated = 0, kept = 0, peak = 0, runs = 0 }
  local function add(meter)
    if not meter then return end
    local allocated, kept, peak, runs = guard.usage(meter)
    sum.allocated, sum.kept = sum.allocated + allocated, sum.kept + kept
    sum.peak, sum.runs = math.max(sum.peak, peak), sum.runs + runs
  end
  for _, r in ipairs(scope.rules) do add(r.meter) end
  add(scope.spawned)
  return sum
end

local function tell(observe, r, took, args, ok, ...)
  local results = ok and { n = select("#", ...), ... } or (...)
  pcall(observe, r, ok, took.seconds, results, unpack(args, 1, args.n))
  return ok, ...
end

--- Runs r.fn(...) in a coroutine within its budget.  true, results | false, message.  hop and
-- chain: how many handlers of scripts led here, through which paths.  Yields when the code does.
function rule.call(r, hop, chain, ...)
  local observe = rule.observe
  if not observe then return call(r, hop, chain, nil, ...) end
  local took = {}
  return tell(observe, r, took, { n = select("#", ...), ... }, call(r, hop, chain, took, ...))
end

-- ---- what becomes of it -------------------------------------------------------------------------

-- The text of an error value: its first line; a script may raise anything.
local function first_line(what)
  if type(what) ~= "string" then
    what = what == nil and "error without a message (nil)" or
      ("error with a %s instead of a text: %s"):format(type(what), tostring(what))
  end
  return (what:match("^[^\n]*"))
end

--- One error, three facts: where and what; which rule and event (`about`); what happened to the
-- data (`fate`).  In the log, in scope.last_error, counted.  Opens the breaker at the fifth in a
-- row.
function rule.report(r, what, about, fate)
  local scope, text = r.scope, first_line(what)
  scope.errors, r.errors = scope.errors + 1, r.errors + 1
  scope.last_error = { text = text, at = sys.now(), rule = r.name, about = about, fate = fate }
  r.failures = r.failures + 1
  sys.count("moon2m_script_errors_total", ('script="%s"'):format(scope.name), 1,
    "Errors raised by scripts")
  sys.log("error", "script", ("%s: %s"):format(scope.name, text))
  sys.log("error", "script", ("%s: in %s, %s"):format(scope.name, r.name, about))
  sys.log("error", "script", ("%s: %s"):format(scope.name, fate))
  if r.trace then sys.log("debug", "script", ("%s: %s"):format(scope.name, tostring(r.trace))) end
  r.trace = nil
  if r.failures >= BREAKER then
    r.resting, r.trying = sys.mono() + REST * 1e6, nil
    sys.log("error", "script", ("%s: %s failed %d times in a row and rests for %d s"):format(
      scope.name, r.name, r.failures, REST))
  end
end

--- Whether the rule must not be called now.  False after its rest: the call that follows is a try,
-- and until it has ended (or half a minute is over) the rule rests for all others.
function rule.is_resting(r)
  if not r.resting then return false end
  local now = sys.mono()
  if now < r.resting or r.trying and now < r.trying then return true end
  r.trying = now + REST * 1e6
  return false
end

--- Seconds until a resting rule may be tried; 0: it may be called.
function rule.rest_left(r)
  if not r.resting then return 0 end
  return math.max(0, (math.max(r.resting, r.trying or 0) - sys.mono()) / 1e6)
end

--- The rule may be called at once, whatever it did.
function rule.wake(r)
  if r.resting then r.resting, r.trying, r.failures = nil, nil, BREAKER - 1 end
end

function rule.succeeded(r)
  r.failures, r.resting, r.trying = 0, nil, nil
end

-- ---- scripts that call scripts ------------------------------------------------------------------

--- Hop count and chain of paths for a primitive that user code makes now; nil, err past the limit.
function rule.next_hop(to)
  if not running then return 0, nil end
  local hop = running.hop + 1
  local chain = running.chain and running.chain .. " -> " .. to or to
  if hop > MAX_HOPS then
    local r = running.rule
    sys.log("error", "script", ("%s: script loop through %s, stopped in %s"):format(r.scope.name,
      chain, r.name))
    return nil, rsc.err(rsc.BAD_REQUEST, "script loop through %s, stopped", chain)
  end
  return hop, chain
end

--- Runs user code of a scope that is no declared rule, in a task of its own (cse.spawn).  at:
-- "file:line" of the call, nil when it has none.
function rule.spawn(scope, fn, name, at)
  local r = rule.new(scope, "on", name, fn, at)
  scope.spawned = scope.spawned or meter_of(r)
  r.meter = scope.spawned
  local current = running
  local hop, chain = current and current.hop or 0, current and current.chain
  timers.spawn(function()
    local ok, what = rule.call(r, hop, chain)
    if not ok then rule.report(r, what, "spawned", "nothing else is affected") end
  end)
end

return rule
