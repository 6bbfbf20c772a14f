-- Events that wait for scripts, on disk.  What a change means for scripts is written in the
-- transaction of the change itself, so that it is there exactly if the change was answered: as text
-- in the store's `evt`, where all changes of a group commit are one row.  Rows are forgotten in
-- their order, a few hundred milliseconds after all their handlers have succeeded.  An event that
-- takes longer, because its handler is slow, rests or has failed, gets a row of its own in `meta`
-- for each rule, so it holds back no other.  What a crash leaves is handed to the script again: at
-- least once, never less.  Key of a row in `meta`: "evt/", the commit sequence number, "/" and
-- which of the event's rules.
--
-- An event e is { at, op, to, fr, rep, old (JSON texts), hop, chain, items, left, kept }; kept says
-- whether its change is on disk, nil while that is not known.  An item is the event for one rule:
-- { e, at, n, queue (with the owner), id (key of its row in meta), logged (its text is in evt) }.

local sys = require "moon2m.core.sys"
local store = require "moon2m.core.store"
local core_json = require "moon2m.core.json"
local sql = require "moon2m.sql_life"
local timers = require "moon2m.timers"

local backlog = {}

local FLUSH_ROWS = 512           -- rows written or forgotten in one transaction
local FLUSH_TIME = 0.25          -- seconds between them
local RETRY_TIME = 5             -- the same when the store has failed
local PAGE = 200                 -- rows of meta read at once
local GROUPS = 16                -- rows of evt read at once

local quote = core_json.quote
local format, match, sub = string.format, string.match, string.sub

local last = 0                   -- the newest commit sequence number
local log, head, tail = {}, 1, 0 -- events whose text is in evt, in order
local handled                    -- the text of events up to this one is not needed any more
local done = {}                  -- keys of meta to forget
local fresh = 1000000            -- the highest n that was used, above those of an event's rules
local timer, flushing
local tick, settled = 0, 0       -- `last` at the previous flush; when its commit was queued

--- A commit sequence number: ascending, also over restarts as long as the clock does not go back.
function backlog.sequence()
  local now = sys.now()
  last = now > last and now or last + 1
  return last
end

--- An n for an item that is none of its event's first ones.
function backlog.fresh()
  fresh = fresh + 1
  return fresh
end

-- ---- as text ------------------------------------------------------------------------------------

