-- A house in one script: rooms send "kitchen,21.5,46" (temperature, humidity) by UDP and are told
-- "heat 21"; set points follow the time of day; today's extremes stand beside each reading.
-- Run it:  moon2m run apps/home_gateway.lua
-- Then:    socat - UDP:127.0.0.1:5701              and type  kitchen,19.5,46
--          . apps/try.sh; cse_get /home/summary    in another terminal
--          cse_add /home/kitchen/target 22
-- and      socat shows "heat 22".
local cse = require "moon2m"

local cfg = cse.config { port = 5701, day = 21, night = 17, keep = 10000,
  residents = { "Cresident" } }           -- originators that may read the rooms and set targets
local state = cse.state { rooms = {}, today = {} }          -- room -> address; path -> extremes

-- ---- sensors ------------------------------------------------------------------------------------

local sock = cse.udp(cfg.port, function(data, from)
  local room, temp, hum = data:match("^(%w+),(-?[%d.]+),([%d.]+)%s*$")
  if not room then return cse.log.warn("%s: no reading: %q", from, data) end
  local known, base = state.rooms[room], "/home/" .. room
  state.rooms[room] = from
  if not known then assert(cse.ensure(base .. "/target", "container", { mni = 100 })) end
  for name, value in pairs { temp = temp, humidity = hum } do
    assert(cse.ensure(base .. "/" .. name, "container", { mni = cfg.keep }))
    assert(cse.add(base .. "/" .. name, tonumber(value)))
  end
end)

-- ---- what follows from a reading ----------------------------------------------------------------

cse.on("create", "/home/*/temp", function(ev)
  local v, day = tonumber(ev.res.con), os.date("%Y-%m-%d")
  if not v then return end
  local t = state.today[ev.to]
  if not t or t.day ~= day then t = { day = day, min = v, max = v } end
  t.min, t.max = math.min(t.min, v), math.max(t.max, v)
  state.today[ev.to] = t
  cse.ensure(ev.to .. "-today", "container", { mni = 366 })
  cse.add(ev.to .. "-today", t)
end)

cse.virtual("/home/summary", function()
  local rooms = {}
  for room in pairs(state.rooms) do
    local temp, target = cse.latest("/home/" .. room .. "/temp"),
      cse.latest("/home/" .. room .. "/target")
    rooms[room] = { temp = temp and temp.con, target = target and target.con }
  end
  return { con = rooms }
end)

-- ---- commands -----------------------------------------------------------------------------------

cse.check("create", "/home/*/target", function(req)
  local v = req.ty == 4 and tonumber(req.pc.con)
  if not (v and v >= 5 and v <= 30) then return false, "a target is a number from 5 to 30" end
end)

cse.on("create", "/home/*/target", function(ev)
  local to = state.rooms[ev[1]] or error("no address yet of " .. ev[1])
  local ok, err = sock:send(to, "heat " .. ev.res.con)
  if not ok then error(err.msg) end
end)

local function everywhere(target)
  for room in pairs(state.rooms) do cse.add("/home/" .. room .. "/target", target) end
end

cse.at("06:30", function() everywhere(cfg.day) end)
cse.at("22:00", function() everywhere(cfg.night) end)

-- ---- who may, and in which form -----------------------------------------------------------------

cse.policy("/home/**", function(req)
  for _, who in ipairs(cfg.residents) do
    if req.fr == who then
      return req.op == "retrieve" or req.op == "create" and (req.ty == 23 or
        req.to:match("/target$") ~= nil), "residents read, subscribe and set targets"
    end
  end
end)

-- One line per reading: "kitchen temp 19.5", for a display.
cse.format("home", function(n)
  local room, what = n.to:match("^/home/([^/]+)/([^/]+)$")
  if not room or type(n.res.con) ~= "number" then return nil end
  return ("%s %s %g"):format(room, what, n.res.con), "text/plain"
end)
