-- Bridges "id,temp,humidity" datagrams to containers, and commands back.
-- Run it:  moon2m run apps/udp_plant.lua
-- Then:    echo -n pump1,20.5,41 | socat -t 60 - UDP:127.0.0.1:5700 &
--          . apps/try.sh; cse_get /plant/pump1/temp/la
--          cse_make /plant/pump1/cmd; cse_add /plant/pump1/cmd open
-- and      socat shows "open", and "poll" after half a minute.
local cse = require "moon2m"
local cfg = cse.config { port = 5700, poll = 30 }
local devices = cse.state { devices = {} }.devices          -- survives a reload

local sock = cse.udp(cfg.port, function(data, from)
  local id, temp, hum = data:match("^(%w+),(-?[%d.]+),([%d.]+)$")
  if not id then return cse.log.warn("bad datagram from %s: %q", from, data) end
  devices[id] = from
  for name, value in pairs { temp = temp, humidity = hum } do
    local path = "/plant/" .. id .. "/" .. name
    cse.ensure(path, "container", { mni = 1000 })
    cse.add(path, value)
  end
end)

cse.on("create", "/plant/*/cmd", function(ev)
  local addr = devices[ev[1]] or error("no address yet for device " .. ev[1])
  sock:send(addr, ev.res.con)
end)

cse.every(cfg.poll, function()
  for _, addr in pairs(devices) do sock:send(addr, "poll") end
end)
