-- The raw notification format of the model test: what a reader needs to know which event it is.
local cse = require "moon2m"

cse.format("line", function(n)
  return cse.json { sur = n.sur, con = n.res.con, lbl = n.res.lbl and n.res.lbl[1],
    net = n.event.net }
end)
