-- CREATE of an instance, of a contentInstance for one: the path of every reading, so it does the
-- least that is right. Between taking the container's next stateTag and queueing the transaction
-- nothing yields: the order of stateTags is the order on disk (TS-0004 7.4.7.2.1).  The
-- representation is encoded once: it is the response, the notices' content and what `la` answers
-- with.

local json = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local action = require "moon2m.action"
local announce = require "moon2m.announce"
local book = require "moon2m.announce_book"
local content = require "moon2m.content"
local event = require "moon2m.event"
local path = require "moon2m.path"
local result = require "moon2m.result"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local script = require "moon2m.script"
local tree = require "moon2m.tree"
local types = require "moon2m.types"
local view = require "moon2m.view"
local write = require "moon2m.write"

local KEEP_BODY = 4096           -- bytes of a representation that is kept for `la`

local op = {}

--- Attributes without a column of their own, as JSON object text; nil when there are none.
local COLUMN = { con = true, lbl = true, cr = true }
function op.further(T, raw)
  local parts
  for _, name in ipairs(T.order) do
    if raw[name] and not COLUMN[name] then
      parts = parts or {}
      parts[#parts + 1] = '"' .. name .. '":' .. raw[name]
    end
  end
  return parts and "{" .. table.concat(parts, ",") .. "}"
end

--- Nothing in a container r may have a name that looks like those the CSE gives to instances.
function op.check_reserved(rn, r)
  local _, st = path.parse_ri(rn)
  local reserved = r.type.procedures.reserved
  if st or reserved and reserved(r, rn) then
    return rsc.err(rsc.BAD_REQUEST, "rn: %s is reserved, the CSE names instances so", rn)
  end
end

-- A name that the creator chose must be free; a resource may have it too.  Yields.
local function check_name(r, rn)
  local e = op.check_reserved(rn, r)
  if e then return e end
  if tree.by_path(r.path .. "/" .. rn) then
    return rsc.err(rsc.CONFLICT, "rn: %s is already used below this resource", rn)
  end
end

local function prepare(req, r, T, members)
  local raw, values = content.check(req, T, members, nil, r)
  if not raw then return nil, values end
  if values.et and values.et <= req.now then
    return nil, rsc.err(rsc.BAD_REQUEST, "et: in the past")
  end
  if values.rn then
    local e = check_name(r, values.rn)
    if e then return nil, e end
  end
  local i = { cid = r.id, ty = T.ty, type = T, parent = r, pi = r.ri, raw = raw, values = values }
  local ok, e = T.create({ req = req, originator = req.who, tree = tree }, r, i)
  if not ok then return nil, e end
  if values.cr then raw.cr = json.quote(req.who) end
  return i
end

local function committed(req, r, i, body)
  if r.cni > 0 then
    if #body <= KEEP_BODY then i.body = body end
    i.values = nil
    tree.set_newest(r, i)
  end
  action.changed(r, i, req.hop)
  if book.instances(r.id) then announce.instances(r) end
  if r.type.child_created then
    r.type.child_created({ req = req, originator = req.who, tree = tree }, r, i)
  end
end

-- ---- the container's stateTag and time ----------------------------------------------------------

-- r has the stateTag and the time of instance i from here on.  Until it is decided i knows the
-- instance before it that is not either (earlier), r's time before it (replaced), and r's texts
-- (held), which each UPDATE makes anew.
local function take(r, i)
  i.earlier, i.replaced, i.held = r.coming, r.lt, r.raw
  r.coming, r.st, r.lt = i, i.st, i.ct
end

local function settle(r, i)
  if r.coming == i then r.coming = nil end
  i.earlier, i.replaced, i.held = nil, nil, nil
end

-- i was refused: r has the time that it had before i and before what was refused right before i.
-- Whoever came or updated r meanwhile: then stateTag and time are theirs.
local function give_back(r, i)
  local e = i.earlier
  if e and e.refused and e.held == i.held then i.replaced = e.replaced end
  i.earlier, i.refused = nil, true
  if r.coming == i then r.coming = nil end
  if r.st == i.st and r.raw == i.held then r.st, r.lt = i.st - 1, i.replaced end
  if r.type.refused then r.type.refused(r, i) end
end

-- rsc, pc, extra: the answer to the creation of i, stored as `body`.
local function answer(req, i, body, members)
  local pc = req.rcn == 1 and body or result.created(req.rcn, i, body, members)
  local location = result.location(req.rcn, i)
  return rsc.CREATED, pc, location and { location = location } or nil
end

--- Creates an instance of type req.ty in container r.  rsc, pc, extra; false: r went out of the
-- cache, resolve again; nil, err.
function op.create(req, r)
  local T = types.by_ty[req.ty]
  local members, e = content.members(req.pc, T)
  if not members then return nil, e end
  local i, wrong = prepare(req, r, T, members)
  if not i then return nil, wrong end
  local index = not r.hold and r.events or event.entry(r)
  if r.gone then return false end

  -- a clock that was set back does not put an instance before older ones (sql_time.lua)
  local st, now, values, raw = r.st + 1, math.max(sys.now(), r.lt), i.values, i.raw
  i.st, i.ct, i.lt, i.et = st, now, now, tree.expiry(r, now, values.et)
  i.ri = path.ri_inst(r.id, st)
  i.rn = values.rn or i.ri
  local body = schema.encode(T, i)
  local events = index.by_net[3] and
    event.prepare(r, 3, i, { rep = body, originator = req.who })
  take(r, i)
  local ops = { { "inst", r.id, st, now, values.et, i.size, r.path, values.rn,
    values.cr and req.who, raw.lbl, op.further(T, raw), raw.con, i.mark } }
  if r.type.arrives then ops[2] = r.type.arrives(r, i) end
  if raw.at then announce.prepare(ops, i, req.restored ~= nil) end
  local reaction = script.has.on and script.event("create", view.path(r), req, body)
  if reaction then script.prepare(ops, reaction) end
  local ok, why = write.commit(ops, events, r)
  if not ok then
    give_back(r, i)
    return nil, why
  end
  settle(r, i)
  committed(req, r, i, body)
  if reaction then script.committed(reaction) end
  if raw.at then
    announce.created(req, i)
    i = tree.instance(r, st) or i             -- with where its copies are
    body = schema.encode(i.type, i)
  end
  return answer(req, i, body, members)
end

return op
