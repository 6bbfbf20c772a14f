-- One copy of an announced resource at one other CSE, brought to what it should be: made, changed,
-- deleted; found again when it is not known whether it was made.  What came of it is in the
-- store before anything else is done, and `at` of the resource names the copy.
-- Guarantees: nothing is asked of a CSE that is as it should be; it may be tried at any time again.

local sys = require "moon2m.core.sys"
local announced = require "moon2m.announced"
local book = require "moon2m.announce_book"
local core = require "moon2m.core.json"
local json = require "moon2m.json"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local send = require "moon2m.announce_send"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local CSE_BASE = 1               -- its number
local DEPTH = 50                 -- levels of the tree
local AWAY = {}                  -- the CSE cannot be asked now

local copies = { AWAY = AWAY }

-- Codes that are about the CSE and not about what was asked.
local LATER = { [rsc.TARGET_NOT_REACHABLE] = true, [rsc.REQUEST_TIMEOUT] = true,
  [rsc.ORIGINATOR_NOT_AUTHENTICATED] = true, [rsc.SECURITY_ASSOCIATION_REQUIRED] = true }

local function away(code)
  return code == nil or LATER[code] == true
end

-- ---- what there is ------------------------------------------------------------------------------

local function alive(r)
  return r and not r.gone and not (r.et and r.et <= sys.now()) and r or nil
end

-- The resource or instance of an item; nil when it is gone.  Yields.
local function original(item)
  local r = alive(tree.by_id(item.id))
  if not r or not item.st then return r end
  return r.type.container and alive(tree.instance(r, item.st)) or nil
end

-- What `at` of r says for a CSE: nil, or a CSE-ID or an address.
local function entry_of(r, csi)
  for _, entry in ipairs(r and r.raw.at and json.decode(r.raw.at) or {}) do
    if announced.cse_of(entry) == csi then return path.originator(entry) end
  end
end

-- `at` of r with the copy's address for that CSE.
local function named(r, csi, address)
  local list = json.array {}
  for i, entry in ipairs(json.decode(r.raw.at)) do
    list[i] = announced.cse_of(entry) == csi and address or entry
  end
  return json.encode(list)
end

-- ---- keeping ------------------------------------------------------------------------------------

local function commit(ops, r)
  local ok, e = write.commit(ops, nil, r)
  if not ok then error(e.msg, 0) end
end

