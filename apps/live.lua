-- A page that shows readings as a live chart.  The page is a full AE: it registers itself, opens
-- the WebSocket it is told, subscribes, and acknowledges what arrives.
-- Run it:  moon2m run -c apps/demo.conf.lua apps/host_metrics.lua apps/live.lua
-- Then:    open http://127.0.0.1:8080/live and click once
-- Any notification service URL works too: paste it, or open /live#ws://127.0.0.1:8080/notify/TOKEN
local cse = require "moon2m"

-- Which containers the first click shows, and what the button says.
local cfg = cse.config {
  show = { "host/load", "host/memory", "host/network" },
  button = "Show this host's load",
}

cse.page("/live", "live.html")
cse.page("/live.json", { text = cse.json { show = cse.array(cfg.show), button = cfg.button } },
  "application/json")
