-- A notification format of raw frames: what a device that knows its subscriptions wants to read.
local cse = require "moon2m"

cse.format("compact", function(n)
  return cse.json { to = n.to, con = n.res.con }
end)
