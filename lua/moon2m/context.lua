-- Access control contexts (`acco`, TS-0001 9.6.2.2): time windows, addresses of the requester,
-- regions.  An entry holds when all its members hold; what cannot be told (the country, the place
-- of who does not say where it is, users, criteria, limits) never holds, so it never grants.  Pure
-- functions.

local bit = require "bit"
local schedule = require "moon2m.schedule"

local context = {}

-- An address as 16-bit groups: 2 for IPv4, 8 for IPv6; nil when it is neither.
local function groups_v4(text)
  local a, b, c, d = text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  if not a or a > 255 or b > 255 or c > 255 or d > 255 then return nil end
  return { a * 256 + b, c * 256 + d }
end

local function hex_groups(text)
  local g = {}
  if text == "" then return g end
  for part in (text .. ":"):gmatch("([^:]*):") do
    if not part:match("^%x%x?%x?%x?$") then return nil end
    g[#g + 1] = tonumber(part, 16)
  end
  return g
end

local function groups_v6(text)
  if not text:find(":", 1, true) then return nil end
  local head, tail = text:match("^(.-)::(.*)$")
  local a, b = hex_groups(head or text), hex_groups(tail or "")
  if not a or not b or (head and #a + #b > 7) or (not head and #a ~= 8) then return nil end
  for _ = #a + #b + 1, 8 do a[#a + 1] = 0 end
  for _, v in ipairs(b) do a[#a + 1] = v end
  return a
end

local function groups(text)
  local v4 = text:match("^::ffff:(%d+%.%d+%.%d+%.%d+)$")
  return groups_v4(v4 or text) or groups_v6(text)
end

local function in_network(addr, network)
  local base, len = network:match("^([^/]+)/(%d+)$")
  local net = groups(base or network)
  if not net or #net ~= #addr then return false end
  len = tonumber(len) or #net * 16
  for i = 1, #net do
    local bits = math.max(0, math.min(16, len - (i - 1) * 16))
    local mask = 65536 - 2 ^ (16 - bits)
    if bit.band(addr[i], mask) ~= bit.band(net[i], mask) then return false end
  end
  return true
end

local function any_network(addr, list)
  for _, network in ipairs(list or {}) do
    if in_network(addr, network) then return true end
  end
  return false
end

--- Whether an address ("192.0.2.7", "2001:db8::1") is in the networks of { ipv4 = {..}, ipv6 = {..}
-- }.
function context.address(acip, peer)
  local addr = peer and groups(peer)
  return addr ~= nil and (any_network(addr, acip.ipv4) or any_network(addr, acip.ipv6))
end

local function any_window(actw, now)
  for _, text in ipairs(actw) do
    local s = schedule.parse(text)
    if s and schedule.covers(s, now / 1e6) then return true end
  end
  return false
end

local EARTH = 6371008.8          -- m, mean radius

-- Metres between two points, degrees.
local function distance(lat1, lon1, lat2, lon2)
  local sin, cos, rad = math.sin, math.cos, math.rad
  local dlat, dlon = rad(lat2 - lat1) / 2, rad(lon2 - lon1) / 2
  local h = sin(dlat) ^ 2 + cos(rad(lat1)) * cos(rad(lat2)) * sin(dlon) ^ 2
  return 2 * EARTH * math.asin(math.min(1, math.sqrt(h)))
end

--- Whether a point { longitude, latitude } is in a region { accr = { latitude, longitude, metres }
-- }. A country code never holds: nothing tells where countries end.
function context.region(aclr, point)
  local lon, lat = tonumber(point and point[1]), tonumber(point and point[2])
  local circle = aclr.accr
  if aclr.accc or not circle or not lon or not lat then return false end
  return distance(lat, lon, circle[1], circle[2]) <= circle[3]
end

--- Whether one entry of acco holds for a requester at address `peer` and place `point` ({
-- longitude, latitude } or nil), at `now` (microseconds).
function context.holds(entry, peer, now, point)
  if entry.acui ~= nil or entry.acec ~= nil or entry.acl ~= nil then return false end
  if entry.aclr and not context.region(entry.aclr, point) then return false end
  if entry.actw and not any_window(entry.actw, now) then return false end
  return not entry.acip or context.address(entry.acip, peer)
end

return context
