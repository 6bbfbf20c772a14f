-- node (TS-0001 9.6.18, TS-0004 7.4.18): a device; what is managed of it are mgmtObj below.  The
-- AEs and the CSE on it are hael and hcl, which follow the nl of their resources (node.lua); its
-- schedules say when they can be reached.


local kinds = require "moon2m.kinds"
return {
  ty = 14, name = "node", short = "m2m:nod",
  parents = { "cse_base" },
  children = { "mgmt_obj", "subscription", "schedule" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cstn",
    { "ni", kinds.text("a node identifier (string)", function(s)
        if s:find("^[^%z\1-\32\127]+$") then return s end
        return false, "empty, or with a space in it"
      end), create = "M", update = "O", announced = "MA" },
    { "hcl", "id", create = "O", update = "O", announced = "OA" },
    { "hael", "id", list = 1, create = "O", update = "O", announced = "OA" },
    { "hsl", "id", list = 1, create = "O", update = "O", announced = "OA" },
    { "mgca", "string", create = "O", update = "O", announced = "OA" },
    { "rms", "bool", create = "-", update = "-", announced = "OA" },
    { "nid", "string", create = "-", update = "-", announced = "OA" },
    { "nty", "uint", create = "O", update = "O", announced = "OA" },
  },
}
