-- areaNwkDeviceInfo (TS-0001 D.6, TS-0004 D.6): a device in an area network; awi is the areaNwkInfo
-- of the network, whose ldv has this device as long as it does (area_network.lua).  sli and sld in
-- seconds.

local core = require "moon2m.core.json"

-- area_network.lua needs the tree, which needs the types: it is there when a hook is called.
local function joined(r)
  require("moon2m.area_network").joined(r.ri, core.string(r.raw.awi))
end

local function left(r, raw)
  require("moon2m.area_network").left(r.ri, core.string(raw.awi))
end

local function committed(r, old)
  if old and old.awi == r.raw.awi then return end
  if old then left(r, old) end
  joined(r)
end

return {
  ty = 13, mgd = 1005, name = "mgmt_area_nwk_device_info", short = "m2m:andi",
  committed = committed, deleted = function(r) left(r, r.raw) end,
  attrs = {
    { "dvd", "string", create = "M", update = "O" },
    { "dvt", "string", create = "M", update = "O" },
    { "awi", "uri", create = "M", update = "O" },
    { "sli", "uint", create = "O", update = "O" },
    { "sld", "uint", create = "O", update = "O" },
    { "ss", "string", create = "O", update = "O" },
    { "lnh", "uri", list = 1, create = "O", update = "O" },
  },
}
