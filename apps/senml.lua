-- SenML (RFC 8428): a record for each value of a reading, the container's path as base name.
-- For subscriptions with the label "format:senml", and for everything that a connection gets which
-- asked for it: new WebSocket(url, "senml").
-- Run it:  moon2m run apps/senml.lua
-- Then:    . apps/try.sh; cse_make /dev/temp; cse_watch /dev/temp senml
-- and      cse_add /dev/temp 21.5                  in another terminal, after . apps/try.sh
local cse = require "moon2m"

local function record(name, value)
  if tonumber(value) then return { n = name, v = tonumber(value) } end
  if type(value) == "boolean" then return { n = name, vb = value } end
  return { n = name, vs = type(value) == "string" and value or cse.json(value) }
end

cse.format("senml", function(n)
  local con, pack = n.res.con, {}
  if con == nil then return nil end               -- the event is no reading: nothing to send
  for name, value in pairs(type(con) == "table" and con or { [""] = con }) do
    table.insert(pack, record(name ~= "" and "/" .. name or nil, value))
  end
  table.sort(pack, function(a, b) return (a.n or "") < (b.n or "") end)
  if not pack[1] then return nil end
  pack[1].bn, pack[1].bt = n.to:sub(2), cse.epoch(n.res.ct)
  return cse.json(pack), "application/senml+json"
end)
