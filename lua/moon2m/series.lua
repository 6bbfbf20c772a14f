-- Missing data of timeSeries (TS-0001 9.6.36, TS-0004 7.4.38, 7.5.1.2.9).  The first instance after
-- detection began gives the first time; from then on one is expected every pei, within the
-- tolerance around its time.  One that is not there mdt after its time is missing: mdlt and mdc
-- say so and the subscribers of net 8 are told, in one transaction.
--
-- Guarantees: what was expected, and what has arrived of it, is stored with the instance that
-- arrived, so a restart or kill -9 neither forgets a time nor asks again for one; times that passed
-- while the CSE was down are missing.  When this host's clock is set, by more than JUMP, nothing is
-- known of what is late: detection begins anew with the next instance.  Instances may be evicted or
-- deleted: they have arrived.
-- Bounds: mdlt lists LISTED times at most, mdc goes on to mdn; an instance more than AHEAD
-- intervals early is not remembered.

local core = require "moon2m.core.json"
local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local event = require "moon2m.event"
local json = require "moon2m.json"
local sql_life = require "moon2m.sql_life"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local floor, max, min = math.floor, math.max, math.min

local PREFIX = "ts."             -- and the number of the timeSeries: name of a state in the store
local LISTED, AHEAD = 1000, 1024
local SOON, HOUR = 0.02, 3600    -- s: a clock that is set is noticed within the hour
local JUMP = 1e6                 -- us
local AGAIN = 5                  -- s until the next try after the store failed
local PAGE = 500

local series = {}

-- Number of a timeSeries -> { first, next, pei, tolerance, mdt, got, timer, lead }: times in us;
-- next: the index of the earliest expected time that is neither there nor missing; got:
-- { index = true } of later ones; lead: how much more the wall clock shows than the monotonic one.
local states = {}

-- ---- states -------------------------------------------------------------------------------------

local function number(r, name) return tonumber(r.raw[name]) end

--- The tolerance around an expected time, in ms: peid, else what the CSE chooses, half of pei and
-- less than mdt.
function series.tolerance(r)
  local most = (number(r, "mdt") or math.huge) - 1
  return number(r, "peid") or min(floor(number(r, "pei") / 2), most)
end

local function lead() return sys.now() - sys.mono() end

local function clock_was_set(s) return math.abs(lead() - s.lead) > JUMP end

local function new_state(r, first)
  return { first = first, next = 1, pei = number(r, "pei") * 1000,
    tolerance = series.tolerance(r) * 1000, mdt = number(r, "mdt") * 1000, got = {},
    lead = lead() }
end

