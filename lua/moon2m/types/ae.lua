-- AE (TS-0001 9.6.5, TS-0004 7.4.5): a registered application.  Its identifier is its AE-ID-Stem
-- (aei), which registration assigns; everything about identity and tokens lives there, the
-- attributes here.

local json = require "moon2m.json"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"

-- App-ID (TS-0004 7.4.5.2.1): "R" registered with an authority, "N" not registered; "r" as
-- Release 2 and 3 tolerate it.
local api = schema.string_kind(nil, "an App-ID (string)", function(s)
  if s:find("^[RrN][^%z\1-\32\127]+$") then return s end
  return nil, 'an App-ID starts with "R" (registered) or "N" (not registered) and goes on without'
    .. " spaces"
end)

local e2e_sec_info = schema.object("security information (object)", {
  { "supportedEndToEndSecFeatures", "any" }, { "certificates", "any" },
  { "sharedReceiverESPRIMRandObject", "any" },
  { "esf", "any" }, { "esc", "any" }, { "espr", "any" },
})

-- activityPatternElements (TS-0004 6.3.5.59): when the device is active, and where it stands.
local activity_pattern = schema.kind(nil, "an activity pattern (object)", function(raw)
  if raw:byte() == 123 then return raw end
  return nil, "expected an object"
end)

local function check(values, r)
  local a, srv = values.api, values.srv
  if not r and a and a:byte() == 114 and not json.is_array(srv) then
    return rsc.err(rsc.BAD_REQUEST, "srv: missing, mandatory in a CREATE of m2m:ae")
  end
  if not r and a and a:byte() == 114 then
    for _, v in ipairs(srv) do
      if v == "2" or v == "2a" or v == "3" then return nil end
    end
    return rsc.err(rsc.BAD_REQUEST, 'api: "r" is tolerated for releases 2, 2a and 3 only')
  end
end

return {
  ty = 2, name = "ae", short = "m2m:ae",
  children = { "container", "acp", "subscription" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", { "et", one = false }, "lbl", "acpi", "daci",
    "at", "aa", "ast", "cstn", "loc",
    { "apn", "string", create = "O", update = "O" },
    { "api", api, create = "M", update = "-" },
    { "aei", "id", create = "-", update = "-" },
    { "poa", "poa", list = 1, create = "O", update = "O" },
    { "or", "uri", create = "O", update = "O" },
    { "nl", "uri", create = "O", update = "O" },
    { "rr", "bool", create = "M", update = "O" },
    { "csz", "serialization", list = 1, create = "O", update = "O" },
    { "esi", e2e_sec_info, create = "O", update = "O", later = true },
    { "mei", "string", create = "O", update = "O" },
    { "srv", "release", list = 1, create = "M", update = "O" },
    { "regs", schema.enum("a registration status", { 1, 2 }), create = "O", update = "O" },
    { "trps", "bool", create = "O", update = "O", later = true },
    { "scp", "any", list = 1, create = "O", update = "O" },
    { "tren", "bool", create = "O", update = "O" },
    { "ape", activity_pattern, list = 1, create = "O", update = "O" },
    { "tri", "string", create = "O", update = "O" },
    { "trn", "uint", create = "O", update = "O" },
  },
}
