-- The missing data policy of subscriptions (enc.md, TS-0004 7.5.1.2.9): per subscription a counter
-- and a window of md.dur that starts with the first missing point.  From md.num points on, each
-- report brings the notice due: the points since the last notice and the count since the window's
-- start.  Memory only: after a restart every window is closed.
-- Bounds: MAX_LISTED points in one notice, older ones are counted and not listed.

local sys = require "moon2m.core.sys"

local missing = {}

local MAX_LISTED = 1000
local states = {}                -- subscription's number -> { num, dur, ends, count, list }

-- The state of a subscription; a changed md starts anew.
local function state_of(id, md)
  local s = states[id]
  local dur = sys.parse_duration(md.dur)
  if not s or s.num ~= md.num or s.dur ~= dur then
    s = { num = md.num, dur = dur, count = 0, list = {} }
    states[id] = s
  end
  return s
end

local function notice(s)
  local times = {}
  for i, t in ipairs(s.list) do times[i] = '"' .. sys.stamp(t) .. '"' end
  s.list = {}
  return ('{"m2m:tsn":{"mdlt":[%s],"mdc":%d}}'):format(table.concat(times, ","), s.count)
end

--- Points are missing: list of their times in microseconds, for the subscription with number id and
-- its md (decoded).  Returns the contents of the notices that are due, in order.
function missing.points(id, md, list)
  local out, s, now = {}, state_of(id, md), sys.mono()
  for _, t in ipairs(list) do
    if not s.ends or now >= s.ends then s.ends, s.count, s.list = now + s.dur, 0, {} end
    s.count = s.count + 1
    s.list[#s.list + 1] = t
    if s.count >= s.num then
      out[#out + 1] = notice(s)
    elseif #s.list > MAX_LISTED then
      table.remove(s.list, 1)
    end
  end
  return out
end

--- The subscription is gone, or its md was written anew.
function missing.forget(id)
  states[id] = nil
end

return missing
