-- CSEBase (TS-0001 9.6.3, TS-0004 7.4.3): the root.  Nothing of it can be written by a request:
-- the operations refuse CREATE, UPDATE and DELETE with 4005; the CSE fills the attributes at
-- start.

local schema = require "moon2m.schema"

local cse_type = schema.enum("a CSE type", { 1, 2, 3 })

return {
  ty = 5, name = "cse_base", short = "m2m:cb",
  children = { "ae", "container", "acp", "subscription" },
  attrs = {
    { "rn", create = "-" }, "ty", "ri", "pi", "ct", "lt",
    { "lbl", create = "-", update = "-" },
    { "acpi", create = "-", update = "-" },
    { "cst", cse_type },
    { "csi", "id", one = true },
    { "srt", "uint", list = 1, one = true },
    { "poa", "poa", list = 1, one = true },
    { "nl", "uri" },
    { "csz", "serialization", list = 1 },
    { "srv", "release", list = 1 },
    { "spi", "id" },
    { "loc", create = "-", update = "-" },
  },
}
