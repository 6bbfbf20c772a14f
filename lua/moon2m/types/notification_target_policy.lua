-- notificationTargetPolicy (TS-0001 9.6.32, TS-0004 7.4.31): what happens when a notification
-- target wants to be told no more.  Made at the CSEBase by the creator of subscriptions; at most
-- two policyDeletionRules below it say when.  removal.lua acts on it.  acn and plbl may be left
-- out (TS-0004 Table 7.4.31.1-3): targets may go then, and the policy is its creator's default.

local kinds = require "moon2m.kinds"

local relation = kinds.enum("a logical operator", { 1, 2 })

return {
  ty = 26, name = "notification_target_policy", short = "m2m:ntp",
  parents = { "cse_base" },
  children = { "subscription" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "cr", "cstn",
    { "acn", kinds.enum("an action (1 accept, 2 reject, 3 seek, 4 inform)", { 1, 2, 3, 4 }),
      create = "O", update = "-", one = true },
    { "plbl", "label", create = "O", update = "O", one = true },
    { "rrs", relation, create = "O", update = "O" },
  },
}
