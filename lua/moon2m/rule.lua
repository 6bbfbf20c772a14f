-- A rule is one declaration of a script; this file runs its code: in a coroutine, within its
-- budget, counted.  A rule that fails five times in a row rests for half a minute, then one call is
-- a try: it closes the case or rests again.  Whatever a rule does, the caller gets an answer: true
-- and its results, or false and a message with file and line.

local guard = require "moon2m.core.guard"
local sys = require "moon2m.core.sys"
local rsc = require "moon2m.rsc"

local rule = {}

local MEMORY = 32 * 1048576

local VERBS, MANY, ANY = 1000, 100000, math.huge

-- Seconds of CPU for one uninterrupted slice, of wall time in all (waits included), bytes that a
-- slice may add to what Lua holds, and verbs of a call.
local BUDGET = {
  load = { 0.5, 5, MEMORY, VERBS }, policy = { 0.02, 2, MEMORY, VERBS },
  check = { 0.02, 2, MEMORY, VERBS }, virtual = { 0.02, 2, MEMORY, VERBS },
  on = { 0.04, 30, MEMORY, VERBS }, format = { 0.02, 0.02, MEMORY, VERBS },
  timer = { 0.04, 30, MEMORY, 10 * VERBS }, start = { 0.5, 30, MEMORY, MANY },
  stop = { 0.04, 2, MEMORY, VERBS }, tcp = { 0.04, math.huge, MEMORY, ANY },
  console = { 2, math.huge, MEMORY, ANY },
}
local SLICES = 10         -- what a call may run in all between its verbs, in slices
local MAX_HOPS = 8
local BREAKER = 5         -- failures in a row, then the rule rests
local REST = 30           -- seconds
local HEAVY = 1           -- seconds after which a script that keeps too much is looked at again

--- Called after each call of user code as observe(rule, ok, seconds, results, ...), results being a
-- list with n (ok) or the message, then the arguments; nil: nobody looks, and it costs nothing.
rule.observe = nil

--- True when `kind` has a budget of its own (others run under that of timers).
function rule.has_budget(kind)
  return BUDGET[kind] ~= nil
end

--- Overrides the budgets: kind -> { slice, total [, bytes [, verbs]] } (`budgets` in the
-- configuration).
function rule.set_budgets(over)
  for kind, b in pairs(over or {}) do
    local old = BUDGET[kind]
    if old then
      local new = {}
      for i = 1, 4 do new[i] = b[i] or old[i] end
      BUDGET[kind] = new
    end
  end
end

-- A scope has `heavy`, a text, while it keeps more memory than it may (weight.lua): its rules rest;
-- and `waiting`, the set of the coroutines of its calls that wait.

--- A rule of a scope (`lasting`: a reload does not wait for its calls; `many`: more than three
-- results are wanted): fn, run under the budget of that kind; at: "file:line" of the declaration.
function rule.new(scope, budget, name, fn, at)
  at = at or scope.file
  return { scope = scope, budget = budget, fn = fn, where_declared = at,
    name = ("%s (%s)"):format(name, at), failures = 0, errors = 0 }
end

--- The books of a rule: calls, seconds (wall time in all, waits included), hist (how many calls
-- took less than 2^i microseconds, by i; the absent are 0).
function rule.books(r)
  if not r.meter then return 0, 0, {} end
  return guard.books(r.meter)
end

-- ---- calling user code --------------------------------------------------------------------------

-- A call under way: { co, rule, hop, chain, outer (the call around it), verbs, own (us that it ran
-- between them) }, and once somebody wants to know, at the latest when it waits or calls others:
-- began, since (the slice), deadline, us of the monotonic clock.
local running
local mono = sys.mono

-- The call began so many us ago.
local function stamp(c, ago)
  if c.began then return end
  local at = mono() - ago
  c.began, c.since, c.deadline = at, at, at + BUDGET[c.rule.budget][2] * 1e6
end

--- The rule whose code runs now, with its hop count; nil outside user code.
function rule.current()
  return running
end

--- Seconds until the user code that runs now must be done, that of an outer rule included;
-- math.huge outside user code.
function rule.time_left()
  local deadline, c = math.huge, running
  if c then stamp(c, guard.elapsed()) end
  while c do
    deadline, c = math.min(deadline, c.deadline), c.outer
  end
  return (deadline - sys.mono()) / 1e6
end

local status, yield = coroutine.status, coroutine.yield
local start, resume, conclude = guard.start, guard.resume, guard.finish
local SERVER = guard.SERVER

-- What a slice of the rule may use, less when its script says so (cse.budget); counts what it used.
local function meter_of(r)
  local b, s = BUDGET[r.budget], r.scope
  r.meter = guard.meter(math.min(s.slice or b[1], b[1]), math.min(s.memory or b[3], b[3]), s.name,
    r.name)
  return r.meter
end

-- Calls are used again, with their coroutines: one that has run a function to its end runs the
-- next.
local MOST_IDLE = 64
local idle, nidle = {}, 0

local function take()
  local c = idle[nidle]
  if not c then
    return { co = guard.thread(), rule = false, hop = 0, chain = false, outer = false, verbs = 0,
      own = 0, began = 0, since = 0, deadline = 0 }
  end
  idle[nidle] = nil
  nidle = nidle - 1
  return c
end

local function give_back(c)
  if nidle == MOST_IDLE then return end
  c.rule, c.outer, c.chain = nil, nil, nil
  nidle = nidle + 1
  idle[nidle] = c
end

