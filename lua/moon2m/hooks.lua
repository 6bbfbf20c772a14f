-- What scripts say before the commit: policies, checks and virtual resources.  Left of the commit a
-- failing rule refuses: a policy with 4103 (it fails closed), a check with 5000 and nothing stored.
-- Patterns of all scripts are compiled into one tree per hook and operation, so what a request
-- costs does not grow with the number of rules; a hook that nobody declares costs one table
-- look-up.

local json = require "moon2m.json"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local rules = require "moon2m.rule"
local scopes = require "moon2m.scope"

local hooks = {}

--- Which hooks any script declares.
hooks.has = { policy = false, check = false, on = false, virtual = false }

local call, report = rules.call, rules.report
local resting, succeeded = rules.is_resting, rules.succeeded
local matchers = {}              -- kind -> op -> globs

local ANY = { any = true }
local NONE = {}

-- The operations under which a rule is found: hooks that are for every operation have one tree.
local function operations(rule)
  if not rule.op then return ANY end
  return rule.op == "any" and scopes.OPS or { [rule.op] = true }
end

--- Compiles the patterns of these scopes, in their order.  Changes nothing.
function hooks.compile(list)
  local new = {}
  for _, scope in ipairs(list) do
    for _, rule in ipairs(scope.rules) do
      if rule.where then
        local by_op = new[rule.kind] or {}
        new[rule.kind] = by_op
        for op in pairs(operations(rule)) do
          by_op[op] = by_op[op] or path.globs()
          by_op[op]:add(rule.where, rule)
        end
      end
    end
  end
  return new
end

--- Makes what hooks.compile gave the rules that count from now on.
function hooks.swap(new)
  matchers = new
  for kind in pairs(hooks.has) do hooks.has[kind] = new[kind] ~= nil end
end

local MEMO = 1024                -- paths whose rules are remembered, per hook and operation
local MEMO_PATH = 256            -- bytes of one

-- The answer for a path is the same until scripts change: the last ones are remembered.
local function remembered(set, to)
  local memo, n = set.memo, set.remembered
  if not memo or n >= MEMO then memo, n = {}, 0 end
  local list = set:match(to)
  if not list[1] then list = false end
  if #to <= MEMO_PATH then
    memo[to] = list
    set.memo, set.remembered = memo, n + 1
  end
  return list
end

--- The rules of a hook for an operation and a script path: a list of { rule, captures ... } that
-- nobody may change, or nil.
function hooks.matching(kind, op, to)
  local by_op = matchers[kind]
  local set = by_op and (by_op[op] or by_op.any)
  if not set then return nil end
  local list = set.memo and set.memo[to]
  if list == nil then list = remembered(set, to) end
  return list or nil
end

-- A loop that runs once at most, each time, is what LuaJIT gives up on, and with it on all around:
-- what is done for each rule, of which there mostly is one, calls itself for the next.

--- Adds the captures of the pattern as [1], [2], ...; returns t.
function hooks.add_captures(t, match)
  t[1] = match[2]
  if match[3] == nil then return t end
  for i = 3, #match do t[i - 1] = match[i] end
  return t
end

--- A shallow copy with the captures of the pattern as [1], [2], ...
function hooks.copy_with(t, match)
  local c = {}
  for k, v in pairs(t) do c[k] = v end
  return hooks.add_captures(c, match)
end

-- The request for rule i of a list: the last one gets the original.
local function own(req, list, i)
  if i == #list then return hooks.add_captures(req, list[i]) end
  return hooks.copy_with(req, list[i])
end

--- { rule, captures ... } of a rule's own pattern for a script path; nil when it does not match.
function hooks.captures(rule, to)
  if not rule.glob then
    rule.glob = path.globs()
    rule.glob:add(rule.where, rule)
  end
  return rule.glob:match(to)[1]
end

local matching = hooks.matching

local function about(op, to, fr)
  return ("%s %s by %s"):format(op, to, tostring(fr))
end

-- A reason that a script gave: only text is one.
local function text(why)
  return type(why) == "string" and why or nil
end

-- The response status code of a refusal: one that is an error, or 4000.
local function refusal(code)
  return type(code) == "number" and code >= 4000 and rsc.http[code] and code or rsc.BAD_REQUEST
end

-- What a client is told: whose rule and what happened to the data, nothing of the inside.
local function told(kind, rule, fate)
  return ("the %s of %s %s"):format(kind, rule.scope.name, fate)
end

-- What is wrong with a verdict; nil: it is true, false or nil.  "too warm" without the false before
-- it must not grant.
local function no_verdict(rule, verdict)
  if verdict == nil or type(verdict) == "boolean" then return nil end
  return ("%s: true, false or nil was expected as the verdict, got a %s"):format(
    rule.where_declared, type(verdict))
end

