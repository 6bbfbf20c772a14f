-- policyDeletionRules (TS-0001 9.6.33, TS-0004 7.4.32): when a notification target may be removed:
-- times of day and regions.  At most two below one policy.

local json = require "moon2m.json"
local rsc = require "moon2m.rsc"
local schedule = require "moon2m.schedule"
local schema = require "moon2m.schema"

local object = schema.object
local RULES, MAX_RULES = 27, 2

local entry = schema.string_kind(nil, "a schedule entry (string)", function(s)
  local ok, why = schedule.parse(s)
  if ok then return s end
  return nil, why
end)

local circle = schema.kind(nil, "a circle (array of 3 numbers)", function(raw)
  local v, why = schema.list("number", 3).check(raw)
  if v and #v ~= 3 then return nil, "expected latitude, longitude and radius" end
  return v, why
end, "number[]")

local region = object("a region (object)", {
  { "accc", "string", list = 1 }, { "accr", circle },
})

local context = object("a deletion context (object)", {
  { "tod", entry, list = 1 }, { "lr", region, list = 1 },
}, function(v)
  if v.tod == nil and v.lr == nil then return "tod or lr is needed" end
end)

-- One context, or a list of them.
local several = schema.list(context)
local contexts = schema.kind(nil, "deletion contexts (array)", function(raw)
  if raw:byte() == 91 then return several.check(raw) end
  local one, why = context.check(raw)
  return one and json.array { one }, why
end, "table[]")

local function create(ctx, parent, new)
  local n = 0
  for _ in ctx.tree.children(parent, RULES) do n = n + 1 end
  if n >= MAX_RULES then
    return nil, rsc.err(rsc.CONFLICT, "a policy has at most %d policyDeletionRules", MAX_RULES)
  end
  if new.values.dr and new.raw.dr:byte() ~= 91 then new.raw.dr = "[" .. new.raw.dr .. "]" end
  return true
end

return {
  ty = 27, name = "policy_deletion_rules", short = "m2m:pdr",
  parents = { "notification_target_policy" },
  children = { "subscription" },
  create = create,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "cstn",
    { "dr", contexts, create = "O", update = "-" },
    { "drr", schema.enum("a logical operator", { 1, 2 }), create = "O", update = "O" },
  },
}
