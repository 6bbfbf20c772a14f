-- cse.udp(port | { port =, host =, parallel = }, fn(data, from, handle)): datagrams, handled one
-- after the other.  A handler that is slow lets them wait in the core's queue, which drops and
-- counts what finds no room.

local gateway = require "moon2m.gateway"
local options = require "moon2m.options"

local core = gateway.core
local udp = { methods = {} }

local OPTIONS = options.declare("moon2m.udp.options", {
  port = { "number", min = 0, max = 65535, whole = true, required = true },
  host = { "string", max = 255 },
  parallel = { "number", min = 1, max = 64, whole = true, default = 1 },
})

function udp.read(o)
  if type(o) == "number" then o = { port = o } end
  local opts, why = options.read(o, OPTIONS)
  if not opts then return nil, why end
  opts.host = opts.host or gateway.limit("host")
  return opts
end

function udp.key(opts)
  return ("udp %s:%d"):format(opts.host, opts.port), opts.port ~= 0
end

local function one(live)
  local data, from = core.take(live.id)
  if not data then return false end
  if live.spec.opts.parallel > 1 then live:changed() end     -- another beside this one
  gateway.call(live, "datagram from " .. from, "the datagram is lost, the next one is handled",
    data, from, live.spec.handle)
  return true
end

local function changed(live)
  return gateway.pump(live, one)
end

function udp.bind(live)
  local opts = live.spec.opts
  local id, port = core.udp(gateway.common(live, { host = opts.host, port = opts.port }))
  if not id then return nil, port end
  live.changed, live.port = changed, port
  gateway.watch(id, live)
  return true
end

-- ---- handle -------------------------------------------------------------------------------------

--- Sends a datagram to an address as handlers get it ("10.0.0.7:900"; numeric).  true | nil, err.
-- Never waits.
function udp.methods.send(live, to, data)
  if type(to) ~= "string" then
    gateway.argument("udp:send", "to", "an address like \"10.0.0.7:900\"", to)
  end
  local ok, why = core.send(live.id, to, gateway.text("udp:send", "data", data))
  if not ok then return gateway.unreachable(why) end
  return true
end

--- The port: the one that the system chose when 0 was declared.
function udp.methods.port(live) return live.port end

return udp
