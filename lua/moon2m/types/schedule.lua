-- schedule (TS-0001 9.6.9, TS-0004 7.4.9): when what it belongs to is active.  Of a subscription or
-- a crossResourceSubscription: its notifications leave while an entry covers the time, and pn says
-- what becomes of the others.  Of a node: the AEs and the CSE on it can be reached then.  Of the
-- CSEBase: what others are told of this CSE; at most one.

local rsc = require "moon2m.rsc"
local schedule = require "moon2m.schedule"
local schema = require "moon2m.schema"

local CSE_BASE, NODE, SCHEDULE, SUBSCRIPTION, CROSS = 5, 14, 18, 23, 48
local NAME = "notificationSchedule"

local entry = schema.string_kind(nil, "a schedule entry (string)", function(s)
  local ok, why = schedule.parse(s)
  if not ok then return nil, why end
  return s
end)

local element = schema.object("a schedule element (object)", {
  { "sce", entry, list = 1, required = true },
})

-- nco is for the schedules of nodes; this CSE coordinates with no network.
local function check_nco(values, parent)
  if values.nco == nil then return nil end
  if parent.ty ~= NODE then
    return rsc.err(rsc.CONTENTS_UNACCEPTABLE, "nco: only the schedule of a node has it")
  end
  if values.nco == true then
    return rsc.err(rsc.NOT_IMPLEMENTED,
      "nco: coordination with a network is not supported by this CSE")
  end
end

-- The schedule of what notifies has a name of its own.
local function check_name(new)
  local rn = new.values.rn
  if rn and rn ~= NAME then
    return rsc.err(rsc.BAD_REQUEST, "rn: the schedule of a subscription is named %s", NAME)
  end
  new.rn = NAME
end

local function create(ctx, parent, new)
  local e = check_nco(new.values, parent)
  if e then return nil, e end
  if parent.ty == SUBSCRIPTION or parent.ty == CROSS then e = check_name(new) end
  if e then return nil, e end
  if parent.ty == CSE_BASE and ctx.tree.children(parent, SCHEDULE)() then
    return nil, rsc.err(rsc.BAD_REQUEST, "a CSEBase has one schedule at most")
  end
  return true
end

local function update(ctx, r, new)
  local parent = ctx.tree.parent(r)
  local e = parent and check_nco(new.values, parent)
  if e then return nil, e end
  return true
end

return {
  ty = 18, name = "schedule", short = "m2m:sch",
  parents = { "cse_base" }, children = { "subscription" },
  create = create, update = update,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa",
    "ast", "cstn",
    { "se", element, create = "M", update = "O", announced = "OA" },
    { "nco", "bool", create = "O", update = "O", announced = "OA" },
  },
}
