-- crossResourceSubscription (TS-0001 9.6.58, TS-0004 7.4.58): tells its targets when subscriptions
-- to several resources have had events within one time window.  The shape and the rules of the
-- attributes; making the subscriptions, the windows and the notices are cross.lua's.

local kinds = require "moon2m.kinds"
local protocols = require "moon2m.types.protocols"
local rsc = require "moon2m.rsc"
local subscription = require "moon2m.types.subscription"

local after, enum = kinds.after, kinds.enum

local PERIODIC = 1
local SOME_MISSING, ALL_MISSING = 3, 4
local MAX_RESOURCES = 64         -- rrat and srat together
local MAX_WINDOW = 10 * 365 * 86400 * 1e6

-- The kind and other fields of an attribute that is the same as in a subscription.
local function as_in_subscription(name)
  for _, row in ipairs(subscription.attrs) do
    if row[1] == name then return row[2] end
  end
  error("a subscription has no attribute " .. name)
end

local function bad(...) return rsc.err(rsc.BAD_REQUEST, ...) end

local function check_resources(values)
  local rrat, srat, encs = values.rrat, values.srat, values.encs
  if not rrat and not srat then return bad("rrat: one of rrat and srat is needed") end
  if (rrat and #rrat or 0) + (srat and #srat or 0) > MAX_RESOURCES then
    return bad("rrat: more than %d resources in rrat and srat", MAX_RESOURCES)
  end
  if not rrat then return encs and bad("encs: goes with rrat") or nil end
  if not encs then return bad("encs: missing, rrat needs it") end
  if #encs ~= 1 and #encs ~= #rrat then
    return bad("encs: one for all, or one for each of the %d in rrat, got %d", #rrat, #encs)
  end
end

local function check_window(tws)
  if tws == 0 then return bad("tws: longer than nothing is needed") end
  if tws and tws > MAX_WINDOW then return bad("tws: longer than ten years") end
end

local function check(values, r)
  local eem = after(values, r, "eem")
  if (eem == SOME_MISSING or eem == ALL_MISSING) and after(values, r, "twt") ~= PERIODIC then
    return bad("eem: %d goes with periodic windows (twt 1) only", eem)
  end
  return check_window(after(values, nil, "tws")) or protocols.refused(values)
    or not r and check_resources(values) or nil
end

return {
  ty = 48, name = "cross_resource_subscription", short = "m2m:crs",
  parents = { "ae", "cse_base" },
  children = { "schedule" },
  virtual = { ntsr = "notificationTargetSelfReference" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "cr", "cstn",
    { "rrat", "uri", list = 1, create = "O", update = "-" },
    { "srat", "uri", list = 1, create = "O", update = "-" },
    { "rrats", "uri", list = 1, create = "-", update = "-" },
    { "twt", enum("a time window type", { 1, 2 }), create = "M", update = "O" },
    { "tws", "duration", create = "M", update = "O" },
    { "encs", as_in_subscription("enc"), list = 1, create = "O", update = "-" },
    { "nec", as_in_subscription("nec"), create = "O", update = "-" },
    { "exc", "posint", create = "O", update = "O" },
    { "nu", "uri", list = 1, create = "M", update = "O" },
    { "su", "uri", create = "O", update = "-" },
    { "eem", enum("an event evaluation mode", { 1, 2, 3, 4, 5 }), create = "O", update = "O" },
    { "nse", "bool", create = "O", update = "O" },
    { "nsi", "any", create = "-", update = "-" },
  },
}
