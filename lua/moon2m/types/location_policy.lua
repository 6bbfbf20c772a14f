-- locationPolicy (TS-0001 9.6.10, 10.2.9; TS-0004 7.4.10): where the device of its creator is, in a
-- container of its own (loi), which comes and goes with it.  Device based (los 2) only: the creator
-- is an AE that keeps its loc.  location.lua does it.

local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local sys = require "moon2m.core.sys"

local DEVICE, GEOFENCE = 2, 2
local LEAST = 100000             -- us

local after = schema.after

local function bad(...) return rsc.err(rsc.BAD_REQUEST, ...) end

-- The library needs the tree, which needs the types.
local function location() return require "moon2m.location" end

local period = schema.string_kind(nil, "a duration (string)", function(s)
  local us = sys.parse_duration(s)
  if not us then return nil, "not a duration (PnYnMnDTnHnMnS)" end
  if us > 0 and us < LEAST then return nil, ("at least %g s are needed"):format(LEAST / 1e6) end
  return us
end)

local area = schema.kind(nil, "an area (object, array or string)", function(raw)
  local shape, why = location().area(raw)
  return shape and raw, why
end, "any")

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
end

return {
  ty = 10, name = "location_policy", short = "m2m:lcp",
  parents = { "cse_base" }, children = { "subscription" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cstn",
    { "los", schema.enum("a location source", { 1, 2, 3 }), create = "M", update = "-",
      announced = "OA" },
    { "lit", schema.enum("a location information type", { 1, 2 }), create = "O", update = "O",
      one = true, announced = "OA" },
    { "lou", period, list = 1, create = "O", update = "O", announced = "OA" },
    { "lot", "string", create = "O", update = "-", announced = "OA" },
    { "lor", "uri", create = "O", update = "-", announced = "OA" },
    { "loi", "uri", create = "-", update = "-", announced = "OA" },
    { "lon", "name", create = "O", update = "-", announced = "OA" },
    { "lost", "string", create = "-", update = "-", announced = "OA" },
    { "gta", area, create = "O", update = "O", announced = "OA" },
    { "gec", schema.enum("a geofence event", { 1, 2, 3, 4 }), create = "O", update = "O",
      announced = "OA" },
    { "aid", "string", create = "O", update = "-", announced = "OA" },
    { "rlkl", "bool", create = "O", update = "O", announced = "OA" },
    { "luec", schema.enum("a location update event", { 0 }), create = "O", update = "O",
      announced = "OA" },
  },
}
