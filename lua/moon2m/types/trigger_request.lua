-- triggerRequest (TS-0001 9.6.49, TS-0004 7.4.57): triggers an AE by the identifier that an
-- underlying network knows it under (tri).  This CSE has no such network: it triggers the AEs that
-- are registered here, whose subscribers of net 6 are told.  tst (TS-0004 6.3.4.2.60): 1 under way,
-- 4 delivered, 6 failed: there is no such recipient.

local kinds = require "moon2m.kinds"
local rsc = require "moon2m.rsc"

local EXECUTE = 3                -- of tpe: an operation on a resource

local after = kinds.after

local function check(values, r)
  if after(values, r, "tpe") ~= EXECUTE then return nil end
  for _, name in ipairs { "tia", "tio" } do
    if not after(values, r, name) then
      return rsc.err(rsc.BAD_REQUEST, "%s: missing, tpe 3 needs it", name)
    end
  end
end

local status = kinds.range("a trigger status", 1, 9)

return {
  ty = 47, name = "trigger_request", short = "m2m:tgr",
  parents = { "ae" }, children = { "subscription" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci",
    { "mei", "string", create = "M", update = "-" },
    { "tri", "string", create = "M", update = "O" },
    { "tpe", kinds.enum("a trigger purpose", { 1, 2, 3, 4 }), create = "O", update = "O",
      one = true },
    { "tst", status, create = "-", update = "-" },
    { "tvt", "duration", create = "M", update = "O" },
    { "tiae", "id", create = "O", update = "O" },
    { "tia", "uri", create = "O", update = "O" },
    { "tio", kinds.range("an operation", 1, 5), create = "O", update = "O" },
    { "tirt", "uint", create = "O", update = "O" },
    { "trf", "string", create = "-", update = "-" },
  },
}