--- Who gets an item: a rule (its key) of a script.
function backlog.owner(script, key)
  return { script = script, key = key, text = ("%d %d:"):format(#script, #key) .. script .. key,
    json = ('{"s":%s,"r":%s'):format(quote(script), quote(key)) }
end

-- The owners of an event's items from number i on; they are logged.
local function owners_from(items, i, owners)
  local item = items[i]
  item.logged = true
  owners = owners .. item.queue.owner.text
  if i == #items then return owners end
  return owners_from(items, i + 1, owners)
end

-- What is stored stays the bytes that were received.
local function operation(e)
  local owners = owners_from(e.items, 1, "")
  return { "evt", e.at, e.op, e.to, e.fr or false, e.rep or false, e.old or false,
    e.hop and format("%d", e.hop) or false, e.chain or false, owners }
end

local function key_of(item)
  return format("evt/%016d/%d", item.at, item.n)
end

--- Key and text of an item's row in meta.
function backlog.row(item)
  local e = item.e
  return key_of(item),
    ('%s%s,"op":"%s","to":%s,"fr":%s,"hop":%d%s,"rep":%s,"old":%s}'):format(item.queue.owner.json,
      item.held and ',"held":true' or "", e.op, quote(e.to), e.fr and quote(e.fr) or "null",
      e.hop or 0, e.chain and ',"chain":' .. quote(e.chain) or "", e.rep or "null",
      e.old or "null")
end

-- ---- writing and forgetting ---------------------------------------------------------------------

local function flush_in(seconds)
  if timer then timers.cancel(timer) end
  timer = timers.after(seconds, function()
    timer = nil
    backlog.flush()
  end)
end

--- The operation that stores an event which is about to be committed; e.items are its items.  Call
-- it in the order of the commits, and set e.kept when the commit is decided.
function backlog.note(e)
  e.left = #e.items
  tail = tail + 1
  log[tail] = e
  if not timer and not flushing then flush_in(FLUSH_TIME) end
  return operation(e)
end

-- What is done at the beginning of the log leaves it.
local function advance()
  while head <= tail and (log[head].left == 0 or log[head].kept == false) do
    handled = log[head].at
    log[head] = nil
    head = head + 1
  end
  if head > tail then head, tail = 1, 0 end
end

local function forget_row(key)
  local n = #done + 1
  done[n] = key
  if n == FLUSH_ROWS then
    flush_in(0)
  elseif not timer and not flushing then
    flush_in(FLUSH_TIME)
  end
end

--- The item was handled, or dropped: its rows are not needed any more.
function backlog.forget(item)
  if item.id then forget_row(item.id) end
  if item.logged then
    item.logged = nil
    local e = item.e
    e.left = e.left - 1
    if e.left == 0 and log[head] == e then advance() end
  end
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

--- An item that is not in the store yet is kept.  Yields.
function backlog.keep(item)
  if item.id or item.logged then return end
  local text
  item.id, text = backlog.row(item)
  backlog.save { { "meta", item.id, text } }
end

-- Rows in meta for the events up to `limit` that are still in the log; they are added to ops.  The
-- events, and whether the first of the others only waits for its commit.  A commit that was queued
-- before one that is decided is decided too: if nobody said so, its task is gone.
local function own_rows(ops, limit)
  local moved = {}
  for i = head, tail do
    local e = log[i]
    if e.at > limit or #ops >= FLUSH_ROWS then return moved, false end
    if e.kept == nil then
      if e.at > settled then return moved, true end
      e.kept = false
    end
    for _, item in ipairs(e.kept and e.items or {}) do
      if item.logged then
        item.moving = true
        local key, text = backlog.row(item)
        ops[#ops + 1] = { "meta", key, text }
      end
    end
    moved[#moved + 1] = e
  end
  return moved, false
end

-- Those events have left the log; what was handled meanwhile does not need its row.
local function moved_on(list)
  for _, e in ipairs(list) do
    for _, item in ipairs(e.items) do
      if item.moving then
        item.moving = nil
        if item.logged then
          item.id, item.logged = key_of(item), nil
        else
          forget_row(key_of(item))
        end
      end
    end
    e.left = 0
  end
  advance()
end

-- One transaction.  Whether there is more to write at once; nil when the store failed.
local function round(limit)
  local keys, ops = done, {}
  done = {}
  for i, key in ipairs(keys) do ops[i] = { "meta", key } end
  local list, waits = own_rows(ops, limit)
  local full, mark, queued = #ops >= FLUSH_ROWS, handled, last
  if list[1] then mark = list[#list].at end
  if not mark and not ops[1] and not waits then return false end
  ops[#ops + 1] = { "evt_delete", mark or 0 }
  if not backlog.save(ops) then
    for _, key in ipairs(keys) do done[#done + 1] = key end
    return nil
  end
  settled = queued
  moved_on(list)
  if handled and handled <= (mark or 0) then handled = nil end
  return full
end

--- Forgets what was handled; what is not, though it has had its time (all: everything), gets a row
-- of its own.  Yields.
function backlog.flush(all)
  while flushing do sys.sleep(0.005) end
  flushing = true
  local limit, ok, more = all and math.huge or tick
  tick = last
  repeat ok, more = pcall(round, limit) until not ok or not more
  flushing = false
  if not ok then sys.log("error", "script", "events in the store: " .. tostring(more)) end
  if not ok or more == nil then
    flush_in(RETRY_TIME)
  elseif (head <= tail or done[1] or handled) and not timer then
    flush_in(FLUSH_TIME)
  end
end

-- ---- reading ------------------------------------------------------------------------------------

local function string_of(raw)
  return raw and core_json.string(raw) or nil
end

local function value(raw)
  return raw ~= "null" and raw or nil
end

-- An item for whoever is given its owner.
local function item_of(e, n, script, key)
  return { e = e, at = e.at, n = n, queue = { owner = { script = script, key = key } } }
end

-- The item of a row of meta; nil for a row that is none of this version's.
local function parse_row(row)
  local at, n = match(row.k, "^evt/(%d+)/(%d+)$")
  local m = at and core_json.members(row.v)
  local script, key = m and string_of(m.s), m and string_of(m.r)
  if not script or not key then return nil end
  local e = { at = tonumber(at), op = string_of(m.op), to = string_of(m.to), fr = string_of(m.fr),
    hop = tonumber(m.hop) or 0, chain = string_of(m.chain), rep = value(m.rep), old = value(m.old) }
  if not e.op or not e.to then return nil end
  local item = item_of(e, tonumber(n), script, key)
  item.id, item.held = row.k, m.held ~= nil or nil
  return item
end

-- n bytes of text from place i on, and the place behind them.
local function take(text, i, n)
  n = tonumber(n)
  if i + n - 1 > #text then error("damaged") end
  return sub(text, i, i + n - 1), i + n
end

-- The part that begins at place i (lua_store.h), nil when it is absent, and the place behind it.
local function part(text, i)
  if sub(text, i, i) == "~" then return nil, i + 1 end
  local n, from = match(text, "^(%d+):()", i)
  return take(text, from, n)
end

local function owners_of(e, text)
  local i, n = 1, 0
  while i <= #text do
    local script, key
    local nscript, nkey, from = match(text, "^(%d+) (%d+):()", i)
    script, i = take(text, from, nscript)
    key, i = take(text, i, nkey)
    n = n + 1
    e.items[n] = item_of(e, n, script, key)
  end
end

-- The event whose text begins at place i, with its items, and the place behind it.  Raises.
local function parse_text(text, i)
  local at, hop, owners
  local e = { items = {}, kept = true }
  at, i = match(text, "^(%d+) ()", i)
  e.at = tonumber(at)
  e.op, i = part(text, i)
  e.to, i = part(text, i)
  e.fr, i = part(text, i)
  e.rep, i = part(text, i)
  e.old, i = part(text, i)
  hop, i = part(text, i)
  e.chain, i = part(text, i)
  owners, i = part(text, i)
  e.hop = tonumber(hop) or 0
  owners_of(e, owners)
  return e, i
end

-- The events of a row of evt, into list; what is damaged is left out.
local function read_group(row, list)
  local i = 1
  while i <= #row.body do
    local ok, e, after = pcall(parse_text, row.body, i)
    if not ok then
      return sys.log("error", "script", "events in the store are damaged, left out")
    end
    list[#list + 1], i = e, after
  end
end

-- All rows of a statement, page by page, to fn.
local function each_row(statement, after, column, page, fn)
  local rows, more
  repeat
    rows, more = store.find(statement, { after }, page)
    for _, row in ipairs(rows) do
      after = row[column]
      last = math.max(last, tonumber(after) or 0)
      fn(row)
    end
  until not more
end

local function read_rows()
  local items, known = {}, {}
  each_row(sql.waiting_events, "evt/", "k", PAGE, function(row)
    local item = parse_row(row)
    known[row.k] = true
    if not item then return forget_row(row.k) end
    last, fresh = math.max(last, item.at), math.max(fresh, item.n)
    items[#items + 1] = item
  end)
  return items, known
end

-- The log goes on where the last run left it.  Items that have rows of their own are known.
local function read_log(items, known)
  local list = {}
  each_row(sql.event_groups, 0, "id", GROUPS, function(row)
    read_group(row, list)
    list[#list + 1] = { at = row.id, items = {}, kept = true }     -- the row ends here
  end)
  for i, e in ipairs(list) do
    e.left = 0
    for _, item in ipairs(e.items) do
      if not known[key_of(item)] then
        item.logged, e.left = true, e.left + 1
        items[#items + 1] = item
      end
    end
    log[i] = e
  end
  head, tail = 1, #list
end

local function by_age(a, b)
  if a.at ~= b.at then return a.at < b.at end
  return a.n < b.n
end

--- Calls fn(script, rule key, item) for each item that the last run left, oldest first; fn sets
-- item.queue.  Yields.
function backlog.read(fn)
  local items, known = read_rows()
  read_log(items, known)
  table.sort(items, by_age)
  for _, item in ipairs(items) do
    local owner = item.queue.owner
    fn(owner.script, owner.key, item)
  end
  advance()
  if (head <= tail or done[1] or handled) and not timer then flush_in(FLUSH_TIME) end
end

return backlog
