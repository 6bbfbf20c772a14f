-- eventNotificationCriteria, ready to be judged (TS-0001 9.6.8, TS-0004 6.3.5.7): which kinds of
-- events a subscription asks for, and the conditions that the subject of an event must meet.  The
-- conditions on time, state and size are those of filter criteria, judged by the same code.
-- Pure functions; compiled once per class of subscriptions.

local bit = require "bit"
local sys = require "moon2m.core.sys"
local discovery = require "moon2m.discovery"
local path = require "moon2m.path"
local tree = require "moon2m.tree"

local band = bit.band

local criteria = {}

--- The key of operation monitors beside the numbers of the notification event types.
criteria.MONITOR = "om"

local TIMES = { "crb", "cra", "ms", "us", "exb", "exa" }
local NUMBERS = { "sts", "stb", "sza", "szb" }

local function set_of(list)
  if not list then return nil end
  local s = {}
  for _, v in ipairs(list) do s[v] = true end
  return s
end

-- The conditions on time, state and size, as filter criteria; nil when there are none.
local function conditions(enc)
  local fc = {}
  for _, tag in ipairs(TIMES) do fc[tag] = enc[tag] and sys.parse_stamp(enc[tag]) end
  for _, tag in ipairs(NUMBERS) do fc[tag] = enc[tag] end
  if next(fc) == nil then return nil end
  fc.fo = enc.fo
  return fc
end

-- Operation monitors; "org" is what some clients write for "or".
local function monitors(list)
  local out = {}
  for i, m in ipairs(list) do
    local who = m["or"] or m.org
    out[i] = { ops = m.ops, who = who and path.originator(who) }
  end
  return out
end

--- enc decoded (nil: none) -> { nets, atr, chty, fc, om, md }; nets: the keys under which it is
-- looked up, notification event types or MONITOR.
function criteria.compile(enc)
  enc = enc or {}
  local nets = enc.net
  if enc.om then
    nets = { criteria.MONITOR }
  elseif not nets or #nets == 0 then
    nets = { 1 }
  end
  return { nets = nets, atr = set_of(enc.atr), chty = set_of(enc.chty), fc = conditions(enc),
    om = enc.om and monitors(enc.om), md = enc.md }
end

local function touches(atr, changed)
  for name in pairs(changed or {}) do
    if atr[name] then return true end
  end
  return false
end

-- Whether the subject meets the conditions; an attribute that its type does not have is absent.
local function meets(fc, subject)
  local attr = subject.type.attr
  return discovery.match(fc, function(name)
    return attr[name] and tree.value(subject, name) or nil
  end)
end

--- Whether an event of kind `net` (a number) about `subject` concerns the criteria.
-- changed: the attributes of an update (net 1: changed, net 7: to be changed), name -> anything.
function criteria.concerns(c, net, subject, changed)
  if c.atr and (net == 1 or net == 7) and not touches(c.atr, changed) then return false end
  if c.chty and (net == 3 or net == 4) and not c.chty[subject.ty] then return false end
  return not c.fc or meets(c.fc, subject)
end

--- Whether an operation on `subject` is monitored: op_bit is a bit of acop, who the originator in
-- normal form.
function criteria.monitors(c, op_bit, who, subject)
  for _, m in ipairs(c.om) do
    if (not m.ops or band(m.ops, op_bit) ~= 0) and (not m.who or m.who == who) then
      return not c.fc or meets(c.fc, subject)
    end
  end
  return false
end

return criteria
