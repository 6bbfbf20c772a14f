-- The rules of <group> (TS-0004 7.4.13.2): members are looked up, named once, of the group's type,
-- and not more than `mnm`.  What becomes of one of another type is the consistency strategy's.
-- Never: a group whose `cnm` is not the number of its `mid`.

local core = require "moon2m.core.json"
local access = require "moon2m.access"
local far_members = require "moon2m.far_members"
local json = require "moon2m.json"
local sys = require "moon2m.core.sys"
local times = require "moon2m.times"
local members = require "moon2m.members"
local rsc = require "moon2m.rsc"
local tree = require "moon2m.tree"

local MIXED, FLEX, MGMT = 0, 28, 13
local OLDEST, LATEST = 20001, 20002
local VIRTUAL_TYPE = { ol = OLDEST, la = LATEST }
local ABANDON_MEMBER, ABANDON_GROUP, SET_MIXED = 1, 2, 3
local MAX_MEMBERS = 10000
local PATIENCE, SPARE = 5, 0.2   -- s that members at other CSEs have to answer; for ours
local null = json.null

local group = {}

local function too_many(n, most)
  return rsc.err(rsc.MAX_NUMBER_OF_MEMBER_EXCEEDED, "mid: %d members, at most %d are possible", n,
    most)
end

-- ---- members ------------------------------------------------------------------------------------

