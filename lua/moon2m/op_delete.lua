-- DELETE (TS-0004 7.3.3.8): a resource with everything below it, or one instance.  Subscriptions
-- of the resource, of its parent and of descendants are told in the same transaction; deletion
-- notices to `su`, connections and routes of AEs follow after it is on disk.  Expiry deletes
-- through here too.

local core = require "moon2m.core.cse"
local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local access = require "moon2m.access"
local action = require "moon2m.action"
local announce = require "moon2m.announce"
local area_network = require "moon2m.area_network"
local blocking = require "moon2m.blocking"
local cross = require "moon2m.cross"
local event = require "moon2m.event"
local family = require "moon2m.family"
local json = require "moon2m.json"
local lane = require "moon2m.lane"
local members = require "moon2m.members"
local missing = require "moon2m.missing"
local monitor = require "moon2m.monitor"
local node = require "moon2m.node"
local path = require "moon2m.path"
local polling = require "moon2m.polling"
local register = require "moon2m.register"
local result = require "moon2m.result"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local script = require "moon2m.script"
local sql_life = require "moon2m.sql_life"
local statistics = require "moon2m.statistics"
local tree = require "moon2m.tree"
local verify = require "moon2m.verify"
local view = require "moon2m.view"
local write = require "moon2m.write"

local ACP, AE, CSE_BASE, CHANNEL, SUBSCRIPTION, GROUP = 1, 2, 5, 15, 23, 9
local NODE, SCHEDULE, CROSS = 14, 18, 48
local PAGE = 500
local SLICE = 200                -- descendants that are seen to in one go
local MAX_TOLD = 2000            -- descendants with subscriptions that are told of their deletion

local op = {}

-- ---- a resource --------------------------------------------------------------------------------

