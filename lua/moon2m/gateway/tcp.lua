-- cse.tcp(opts, fn(conn)): a client { host, port, tls, ca, cert, key, reconnect } that connects and
-- connects again, or a server { listen = port, host, max }.  fn is the coroutine of each connection
-- (conn.lua).

local conn = require "moon2m.gateway.conn"
local gateway = require "moon2m.gateway"
local options = require "moon2m.options"
local rules = require "moon2m.rule"
local sys = require "moon2m.core.sys"
local timers = require "moon2m.timers"
local tls = require "moon2m.gateway.tls"

local core = gateway.core
local tcp = { methods = {}, fixed = { "tls", "ca", "cert", "key" } }

local CLIENT = options.declare("moon2m.tcp.client", tls.rows {
  host = { "string", max = 255, required = true },
  port = { "number", min = 1, max = 65535, whole = true, required = true },
  reconnect = { "number|false", min = 0.05, max = 86400, default = 5 },
  timeout = { "number", min = 0.1, max = 3600, default = 10 },
})
local SERVER = options.declare("moon2m.tcp.server", {
  listen = { "number", min = 0, max = 65535, whole = true, required = true },
  host = { "string", max = 255 },
  max = { "number", min = 1, max = 65536, whole = true, default = 64 },
})

function tcp.read(o)
  local server = type(o) == "table" and o.listen ~= nil
  local opts, why = options.read(o, server and SERVER or CLIENT)
  if opts and server then opts.host = opts.host or gateway.limit("host") end
  if not opts and type(o) == "table" and not server and o.host == nil then
    why = why .. "; of a server: host, listen, max"
  end
  if opts and not server then
    local ok, wrong = tls.check(opts)
    if not ok then return nil, wrong end
  end
  return opts, why
end

function tcp.key(opts)
  if opts.listen then
    return ("tcp listen %s:%d"):format(opts.host, opts.listen), opts.listen ~= 0
  end
  return ("tcp %s:%d"):format(opts.host, opts.port), false
end

-- ---- server -------------------------------------------------------------------------------------

local function admit(live)
  local id, peer = core.take(live.id)
  if not id then return false end
  if rules.is_resting(live.spec.rule) then
    gateway.dropped(live, 1)
    core.close(id)
  else
    conn.new(live, id, peer)
  end
  return true
end

local function arrived(live)
  return gateway.pump(live, admit)
end

function tcp.bind(live)
  live.conns = {}
  local opts = live.spec.opts
  if not opts.listen then return true end
  local id, port = core.listen(gateway.common(live, { host = opts.host, port = opts.listen,
    max = opts.max }))
  if not id then return nil, port end
  live.changed, live.port = arrived, port
  gateway.watch(id, live)
  return true
end

-- ---- client -------------------------------------------------------------------------------------

-- Connects: the connection's id, or nil and why not.
local function dial(live)
  local opts = live.spec.opts
  local id = core.dial(gateway.common(live, { host = opts.host, port = opts.port, tls = opts.tls,
    ca = opts.ca, cert = opts.cert, key = opts.key, timeout = opts.timeout }))
  local opening = {}
  gateway.watch(id, opening)
  live.opening = opening
  local state, why = core.state(id)
  while state == "opening" and not live.closed do
    gateway.wait(opening)
    state, why = core.state(id)
  end
  live.opening = nil
  if state == "open" and not live.closed then return id end
  gateway.release(opening)
  return nil, why
end

local function rest(live)
  while rules.is_resting(live.spec.rule) and not live.closed do gateway.wait(live, 1) end
end

local function serve(live)
  local id, why = dial(live)
  local spec = live.spec
  if id then
    live.backoff = nil
    spec.scope.log("info", ("%s: connected"):format(spec.key))
    local c = conn.new(live, id, ("%s:%d"):format(spec.opts.host, spec.opts.port))
    while not c.ended and not live.closed do gateway.wait(live) end
  elseif not live.closed then
    spec.scope.log("warn", ("%s: %s"):format(spec.key, tostring(why)))
  end
end

-- Waits before the next attempt; a new owner may have a shorter time.
local function pause(live)
  local deadline = sys.mono() + gateway.backoff(live, live.spec.opts.reconnect) * 1e6
  while not live.closed and sys.mono() < deadline do
    gateway.wait(live, (deadline - sys.mono()) / 1e6)
  end
end

local function client(live)
  while not live.closed do
    rest(live)
    if live.closed then return end
    serve(live)
    if not live.spec.opts.reconnect then return gateway.close(live) end
    pause(live)
  end
end

function tcp.start(live)
  if not live.spec.opts.listen then timers.spawn(function() return client(live) end) end
end

function tcp.moved(live)
  if live.spec.opts.listen then core.limit(live.id, live.spec.opts.max) end
  local list = {}
  for c in pairs(live.conns) do list[#list + 1] = c end
  for _, c in ipairs(list) do conn.moved(c) end
end

function tcp.stop(live)
  local list = {}
  for c in pairs(live.conns or {}) do list[#list + 1] = c end
  for _, c in ipairs(list) do conn.close(c, "the script has closed it") end
  if live.opening then gateway.wake(live.opening) end
end

-- ---- handle -------------------------------------------------------------------------------------

--- The open connections, as their functions got them; of a client at most one.
function tcp.methods.connections(live)
  local list = {}
  for c in pairs(live.conns) do list[#list + 1] = c.handle end
  return list
end

--- A client's write to the peer: true | nil, err; err also while there is no connection.
function tcp.methods.write(live, data, seconds)
  if live.spec.opts.listen then
    gateway.fail("write: a server has many connections; use handle:connections()")
  end
  data = gateway.text("tcp:write", "data", data)
  gateway.seconds("tcp:write", seconds)
  local c = next(live.conns)
  if not c then return gateway.unreachable("not connected") end
  return conn.write(c.handle, data, seconds)
end

--- A server's port: the one that the system chose when 0 was declared.
function tcp.methods.port(live) return live.port or live.spec.opts.port end

return tcp
