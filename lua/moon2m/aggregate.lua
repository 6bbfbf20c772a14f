-- Notices that waited in a lane, as they go out: each by itself, or those in the standard format
-- together as m2m:agn (TS-0004 6.3.5.12).  A user's format has no aggregate: its notices go one by
-- one.  Pure functions.

local json = require "moon2m.core.json"

local MAX_BYTES = 1024 * 1024    -- of one aggregate, or one notice

local aggregate = {}

local head = '{"m2m:agn":{"m2m:sgn":['

--- key: the name of the notifications inside m2m:agn, "m2m:sgn" or "sgn".
function aggregate.configure(key)
  head = '{"m2m:agn":{"' .. key .. '":['
end

local function single(item)
  return { body = item.body, raw = item.raw, binary = item.binary, type = item.type,
    last = item.id, count = 1 }
end

-- The notification inside, nil when it cannot be part of an aggregate.
local function inner(item)
  return not item.raw and json.member(item.body, "m2m:sgn") or nil
end

local function close(unit)
  if not unit then return end
  unit.body = head .. table.concat(unit.parts, ",") .. "]}}"
  unit.parts = nil
end

--- What lane_read gave, one unit each: { body, raw, binary, type, last = id, count = notices }.
function aggregate.each(items)
  local units = {}
  for i, item in ipairs(items) do units[i] = single(item) end
  return units
end

--- As few units as possible, in order.
function aggregate.together(items)
  local units, open, bytes = {}, nil, 0
  for _, item in ipairs(items) do
    local part = inner(item)
    if open and (not part or bytes + #part > MAX_BYTES) then
      close(open)
      open = nil
    end
    if part and open then
      open.parts[#open.parts + 1] = part
      open.last, open.count, bytes = item.id, open.count + 1, bytes + #part
    else
      units[#units + 1] = single(item)
      if part then
        open, bytes = units[#units], #part
        open.parts = { part }
      end
    end
  end
  close(open)
  return units
end

return aggregate
