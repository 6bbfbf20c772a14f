-- Area networks (TS-0004 D.6.2): the areaNwkInfo that the awi of an areaNwkDeviceInfo names has
-- that device in its ldv, as long as both are there.
-- Guarantees: ldv is changed by one task at a time per areaNwkInfo; a crash between the change of a
-- device and that of its network is not made good.  An awi that names no areaNwkInfo of this CSE is
-- kept and has no effect.

local json = require "moon2m.json"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local MGMT_OBJ, AREA_NWK_INFO = 13, 1004

local area_network = {}

local function network(awi)
  local n = tree.resolve(awi)
  return n and n.ty == MGMT_OBJ and tree.value(n, "mgd") == AREA_NWK_INFO and n or nil
end

-- ldv with or without a device as JSON text, nil when nothing is left; false: as it was.
local function list_with(n, ri, there)
  local list, found = json.array {}, false
  for _, address in ipairs(tree.value(n, "ldv") or {}) do
    if address == ri then found = true else list[#list + 1] = address end
  end
  if found == there then return false end
  if there then list[#list + 1] = ri end
  return list[1] and json.encode(list) or nil
end

local function put(ri, awi, there)
  local n = network(awi)
  local text = n and list_with(n, ri, there)
  if n and text ~= false then write.attribute(n, "ldv", text) end
end

--- The areaNwkDeviceInfo with that identifier is in the network at an address.  Yields.
function area_network.joined(ri, awi)
  put(ri, awi, true)
end

--- It is not in that network any more.  Yields.
function area_network.left(ri, awi)
  put(ri, awi, false)
end

return area_network
