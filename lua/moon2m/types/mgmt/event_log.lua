-- eventLog (TS-0001 D.11, TS-0004 D.11): a log of the device; lga and lgo true start and stop it.
-- lgt 1 system, 2 security, 3 event, 4 trace, 5 panic; lgst 1 started, 2 stopped, 3 unknown, 4 not
-- present, 5 error.

local kinds = require "moon2m.kinds"

return {
  ty = 13, mgd = 1010, name = "mgmt_event_log", short = "m2m:evl",
  triggers = { lga = false, lgo = false },
  exclusive = { { "lga", "lgo" } },
  attrs = {
    { "lgt", kinds.range("a log type", 1, 5), create = "M", update = "O" },
    { "lgd", "string", create = "M", update = "O" },
    { "lgst", kinds.range("a log status", 1, 5), create = "M", update = "O" },
    { "lga", "bool", create = "O", update = "O", one = true, default = "false" },
    { "lgo", "bool", create = "O", update = "O", one = true, default = "false" },
  },
}
