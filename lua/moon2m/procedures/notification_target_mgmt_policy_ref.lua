-- notificationTargetMgmtPolicyRef: the policy must be there.

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

return { create = create, update = update }
