-- Kinds of attributes that several types have.

local kinds = require "moon2m.kinds"
local schedule = require "moon2m.schedule"

local shared = {}

--- scheduleEntry (TS-0004 7.4.9.1).
shared.schedule_entry = kinds.text("a schedule entry (string)", function(s)
  local ok, why = schedule.parse(s)
  return ok ~= nil, why
end)

--- scheduleEntries (TS-0004 6.3.5.11).
shared.schedule_entries = kinds.object("schedule entries (object)", {
  { "sce", shared.schedule_entry, list = 1, required = true },
})

--- locationRegion (TS-0004 6.3.5.28): countries, or latitude, longitude and radius in metres.
shared.region = kinds.object("a region (object)", {
  { "accc", "string", list = 1 }, { "accr", kinds.list("number", 3, 3) },
})

--- evalCriteria of actions and dependencies: an attribute compared with a threshold, which stays
-- JSON text.
shared.criterion = kinds.object("an evaluation criterion (object)", {
  { "optr", kinds.enum("an operator", { 1, 2, 3, 4, 5, 6 }), required = true },
  { "sbjt", "string", required = true },
  { "thld", "any", required = true },
})

return shared
