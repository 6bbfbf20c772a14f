-- Announcement (TS-0001 9.6.26, 10.2.13): a resource whose `at` names other CSEs has a copy at each
-- of them, below the copy of its parent where that has one, else below this CSE's; the copies
-- follow its changes and go with it.  Which attributes they have: announced.lua; how they are
-- brought up to date: announce_lane.lua and announce_copies.lua.
-- Guarantees: what was answered is announced, if not now then when the other CSE can be asked,
-- after a restart too; the answer waits no longer than `wait` for it, and tells in `at` where the
-- copies are that were made by then (a CSE-ID: not yet).

local sys = require "moon2m.core.sys"
local announced = require "moon2m.announced"
local book = require "moon2m.announce_book"
local json = require "moon2m.json"
local lane = require "moon2m.announce_lane"
local path = require "moon2m.path"
local remote = require "moon2m.remote"
local times = require "moon2m.times"
local timers = require "moon2m.timers"
local types = require "moon2m.types"
local write = require "moon2m.write"

local MARGIN = 0.2               -- s before the request's own end
local MAX_LOOKED = 1000          -- instances of one container that are looked at in one go

local announce = {}
local wait, active = 3, false

--- seconds: that an answer waits for other CSEs.
function announce.configure(seconds)
  wait = seconds
end

-- The CSEs that an `at` (text or nil) names, added to a set.
local function add_places(set, at)
  for _, entry in ipairs(at and json.decode(at) or {}) do set[announced.cse_of(entry)] = true end
  return set
end

local function touch(item, places)
  for csi in pairs(places) do lane.touch(item, csi) end
end

-- Waits, within the time of the request, until the copies at these CSEs are as they should be.
local function settle(req, item, places)
  if not req or wait == 0 then return end
  local left = math.min(wait, times.left(req) / 1e6 - MARGIN)
  local till = sys.mono() + left * 1e6
  for csi in pairs(places) do lane.settle(item, csi, till) end
end

-- ---- operations ---------------------------------------------------------------------------------

--- Adds to the operations that store resource or instance r, which has `at`; restored: its copies
-- are there already.  Never yields.
function announce.prepare(ops, r, restored)
  local item = book.item(r)
  active = true
  ops[#ops + 1] = book.note(item)
  if item.st then book.show(item.id, item.st) end
  if not restored then return end
  for _, entry in ipairs(json.decode(r.raw.at)) do
    local csi, plain = announced.cse_of(entry), path.originator(entry)
    if plain ~= csi then ops[#ops + 1] = book.keep(item, csi, { a = plain, s = {} }) end
  end
end

--- r, which has `at`, is on disk; req nil: nobody waits.  Yields.
function announce.created(req, r)
  local item, places = book.item(r), add_places({}, r.raw.at)
  item.first = true
  touch(item, places)
  settle(req, item, places)
end

-- Whether what changed (name -> true or null) is announced or says what is.
local function matters(T, changed)
  for name in pairs(changed) do
    if name == "at" or name == "aa" or types.announces(T, name) then return true end
  end
  return false
end

--- r was updated; was: its texts before; changed: name -> true, or null when removed.  Yields.
function announce.updated(req, r, was, changed)
  if not (was.at or r.raw.at) or not matters(r.type, changed) then return end
  local item, places = book.item(r), add_places(add_places({}, was.at), r.raw.at)
  touch(item, places)
  settle(req, item, places)
end

--- r and all below it are deleted.  Yields.
function announce.deleted(req, r)
  if not active then return end
  timers.spawn(function() return lane.look(book.below(r.path)) end)
  if not r.raw.at then return end
  local item, places = book.item(r), add_places({}, r.raw.at)
  touch(item, places)
  settle(req, item, places)
end

-- ---- instances ----------------------------------------------------------------------------------

local function touch_instance(r, st, places)
  local item = { path = r.path .. "/" .. path.ri_inst(r.id, st), id = r.id, st = st,
    ident = ("%d.%d"):format(r.id, st) }
  touch(item, places)
end

--- Instance i was deleted.
function announce.instance_deleted(i)
  local of = i.raw.at and book.instances(i.parent.id)
  if of and of[i.st] then touch_instance(i.parent, i.st, of[i.st]) end
end

--- Instances of container r may have gone, the oldest or (all) any.
function announce.instances(r, all)
  local of = book.instances(r.id)
  if not of or not all and r.announced_from == r.oldest then return end
  r.announced_from = r.oldest
  local n = 0
  for st, places in pairs(of) do
    if all or r.cni == 0 or st < r.oldest then
      n = n + 1
      touch_instance(r, st, places)
    end
    if n >= MAX_LOOKED then return end
  end
end

-- This CSE has changed something by itself.
write.observe(function(r)
  if not active then return end
  if r.raw.at then touch(book.item(r), add_places({}, r.raw.at)) end
  if r.type and r.type.container then announce.instances(r, true) end
end)

--- At start, when other CSEs can be reached.  Yields.
function announce.open()
  active = active or book.any()
  remote.on_change(lane.again)
  lane.open()
end

return announce
