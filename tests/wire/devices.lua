-- For wire tests of gateways: devices that are not ours (UDP and TCP sockets of cqueues, terminals
-- of socat, Debian's mosquitto), and what a script tells about itself in a virtual resource.

local cjson = require "cjson"
local cqueues = require "cqueues"
local h = require "harness"
local socket = require "cqueues.socket"

local devices = {}
local TIMEOUT = 10
local started = {}               -- { pid, directory or nil }

--- What every script here begins with: `seen` survives a reload and is read at /moon/seen.
devices.HEAD = [[
local cse = require "moon2m"
local seen = cse.state { seen = {} }.seen
cse.virtual("/seen", function() return { con = cse.json(seen) } end)
]]

--- The script's `seen`.
function devices.seen(s)
  local con = h.expect(2000, s:retrieve("/moon/seen", "CAdmin")).con
  return type(con) == "string" and cjson.decode(con) or con
end

--- Waits until fn(seen) is true; the last `seen` is in the message when it never is.
function devices.sees(s, what, fn, seconds)
  local last
  local ok = pcall(h.wait, what, function()
    last = devices.seen(s)
    return fn(last)
  end, seconds)
  if not ok then
    error(("waited in vain for %s; seen: %s\n%s"):format(what, cjson.encode(last), s:text()), 2)
  end
  return last
end

--- Starts a server with one script, gw.lua, of HEAD and text.
function devices.start(text, config)
  return h.start { scripts = { gw = devices.HEAD .. text }, config = config }
end

--- Replaces gw.lua and reloads it; what the command says and its exit code.
function devices.reload(s, text)
  h.write_file(s.dir .. "/gw.lua", devices.HEAD .. text)
  return h.sh("%s reload --data %s gw", h.bin, s.data)
end

--- Waits until the log has the text, as it is.
function devices.logs(s, text, seconds)
  return s:logs((text:gsub("%p", "%%%0")), seconds)
end

-- ---- datagrams ----------------------------------------------------------------------------------

local function quiet(sock)
  sock:setmode("bn", "bn")
  sock:onerror(function(_, _, why) return why end)
  return sock
end

--- A UDP socket that sends to 127.0.0.1:port.
function devices.udp(port)
  local s = quiet(socket.connect { host = "127.0.0.1", port = port, type = socket.SOCK_DGRAM })
  assert(s:connect(TIMEOUT))
  local d = {}
  function d.send(text) assert(s:send(text, 1, #text) == #text) end
  --- The next datagram, or nil after `seconds`.
  function d.receive(seconds) return s:xread(-65536, "bn", seconds or TIMEOUT) end
  function d.address()
    local _, host, from = s:localname()
    return host .. ":" .. from
  end
  function d.close() s:close() end
  return d
end

function devices.free_udp_port()
  local s = socket.listen { host = "127.0.0.1", port = 0, type = socket.SOCK_DGRAM }
  assert(s:listen())
  local _, _, port = s:localname()
  s:close()
  return port
end

-- ---- streams ------------------------------------------------------------------------------------

local function stream(s)
  local d = { raw = s }
  function d.write(text) assert(s:xwrite(text, "bn", TIMEOUT)) end
  --- A line without its end, or nil.
  function d.line(seconds) return s:xread("*l", "bn", seconds or TIMEOUT) end
  --- n bytes, or nil.
  function d.bytes(n, seconds) return s:xread(n, "bn", seconds or TIMEOUT) end
  function d.all(seconds) return s:xread("*a", "bn", seconds or TIMEOUT) end
  function d.shut() s:shutdown("w") end
  function d.close() s:close() end
  return d
end

--- A TCP client of 127.0.0.1:port; nil when nobody listens.
function devices.tcp(port)
  local s = quiet(socket.connect { host = "127.0.0.1", port = port })
  local ok = s:connect(TIMEOUT)
  if not ok then return nil end
  return stream(s)
end

--- A TCP server on 127.0.0.1 (port: a given one): accept(seconds) gives the next connection or nil.
function devices.listen(port)
  local s = quiet(socket.listen { host = "127.0.0.1", port = port or 0, reuseaddr = true })
  assert(s:listen())
  local d = {}
  local _
  _, _, d.port = s:localname()
  function d.accept(seconds)
    local c = s:accept({}, seconds or TIMEOUT)
    return c and stream(quiet(c))
  end
  function d.close() s:close() end
  return d
end

-- ---- processes ----------------------------------------------------------------------------------

--- Starts a command in the background; its pid.  Ended by stop_all.
function devices.spawn(fmt, ...)
  local command = fmt:format(...)
  local out = h.sh("%s >/dev/null 2>&1 </dev/null & echo $!", command)
  local pid = assert(tonumber(out), out)
  started[#started + 1] = { pid = pid }
  return pid
end

function devices.kill(pid) h.sh("kill %d", pid) end

--- A pair of terminals: the script opens `device`, the test speaks through the other end.
function devices.terminal(dir)
  local d = { device = dir .. "/tty" }
  local port = h.free_port()
  d.pid = devices.spawn("socat pty,raw,echo=0,link=%s TCP-LISTEN:%d,reuseaddr,bind=127.0.0.1",
    d.device, port)
  h.wait("socat's terminal", function() return h.sh("test -e %s", d.device) == "" and
    select(2, h.sh("test -e %s", d.device)) == 0 end)
  local far = h.wait("socat's port", function() return devices.tcp(port) end)
  for k, v in pairs(far) do d[k] = v end
  return d
end

--- Debian's mosquitto on a free port; conf: further lines of its configuration.
function devices.broker(dir, conf, port)
  port = port or h.free_port()
  local file = h.write_file(("%s/mosquitto.%d.conf"):format(dir, port), ([[
listener %d 127.0.0.1
allow_anonymous true
persistence false
%s]]):format(port, conf or ""))
  local pid = devices.spawn("/usr/sbin/mosquitto -c %s", file)
  h.wait("mosquitto", function()
    local c = devices.tcp(port)
    if c then c.close() end
    return c
  end)
  return { port = port, pid = pid }
end

function devices.stop_all()
  for _, p in ipairs(started) do h.sh("kill %d 2>/dev/null", p.pid) end
  started = {}
end

function devices.sleep(s) cqueues.sleep(s) end

return devices
