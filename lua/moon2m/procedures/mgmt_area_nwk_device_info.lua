-- areaNwkDeviceInfo: area_network.lua keeps the ldv of its network.

local core = require "moon2m.core.json"
local area_network = require "moon2m.area_network"

local function joined(r)
  area_network.joined(r.ri, core.string(r.raw.awi))
end

local function left(r, raw)
  area_network.left(r.ri, core.string(raw.awi))
end

local function committed(r, old)
  if old and old.awi == r.raw.awi then return end
  if old then left(r, old) end
  joined(r)
end

return { committed = committed, deleted = function(r) left(r, r.raw) end }