-- The operation that stores a state; s nil: that removes it.
local function row(id, s)
  if not s then return { "meta", PREFIX .. id } end
  local got = {}
  for k in pairs(s.got) do got[#got + 1] = ("%.0f"):format(k) end
  return { "meta", PREFIX .. id, ("%.0f,%.0f,%.0f,%.0f,%.0f,%s"):format(s.first, s.next, s.pei,
    s.tolerance, s.mdt, table.concat(got, " ")) }
end

local function parse(text)
  local first, next_, pei, tolerance, mdt, list =
    text:match("^(-?%d+),(%d+),(%d+),(%d+),(%d+),([%d ]*)$")
  if not first then return nil end
  local got = {}
  for k in list:gmatch("%d+") do got[tonumber(k)] = true end
  return { first = tonumber(first), next = tonumber(next_), pei = tonumber(pei),
    tolerance = tonumber(tolerance), mdt = tonumber(mdt), got = got,
    lead = lead() }
end

-- What has arrived in order is settled.
local function advance(s)
  while s.got[s.next] do
    s.got[s.next] = nil
    s.next = s.next + 1
  end
end

local function due_at(s) return s.first + s.next * s.pei + s.mdt end

local turn

local function arm(id, s, seconds)
  if s.timer then return end
  local wait = seconds or max(SOON, min((due_at(s) - sys.now()) / 1e6, HOUR))
  s.timer = timers.after(wait, function() return turn(id, s) end)
end

local function drop(id)
  local s = states[id]
  states[id] = nil
  if s and s.timer then timers.cancel(s.timer) end
end

-- ---- what arrives -------------------------------------------------------------------------------

-- The index of the expected time that a time belongs to, nil when it belongs to none, or to one
-- that is settled.
local function index_of(s, time)
  local k = floor((time - s.first) / s.pei + 0.5)
  if k < s.next or k > s.next + AHEAD or s.got[k] then return nil end
  if math.abs(time - s.first - k * s.pei) > s.tolerance then return nil end
  return k
end

--- An instance of r is about to be stored (i.dgt: its time): the operation that belongs into its
-- transaction, nil when nothing changes.  Never yields.
function series.arrives(r, i)
  if r.raw.mdd ~= "true" or not r.raw.pei then return nil end
  local s = states[r.id]
  if s and clock_was_set(s) then
    drop(r.id)
    s = nil
  end
  if not s then
    s = new_state(r, i.dgt)
    states[r.id], i.expected = s, 0
  else
    local k = index_of(s, i.dgt)
    if not k then return nil end
    s.got[k], i.expected = true, k
    advance(s)
  end
  i.state = s
  arm(r.id, s)
  return row(r.id, s)
end

--- The transaction of instance i failed: it has not arrived.  Yields.
function series.refused(r, i)
  local s, k = i.state, i.expected
  if not s or states[r.id] ~= s then return end
  if k == 0 then
    if s.next > 1 or next(s.got) then return end
    drop(r.id)
    return write.commit { row(r.id, nil) }
  end
  for j = k + 1, s.next - 1 do s.got[j] = true end
  s.got[k], s.next = nil, min(s.next, k)
  return write.commit { row(r.id, s) }
end

--- An UPDATE of mdd is about to be stored: detection ends, or begins anew with the next instance.
-- The operations that belong into its transaction.  Never yields.
function series.reset(r)
  drop(r.id)
  return { row(r.id, nil) }
end

-- ---- what does not ------------------------------------------------------------------------------

-- The expected times that are over at `now` and not there: the newest LISTED, ascending, and how
-- many in all; nil when there are none.  They are settled.
local function overdue(s, now)
  local last = floor((now - s.mdt - s.first) / s.pei)
  if last < s.next then return nil end
  local list, count = {}, last - s.next + 1
  for k in pairs(s.got) do
    if k <= last then count = count - 1 end
  end
  for k = last, s.next, -1 do
    if #list == LISTED then break end
    if not s.got[k] then table.insert(list, 1, s.first + k * s.pei) end
  end
  for k in pairs(s.got) do
    if k <= last then s.got[k] = nil end
  end
  s.next = last + 1
  advance(s)
  return list, count
end

-- mdlt and mdc with what is missing now.
local function extend(r, list, count)
  local most = number(r, "mdn") or 1 / 0
  local all = r.raw.mdlt and json.decode(r.raw.mdlt) or {}
  for _, t in ipairs(list) do all[#all + 1] = sys.stamp(t) end
  local from, out = max(1, #all - min(most, LISTED) + 1), {}
  for k = from, #all do out[#out + 1] = core.quote(all[k]) end
  r.raw.mdlt = "[" .. table.concat(out, ",") .. "]"
  r.raw.mdc = ("%.0f"):format(min((number(r, "mdc") or 0) + count, most))
  tree.refresh(r)
end

local function report(r, s, list, count)
  extend(r, list, count)
  local events, ops = event.missing(r, list, count)
  table.insert(ops, 1, { "set", tree.row(r) })
  ops[#ops + 1] = row(r.id, s)
  local ok, e = write.commit(ops, events, r)
  if ok then write.own(r) end
  return ok, e
end

-- The store failed: what it has counts.  Yields.
local function reload(id)
  drop(id)
  local found = store.find(sql_life.named, { PREFIX .. id }, 1)[1]
  local s = found and parse(found.v)
  if not s or states[id] then return end
  states[id] = s
  arm(id, s, AGAIN)
end

-- The timer of a state.  Yields.
function turn(id, s)
  s.timer = nil
  if states[id] ~= s then return end
  if due_at(s) > sys.now() and not clock_was_set(s) then return arm(id, s) end
  local r = tree.by_id(id)
  if states[id] ~= s then return end
  if not r or r.raw.mdd ~= "true" or clock_was_set(s) then
    drop(id)
    return write.commit { row(id, nil) }
  end
  event.index(r)
  if states[id] ~= s then return end
  if r.gone then return arm(id, s, SOON) end
  local list, count = overdue(s, sys.now())
  local ok, e = true, nil
  if list and count > 0 then ok, e = report(r, s, list, count) end
  if ok then return states[id] == s and arm(id, s) end
  sys.log("error", "series", r.path .. ": " .. e.msg)
  return reload(id)
end

--- Start only: the states according to the store; times that have passed are looked at at once.
-- Yields.
function series.open()
  local after, more = PREFIX, true
  while more do
    local rows
    rows, more = store.find(sql_life.kept, { after, "ts/" }, PAGE)
    for _, found in ipairs(rows) do
      after = found.k
      local id, s = tonumber(found.k:sub(#PREFIX + 1)), parse(found.v)
      if id and s then
        states[id] = s
        arm(id, s)
      end
    end
  end
end

return series
