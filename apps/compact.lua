-- One line of text per reading: the container's path, when, and the value (members of an object as
-- name=value).  The least a device has to parse:  /pump/level 20261124T100535,655118 21.50
-- Run it:  moon2m run apps/compact.lua
-- Then:    . apps/try.sh; cse_make /dev/temp; cse_watch /dev/temp compact
-- and      cse_add /dev/temp 21.5                  in another terminal, after . apps/try.sh
-- It is for connections that ask for it, new WebSocket(url, "compact"), and for subscriptions with
-- the label "format:compact".
local cse = require "moon2m"

local function text(value)
  return type(value) == "string" and value:gsub("%s+", " ") or cse.json(value)
end

cse.format("compact", function(n)
  local con = n.res.con
  if con == nil then return nil end               -- the event is no reading: nothing to send
  if type(con) ~= "table" then
    return ("%s %s %s\n"):format(n.to, n.res.ct, text(con)), "text/plain"
  end
  local parts = {}
  for name, value in pairs(con) do table.insert(parts, name .. "=" .. text(value)) end
  table.sort(parts)
  return ("%s %s %s\n"):format(n.to, n.res.ct, table.concat(parts, " ")), "text/plain"
end)
