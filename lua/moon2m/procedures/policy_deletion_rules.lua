-- policyDeletionRules: so many belong to a policy; what is kept is always a list of contexts.

local rsc = require "moon2m.rsc"

local RULES, MAX_RULES = 27, 2

local function create(ctx, parent, new)
  local n = 0
  for _ in ctx.tree.children(parent, RULES) do n = n + 1 end
  if n >= MAX_RULES then
    return nil, rsc.err(rsc.CONFLICT, "a policy has at most %d policyDeletionRules", MAX_RULES)
  end
  if new.values.dr and new.raw.dr:byte() ~= 91 then new.raw.dr = "[" .. new.raw.dr .. "]" end
  return true
end

return { create = create }
