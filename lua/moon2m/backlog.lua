-- Events that wait for a script, on disk: a row of the store's `meta` for each event and rule,
-- written in the transaction of the change itself, so that it is there exactly if the change was
-- answered; forgotten some time after its handler has succeeded, many in one transaction.  What a
-- crash leaves is handed to the script again: at least once, never less. Key: "evt/" and the commit
-- sequence number, then which of the rules that the event concerns.

local sys = require "moon2m.core.sys"
local store = require "moon2m.core.store"
local core_json = require "moon2m.core.json"
local sql = require "moon2m.sql_life"
local timers = require "moon2m.timers"

local backlog = {}

local FLUSH_ROWS = 512           -- handled events forgotten in one transaction
local FLUSH_TIME = 0.25          -- seconds at most until they are
local PAGE = 200                 -- rows read at once

local quote = core_json.quote
local done, timer = {}, nil      -- keys to forget
local last = 0

--- A commit sequence number: ascending, also over restarts as long as the clock does not go back.
function backlog.sequence()
  local now = sys.now()
  last = now > last and now or last + 1
  return last
end

--- What the rows of a rule begin with.
function backlog.owner(script, key)
  return ('{"s":%s,"r":%s'):format(quote(script), quote(key))
end

--- Key and text of the row of an item for the rule that `owner` (backlog.owner) tells.
function backlog.row(item, owner, n)
  return ("evt/%016d/%d"):format(item.at, n),
    ('%s%s,"op":"%s","to":%s,"fr":%s,"hop":%d%s,"rep":%s,"old":%s}'):format(owner,
      item.held and ',"held":true' or "", item.op, quote(item.to),
      item.fr and quote(item.fr) or "null", item.hop or 0,
      item.chain and ',"chain":' .. quote(item.chain) or "", item.rep or "null",
      item.old or "null")
end

--- Writes rows (operations of the store) that come without a transaction.  Yields.
function backlog.save(ops)
  local ok, kind, why = store.commit(ops)
  if not ok then
    sys.log("error", "script", ("the store failed, events may come again: %s"):format(
      tostring(why or kind)))
  end
  return ok
end

--- Forgets what was handled, now.  Yields.
function backlog.flush()
  local keys = done
  done = {}
  if not keys[1] then return true end
  local ops = {}
  for i, key in ipairs(keys) do ops[i] = { "meta", key } end
  return backlog.save(ops)
end

local function flush_soon(seconds)
  if timer then timers.cancel(timer) end
  timer = timers.after(seconds, function()
    timer = nil
    backlog.flush()
  end)
end

--- The row of that key is not needed any more.
function backlog.forget(key)
  local n = #done + 1
  done[n] = key
  if n == FLUSH_ROWS then
    flush_soon(0)
  elseif not timer then
    flush_soon(FLUSH_TIME)
  end
end

local function text_of(raw)
  return raw and core_json.string(raw) or nil
end

local function value(raw)
  return raw ~= "null" and raw or nil
end

-- The item of a row and whose it is; nil for a row that is none of this version's.
local function parse(row)
  local at, m = row.k:match("^evt/(%d+)/%d+$"), core_json.members(row.v)
  local script, key = m and text_of(m.s), m and text_of(m.r)
  local item = m and { id = row.k, at = tonumber(at), op = text_of(m.op), to = text_of(m.to),
    fr = text_of(m.fr), held = m.held ~= nil or nil, hop = tonumber(m.hop) or 0,
    chain = text_of(m.chain),
    rep = value(m.rep), old = value(m.old) }
  if at and script and key and item.op and item.to then return script, key, item end
end

--- Calls fn(script, rule key, item) for each event that the last run left, oldest first.  Yields.
function backlog.read(fn)
  local after, more = "evt/", true
  while more do
    local rows
    rows, more = store.find(sql.waiting_events, { after }, PAGE)
    for _, row in ipairs(rows) do
      after = row.k
      local script, key, item = parse(row)
      if script then
        last = math.max(last, item.at)
        fn(script, key, item)
      else
        backlog.forget(row.k)
      end
    end
  end
end

return backlog
