-- CREATE (TS-0004 7.3.3.3, 7.3.3.5): checks in the order of the standard, then one transaction
-- with the resource and the notices of its parent's subscriptions.  A resource is visible to later
-- requests as soon as it is queued, and gone again when its transaction fails.

local json = require "moon2m.core.json"
local access = require "moon2m.access"
local announce = require "moon2m.announce"
local announced = require "moon2m.announced"
local announcing = require "moon2m.procedures.announced"
local blocking = require "moon2m.blocking"
local content = require "moon2m.content"
local cross = require "moon2m.cross"
local earlier = require "moon2m.earlier"
local event = require "moon2m.event"
local members = require "moon2m.members"
local monitor = require "moon2m.monitor"
local node = require "moon2m.node"
local op_instance = require "moon2m.op_instance"
local path = require "moon2m.path"
local polling = require "moon2m.polling"
local register = require "moon2m.register"
local result = require "moon2m.result"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local script = require "moon2m.script"
local target = require "moon2m.target"
local tree = require "moon2m.tree"
local types = require "moon2m.types"
local verify = require "moon2m.verify"
local write = require "moon2m.write"

local ACP, AE, CHANNEL, REQUEST, SUBSCRIPTION, GROUP = 1, 2, 15, 17, 23, 9
local NODE, REMOTE_CSE = 14, 16
local CSE_BASE, LOCATION, POLICY, CROSS = 5, 10, 26, 48
local MAX_PATH, MAX_LEVELS = 2000, 50
local default_life = 365 * 86400 * 1e6

local op = {}

--- seconds: the life of a resource whose creator names no expiration time.
function op.configure(seconds)
  default_life = seconds * 1e6
end

-- ---- checks ------------------------------------------------------------------------------------

-- Policies for notification targets and for locations have no other place than the CSEBase, and
-- concern nobody but their creator: every AE may make its own.
local function may_make_policy(req, parent)
  return (req.ty == POLICY or req.ty == LOCATION) and parent.ty == CSE_BASE and req.ae ~= nil
end

-- What registers has no privileges yet.
local function registers(ty) return ty == AE or ty == REMOTE_CSE end

-- Rows 18 to 21 of the receiver's checks: access, type implemented, type allowed here.
local function check_place(req, parent)
  local ok, e
  local T = types.by_ty[req.ty]
  if req.ty == REQUEST or T and T.spec.by_cse then
    return rsc.err(rsc.OPERATION_NOT_ALLOWED, "ty: a %s is created by the CSE only", T.name)
  end
  if announced.is(req.ty) then
    e = announcing.refused(req, parent, access.privileged(req.who), function(at)
      return access.check(at, access.CREATE, req, req.ty)
    end)
    if e then return e end
  elseif not registers(req.ty) and not may_make_policy(req, parent) then
    ok, e = access.check(parent, access.CREATE, req, req.ty)
    if ok and req.ty == SUBSCRIPTION then ok, e = access.check(parent, access.RETRIEVE, req) end
    if not ok then return e end
  elseif script.has.policy then
    ok, e = access.policies(parent, access.CREATE, req)
    if not ok then return e end
  end
  if not T then
    return rsc.err(rsc.NOT_IMPLEMENTED, "ty: %s is not supported by this CSE",
      types.standard(req.ty))
  end
  if req.ty == 5 then
    return rsc.err(rsc.OPERATION_NOT_ALLOWED, "ty: a CSEBase cannot be created")
  end
  return types.child_error(parent.type, T)
end

local function check_name(parent, rn)
  local p = parent.path == "" and rn or parent.path .. "/" .. rn
  if tree.peek_path(p) then
    return nil, rsc.err(rsc.CONFLICT, "rn: %s is already used below this resource", rn)
  end
  local _, levels = p:gsub("/", "")
  if #p > MAX_PATH or levels >= MAX_LEVELS then
    return nil, rsc.err(rsc.BAD_REQUEST,
      "rn: the address would have more than %d bytes or %d levels", MAX_PATH, MAX_LEVELS)
  end
  return p
