-- The work of announcing, a lane for each other CSE: items (announce_book.lua) one after the other,
-- each brought to what it should be.  A CSE that cannot be asked is left alone, 2 s to a minute, or
-- until a CSE registers or changes; what waits for it is in the store.
-- Guarantees: one CSE holds up nobody who announces to another; memory is bounded: beyond
-- MAX_ITEMS all that is known is looked at instead of what was named.

local sys = require "moon2m.core.sys"
local announced = require "moon2m.announced"
local book = require "moon2m.announce_book"
local copies = require "moon2m.announce_copies"
local json = require "moon2m.json"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"

local MAX_ITEMS = 2000           -- named items in a lane
local FIRST, LONGEST = 2, 60     -- s until a CSE is asked again

local lane = {}
-- CSE-ID -> { list, first, last, set: items by ident; now: the one under way; full: more were
-- named; busy: its worker runs; away: the timer that starts it again; wait: s until then; gates:
-- who waits }
local lanes = {}
local opened = false

local function new_lane()
  return { list = {}, first = 1, last = 0, set = {}, wait = FIRST, gates = {} }
end

local function wake(l)
  for _, gate in ipairs(l.gates) do timers.wake(gate) end
  l.gates = {}
end

-- ---- the worker ---------------------------------------------------------------------------------

-- Brings one item; false: the CSE is away, and the item stays.  Yields.
local function one(csi, l, item)
  l.now = item.ident
  local ok, done = pcall(copies.bring, item, csi)
  l.now = nil
  if not ok then sys.log("error", "announce", ("/%s: %s"):format(item.path, tostring(done))) end
  wake(l)
  return not ok or done ~= copies.AWAY
end

local function next_item(l)
  if l.first > l.last then return nil end
  local item = l.list[l.first]
  l.list[l.first], l.first, l.set[item.ident] = nil, l.first + 1, nil
  return item
end

local function put(l, item)
  if l.set[item.ident] then return end
  if l.last - l.first >= MAX_ITEMS then
    l.full = true
    return
  end
  l.last = l.last + 1
  l.list[l.last], l.set[item.ident] = item, item
end

-- All that is named, then, when more was, all that there is.  False: the CSE is away.  Yields.
local function drain(csi, l)
  repeat
    for item in function() return next_item(l) end do
      if not one(csi, l, item) then
        put(l, item)
        return false
      end
    end
    local full = l.full
    l.full = false
    if full then
      for item in book.all() do
        if not one(csi, l, item) then
          l.full = true
          return false
        end
      end
    end
  until l.first > l.last and not l.full
  return true
end

local start

local function work(csi)
  local l = lanes[csi]
  local ok, done = pcall(drain, csi, l)
  l.busy, l.now = false, nil
  if not ok then sys.log("error", "announce", tostring(done)) end
  if ok and done then
    lanes[csi] = nil
    return wake(l)
  end
  l.away = timers.after(l.wait, function()
    l.away = nil
    start(csi)
  end)
  l.wait = math.min(l.wait * 2, LONGEST)
  wake(l)
end

function start(csi)
  local l = lanes[csi]
  if not l or l.busy or l.away then return end
  l.busy = true
  timers.spawn(function() return work(csi) end)
end

-- ---- what is to be done -------------------------------------------------------------------------

--- An item has changed in what concerns a CSE.  Before `open` nothing is done: that looks at all.
function lane.touch(item, csi)
  if not opened then return end
  local l = lanes[csi] or new_lane()
  lanes[csi] = l
  put(l, item)
  start(csi)
end

--- Waits until nothing of an item is under way to a CSE, or the CSE is away, or `till`
-- (sys.mono()).  Yields.
function lane.settle(item, csi, till)
  local ident = item.ident
  while true do
    local l = lanes[csi]
    local left = (till - sys.mono()) / 1e6
    if not l or l.away or left <= 0 or not (l.set[ident] or l.now == ident) then return end
    local gate = timers.gate()
    l.gates[#l.gates + 1] = gate
    timers.wait(gate, left)
  end
end

-- Where an item is or should be announced.  Yields.
local function concerned(item)
  local set = {}
  for _, csi in ipairs(book.places(item)) do set[csi] = true end
  local r = tree.by_id(item.id)
  if r and item.st then
    book.show(item.id, item.st)
    for csi in pairs(set) do
      local copy = book.copy(item, csi)
      if copy and copy.a then book.show(item.id, item.st, csi, copy.a) end
    end
    r = r.type.container and tree.instance(r, item.st)
  end
  for _, entry in ipairs(r and r.raw.at and json.decode(r.raw.at) or {}) do
    set[announced.cse_of(entry) or ""] = true
  end
  set[""] = nil
  return set
end

--- Looks at items (an iterator of announce_book.lua): those that are announced somewhere.  Yields.
function lane.look(items)
  for item in items do
    local any = false
    for csi in pairs(concerned(item)) do
      any = true
      lane.touch(item, csi)
    end
    if not any then copies.clear(item) end
  end
end

local function look_at_all()
  local ok, why = pcall(lane.look, book.all())
  if not ok then sys.log("error", "announce", tostring(why)) end
end

local soon

--- Some CSE is there, or elsewhere: nothing waits, and what was refused is tried again.
function lane.again()
  if not opened then return end
  for csi, l in pairs(lanes) do
    if l.away then timers.cancel(l.away) end
    l.away, l.wait = nil, FIRST
    start(csi)
  end
  if soon then return end
  soon = timers.after(1, function()
    soon = nil
    look_at_all()
  end)
end

--- At start: what was not done before is done.
function lane.open()
  opened = true
  timers.spawn(look_at_all)
end

return lane