-- What the rules of a list from number i on say.
local function policies(list, i, req, res)
  local rule, op, to, fr = list[i][1], req.op, req.to, req.fr
  if resting(rule) then return false, told("policy", rule, "is out of order, refused") end
  local ok, verdict, why = call(rule, req.hop, req.chain, own(req, list, i), res)
  local wrong = not ok and verdict or no_verdict(rule, verdict)
  if wrong then
    report(rule, wrong, about(op, to, fr), "refused (4103)")
    return false, told("policy", rule, "failed, refused")
  end
  succeeded(rule)
  if verdict ~= nil then return verdict, text(why) end
  if i == #list then return nil end
  return policies(list, i + 1, req, res)
end

--- The scripts' policies for a request.  req = { op = "create".., to = script path, fr, ... }, res
-- the target as plain table.  true | false, why | nil (no opinion).  A failing policy refuses.
function hooks.policy(req, res)
  local list = matching("policy", req.op, req.to)
  if not list then return nil end
  return policies(list, 1, req, res)
end

-- The JSON text of a value of pc that is not what `raw` (nil: nothing) says; else nil.  Raises.
local function changed_text(v, raw)
  local before
  if raw then before = json.decode(raw) end
  if type(v) ~= "table" then return v ~= before and json.encode(v) or nil end
  local new = json.encode(v)
  return (type(before) ~= "table" or json.encode(before) ~= new) and new or nil
end

-- What a script changed in pc, back into the raw member texts; the rest stays as received.  Whether
-- anything was; nil, what is wrong with it.
local function write_back(pc, members)
  if type(pc) == "table" and json.untouched(pc, members) then return nil end
  if type(pc) ~= "table" then return nil, "req.pc: a table was expected, got a " .. type(pc) end
  local new, changed
  for k, v in pairs(pc) do
    if type(k) ~= "string" then return nil, "req.pc: a name that is no string" end
    local ok, raw = pcall(changed_text, v, members[k])
    if not ok then return nil, ("req.pc.%s: %s"):format(k, raw) end
    if raw then
      new = new or {}
      new[k] = raw
    end
  end
  for k in pairs(members) do
    if rawget(pc, k) == nil then members[k], changed = nil, true end
  end
  for k, raw in pairs(new or NONE) do members[k], changed = raw, true end
  return changed
end

-- A check that failed: false, what the client is told, the response status code.
local function broken_check(rule, wrong, event)
  report(rule, wrong, event, "refused (5000), nothing stored")
  return false, told("check", rule, "failed, nothing was stored"), rsc.INTERNAL_SERVER_ERROR
end

-- What the rules of a list from number i on say; changed: an earlier one did change something.
local function checks(list, i, req, members, changed)
  local rule, op, to, fr = list[i][1], req.op, req.to, req.fr
  if resting(rule) then
    return false, told("check", rule, "is out of order, nothing was stored"),
      rsc.INTERNAL_SERVER_ERROR
  end
  local mine = own(req, list, i)
  mine.pc = json.open(members or NONE)
  local ok, verdict, why, code = call(rule, req.hop, req.chain, mine)
  local wrong = not ok and verdict or no_verdict(rule, verdict)
  if wrong then return broken_check(rule, wrong, about(op, to, fr)) end
  if verdict == false then
    succeeded(rule)
    return false, text(why) or "refused by a check", refusal(code)
  end
  local new
  if members then new, wrong = write_back(mine.pc, members) end
  if wrong then
    wrong = ("%s: %s"):format(rule.where_declared, wrong)
    return broken_check(rule, wrong, about(op, to, fr))
  end
  succeeded(rule)
  changed = changed or new
  if i == #list then return changed or nil end
  return checks(list, i + 1, req, members, changed)
end

--- The scripts' checks.  req as for policy; members: attribute name -> raw JSON text of the
-- content, changed in place when a check changes req.pc.  nil | true when it did | false, why, rsc.
function hooks.check(req, members)
  local list = matching("check", req.op, req.to)
  if not list then return nil end
  return checks(list, 1, req, members)
end

--- The virtual resource at a script path: handler(req, write) -> true,
-- write(value) or nil | false, message; or nil.
function hooks.virtual(to)
  local list = matching("virtual", "any", to)
  if not list or not list[1] then return nil end
  local match = list[1]
  local rule = match[1]
  return function(req, write)
    if resting(rule) then return false, told("virtual resource", rule, "is out of order") end
    local ok, value = call(rule, req.hop, req.chain, hooks.copy_with(req, match))
    if not ok then
      report(rule, value, about("retrieve", to, req.fr), "answered 5000")
      return false, told("virtual resource", rule, "failed")
    end
    local good, written = true, nil
    if value ~= nil then good, written = pcall(write, value) end
    if not good then
      report(rule, ("%s: what it returned is no JSON: %s"):format(rule.where_declared, written),
        about("retrieve", to, req.fr), "answered 5000")
      return false, told("virtual resource", rule, "failed")
    end
    succeeded(rule)
    return true, written
  end
end

return hooks
