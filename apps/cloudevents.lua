-- CloudEvents 1.0 in JSON, structured mode: what event routers, brokers and functions take as is.
-- Every kind of event, not readings only; `data` is the resource.
-- Run it:  moon2m run apps/cloudevents.lua
-- Then:    . apps/try.sh; cse_make /dev/temp; cse_watch /dev/temp cloudevents
-- and      cse_add /dev/temp 21.5                  in another terminal, after . apps/try.sh
-- It is for subscriptions with the label "format:cloudevents", whose `nu` may be the URL of an
-- event router, and for connections that ask for it, new WebSocket(url, "cloudevents").
local cse = require "moon2m"

cse.format("cloudevents", function(n)
  local seconds = math.floor(n.at / 1e6)
  return cse.json {
    specversion = "1.0",
    id = ("%.0f.%s"):format(n.at, n.event.op),    -- ascending: n.at is given to one event only
    source = n.to,
    type = "org.onem2m.resource." .. n.event.op,
    subject = type(n.res) == "table" and n.res.rn or nil,
    time = os.date("!%Y-%m-%dT%H:%M:%S", seconds) .. (".%06dZ"):format(n.at - seconds * 1e6),
    datacontenttype = "application/json",
    data = n.res,
  }, "application/cloudevents+json"
end)
