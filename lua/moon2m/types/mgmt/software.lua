-- software (TS-0001 D.3, TS-0004 D.3): a software of the device; in true installs it from url, un
-- true removes it; act and dea true start and stop it.

local common = require "moon2m.types.mgmt.kinds"

return {
  ty = 13, mgd = 1002, name = "mgmt_software", short = "m2m:swr",
  triggers = { ["in"] = "ins", un = "ins", act = "acts", dea = "acts" },
  exclusive = { { "in", "un" }, { "act", "dea" } },
  attrs = {
    { "vr", "string", create = "M", update = "O" },
    { "swn", "string", create = "M", update = "O" },
    { "url", "uri", create = "M", update = "O" },
    { "in", "bool", create = "-", update = "O", one = true, default = "false" },
    { "un", "bool", create = "-", update = "O", one = true, default = "false" },
    { "ins", common.status, create = "-", update = "O", one = true, default = common.IDLE },
    { "act", "bool", create = "-", update = "O" },
    { "dea", "bool", create = "-", update = "O" },
    { "acts", common.status, create = "-", update = "O" },
  },
}
