-- schedule (TS-0001 9.6.9, TS-0004 7.4.9): when what it belongs to is active.  Of a subscription or
-- a crossResourceSubscription: its notifications leave while an entry covers the time, and pn says
-- what becomes of the others.  Of a node: the AEs and the CSE on it can be reached then.  Of the
-- CSEBase: what others are told of this CSE; at most one.

local shared = require "moon2m.types.shared"

return {
  ty = 18, name = "schedule", short = "m2m:sch",
  parents = { "cse_base" }, children = { "subscription" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa",
    "ast", "cstn",
    { "se", shared.schedule_entries, create = "M", update = "O", announced = "OA" },
    { "nco", "bool", create = "O", update = "O", announced = "OA" },
  },
}
