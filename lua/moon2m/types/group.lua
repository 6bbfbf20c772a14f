-- group (TS-0001 9.6.13, TS-0004 7.4.13): resources that are addressed together through "fopt",
-- notified together when the group is in `nu`, and authorised together when it is in `acor`.  Its
-- members are looked up when it is made or changed.

local kinds = require "moon2m.kinds"

local name = kinds.text("a containerDefinition (string)", function(s) return s ~= "" end)
local specialization =
  kinds.either("a containerDefinition (string) or a mgmtDefinition (number)", { name, "uint" })

local batch = kinds.object("a batch policy (object)", {
  { "num", "posint" }, { "dur", "duration" },
})

return {
  ty = 9, name = "group", short = "m2m:grp", parents = { "ae", "cse_base" },
  children = { "subscription" },
  virtual = { fopt = "fanOutPoint" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast",
    "cr", "cstn", "loc",
    { "mt", "uint", create = "O", update = "-", announced = "OA" },
    { "spty", specialization, create = "O", update = "-", announced = "OA" },
    { "cnm", "uint", create = "-", update = "-", announced = "OA" },
    { "mnm", "posint", create = "M", update = "O", announced = "OA" },
    { "mid", "uri", list = 0, create = "M", update = "O", announced = "OA" },
    { "macp", "id", list = 1, create = "O", update = "O", announced = "OA" },
    { "mtv", "bool", create = "-", update = "-", announced = "OA" },
    { "csy", kinds.enum("a consistency strategy", { 1, 2, 3 }), create = "O", update = "-",
      announced = "OA" },
    { "gn", "string", create = "O", update = "O", announced = "OA" },
    { "ssi", "bool", create = "-", update = "-", announced = "OA" },
    { "nar", batch, create = "O", update = "O", announced = "OA" },
  },
}
