-- The missing data policy of subscriptions (enc.md, TS-0004 7.5.1.2.9): per subscription a counter
-- and a window of md.dur that starts with the first missing point.  From md.num points on, each
-- report brings the notice due: the points since the last notice and the count since the window's
-- start.  What is counted is stored in the transaction of the points and the notices, so a window
-- goes on after a restart; its name in the store is "md." and the number of the subscription.
-- Bounds: MAX_LISTED points in one notice, older ones are counted and not listed; of points that
-- come in a crowd (after a restart, say) one notice tells.

local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local sql_life = require "moon2m.sql_life"
local timers = require "moon2m.timers"
local write = require "moon2m.write"

local missing = {}

local MAX_LISTED = 1000
local CROWD = 16                 -- points at once: more are told in one notice
local PAGE = 500
local PREFIX = "md."
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
  return ('{"m2m:tsn":{"mdlt":[%s],"mdc":%.0f}}'):format(table.concat(times, ","), s.count)
end

-- The notice that counting n more makes due, or nil.
local function counted(s, n)
  s.count = s.count + n
  if s.count >= s.num then return notice(s) end
end

local function list_point(s, t)
  s.list[#s.list + 1] = t
  if #s.list > MAX_LISTED then table.remove(s.list, 1) end
end

--- Points are missing: list of their times in microseconds, the newest of count (nil: all), for the
-- subscription with number id and its md (decoded).  Returns the contents of the notices that are
-- due, in order.
function missing.points(id, md, list, count)
  local out, s, now = {}, state_of(id, md), sys.now()
  count = count or #list
  if count == 0 then return out end
  if not s.ends or now >= s.ends or now < s.ends - s.dur then   -- the last: the clock was set back
    s.ends, s.count, s.list = now + s.dur, 0, {}
  end
  if count > CROWD then
    for _, t in ipairs(list) do list_point(s, t) end
    out[1] = counted(s, count)
    return out
  end
  for _, t in ipairs(list) do
    list_point(s, t)
    out[#out + 1] = counted(s, 1)
  end
  return out
end

--- The operation that stores what is counted for a subscription.
function missing.row(id)
  local s, times = states[id], {}
  for i, t in ipairs(s.list) do times[i] = ("%.0f"):format(t) end
  return { "meta", PREFIX .. id, ("%.0f,%.0f,%.0f,%.0f,%s"):format(s.num, s.dur, s.ends, s.count,
    table.concat(times, " ")) }
end

--- The subscription is gone, or its md was written anew.
function missing.forget(id)
  if not states[id] then return end
  states[id] = nil
  timers.spawn(function()
    if not states[id] then write.commit { { "meta", PREFIX .. id } } end
  end)
end

local function parse(text)
  local num, dur, ends, count, list = text:match("^(%d+),(%d+),(%d+),(%d+),([%d -]*)$")
  if not num then return nil end
  local s = { num = tonumber(num), dur = tonumber(dur), ends = tonumber(ends),
    count = tonumber(count), list = {} }
  for t in list:gmatch("%-?%d+") do s.list[#s.list + 1] = tonumber(t) end
  return s
end

--- Start only: the windows that are not over.  Yields.
function missing.open()
  local after, more, now = PREFIX, true, sys.now()
  while more do
    local rows
    local over = {}
    rows, more = store.find(sql_life.kept, { after, "md/" }, PAGE)
    for _, row in ipairs(rows) do
      after = row.k
      local id, s = tonumber(row.k:sub(#PREFIX + 1)), parse(row.v)
      if id and s and s.ends > now then states[id] = s else over[#over + 1] = { "meta", row.k } end
    end
    if over[1] then write.commit(over) end
  end
end

return missing
