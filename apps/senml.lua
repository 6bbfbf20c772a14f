-- SenML (RFC 8428) bodies for subscriptions that carry the label "format:senml".
-- Run it:  moon2m run apps/senml.lua
local cse = require "moon2m"

cse.format("senml", function(n)
  return cse.json { {
    bn = n.to .. "/", n = n.res.rn,
    v = tonumber(n.res.con), u = "Cel",
  } }, "application/senml+json"
end)
