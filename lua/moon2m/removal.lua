-- A notification target that wants to be told no more (TS-0001 10.2.10.8, 10.2.10.9; TS-0004 7.4.30
-- to 7.4.33): by a DELETE of the subscription's virtual child `ntsr`, or by a word in its answer to
-- a notification.  A policy says whether it goes: the one that a notificationTargetMgmtPolicyRef
-- of the subscription names for it, else the subscription creator's own with the label "default",
-- else one of the administrator's with that label, else the configuration
-- (notification.target_removal).
-- With "seek" and "inform" the target is told that its wish was taken (TS-0001) before the creator
-- was asked.  What the creator is to know is a notice like any other, kept while it is away; what
-- it is asked for is asked again until it answers, for a day and as long as this process lives;
-- after that the target has to ask again.  When the last target goes the subscription goes with it:
-- `nu` cannot be empty.

local json = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local access = require "moon2m.access"
local aside = require "moon2m.aside"
local encode = require("moon2m.json").encode
local new_array = require("moon2m.json").array
local path = require "moon2m.path"
local polling = require "moon2m.polling"
local rsc = require "moon2m.rsc"
local schedule = require "moon2m.schedule"
local script = require "moon2m.script"
local target = require "moon2m.target"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"
local turns = require "moon2m.turns"
local view = require "moon2m.view"

local DELETE = 4
local REFERENCE, POLICY, RULES, CSE_BASE = 25, 26, 27, 1
local ACCEPT, REJECT, SEEK, INFORM = 1, 2, 3, 4
local ACTIONS = { accept = ACCEPT, reject = REJECT, seek = SEEK, inform = INFORM }
local OR = 2
local MOST = 1000                -- creators that are being asked
local RETRY_MIN, RETRY_MAX = 1, 60     -- s until a creator who gave no answer is asked again
local PATIENCE = 86400e6         -- us

local removal = {}

local default_action = ACCEPT
local answer_time = 10

--- o.action: "accept", "reject", "seek" or "inform" when no policy says; o.answer_time: s that the
-- creator of a subscription has to answer.
function removal.configure(o)
  default_action, answer_time = ACTIONS[o.action], o.answer_time
end

-- ---- which policy ------------------------------------------------------------------------------

-- The policy that the subscription refers to for this target.  Yields.
local function referred(sub, key)
  for ref in tree.children(sub, REFERENCE) do
    local npi = tree.value(ref, "npi")
    for _, address in ipairs(npi and tree.value(ref, "ntu") or {}) do
      if target.of(address) == key then
        local p = tree.resolve(npi)
        if p and not p.virtual and p.ty == POLICY then return p end
      end
    end
  end
end

-- The default policy of the creator; else of the administrator or the CSE.  Yields.
local function default_policy(creator)
  local general
  for p in tree.children(tree.by_id(CSE_BASE), POLICY) do
    if tree.value(p, "plbl"):lower() == "default" then
      if p.creator == creator then return p end
      if not general and access.privileged(p.creator) then general = p end
    end
  end
  return general
end

-- ---- its rules ---------------------------------------------------------------------------------

local function combined(list, relation)
  local some, all = false, true
  for _, v in ipairs(list) do
    some, all = some or v, all and v
  end
  if relation == OR then return some or #list == 0 end
  return all
end

local function in_window(entries, now)
  for _, text in ipairs(entries) do
    local s = schedule.parse(text)
    if s and schedule.covers(s, now / 1e6) then return true end
  end
  return false
end

