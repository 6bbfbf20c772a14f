-- The windows of rate limits (rl, TS-0001 9.6.8): fixed and consecutive, of one subscription and
-- target each.  A window is stored in the transaction of the notices that it counts, so a restart
-- neither begins a new one nor forgets what was sent in it.  Its name in the store is "rl." and the
-- lane's key; its value the start, the count and the end, times in microseconds since 1970.

local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local sql_life = require "moon2m.sql_life"
local write = require "moon2m.write"

local PAGE = 500
local PREFIX = "rl."

local window = {}

local kept = {}                  -- key of a lane -> window of an earlier process, until it is taken
local stored = {}                -- number of a subscription -> { key = true }: what has a row

local function note(key)
  local id = tonumber(key:match("^lane:(%d+):"))
  if not id then return end
  stored[id] = stored[id] or {}
  stored[id][key] = true
end

-- A row: what is over or damaged is to be removed.
local function restore(row, now, over)
  local key = row.k:sub(#PREFIX + 1)
  local start, used, ends = row.v:match("^(%d+),(%d+),(%d+)$")
  start, ends = tonumber(start), tonumber(ends)
  if not ends or ends <= now or start > now then
    over[#over + 1] = { "meta", row.k }
    return
  end
  kept[key] = { start = sys.mono() - (now - start), used = tonumber(used) }
  note(key)
end

--- Start only: the windows that are not over.  Yields.
function window.open()
  local after, more = PREFIX, true
  while more do
    local rows
    local over, now = {}, sys.now()
    rows, more = store.find(sql_life.kept, { after, "rl/" }, PAGE)
    for _, row in ipairs(rows) do
      after = row.k
      restore(row, now, over)
    end
    if over[1] then write.commit(over) end
  end
end

--- The window of a lane that an earlier process left, once: { start, used }, start by sys.mono();
-- nil when there is none.
function window.take(key)
  local w = kept[key]
  kept[key] = nil
  return w
end

--- The operation that stores the window of a lane; tww: its length in microseconds.
function window.row(key, w, tww)
  note(key)
  local start = sys.now() - (sys.mono() - w.start)
  return { "meta", PREFIX .. key, ("%.0f,%d,%.0f"):format(start, w.used, start + tww) }
end

--- The subscription with this number is gone: what is stored of its windows goes too.  Yields.
function window.forget(id)
  local ops = {}
  for key in pairs(stored[id] or {}) do
    kept[key] = nil
    ops[#ops + 1] = { "meta", PREFIX .. key }
  end
  stored[id] = nil
  if ops[1] then write.commit(ops) end
end

return window
