-- The members of a <group> (TS-0004 7.4.13.2): what becomes of one of another type than the group's
-- is the consistency strategy's.
-- Never: a group whose `cnm` is not the number of its `mid`.

local core = require "moon2m.core.json"
local members = require "moon2m.members"
local rsc = require "moon2m.rsc"
local tree = require "moon2m.tree"

local MIXED, FLEX = 0, 28
local OLDEST, LATEST = 20001, 20002
local VIRTUAL_TYPE = { ol = OLDEST, la = LATEST }
local ABANDON_GROUP, SET_MIXED = 2, 3

local group = {}

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

local observer                   -- function, or nil: nobody wants to know

--- fn() is called when a group has members that were not reached.
function group.on_unverified(fn)
  observer = fn
end

--- A group has such members.
function group.unverified()
  if observer then observer() end
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
