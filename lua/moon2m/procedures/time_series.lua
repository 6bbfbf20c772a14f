-- timeSeries: its counters, and what is missing of it, which series.lua watches for.
--
-- cni, cbs and lt are fields of the resource object; mdlt and mdc are written by series.lua.

local series = require "moon2m.series"

local function create(_, _, new)
  new.raw.mdc = "0"
  return true
end

-- Detection that begins has found nothing yet; one that ends leaves what it found.
local function update(_, r, new)
  local mdd = new.values.mdd
  if mdd == true and r.raw.mdd ~= "true" then
    new.raw.mdc = "0"
    if r.raw.mdlt then new.raw.mdlt = "null" end
  end
  return true
end

local function applied(r, new)
  return new.values.mdd ~= nil and series.reset(r) or nil
end

local function peid(r)
  return r.raw.peid or r.raw.pei and ("%.0f"):format(series.tolerance(r)) or nil
end

return {
  getters = { peid = peid },
  create = create, update = update, applied = applied,
  arrives = series.arrives, refused = series.refused,
}
