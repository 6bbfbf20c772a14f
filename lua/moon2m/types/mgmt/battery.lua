-- battery (TS-0001 D.7, TS-0004 D.7): btl in per cent; bts 1 normal, 2 charging, 3 charged, 4
-- damaged, 5 low, 6 not installed, 7 unknown.

local kinds = require "moon2m.kinds"

return {
  ty = 13, mgd = 1006, name = "mgmt_battery", short = "m2m:bat",
  attrs = {
    { "btl", "uint", create = "M", update = "O" },
    { "bts", kinds.range("a battery status", 1, 7), create = "M", update = "O" },
  },
}
