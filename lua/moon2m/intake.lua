-- Many lines of an import (restore.lua) at a time.  A line begins when the transaction of the one
-- before it is queued, so that the store commits many of them together; each has its own, so that
-- requests of others go in between, in an order that is also the disk's.  Neighbouring instances of
-- a container are one transaction, one at a time for each container.
--
-- Guarantees: a line that is refused ends the import, no later one begins.  What fails while others
-- are under way (somebody created it meanwhile, its parent failed) is tried again alone before it
-- counts.  What is told as done is on disk.

local restore = require "moon2m.restore"
local sys = require "moon2m.core.sys"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"

local MOST = 64                  -- transactions under way
local INSTANCES = 256            -- of one transaction
local SLICE = 2000               -- us of work before others have their turn
local LONG = 3600                -- s; whoever is woken late looks again

-- accessControlPolicy, AE, container, group, subscription, flexContainer, timeSeries: their CREATE
-- needs nothing that an earlier one does after its commit.  Any other is alone under way.
local PLAIN = { [1] = true, [2] = true, [3] = true, [9] = true, [23] = true, [28] = true,
  [29] = true }

local intake = {}

-- A run: rows and from as given; lines, the rows taken apart (restore.parse); next, the row that
-- begins next; outcome, of each row that is done; under, how many units are under way, and busy,
-- how many by the address above them; bad, the first row that failed; crash, an error of ours;
-- driven: a task looks for what is next; driver and caller, the gates that they wait on.

-- ---- waiting ------------------------------------------------------------------------------------

-- Until done(run, unit); looked at when something has changed.  who: "driver" or "caller".
local function wait_until(run, who, done, unit)
  while not done(run, unit) do
    run[who] = timers.gate()
    timers.wait(run[who], LONG)
  end
end

local function is_over(run)
  return not run.driven and run.under == 0
end

-- Whether the unit may begin beside those that are under way.
local function may_begin(run, unit)
  if run.bad or run.under == 0 then return true end
  local l = unit.l
  if run.under >= MOST then return false end
  if unit.list or not l.root then return not run.busy[l.to] end
  return PLAIN[l.T.ty] ~= nil and not l.replace
end

local function changed(run)
  if run.driver then timers.wake(run.driver) end
  if run.caller and is_over(run) then timers.wake(run.caller) end
end

-- ---- units --------------------------------------------------------------------------------------

-- What begins together: first and last, its rows; l, the first one's line; for instances list,
-- their objects.

local function breathe(run)
  local now = sys.mono()
  if now - run.breath < SLICE then return end
  sys.sleep(0)
  run.breath = sys.mono()
end

-- Takes the rows apart, up to one that is not right: run.lines.  Yields.
local function read(run)
  for n, text in ipairs(run.rows) do
    local ok, l = pcall(restore.parse, text, run.from)
    if not ok then return end
    run.lines[n] = l
    breathe(run)
  end
end

-- The line of a row, with its place.  Raises what is wrong with it.  Yields.
local function line_of(run, n)
  local l = run.lines[n] or restore.parse(run.rows[n], run.from)
  if l.root then restore.place(l) end
  return l
end

