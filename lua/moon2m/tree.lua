-- The resource tree as the loop sees it: resources by id, path and AE-ID over the store, in a cache
-- bounded by count.  What is queued for the store is visible here at once and pinned until the
-- store has answered; after a failing disk everything unpinned is forgotten and read again.
-- Guarantees: one object per resource while it is cached; an object that was evicted or deleted has
-- `gone` set and must not be written; a read that overlapped a delete never brings the dead back.
-- Functions that say "yields" may suspend the task; the others never do.

local json = require "moon2m.core.json"
local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local decode = require "moon2m.json"
local path = require "moon2m.path"
local rows = require "moon2m.rows"
local sql_life = require "moon2m.sql_life"
local types = require "moon2m.types"

local match, part = string.match, string.sub

local tree = {}

local max_cached = 12288
local by_id, by_path, by_aei = {}, {}, {}
local under = {}                 -- path -> number of cached resources at any depth below it
local ring, hand, free = {}, 0, {}     -- clock (second chance) over the cached resources
local cached = 0

-- ---- resources and rows ------------------------------------------------------------------------

-- Attributes that are fields of the object, not texts in raw.
local FIELD = { ty = "ty", ct = "ct", lt = "lt", et = "et", st = "st", cni = "cni", cbs = "cbs",
  rn = "rn", ri = "ri", pi = "pi", cs = "size" }

--- The decoded value of an attribute, nil when absent.  Borrowed: never change a table it returns.
function tree.value(r, name)
  local field = FIELD[name]
  if field then return r[field] end
  local raw = r.raw[name]
  if not raw then return nil end
  local memo = r.memo
  if not memo then
    memo = {}
    r.memo = memo
  end
  local v = memo[name]
  if v == nil then
    v = decode.decode(raw)
    memo[name] = v
  end
  return v
end

-- Types whose resources stand for somebody who registered, and the attribute with the identifier
-- that it speaks and is notified under: the column `aei`, and `key` of the object.
local REGISTERED = { [2] = "aei", [16] = "csi" }

--- What is kept in columns or shown as numbers is set from here after raw changed.
function tree.refresh(r)
  r.memo = nil
  r.compiled = nil                            -- access.lua's rules of an ACP
  local raw = r.raw
  local cr = raw.cr or raw._cr
  local id = raw[REGISTERED[r.ty]]
  r.key = id and json.string(id)
  r.creator = r.key or cr and json.string(cr)
  r.custodian = raw.cstn and path.originator(json.string(raw.cstn))
  if r.type and r.type.measure then r.size = r.type.measure(raw) end
  if r.type and r.type.container then
    r.mni, r.mbs, r.mia = tonumber(raw.mni), tonumber(raw.mbs), tonumber(raw.mia)
    if r.type.procedures.limits then r.type.procedures.limits(r) end
  end
end

-- Attributes with a column of their own; the others are members of `doc`, as what is announced of
-- an AE's identifier is.
local COLUMN = { lbl = true, acpi = true }
local function has_column(name, ty)
  return COLUMN[name] or name == "aei" and ty == 2
end

local function from_row(row)
  local raw = json.members(row.doc)
  raw.lbl, raw.acpi = row.lbl, row.acpi
  local ae = row.ty == 2
  if ae then raw.aei = json.quote(row.aei) end
  local r = { id = row.id, pid = row.pid, ty = row.ty, rn = row.rn, path = row.path, ct = row.ct,
    lt = row.lt, et = row.et, st = row.st, raw = raw, type = types.of_row(row.ty, raw), pin = 0 }
  r.ri = ae and row.aei or path.ri(row.id)
  r.pi = raw._pi and json.string(raw._pi) or row.pid ~= 0 and path.ri(row.pid) or ""
  if r.type and r.type.container then
    r.st = math.max(r.st, row.cs_st or 0)
    r.lt = math.max(r.lt, row.cs_lt or 0)
    r.cni, r.cbs, r.oldest = row.cni or 0, row.cbs or 0, row.oldest or 0
  end
  tree.refresh(r)
  return r
end

--- Whether r has a hot row in the store: a container, unless its type says that this one holds
-- nothing.
function tree.holds(r)
  local T = r.type
  if not (T and T.container) then return false end
  local holds = T.procedures.holds
  return not holds or holds(r)
end

--- The store's row of a resource, complete.
function tree.row(r)
  local names, parts, raw = {}, {}, r.raw
  for name in pairs(raw) do
    if not has_column(name, r.ty) then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = '"' .. name .. '":' .. raw[name] end
  return { id = r.id, pid = r.pid, ty = r.ty, rn = r.rn, path = r.path, ct = r.ct, lt = r.lt,
    et = r.et, st = r.st, lbl = raw.lbl, acpi = raw.acpi, aei = r.key,
    doc = "{" .. table.concat(parts, ",") .. "}", container = tree.holds(r),
    mni = r.mni, mbs = r.mbs, mia = r.mia }
