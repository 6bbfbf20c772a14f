-- dependency (Release 4): a further condition of the action that it is below.  Its place in the
-- action's dep says when it is looked at; sfc whether it is enough alone, or needed.

local shared = require "moon2m.types.shared"

return {
  ty = 66, name = "dependency", short = "m2m:depr",
  parents = { "action" }, children = { "subscription" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cstn",
    "cr",
    { "sfc", "bool", create = "M", update = "O", announced = "OA" },
    { "evc", shared.criterion, create = "M", update = "O", announced = "OA" },
    { "rri", "id", create = "M", update = "O", announced = "MA" },
  },
}
