-- deviceCapability (TS-0001 D.9, TS-0004 D.9): something that the device can do; ena and dis true
-- turn it on and off, cus is whether it is on.

local common = require "moon2m.types.mgmt.kinds"

return {
  ty = 13, mgd = 1008, name = "mgmt_device_capability", short = "m2m:dvc",
  triggers = { ena = "cas", dis = "cas" },
  exclusive = { { "ena", "dis" } },
  attrs = {
    { "can", "string", create = "M", update = "O" },
    { "att", "bool", create = "M", update = "O" },
    { "cas", common.status, create = "M", update = "O" },
    { "cus", "bool", create = "M", update = "O" },
    { "ena", "bool", create = "O", update = "O" },
    { "dis", "bool", create = "O", update = "O" },
  },
}
