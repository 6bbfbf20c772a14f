-- firmware (TS-0001 D.2, TS-0004 D.2): a firmware of the device; ud true installs it from url.

local common = require "moon2m.types.mgmt.kinds"

return {
  ty = 13, mgd = 1001, name = "mgmt_firmware", short = "m2m:fwr",
  triggers = { ud = "uds" },
  attrs = {
    { "vr", "string", create = "M", update = "O" },
    { "fwn", "string", create = "M", update = "O" },
    { "url", "uri", create = "M", update = "O" },
    { "ud", "bool", create = "M", update = "O" },
    { "uds", common.status, create = "-", update = "O", one = true, default = common.IDLE },
  },
}
