-- When subscriptions may notify, and when nodes can be reached: the schedule children (TS-0001
-- 9.6.9), by the number of their parent.  All of them are in memory, so an event never asks the
-- store.
-- Guarantees: `seconds` never says more than an hour, so a clock that is set is noticed.

local json = require "moon2m.core.json"
local rows = require "moon2m.rows"
local schedule = require "moon2m.schedule"
local decode = require("moon2m.json").decode
local sql_life = require "moon2m.sql_life"

local HOUR = 3600
local MARGIN = 0.002             -- s, so that the timer is not early

local opening = {}

local entries = {}               -- number of a parent -> compiled entries of all its schedules
local parts = {}                 -- number of a parent -> { [number of a schedule] = its entries }

local function compile(se)
  local list = {}
  for i, text in ipairs(decode(se).sce or {}) do list[i] = assert(schedule.parse(text)) end
  return list
end

--- A schedule child of resource `id` is this now; se: JSON text of scheduleElement, nil: it is
-- gone. child: the number of the schedule; nil: the only one, or with se nil all of them.
function opening.set(id, se, child)
  if not se and not child then
    entries[id], parts[id] = nil, nil
    return
  end
  local of = parts[id] or {}
  of[child or 0] = se and compile(se) or nil
  local all = {}
  for _, list in pairs(of) do
    for _, one in ipairs(list) do all[#all + 1] = one end
  end
  if next(of) == nil then of, all = nil, nil end
  parts[id], entries[id] = of, all
end

--- The compiled entries of the schedules of a resource, nil when it has none.
function opening.of(id)
  return entries[id]
end

--- Whether any entry covers a time (microseconds since 1970).
function opening.covers(list, us)
  for _, s in ipairs(list) do
    if schedule.covers(s, us / 1e6) then return true end
  end
  return false
end

--- Seconds until an entry covers the time, at most an hour.
function opening.seconds(list, us)
  local soon = HOUR
  for _, s in ipairs(list) do
    local at = schedule.next(s, us / 1e6, HOUR)
    if at then soon = math.min(soon, at - us / 1e6 + MARGIN) end
  end
  return soon
end

--- Start only: the schedules according to the store.  Yields.
function opening.open()
  for row in rows.each(sql_life.schedules, "id", 0) do
    opening.set(row.pid, json.member(row.doc, "se"), row.id)
  end
end

return opening
