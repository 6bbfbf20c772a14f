-- Who may do what: the scripts' policies first, then the access control policies (TS-0001 9.6.2,
-- TS-0003 7.1: permit overrides).  Without acpi a resource belongs to its custodian (`cstn`), or
-- else to its creator, and the configuration may open it to more; the hosting CSE and the
-- administrator are always allowed.
-- What rules grant is evaluated in privileges.lua.  Decisions are remembered per (acpi, originator)
-- until any ACP changes; only rules that look at time, address, child type, attributes or
-- authentication are evaluated each time.
-- Never: a grant from a policy that cannot be read.

local bit = require "bit"
local sys = require "moon2m.core.sys"
local json = require "moon2m.json"
local members = require "moon2m.members"
local naming = require "moon2m.naming"
local path = require "moon2m.path"
local privileges = require "moon2m.privileges"
local rsc = require "moon2m.rsc"
local script = require "moon2m.script"
local tree = require "moon2m.tree"
local types = require "moon2m.types"
local view = require "moon2m.view"

local band = bit.band

local access = { CREATE = 1, RETRIEVE = 2, UPDATE = 4, DELETE = 8, NOTIFY = 16, DISCOVER = 32 }
local NAME = { [1] = "create", [2] = "retrieve", [4] = "update", [8] = "delete", [16] = "notify",
  [32] = "discover" }
local MAX_REMEMBERED = 65536

local admin, cse_id = "CAdmin", "/moon"
local restrict = false
local without = {}               -- root of a type or "*" -> PARENT, or an acpi text
local PARENT = "parent"
local POINT = 1                  -- geometryType of a location

--- admin: the administrator's originator; cse: this CSE's CSE-ID; policies: "grant" (a script's
-- true grants beyond the ACPs) or "restrict" (scripts can only deny); default: what counts, besides
-- its owner, for a resource without acpi, by the root of its type or "*": "creator" (nothing else),
-- "parent" (what its parent allows) or a list of addresses of ACPs.
function access.configure(o)
  admin, cse_id, restrict = o.admin, o.cse, o.policies == "restrict"
  without = {}
  for root, what in pairs(o.default or {}) do
    without[root] = type(what) == "table" and json.encode(json.array(what)) or what
  end
end

--- Whether some type has a default besides the owner.
function access.has_defaults()
  return next(without) ~= nil
end

--- The CSE itself and the administrator.
function access.privileged(who)
  return who == admin or who == cse_id
end

-- ---- rules -------------------------------------------------------------------------------------

local grouped = false            -- some rule that was compiled names a group

-- Whether an entry of acor may be a group's address, and not an AE-ID or a CSE-ID.
local function may_be_group(plain)
  return plain:byte() ~= 47 and plain:find("/", 1, true) ~= nil or path.parse_ri(plain) ~= nil
end

-- The AEs in the group that a name may stand for; one that does not exist: nobody.  Yields.
local function group(name)
  if not may_be_group(name) then return nil end
  grouped = true
  local r = tree.resolve(name)
  local g, list = r and members.group_of(r), {}
  for i, ae in ipairs(g and members.aes(g) or {}) do list[i] = ae.ri end
  return list
end

-- Where the requester is: where its AE says it is, when that is a point.
local function place(req)
  local ae = req.ae
  local loc = ae and ae.raw.loc and tree.value(ae, "loc")
  local point = loc and loc.typ == POINT and json.decode(loc.crd)
  return type(point) == "table" and point or nil
end

-- A specialisation of the parent's type: containerDefinition, mgmtDefinition.
local function special(r)
  return r.raw.cnd and tree.value(r, "cnd") or r.raw.mgd and tree.value(r, "mgd")
end

local evaluate = privileges.new { name = path.originator, sp_relative = path.sp_relative,
  absolute = path.absolute, group = group, place = place, special = special,
  within = naming.within, now = function() return sys.now() end }
local judge, holds, granted = evaluate.judge, evaluate.holds, evaluate.granted

-- The rules of an attribute of an ACP; made anew when one names a group and any group changed.
-- Yields when one does.
local function compile(acp, attr)
  local rules = acp.compiled and acp.compiled[attr]
  if rules and (not rules.grouped or rules.at == members.version) then return rules end
  local raw, at = acp.raw, members.version
  rules = evaluate.rules(tree.value(acp, attr) or {})
  rules.at = at
  if acp.raw == raw then
    acp.compiled = acp.compiled or {}
    acp.compiled[attr] = rules
  end
  return rules
end

--- The rules of a set of access control rules (decoded setOfAcrs), ready to be judged by `granted`.
-- Yields when one names a group.
access.rules = evaluate.rules

--- Whether rules (from `rules`) let req.who do `op` on r; child_ty for CREATE.
access.granted = granted

-- ---- acpi --------------------------------------------------------------------------------------

local remembered, count = {}, 0  -- acpi text -> { rules, mask by originator, open by originator }
local version = 0                -- counts changes of ACPs

--- An ACP was created, changed or deleted: what was decided is forgotten.
function access.changed()
  remembered, count = {}, 0
  version = version + 1
end

members.on_change(function()
  if grouped then access.changed() end
end)

local far                        -- finds the policies that other CSEs host

--- fn(address) -> like an ACP, { ty, raw }, or nil.  May yield; what it gives stays the same until
-- it calls access.changed.
function access.elsewhere(fn)
  far = fn
end

