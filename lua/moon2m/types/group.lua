-- group (TS-0001 9.6.13, TS-0004 7.4.13): resources that are addressed together through "fopt",
-- notified together when the group is in `nu`, and authorised together when it is in `acor`.  The
-- members are checked by group.lua.

local schema = require "moon2m.schema"

local OLDEST, MASHUP = 20001, 20003
local ANNOUNCED = 10000          -- added to the number of a type

-- memberType (TS-0004 6.3.4.2.11): 0 mixed, a resource type, its announced variant, a virtual one.
local member_type = schema.kind(nil, "a member type", function(raw)
  local n = raw:find("^%d+$") and tonumber(raw)
  local known = require("moon2m.types").known
  if n and (n == 0 or known[n] or known[n - ANNOUNCED] or n >= OLDEST and n <= MASHUP) then
    return n
  end
  return nil, "expected a member type (0, a resource type, 20001 to 20003), got " .. raw
end, "integer")

local specialization = schema.kind(nil, "a specialization", function(raw)
  local v = schema.text_of(raw) or raw:find("^%d+$") and tonumber(raw)
  if v and v ~= "" then return v end
  return nil, "expected a containerDefinition (string) or a mgmtDefinition (number), got " .. raw
end, "string | integer")

local batch = schema.object("a batch policy (object)", {
  { "num", "posint" }, { "dur", "duration" },
})

return {
  ty = 9, name = "group", short = "m2m:grp", parents = { "ae", "cse_base" },
  children = { "subscription" },
  virtual = { fopt = "fanOutPoint" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast",
    "cr", "cstn", "loc",
    { "mt", member_type, create = "O", update = "-", announced = "OA" },
    { "spty", specialization, create = "O", update = "-", announced = "OA" },
    { "cnm", "uint", create = "-", update = "-", announced = "OA" },
    { "mnm", "posint", create = "M", update = "O", announced = "OA" },
    { "mid", "uri", list = 0, create = "M", update = "O", announced = "OA" },
    { "macp", "id", list = 1, create = "O", update = "O", announced = "OA" },
    { "mtv", "bool", create = "-", update = "-", announced = "OA" },
    { "csy", schema.enum("a consistency strategy", { 1, 2, 3 }), create = "O", update = "-",
      announced = "OA" },
    { "gn", "string", create = "O", update = "O", announced = "OA" },
    { "ssi", "bool", create = "-", update = "-", announced = "OA" },
    { "nar", batch, create = "O", update = "O", announced = "OA" },
  },
}
