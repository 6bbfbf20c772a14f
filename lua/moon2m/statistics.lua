-- The statistics of a subscription, nse and nsi (TS-0001 9.6.8): per target the events, the
-- requests sent and the responses received since nse was set to true.  The C core counts; what was
-- counted before this process is in the hidden attribute `_nsi`, saved every minute and at a stop:
-- kill -9 costs at most a minute of counts.  A batch counts with the notifications in it.

local core = require "moon2m.core.cse"
local quote = require("moon2m.core.json").quote
local sys = require "moon2m.core.sys"
local decode = require("moon2m.json").decode
local null = require("moon2m.json").null
local path = require "moon2m.path"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local SAVE = 60                  -- s between saves
local FIELDS = { "rqs", "rsr", "noec" }

local statistics = {}

-- Number of a subscription -> { base = counts when counting began, before = saved counts, targets =
-- set, hold = audience }.  The audience keeps the core's counters alive.
local counting = {}
local saving

-- The core's counts by target; a lane's are its target's.
local function current(id)
  local by = {}
  for _, s in ipairs(core.sub_stats(id)) do
    local to = s.tg:match("^lane:%d+:(.+)$") or s.tg
    local sum = by[to] or { rqs = 0, rsr = 0, noec = 0 }
    for _, f in ipairs(FIELDS) do sum[f] = sum[f] + s[f] end
    by[to] = sum
  end
  return by
end

local function parse(raw)
  local by = {}
  for _, s in ipairs(raw and decode(raw) or {}) do by[s.tg] = s end
  return by
end

local NOTHING = { rqs = 0, rsr = 0, noec = 0 }

-- What has been counted: target -> counts; those without any are left out.
local function counted(c, id)
  local now, out = current(id), {}
  for to in pairs(c.targets) do
    local sum, any = {}, 0
    for _, f in ipairs(FIELDS) do
      sum[f] = (now[to] or NOTHING)[f] - (c.base[to] or NOTHING)[f] + (c.before[to] or NOTHING)[f]
      if sum[f] < 0 then sum[f] = 0 end
      any = any + sum[f]
    end
    if any > 0 then out[to] = sum end
  end
  return out
end

local function encode(by)
  local names, parts = {}, {}
  for to in pairs(by) do names[#names + 1] = to end
  if not names[1] then return nil end
  table.sort(names)
  for i, to in ipairs(names) do
    parts[i] = ('{"tg":%s,"rqs":%d,"rsr":%d,"noec":%d}'):format(quote(to), by[to].rqs, by[to].rsr,
      by[to].noec)
  end
  return "[" .. table.concat(parts, ",") .. "]"
end

--- The value of `nsi` as JSON text, nil when nothing was counted.  Never yields.
function statistics.text(sub)
  local c = sub.raw.nse == "true" and counting[sub.id]
  if not c then return sub.raw._nsi end
  return encode(counted(c, sub.id))
end

-- ---- saving -------------------------------------------------------------------------------------

-- Yields.
local function save(id)
  local sub, c = tree.by_id(id), counting[id]
  if not sub or not c then return end
  local text = statistics.text(sub)
  if text == sub.raw._nsi then return end
  sub.raw._nsi = text
  c.before, c.base = parse(text), current(id)
  write.commit({ { "set", tree.row(sub) } }, nil, sub)
end

--- Saves what has been counted.  Yields.
function statistics.save()
  local ids = {}
  for id in pairs(counting) do ids[#ids + 1] = id end
  for _, id in ipairs(ids) do save(id) end
end

local function tick()
  saving = nil
  local ok, why = pcall(statistics.save)
  if not ok then sys.log("error", "statistics", tostring(why)) end
  if next(counting) and not saving then saving = timers.after(SAVE, tick) end
end

-- ---- a subscription -----------------------------------------------------------------------------

--- A subscription is about to be notified: its targets.  Never yields.
function statistics.joined(sub, targets)
  if sub.raw.nse ~= "true" then
    counting[sub.id] = nil
    return
  end
  local c = counting[sub.id] or { base = {}, before = parse(sub.raw._nsi) }
  counting[sub.id] = c
  c.targets, c.hold = {}, core.audience()
  local sur, cr = path.sp_relative(sub.ri), sub.raw.cr and tree.value(sub, "cr") or nil
  for _, to in ipairs(targets) do
    c.targets[to] = true
    c.hold:add(sub.id, sur, cr, to)
    if not to:find("^lane:") then c.hold:add(sub.id, sur, cr, ("lane:%d:%s"):format(sub.id, to)) end
  end
  saving = saving or timers.after(SAVE, tick)
end

--- An UPDATE sets nse to `value` (json.null: removes it): the text that `_nsi` becomes, "null" when
-- there is none.
function statistics.update(sub, value)
  if value == false then return statistics.text(sub) or "null" end
  return "null"
end

--- The UPDATE is done: true begins anew.
function statistics.changed(sub, value)
  if value == nil then return end
  counting[sub.id] = nil
  if value ~= null and value then
    counting[sub.id] = { base = current(sub.id), before = {}, targets = {} }
  end
end

--- The subscription is gone.
function statistics.forget(id)
  counting[id] = nil
end

return statistics
