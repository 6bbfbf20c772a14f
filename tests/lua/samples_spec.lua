-- The sample scripts of the handler API's description, letter by letter: they load, and do what
-- their first line says.

local t = require "moon2m.test"

local SENML = [[
-- SenML (RFC 8428) bodies for subscriptions that ask for format "senml".
local cse = require "moon2m"

cse.format("senml", function(n)
  return cse.json { {
    bn = n.to .. "/", n = n.res.rn,
    v = tonumber(n.res.con), u = "Cel",
  } }, "application/senml+json"
end)
]]

local POLICY = [[
-- Readings under /home are open 08-18; a device may always reach its own.
local cse = require "moon2m"

cse.policy("/home/**", function(req, res)
  if req.fr == res.cr then return true end
  if req.op == "retrieve" then
    local hour = tonumber(os.date("%H", req.time))
    return hour >= 8 and hour < 18, "readings are open from 08 to 18"
  end
end)                                      -- nil: no opinion, the resource's ACPs decide
]]

local STATS = [[
-- Keeps min, max and average of the newest readings beside each container.
local cse = require "moon2m"
local cfg = cse.config { window = 60 }

local function summary(path)
  local min, max, sum, n = math.huge, -math.huge, 0, 0
  for _, cin in ipairs(cse.latest(path, cfg.window)) do
    local v = tonumber(cin.con)
    if v then min, max, sum, n = math.min(min, v), math.max(max, v), sum + v, n + 1 end
  end
  if n > 0 then return cse.json { min = min, max = max, avg = sum / n, n = n } end
end

cse.on("create", "/home/*/temp", function(ev)      -- stored: others can subscribe to it
  local out = ev.to .. "-stats"
  cse.ensure(out, "container", { mni = 24 })
  cse.add(out, summary(ev.to))
end)

cse.virtual("/home/*/temp/stats", function(req)    -- or computed when read
  return { con = summary((req.to:gsub("/stats$", ""))) }
end)
]]

local PLANT = [=[
-- Bridges "id,temp,humidity" datagrams to containers, and commands back.
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
]=]

local function passes(fn)
  assert.same({}, t.run(fn))
end

describe("the samples", function()
  it("a notification format", function()
    passes(function()
      local h = t.host { scripts = { senml = SENML }, tree = { ["/dev"] = { ty = "ae" },
        ["/dev/c"] = {}, ["/dev/c/s"] = { ty = "subscription", nu = { "Cdev" },
          enc = { net = { 3 } }, lbl = { "format:senml" } } } }
      local cin = t.ok(h:create("/dev/c", "21.5"))
      local bodies, about = h:notifications("Cdev")
      t.same(bodies[1], { { bn = "/dev/c/", n = cin.rn, v = 21.5, u = "Cel" } })
      t.equal(about[1].type, "application/senml+json")
    end)
  end)

  it("an access policy", function()
    passes(function()
      local h = t.host { scripts = { policy = POLICY }, now = os.time { year = 2026, month = 3,
        day = 1, hour = 17, min = 59 }, tree = { ["/home"] = { ty = "ae" }, ["/home/temp"] = {},
        ["/guest"] = { ty = "ae" } } }
      local guest = h:as("Cguest")
      t.ok(h:as("Chome"):create("/home/temp", "1"))
      t.equal(guest:latest("/home/temp"), "1")
      h:advance(60)
      t.match(t.refused(4103, guest:retrieve("/home/temp")).msg, "open from 08 to 18")
      t.equal(h:as("Chome"):latest("/home/temp"), "1")
      t.refused(4103, guest:create("/home/temp", "2"))
    end)
  end)

  it("stored and virtual behaviour", function()
    passes(function()
      local h = t.host { scripts = { stats = STATS }, config = { stats = { window = 2 } },
        tree = { ["/home/kitchen/temp"] = { ty = "container" } } }
      h:create("/home/kitchen/temp", "20")
      h:create("/home/kitchen/temp", "30")
      h:create("/home/kitchen/temp", "10")
      t.same(h:latest("/home/kitchen/temp-stats"), { min = 10, max = 30, avg = 20, n = 2 })
      t.same(h:retrieve("/home/kitchen/temp/stats").con, { min = 10, max = 30, avg = 20, n = 2 })
    end)
  end)

  it("a gateway", function()
    passes(function()
      local h = t.host { scripts = { udp_plant = PLANT } }
      h:datagram(5700, "pump1,20.5,41", "10.0.0.7:900")
      h:advance(30)                                   -- fake clock
      t.equal(h:sent(5700)[1].data, "poll")
      t.equal(h:latest("/plant/pump1/humidity"), "41")
      t.ok(h:create("/plant/pump1", "container", { rn = "cmd" }))
      h:create("/plant/pump1/cmd", "on")
      t.same(h:sent(5700)[2], { to = "10.0.0.7:900", data = "on" })
    end)
  end)
end)
