-- schedule: what depends on whose it is.

local rsc = require "moon2m.rsc"

local CSE_BASE, NODE, SCHEDULE, SUBSCRIPTION, CROSS = 5, 14, 18, 23, 48
local NAME = "notificationSchedule"

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

return { create = create, update = update }
