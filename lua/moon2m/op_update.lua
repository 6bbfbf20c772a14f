-- UPDATE (TS-0004 7.3.3.7): checks in the order of the standard, then one transaction with the row
-- and the notices.  The change is visible to later requests as soon as it is queued.  acpi is
-- changed alone, by the selfPrivileges of the policies that it names now (TS-0001 9.6.1.3.2).

local access = require "moon2m.access"
local action = require "moon2m.action"
local announce = require "moon2m.announce"
local blocking = require "moon2m.blocking"
local content = require "moon2m.content"
local cross = require "moon2m.cross"
local event = require "moon2m.event"
local family = require "moon2m.family"
local lane = require "moon2m.lane"
local location = require "moon2m.location"
local member = require "moon2m.members"
local missing = require "moon2m.missing"
local monitor = require "moon2m.monitor"
local node = require "moon2m.node"
local null = require("moon2m.json").null
local expiry = require("moon2m.op_create").expiry
local path = require "moon2m.path"
local policy = require "moon2m.policy"
local register = require "moon2m.register"
local result = require "moon2m.result"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local script = require "moon2m.script"
local sql_life = require "moon2m.sql_life"
local statistics = require "moon2m.statistics"
local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local tree = require "moon2m.tree"
local verify = require "moon2m.verify"
local write = require "moon2m.write"

local ACP, CSE_BASE, SUBSCRIPTION, GROUP = 1, 5, 23, 9
local NODE, SCHEDULE, CROSS = 14, 18, 48

local op = {}

local function not_allowed(what)
  return nil, rsc.err(rsc.OPERATION_NOT_ALLOWED, "%s cannot be updated", what)
end

-- Access, then what can be updated at all.  Who is asked for more privileges (daci) is decided by
-- whoever decides on the policies.
local function check_target(req, target, members)
  local r = target.virtual and target.parent or target
  local ok, e
  if members and members.acpi then
    ok, e = access.check_acpi(r, req)
  else
    ok, e = access.check(r, access.UPDATE, req)
    if ok and members and members.daci then ok, e = access.check_acpi(r, req) end
  end
  if not ok then return nil, e end
  if target.virtual then return not_allowed(target.virtual) end
  if r.type.instance then return not_allowed("an instance") end
  if r.ty == CSE_BASE then return not_allowed("the CSEBase") end
  return true
end

-- A new expiration time: not in the past, not beyond the parent's, not before a child's.  Yields.
local function check_expiry(r, want, now)
  local parent = tree.parent(r)
  if not parent then
    return nil, rsc.err(rsc.NOT_FOUND, "to: the resource was deleted meanwhile")
  end
  local et, e = expiry(parent, want ~= null and want or nil, now)
  if not et then return nil, e end
  local latest = store.find(sql_life.latest_child, { r.id }, 1)[1]
  if latest and latest.et and latest.et > et then
    return nil, rsc.err(rsc.BAD_REQUEST, "et: earlier than that of a child, %s",
      sys.stamp(latest.et))
  end
  return et
end

