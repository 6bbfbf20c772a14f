-- Instances of containers (contentInstance and its like): reading them from the store, their
-- identifiers, sizes and expiry, and the container's newest one, which is kept in memory because
-- `la` is asked for most.  An instance is { cid, st, ct, lt, et, size, rn, ri, pi, ty, type,
-- raw = {...}, parent = container }; `et` is the
-- time it shows: the creator's, else the container's, earlier when `mia` says so; only the
-- creator's is stored.  The cached newest one is always a committed one. Part of the tree:
-- install() adds these functions to it.

local announced = require "moon2m.announced"
local book = require "moon2m.announce_book"
local json = require "moon2m.core.json"
local decode = require "moon2m.json"
local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local path = require "moon2m.path"
local types = require "moon2m.types"

local KEEP = 16384               -- bytes of content that the cached newest instance may have
local MAX_DYING = 4096           -- deleted instances remembered per container
local PAGE, PAGES = 64, 32       -- how far to look past instances that have expired

local instance = {}

--- The expiration time that an instance of r shows.
function instance.expiry(r, ct, set)
  local et = r.et or math.huge
  if set and set < et then et = set end
  if r.mia and ct + r.mia * 1e6 < et then et = ct + r.mia * 1e6 end
  return et < math.huge and et or nil
end

-- `at` with the addresses of the copies, instead of the CSEs that were asked for.
local function announced_at(cid, st, at)
  local of = book.instances(cid)
  local known = of and of[st]
  if not known then return at end
  local list = decode.array {}
  for i, entry in ipairs(decode.decode(at)) do list[i] = known[announced.cse_of(entry)] or entry end
  return decode.encode(list)
end

--- The instance of container r that a row of the store is.
function instance.instance_of(r, row)
  local raw = row.att and json.members(row.att) or {}
  raw.con, raw.lbl = row.con, row.lbl
  if row.cr then raw.cr = json.quote(row.cr) end
  if raw.at then raw.at = announced_at(r.id, row.st, raw.at) end
  local ri, T = path.ri_inst(r.id, row.st), types.instance_type(r.type)
  return { cid = r.id, st = row.st, ct = row.ct, lt = row.ct, rn = row.rn or ri, ri = ri,
    et = instance.expiry(r, row.ct, row.et), size = row.size, pi = r.ri, ty = T.ty, raw = raw,
    parent = r, type = T }
end

--- Whether an instance is neither expired at `now` nor deleted (or about to be) by an earlier
-- request.
function instance.alive(i, now)
  local dying = i.parent.dying
  return (not i.et or i.et > now) and not (dying and dying[i.st])
end

local alive = instance.alive

--- Instance i is about to be deleted: later requests pass it by.  False when another request is
-- doing so already.
function instance.condemn(i)
  local r = i.parent
  if not r.dying or r.ndying >= MAX_DYING then r.dying, r.ndying = {}, 0 end
  if r.dying[i.st] then return false end
  r.dying[i.st] = true
  r.ndying = r.ndying + 1
  return true
end

--- Its deletion failed.
function instance.reprieve(i)
  local dying = i.parent.dying
  if dying then dying[i.st] = nil end
end

--- An instance by stateTag; nil when there is none.  Yields.
function instance.instance(r, st)
  if r.newest and r.newest.st == st then
    return alive(r.newest, sys.now()) and r.newest or nil
  end
  local row = store.inst(r.id, "at", st)
  local i = row and instance.instance_of(r, row)
  return i and alive(i, sys.now()) and i or nil
end

--- An instance by name: the creator's, or its identifier when the CSE named it.  Yields.
function instance.named(r, rn)
  local cid, st = path.parse_ri(rn)
  if st then return cid == r.id and instance.instance(r, st) or nil end
  local row = store.inst(r.id, "named", rn)
  local i = row and instance.instance_of(r, row)
  return i and alive(i, sys.now()) and i or nil
end

--- The newest instance was deleted, or may have been.
function instance.forget_newest(r)
  r.newest = nil
  r.newest_version = (r.newest_version or 0) + 1
end

--- Remembers i as the newest of r: it is committed.
function instance.set_newest(r, i)
  local n = r.newest
  if n and n.st > i.st then return end
  if i.size > KEEP then return instance.forget_newest(r) end
  r.newest = i
end

-- The first instance that has not expired; the expiry run has not reached those before it.
local function first_alive(r, rows, now)
  for k = 1, #rows do
    local i = instance.instance_of(r, rows[k])
    if alive(i, now) then return i end
  end
end

--- The newest instance of r, nil when it has none.  Yields when it is not in memory.
function instance.latest(r)
  local now = sys.now()
  local i = r.newest
  if i == nil then
    local version = r.newest_version
    local row = store.inst(r.id, "latest")
    i = row and instance.instance_of(r, row) or false
    if r.newest then
      i = r.newest                            -- committed while we were reading
    elseif r.newest_version == version and (not i or i.size <= KEEP) then
      r.newest = i
    end
  end
  if not i then return nil end
  if alive(i, now) then return i end
  if r.mia and i.ct + r.mia * 1e6 <= now then return nil end
  return first_alive(r, store.insts(r.id, "newest", PAGE), now)
end

--- The oldest instance of r, nil when it has none.  Yields.
function instance.oldest(r)
  local row = store.inst(r.id, "oldest")
  if not row then return nil end
  local now, i = sys.now(), instance.instance_of(r, row)
  for _ = 1, PAGES do
    if alive(i, now) then return i end
    local rows = store.insts(r.id, "from", PAGE, i.st + 1)
    local found = first_alive(r, rows, now)
    if found or #rows < PAGE then return found end
    i = instance.instance_of(r, rows[#rows])
  end
end

--- Adds the functions to the tree.
function instance.install(tree)
  for name, fn in pairs(instance) do
    if name ~= "install" then tree[name] = fn end
  end
end

return instance
