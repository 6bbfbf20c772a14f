-- Where notices go: from an entry of `nu` to the keys under which the C core delivers: the AE-ID
-- stem of an AE of this CSE, the SP-relative address of what another CSE hosts, a URL.  A group
-- stands for the AEs in it; a subscription that was made through a group with `nfu` goes to the
-- group's lane, which forward.lua empties.  A crossResourceSubscription of this CSE is a local
-- target: its notices go into a lane of their own for each subscription,
-- "lane:crs/<CRS>/<subscription>", from which cross.lua takes them.

local members = require "moon2m.members"
local path = require "moon2m.path"
local preference = require "moon2m.preference"
local rsc = require "moon2m.rsc"
local tree = require "moon2m.tree"

local AE, CROSS = 2, 48
local LOCAL = "lane:crs/"

local target = {}

--- Whether an entry of `nu` is a URL, not the identifier of a resource.
function target.is_url(nu)
  return nu:match("^%a[%w+.-]*://") ~= nil
end

-- ---- cross-resource subscriptions ---------------------------------------------------------------

local making = {}                -- address of a CRS that is being made -> its identifier

--- A CRS that is not in the tree yet is a target already, for the subscriptions it makes; ri nil:
-- it is there, or will never be.
function target.expect(address, ri)
  making[address] = ri
end

--- The identifier of a CRS that is being made, by its address; nil for any other.
function target.expected(address)
  return making[address]
end

--- Whether a target is a CRS of this CSE.
function target.is_local(key)
  return key:sub(1, #LOCAL) == LOCAL
end

--- The identifiers of the CRS and of the subscription (nil: none yet) in a local target's key.
function target.local_of(key)
  local owner, ri = key:match("^lane:crs/([^/]+)/?(.*)$")
  return owner, ri ~= "" and ri or nil
end

-- ---- one target ---------------------------------------------------------------------------------

local function plain(nu)
  return (nu:gsub("[?&]ct=%a+$", ""))
end

local function aei_of(r)
  preference.seen(r)
  return (tree.value(r, "aei"))
end

--- The target that a `nu` entry means: an AE-ID stem, an SP-relative address, a URL, or a local
-- one. Yields.  What another CSE of this service provider hosts is a target whether there is a way
-- to it now or not. nil, err (rsc 4004) when it names nothing that is registered here; err.group
-- for a group.
function target.of(nu)
  if target.is_url(nu) then return nu end
  if making[nu] then return LOCAL .. making[nu] end
  local a = path.parse(plain(nu))
  if a and a.remote and not a.remote:find("^//") then return a.remote end
  local r, err = tree.resolve(plain(nu))
  if not r then return nil, err end
  if r.ty == AE then return aei_of(r) end
  if r.ty == CROSS then return LOCAL .. r.ri end
  err = rsc.err(rsc.NOT_FOUND, "attribute 'nu': %s is no AE", nu)
  err.group = members.group_of(r)
  return nil, err
end

--- The targets that a `nu` entry means: one, or those of a group; and the set of the numbers of the
-- groups that were looked at, nil when there are none.  nil, err as `of`.  Yields.
function target.all(nu)
  local one, e = target.of(nu)
  if one then return { one } end
  if not e.group then return nil, e end
  local list, groups = members.aes(e.group)
  for i, ae in ipairs(list) do list[i] = ae.remote or aei_of(ae) end
  return list, groups
end

-- ---- subscriptions ------------------------------------------------------------------------------

--- Marks a subscription to be (its attributes' texts) as made by this CSE through the group with
-- number id.
function target.mark(raw, id)
  raw._grp = ("%d"):format(id)
end

--- The number of the group that gathers the notices of a subscription and forwards them to its nfu;
-- nil when they go to `nu`.
function target.forwards(sub)
  local raw = sub.raw
  if not raw._grp or not raw.nfu then return nil end
  local nu = tree.value(sub, "nu")
  return #nu == 1 and nu[1] == path.configured() and tonumber(raw._grp) or nil
end

--- The key of the lane in which group id gathers notices for a target; and back.
function target.lane(id, to)
  return ("lane:g%d:%s"):format(id, to)
end

function target.of_lane(key)
  local id, to = key:match("^lane:g(%d+):(.+)$")
  return tonumber(id), to
end

local function add(into, from)
  for id in pairs(from or {}) do into[id] = true end
end

local function forwarded(sub, id)
  local lanes, groups, g = {}, { [id] = true }, tree.by_id(id)
  if not g or not members.group_of(g) then return lanes, groups end
  local list, of = target.all(tree.value(sub, "nfu"))
  add(groups, of)
  for i, to in ipairs(list or {}) do lanes[i] = target.lane(id, to) end
  return lanes, groups
end

--- The targets of a subscription that can be told now, each once; and the set of the numbers of the
-- groups that this depends on.  Yields.
function target.list(sub)
  local id = target.forwards(sub)
  if id then return forwarded(sub, id) end
  local list, seen, groups = {}, {}, {}
  for _, nu in ipairs(tree.value(sub, "nu")) do
    local some, of = target.all(nu)
    if some then add(groups, of) end
    for _, to in ipairs(some or {}) do
      if target.is_local(to) then to = to .. "/" .. sub.ri end
      if not seen[to] then
        seen[to] = true
        list[#list + 1] = to
      end
    end
  end
  return list, groups
end

return target
