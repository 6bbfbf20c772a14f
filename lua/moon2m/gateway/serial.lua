-- cse.serial(device, { baud, bits, parity, stop, rtscts, line, reconnect }, fn(text, handle)):
-- a serial line or any other terminal device.  line = true: fn gets one line after the other,
-- without its end; else the bytes as they come.  A device that goes is opened again.

local gateway = require "moon2m.gateway"
local options = require "moon2m.options"
local sys = require "moon2m.core.sys"
local timers = require "moon2m.timers"

local core = gateway.core
local serial = { methods = {}, fixed = { "baud", "bits", "parity", "stop", "rtscts" } }

local TURN = 2000                -- microseconds of handlers before the loop has its turn

local OPTIONS = options.declare("moon2m.serial.options", {
  baud = { "number", min = 50, max = 4000000, whole = true, default = 9600 },
  bits = { "number", min = 5, max = 8, whole = true, default = 8 },
  stop = { "number", min = 1, max = 2, whole = true, default = 1 },
  parity = { "string", values = { "none", "even", "odd" }, default = "none" },
  rtscts = { "boolean", default = false },
  line = { "boolean", default = false },
  reconnect = { "number|false", min = 0.05, max = 86400, default = 5 },
})

function serial.read(device, o)
  if type(device) ~= "string" or device:sub(1, 1) ~= "/" or device:find("%z") then
    return nil, "a device like \"/dev/ttyUSB0\" was expected"
  end
  local opts, why = options.read(o, OPTIONS)
  if not opts then return nil, why end
  opts.device = device
  return opts
end

function serial.key(opts)
  return "serial " .. opts.device, true
end

-- ---- the device ---------------------------------------------------------------------------------

-- Hands on what comes until the device is gone: why.
local function listen(live)
  local began = sys.mono()
  while not live.closed do
    local opts = live.spec.opts
    local data = not live.paused and core.read(live.id, opts.line and "line" or "some")
    if data then
      gateway.call(live, opts.line and "a line" or #data .. " bytes", "they are lost", data,
        live.spec.handle)
      if sys.mono() - began > TURN then
        sys.sleep(0)
        began = sys.mono()
      end
    else
      local state, why = core.state(live.id)
      if state == "closed" and not live.paused then return why end
      gateway.wait(live)
      began = sys.mono()
    end
  end
end

local function open(live)
  local opts = live.spec.opts
  local given = {}
  for _, name in ipairs(serial.fixed) do given[name] = opts[name] end
  given.device, given.parity = opts.device, opts.parity:sub(1, 1)
  local id, why = core.serial(gateway.common(live, given))
  if not id then return nil, why end
  gateway.watch(id, live)
  return true
end

local function pause(live)
  local deadline = sys.mono() + gateway.backoff(live, live.spec.opts.reconnect) * 1e6
  while not live.closed and sys.mono() < deadline do
    gateway.wait(live, (deadline - sys.mono()) / 1e6)
  end
end

local function run(live)
  while not live.closed do
    local ok, why = open(live)
    if ok then
      live.backoff = nil
      live.spec.scope.log("info", live.spec.key .. ": open")
      why = listen(live)
      gateway.release(live)
      gateway.wake(live)
    end
    if live.closed then return end
    if why ~= live.said then live.spec.scope.log("warn", ("%s: %s"):format(live.spec.key, why)) end
    live.said = not ok and why or nil           -- the same failure again and again is told once
    if not live.spec.opts.reconnect then return gateway.close(live) end
    pause(live)
  end
end

function serial.start(live)
  timers.spawn(function() return run(live) end)
end

-- ---- handle -------------------------------------------------------------------------------------

local function write(what, live, data, seconds)
  data = gateway.text(what, "data", data)
  gateway.seconds(what, seconds)
  local limit = gateway.limit("bytes")
  local deadline = seconds and sys.mono() + seconds * 1e6
  for at = 1, math.max(#data, 1), limit do
    local waits = live.id and core.write(live.id, data:sub(at, at + limit - 1))
    if not waits then return gateway.unreachable("the device is not open") end
    while live.id and core.waiting(live.id) > limit do
      local left = deadline and (deadline - sys.mono()) / 1e6
      if left and left <= 0 or not gateway.wait(live, left) then
        return gateway.late("the device takes nothing")
      end
    end
  end
  return true
end

--- handle:write(data [, seconds]), also :send: true | nil, err.  Yields when the line is slower
-- than what is written.
function serial.methods.write(live, data, seconds)
  return write("serial:write", live, data, seconds)
end

function serial.methods.send(live, data, seconds)
  return write("serial:send", live, data, seconds)
end

return serial
