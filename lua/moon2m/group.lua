-- The rules of <group> (TS-0004 7.4.13.2): members are looked up, named once, of the group's type,
-- and not more than `mnm`.  What becomes of one of another type is the consistency strategy's.
-- Never: a group whose `cnm` is not the number of its `mid`.

local core = require "moon2m.core.json"
local access = require "moon2m.access"
local json = require "moon2m.json"
local members = require "moon2m.members"
local rsc = require "moon2m.rsc"
local tree = require "moon2m.tree"

local MIXED, FLEX, MGMT = 0, 28, 13
local OLDEST, LATEST = 20001, 20002
local VIRTUAL_TYPE = { ol = OLDEST, la = LATEST }
local ABANDON_MEMBER, ABANDON_GROUP, SET_MIXED = 1, 2, 3
local MAX_MEMBERS = 10000
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

local function fits(m, mt, spty)
  return type_of(m) == mt and (spty == nil or special(m, mt) == spty)
end

-- The type of each member must be readable for the originator (5105).
local function check_readable(list, req)
  for _, m in ipairs(list) do
    local r = m.target.virtual and m.target.parent or m.target
    if not access.allowed(r, access.RETRIEVE, req) then
      return rsc.err(rsc.RECEIVER_HAS_NO_PRIVILEGE,
        "mid: the type of %s cannot be read: %s may not retrieve it", m.address, req.who)
    end
  end
end

-- Applies the consistency strategy: the members that stay, the group's member type; nil, err.
local function consistent(list, mt, spty, csy)
  local kept = {}
  for _, m in ipairs(list) do
    if fits(m.target, mt, spty) then
      kept[#kept + 1] = m
    elseif csy == ABANDON_GROUP then
      return nil, rsc.err(rsc.GROUP_MEMBER_TYPE_INCONSISTENT,
        "mid: %s is not of the group's member type, %d%s", m.address, mt,
        spty and " " .. tostring(spty) or "")
    elseif csy == SET_MIXED then
      return list, MIXED
    end
  end
  return kept, mt
end

-- The checked members of a group to be: addresses, member type; nil, err.  Yields.
local function validate(req, mid, mt, spty, csy)
  if #mid > MAX_MEMBERS then return nil, too_many(#mid, MAX_MEMBERS) end
  local list, e = look_up(mid)
  if not list then return nil, e end
  if mt ~= MIXED then
    e = check_readable(list, req)
    if e then return nil, e end
    list, mt = consistent(list, mt, spty, csy)
    if not list then return nil, mt end
  end
  local addresses = {}
  for i, m in ipairs(list) do addresses[i] = m.address end
  return addresses, mt
end

local function write_members(raw, addresses)
  local parts = {}
  for i, address in ipairs(addresses) do parts[i] = core.quote(address) end
  raw.mid, raw.cnm = "[" .. table.concat(parts, ",") .. "]", tostring(#addresses)
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
  local addresses
  addresses, mt = validate(ctx.req, v.mid, mt, v.spty, csy)
  if not addresses then return nil, mt end
  if #addresses > v.mnm then return nil, too_many(#addresses, v.mnm) end
  write_members(raw, addresses)
  raw.mt, raw.csy, raw.mtv = tostring(mt), tostring(csy), "true"
  return true
end

--- UPDATE (TS-0004 7.4.13.2.2).
function group.update(ctx, r, new)
  local v, raw = new.values, new.raw
  local count = tree.value(r, "cnm")
  if v.mid then
    local addresses, mt = validate(ctx.req, v.mid, tree.value(r, "mt"), tree.value(r, "spty"),
      tree.value(r, "csy"))
    if not addresses then return nil, mt end
    write_members(raw, addresses)
    if mt ~= tree.value(r, "mt") then raw.mt = tostring(mt) end
    count = #addresses
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