-- Operations that put the address into `at` of the resource as it is now.
local function tell(item, r, csi, address, ops)
  if item.st then
    book.show(item.id, item.st, csi, address)
    r.raw.at, r.body = named(r, csi, address), nil
    return nil
  end
  local was = r.raw
  if not was.at or not entry_of(r, csi) then return nil end
  local text = named(r, csi, address)
  if text == was.at then return nil end
  local raw = {}
  for k, v in pairs(was) do raw[k] = v end
  raw.at = text
  r.raw = raw
  tree.refresh(r)
  ops[#ops + 1] = { "set", tree.row(r) }
  return function()
    if r.raw == raw then
      r.raw = was
      tree.refresh(r)
    end
  end
end

-- Yields.
local function keep(item, r, csi, copy)
  local ops = { book.keep(item, csi, copy) }
  local undo = copy.a and r and not r.gone and tell(item, r, csi, copy.a, ops)
  local ok, why = pcall(commit, ops, r and not item.st and r or nil)
  if ok then return end
  if undo then undo() end
  error(why, 0)
end

--- Forgets an item that has no copy, unless it is to have one.  Yields.
function copies.clear(item)
  local r = original(item)
  if r and r.raw.at then return end
  if item.st then book.hide(item.id, item.st) end
  commit { book.note(item, true) }
end

-- Yields.
local function forget(item, csi)
  commit { book.keep(item, csi, nil) }
  if not book.places(item)[1] then copies.clear(item) end
end

-- ---- this CSE there -----------------------------------------------------------------------------

-- The end of this CSE's copy is put off when half of its time is over.
local function renew_base(V, csi, base, attributes)
  local now = sys.now()
  if base.et - now > (base.et - base.since) / 2 then return base.a end
  local ok, code = send.update(V, base.a, { et = attributes.et })
  if not ok and away(code) then return nil, AWAY end
  if not ok then return nil end
  base.et, base.since = sys.parse_stamp(core.string(attributes.et)), now
  commit { book.keep_base(csi, base) }
  return base.a
end

-- The address of this CSE's copy at another; nil, AWAY, or nil, code, reason.  Yields.
local function ensure_base(csi)
  local r = tree.by_id(CSE_BASE)
  local V = send.variant(r)
  local attributes = send.attributes(r, V, csi)
  local base = book.base(csi)
  if base then
    local at, e = renew_base(V, csi, base, attributes)
    if at or e then return at, e end
  end
  local below = send.base_of(csi)
  local found, code = send.find(V.ty, below, core.string(attributes.lnk), csi)
  if away(code) then return nil, AWAY end
  local a = found[1]
  local et = attributes.et
  if not a then
    local more
    a, code, more = send.create(V, below, attributes, csi)
    if not a then return nil, away(code) and AWAY or code, more end
    et = type(more) == "string" and sys.parse_stamp(more) and core.quote(more) or et
  end
  commit { book.keep_base(csi, { a = a, et = sys.parse_stamp(core.string(et)),
    since = sys.now() }) }
  return a
end

-- ---- changing one -------------------------------------------------------------------------------

-- What differs from what was sent: name -> text, "null" removes.
local function difference(attributes, sent, now)
  local diff = {}
  for name, digest in pairs(now) do
    if sent[name] ~= digest then diff[name] = attributes[name] end
  end
  for name in pairs(sent) do
    if not now[name] then diff[name] = "null" end
  end
  return diff
end

local make

-- Instances never change.
local function renew(item, r, csi, copy)
  if item.st then return true end
  local V = send.variant(r)
  local attributes = send.attributes(r, V, csi)
  local now = send.digests(attributes)
  local diff = difference(attributes, copy.s, now)
  if next(diff) then
    local ok, code, why = send.update(V, copy.a, diff)
    if not ok and code == rsc.NOT_FOUND then
      commit { book.keep(item, csi, { lost = true }) }
      return make(item, r, csi, { lost = true }, 1)
    end
    if not ok then return nil, away(code) and AWAY or code, why end
  elseif entry_of(r, csi) == copy.a then
    return true
  end
  keep(item, r, csi, { a = copy.a, s = now })
  return true
end

-- ---- making one ---------------------------------------------------------------------------------

-- Where the copy of r belongs: an address, and the item whose copy that is, false for this CSE's.
-- nil, AWAY or code, reason.  Yields.
local function place(item, r, csi, depth)
  local parent = tree.parent(r)
  if parent and parent.id ~= CSE_BASE and entry_of(parent, csi) then
    local above = book.item(parent)
    local copy = book.copy(above, csi)
    if not (copy and copy.a) then
      local ok, e, why = make(above, parent, csi, copy, depth + 1)
      if not ok then return nil, e, why end
      copy = book.copy(above, csi)
    end
    return copy.a, above
  end
  if item.st then
    return nil, rsc.OPERATION_NOT_ALLOWED,
      "an instance is announced where its container is, and nowhere else"
  end
  local a, e, why = ensure_base(csi)
  return a, a and false or e, why
end

-- The place that was known is there no more.
local function lose(above, csi)
  if above then return commit { book.keep(above, csi, { lost = true }) } end
  commit { book.keep_base(csi, nil) }
end

-- Of the copies of one resource, `a` alone stays.
local function only(list, a)
  for _, other in ipairs(list) do
    if other ~= a then send.delete(other) end
  end
  return a
end

-- A CREATE, or what an earlier one has made: its address and what was sent; nil, AWAY, or nil,
-- code, reason.
local function create(item, r, csi, below, copy)
  local V = send.variant(r)
  local attributes = send.attributes(r, V, csi)
  local lnk, unsure = core.string(attributes.lnk), copy or not item.first
  if unsure then
    local found, code = send.find(V.ty, below, lnk, csi)
    if found[1] then return only(found, found[1]), { lnk = attributes.lnk } end
    if away(code) then return nil, AWAY end
  end
  item.first = nil
  local a, code, more = send.create(V, below, attributes, csi)
  if a and unsure then only(send.find(V.ty, below, lnk, csi), a) end
  if a then return a, attributes end
  if not away(code) then return nil, code, more end
  keep(item, nil, csi, { below = below, ty = V.ty, lnk = lnk, lost = copy and copy.lost })
  return nil, AWAY
end

-- True; nil, AWAY, or nil, code, reason.  copy: what is known of one that was there, or may have
-- been made.  An address in `at` that is no copy's is where the originator wants it.  Yields.
function make(item, r, csi, copy, depth)
  if depth > DEPTH then return nil, rsc.BAD_REQUEST, "its parents are announced too deep" end
  if not send.variant(r) then return nil, rsc.BAD_REQUEST, "its type is never announced" end
  local below, above = entry_of(r, csi), nil
  local asked = below ~= csi and not (copy and copy.lost)
  if not asked then
    local why
    below, above, why = place(item, r, csi, depth)
    if not below then return nil, above, why end
  end
  local a, sent, reason = create(item, r, csi, below, copy)
  if a then
    local new = { a = a, s = send.digests(sent) }
    keep(item, r, csi, new)
    return renew(item, r, csi, new)
  end
  if sent ~= rsc.NOT_FOUND or asked or item.again then return nil, sent, reason end
  lose(above, csi)
  item.again = true
  return make(item, r, csi, copy, depth + 1)
end

-- ---- deleting one -------------------------------------------------------------------------------

-- The address of what an unanswered CREATE may have made.
local function address_of(copy, csi)
  if copy.a or not copy.below then return copy.a end
  local found, code = send.find(copy.ty, copy.below, copy.lnk, csi)
  return found[1] and only(found, found[1]), away(code) and AWAY or nil
end

local function withdraw(item, csi, copy)
  local a, e = address_of(copy, csi)
  if e then return nil, e end
  local code, why = rsc.DELETED, nil
  if a then code, why = send.delete(a) end
  if away(code) then return nil, AWAY end
  forget(item, csi)
  if code == rsc.DELETED or code == rsc.NOT_FOUND then return true end
  return nil, code, why
end

--- Brings the copy of an item at a CSE to what it should be.  item.first: nothing was ever asked of
-- that CSE for it.  True: it is; AWAY: the CSE cannot be asked now; false: it refuses, which is
-- logged.  Raises when the store fails.  Yields.
function copies.bring(item, csi)
  local r, copy = original(item), book.copy(item, csi)
  local ok, code, why
  if entry_of(r, csi) then
    if copy and copy.a then
      ok, code, why = renew(item, r, csi, copy)
    else
      ok, code, why = make(item, r, csi, copy, 1)
    end
  elseif copy then
    ok, code, why = withdraw(item, csi, copy)
  else
    forget(item, csi)
    return true
  end
  if ok and not entry_of(original(item), csi) then            -- it went meanwhile
    copy = book.copy(item, csi)
    if copy then ok, code, why = withdraw(item, csi, copy) end
  end
  if ok or code == AWAY then return ok or AWAY end
  sys.log("warn", "announce", ("/%s at %s: %d %s"):format(item.path, csi, code, why or ""))
  return false
end

return copies