end

-- Instances have names too; theirs are not in the table of paths.  Yields for a container.
local function check_instance_name(parent, rn)
  if not parent.type.container then return nil end
  local e = op_instance.check_reserved(rn, parent)
  if e then return e end
  if parent.cni > 0 and tree.named(parent, rn) then
    return rsc.err(rsc.CONFLICT, "rn: %s is already used below this resource", rn)
  end
end

--- The expiration time of a resource below parent: what was asked for or the default life, never
-- beyond the parent's.  nil, err when it is in the past.
function op.expiry(parent, want, now)
  if want and want <= now then return nil, rsc.err(rsc.BAD_REQUEST, "et: in the past") end
  local et = want or now + default_life
  return parent.et and parent.et < et and parent.et or et
end

-- ---- the new resource --------------------------------------------------------------------------

local function make(req, parent, T, raw, values)
  local et, e = op.expiry(parent, values.et, req.now)
  if not et then return nil, e end
  local past = req.restored or {}
  local id, ct = tree.next_id(), past.ct or req.now
  local r = { id = id, pid = parent.id, ty = T.ty, type = T, ri = path.ri(id), pi = parent.ri,
    ct = ct, lt = past.lt or ct, et = et, st = 0, raw = raw, values = values }
  r.rn = values.rn or past.rn or T.root:match(":(.*)$") .. "_" .. r.ri
  if T.rooted then raw._root = json.quote(T.root) end
  if T.measure then r.size = T.measure(raw) end
  if parent.ty == AE then raw._pi = json.quote(parent.ri) end
  if T.container then r.cni, r.cbs, r.oldest = 0, 0, 0 end
  if T.attr.cr and values.cr then raw.cr = json.quote(req.who) end
  if T.attr.cr and past.cr then raw.cr = past.cr end
  raw._cr = past._cr
  return r
end

-- Everything about r that may wait for others: hooks, registration, verification.
local function complete(req, parent, r, ops)
  local T = r.type
  if T.create then
    local ok, e = T.create({ req = req, originator = req.who, tree = tree, ops = ops }, parent, r)
    if not ok then return e end
  end
  local past = req.restored
  if past and r.raw.cr then r.raw.cr = past.cr or past._cr or r.raw.cr end
  if registers(r.ty) then return register.assign(req, r) end
  local e = r.ty == CHANNEL and polling.admit(req, parent)
  if e then return e end
  if not r.raw.cr then r.raw._cr = r.raw._cr or json.quote(req.who) end
  if r.ty == SUBSCRIPTION then
    e = blocking.claim(req, parent, r.values)
    if e then return e end
    if req.restored then return nil end
    if req.fanned then return target.mark(r.raw, req.fanned) end
    return verify.targets(r.values.nu, path.sp_relative(r.ri), r.raw.cr and req.who, req)
  end
end

local function committed(req, parent, r)
  r.values = nil
  if r.ty == SUBSCRIPTION then
    monitor.done(req, parent)                 -- a subscription is not told of its own creation
    req.monitored = true
    tree.subs_changed(parent, r, "create")
    event.changed(parent, r, "create")
    monitor.changed(parent, r)
  elseif r.ty == ACP then
    access.changed()
  elseif r.ty == GROUP then
    members.changed(r.id)
  elseif r.ty == CROSS then
    cross.created(r)
  elseif registers(r.ty) then
    register.created(r)
  elseif r.ty == NODE then
    node.changed(r)
  elseif r.ty == CHANNEL then
    register.routes(parent)
  end
  if r.type.committed then r.type.committed(r) end
  if parent.type.child_created then
    parent.type.child_created({ req = req, originator = req.who, tree = tree }, parent, r)
  end
  local reaction = r.reaction
  r.reaction = nil
  if reaction then script.committed(reaction) end
end

