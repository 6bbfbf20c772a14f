-- Access control rules (TS-0001 9.6.2, TS-0003 7.1): whom a rule is for, what it allows, what it
-- asks of a request.  A rule grants or says nothing; rules add up.  Never: a grant where what a
-- rule asks for cannot be told.
-- This file evaluates, with what scripts have, too.  What only the server knows it is given in
-- `world`, functions that may yield in `rules` and nowhere else:
--   name(text)                  an originator as it is compared
--   sp_relative(who), absolute(who)  the other ways to write one, for names with "*"
--   group(name)                 the originators in the group at an address, {} when there is none;
--                               nil: it is no address of a group
--   now()                       microseconds since 1970
--   place(req)                  { longitude, latitude } of the requester, nil when it is not known
--   special(r)                  the specialisation that a resource is of (cnd, mgd), or nil
--   within(req, op, names)      whether a request is about these attributes only
-- req has who, peer and authenticated; r, the resource, ty.

local bit = require "bit"
local context = require "moon2m.context"

local band, bor = bit.band, bit.bor
local CREATE = 1
local DOMAIN = "^//[^/]+$"        -- a service provider: all originators in its domain

local privileges = {}

-- One access control rule, ready to be judged.  fixed: it looks at nothing but the originator.
local function compile(world, acr)
  local rule = { acop = acr.acop, all = false, names = {}, patterns = {}, acco = acr.acco,
    acod = acr.acod, acaf = acr.acaf, aca = acr.aca }
  for _, name in ipairs(acr.acor) do
    if name == "all" then
      rule.all = true
    elseif name:find("*", 1, true) or name:find(DOMAIN) then
      local p = name:gsub("[^%w*]", "%%%0"):gsub("%*", "[^/]*")
      rule.patterns[#rule.patterns + 1] = "^" .. p .. (name:find(DOMAIN) and "/" or "$")
    else
      local plain = world.name(name)
      local group = world.group(plain)
      rule.names[plain], rule.grouped = true, rule.grouped or group ~= nil
      for _, member in ipairs(group or {}) do rule.names[member] = true end
    end
  end
  rule.fixed = not (rule.acco or rule.acod or rule.acaf or rule.aca)
  return rule
end

local function is_for(world, rule, who)
  if rule.all or rule.names[who] then return true end
  for _, p in ipairs(rule.patterns) do
    if who:match(p) or world.sp_relative(who):match(p) or world.absolute(who):match(p) then
      return true
    end
  end
  return false
end

local function some_context(world, acco, req)
  local now = world.now()
  for _, entry in ipairs(acco) do
    if context.holds(entry, req.peer, now, entry.aclr and world.place(req)) then return true end
  end
  return false
end

local function some_detail(world, acod, r, child_ty)
  for _, d in ipairs(acod) do
    if (not d.ty or d.ty == r.ty) and (not d.spty or tostring(world.special(r)) == d.spty) then
      for _, ty in ipairs(d.chty or {}) do
        if ty == child_ty then return true end
      end
    end
  end
  return false
end

-- Adds what a set of rules says of an originator: rules, judge.
local function add_judging(my, world)
  --- The rules of a set of access control rules (decoded), ready to be judged; their `grouped`:
  -- one of them names a group.  Yields when one does.
  function my.rules(set)
    local rules = {}
    for i, acr in ipairs(set.acr or {}) do
      rules[i] = compile(world, acr)
      rules.grouped = rules.grouped or rules[i].grouped
    end
    return rules
  end

  --- What the fixed rules allow an originator, a sum of operations; and the rules that are not
  -- fixed, or nil.
  function my.judge(rules, who)
    local mask, open = 0, nil
    for _, rule in ipairs(rules) do
      if not rule.fixed then
        open = open or {}
        open[#open + 1] = rule
      elseif is_for(world, rule, who) then
        mask = bor(mask, rule.acop)
      end
    end
    return mask, open
  end
end

-- Adds what it says of one operation: holds, granted.
local function add_granting(my, world)
  --- Whether a rule lets req.who do `op` (one operation) on r now; child_ty for CREATE.
  function my.holds(rule, op, req, r, child_ty)
    return band(rule.acop, op) ~= 0 and is_for(world, rule, req.who)
      and not (rule.acaf and not req.authenticated)
      and not (rule.acod and op == CREATE and not some_detail(world, rule.acod, r, child_ty))
      and not (rule.acco and not some_context(world, rule.acco, req))
      and not (rule.aca and not world.within(req, op, rule.aca))
  end

  --- Whether one of the rules does.
  function my.granted(rules, op, req, r, child_ty)
    local mask, open = my.judge(rules, req.who)
    if band(mask, op) ~= 0 then return true end
    for _, rule in ipairs(open or {}) do
      if my.holds(rule, op, req, r, child_ty) then return true end
    end
    return false
  end
end

--- The functions that evaluate rules in a world.
function privileges.new(world)
  local my = {}
  add_judging(my, world)
  add_granting(my, world)
  return my
end

return privileges
