-- timeSyncBeacon (Release 4; notices m2m:tsbn): tells the time of this CSE to whoever bcnu names.
-- bcnc 1: every bcni.  bcnc 2: when the requests of bcnr carry a time (ot) that is off by more than
-- bcnt.  beacon.lua does it.

local kinds = require "moon2m.kinds"
local rsc = require "moon2m.rsc"

local PERIODIC, LOSS = 1, 2
local LEAST = 100000             -- us

local after = kinds.after

local function bad(...) return rsc.err(rsc.BAD_REQUEST, ...) end

-- What goes with which criterion.
local function check(values, r)
  local periodic = after(values, r, "bcnc") == PERIODIC
  if periodic and after(values, r, "bcnt") then return bad("bcnt: goes with bcnc 2 only") end
  if periodic and after(values, r, "bcnr") then return bad("bcnr: goes with bcnc 2 only") end
  if not periodic and after(values, r, "bcni") then return bad("bcni: goes with bcnc 1 only") end
  if not periodic and not after(values, r, "bcnr") then
    return bad("bcnr: missing, bcnc 2 needs it")
  end
  local bcni = after(values, nil, "bcni")
  if bcni and bcni < LEAST then return bad("bcni: at least %g s are needed", LEAST / 1e6) end
end

return {
  ty = 60, name = "time_sync_beacon", short = "m2m:tsb",
  parents = { "cse_base", "ae", "remote_cse" }, children = { "subscription" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cstn",
    { "bcnr", "id", create = "O", update = "-", announced = "OA" },
    { "bcnc", kinds.enum("a beacon criterion", { PERIODIC, LOSS }), create = "M", update = "O",
      announced = "OA" },
    { "bcni", "duration", create = "O", update = "O", announced = "OA" },
    { "bcnt", "duration", create = "O", update = "O", announced = "OA" },
    { "bcnu", "uri", list = 1, create = "M", update = "O", announced = "OA" },
  },
}
