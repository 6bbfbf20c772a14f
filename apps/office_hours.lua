-- Readings under /home are open from 08 to 18; who made a resource may always reach it.
-- Run it:  moon2m run apps/office_hours.lua
-- Then:    . apps/try.sh; cse_make /home/temp; cse_add /home/temp 21; cse_register Cguest
--          FROM=Cguest cse_get /home/temp/la       answers from 08 to 18
--          FROM=Cguest cse_add /home/temp 99       never does
local cse = require "moon2m"

cse.policy("/home/**", function(req, res)
  if req.fr == res.cr then return true end
  if req.op == "retrieve" then
    local hour = tonumber(os.date("%H", req.time))
    return hour >= 8 and hour < 18, "readings are open from 08 to 18"
  end
end)                                      -- nil: no opinion, the resource's ACPs decide
