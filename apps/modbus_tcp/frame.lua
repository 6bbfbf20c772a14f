-- Modbus TCP in bytes (Modbus Application Protocol 1.1b3, Messaging on TCP/IP 1.0b): functions of
-- bytes, nothing of sockets or of what registers mean.
local frame = {}

local READ = { holding = 3, input = 4 }
local WRITE = 16                          -- write multiple registers
local PROBLEMS = { "illegal function", "illegal data address", "illegal data value",
  "server device failure", "acknowledge", "server device busy", [8] = "memory parity error",
  [10] = "gateway path unavailable", [11] = "gateway target device failed to respond" }

local function u16(n) return string.char(math.floor(n / 256) % 256, n % 256) end

local function number(bytes, at)
  local high, low = bytes:byte(at, at + 1)
  return high * 256 + low
end

--- A request: transaction, unit, PDU -> bytes.
function frame.wrap(tid, unit, pdu)
  return u16(tid) .. u16(0) .. u16(#pdu + 1) .. string.char(unit) .. pdu
end

frame.HEADER = 7                          -- bytes before a PDU

--- The header of an answer: its transaction and how many bytes follow; nil, why.
function frame.header(bytes)
  local protocol, length = number(bytes, 3), number(bytes, 5)
  if protocol ~= 0 or length < 2 or length > 254 then return nil, "that is no Modbus" end
  return number(bytes, 1), length - 1
end

function frame.read(kind, address, count)
  return string.char(READ[kind]) .. u16(address) .. u16(count)
end

function frame.write(address, words)
  local list = {}
  for i, word in ipairs(words) do list[i] = u16(word) end
  return string.char(WRITE) .. u16(address) .. u16(#words) .. string.char(2 * #words) ..
    table.concat(list)
end

--- The answer to a request's PDU: the registers that were read, {} of a write; nil, why.
function frame.answer(request, pdu)
  local code = request:byte()
  if pdu:byte() == code + 128 then
    return nil, PROBLEMS[pdu:byte(2)] or ("exception %d"):format(pdu:byte(2) or 0)
  end
  if pdu:byte() ~= code then return nil, "an answer to something else" end
  if code == WRITE then return {} end
  local count = number(request, 4)
  if #pdu ~= 2 + 2 * count then return nil, "an answer of the wrong length" end
  local words = {}
  for i = 1, count do words[i] = number(pdu, 1 + 2 * i) end
  return words
end

return frame
