-- Schedule entries: seven fields "second minute hour day month weekday year" in UTC, each "*", a
-- number, a range, a list, with an optional "/step" (TS-0004 7.4.9.1).  Pure functions; an entry
-- that is malformed never matches and `parse` says why.

local schedule = {}

local FIELDS = {
  { "second", 0, 59, "sec" }, { "minute", 0, 59, "min" }, { "hour", 0, 23, "hour" },
  { "day", 1, 31, "day" }, { "month", 1, 12, "month" }, { "weekday", 0, 6, "wday" },
  { "year", 2000, 9999, "year" },
}
local MAX_PARTS = 64             -- of one field's list

-- One item of a list: { low, high, step }.
local function item(text, low, high)
  local range, step = text:match("^([^/]+)/(%d+)$")
  range, step = range or text, tonumber(step or 1)
  local a, b
  if range == "*" then
    a, b = low, high
  else
    a, b = range:match("^(%d+)%-(%d+)$")
    if not a then a = range:match("^%d+$") end
    a = tonumber(a)
    b = tonumber(b) or a
  end
  if not a or a < low or b > high or a > b or step < 1 then return nil end
  return { a, b, step }
end

local function field(text, f)
  if text == "*" then return false end                  -- any
  local list = {}
  for part in (text .. ","):gmatch("([^,]*),") do
    local i = item(part, f[2], f[3])
    if not i or #list == MAX_PARTS then
      return nil, ("%q is no %s (%d to %d)"):format(text, f[1], f[2], f[3])
    end
    list[#list + 1] = i
  end
  return list
end

--- Compiles one entry; nil, reason when it is malformed.
function schedule.parse(text)
  local parts, s = {}, {}
  for part in text:gmatch("%S+") do parts[#parts + 1] = part end
  if #parts ~= #FIELDS then return nil, "a schedule entry has seven fields" end
  for i, f in ipairs(FIELDS) do
    local list, why = field(parts[i], f)
    if list == nil then return nil, why end
    s[i] = list
  end
  return s
end

local function within(list, v)
  for _, i in ipairs(list) do
    if v >= i[1] and v <= i[2] and (v - i[1]) % i[3] == 0 then return true end
  end
  return false
end

-- The fields from the first-th on; t as os.date gives it.
local function matches(s, t, first)
  for i = first, #FIELDS do
    local v = t[FIELDS[i][4]]
    if s[i] and not within(s[i], i == 6 and v - 1 or v) then return false end
  end
  return true
end

--- Whether a compiled entry covers a time (microseconds since 1970).
function schedule.covers(s, us)
  return matches(s, os.date("!*t", math.floor(us / 1e6)), 1)
end

--- The first full second after `us` that the entry covers (microseconds since 1970), nil when none
-- is within `horizon` seconds.
function schedule.next(s, us, horizon)
  local from = math.floor(us / 1e6) + 1
  for minute = from - from % 60, from + horizon, 60 do
    if matches(s, os.date("!*t", minute), 2) then
      for second = math.max(from - minute, 0), 59 do
        if not s[1] or within(s[1], second) then return (minute + second) * 1e6 end
      end
    end
  end
end

return schedule