-- Descendants that need more than their rows removed: one read when they are few, else type by
-- type, so that no row is looked at twice.  Yields.
local function below(r)
  local low, high = r.path .. "/", r.path .. "0"
  local list, more = store.find(sql_life.below, { low, high }, PAGE)
  local last = list[#list]
  for _, ty in ipairs(more and sql_life.kept_types or {}) do
    local after, rest = ty == last.ty and last.path or low, ty >= last.ty
    while rest do
      local rows
      rows, rest = store.find(sql_life.below_of, { after, high, ty }, PAGE)
      for _, row in ipairs(rows) do
        list[#list + 1] = row
        after = row.path
      end
    end
  end
  return list
end

-- Descendants whose own deletion somebody subscribed to.  Yields.
local function told(r, descendants)
  local list, seen = {}, { [r.id] = true }
  for _, row in ipairs(descendants) do
    if row.of_deletion == 1 and not seen[row.pid] and #list < MAX_TOLD then
      seen[row.pid] = true
      local p = tree.by_id(row.pid)
      if p and event.index(p).by_net[2] then list[#list + 1] = p end
    end
  end
  return list
end

local function append(list, more)
  for i = 1, #more do list[#list + 1] = more[i] end
end

-- The notices of the deletion.  Does not yield: the indexes are there.
local function notices(r, parent, others, who)
  local events = {}
  append(events, event.prepare(r, 2, r, { originator = who }))
  for _, p in ipairs(others) do
    if not p.gone then append(events, event.prepare(p, 2, p, { originator = who })) end
  end
  append(events, event.prepare(parent, 4, r, { originator = who }))
  return events
end

-- pid: the resource that it was a subscription to; acrs: the cross-resource subscriptions that rest
-- on it.
local function after_subscription(id, pid, ri, su, acrs)
  missing.forget(id)
  lane.deleted(id)
  statistics.forget(id)
  if pid then monitor.forget(pid) end
  if su then verify.deleted(su, id, ri) end
  for _, address in ipairs(acrs or {}) do verify.deleted(address, id, ri) end
  return id
end

-- What it forwarded for subscriptions is given up.
local function after_group(id)
  core.forget_sub(id)
  members.changed(id)
end

-- What must not be known any more to the next request.
local function at_once(r, descendants)
  local policies = r.ty == ACP
  for _, row in ipairs(descendants) do
    if row.ty == AE then register.deleted(row.aei) end
    policies = policies or row.ty == ACP
  end
  if policies then access.changed() end
end

local function after(r, parent, descendants)
  at_once(r, descendants)
  if r.key then register.deleted(r.key) end
  if r.raw.nl and r.key then node.linked(r, tree.value(r, "nl"), nil) end
  if r.ty == NODE then node.deleted(r.id) end
  if r.ty == GROUP then after_group(r.id) end
  if r.ty == CROSS then cross.deleted(cross.description(r)) end
  if r.ty == CHANNEL then
    polling.closed(parent.key)
    register.routes(parent)
  end
  if r.type.deleted then r.type.deleted(r) end
  if r.ty == SCHEDULE then lane.rescheduled(parent, nil, r.id) end
  if r.ty == SUBSCRIPTION then
    core.forget_sub(after_subscription(r.id, nil, r.ri, tree.value(r, "su"),
      tree.value(r, "acrs")))
    tree.subs_changed(parent, r, "delete")
  end
  for i, row in ipairs(descendants) do
    if i % SLICE == 0 then sys.sleep(0) end   -- their numbers are never used again
    if row.ty == GROUP then after_group(row.id) end
    if row.ty == SUBSCRIPTION then
      after_subscription(row.id, row.pid, path.ri(row.id), row.su,
        row.acrs and json.decode(row.acrs))
    end
    if row.ty == CROSS then cross.deleted(cross.description_of_row(row)) end
    if row.awi then area_network.left(path.ri(row.id), row.awi) end
  end
end

--- Deletes resource r and all below it on behalf of `who` (nil: the CSE); req: the request, nil
-- when there is none; reaction: the event for scripts or nil.  true | false: r is not the cached
-- one any more, resolve again | nil, err. Yields.
function op.resource(r, who, req, reaction)
  local parent = tree.parent(r)
  if not parent then return false end
  local descendants = below(r)
  if r.path ~= "" then tree.withdraw(r) end
  local others = told(r, descendants)
  if r.ty == SUBSCRIPTION then lane.leaving(r) end
  event.index(r)
  event.index(parent)
  if r.gone or parent.gone then return false end
  local events = notices(r, parent, others, who)
  if req then monitor.append(events, req, r) end
  if r.ty == SUBSCRIPTION then
    tree.subs_changed(parent, r, "delete")
    event.changed(parent, r, "delete")
  end
  if r.ty == ACP then access.changed() end
  tree.delete(r)
  local ops = { { "delete", r.id, r.path } }
  if reaction then script.prepare(ops, reaction) end
  local ok, e = write.commit(ops, events)
  tree.delete_done(r)
  if not ok then return nil, e end
  if req then req.monitored = true end
  after(r, parent, descendants)
  announce.deleted(req, r)
  return true
end

-- ---- an instance -------------------------------------------------------------------------------

--- Deletes instance i.  As `resource`; false also when another request is deleting it.
function op.instance(i, who, reaction)
  local r = i.parent
  local index = event.index(r)
  if r.gone or not tree.condemn(i) then return false end
  local events = index.by_net[4] and event.prepare(r, 4, i, { originator = who })
  tree.forget_newest(r)
  local ops = { { "inst_delete", r.id, i.st } }
  if reaction then script.prepare(ops, reaction) end
  local ok, e = write.commit(ops, events, r)
  tree.forget_newest(r)
  if not ok then
    tree.reprieve(i)
    return nil, e
  end
  action.changed(r, nil, reaction and reaction.hop)
  announce.instance_deleted(i)
  return true
end

-- ---- the operation -----------------------------------------------------------------------------

-- la and ol stand for the instance; disr hides instances (TS-0004 7.4.7.2.4, 7.4.27).  Yields.
local function pick(target)
  local r = target
  if target.virtual then
    r = target.virtual == "la" and tree.latest(target.parent) or target.virtual == "ol"
      and tree.oldest(target.parent) or nil
  end
  local container = target.parent
  if container and container.raw.disr == "true" then
    return nil, rsc.err(rsc.OPERATION_NOT_ALLOWED,
      "disr: the container's instances cannot be deleted")
  end
  if not r then return nil, rsc.err(rsc.NOT_FOUND, "to: the container has no instance") end
  return r
end

local function check_target(req, target)
  local ok, e = access.check(target.virtual and target.parent or target, access.DELETE, req)
  if not ok then return nil, e end
  if target.ty == CSE_BASE then
    return nil, rsc.err(rsc.OPERATION_NOT_ALLOWED, "the CSEBase cannot be deleted")
  end
  local r
  r, e = pick(target)
  if not r then return nil, e end
  local fc = req.params.fc
  if fc and not family.asks(req.rcn) and not family.meets(r, fc) then
    return nil, rsc.err(rsc.NOT_FOUND, "fc: the resource does not meet the conditions")
  end
  if script.has.check then
    local verdict, why, code = script.check(view.request(req, target), nil)
    if verdict == false then return nil, rsc.err(code or rsc.BAD_REQUEST, "%s", tostring(why)) end
  end
  return r
end

-- What was there, for rcn other than 0.
local function before(req, r)
  if req.rcn == 0 then return nil end
  if req.rcn == 1 then return result.attributes(r) end
  return family.describe(req, r)
end

--- DELETE.  rsc, pc | false: try again | nil, err.  Yields.
function op.perform(req, target)
  local ok, r, e
  ok, e = blocking.enter(req, target)
  if not ok then return ok, e end
  r, e = check_target(req, target)
  if not r then return nil, e end
  local T = r.type
  if T.delete then
    ok, e = T.delete({ req = req, originator = req.who, tree = tree }, r)
    if not ok then return nil, e end
  end
  local pc, extra
  pc, extra = before(req, r)
  if not pc and req.rcn ~= 0 then return nil, extra end
  local rep = script.has.on and schema.encode(T, r)
  local reaction = rep and script.event("delete", view.path(r), req, rep, rep)
  if r.type.instance then
    ok, e = op.instance(r, req.who, reaction)
  else
    ok, e = op.resource(r, req.who, req, reaction)
  end
  if not ok then return ok, e end
  if reaction then script.committed(reaction) end
  return rsc.DELETED, pc, extra
end

return op
