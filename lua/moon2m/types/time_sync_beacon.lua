-- timeSyncBeacon (Release 4; notices m2m:tsbn): tells the time of this CSE to whoever bcnu names.
-- bcnc 1: every bcni.  bcnc 2: when the requests of bcnr carry a time (ot) that is off by more than
-- bcnt.  beacon.lua does it.

local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local sys = require "moon2m.core.sys"

local PERIODIC, LOSS = 1, 2
local LEAST = 100000             -- us

local after = schema.after

local function bad(...) return rsc.err(rsc.BAD_REQUEST, ...) end

local function duration(least)
  return schema.string_kind(nil, "a duration (string)", function(s)
    local us = sys.parse_duration(s)
    if not us then return nil, "not a duration (PnYnMnDTnHnMnS)" end
    if us < least then return nil, ("at least %g s are needed"):format(least / 1e6) end
    return us
  end)
end

-- What goes with which criterion.
local function check(values, r)
  local periodic = after(values, r, "bcnc") == PERIODIC
  if periodic and after(values, r, "bcnt") then return bad("bcnt: goes with bcnc 2 only") end
  if periodic and after(values, r, "bcnr") then return bad("bcnr: goes with bcnc 2 only") end
  if not periodic and after(values, r, "bcni") then return bad("bcni: goes with bcnc 1 only") end
  if not periodic and not after(values, r, "bcnr") then
    return bad("bcnr: missing, bcnc 2 needs it")
  end
end

return {
  ty = 60, name = "time_sync_beacon", short = "m2m:tsb",
  parents = { "cse_base", "ae", "remote_cse" }, children = { "subscription" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cstn",
    { "bcnr", "id", create = "O", update = "-", announced = "OA" },
    { "bcnc", schema.enum("a beacon criterion", { PERIODIC, LOSS }), create = "M", update = "O",
      announced = "OA" },
    { "bcni", duration(LEAST), create = "O", update = "O", announced = "OA" },
    { "bcnt", duration(0), create = "O", update = "O", announced = "OA" },
    { "bcnu", "uri", list = 1, create = "M", update = "O", announced = "OA" },
  },
}
