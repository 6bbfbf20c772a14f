-- timeSeries (TS-0001 9.6.36, TS-0004 7.4.38): holds values of known times, the newest reached as
-- "la", the oldest as "ol", bounded by mni, mbs and mia as a container is.  With mdd and pei the
-- values are expected every pei ms, each within peid around its time; those that are not there
-- mdt ms after their time are missing: series.lua watches for them.

local kinds = require "moon2m.kinds"
local rsc = require "moon2m.rsc"

local after = kinds.after

-- What the detection rests on: fixed as long as it runs.
local FIXED = { "mdt", "mdn", "pei", "peid" }

local function bad(...) return rsc.err(rsc.BAD_REQUEST, ...) end

local function check_fixed(values, r)
  for _, name in ipairs(FIXED) do
    if values[name] ~= nil and values.mdd ~= nil then
      return bad("mdd: cannot be updated together with %s", name)
    end
    if values[name] ~= nil and r.mdd then
      return bad("%s: cannot be updated while mdd is true", name)
    end
  end
end

-- The rules of TS-0004 7.4.38.2.1 and 7.4.38.2.3.
local function check(values, r)
  local e = r and check_fixed(values, r)
  if e then return e end
  local pei, peid, mdt = after(values, r, "pei"), after(values, r, "peid"), after(values, r, "mdt")
  if pei and peid and peid > pei / 2 then
    return bad("peid: %d is more than half of pei, %d", peid, pei)
  end
  if after(values, r, "mdd") and not mdt then return bad("mdt: missing, mdd needs it") end
  if mdt and peid and mdt <= peid then
    return bad("mdt: %d is not more than peid, %d", mdt, peid)
  end
end

return {
  ty = 29, name = "time_series", short = "m2m:ts", instances = "time_series_instance",
  parents = { "cse_base", "ae", "container", "remote_cse", "flex_container" },
  children = { "time_series_instance", "subscription" },
  virtual = { la = "latest", ol = "oldest" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast",
    "cr", "cstn", "loc",
    { "mni", "uint", create = "O", update = "O", announced = "OA" },
    { "mbs", "uint", create = "O", update = "O", announced = "OA" },
    { "mia", "uint", create = "O", update = "O", announced = "OA" },
    { "cni", "uint", create = "-", update = "-" },
    { "cbs", "uint", create = "-", update = "-" },
    { "pei", "posint", create = "O", update = "O", announced = "OA" },
    { "peid", "uint", create = "O", update = "O", announced = "OA" },
    { "mdd", "bool", create = "O", update = "O" },
    { "mdn", "posint", create = "O", update = "O", announced = "OA" },
    { "mdlt", "timestamp", list = 1, create = "-", update = "-" },
    { "mdc", "uint", create = "-", update = "-" },
    { "mdt", "posint", create = "O", update = "O", announced = "OA" },
    { "or", "uri", create = "O", update = "O", announced = "OA" },
    { "cnf", "cnf", create = "O", update = "-", announced = "OA" },
  },
}
