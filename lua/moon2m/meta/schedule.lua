---@meta moon2m.schedule
-- Times of the standard's schedules.

-- ---- Schedules ----------------------------------------------------------------------------------

---`local schedule = require "moon2m.schedule"` reads schedule entries (TS-0004 7.4.9.1), the texts in
---`sce` of a schedule and in `actw` of an access control rule: second, minute, hour, day, month,
---weekday (0 is Sunday) and year in UTC, each `*`, a number, a range or a list, perhaps with a step.
---
---```lua
---local cse, schedule = require "moon2m", require "moon2m.schedule"
---local office = schedule.parse "* * 8-17 * * 1-5 *"
---cse.policy("/office/**", function()
---  if not schedule.covers(office, cse.now()) then return false, "the office is closed" end
---end)
---```

---Reads and applies schedule entries.
---@class moon2m.schedule
local schedule = {}

---An entry that was read; it has no fields.
---@class moon2m.schedule.entry

---Reads an entry; `nil` and what is wrong when it is malformed.
---@param text string
---@return moon2m.schedule.entry? entry
---@return string? message
function schedule.parse(text) end

---Whether an entry covers a time.
---@param entry moon2m.schedule.entry
---@param time number seconds since 1970, as of `cse.now`
---@return boolean covers
function schedule.covers(entry, time) end

---The first full second after a time that an entry covers; `nil` when none is near.
---@param entry moon2m.schedule.entry
---@param time number seconds since 1970
---@param horizon number how far to look, in seconds; ten years at most
---@return number? seconds
function schedule.next(entry, time, horizon) end

return schedule