-- The members as { { address, target }, ... }, each target once; nil, err.  Yields.
local function look_up(mid)
  local list, seen = {}, {}
  for _, address in ipairs(mid) do
    local m, e = members.look(address)
    if not m then return nil, rsc.err(e.rsc, "mid: %s", (e.msg:gsub("^to: ", ""))) end
    local key = members.key(m)
    if not seen[key] then
      seen[key] = true
      list[#list + 1] = { address = address, target = m }
    end
  end
  return list
end

-- memberType of a member; of a group's fanOutPoint that of its members.
local function type_of(m)
  if not m.virtual then return m.ty end
  local g = members.group_of(m)
  return g and tree.value(g, "mt") or VIRTUAL_TYPE[m.virtual]
end

local function special(m, ty)
  local g = members.group_of(m)
  if g and m.virtual then return tree.value(g, "spty") end
  return tree.value(m, ty == FLEX and "cnd" or "mgd")
end

-- nil: it is not known.
local function fits(m, mt, spty)
  local target, kind = m.target, m.kind
  if target and not target.remote then
    return type_of(target) == mt and (spty == nil or special(target, mt) == spty)
  end
  if kind then return kind.ty == mt and (spty == nil or kind.spty == spty) end
  if m.err then return false end
  return nil
end

-- The type of each member must be readable for the originator (5105).
local function check_readable(list, req)
  for _, m in ipairs(list) do
    local r = m.target.virtual and m.target.parent or m.target
    if m.err then return m.err end
    if not m.target.remote and not access.allowed(r, access.RETRIEVE, req) then
      return rsc.err(rsc.RECEIVER_HAS_NO_PRIVILEGE,
        "mid: the type of %s cannot be read: %s may not retrieve it", m.address, req.who)
    end
  end
end

--- Applies the consistency strategy to members ({ address =, target =, kind =, err = } as far.ask
-- leaves them): those that stay, the group's member type, whether some were not reached, which stay
-- until they are; nil, err.
function group.judge(list, mt, spty, csy)
  local kept, open = {}, false
  if mt == MIXED then return list, MIXED, false end
  for _, m in ipairs(list) do
    local fit = fits(m, mt, spty)
    if fit ~= false then
      kept[#kept + 1] = m
      open = open or fit == nil
    elseif csy == ABANDON_GROUP then
      return nil, rsc.err(rsc.GROUP_MEMBER_TYPE_INCONSISTENT,
        "mid: %s is not of the group's member type, %d%s", m.address, mt,
        spty and " " .. tostring(spty) or "")
    elseif csy == SET_MIXED then
      return list, MIXED, false
    end
  end
  return kept, mt, open
end

-- Asks for the types of those at other CSEs.  Yields.
local function ask(req, list)
  local far = {}
  for _, m in ipairs(list) do
    if m.target.remote then far[#far + 1] = m end
  end
  if not far[1] then return end
  local left = (times.deadline(req) - sys.now()) / 1e6 - SPARE
  far_members.ask(req.who, far, math.max(0, math.min(PATIENCE, left)))
end

-- The checked members of a group to be: members, member type, whether some were not reached; nil,
-- err.  Yields.
local function validate(req, mid, mt, spty, csy)
  if #mid > MAX_MEMBERS then return nil, too_many(#mid, MAX_MEMBERS) end
  local list, e = look_up(mid)
  if not list then return nil, e end
  if mt == MIXED then return list, mt, false end
  ask(req, list)
  e = check_readable(list, req)
  if e then return nil, e end
  return group.judge(list, mt, spty, csy)
end

local function write_members(raw, addresses)
  local parts = {}
  for i, address in ipairs(addresses) do parts[i] = core.quote(address) end
  raw.mid, raw.cnm = "[" .. table.concat(parts, ",") .. "]", tostring(#addresses)
end

--- The texts of a group's attributes with these members, member type, and whether some of them
-- were not reached; who: JSON text of the originator in whose name they are asked for again.
-- "null": the attribute is not there.
function group.texts(list, mt, open, who)
  local raw, addresses = {}, {}
  for i, m in ipairs(list) do addresses[i] = m.address end
  write_members(raw, addresses)
  raw.mt, raw.mtv, raw._chk = tostring(mt), tostring(not open), open and who or "null"
  return raw
end

local unverified                 -- function, or nil: nobody wants to know

--- fn() is called when a group has members that were not reached.
function group.on_unverified(fn)
  unverified = fn
end

-- ---- hooks --------------------------------------------------------------------------------------

--- CREATE (TS-0004 7.4.13.2.1).
function group.create(ctx, new)
  local v, raw = new.values, new.raw
  local mt, csy = v.mt or MIXED, v.csy or ABANDON_MEMBER
  if v.spty ~= nil and mt ~= FLEX and mt ~= MGMT then
    return nil, rsc.err(rsc.BAD_REQUEST, "spty: goes with mt 13 or 28")
  end
  if v.spty ~= nil and type(v.spty) ~= (mt == MGMT and "number" or "string") then
    return nil, rsc.err(rsc.BAD_REQUEST, "spty: expected a %s with mt %d, got a %s",
      mt == MGMT and "mgmtDefinition (number)" or "containerDefinition (string)", mt, type(v.spty))
  end
  local list, open
  list, mt, open = validate(ctx.req, v.mid, mt, v.spty, csy)
  if not list then return nil, mt end
  if #list > v.mnm then return nil, too_many(#list, v.mnm) end
  for name, text in pairs(group.texts(list, mt, open, core.quote(ctx.req.who))) do
    raw[name] = text ~= "null" and text or nil
  end
  raw.csy = tostring(csy)
  if open and unverified then unverified() end
  return true
end

--- UPDATE (TS-0004 7.4.13.2.2).
function group.update(ctx, r, new)
  local v, raw = new.values, new.raw
  local count = tree.value(r, "cnm")
  if v.mid then
    local list, mt, open = validate(ctx.req, v.mid, tree.value(r, "mt"), tree.value(r, "spty"),
      tree.value(r, "csy"))
    if not list then return nil, mt end
    for name, text in pairs(group.texts(list, mt, open, core.quote(ctx.req.who))) do
      if text ~= (r.raw[name] or "null") or name == "mid" or name == "cnm" then raw[name] = text end
    end
    if open and unverified then unverified() end
    count = #list
  end
  local most = v.mnm ~= null and v.mnm or tree.value(r, "mnm")
  if count > most then return nil, too_many(count, most) end
  return true
end

--- The texts of a group's attributes without some of its members: a new table.  gone: set of
-- addresses.
function group.without(r, gone)
  local raw, rest = {}, {}
  for name, text in pairs(r.raw) do raw[name] = text end
  for _, address in ipairs(tree.value(r, "mid")) do
    if not gone[address] then rest[#rest + 1] = address end
  end
  write_members(raw, rest)
  return raw
end

return group
