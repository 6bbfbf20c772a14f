-- Schedule entries: seven fields "second minute hour day month weekday year" in UTC, each "*", a
-- number, a range, a list, with an optional "/step" (TS-0004 7.4.9.1).  Scripts have this file,
-- too, as `require "moon2m.schedule"`.  Pure functions; an entry that is malformed never matches
-- and `parse` says why.  Times are seconds since 1970, as cse.now gives them.

local mistake = require "moon2m.mistake"

local argument = mistake.argument
local floor = math.floor

local schedule = {}

local FIELDS = {
  { "second", 0, 59, "sec" }, { "minute", 0, 59, "min" }, { "hour", 0, 23, "hour" },
  { "day", 1, 31, "day" }, { "month", 1, 12, "month" }, { "weekday", 0, 6, "wday" },
  { "year", 2000, 9999, "year" },
}
local MAX_PARTS = 64             -- of one field's list
local DAY = 86400
local MAX_HORIZON = 3653 * DAY
local LAST = 253402300800        -- the year 10000

local SEAL = { __metatable = "sealed", __index = function()
  error("a schedule entry has no fields", 2)
end, __newindex = function()
  error("a schedule entry cannot be changed", 2)
end }

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

local parsed = setmetatable({}, { __mode = "k" })      -- what `parse` made

--- One entry, for the functions below; nil, reason when it is malformed.
function schedule.parse(text)
  if type(text) ~= "string" then argument("schedule.parse", "text", "a text", text) end
  local parts, s = {}, {}
  for part in text:gmatch("%S+") do parts[#parts + 1] = part end
  if #parts ~= #FIELDS then return nil, "a schedule entry has seven fields" end
  for i, f in ipairs(FIELDS) do
    local list, why = field(parts[i], f)
    if list == nil then return nil, why end
    s[i] = list
  end
  local entry = setmetatable({}, SEAL)
  parsed[entry] = s
  return entry
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

-- The fields of an entry that was given to a function.
local function fields_of(name, entry)
  return parsed[entry] or argument(name, "entry", "what schedule.parse gave", entry)
end

local function check_time(name, t)
  if type(t) ~= "number" or not (t >= 0 and t < LAST) then
    argument(name, "time", "seconds since 1970", t)
  end
end

--- Whether an entry covers a time.
function schedule.covers(entry, time)
  local s = fields_of("schedule.covers", entry)
  check_time("schedule.covers", time)
  return matches(s, os.date("!*t", floor(time)), 1)
end

-- The least value of a field from v on; nil: none.
local function from(list, f, v)
  for i = v, f[3] do
    if not list or within(list, i) then return i end
  end
end

-- The first second of a day, from the second `least` of it on, that the fields of time cover; nil:
-- none.
local function in_day(s, least)
  local m0, s0 = floor(least / 60) % 60, least % 60
  local h = from(s[3], FIELDS[3], floor(least / 3600))
  while h do
    local later = h > floor(least / 3600)
    local m = from(s[2], FIELDS[2], later and 0 or m0)
    while m do
      local sec = from(s[1], FIELDS[1], (later or m > m0) and 0 or s0)
      if sec then return h * 3600 + m * 60 + sec end
      m = from(s[2], FIELDS[2], m + 1)
    end
    h = from(s[3], FIELDS[3], h + 1)
  end
end

--- The first full second after a time that an entry covers; nil when none is within `horizon`
-- seconds, ten years at most.
function schedule.next(entry, time, horizon)
  local s = fields_of("schedule.next", entry)
  check_time("schedule.next", time)
  if type(horizon) ~= "number" or not (horizon >= 0 and horizon <= MAX_HORIZON) then
    argument("schedule.next", "horizon", "seconds, at most ten years,", horizon)
  end
  local first, last = floor(time) + 1, time + horizon
  for day = first - first % DAY, last, DAY do
    local second = matches(s, os.date("!*t", day), 4) and in_day(s, math.max(first - day, 0))
    if second then return day + second <= last and day + second or nil end
  end
end

return schedule