-- Adds the instances that stand behind the first, up to one that is not right.  Yields.
local function gather(run, unit, most)
  for n = unit.first + 1, math.min(#run.rows, unit.first + most - 1) do
    breathe(run)
    local l = run.lines[n]
    if not (l and l.root and l.to == unit.l.to and pcall(restore.place, l) and l.T.instance) then
      return
    end
    local ok, i = pcall(restore.instance, l)
    if not ok then return end
    unit.list[#unit.list + 1], unit.last = i, n
  end
end

-- The unit that begins with row n; most: instances in it.  Raises what is wrong.  Yields.
local function unit_at(run, n, most)
  local l = line_of(run, n)
  local unit = { first = n, last = n, l = l }
  if l.root and l.T.instance then
    unit.list = { restore.instance(l) }
    gather(run, unit, most)
  end
  return unit
end

-- Stores a unit and notes its outcomes.  Raises.  Yields.
local function store(run, unit, queued)
  local l, outcomes = unit.l, { "kept" }
  if l.parent and l.parent.gone then       -- evicted or deleted while it waited for its turn
    error({ attr = "to", why = l.to .. " was deleted meanwhile" }, 0)
  end
  if not l.root then
    restore.finish(l, queued)
  elseif unit.list then
    outcomes = restore.instances(l.parent, unit.list, queued)
  else
    outcomes = { restore.resource(l, queued) }
  end
  for k, outcome in ipairs(outcomes) do run.outcome[unit.first + k - 1] = outcome end
end

-- ---- many at a time -----------------------------------------------------------------------------

local function failed(run, n, why)
  if type(why) ~= "table" then run.crash = run.crash or why end
  run.bad = math.min(run.bad or n, n)
end

local function trace(what)
  return type(what) == "table" and what or debug.traceback(tostring(what), 2)
end

local drive

-- Performs a unit.  True: another task has begun to look for what is next.  Yields.
local function perform(run, unit)
  local l, handed = unit.l, false
  local alone = l.root and not unit.list and (not PLAIN[l.T.ty] or l.replace)
  local function queued()
    if handed then return end
    handed = true
    timers.spawn(function() return drive(run) end)
  end
  run.under, run.busy[l.to] = run.under + 1, (run.busy[l.to] or 0) + 1
  if l.parent then tree.pin(l.parent) end
  local ok, why = xpcall(store, trace, run, unit, not alone and queued or nil)
  if l.parent then tree.unpin(l.parent) end
  local others = run.busy[l.to] - 1
  run.under, run.busy[l.to] = run.under - 1, others > 0 and others or nil
  if not ok then failed(run, unit.first, why) end
  changed(run)
  return handed
end

-- Begins what is next until nothing is left or something failed, or another task does.  Yields.
function drive(run)
  while not run.bad and run.next <= #run.rows do
    local n = run.next
    local ok, unit = xpcall(unit_at, trace, run, n, INSTANCES)
    if not ok then
      failed(run, n, unit)
      break
    end
    wait_until(run, "driver", may_begin, unit)
    if run.bad then break end
    run.next = unit.last + 1
    if perform(run, unit) then return end
  end
  run.driven = false
  changed(run)
end

-- ---- one at a time ------------------------------------------------------------------------------

-- The rows from the one that failed to the last that has begun, each alone; the first that fails
-- then is refused.  Yields.
local function retry(run)
  local last = math.max(run.bad, run.next - 1)
  for n = run.bad, last do
    if not run.outcome[n] then
      local ok, why = xpcall(function() store(run, unit_at(run, n, 1)) end, trace)
      if not ok and type(why) ~= "table" then error(why, 0) end
      if not ok then
        run.refused, run.attr, run.why = n, why.attr, why.why
        return
      end
    end
  end
  run.next, run.bad = last + 1, nil
end

local function told(run)
  local r = { done = (run.refused or #run.rows + 1) - 1, made = 0, there = 0, left = 0, new_ids = 0,
    beyond = 0, attr = run.attr, why = run.why }
  for n = 1, #run.rows do
    local outcome = run.outcome[n]
    if outcome == "new" then
      r.made, r.new_ids = r.made + 1, r.new_ids + 1
    elseif outcome and outcome ~= "kept" then
      r[outcome] = r[outcome] + 1
    end
    if outcome and n > r.done then r.beyond = r.beyond + 1 end
  end
  return r
end

--- Imports lines: rows, a list of texts; from: { csi, csn, spi } of the CSE that wrote them, fields
-- may be missing.  { done, made, there, left, new_ids } and, when a line was refused (the one after
-- `done`), attr (or nil), why, and how many behind it are stored all the same (beyond): they had
-- begun when somebody else took its place.  Yields.
function intake.rows(rows, from)
  local run = { rows = rows, from = from, lines = {}, next = 1, outcome = {}, under = 0, busy = {},
    breath = sys.mono() }
  read(run)
  restore.look_up(run.lines)
  while run.next <= #rows and not run.refused do
    run.driven = true
    drive(run)
    wait_until(run, "caller", is_over)
    if run.crash then error(run.crash, 0) end
    if run.bad then retry(run) end
  end
  return told(run)
end

return intake
