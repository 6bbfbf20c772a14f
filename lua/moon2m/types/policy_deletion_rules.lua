-- policyDeletionRules (TS-0001 9.6.33, TS-0004 7.4.32): when a notification target may be removed:
-- times of day and regions.  At most two below one policy.

local kinds = require "moon2m.kinds"
local shared = require "moon2m.types.shared"

local context = kinds.object("a deletion context (object)", {
  { "tod", shared.schedule_entry, list = 1 }, { "lr", shared.region, list = 1 },
}, function(v)
  if v.tod == nil and v.lr == nil then return false, "tod or lr is needed" end
end)

return {
  ty = 27, name = "policy_deletion_rules", short = "m2m:pdr",
  parents = { "notification_target_policy" },
  children = { "subscription" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "cstn",
    { "dr", kinds.several(context), create = "O", update = "-" },
    { "drr", kinds.enum("a logical operator", { 1, 2 }), create = "O", update = "O" },
  },
}
