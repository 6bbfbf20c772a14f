-- Who is in a group (TS-0001 9.6.13): what a member address names, the AEs among the members and
-- those of groups in it, and who has to know when that changes.  The sets are made at their first
-- use by whoever needs them and thrown away by `changed`; nothing is kept here but who asked.
-- Bounds: MAX_DEPTH groups within groups, MAX_AES AEs of one group; what is beyond is logged.

local sys = require "moon2m.core.sys"
local path = require "moon2m.path"
local remote = require "moon2m.remote"
local rsc = require "moon2m.rsc"
local tree = require "moon2m.tree"

local AE, GROUP = 2, 9
local MAX_DEPTH, MAX_AES = 8, 10000

local members = {}

--- Counts changes of groups and of the AEs in them: what was made at another version is stale.
members.version = 0

local observers = {}
local named = {}                 -- AE-IDs that a set was made of
local unresolved = false         -- a set was made without a member that does not exist (yet)

-- ---- addresses ----------------------------------------------------------------------------------

local FAR_VIRTUAL = { la = true, ol = true, fopt = true }

--- What a member address names: a resource, an instance or a virtual child; { remote = SP-relative
-- or absolute address, virtual = "la", "ol", "fopt" or nil } when another CSE hosts it and there is
-- a way to that one; nil, err.  Yields.
function members.look(address)
  local a, e = path.parse(address)
  if not a then return nil, e end
  if a.attr then return nil, rsc.err(rsc.BAD_REQUEST, "%s: names an attribute", address) end
  if not a.remote then return tree.resolve(address) end
  if not remote.hop(a.remote) then
    return nil, rsc.err(rsc.NOT_FOUND, "%s: another CSE hosts it, and there is no route to it",
      address)
  end
  local name = a.remote:match("/([^/]+)$")
  return { remote = a.remote, virtual = FAR_VIRTUAL[name] and name or nil }
end

--- A text that is the same for all addresses of a target.
function members.key(target)
  if target.remote then return target.remote end
  if not target.virtual then return target.ri end
  return target.parent.ri .. "/" .. target.virtual .. (target.rest and "/" .. target.rest or "")
end

--- The group that a target is or fans out to; nil when it is neither.
function members.group_of(target)
  if target.remote then return nil end
  if target.virtual == "fopt" and not target.rest then return target.parent end
  return not target.virtual and target.ty == GROUP and target or nil
end

-- ---- AEs ----------------------------------------------------------------------------------------

-- An AE that another CSE hosts is known by the form of its identifier alone.
local function far_ae(address)
  local a = path.parse(address)
  local id = a and a.remote
  return id and id:find("^/[^/]+/[CS][^/]*$") and { ri = id, remote = id } or nil
end

local function collect(g, out, seen, depth)
  if seen[g.id] then return end
  seen[g.id] = true
  if depth > MAX_DEPTH then
    return sys.log("warn", "group", g.path .. ": too many groups within groups")
  end
  for _, address in ipairs(tree.value(g, "mid")) do
    local m = far_ae(address) or tree.resolve(address)
    local sub = m and members.group_of(m)
    if not m then
      unresolved = true
    elseif sub then
      collect(sub, out, seen, depth + 1)
    elseif (m.remote or m.ty == AE) and not m.virtual and not seen[m.ri] then
      if #out >= MAX_AES then
        return sys.log("warn", "group", g.path .. ": too many AEs in it")
      end
      seen[m.ri], named[m.ri] = true, true
      out[#out + 1] = m
    end
  end
end

--- The AEs of group g and of the groups among its members, each once; of other CSEs { ri =
-- SP-relative AE-ID, remote = the same }.  Second result: a set of the numbers of all these groups.
-- Yields.
function members.aes(g)
  local out, seen, groups = {}, {}, {}
  collect(g, out, seen, 1)
  for id in pairs(seen) do
    if type(id) == "number" then groups[id] = true end
  end
  return out, groups
end

-- ---- changes ------------------------------------------------------------------------------------

--- fn(id) is called when the group with number id changed; id nil: any may have.  Never yields.
function members.on_change(fn)
  observers[#observers + 1] = fn
end

--- A group was created, changed or deleted.
function members.changed(id)
  members.version = members.version + 1
  for _, fn in ipairs(observers) do fn(id) end
end

--- An AE was registered: it may be a member that did not exist.
function members.ae_created()
  if not unresolved then return end
  unresolved = false
  members.changed(nil)
end

--- An AE is gone.
function members.ae_deleted(aei)
  if not named[aei] then return end
  named[aei] = nil
  unresolved = true
  members.changed(nil)
end

return members
