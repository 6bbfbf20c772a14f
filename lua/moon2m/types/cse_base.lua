-- CSEBase (TS-0001 9.6.3, TS-0004 7.4.3): the root.  Nothing of it can be written by a request:
-- the operations refuse CREATE, UPDATE and DELETE with 4005; the CSE fills the attributes at
-- start, some of them from the start-up tree; currentTime when it is looked at.  There are no
-- esi (end-to-end security) and no ncp (congestion policy): no value was given.

local kinds = require "moon2m.kinds"

local cse_type = kinds.enum("a CSE type", { 1, 2, 3 })

return {
  ty = 5, name = "cse_base", short = "m2m:cb",
  children = { "ae", "container", "acp", "subscription" },
  attrs = {
    { "rn", create = "-" }, "ty", "ri", "pi", "ct", "lt",
    { "lbl", create = "-", update = "-" },
    { "acpi", create = "-", update = "-" },
    { "daci", create = "-", update = "-" },
    { "cstn", create = "-", update = "-" },
    { "cst", cse_type },
    { "csi", "id", one = true },
    { "srt", "uint", list = 1, one = true },
    { "poa", "poa", list = 1, one = true },
    { "nl", "uri" },
    { "csz", "serialization", list = 1 },
    { "esi", "object", announced = "MA" },
    { "srv", "release", list = 1, announced = "MA" },
    { "ncp", "any" },
    { "ctm", "timestamp" },
    { "spi", "id", announced = "OA" },
    { "ici", "id", announced = "OA" },
    { "loc", create = "-", update = "-" },
  },
}
