-- When subscriptions may notify: the schedule children of subscriptions (TS-0001 9.6.9), by the
-- number of the subscription.  All of them are in memory, so an event never asks the store.
-- Guarantees: `seconds` never says more than an hour, so a clock that is set is noticed.

local json = require "moon2m.core.json"
local store = require "moon2m.core.store"
local schedule = require "moon2m.schedule"
local decode = require("moon2m.json").decode
local sql_life = require "moon2m.sql_life"

local PAGE = 1000
local HOUR = 3600
local MARGIN = 0.002             -- s, so that the timer is not early

local opening = {}

local entries = {}               -- number of a subscription -> compiled entries

--- The schedule child of subscription `id` is this now; se: JSON text of scheduleElement, nil: it
-- has none.
function opening.set(id, se)
  if not se then
    entries[id] = nil
    return
  end
  local list = {}
  for i, text in ipairs(decode(se).sce or {}) do list[i] = assert(schedule.parse(text)) end
  entries[id] = list
end

--- The compiled entries of a subscription's schedule, nil when it has none.
function opening.of(id)
  return entries[id]
end

--- Whether any entry covers a time (microseconds since 1970).
function opening.covers(list, us)
  for _, s in ipairs(list) do
    if schedule.covers(s, us) then return true end
  end
  return false
end

--- Seconds until an entry covers the time, at most an hour.
function opening.seconds(list, us)
  local soon = HOUR
  for _, s in ipairs(list) do
    local at = schedule.next(s, us, HOUR)
    if at then soon = math.min(soon, (at - us) / 1e6 + MARGIN) end
  end
  return soon
end

--- Start only: the schedules according to the store.  Yields.
function opening.open()
  local after, more = 0, true
  while more do
    local rows
    rows, more = store.find(sql_life.schedules, { after }, PAGE)
    for _, row in ipairs(rows) do
      opening.set(row.pid, json.member(row.doc, "se"))
      after = row.id
    end
  end
end

return opening
