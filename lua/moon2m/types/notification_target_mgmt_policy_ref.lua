-- notificationTargetMgmtPolicyRef (TS-0001 9.6.31, TS-0004 7.4.30): which policy holds for which
-- targets of the subscription above it.

local rsc = require "moon2m.rsc"

local POLICY = 26

-- The policy must be there when it is named; one that is deleted later is as if none was named.
local function check_policy(ctx, values)
  local npi = values.npi
  if type(npi) ~= "string" then return true end
  local p = ctx.tree.resolve(npi)
  if p and not p.virtual and p.ty == POLICY then return true end
  return nil, rsc.err(rsc.BAD_REQUEST, "npi: %s is no notificationTargetPolicy", npi)
end

local function create(ctx, _, new) return check_policy(ctx, new.values) end
local function update(ctx, _, new) return check_policy(ctx, new.values) end

return {
  ty = 25, name = "notification_target_mgmt_policy_ref", short = "m2m:ntpr",
  parents = { "subscription", "cross_resource_subscription" },
  children = { "subscription" },
  create = create, update = update,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "cstn",
    { "ntu", "uri", list = 1, create = "M", update = "O" },
    { "npi", "uri", create = "O", update = "O" },
  },
}
