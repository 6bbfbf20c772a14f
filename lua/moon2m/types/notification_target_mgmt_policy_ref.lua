-- notificationTargetMgmtPolicyRef (TS-0001 9.6.31, TS-0004 7.4.30): which policy holds for which
-- targets of the subscription above it.

return {
  ty = 25, name = "notification_target_mgmt_policy_ref", short = "m2m:ntpr",
  parents = { "subscription", "cross_resource_subscription" },
  children = { "subscription" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "cstn",
    { "ntu", "uri", list = 1, create = "M", update = "O" },
    { "npi", "uri", create = "O", update = "O" },
  },
}