-- The rules of every ACP that an acpi text names; dangling references are ignored.  Yields.
local function rules_of(acpi, attr)
  local rules = {}
  for _, address in ipairs(json.decode(acpi)) do
    local acp
    if path.is_remote(address) then acp = far and far(address) else acp = tree.resolve(address) end
    if acp and acp.ty == 1 then
      for _, rule in ipairs(compile(acp, attr)) do rules[#rules + 1] = rule end
    end
  end
  return rules
end

-- mask, open rules of an originator under an acpi text.
local function decide(acpi, who)
  local known = remembered[acpi]
  if known then
    local mask = known.mask[who]
    if mask then return mask, known.open[who] end
  end
  local before = version
  local mask, open = judge(known and known.rules or rules_of(acpi, "pv"), who)
  if before == version then
    if count >= MAX_REMEMBERED then remembered, count = {}, 0 end
    known = remembered[acpi]
    if not known then
      known = { rules = rules_of(acpi, "pv"), mask = {}, open = {} }
      if before ~= version then return mask, open end
      remembered[acpi] = known
    end
    known.mask[who], known.open[who] = mask, open
    count = count + 1
  end
  return mask, open
end

--- Whether the policies of an acpi text let req.who do `op`; r, child_ty: for CREATE only.  Yields
-- when one is not in memory.
function access.by_policies(acpi, op, req, r, child_ty)
  local mask, open = decide(acpi, req.who)
  if band(mask, op) ~= 0 then return true end
  for _, rule in ipairs(open or {}) do
    if holds(rule, op, req, r, child_ty) then return true end
  end
  return false
end

-- Whose a resource is that names no policies: the custodian's, else the creator's; an AE or CSE
-- that registered keeps what it registered.
local function owns(who, r)
  if not r.custodian then return r.creator == who end
  return r.custodian == who or r.key == who
end

-- What the configuration says of resources like r that name no policies: nil, PARENT or an acpi
-- text.
local function default_of(r)
  local base = types.by_ty[r.ty]
  local what = r.type and without[r.type.root] or base and without[base.root] or without["*"]
  return what ~= "creator" and what or nil
end

local function by_default(r, op, req, child_ty)
  local what = next(without) and default_of(r)
  if not what then return false end
  if what ~= PARENT then return access.by_policies(what, op, req, r, child_ty) end
  local parent = tree.parent(r)
  return parent ~= nil and access.allowed(parent, op, req, child_ty)
end

--- Whether the ACPs let req.who do `op` (one of this module's constants) on r; child_ty for CREATE.
-- req = { who, peer, authenticated }.  Yields when an ACP is not in memory.
function access.allowed(r, op, req, child_ty)
  local who = req.who
  if who == admin or who == cse_id then return true end
  if r.parent then r = r.parent end
  local own = r.type and r.type.access
  if own then
    local verdict = own(r, op, req, child_ty)
    if verdict ~= nil then return verdict end
  end
  local acpi = r.raw.acpi
  if acpi then return access.by_policies(acpi, op, req, r, child_ty) end
  if r.ty == 1 then return granted(compile(r, "pvs"), op, req, r, child_ty) end
  if r.ty == 5 then return op == access.RETRIEVE or op == access.DISCOVER end
  return owns(who, r) or by_default(r, op, req, child_ty)
end

local others                     -- asked when the policies of a resource refuse

--- fn(r, op, req, child_ty): true: granted all the same, false: not, or nil, err.  May yield.
function access.when_refused(fn)
  others = fn
end

local function refused(r, op, req, why)
  local where = path.structured((r.parent or r).path)
  return nil, rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE, "%s may not %s %s%s", req.who, NAME[op],
    where, why and ": " .. why or "")
end

--- What the scripts' policies say: true and whether they grant, or nil and a 4103.  Yields.
function access.policies(r, op, req)
  if not view.concerns(script.matching, "policy", req, r) then return true, false end
  local verdict, why = script.policy(view.request(req, r), view.target(r))
  if verdict == false then return refused(r, op, req, why) end
  return true, verdict == true and not restrict
end

--- What req.who may do with r: a sum of operations; CREATE when it may create a child of any of the
-- types that r may have.  Scripts' policies are not asked.  Yields.
function access.permissions(r, req)
  local at, sum = r.parent or r, 0
  for _, op in ipairs { access.RETRIEVE, access.UPDATE, access.DELETE, access.NOTIFY,
    access.DISCOVER } do
    if access.allowed(at, op, req) then sum = sum + op end
  end
  for name in pairs(r.type and r.type.children or {}) do
    local T = types.by_name[name]
    if T and access.allowed(at, access.CREATE, req, T.ty) then return sum + access.CREATE end
  end
  return sum
end

--- true, or nil and a 4103: policies of scripts, then ACPs, then dynamic authorization.  Yields.
function access.check(r, op, req, child_ty)
  if script.has.policy then
    local ok, grants = access.policies(r, op, req)
    if not ok then return nil, grants end
    if grants then return true end
  end
  if access.allowed(r, op, req, child_ty) then return true end
  local ok, e
  if others then ok, e = others(r.parent or r, op, req, child_ty) end
  if ok then return true end
  if e then return nil, e end
  return refused(r, op, req)
end

--- Whether req.who may replace r's acpi or daci: UPDATE in the pvs of the ACPs it names now, or the
-- owner when it names none (TS-0001 9.6.1.3.2).  Yields.
function access.check_acpi(r, req)
  local acpi = r.raw.acpi
  local ok
  local own = r.type and r.type.access
  if access.privileged(req.who) or own and own(r, access.UPDATE, req) then
    ok = true
  elseif own then
    ok = false
  elseif acpi then
    ok = granted(rules_of(acpi, "pvs"), access.UPDATE, req, r)
  else
    ok = owns(req.who, r)
  end
  if ok then return true end
  return refused(r, access.UPDATE, req,
    "acpi and daci are changed by the selfPrivileges of its policies")
end

return access
