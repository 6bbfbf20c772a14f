-- Earlier events for a new subscription (preSubscriptionNotify, TS-0001 9.6.8): the newest `psn`
-- children that are there already and fit `enc`, when it asks for new children (net 3).  Each is a
-- notice like any other, formatted, kept, counted and held back as the subscription's policies say.
-- Guarantees: they are stored with the subscription, the oldest first, before any live notice; no
-- child is missing between them and the live ones, and none is told twice: whoever creates a child
-- waits while they are read.  Other events leave nothing behind that could be told again.

local cse = require "moon2m.core.cse"
local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local classes = require "moon2m.classes"
local criteria = require "moon2m.criteria"
local event = require "moon2m.event"
local sql_life = require "moon2m.sql_life"
local target = require "moon2m.target"
local tree = require "moon2m.tree"
local types = require "moon2m.types"
local write = require "moon2m.write"

local NEW_CHILD = 3
local PAGE, PAGES = 64, 1024     -- children that are looked at for one subscription
local MAX_BYTES = 8 * 1048576    -- of content

local earlier = {}

local most = 1000

--- n: earlier events that one subscription gets at most.
function earlier.configure(n)
  most = n
end

-- ---- which children -----------------------------------------------------------------------------

-- A list to be filled, newest first, and the function that takes a child: false when it is full.
local function collector(c, wanted)
  local list, bytes = {}, 0
  return list, function(child)
    if not criteria.concerns(c, NEW_CHILD, child) then return true end
    list[#list + 1] = child
    bytes = bytes + (child.size or 0)
    return #list < wanted and bytes < MAX_BYTES
  end
end

-- A page of instances with ascending stateTags up to `high`, from the last.  False: it is enough.
local function take_page(r, low, high, take)
  local rows, now = store.insts(r.id, "from", PAGE, low), sys.now()
  for k = #rows, 1, -1 do
    local i = rows[k].st <= high and tree.instance_of(r, rows[k])
    if i and tree.alive(i, now) and not take(i) then return false end
  end
  return true
end

local function newest_instances(r, take)
  local high = r.cni and r.cni > 0 and r.st or 0
  for _ = 1, PAGES do
    if high < math.max(r.oldest or 0, 1) then return end
    local low = math.max(r.oldest, high - PAGE + 1, 1)
    if not take_page(r, low, high, take) then return end
    high = low - 1
  end
end

local function newest_resources(r, take)
  local before = 2 ^ 52
  for _ = 1, PAGES do
    local rows, more = store.find(sql_life.newest_children, { r.id, before }, PAGE)
    for _, row in ipairs(rows) do
      before = row.id
      local child = tree.by_id(row.id)
      if child and not take(child) then return end
    end
    if not more then return end
  end
end

-- The newest n of two lists, each newest first, oldest first.
local function merged(a, b, n)
  local i, j, newest = 1, 1, {}
  while #newest < n and (a[i] or b[j]) do
    if not b[j] or a[i] and a[i].ct > b[j].ct then
      newest[#newest + 1], i = a[i], i + 1
    else
      newest[#newest + 1], j = b[j], j + 1
    end
  end
  local out = {}
  for k = #newest, 1, -1 do out[#out + 1] = newest[k] end
  return out
end

-- Everything on its way to the store has arrived there, and nothing new comes: r is held.  Yields.
local function children(r, c, wanted)
  write.commit({})
  local instances, take = collector(c, wanted)
  local holds = types.by_name[r.type.instances]
  if holds and (not c.chty or c.chty[holds.ty]) then newest_instances(r, take) end
  local others
  others, take = collector(c, wanted)
  if not (holds and c.chty and c.chty[holds.ty] and not next(c.chty, next(c.chty))) then
    newest_resources(r, take)
  end
  return merged(instances, others, wanted)
end

-- ---- with the subscription ----------------------------------------------------------------------

local function asks_for_children(c)
  for _, net in ipairs(c.nets) do
    if net == NEW_CHILD then return true end
  end
  return false
end

-- From here on sub is told of what happens, and children may be created again.  Never yields.
local function enrol(parent, sub, enrolment, events, list)
  classes.enrol(parent, sub, enrolment.targets, enrolment.groups)
  enrolment.done = true
  for _, ev in ipairs(event.of_children(parent, sub, list)) do events[#events + 1] = ev end
  classes.release(parent)
  return events
end

local function perform(parent, sub, enrolment, put)
  local list = children(parent, enrolment.criteria, enrolment.wanted)
  classes.index(parent)
  if parent.gone then return false end
  enrolment.count = #list
  return put(function(events)
    local all = {}
    for _, ev in ipairs(events or {}) do all[#all + 1] = ev end
    return enrol(parent, sub, enrolment, all, list)
  end)
end

-- Nothing is left of a subscription whose transaction failed.
local function withdraw(parent, sub)
  classes.changed(parent, sub, "delete")
  cse.forget_sub(sub.id)
end

local function warning(wanted, count)
  if count == 0 then return "psn: there are no earlier events to tell of" end
  if wanted > most then return ("psn: at most %d earlier events are told"):format(most) end
end

--- Stores a new subscription of parent (sub.values: its decoded attributes) by put(before), which
-- calls before(events) when nothing yields any more until the transaction is queued, and stores the
-- notices that it returns.  What put returns, and a warning for the originator or nil.  false:
-- parent changed, try again.  Yields.
function earlier.create(parent, sub, put)
  local wanted = sub.values.psn
  local c = criteria.compile(sub.values.enc)
  if not asks_for_children(c) then
    event.entry(parent)
    if parent.gone then return false end
    local body, e = put()
    return body, e or warning(wanted, 0)
  end
  local enrolment = { criteria = c, wanted = math.min(wanted, most) }
  enrolment.targets, enrolment.groups = target.list(sub)
  classes.hold(parent)
  local ok, body, e = pcall(perform, parent, sub, enrolment, put)
  classes.release(parent)
  if enrolment.done and not (ok and body) then withdraw(parent, sub) end
  if not ok then error(body, 0) end
  return body, e or body and warning(wanted, enrolment.count)
end

return earlier
