-- The fewest bytes: each reading is a binary frame with the CBOR array [path, seconds, value].
-- Run it:  moon2m run apps/cbor_minimal.lua
-- Then:    . apps/try.sh; cse_make /dev/temp; cse_watch /dev/temp cbor_minimal
-- and      cse_add /dev/temp 21.5                  in another terminal, after . apps/try.sh
-- It is for connections that ask for it, new WebSocket(url, "cbor_minimal") with binaryType
-- "arraybuffer", and for subscriptions with the label "format:cbor_minimal".
local cse = require "moon2m"

cse.format("cbor_minimal", function(n)
  local con = n.res.con
  if con == nil then return nil end               -- the event is no reading: nothing to send
  if type(con) == "string" then con = tonumber(con) or con end
  return cse.cbor { n.to, cse.epoch(n.res.ct), con }, "application/cbor"
end, { binary = true })
