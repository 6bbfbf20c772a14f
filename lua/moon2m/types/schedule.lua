-- schedule (TS-0001 9.6.9, TS-0004 7.4.9): when what it belongs to is active.  Here it belongs to a
-- subscription, whose notifications leave while an entry covers the time; the subscription's pn
-- says what becomes of the others.

local rsc = require "moon2m.rsc"
local schedule = require "moon2m.schedule"
local schema = require "moon2m.schema"

local NAME = "notificationSchedule"

local entry = schema.string_kind(nil, "a schedule entry (string)", function(s)
  local ok, why = schedule.parse(s)
  if not ok then return nil, why end
  return s
end)

local element = schema.object("a schedule element (object)", {
  { "sce", entry, list = 1, required = true },
})

-- nco is for the schedules of nodes.
local function check_nco(values)
  if values.nco ~= nil then
    return rsc.err(rsc.CONTENTS_UNACCEPTABLE, "nco: only the schedule of a node has it")
  end
end

local function create(_, _, new)
  local values = new.values
  local e = check_nco(values)
  if e then return nil, e end
  if values.rn and values.rn ~= NAME then
    return nil, rsc.err(rsc.BAD_REQUEST, "rn: the schedule of a subscription is named %s", NAME)
  end
  new.rn = NAME
  return true
end

local function update(_, _, new)
  local e = check_nco(new.values)
  if e then return nil, e end
  return true
end

return {
  ty = 18, name = "schedule", short = "m2m:sch",
  children = { "subscription" },
  create = create, update = update,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", { "daci", later = true }, "at", "aa",
    "ast", "cstn",
    { "se", element, create = "M", update = "O" },
    { "nco", "bool", create = "O", update = "O" },
  },
}
