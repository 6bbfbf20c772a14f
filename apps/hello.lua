-- The smallest script: a container, a reading every five seconds, and a line in the log for each.
-- Run it:  moon2m run apps/hello.lua
-- Then:    . apps/try.sh                           for the shell functions cse_get, cse_add, ...
--          cse_get /hello/la
local cse = require "moon2m"

cse.start(function()
  cse.ensure("/hello", "container", { mni = 100 })
end)

cse.every(5, function()
  cse.add("/hello", os.date("%H:%M:%S"))
end)

cse.on("create", "/hello", function(ev)
  cse.log.info("hello, the time is %s", ev.res.con)
end)
