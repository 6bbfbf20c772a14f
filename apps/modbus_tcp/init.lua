-- Reads the registers of a Modbus TCP device into containers, and writes commands back.  A script
-- of several files: frame.lua knows the bytes, map.lua the registers; simulator.lua is a device to
-- try it with (one server runs both), instead of that set host and port in the configuration.
-- Run it:  moon2m run apps/modbus_tcp apps/modbus_tcp/simulator.lua
-- Then:    . apps/try.sh; cse_get /modbus/temperature/la
--          cse_add /modbus/setpoint/set 19.5
--          cse_get /modbus/temperature/la          follows it: what changes is a new reading
local cse = require "moon2m"
local frame = require "frame"
local map = require "map"

local cfg = cse.config {
  host = "127.0.0.1", port = 1502, unit = 1, poll = 2, timeout = 3, base = "/modbus",
  registers = {
    temperature = { at = 0, kind = "input", type = "s16", scale = 0.1 },
    energy = { at = 2, kind = "input", type = "u32", scale = 0.001 },
    setpoint = { at = 10, type = "s16", scale = 0.1, write = true },
  },
}
local blocks = map.blocks(cfg.registers)
local state = cse.state { tid = 0, last = {} }

local function exchange(conn, pdu)
  state.tid = (state.tid + 1) % 65536
  local tid = state.tid
  local ok, why = conn:write(frame.wrap(tid, cfg.unit, pdu), cfg.timeout)
  while ok do
    local head, body, got, n
    head, why = conn:read(frame.HEADER, cfg.timeout)
    if head then got, n = frame.header(head) end
    if not got then why = why or n break end
    body, why = conn:read(n, cfg.timeout)
    if not body then break end
    if got == tid then return frame.answer(pdu, body) end         -- else: a late one
  end
  conn:close()                                    -- out of step: begin again with a new connection
  return nil, tostring(why), true
end

local busy = setmetatable({}, { __mode = "k" })   -- one request at a time on a connection

-- What the device answers: the words of registers; nil, why, true when the connection is lost.
local function ask(conn, pdu)
  while busy[conn] do cse.wait(conn, cfg.timeout) end
  busy[conn] = true
  local ok, words, why, lost = pcall(exchange, conn, pdu)
  busy[conn] = nil
  cse.wake(conn)
  if not ok then return nil, words, true end
  return words, why, lost
end

-- Asks for a block and stores what has changed.  False when the connection is lost.
local function read(conn, block)
  local words, why, lost = ask(conn, frame.read(block.kind, block.at, block.count))
  if not words then cse.log.warn("%s registers from %d: %s", block.kind, block.at, why) end
  for _, r in ipairs(words and block.registers or {}) do
    local value = map.value(r, block, words)
    if value and value ~= state.last[r.name] then
      local ok, err = cse.add(cfg.base .. "/" .. r.name, value)
      if not ok then error(err) end
      state.last[r.name] = value
    end
  end
  return not lost
end

local device = cse.tcp({ host = cfg.host, port = cfg.port, reconnect = cfg.poll }, function(conn)
  while true do
    for _, block in ipairs(blocks) do
      if not read(conn, block) then return end
    end
    cse.sleep(cfg.poll)
  end
end)

cse.start(function()
  for name, r in pairs(cfg.registers) do
    cse.ensure(cfg.base .. "/" .. name, "container", { mni = 1000 })
    if r.write then cse.ensure(cfg.base .. "/" .. name .. "/set", "container", { mni = 10 }) end
  end
end)

-- What cannot be written is refused; what did not reach the device is kept, for
-- `moon2m replay modbus_tcp`.
cse.check("create", cfg.base .. "/*/set", function(req)
  local r = cfg.registers[req[1]]
  local value = req.ty == 4 and tonumber(req.pc.con)
  if not (r and r.write) then return false, "this register takes no commands" end
  if not (value and map.words(r, value)) then return false, "a number that fits was expected" end
end)

cse.on("create", cfg.base .. "/*/set", function(ev)
  local r = cfg.registers[ev[1]]
  local conn = device:connections()[1] or error("the device is not connected")
  local ok, why = ask(conn, frame.write(r.at, map.words(r, tonumber(ev.res.con))))
  if not ok then error(("%s was not set: %s"):format(ev[1], why)) end
end)
