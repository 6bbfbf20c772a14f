-- The smallest script: a container, a reading every five seconds, and a line in the log for each.
-- Run it:  moon2m run apps/hello.lua
-- Then:    curl -H 'X-M2M-Origin: CAdmin' -H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3' \
--            http://127.0.0.1:8080/moon/hello/la
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
