-- The fewest bytes: each reading is a binary frame with the CBOR array [path, seconds, value].
-- Run it:  moon2m run apps/cbor_minimal.lua
-- Then:    new WebSocket(url, "cbor_minimal") with binaryType "arraybuffer", or the label
--          "format:cbor_minimal" in a subscription
local cse = require "moon2m"

cse.format("cbor_minimal", function(n)
  local con = n.res.con
  if con == nil then return nil end               -- the event is no reading: nothing to send
  if type(con) == "string" then con = tonumber(con) or con end
  return cse.cbor { n.to, cse.epoch(n.res.ct), con }, "application/cbor"
end, { binary = true })
