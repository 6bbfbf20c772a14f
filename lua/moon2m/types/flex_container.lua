-- flexContainer (TS-0001 9.6.35, TS-0004 7.4.37): a resource whose attributes a specialisation
-- defines.  It has no root of its own: the content's root names the specialisation, one of those of
-- the standard (moon2m/flex) or of a script, cse.type { ty = 28, short = "x:lamp", cnd =
-- "org.example.lamp", attrs = ... }.
-- cs is the size of the specialisation's attributes.  With fcied the CSE keeps what they were, as
-- instances that mni, mbs and mia bound, reached as "la" and "ol".

local kinds = require "moon2m.kinds"
local rsc = require "moon2m.rsc"

local LIMITS = { "mni", "mbs", "mia" }

-- Limits bound instances, so there must be some.
local function check_limits(values, r)
  for _, name in ipairs(LIMITS) do
    if values[name] == 0 then return rsc.err(rsc.BAD_REQUEST, "%s: 0 is not permitted", name) end
    if kinds.after(values, nil, name) and kinds.after(values, r, "fcied") == nil then
      return rsc.err(rsc.BAD_REQUEST, "%s: not permitted without fcied", name)
    end
  end
end

local function special_check(spec)
  return function(values, r)
    local e = check_limits(values, r)
    if e then return e end
    if values.cnd ~= nil and spec.cnd and values.cnd ~= spec.cnd then
      return rsc.err(rsc.BAD_REQUEST, "cnd: expected %s for %s, got %s", spec.cnd, spec.short,
        tostring(values.cnd))
    end
    return spec.check and spec.check(values, r)
  end
end

return {
  ty = 28, name = "flex_container", short = "m2m:flexContainer", abstract = true,
  special = { "cnd", "string", "its containerDefinition" },
  instances = "flex_container_instance", virtual = { la = "latest", ol = "oldest" },
  children = { "flex_container_instance", "container", "flex_container", "subscription" },
  parents = { "cse_base", "ae", "container", "remote_cse" },
  special_check = special_check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast",
    "st", "cr", "cstn", "loc",
    { "cnd", "uri", create = "M", update = "-", announced = "MA" },
    { "or", "uri", create = "O", update = "O", announced = "OA" },
    { "cs", "uint", create = "-", update = "-" },
    { "nl", "uri", create = "O", update = "O", announced = "OA" },
    { "mni", "uint", create = "O", update = "O", announced = "OA" },
    { "mia", "uint", create = "O", update = "O", announced = "OA" },
    { "mbs", "uint", create = "O", update = "O", announced = "OA" },
    { "cbs", "uint", create = "-", update = "-" },
    { "cni", "uint", create = "-", update = "-" },
    { "fcied", "bool", create = "O", update = "O", announced = "OA" },
  },
}
