-- timeSyncBeacon: what the client left open, and one beacon for each requester; beacon.lua tells
-- the time.

local beacon = require "moon2m.beacon"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"

local PERIODIC, LOSS = 1, 2
local INTERVAL, THRESHOLD = '"PT1H"', '"PT10S"'

local function create(_, _, new)
  local values, raw = new.values, new.raw
  if values.bcnc == PERIODIC then
    raw.bcni = raw.bcni or INTERVAL
  else
    raw.bcnt = raw.bcnt or THRESHOLD
  end
  if values.bcnc == LOSS and beacon.watches(path.originator(values.bcnr)) then
    return nil, rsc.err(rsc.BAD_REQUEST,
      "bcnr: there is a beacon for the loss of synchronization of %s", values.bcnr)
  end
  return true
end

-- A duration that is removed is the CSE's choice again.
local function update(_, r, new)
  for name, default in pairs { bcni = INTERVAL, bcnt = THRESHOLD } do
    if new.raw[name] == "null" and r.raw[name] then new.raw[name] = default end
  end
  return true
end

return { create = create, update = update, committed = function(r) beacon.set(r) end }