-- Queues and waits.  Nothing yields before the commit; before(events), where there is one, is the
-- last that is done, and returns more of them.
local function store(req, parent, r, ops, before)
  local p, e = check_name(parent, r.rn)
  if not p then return nil, e end
  r.path = p
  if r.key and tree.peek_aei(r.key) then return nil, register.taken(r.key) end
  if r.ty == CHANNEL then
    if parent.pch then return nil, polling.taken() end
    parent.pch = r.id
  end
  tree.add(r)
  local body = schema.encode(r.type, r)
  local index = parent.events
  local quiet = req.restored ~= nil
  local events = not quiet and index and index.by_net[3] and
    event.prepare(parent, 3, r, { rep = body, originator = req.who })
  if before then events = before(events) end
  table.insert(ops, 1, { "put", tree.row(r) })
  if r.raw.at then announce.prepare(ops, r, quiet) end
  if script.has.on and not quiet then
    r.reaction = script.event("create", "/" .. parent.path, req, body)
    script.prepare(ops, r.reaction)
  end
  local ok
  if quiet and req.restored.queued then req.restored.queued() end
  ok, e = write.commit(ops, events, r, parent)
  if ok then return body end
  tree.remove(r)
  if r.ty == CHANNEL then parent.pch = false end
  if r.key and e.rsc == rsc.CONFLICT and tree.by_aei(r.key) then e = register.taken(r.key) end
  return nil, e
end

-- Completes and stores r: its representation and a warning or nil | false: try again | nil, err.
local function finish(req, parent, r)
  local ops = {}
  local rn = r.values.rn
  local e = rn and check_instance_name(parent, rn) or complete(req, parent, r, ops)
  if e then return nil, e end
  if r.values.psn then
    return earlier.create(parent, r, function(before)
      return store(req, parent, r, ops, before)
    end)
  end
  event.entry(parent)
  if parent.gone then return false end
  return store(req, parent, r, ops)
end

--- Stores r as it was once, complete, with its path: nothing is checked, nobody is notified.
-- req.restored as below.  true, or nil, err.  Yields.
function op.restore(req, parent, r)
  tree.add(r)
  local ops = { { "put", tree.row(r) } }
  if r.raw.at then announce.prepare(ops, r, true) end
  if req.restored.queued then req.restored.queued() end
  local ok, e = write.commit(ops, nil, r, parent)
  if not ok then
    tree.remove(r)
    return nil, e
  end
  if r.ty == CHANNEL then parent.pch = r.id end
  committed(req, parent, r)
  if r.raw.at then announce.created(nil, r) end
  return true
end

--- CREATE.  req.restored = { rn, ct, lt, cr, _cr, queued }: its name where a CREATE cannot give
-- one, times (microseconds) and creator (texts) that the resource had elsewhere; then no target is
-- verified and nobody is notified; queued() (may be nil) is called when the transaction is about to
-- be queued.  rsc, pc, extra | false: try again | nil, err.  Yields.
function op.perform(req, parent)
  local e = check_place(req, parent)
  if e then return nil, e end
  local T = types.by_ty[req.ty]
  if T.instance then return op_instance.create(req, parent) end
  local given, raw, values, r, body
  T, e = types.for_content(T, req.pc)
  e = T and types.class_error(parent.type, T) or e
  if e then return nil, e end
  given, e = content.members(req.pc, T)
  if not given then return nil, e end
  raw, values = content.check(req, T, given, nil, parent)
  if not raw then return nil, values end
  r, e = make(req, parent, T, raw, values)
  if not r then return nil, e end
  body, e = finish(req, parent, r)
  if not body then
    if r.undo then r.undo() end               -- what its type's hook did elsewhere
    return body, e
  end
  committed(req, parent, r)
  if r.raw.at then
    announce.created(req, r)
    body = schema.encode(r.type, r)           -- with where its copies are
  end
  return rsc.CREATED, result.created(req.rcn, r, body, given),
    { location = result.location(req.rcn, r), service = r.service,
      bind = r.key, vsi = e }
end

return op
