-- Which containers were written last, in memory: a search by time starts from them, so that no
-- write of an instance has to keep an index of times on disk.
--
-- Guarantees: every container whose lastModifiedTime is later than the floor is in the log, so what
-- `since` returns lacks none (it may name more: writes that failed, what was deleted).  Bounded: of
-- more than KEEP containers the oldest go and the floor rises.  The store is asked once, at the
-- first search.

local store = require "moon2m.core.store"
local turns = require "moon2m.turns"

local recent = {}

local KEEP = 4096
local SEED = "SELECT cid AS id,lt FROM cs ORDER BY lt DESC"

-- The log: ascending times, a container as often as it was written since the last tidying.
local ids, times, n = {}, {}, 0
local floor, dropped = math.huge, -math.huge   -- us; dropped: the floor that tidying made

-- Keeps of each container the last place only, and of those the KEEP last.
local function tidy()
  local seen, kept = {}, {}
  for i = n, 1, -1 do
    if not seen[ids[i]] then
      if #kept >= KEEP then
        dropped = math.max(dropped, times[i])
        break
      end
      seen[ids[i]] = true
      kept[#kept + 1] = i
    end
  end
  local new_ids, new_times, m = {}, {}, #kept
  for k = m, 1, -1 do
    new_ids[m - k + 1], new_times[m - k + 1] = ids[kept[k]], times[kept[k]]
  end
  ids, times, n = new_ids, new_times, m
end

--- Container id is being written; at: its new lastModifiedTime, microseconds.
function recent.note(id, at)
  if ids[n] == id then
    if at > times[n] then times[n] = at end
    return
  end
  if n >= 4 * KEEP then tidy() end
  local last = times[n]
  n = n + 1
  ids[n], times[n] = id, last and last > at and last or at
end

-- Puts what only the store has in front of what was noted meanwhile.  Yields.
local function seed()
  if floor < math.huge then return end
  local rows, more = store.find(SEED, {}, KEEP)
  tidy()
  local noted = {}
  for i = 1, n do noted[ids[i]] = true end
  local new_ids, new_times, m = {}, {}, 0
  for i = #rows, 1, -1 do
    local row = rows[i]
    if not noted[row.id] then
      m = m + 1
      new_ids[m], new_times[m] = row.id, row.lt
    end
  end
  local last = new_times[m] or 0
  for i = 1, n do
    last = math.max(last, times[i])
    new_ids[m + i], new_times[m + i] = ids[i], last
  end
  ids, times, n = new_ids, new_times, m + n
  floor = more and rows[#rows].lt or -math.huge
end

--- The containers that were written at time t (microseconds) or later, each once; nil when there
-- are more than `most`, or than are known.  Yields at its first use.
function recent.since(t, most)
  if floor == math.huge then turns.take("recent", seed) end
  if t <= floor or t <= dropped then return nil end
  local seen, list = {}, {}
  for i = n, 1, -1 do
    if times[i] < t then break end
    local id = ids[i]
    if not seen[id] then
      if #list >= most then return nil end
      seen[id] = true
      list[#list + 1] = id
    end
  end
  return list
end

--- For tests: as at start.
function recent.reset()
  ids, times, n, floor, dropped = {}, {}, 0, math.huge, -math.huge
end

return recent
