-- What is known of announcements, in the store: a row for each resource that is or was announced,
-- written in the transaction that says so; a row for each copy, with its address and what was sent;
-- a row for each CSE, with this CSE's own copy there.  A row outlives its resource until the copies
-- are gone, so nothing is forgotten by a crash.
-- An item names a resource or an instance: { path, ident, id, st = of an instance or nil }.

local store = require "moon2m.core.store"
local json = require "moon2m.json"
local sql_life = require "moon2m.sql_life"

local ITEM, COPY, BASE = "ann/", "ans/", "anb/"
local PAGE = 200

local book = {}

--- The item of a resource or of an instance of one.
function book.item(r)
  if r.parent then
    return { path = r.parent.path .. "/" .. r.ri, ident = ("%d.%d"):format(r.parent.id, r.st),
      id = r.parent.id, st = r.st }
  end
  return { path = r.path, ident = ("%d"):format(r.id), id = r.id }
end

local function key_of(item)
  return ITEM .. item.path .. "!" .. item.ident
end

--- The operation that notes an item, or with `over` forgets it.
function book.note(item, over)
  if over then return { "meta", key_of(item) } end
  return { "meta", key_of(item), "{}" }
end

local function parse(key)
  local p, ident = key:match("^ann/(.*)!([%d.]+)$")
  local id, st = ident:match("^(%d+)%.?(%d*)$")
  return { path = p, ident = ident, id = tonumber(id), st = tonumber(st) }
end

-- The items whose key is in a range, one by one.  Yields.
local function range(low, high)
  local list, i, more = {}, 0, true
  return function()
    i = i + 1
    if not list[i] and more then
      list, more = store.find(sql_life.kept, { low, high }, PAGE)
      i = 1
    end
    if not list[i] then return nil end
    low = list[i].k
    return parse(low)
  end
end

--- All items, each parent before its children.
function book.all()
  return range(ITEM, ITEM:sub(1, -2) .. "0")
end

--- The items of a resource's path, and those of what is or was below it.
function book.at(p)
  return range(ITEM .. p .. "!", ITEM .. p .. '"')
end

function book.below(p)
  return range(ITEM .. p .. "/", ITEM .. p .. "0")
end

--- Whether there is any.  Yields.
function book.any()
  return store.find(sql_life.kept, { ITEM, ITEM:sub(1, -2) .. "0" }, 1)[1] ~= nil
end

local function copy_key(item, csi)
  return COPY .. item.ident .. "/" .. csi
end

--- What is known of an item's copy at a CSE, nil when nothing is: { a = its address, s = { name =
-- digest of what was sent } }; or { lost = true }: it was there once, and, when a CREATE was not
-- answered, { below, ty, lnk }: where it may be.  Yields.
function book.copy(item, csi)
  local row = store.find(sql_life.named, { copy_key(item, csi) }, 1)[1]
  return row and json.decode(row.v) or nil
end

--- The operation that keeps it; copy nil: it is gone.
function book.keep(item, csi, copy)
  return { "meta", copy_key(item, csi), copy and json.encode(copy) or nil }
end

--- The CSEs at which an item has or may have a copy.  Yields.
function book.places(item)
  local low = COPY .. item.ident
  local list = store.find(sql_life.kept, { low .. "/", low .. "0" }, PAGE)
  for i, row in ipairs(list) do list[i] = row.k:sub(#low + 2) end
  return list
end

--- This CSE's own copy at another: { a = address, et = its end, since = of when (microseconds) },
-- or nil.  Yields.
function book.base(csi)
  local row = store.find(sql_life.named, { BASE .. csi }, 1)[1]
  return row and json.decode(row.v) or nil
end

function book.keep_base(csi, base)
  return { "meta", BASE .. csi, base and json.encode(base) or nil }
end

-- ---- instances ----------------------------------------------------------------------------------

-- What is stored of an instance is never changed, so where its copies are is told from here.
local MAX_SHOWN = 100000
local shown, count = {}, 0       -- container -> stateTag -> CSE-ID -> address

--- The announced instances of a container, stateTag -> { CSE-ID = address }; nil: it has none.
function book.instances(cid)
  return shown[cid]
end

--- An instance is or will be announced; csi, address: where a copy is.
function book.show(cid, st, csi, address)
  local of = shown[cid] or {}
  if not of[st] then
    if count >= MAX_SHOWN then return end
    of[st], count, shown[cid] = {}, count + 1, of
  end
  if csi then of[st][csi] = address end
end

--- An instance is announced no more.
function book.hide(cid, st)
  local of = shown[cid]
  if not of or not of[st] then return end
  of[st], count = nil, count - 1
  if not next(of) then shown[cid] = nil end
end

return book