end

-- ---- the cache ---------------------------------------------------------------------------------

-- Counts a resource at this path in (1) or out (-1), at all above it but the CSEBase.
local function count_above(p, by)
  local up = match(p, "^(.*)/[^/]*$")
  while up do
    local n = (under[up] or 0) + by
    under[up] = n > 0 and n or nil
    up = match(up, "^(.*)/[^/]*$")
  end
end

local function forget(r, why)
  if r.gone then return end
  r.gone = why
  by_id[r.id] = nil
  if by_path[r.path] == r then by_path[r.path] = nil end
  if r.key and by_aei[r.key] == r then by_aei[r.key] = nil end
  count_above(r.path, -1)
  ring[r.slot] = false
  free[#free + 1] = r.slot
  cached = cached - 1
end

-- Frees one slot; everything pinned: the cache grows for a while.
local function evict()
  for _ = 1, 2 * #ring do
    hand = hand % #ring + 1
    local r = ring[hand]
    if r then
      if r.used then
        r.used = false
      elseif r.pin == 0 and r.id ~= 1 then
        return forget(r, "evicted")
      end
    end
  end
end

local function insert(r)
  if cached >= max_cached then evict() end
  local slot = table.remove(free) or #ring + 1
  ring[slot], r.slot = r, slot
  by_id[r.id], by_path[r.path] = r, r
  if r.key then by_aei[r.key] = r end
  count_above(r.path, 1)
  cached = cached + 1
  r.used = true
  return r
end

--- Bounds the cache (configuration limits.cache), at three quarters of a power of two at most: a
-- table that is exactly full is laid out anew at each insertion.
function tree.limit(n)
  local room = 2 ^ math.ceil(math.log(n) / math.log(2))
  max_cached = math.min(n, math.floor(room * 3 / 4))
end

function tree.cached()
  return cached
end

--- Held in the cache until unpin: a change of it is on its way to the store.
function tree.pin(r)
  r.pin = r.pin + 1
end

function tree.unpin(r)
  r.pin = r.pin - 1
  if r.doomed and r.pin == 0 then forget(r, "evicted") end
end

--- After a failed write of unknown outcome: forgets all that can be read again, and what is pinned
-- as soon as it is not.
function tree.drop()
  for i = 1, #ring do
    local r = ring[i]
    if r then
      r.subs, r.subs_at, r.events, r.newest = nil, nil, nil, nil
      if r.pin > 0 then r.doomed = true else forget(r, "evicted") end
    end
  end
end

-- ---- deletes and overlapping reads -------------------------------------------------------------

local deleting, deletes = {}, 0  -- path -> number of deletes of it on their way to the store
local generation = 0             -- counts begun and ended deletes
local LOG = 1024
local log = {}                   -- the last LOG of them: generation % LOG -> path

local function below(p, top)
  return p == top or (#p > #top and p:sub(1, #top + 1) == top .. "/")
end

local function being_deleted(p)
  if deletes == 0 then return false end
  while true do
    if deleting[p] then return true end
    local up = p:match("^(.*)/[^/]*$")
    if not up then return false end
    p = up
  end
end

-- Was p deleted since `since`?  true, false, or nil when the log is too short to say.
local function deleted_since(p, since)
  if generation - since > LOG then return nil end
  for g = since + 1, generation do
    if below(p, log[g % LOG]) then return true end
  end
  return false
end

local function note_delete(p)
  generation = generation + 1
  log[generation % LOG] = p
end

local SLICE = 1000               -- places of the cache looked at in one go

--- Before r is deleted: what is below it and not in use goes from the cache, so that little is left
-- to do when it is gone at once.  Yields, in slices.
function tree.withdraw(r)
  local low = r.path .. "/"
  local n, i = #low, 0
  while under[r.path] and i < #ring do
    i = i + 1
    local c = ring[i]
    if c and c.pin == 0 and part(c.path, 1, n) == low then forget(c, "evicted") end
    if i % SLICE == 0 then sys.sleep(0) end
  end
end

-- All that is cached below r is gone.
local function forget_below(r)
  local low = r.path .. "/"
  local n, i = #low, 0
  while under[r.path] and i < #ring do
    i = i + 1
    local c = ring[i]
    if c and part(c.path, 1, n) == low then forget(c, "deleted") end
  end
end

--- r and everything below it is gone for later requests; the store's answer must be passed to
-- delete_done.
function tree.delete(r)
  note_delete(r.path)
  deleting[r.path] = (deleting[r.path] or 0) + 1
  deletes = deletes + 1
  forget_below(r)
  forget(r, "deleted")
end

function tree.delete_done(r)
  local n = deleting[r.path] - 1
  deleting[r.path] = n > 0 and n or nil
  deletes = deletes - 1
  note_delete(r.path)
end

-- ---- reading -----------------------------------------------------------------------------------

local INDEX = { id = by_id, path = by_path, aei = by_aei }

local function load(by, key)
  for _ = 1, 8 do
    local before = generation
    local row = store.get(by, key)
    local r = INDEX[by][key]
    if r then return r end                    -- another task was faster, or created it meanwhile
    if not row then return nil end
    if by_id[row.id] then return by_id[row.id] end
    if being_deleted(row.path) then return nil end
    if before == generation or deleted_since(row.path, before) == false then
      return insert(from_row(row))
    end
  end
  error("the resource is changing too fast to be read")
end

--- A resource by number, structured path or AE-ID; nil when there is none.  Yields when not cached.
function tree.by_id(id)
  local r = by_id[id] or load("id", id)
  if r then r.used = true end
  return r
end

function tree.by_path(p)
  local r = by_path[p]
  if not r and not being_deleted(p) then r = load("path", p) end
  if r then r.used = true end
  return r
end

--- Who registered with this AE-ID or CSE-ID ("/other").  Yields when not cached.
function tree.by_aei(aei)
  local r = by_aei[aei] or load("aei", aei)
  if r then r.used = true end
  return r
end

--- The parent, nil for the CSEBase.  Yields when not cached.
function tree.parent(r)
  if r.parent then return r.parent end
  if r.pid == 0 then return nil end
  return tree.by_id(r.pid)
end

--- Cached only: never yields, nil says nothing about the store.
function tree.peek_path(p)
  return by_path[p]
end

function tree.peek_id(id)
  return by_id[id]
end

function tree.peek_aei(aei)
  return by_aei[aei]
end

--- An iterator over all resources of a type, by their numbers: what modules read at the start.
-- Yields.
function tree.all(ty)
  local found = rows.each(sql_life.of_type, "id", 0, ty)
  return function()
    for row in found do
      local r = tree.by_id(row.id)
      if r then return r end
    end
  end
end

-- ---- writing -----------------------------------------------------------------------------------

local last_id

--- Start only: ids continue after the highest that was ever used.
function tree.open()
  last_id = store.max_id("res")
end

function tree.next_id()
  last_id = last_id + 1
  return last_id
end

--- The number id is given to a resource that comes back with it.
function tree.claim(id)
  last_id = math.max(last_id, id)
end

--- The highest id that was ever given.
function tree.last_id()
  return last_id
end

--- A new resource whose `put` is about to be queued: visible at once.
function tree.add(r)
  r.pin = 0
  tree.refresh(r)
  return insert(r)
end

--- The `put` failed: as if it had never been.
function tree.remove(r)
  forget_below(r)
  forget(r, "deleted")
end

--- What a transaction did to containers (the store's cs rows).
function tree.counters(list)
  for i = 1, #list do
    local c = list[i]
    local r = by_id[c.cid]
    if r then
      r.cni, r.cbs, r.oldest = c.cni, c.cbs, c.oldest
      if c.cni == 0 then r.newest = false end
    end
  end
end

-- ---- children ----------------------------------------------------------------------------------

local PAGE = 256

--- Iterates over the children of r that are no instances (ty nil: all).  Yields.
function tree.children(r, ty)
  local after, list, i, more = 0, {}, 0, true
  return function()
    while true do
      i = i + 1
      if list[i] then
        local row = list[i]
        after = row.id
        if not being_deleted(row.path) then return by_id[row.id] or from_row(row) end
      elseif not more then
        return nil
      else
        list, more = store.kids(r.id, ty or 0, after, PAGE)
        i = 0
        if not list[1] then return nil end
      end
    end
  end
end

--- The child of resource number id that is no instance and comes after the child `after`: it (nil
-- while it is being deleted) and its number; nil, nil: there are no more.  Not put into the cache.
-- Yields.
function tree.next_child(id, after)
  local row = store.kids(id, 0, after, 1)[1]
  if not row then return nil, nil end
  return not being_deleted(row.path) and (by_id[row.id] or from_row(row)) or nil, row.id
end

--- The subscriptions of r, in a list that belongs to r.  Yields at its first use.
function tree.subs(r)
  while not r.subs do
    local version = r.subs_version
    local subs, at = {}, {}
    for s in tree.children(r, 23) do
      subs[#subs + 1] = s
      at[s.id] = #subs
    end
    if r.subs_version == version then r.subs, r.subs_at = subs, at end
  end
  return r.subs
end

--- A subscription of r was created, changed or deleted.
function tree.subs_changed(r, sub, op)
  r.subs_version = (r.subs_version or 0) + 1
  local subs, at = r.subs, r.subs_at
  if not subs then return end
  local i = at[sub.id]
  if op ~= "delete" then
    i = i or #subs + 1
    subs[i], at[sub.id] = sub, i
  elseif i then
    local last = subs[#subs]
    subs[i], at[last.id] = last, i
    subs[#subs], at[sub.id] = nil, nil
  end
end

require("moon2m.instance").install(tree)
require("moon2m.resolve").install(tree)

return tree