-- A call that waited has ended.
local function book(c)
  local r, us = c.rule, mono() - c.began
  guard.book(r.meter, us)
  if not r.lasting then r.scope.running = r.scope.running - 1 end
  if c.took then c.took.seconds = us / 1e6 end
  c.took = nil
end

local wait

local function resumed(r, c, ok, ...)
  running = c.outer
  if ok and status(c.co) ~= "dead" then return wait(r, c, ...) end
  book(c)
  if not ok then
    r.trace = select(2, ...)
    return false, (...)
  end
  if c.late then return false, ("%s: %s"):format(r.where_declared, c.late) end
  give_back(c)
  return true, ...
end

-- What it waited for is there.  When the call's time is over, or its script keeps too much, what
-- the library does for it comes to its end (an operation that was given up half way would keep its
-- locks, and leave the tree without what is stored); the script's own code does not go on.
local function go_on(r, c, waiting, ...)
  local now, late = mono(), c.late or r.scope.heavy
  waiting[c.co], running, c.since = nil, c, now
  if not late and now > c.deadline then
    late = ("not finished after %g s, stopped"):format(BUDGET[r.budget][2])
  end
  if late then
    c.late = late
    return resumed(r, c, conclude(r.meter, r.name, c.co, late, ...))
  end
  return resumed(r, c, resume(r.meter, r.name, c.co, ...))
end

function wait(r, c, first, ...)
  if first ~= SERVER then
    book(c)
    return false, r.where_declared .. ": yielded outside a coroutine of its own"
  end
  local waiting = r.scope.waiting
  if not waiting then
    waiting = {}
    r.scope.waiting = waiting
  end
  waiting[c.co] = true
  return go_on(r, c, waiting, yield(first, ...))
end

-- What guard.start gave.
local function started(r, c, took, ok, at, ...)
  running = c.outer
  if ok == nil then
    local scope = r.scope
    stamp(c, at)
    c.took = took
    if not r.lasting then scope.running = (scope.running or 0) + 1 end
    return wait(r, c, ...)
  end
  if took then took.seconds = at / 1e6 end
  if not ok then
    r.trace = select(2, ...)
    return false, (...)
  end
  give_back(c)
  return true, ...
end

local function call(r, hop, chain, took, ...)
  local c, outer = take(), running
  if outer then stamp(outer, guard.elapsed()) end
  c.rule, c.hop, c.chain, c.outer, c.verbs, c.own, c.began = r, hop or 0, chain, outer, 0, 0, nil
  running = c
  local meter = r.meter or meter_of(r)
  if took or r.many then
    return started(r, c, took, start(meter, r.name, c.co, r.fn, ...))
  end
  -- most calls end at once, and nobody wants more than three results: this way is compiled
  local ok, at, x, y, z = start(meter, r.name, c.co, r.fn, ...)
  if not ok then return started(r, c, nil, ok, at, x, y, z) end
  running = outer
  give_back(c)
  return true, x, y, z
end

--- The user code that runs now is about to use a verb: nil, or why it may not.  Each slice of a
-- call has its budget of CPU time; this bounds what slices and verbs add up to.
function rule.refuse_verb()
  local c = running
  if not c then return nil end
  stamp(c, guard.elapsed())
  local now, b = mono(), BUDGET[c.rule.budget]
  c.own, c.since, c.verbs = c.own + now - c.since, now, c.verbs + 1
  local verbs = b[4] < math.huge and math.min(b[4], c.rule.scope.verbs or b[4]) or b[4]
  if c.verbs > verbs then
    return ("more than %d verbs in one call, stopped"):format(verbs)
  end
  local most = SLICES * math.min(c.rule.scope.slice or b[1], b[1])
  if b[4] < math.huge and c.own > most * 1e6 then
    return ("running for more than %g s between verbs, stopped"):format(most)
  end
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

-- The text of an error value: its first line; a script may raise anything.  at: where its code
-- begins, for a text that names no place (a call in `return f()` leaves none).
local function first_line(what, at)
  if type(what) ~= "string" then
    what = what == nil and "error without a message (nil)" or
      ("error with a %s instead of a text: %s"):format(type(what), tostring(what))
  end
  local line = what:match("^[^\n]*")
  return line:find("^.-:%d+: ") and line or at .. ": " .. line
end

--- One error, three facts: where and what; which rule and event (`about`); what happened to the
-- data (`fate`).  In the log, in scope.last_error, counted.  Opens the breaker at the fifth in a
-- row.
function rule.report(r, what, about, fate)
  local scope, text = r.scope, first_line(what, r.where_declared)
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
  if r.scope.heavy then return true end
  if not r.resting then return false end
  local now = sys.mono()
  if now < r.resting or r.trying and now < r.trying then return true end
  r.trying = now + REST * 1e6
  return false
end

--- Seconds until a resting rule may be tried; 0: it may be called.
function rule.rest_left(r)
  if r.scope.heavy then return HEAVY end
  if not r.resting then return 0 end
  return math.max(0, (math.max(r.resting, r.trying or 0) - sys.mono()) / 1e6)
end

--- The rule may be called at once, whatever it did.
function rule.wake(r)
  if r.resting then r.resting, r.trying, r.failures = nil, nil, BREAKER - 1 end
end

function rule.succeeded(r)
  if r.failures == 0 then return end
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

--- A rule for what a scope runs beside its handlers; its function changes from call to call (`fn`).
-- All of them are metered as one.
function rule.beside(scope, name, at)
  local r = rule.new(scope, "on", name, nil, at)
  scope.spawned = scope.spawned or meter_of(r)
  r.meter = scope.spawned
  return r
end

return rule
