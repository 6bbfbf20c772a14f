-- AE (TS-0001 9.6.5, TS-0004 7.4.5): a registered application.  Its identifier is its AE-ID-Stem
-- (aei), which registration assigns; everything about identity and tokens lives there, the
-- attributes here.

local kinds = require "moon2m.kinds"
local rsc = require "moon2m.rsc"

-- App-ID (TS-0004 7.4.5.2.1): "R" registered with an authority, "N" not registered; "r" as
-- Release 2 and 3 tolerate it.
local api = kinds.text("an App-ID (string)", function(s)
  if s:find("^[RrN][^%z\1-\32\127]+$") then return s end
  return false, 'an App-ID starts with "R" (registered) or "N" (not registered) and goes on without'
    .. " spaces"
end)

-- "r" instead of "R" belongs to the releases up to 3.
local function check(values, r)
  if r or values.api:byte() ~= 114 then return nil end
  for _, v in ipairs(values.srv) do
    if v == "1" or v == "2" or v == "2a" or v == "3" then return nil end
  end
  return rsc.err(rsc.BAD_REQUEST, 'api: "r" is tolerated for releases up to 3 only')
end

return {
  ty = 2, name = "ae", short = "m2m:ae",
  children = { "container", "acp", "subscription" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci",
    "at", "aa", "ast", "cstn", "loc",
    { "apn", "string", create = "O", update = "O", announced = "OA" },
    { "api", api, create = "M", update = "-", announced = "OA" },
    { "aei", "id", create = "-", update = "-", announced = "OA" },
    { "poa", "poa", list = 1, create = "O", update = "O", announced = "OA" },
    { "or", "uri", create = "O", update = "O", announced = "OA" },
    { "nl", "uri", create = "O", update = "O", announced = "OA" },
    { "rr", "bool", create = "M", update = "O", announced = "OA" },
    { "csz", "serialization", list = 1, create = "O", update = "O", announced = "OA" },
    { "esi", "object", create = "O", update = "O",
      later = "end-to-end security (TS-0003 8) is not supported by this CSE", announced = "MA" },
    { "mei", "string", create = "O", update = "O" },
    { "srv", "release", list = 1, create = "M", update = "O", announced = "MA" },
    { "regs", kinds.enum("a registration status", { 1, 2 }), create = "O", update = "O",
      announced = "OA" },
    { "trps", "bool", create = "O", update = "O",
      later = "the tracking of registration points is not supported by this CSE",
      announced = "OA" },
    { "scp", "any", list = 1, create = "O", update = "O", announced = "OA" },
    { "tren", "bool", create = "O", update = "O", announced = "OA" },
    { "ape", "object", list = 1, create = "O", update = "O", announced = "OA" },
    { "tri", "string", create = "O", update = "O" },
    { "trn", "uint", create = "O", update = "O" },
  },
}
