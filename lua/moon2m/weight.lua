-- What scripts keep between their runs: cse.state, their variables, the handlers that wait.
-- Budgets bound what one run may add; this bounds what stays.  Scripts are weighed when Lua holds
-- more than one of them may keep, so a server whose Lua is small never does it.  A script that
-- keeps too much rests: no code of it runs until it keeps less, which a reload can bring about.

local guard = require "moon2m.core.guard"
local sys = require "moon2m.core.sys"
local weigh = require "moon2m.core.weigh"
local script = require "moon2m.script"
local timers = require "moon2m.timers"

local weight = {}

local STEP = 5000                -- things looked at without a pause
local SOONEST, PATIENCE = 1, 50  -- seconds, and times of what a round took, to the next round
local GROWTH = 8                 -- the part of the limit that Lua grows by until the next round

local limit = 128 * 1048576
local busy = false

--- bytes: what one script may keep.
function weight.configure(bytes)
  limit = bytes
  guard.weigh_above(bytes)
end

-- ---- weighing -----------------------------------------------------------------------------------

-- The functions of a scope, which lead to its variables.
local function code(s)
  local list = { s.env }
  for _, r in ipairs(s.rules) do list[#list + 1] = r.fn end
  for _, spec in ipairs(s.types) do list[#list + 1] = spec end
  return list
end

local function waiting(s)
  local list = { s.waiters.by_key }
  for co in pairs(s.waiting or {}) do list[#list + 1] = co end
  return list
end

-- wait: in a task, the loop has its turn between.
local function run(w, wait)
  while not w:step(STEP) do
    if wait then sys.sleep(0) end
  end
  return w:bytes()
end

--- Bytes that a scope keeps (an estimate): in all, in cse.state, in its other variables, in
-- handlers that wait.  wait: pauses between, for the loop.  Yields then.
function weight.of(s, wait)
  local w = weigh.new { s.state }
  local state = run(w, wait)
  w:add(code(s))
  local variables = run(w, wait)
  w:add(waiting(s))
  local all = run(w, wait)
  return all, state, variables - state, all - variables
end

-- ---- the limit ----------------------------------------------------------------------------------

local function mib(bytes) return math.ceil(bytes / 1048576) end

local function rest(s, all, state, variables, handlers)
  local text = ("%d MiB of memory kept, %d MiB allowed (limits.script_memory)"):format(mib(all),
    mib(limit))
  local where = ("%.1f MiB in cse.state, %.1f MiB in variables, %.1f MiB in handlers that wait")
    :format(state / 1048576, variables / 1048576, handlers / 1048576)
  local fate = "it rests: its events wait, its policies and checks refuse, until it keeps less; " ..
    "fix and reload it"
  if not s.heavy then
    s.errors = s.errors + 1
    s.last_error = { text = text, at = sys.now(), rule = s.file, about = where, fate = fate }
    sys.count("moon2m_script_errors_total", ('script="%s"'):format(s.name), 1,
      "Errors raised by scripts")
    for _, line in ipairs { text, where, fate } do
      sys.log("error", "script", ("%s: %s"):format(s.name, line))
    end
  end
  s.heavy = text .. ", stopped"
end

local function judge(s)
  local all, state, variables, handlers = weight.of(s, true)
  if s.unloaded then return false end
  if all > limit then
    rest(s, all, state, variables, handlers)
  elseif s.heavy then
    s.heavy = nil
    sys.log("info", "script", ("%s: keeps %d MiB, goes on"):format(s.name, mib(all)))
  end
  return s.heavy ~= nil
end

-- When to do it again: once Lua has grown, or after a while.
local function again(some, took)
  local used = sys.memory()
  guard.weigh_above(math.max(limit, used + limit / GROWTH))
  if not some and used <= limit then return end
  timers.after(math.max(SOONEST, PATIENCE * took), function()
    if some then return weight.round() end
    guard.weigh_above(limit)
  end)
end

--- Weighs all scripts.  Yields.
function weight.round()
  if busy then return end
  busy = true
  local began, some = sys.mono(), false
  for _, s in ipairs { unpack(script.list()) } do some = judge(s) or some end
  busy = false
  again(some, (sys.mono() - began) / 1e6)
end

return weight
