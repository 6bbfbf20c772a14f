-- Reactions of scripts to what has been committed: events wait here for their `on` rule and are
-- handed over in order.

local sys = require "moon2m.core.sys"
local hooks = require "moon2m.hooks"
local json = require "moon2m.json"
local rules = require "moon2m.rule"
local timers = require "moon2m.timers"

local park = {}

local MAX_WAITING = 1000  -- events waiting for one `on` rule

local function unwrap(text)
  if not text then return nil end
  local _, inner = next(json.decode(text))
  return inner
end

-- Runs the events of one rule, one after the other (or `parallel` side by side), until none waits.
local function drain(rule)
  rule.workers = rule.workers + 1
  while rule.head <= rule.tail do
    local e = rule.queue[rule.head]
    rule.queue[rule.head] = nil
    rule.head = rule.head + 1
    if rules.is_resting(rule) then
      rule.skipped = rule.skipped + 1
    else
      local ok, what = rules.call(rule, e.hop, e.chain, e.ev)
      if ok then
        rules.succeeded(rule)
      else
        rules.report(rule, what, e.ev.op .. " " .. e.ev.to,
          "the data is stored, this rule missed the event")
      end
    end
  end
  rule.head, rule.tail = 1, 0
  rule.workers = rule.workers - 1
end

local function enqueue(rule, item)
  if not rule.queue then
    rule.queue, rule.head, rule.tail, rule.workers, rule.skipped = {}, 1, 0, 0, 0
  end
  if rule.tail - rule.head + 1 >= MAX_WAITING then
    rule.queue[rule.head] = nil
    rule.head = rule.head + 1
    rule.skipped = rule.skipped + 1
    sys.log("warn", "script", ("%s: more than %d events wait for %s, the oldest was skipped")
      :format(rule.scope.name, MAX_WAITING, rule.name))
  end
  rule.tail = rule.tail + 1
  rule.queue[rule.tail] = item
  if rule.workers < rule.parallel then timers.spawn(function() return drain(rule) end) end
end

--- A change is on disk: hands it to the `on` rules.  e = { op, to (script path), fr, rep, old (JSON
-- texts with wrapper), at, hop, chain }.
function park.committed(e)
  local list = hooks.matching("on", e.op, e.to)
  if not list then return end
  for i = 1, #list do
    local ev = hooks.copy_with({ op = e.op, to = e.to, fr = e.fr, at = e.at, res = unwrap(e.rep),
      old = unwrap(e.old) }, list[i])
    enqueue(list[i][1], { ev = ev, hop = e.hop, chain = e.chain })
  end
end

return park
