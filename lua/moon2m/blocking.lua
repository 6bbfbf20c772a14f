-- Blocking updates (notification event type 7; TS-0001 9.6.8, TS-0004 7.3.2.9, 7.5.1.2.19): an
-- UPDATE that such a subscription is about is put to its target first, and is applied only when
-- the target agrees.  Meanwhile the resource is locked: other UPDATEs and DELETEs of it wait, in
-- the order of their arrival, and look at the resource anew when their turn comes.  Creating and
-- retrieving below it go on; deleting something above it takes the resource away.
-- Guarantees: the loop never waits; at most MAX_WAITING requests wait for one resource, none longer
-- than the answer time of a request; whatever becomes of a request, its lock is given back (`leave`
-- must be called).  Never: an update applied after its target refused or did not answer.

local json = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local access = require "moon2m.access"
local criteria = require "moon2m.criteria"
local event = require "moon2m.event"
local null = require("moon2m.json").null
local polling = require "moon2m.polling"
local rsc = require "moon2m.rsc"
local target = require "moon2m.target"
local tree = require "moon2m.tree"

local BLOCKING_UPDATE = 7
local MAX_WAITING = 256          -- requests for one resource
local POLL = 0.005               -- s between looks at the lock
local SPARE = 0.1                -- s left for the answer to the originator

local blocking = {}

local answer_time, wait_time = 10, 30

--- o.answer_time: s that the target of a blocking update has; o.wait_time: s that an answer to a
-- request may take.
function blocking.configure(o)
  answer_time, wait_time = o.answer_time, o.wait_time
end

-- Seconds that are left until the originator of req gives up.
local function remaining(req)
  local rqet, passed = req.rqet, req.mono and sys.mono() - req.mono or sys.now() - req.now
  local due = req.now + wait_time * 1e6
  if rqet then
    due = tonumber(rqet) and req.now + tonumber(rqet) * 1000 or sys.parse_stamp(rqet) or due
  end
  local left = (due - req.now - passed) / 1e6 - SPARE
  if not req.patience then return left end
  return math.min(left, req.patience - passed / 1e6 + 0.001)    -- of a script's handler
end

-- ---- the lock -----------------------------------------------------------------------------------

local locks = {}                 -- number of a resource -> { holder = request, first, last, [n] }
local claims = {}                -- number of a resource -> request that creates its subscription

-- The next that still waits holds the lock; nobody: there is none.
local function hand_over(id)
  local l = locks[id]
  while l.first <= l.last do
    local next_one = l[l.first]
    l[l.first] = nil
    l.first = l.first + 1
    if not next_one.gave_up then
      l.size = l.size - 1
      l.holder = next_one
      next_one.locked = id
      return
    end
    next_one.gave_up = nil
  end
  locks[id] = nil
end

-- A request holds one lock: that of what its address names now.
local function unlock(req)
  if not req.locked then return end
  hand_over(req.locked)
  req.locked = nil
end

local function lock(req, id)
  unlock(req)
  locks[id] = { holder = req, first = 1, last = 0, size = 0 }
  req.locked = id
end

local function wait(req, l)
  unlock(req)
  if l.size >= MAX_WAITING then
    return rsc.err(rsc.INTERNAL_SERVER_ERROR,
      "to: a blocking update is under way and %d requests wait for it", l.size)
  end
  l.last = l.last + 1
  l.size = l.size + 1
  l[l.last] = req
  local give_up = sys.mono() + remaining(req) * 1e6
  while l.holder ~= req do
    if sys.mono() >= give_up then
      l.size = l.size - 1
      req.gave_up = true
      return rsc.err(rsc.REQUEST_TIMEOUT, "to: a blocking update of the resource is under way")
    end
    sys.sleep(POLL)
  end
end

--- Before an UPDATE or DELETE of r looks at it: true: go on; false: it had to wait, resolve again;
-- nil, err.  Yields when r is locked.
function blocking.enter(req, r)
  local l = locks[r.id]
  if not l or l.holder == req then return true end
  local e = wait(req, l)
  if e then return nil, e end
  return false
end

--- The request is answered: what it holds is given back.
function blocking.leave(req)
  unlock(req)
  if not req.claimed then return end
  claims[req.claimed] = nil
  req.claimed = nil
end

-- ---- asking -------------------------------------------------------------------------------------

-- The subscription that wants to be asked: its member of a class, or nil.
local function asker(r, members)
  for _, class in ipairs(event.index(r).by_net[BLOCKING_UPDATE] or {}) do
    if criteria.concerns(class.criteria, BLOCKING_UPDATE, r, members) then
      local _, member = next(class.members)
      return member
    end
  end
