-- group (TS-0004 7.4.13.2): members are looked up, named once, of the group's type, and not more
-- than `mnm`.

local core = require "moon2m.core.json"
local access = require "moon2m.access"
local far_members = require "moon2m.far_members"
local group = require "moon2m.group"
local members = require "moon2m.members"
local null = require("moon2m.json").null
local rsc = require "moon2m.rsc"
local times = require "moon2m.times"
local tree = require "moon2m.tree"
local types = require "moon2m.types"

local MIXED, FLEX, MGMT = 0, 28, 13
local OLDEST, MASHUP = 20001, 20003
local ABANDON_MEMBER = 1
local MAX_MEMBERS = 10000
local PATIENCE, SPARE = 5, 0.2   -- s that members at other CSEs have to answer; for ours

local function too_many(n, most)
  return rsc.err(rsc.MAX_NUMBER_OF_MEMBER_EXCEEDED, "mid: %d members, at most %d are possible", n,
    most)
end

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

-- Asks for the types of those at other CSEs.  Yields.
local function ask(req, list)
  local far = {}
  for _, m in ipairs(list) do
    if m.target.remote then far[#far + 1] = m end
  end
  if not far[1] then return end
  local left = times.left(req) / 1e6 - SPARE
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

-- memberType (TS-0004 6.3.4.2.11): 0 mixed, a resource type, its announced variant, a virtual one.
local function check_type(mt)
  if mt == MIXED or types.standard(mt) or mt >= OLDEST and mt <= MASHUP then return nil end
  return rsc.err(rsc.BAD_REQUEST,
    "mt: expected a member type (0, a resource type, 20001 to 20003), got %d", mt)
end

-- spty: of which specialisation the members are.
local function check_special(spty, mt)
  if spty == nil then return nil end
  if mt ~= FLEX and mt ~= MGMT then
    return rsc.err(rsc.BAD_REQUEST, "spty: goes with mt 13 or 28")
  end
  if type(spty) ~= (mt == MGMT and "number" or "string") then
    return rsc.err(rsc.BAD_REQUEST, "spty: expected a %s with mt %d, got a %s",
      mt == MGMT and "mgmtDefinition (number)" or "containerDefinition (string)", mt, type(spty))
  end
end

-- TS-0004 7.4.13.2.1.
local function create(ctx, _, new)
  local v, raw = new.values, new.raw
  local mt, csy = v.mt or MIXED, v.csy or ABANDON_MEMBER
  local e = check_type(mt) or check_special(v.spty, mt)
  if e then return nil, e end
  local list, open
  list, mt, open = validate(ctx.req, v.mid, mt, v.spty, csy)
  if not list then return nil, mt end
  if #list > v.mnm then return nil, too_many(#list, v.mnm) end
  for name, text in pairs(group.texts(list, mt, open, core.quote(ctx.req.who))) do
    raw[name] = text ~= "null" and text or nil
  end
  raw.csy = tostring(csy)
  if open then group.unverified() end
  return true
end

-- TS-0004 7.4.13.2.2.
local function update(ctx, r, new)
  local v, raw = new.values, new.raw
  local count = tree.value(r, "cnm")
  if v.mid then
    local list, mt, open = validate(ctx.req, v.mid, tree.value(r, "mt"), tree.value(r, "spty"),
      tree.value(r, "csy"))
    if not list then return nil, mt end
    for name, text in pairs(group.texts(list, mt, open, core.quote(ctx.req.who))) do
      if text ~= (r.raw[name] or "null") or name == "mid" or name == "cnm" then raw[name] = text end
    end
    if open then group.unverified() end
    count = #list
  end
  local most = v.mnm ~= null and v.mnm or tree.value(r, "mnm")
  if count > most then return nil, too_many(count, most) end
  return true
end

return { create = create, update = update }
