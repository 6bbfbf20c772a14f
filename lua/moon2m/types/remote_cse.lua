-- remoteCSE (TS-0001 9.6.4, TS-0004 7.4.4): another CSE that is registered here.  It is that CSE's
-- address for notifications and requests; its identity, token and connection are register.lua's,
-- the way to what is behind it remote.lua's.  csi is what the originator is called.

local kinds = require "moon2m.kinds"

-- Also with the service provider in front of it.
local cse_id = kinds.text("a CSE-ID (string)", function(s)
  if s:find("^/[^/%s%c]+$") or s:find("^//[^/%s%c]+/[^/%s%c]+$") then return s end
  return false, "not a CSE-ID (\"/\" and a name)"
end)

return {
  ty = 16, name = "remote_cse", short = "m2m:csr",
  parents = { "cse_base" },
  children = { "container", "acp", "subscription", "group", "polling_channel",
    "cross_resource_subscription" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cr",
    "cstn", "loc",
    { "cst", kinds.enum("a CSE type", { 1, 2, 3 }), create = "O", update = "-", announced = "OA" },
    { "poa", "poa", list = 1, create = "O", update = "O", announced = "OA" },
    { "cb", "uri", create = "M", update = "-", announced = "OA" },
    { "csi", cse_id, create = "O", update = "-", one = true, announced = "OA" },
    { "mei", "string", create = "O", update = "O" },
    { "tri", "string", create = "O", update = "O" },
    { "rr", "bool", create = "M", update = "O", announced = "OA" },
    { "nl", "uri", create = "O", update = "O", announced = "OA" },
    { "trn", "uint", create = "O", update = "O" },
    { "csz", "serialization", list = 1, create = "O", update = "O", announced = "OA" },
    { "esi", "object", create = "O", update = "O",
      later = "end-to-end security (TS-0003 8) is not supported by this CSE", announced = "MA" },
    { "dcse", cse_id, list = 1, create = "O", update = "O", announced = "OA" },
    { "srv", "release", list = 1, create = "M", update = "O", announced = "MA" },
    { "mtcc", kinds.enum("a multicast capability", { 1, 2 }), create = "O", update = "O",
      announced = "OA" },
    { "egid", "string", create = "O", update = "O", announced = "OA" },
    { "tren", "bool", create = "O", update = "O", announced = "OA" },
    { "ape", "object", list = 1, create = "O", update = "O", announced = "OA" },
    { "spi", "id", create = "O", update = "O", announced = "OA" },
    { "ici", cse_id, create = "O", update = "O", announced = "OA" },
  },
}
