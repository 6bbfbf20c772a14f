-- Reactions of scripts to what has been committed.  Each `on` rule of a script has a queue, known
-- by the script's name and what the rule says, so that it outlives reloads and restarts.
--
-- An event is queued in order and is in the store (backlog.lua) with the change itself.  A rule
-- handles its events one after the other (`parallel = n`: n at once).  One that fails is set aside
-- (parked) and those behind it go on; while the rule rests after five failures nothing is handed to
-- it and its events wait.  What is parked is tried again, before what waits, at a reload, a restart
-- and `moon2m replay`.  When a request of a client finds a long queue, its answer waits for the
-- script: nothing is lost because events come faster than they are handled.
-- Bounded per script; beyond the bound the oldest is dropped and counted.

local sys = require "moon2m.core.sys"
local backlog = require "moon2m.backlog"
local hooks = require "moon2m.hooks"
local json = require "moon2m.json"
local rules = require "moon2m.rule"
local timers = require "moon2m.timers"
local words = require "moon2m.words"

local park = {}

local inside = json.inside

local MAX_BYTES = 16 * 1024 * 1024   -- of events that wait for one script
local SLOW_QUEUE = 256           -- events of one rule; then clients wait for their answers
local SHORT_QUEUE = 16           -- the same when the script's bound is half reached
local LIVE = 10                  -- times the bound: events of clients that wait for their answers
local SLOW_TIME = 10             -- seconds that they wait at most
local TURN = 5000                -- us of handlers until others have their turn

local max_waiting = 1000         -- events that wait for one script
local watched = false            -- a script is reloaded when its file is written
local books = {}                 -- script name -> { queues by rule key, waiting, bytes, dropped }

--- waiting: how many events may wait for one script; watched: writing a script's file reloads it.
function park.configure(o)
  max_waiting, watched = o.waiting, o.watched == true
end

local work

local function book_of(name)
  local b = books[name]
  if not b then
    b = { name = name, queues = {}, waiting = 0, bytes = 0, dropped = 0 }
    books[name] = b
  end
  return b
end

local function new_queue(b, key)
  local q = { key = key, book = b, owner = backlog.owner(b.name, key),
    list = {}, head = 1, tail = 0, aside = {}, workers = 0 }
  q.work = function() return work(q) end
  b.queues[key] = q
  return q
end

local function queue_of(name, key)
  local b = book_of(name)
  return b.queues[key] or new_queue(b, key)
end

local function count_aside(b)
  local n = 0
  for _, q in pairs(b.queues) do n = n + #q.aside end
  return n
end

local function show(b)
  local n = count_aside(b)
  for _, q in pairs(b.queues) do
    if q.head <= q.tail and (not q.rule or q.rule.resting) then n = n + q.tail - q.head + 1 end
  end
  sys.gauge("moon2m_script_parked", ('script="%s"'):format(b.name), n,
    "Events that wait for a script that failed, rests or is not loaded")
end

-- ---- in and out of a queue ----------------------------------------------------------------------

local function size(item)
  local e = item.e
  return #(e.rep or "") + #(e.old or "") + 200
end

-- The item has left its queue for good.
local function release(q, item)
  local b = q.book
  b.waiting, b.bytes = b.waiting - 1, b.bytes - size(item)
  backlog.forget(item)
end

local function take_first(q)
  local item = q.list[q.head]
  q.list[q.head] = nil
  q.head = q.head + 1
  if q.head > q.tail then q.head, q.tail = 1, 0 end
  return item
end

local function put_first(q, item)
  if q.tail == 0 then
    q.list[1], q.tail = item, 1
  else
    q.head = q.head - 1
    q.list[q.head] = item
  end
end

-- The queue of the script's oldest event, the event, and whether it is set aside; aside: of those
-- only.
local function oldest(b, aside)
  local found, item, parked
  for _, q in pairs(b.queues) do
    local a, w = q.aside[1], not aside and q.list[q.head]
    if a and (not item or a.at < item.at) then found, item, parked = q, a, true end
    if w and (not item or w.at < item.at) then found, item, parked = q, w, false end
  end
  return found, item, parked
end

local function count_dropped(b, n)
  b.dropped = b.dropped + n
  sys.count("moon2m_script_events_dropped_total", ('script="%s"'):format(b.name), n,
    "Events that were dropped because too many waited for a script, or nobody wanted them")
end

local function drop_oldest(b, aside)
  local q, item, parked = oldest(b, aside)
  if not q then return false end
  if parked then table.remove(q.aside, 1) else take_first(q) end
  release(q, item)
  count_dropped(b, 1)
  return true