-- New notification targets are verified as in a CREATE.  Yields.
local function check_targets(req, r, parent, nu)
  local old, new = {}, {}
  for _, v in ipairs(tree.value(r, "nu")) do old[v] = true end
  for _, v in ipairs(nu) do
    if not old[v] then new[#new + 1] = v end
  end
  local e = new[1] and blocking.check_target(parent, tree.value(r, "enc"), new)
  if e then return e end
  return verify.targets(new, path.sp_relative(r.ri), r.raw.cr and tree.value(r, "cr"), req)
end

-- All that may wait.  et, or nil, err; et nil without err: unchanged.
local function prepare(req, r, new)
  if r.type.update then
    local ok, e = r.type.update({ req = req, originator = req.who, tree = tree }, r, new)
    if not ok then return e end
  end
  local values = new.values
  if (r.ty == SUBSCRIPTION or r.ty == CROSS) and values.nu then
    local parent = tree.parent(r)
    local e = parent and check_targets(req, r, parent, values.nu)
    if e then return e end
  end
  if values.et ~= nil then
    local et, e = check_expiry(r, values.et, req.now)
    if not et then return e end
    new.et = et
  end
end

-- Puts the new texts into the resource.  Returns what changed: name -> true, or null when removed.
-- new.same: the type's hook says that the stateTag stays.
local function apply(r, new)
  local raw, changed, size = {}, { lt = true }, r.size
  for name, text in pairs(r.raw) do raw[name] = text end
  for name, text in pairs(new.raw) do
    raw[name] = text ~= "null" and text or nil
    changed[name] = text ~= "null" and true or null
  end
  if new.et then
    r.et = new.et
    changed.et = true
  end
  if r.type.attr.st and not new.same then
    r.st = r.st + 1
    changed.st = true
  end
  r.lt = math.max(sys.now(), r.lt)
  r.raw = raw
  tree.refresh(r)
  if r.size ~= size then changed.cs = true end
  return changed
end

-- The transaction's operations: the row; for a container its hot row; all instances when disr
-- ended.
local function operations(r, new)
  local ops = {}
  if new.empty then
    local row = tree.row(r)
    row.mni, row.container = 0, true
    ops[1] = { "set", row }
  end
  ops[#ops + 1] = { "set", tree.row(r) }
  for _, one in ipairs(r.type.applied and r.type.applied(r, new) or {}) do ops[#ops + 1] = one end
  if tree.holds(r) then ops[#ops + 1] = { "touch", r.id, r.st, r.lt } end
  return ops
end

-- The new md counts from here on; the next event meets the new subscription; cross-resource
-- subscriptions that it names no longer are told (TS-0004 7.4.8.2.3).
local function subscription_changed(r, parent, new, policies)
  if new.values.enc ~= nil then missing.forget(r.id) end
  for _, address in ipairs(new.left or {}) do verify.deleted(address, r.id, r.ri) end
  statistics.changed(r, new.values.nse)
  tree.subs_changed(parent, r, "update")
  event.changed(parent, r, "update")
  monitor.changed(parent, r)
  lane.changed(r, policies)
end

local function after(r, parent, new, policies)
  if r.type.committed then r.type.committed(r, new.was) end
  if r.ty == SUBSCRIPTION then
    subscription_changed(r, parent, new, policies)
  elseif r.ty == SCHEDULE then
    lane.rescheduled(tree.parent(r), r.raw.se, r.id)
  elseif r.ty == ACP then
    access.changed()
  elseif r.ty == GROUP then
    member.changed(r.id)
  elseif r.ty == CROSS then
    cross.updated(r, new.values)
  elseif r.key then
    register.updated(r, new.nl)
  elseif r.ty == NODE then
    node.changed(r)
  end
end

-- The notices of an update, and of the instance that it makes.
local function notices(req, r, new, opts)
  local by_net = r.events and r.events.by_net or {}
  local events = by_net[1] and event.prepare(r, 1, r, opts)
  if not (new.instance and by_net[3]) then return events end
  local all = {}
  for _, ev in ipairs(events or all) do all[#all + 1] = ev end
  local more = event.prepare(r, 3, new.instance, { originator = req.who })
  for _, ev in ipairs(more) do all[#all + 1] = ev end
  return all
end

local function as_it_is(r)
  return { raw = r.raw, et = r.et, st = r.st, lt = r.lt }
end

-- The transaction failed: r is as it was, unless something else changed it meanwhile; an instance
-- that came has changed stateTag and time only.
local function restore(r, was, is)
  if r.raw ~= is.raw then return end
  r.raw, r.et = was.raw, was.et
  if r.st == is.st and r.lt == is.lt then r.st, r.lt = was.st, was.lt end
  tree.refresh(r)
end

-- What changed and the event for scripts (nil: nobody wants it) | nil, err.  Nothing yields
-- before the commit.
local function put(req, r, new)
  local was = as_it_is(r)
  local old = (script.has.on or r.events and r.events.by_net[1]) and schema.encode(r.type, r)
  local changed = apply(r, new)
  local opts = { old = old or nil, changed = changed, originator = req.who }
  if r.ty == ACP then access.changed() end
  if r.type.container then tree.forget_newest(r) end
  local ops, is = operations(r, new), as_it_is(r)
  if changed.at and r.raw.at then announce.prepare(ops, r) end
  local events = notices(req, r, new, opts)
  local reaction = script.has.on
    and script.event("update", "/" .. r.path, req, schema.encode(r.type, r), old) or nil
  if reaction then script.prepare(ops, reaction) end
  local ok, e = write.commit(ops, events, r)
  if r.type.container then tree.forget_newest(r) end
  if not ok then
    restore(r, was, is)
    return nil, e
  end
  if new.instance then tree.set_newest(r, new.instance) end
  return changed, reaction
end

-- All checks of the request.  The content's members, new = { raw, values, et } | nil, err.
local function check(req, target)
  local T = target.virtual and target.parent.type or target.type
  local members, bad = content.members(req.pc, T)
  local ok, e = check_target(req, target, members)
  if not ok then return nil, e end
  if not members then return nil, bad end
  local r, fc = target, req.params.fc
  if fc and not family.meets(r, fc) then
    return nil, rsc.err(rsc.NOT_FOUND, "fc: the resource does not meet the conditions")
  end
  local raw, values = content.check(req, T, members, r, r)
  if not raw then return nil, values end
  local new = { raw = raw, values = values }
  e = prepare(req, r, new)
  if e then return nil, e end
  return members, new
end

--- UPDATE.  rsc, pc | false: try again | nil, err.  Yields.
function op.perform(req, target)
  local r = target
  local ok, e = blocking.enter(req, r)
  if not ok then return ok, e end
  local members, new = check(req, target)
  if not members then return nil, new end
  local parent = r.ty == SUBSCRIPTION and tree.parent(r)
  ok, e = blocking.consent(req, r, members)
  if not ok then return ok, e end
  if new.keeper then event.entry(r) end       -- waits while earlier children are read
  if r.gone or parent == nil or not r.events then return false end
  local policies = parent and policy.of(r)
  new.nl, new.was = r.key and tree.value(r, "nl"), r.raw         -- as it was
  local changed, reaction = put(req, r, new)
  if not changed then return nil, reaction end
  after(r, parent, new, policies)
  action.changed(r, nil, req.hop)
  if changed.loc and r.key then location.changed(r) end
  if reaction then script.committed(reaction) end
  announce.updated(req, r, new.was, changed)
  return rsc.UPDATED, result.updated(req.rcn, r, changed)
end

return op
