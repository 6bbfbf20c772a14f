-- accessControlPolicy (TS-0001 9.6.2, TS-0004 7.4.2, 6.3.5.26..28): who may do what.  This file
-- holds the shape; the decision is privileges.lua's.

local kinds = require "moon2m.kinds"
local rsc = require "moon2m.rsc"
local shared = require "moon2m.types.shared"

local object, range = kinds.object, kinds.range

local address = object("IP addresses (object)", {
  { "ipv4", "string", list = 1 }, { "ipv6", "string", list = 1 },
})

local context = object("a context (object)", {
  { "actw", shared.schedule_entry, list = 1 }, { "acip", address }, { "aclr", shared.region },
  { "acui", "any" }, { "acec", "any" }, { "acl", "any" },
})

-- What Release 4 adds to a context; where a policy of another CSE has one, that entry never grants
-- (context.lua).
local NOT_YET = {
  acui = "users are not known to this CSE",
  acec = "criteria in policies are not judged by this CSE",
  acl = "uses of a rule are not counted by this CSE",
}

local function not_yet(name, entry)
  for what, why in pairs(NOT_YET) do
    if entry[what] ~= nil then
      return rsc.err(rsc.NOT_IMPLEMENTED, "%s: acco: %s: %s", name, what, why)
    end
  end
end

-- nil, or a 5001 for what this CSE does not judge.
local function check(values)
  for _, name in ipairs { "pv", "pvs" } do
    for _, r in ipairs(type(values[name]) == "table" and values[name].acr or {}) do
      for _, entry in ipairs(r.acco or {}) do
        local e = not_yet(name, entry)
        if e then return e end
      end
    end
  end
end

local OUTSIDE = "decisions, policies and information of other systems are not asked for by this"
  .. " CSE; daci names servers that are"

local details = object("object details (object)", {
  { "ty", "uint" }, { "spty", "string" }, { "chty", "uint", list = 1, required = true },
})

local rule = object("a rule (object)", {
  { "acor", "id", list = 1, required = true },
  { "acop", range("operations (sum of 1, 2, 4, 8, 16, 32)", 0, 63), required = true },
  { "acco", context, list = 1 },
  { "acaf", "bool" },
  { "acod", details, list = 1 },
  { "aca", "string", list = 1 },
})

local function privileges(least)
  return object("privileges (object)", { { "acr", rule, list = least, required = least > 0 } })
end

return {
  ty = 1, name = "acp", short = "m2m:acp",
  children = { "subscription" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "at", "aa", "ast",
    { "pv", privileges(0), create = "M", update = "O", announced = "MA" },
    { "pvs", privileges(1), create = "M", update = "O", announced = "MA" },
    { "adri", "uri", list = 1, create = "O", update = "O", later = OUTSIDE, announced = "MA" },
    { "apri", "uri", list = 1, create = "O", update = "O", later = OUTSIDE, announced = "MA" },
    { "airi", "uri", list = 1, create = "O", update = "O", later = OUTSIDE, announced = "MA" },
  },
}