end

local function keep_bound(b, most)
  while b.waiting > most or b.bytes > MAX_BYTES and b.waiting > 1 do
    if not drop_oldest(b) then return end
    if not b.full then
      b.full = true
      sys.log("warn", "script", ("%s: more than %s, the oldest are dropped"):format(b.name,
        words.of(max_waiting, "event", "wait")))
    end
  end
  if b.waiting * 2 < max_waiting then b.full = nil end
end

local function append(q, item)
  local b = q.book
  q.tail = q.tail + 1
  q.list[q.tail] = item
  b.waiting, b.bytes = b.waiting + 1, b.bytes + size(item)
  if b.waiting > max_waiting or b.bytes > MAX_BYTES then
    local live = (item.e.hop or 0) == 0 and q.rule and not q.rule.resting
    keep_bound(b, live and max_waiting * LIVE or max_waiting)
  end
end

local function by_age(a, b) return a.at < b.at end

-- What was set aside goes before what waits, all in order; what is held only when `held` is true.
-- Returns how many events that are.
local function rejoin(q, held)
  local all, stay = {}, {}
  for _, item in ipairs(q.aside) do table.insert(item.held and not held and stay or all, item) end
  local n = #all
  if n == 0 then return 0 end
  for i = q.head, q.tail do all[#all + 1] = q.list[i] end
  table.sort(all, by_age)
  q.list, q.head, q.tail, q.aside = all, 1, #all, stay
  return n
end

-- ---- handling -----------------------------------------------------------------------------------

-- The event as the handler gets it; captures of the pattern as [1], [2] ...
local function event_of(rule, item)
  local e = item.e
  local rep, old = e.rep, e.old
  local ev = { nil, op = e.op, to = e.to, fr = e.fr, at = e.at, res = rep and inside(rep) or nil,
    old = old and inside(old) or nil }
  return hooks.add_captures(ev, item.match or hooks.captures(rule, e.to))
end

local kick

local STORES = { create = true, update = true, delete = true }

-- How an operator has the events of a script handled that wait for its next version.
local function cure(name)
  if watched then return "fix and save to replay" end
  return ("fix, and `moon2m reload %s` replays"):format(name)
end

-- The handler failed: the event is set aside, or goes to the rule that has come meanwhile.
local function failed(q, rule, item, what)
  local e = item.e
  local data = STORES[e.op] and "stored" or "answered"
  local about = ("%s %s by %s"):format(e.op, e.to, tostring(e.fr))
  if q.rule ~= rule then
    rules.report(rule, what, about, data .. "; event handed to the version loaded meanwhile")
    put_first(q, item)
    return
  end
  q.aside[#q.aside + 1] = item
  if #q.aside > 1 then table.sort(q.aside, by_age) end
  while count_aside(q.book) > max_waiting do drop_oldest(q.book, true) end
  rules.report(rule, what, about, ("%s; event parked, %d waiting; %s"):format(data,
    count_aside(q.book), cure(rule.scope.name)))
  show(q.book)
  backlog.keep(item)
end

local function handle(q, rule, item)
  local ok, what = pcall(event_of, rule, item)
  if ok then ok, what = rules.call(rule, item.e.hop, item.e.chain, what) end
  if ok then
    rules.succeeded(rule)
    release(q, item)
  else
    failed(q, rule, item, what)
  end
end

-- The rule rests: its events wait until it may be tried.
local function wait_for_rest(q, rule)
  show(q.book)
  if q.timer then return end
  q.timer = timers.after(rules.rest_left(rule) + 0.01, function()
    q.timer = nil
    kick(q)
  end)
end

local function ready(q)
  local rule = q.rule
  return rule and rule.scope.started and not rule.scope.unloaded and q.head <= q.tail
end

-- One worker: handles what waits until nothing does.
function work(q)
  local turn = sys.mono()
  while ready(q) do
    local rule = q.rule
    if rules.is_resting(rule) then
      wait_for_rest(q, rule)
      break
    end
    handle(q, rule, take_first(q))
    if sys.mono() - turn > TURN then
      sys.sleep(0)
      turn = sys.mono()
    end
  end
  q.workers = q.workers - 1
  if ready(q) and not q.timer then kick(q) end   -- another version of the rule came meanwhile
end

function kick(q)
  if not ready(q) or q.workers >= q.rule.parallel then return end
  q.workers = q.workers + 1
  timers.spawn(q.work)
end

-- ---- what operations call -----------------------------------------------------------------------

--- What `on` rules may want to hear of: op ("create" ..), the script path, the request, and the
-- resource now and before, as JSON text with its wrapper, or nil.
function park.event(op, to, req, rep, old)
  local e = { op = op, to = to, fr = req.who, rep = rep, at = 0, items = false, left = 0,
    kept = nil }
  if old then e.old = old end
  if req.hop then e.hop, e.chain = req.hop, req.chain end
  return e
end

-- The items of an event for the rules of a list from number i on.
local function add_items(e, list, items, i)
  local match = list[i]
  local rule = match[1]
  items[i] = { e = e, at = e.at, n = i, match = match, queue = queue_of(rule.scope.name, rule.key),
    logged = false }
  if i == #list then return items end
  return add_items(e, list, items, i + 1)
end

-- Gives an event its items for the rules that it concerns; false when it concerns none.
local function take_in(e)
  local list = hooks.matching("on", e.op, e.to)
  if not list then return false end
  e.at = backlog.sequence()
  e.items = add_items(e, list, {}, 1)
  return true
end

--- A change is about to be committed with `ops`: adds what stores the event that it means for `on`
-- rules.  e: park.event's; call park.committed(e) when it is on disk.  Call it when nothing yields
-- until write.commit(ops).
function park.prepare(ops, e)
  if not take_in(e) then return end
  ops[#ops + 1] = backlog.note(e)
  ops.reaction = e
end

-- Whether clients have to wait for the script.
local function slow(q)
  local n = q.tail - q.head + 1
  return (n > SLOW_QUEUE or n > SHORT_QUEUE and q.book.waiting * 2 > max_waiting)
    and ready(q) and not q.rule.resting
end

local function hold_back(q)
  local patience = sys.mono() + SLOW_TIME * 1e6
  repeat
    sys.sleep(0.005)
  until not slow(q) or sys.mono() > patience
end

local function hand_over(items, i)
  local item = items[i]
  append(item.queue, item)
  kick(item.queue)
  if i < #items then return hand_over(items, i + 1) end
end

local function wait_for_script(items, i)
  local q = items[i].queue
  if slow(q) then hold_back(q) end
  if i < #items then return wait_for_script(items, i + 1) end
end

-- The items go to their queues; a client's answer may have to wait.
local function deliver(e)
  hand_over(e.items, 1)
  if (e.hop or 0) == 0 then return wait_for_script(e.items, 1) end
end

--- The change of park.prepare is on disk.  Yields when the script is slow.
function park.committed(e)
  if e.items then return deliver(e) end
end

--- Something happened that stored nothing (retrieve, notify).  e: park.event's.
function park.happened(e)
  if take_in(e) then return deliver(e) end
end

-- ---- scripts come and go ------------------------------------------------------------------------

-- Who gets the events of a rule that is no more: the rules of the script that match and were not
-- there before.
local function heirs(scope, known, item)
  local list = {}
  for _, rule in ipairs(scope.rules) do
    if rule.kind == "on" and not known[rule.key] and (rule.op == item.e.op or rule.op == "any")
      and hooks.captures(rule, item.e.to) then
      list[#list + 1] = rule
    end
  end
  return list
end

-- Gives an item to the rules of `list`; their rows are added to ops.
local function hand_down(item, scope, list, ops)
  for _, rule in ipairs(list) do
    local text
    local q = queue_of(scope.name, rule.key)
    local copy = { e = item.e, at = item.at, n = backlog.fresh(), queue = q }
    copy.id, text = backlog.row(copy)
    ops[#ops + 1] = { "meta", copy.id, text }
    append(q, copy)
  end
end

-- The events of a rule that this version of the script has not.
local function bequeath(q, scope, known)
  local lost, ops = 0, {}
  rejoin(q, true)
  while q.head <= q.tail do
    local item = take_first(q)
    local list = heirs(scope, known, item)
    hand_down(item, scope, list, ops)
    release(q, item)
    if not list[1] then lost = lost + 1 end
  end
  if ops[1] then timers.spawn(function() backlog.save(ops) end) end
  if lost > 0 then
    count_dropped(q.book, lost)
    sys.log("warn", "script", ("%s: %s of `on %s` dropped, the script has no such rule"):format(
      scope.name, words.count(lost, "event"), q.key))
  end
end

--- The rules of a scope are those that count: they take over the queues of the script, and what was
-- parked waits again.  previous: the scope that it replaced, or nil.  Returns how many events wait.
function park.attach(scope, previous)
  local b, known, mine = books[scope.name], {}, {}
  for _, rule in ipairs(previous and previous.rules or {}) do
    if rule.key then known[rule.key] = true end
  end
  for _, rule in ipairs(scope.rules) do
    if rule.kind == "on" then
      mine[rule.key] = true
      queue_of(scope.name, rule.key).rule = rule
    end
  end
  b = b or books[scope.name]
  if not b then return 0 end
  for key, q in pairs(b.queues) do
    rejoin(q)
    if not mine[key] then
      q.rule = nil
      bequeath(q, scope, known)
      if q.workers == 0 then b.queues[key] = nil end
    end
  end
  for _, rule in ipairs(scope.rules) do
    local q = rule.key and b.queues[rule.key]
    if q and q.tail > 1 then rejoin(q) end
  end
  show(b)
  return b.waiting
end

--- The scope's rules are ready to handle what waits for them.
function park.start(scope)
  for _, rule in ipairs(scope.rules) do
    if rule.kind == "on" then
      local q = queue_of(scope.name, rule.key)
      while ready(q) and q.workers < rule.parallel and q.tail - q.head >= q.workers do kick(q) end
    end
  end
end

--- The scope goes without a successor: its events stay until a script of its name comes.
function park.detach(scope)
  local b = books[scope.name]
  if not b then return end
  for _, q in pairs(b.queues) do
    if q.rule and q.rule.scope == scope then q.rule = nil end
  end
  show(b)
end

-- The newest event of a queue is parked.
local function set_aside_last(q)
  q.aside[#q.aside + 1] = q.list[q.tail]
  q.list[q.tail] = nil
  q.tail = q.tail - 1
end

--- A script brought the server down: what waits for it may be why, and is handed over only when the
-- operator says so (park.replay).  Yields.
function park.hold(name)
  local b, ops = books[name], {}
  for _, q in pairs(b and b.queues or {}) do
    rejoin(q, true)
    for i = q.head, q.tail do
      local item = q.list[i]
      item.held = true
      local text
      item.id, text = backlog.row(item)
      ops[#ops + 1] = { "meta", item.id, text }
      q.aside[#q.aside + 1] = item
    end
    q.list, q.head, q.tail = {}, 1, 0
  end
  if ops[1] then backlog.save(ops) end
end

--- Events that an earlier run left, before the scripts are loaded.  Yields.
function park.open()
  backlog.read(function(script, key, item)
    local q = queue_of(script, key)
    item.queue = q
    append(q, item)
    if item.held then set_aside_last(q) end
  end)
  for _, b in pairs(books) do
    sys.log("info", "script", ("%s: %s"):format(b.name,
      words.of(b.waiting, "event", "wait", "of the last run")))
    show(b)
  end
end

--- Nothing is lost by what was handled and not forgotten yet; forgets it.  Yields.
function park.close()
  return backlog.flush(true)
end

-- ---- the operator -------------------------------------------------------------------------------

--- What waits for a script: { waiting, parked, dropped }; zeros when nothing ever did.
function park.state(name)
  local b = books[name]
  local s = { waiting = b and b.waiting or 0, parked = 0, dropped = b and b.dropped or 0 }
  if b then s.parked = count_aside(b) end
  return s
end

--- The names of scripts for which events wait, in order.
function park.names()
  local names = {}
  for name, b in pairs(books) do
    if b.waiting > 0 then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

--- Tries again what is parked for a script, and what waits for a rule that rests, at once.  Returns
-- how many events that are; nil, reason when no script of that name has any.
function park.replay(name)
  local b, n = books[name], 0
  if not b then return 0 end
  for _, q in pairs(b.queues) do
    local rests = q.rule and q.rule.resting
    n = n + (rests and q.tail - q.head + 1 or 0) + rejoin(q, true)
    if q.rule then rules.wake(q.rule) end
    if q.timer then
      timers.cancel(q.timer)
      q.timer = nil
    end
    kick(q)
  end
  show(b)
  return n
end

--- Forgets what is parked for a script, or all that waits when it is not loaded.  Returns how many.
function park.drop(name)
  local b, n = books[name], 0
  if not b then return 0 end
  for _, q in pairs(b.queues) do
    for _, item in ipairs(q.aside) do
      release(q, item)
      n = n + 1
    end
    q.aside = {}
    while not q.rule and q.head <= q.tail do
      release(q, take_first(q))
      n = n + 1
    end
  end
  if n > 0 then count_dropped(b, n) end
  show(b)
  return n
end

--- Whether nothing waits that could be handled now.
function park.idle()
  for _, b in pairs(books) do
    for _, q in pairs(b.queues) do
      if q.workers > 0 or ready(q) and not q.rule.resting then return false end
    end
  end
  return true
end

return park
