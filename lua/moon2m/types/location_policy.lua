-- locationPolicy (TS-0001 9.6.10, 10.2.9; TS-0004 7.4.10): where the device of its creator is, in a
-- container of its own (loi), which comes and goes with it.  Device based (los 2) only: the creator
-- is an AE that keeps its loc.  location.lua does it.

local kinds = require "moon2m.kinds"
local rsc = require "moon2m.rsc"

local DEVICE, GEOFENCE = 2, 2
local LEAST = 100000             -- us

local after = kinds.after

local function bad(...) return rsc.err(rsc.BAD_REQUEST, ...) end

local area = kinds.either("a location (object) or coordinates", { "object", kinds.list "any",
  "string" })

local function check_periods(lou)
  for i, us in ipairs(lou or {}) do
    if us > 0 and us < LEAST then
      return bad("lou: entry %d: at least %g s are needed", i, LEAST / 1e6)
    end
  end
end

-- What the network would be asked with.
local NETWORK = { "lot", "lor", "aid", "rlkl", "luec" }

local function check(values, r)
  if after(values, r, "los") == DEVICE then
    for _, name in ipairs(NETWORK) do
      if values[name] ~= nil then return bad("%s: goes with network based policies only", name) end
    end
  end
  if after(values, r, "lit") == GEOFENCE then
    for _, name in ipairs { "gta", "gec" } do
      if not after(values, r, name) then return bad("%s: missing, lit 2 needs it", name) end
    end
  end
  return check_periods(after(values, nil, "lou"))
end

return {
  ty = 10, name = "location_policy", short = "m2m:lcp",
  parents = { "cse_base" }, children = { "subscription" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cstn",
    { "los", kinds.enum("a location source", { 1, 2, 3 }), create = "M", update = "-",
      announced = "OA" },
    { "lit", kinds.enum("a location information type", { 1, 2 }), create = "O", update = "O",
      one = true, announced = "OA" },
    { "lou", "duration", list = 1, create = "O", update = "O", announced = "OA" },
    { "lot", "string", create = "O", update = "-", announced = "OA" },
    { "lor", "uri", create = "O", update = "-", announced = "OA" },
    { "loi", "uri", create = "-", update = "-", announced = "OA" },
    { "lon", "name", create = "O", update = "-", announced = "OA" },
    { "lost", "string", create = "-", update = "-", announced = "OA" },
    { "gta", area, create = "O", update = "O", announced = "OA" },
    { "gec", kinds.enum("a geofence event", { 1, 2, 3, 4 }), create = "O", update = "O",
      announced = "OA" },
    { "aid", "string", create = "O", update = "-", announced = "OA" },
    { "rlkl", "bool", create = "O", update = "O", announced = "OA" },
    { "luec", kinds.enum("a location update event", { 0 }), create = "O", update = "O",
      announced = "OA" },
  },
}