-- Where a target is nobody knows: a rule about regions never holds.
local function rules_hold(rules, now)
  local list = {}
  for _, context in ipairs(tree.value(rules, "dr") or {}) do
    if context.tod then list[#list + 1] = in_window(context.tod, now) end
    if context.lr then list[#list + 1] = false end
  end
  return combined(list, tree.value(rules, "drr"))
end

local function policy_holds(p)
  local list, now = {}, sys.now()
  for rules in tree.children(p, RULES) do list[#list + 1] = rules_hold(rules, now) end
  return combined(list, tree.value(p, "rrs"))
end

-- What is to be done about a target: an action, or nil, err.  Yields.
local function decide(sub, key)
  local p = referred(sub, key) or default_policy(sub.creator)
  local action = p and tree.value(p, "acn") or default_action
  if p and not policy_holds(p) then
    return nil, rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE,
      "the rules of the policy %s do not allow the removal now", path.structured(p.path))
  end
  if action == REJECT then
    return nil, rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE, "%s does not let its targets go",
      path.structured(sub.path))
  end
  return action
end

-- ---- removal -----------------------------------------------------------------------------------

local function without(sub, key)
  local rest, found = new_array {}, false
  for _, address in ipairs(tree.value(sub, "nu")) do
    if target.of(address) == key then found = true else rest[#rest + 1] = address end
  end
  return found and rest or nil
end

-- Takes the target off the subscription with this number.  nil, or an err.  Yields.
local function remove(id, key)
  local sub = tree.by_id(id)
  local rest = sub and without(sub, key)
  if not rest then return nil end
  if not rest[1] then
    for _ = 1, 5 do
      local ok, e = require("moon2m.op_delete").resource(sub, nil)
      if ok ~= false then return e end
      sub = tree.by_id(id)
      if not sub then return nil end
    end
  end
  local code, pc = require("moon2m.dispatch").perform { op = 3, to = sub.ri,
    fr = (path.configured()), rqi = "removal-" .. sys.random(6), rvi = "3", via = "script",
    pc = sub.type.head .. '{"nu":' .. encode(rest) .. "}}" }
  if code ~= rsc.UPDATED then return rsc.err(code, "nu: %s", tostring(pc)) end
end

local function remove_in_turn(sub, key)
  return turns.take("nu/" .. sub.id, remove, sub.id, key)
end

-- What the creator is asked (tra) or told (trr).
local function message(sub, key, what)
  local ntt = target.is_url(key) and key or path.sp_relative(key)
  return '{"m2m:sgn":{"sur":' .. json.quote(path.sp_relative(sub.ri)) .. ',"ntt":' ..
    json.quote(ntt) .. ',"' .. what .. '":true}}'
end

-- Where the creator is told; nil when it is nobody here that can be.  Yields.
local function creator_of(sub)
  local to = sub.creator and target.of(sub.creator)
  if to and not target.is_local(to) then return to end
  sys.log("info", "removal", ("%s: its creator %s is no AE here"):format(sub.path,
    tostring(sub.creator)))
end

-- Tells the creator, in a notice that counts for no subscription.  nil, or an err.  Yields.
local function inform(sub, key)
  local to = creator_of(sub)
  if not to then return nil end
  return aside.tell(sub.id, sub.ri, to, message(sub, key, "trr"))
end

local dialogues, count = {}, 0   -- "subscription target" -> true: the creator is being asked

local function finish(name)
  dialogues[name] = nil
  count = count - 1
end

-- One try.  true: there is an answer, or no need of one.  Yields.
local function ask(id, key)
  local sub = tree.by_id(id)
  local to = sub and sub.raw.nu and without(sub, key) and creator_of(sub)
  if not to then return true end
  local code = polling.ask(to, message(sub, key, "tra"), nil, answer_time)
  if code == 0 or code == rsc.TARGET_NOT_REACHABLE then return false end
  local e = code == rsc.OK and remove_in_turn(sub, key)
  if e then sys.log("warn", "removal", sub.path .. ": " .. e.msg) end
  return true
end

local function try(name, id, key, wait, deadline)
  local ok, done = pcall(ask, id, key)
  if not ok then sys.log("error", "removal", tostring(done)) end
  if ok and done or sys.mono() >= deadline then return finish(name) end
  timers.after(wait, function()
    return try(name, id, key, math.min(wait * 2, RETRY_MAX), deadline)
  end)
end

-- Asks the creator and does what it says.  nil, or an err.
local function seek(sub, key)
  local name, id = sub.id .. " " .. key, sub.id
  if dialogues[name] then return nil end
  if count >= MOST then
    return rsc.err(rsc.INTERNAL_SERVER_ERROR, "too many removals wait for the creators' answers")
  end
  dialogues[name], count = true, count + 1
  timers.spawn(function() return try(name, id, key, RETRY_MIN, sys.mono() + PATIENCE) end)
end

-- true | nil, err.  Yields.
local function act(sub, key)
  local action, e = decide(sub, key)
  if not action then return nil, e end
  local how = action == ACCEPT and remove_in_turn or action == SEEK and seek or inform
  e = how(sub, key)
  if e then return nil, e end
  return true
end

-- ---- how it is asked for -----------------------------------------------------------------------

--- An operation on the `ntsr` of a subscription.  rsc | nil, err: 4005 for anything but a DELETE,
-- 4103 unless the originator is a target and may go.  Yields.
function removal.perform(req, sub)
  if req.op ~= DELETE then
    return nil, rsc.err(rsc.OPERATION_NOT_ALLOWED, "to: ntsr can only be deleted")
  end
  if script.has.policy then
    local ok, e = access.policies(sub, access.DELETE, req)
    if not ok then return nil, e end
  end
  if script.has.check then
    local verdict, why, code = script.check(view.request(req, { virtual = "ntsr", parent = sub }))
    if verdict == false then return nil, rsc.err(code or rsc.BAD_REQUEST, "%s", tostring(why)) end
  end
  if not without(sub, req.who) then
    return nil, rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE, "%s is no target of %s", req.who,
      path.structured(sub.path))
  end
  local ok, e = act(sub, req.who)
  if not ok then return nil, e end
  return rsc.DELETED
end

--- Entry of the C core: a target asked for its removal in its answer to a notification of the
-- subscription with this number.  Refusals are logged: nobody waits for an answer.  Yields.
function removal.indicated(id, key)
  local sub = tree.by_id(id)
  if not sub or not sub.raw.nu or not without(sub, key) then return end
  local ok, e = act(sub, key)
  if not ok then
    sys.log("info", "removal", ("%s stays a target: %s"):format(key, e.msg))
  end
end

return removal
