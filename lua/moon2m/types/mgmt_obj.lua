-- mgmtObj (TS-0001 9.6.15 and D, TS-0004 7.4.15 and D): a function of a device that is managed,
-- below the device's node.  It has no root of its own: the content's root names the
-- specialisation, a file of types/mgmt/ or a script's
-- cse.type { ty = 13, mgd = 0, name = "pump", short = "my:pump", attrs = ... }.
--
-- This CSE manages no device itself.  A trigger (triggers of a specialisation: trigger -> its
-- status attribute, or false) that is set to true means: somebody shall do this.  Its status is
-- "in process" then, unless the request says otherwise; who manages the device, an AE that
-- subscribed or a script, does it and writes the status.  exclusive: pairs of triggers of which
-- one request sets one at most; the later one ends the other.

local rsc = require "moon2m.rsc"
local kinds = require "moon2m.types.mgmt.kinds"

local function bad(...)
  return rsc.err(rsc.BAD_REQUEST, ...)
end

-- mgs names the schema of what the standard does not define, and of nothing else.
local function check_schema(spec, values)
  if spec.mgd == 0 and values.mgs == nil then
    return bad("mgs: missing, mandatory with mgd 0")
  elseif spec.mgd ~= 0 and values.mgs ~= nil then
    return bad("mgs: only with mgd 0, the standard defines %s", spec.short)
  end
end

local function special_check(spec)
  return function(values, r)
    if not r and values.mgd ~= spec.mgd then
      return bad("mgd: expected %d for %s, got %s", spec.mgd, spec.short, tostring(values.mgd))
    end
    local e = not r and check_schema(spec, values)
    if e then return e end
    for _, pair in ipairs(spec.exclusive or {}) do
      if values[pair[1]] == true and values[pair[2]] == true then
        return bad("%s: cannot be true together with %s", pair[1], pair[2])
      end
    end
    return spec.check and spec.check(values, r)
  end
end

return {
  ty = 13, name = "mgmt_obj", short = "m2m:mgmtObj", abstract = true,
  special = { "mgd", "number", "its mgmtDefinition" },
  parents = { "node" }, children = { "subscription" },
  special_check = special_check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cstn",
    { "mgd", kinds.definition, create = "M", update = "-", announced = "MA" },
    { "obis", "uri", list = 1, create = "O", update = "-", announced = "OA" },
    { "obps", "uri", list = 1, create = "O", update = "-", announced = "OA" },
    { "dc", "string", create = "O", update = "O", announced = "OA" },
    { "mgs", "uri", create = "O", update = "-", announced = "MA" },
    { "cmlk", kinds.link, list = 1, create = "O", update = "O", open = true, announced = "OA" },
  },
}