end

-- The content of the request as it would be applied.
local function content(T, members)
  local parts = {}
  for _, name in ipairs(T.order) do
    if members[name] then parts[#parts + 1] = '"' .. name .. '":' .. members[name] end
  end
  return T.head .. "{" .. table.concat(parts, ",") .. "}}"
end

-- TS-0004 7.3.2.9 maps two codes; other refusals are passed on.
local function refusal(to, code)
  if code == 0 or code == rsc.TARGET_NOT_REACHABLE then
    return rsc.err(rsc.REMOTE_ENTITY_NOT_REACHABLE,
      "the update needs the consent of %s, which %s", to,
      code == 0 and "is not reachable, or gave no answer" or "is not reachable")
  end
  if code == rsc.OPERATION_NOT_ALLOWED then
    return rsc.err(rsc.OPERATION_DENIED_BY_REMOTE_ENTITY, "%s does not consent to the update", to)
  end
  return rsc.err(code >= 4000 and code < 7000 and code or rsc.REMOTE_ENTITY_NOT_REACHABLE,
    "the update needs the consent of %s, which answered %d", to, code)
end

local function ask(req, member, pc)
  local to = member.targets[1]
  if not to then return refusal(tree.value(member.sub, "nu")[1], 0) end
  local seconds = math.min(answer_time, remaining(req))
  local code = seconds > 0 and polling.ask(to, pc, nil, seconds) or 0
  if code ~= rsc.OK then return refusal(to, code) end
end

--- Before an UPDATE of r with these members (name -> JSON text) is applied, all else is checked:
-- true: go on, nothing yields since r was looked at or r is locked for req; false: resolve again;
-- nil, err.  Yields when a subscription is asked, or r is locked by another.
function blocking.consent(req, r, members)
  local ok, e = blocking.enter(req, r)
  if not ok then return ok, e end
  local member = asker(r, members)
  if r.gone then return false end
  local l = locks[r.id]
  if l and l.holder ~= req then return blocking.enter(req, r) end
  if not member or req.consent == member.sub.ri then return true end
  if not l then lock(req, r.id) end
  tree.pin(r)
  local cr = member.cr and ',"cr":' .. json.quote(member.cr) or ""
  local pc = '{"m2m:sgn":{"nev":{"rep":' .. content(r.type, members) .. ',"net":7},"sur":' ..
    json.quote(member.sur) .. cr .. "}}"
  e = ask(req, member, pc)
  tree.unpin(r)
  if e then return nil, e end
  req.consent = member.sub.ri
  return not r.gone
end

-- ---- the subscription ---------------------------------------------------------------------------

local function is_blocking(enc)
  return enc and enc ~= null and enc.net and enc.net[1] == BLOCKING_UPDATE or false
end

local function has_another(parent)
  if claims[parent.id] then return true end
  for _, sub in ipairs(tree.subs(parent)) do
    if is_blocking(tree.value(sub, "enc")) then return true end
  end
  return false
end

--- The target of a blocking update must be allowed to UPDATE the resource itself (TS-0001 9.6.8).
-- enc, nu: the subscription's, decoded.  nil, or a 4103.  Yields.
function blocking.check_target(parent, enc, nu)
  if not is_blocking(enc) then return nil end
  local who, e = target.of(nu[1])
  if e and e.group then return rsc.err(rsc.BAD_REQUEST, "nu: net 7 needs one AE, not a group") end
  if who and target.is_local(who) then
    return rsc.err(rsc.BAD_REQUEST, "nu: net 7 needs an AE, not a crossResourceSubscription")
  end
  if who and not access.allowed(parent, access.UPDATE, { who = who }) then
    return rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE, "nu: %s may not update the resource itself",
      who)
  end
end

--- A subscription to parent is being created by req: one blocking update per resource, and its
-- target's rights.  nil, or an err.  The place is kept for req until `leave`.  Yields.
function blocking.claim(req, parent, values)
  if not is_blocking(values.enc) then return nil end
  if has_another(parent) then
    return rsc.err(rsc.BLOCKING_SUBSCRIPTION_ALREADY_EXISTS,
      "enc: the resource has a subscription to blocking updates already")
  end
  if claims[parent.id] then return blocking.claim(req, parent, values) end
  claims[parent.id], req.claimed = req, parent.id
  return blocking.check_target(parent, values.enc, values.nu)
end

return blocking
