-- Timers of scripts (cse.every, cse.at) over a scope's life.  A timer whose successor declares the
-- same period keeps its phase over a reload.  A timer never piles up: what is overdue runs once.

local rules = require "moon2m.rule"
local sys = require "moon2m.core.sys"
local timers = require "moon2m.timers"

local part = {}

local function seconds_until(hhmm)
  local h, m = hhmm:match("^(%d%d?):(%d%d)$")
  local now = math.floor(sys.now() / 1e6)
  local t = os.date("*t", now)
  t.hour, t.min, t.sec = tonumber(h), tonumber(m), 0
  local at = os.time(t)
  if at <= now then
    t.day = t.day + 1
    at = os.time(t)
  end
  return at - sys.now() / 1e6
end

local function run(rule)
  if rules.is_resting(rule) then return end
  local ok, what = rules.call(rule)
  if ok then
    rules.succeeded(rule)
  else
    rules.report(rule, what, "timer", "what it wrote stays; the timer goes on")
  end
end

local function arm(rule)
  local seconds = (rule.due - sys.mono()) / 1e6
  rule.timer = timers.after(math.max(0, seconds), function()
    rule.timer = nil
    if rule.scope.unloaded then return end
    run(rule)
    if rule.scope.unloaded then return end
    local now = sys.mono()
    if rule.hhmm then
      rule.due = now + seconds_until(rule.hhmm) * 1e6
    else
      rule.due = math.max(rule.due + rule.period * 1e6, now)
    end
    arm(rule)
  end)
end

-- When the timers of a scope are due next, by period: a list per period, in the order declared.
-- One whose handler is under way has had its turn.
local function phases(scope)
  local by = {}
  for _, rule in ipairs(scope and scope.rules or {}) do
    if rule.period and rule.due then
      by[rule.period] = by[rule.period] or {}
      table.insert(by[rule.period], rule.timer and rule.due or rule.due + rule.period * 1e6)
    end
  end
  return by
end

local function cancel(scope)
  for _, rule in ipairs(scope.rules) do
    if rule.timer then
      timers.cancel(rule.timer)
      rule.timer = nil
    end
  end
end

function part.start(scope, previous)
  local now, kept = sys.mono(), phases(previous)
  if previous then cancel(previous) end
  for _, rule in ipairs(scope.rules) do
    if rule.kind == "every" then
      local phase = kept[rule.period]
      rule.due = phase and table.remove(phase, 1) or now + rule.period * 1e6
      arm(rule)
    elseif rule.kind == "at" then
      rule.due = now + seconds_until(rule.hhmm) * 1e6
      arm(rule)
    end
  end
end

function part.drop(scope)
  cancel(scope)
end

function part.leaks(scope)
  local n = 0
  for _, rule in ipairs(scope.rules) do
    if rule.timer then n = n + 1 end
  end
  return n
end

return part
