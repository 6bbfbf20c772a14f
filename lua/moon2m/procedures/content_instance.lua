-- contentInstance: its size and its time (TS-0004 7.4.7.2.1).  The most frequent create of all:
-- nothing here decodes content or yields.

local core = require "moon2m.core.json"
local rsc = require "moon2m.rsc"
local sys = require "moon2m.core.sys"

local byte, find = string.byte, string.find

local procedures = {}

-- contentSize: the bytes of a string without quotes and escapes, of any other value its JSON
-- text.
local function size_of(con)
  if byte(con, 1) ~= 34 then return #con end
  if not find(con, "\\", 1, true) then return #con - 2 end
  return #(core.string(con) or con)
end

--- dgt (absRelTimestamp) may be given as milliseconds from `now`, the arrival; what is kept is the
-- time.  Returns it in microseconds.
function procedures.time_of(new, now)
  if new.raw.dgt:find('^"%d+"$') and not sys.parse_stamp(new.raw.dgt:sub(2, -2)) then
    new.values.dgt = now + new.values.dgt
    new.raw.dgt = core.quote(sys.stamp(new.values.dgt))
  end
  return new.values.dgt
end

-- Larger than the container can hold at all: 5207.
function procedures.create(ctx, parent, new)
  if new.raw.dgt then procedures.time_of(new, ctx.req.now) end
  local size = size_of(new.raw.con)
  new.size = size
  local mbs = parent.mbs
  if mbs and size > mbs then
    return nil, rsc.err(rsc.NOT_ACCEPTABLE, "con: %d bytes, the container's mbs is %d", size, mbs)
  end
  return true
end

return procedures
