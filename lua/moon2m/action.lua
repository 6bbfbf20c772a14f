-- Actions (Release 4): when an attribute of a resource meets a criterion, a request is made.  The
-- criteria of a resource's actions are judged with each committed change of it, by a request or by
-- the CSE itself, in the order of their priorities; what is due is executed one after the other,
-- with the privileges of the originator that the action names.
-- Guarantees: an action that is due once is executed once, also over a restart, unless the server
-- is killed between the execution and its record: then once more.  What can be waiting is bounded;
-- an action that MAX_HOPS actions led to is not executed.

local cjson = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local evaluation = require "moon2m.evaluation"
local event = require "moon2m.event"
local json = require "moon2m.json"
local path = require "moon2m.path"
local schema = require "moon2m.schema"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local ACTION = 65
local OFF, ONCE, PERIODIC, CONTINUOUS = 0, 1, 2, 3
local PERIOD = 60000             -- ms, of an action that names none
local MAX_HOPS = 8
local MAX_WAITING = 1000         -- executions that wait, of one subject
local MAX_RESULT = 65536         -- bytes of a response's content that are kept
local LAST = math.huge           -- priority of an action that has none

local action = {}

-- Number of a subject -> { queue = { { id, hop }, ... }, busy, entries by priority }; an entry is
-- { id, apy, evc, instance = true: of the newest instance }.
local watched = {}
local subject_of = {}            -- number of an action -> number of its subject

-- ---- dependencies -------------------------------------------------------------------------------

-- Whether the criterion of a dependency is met now; nil when what it refers to is not there.
local function met(dependency)
  local r = evaluation.subject(tree.value(dependency, "rri"))
  if not r then return nil end
  return evaluation.holds(evaluation.of(dependency), r)
end

-- In the order of `dep`: one that is sufficient and met decides, one that is necessary and not met
-- too.  One that is gone, or whose resource is, is passed over.
local function satisfied(r)
  local list = tree.value(r, "dep")
  if not list then return true end
  local any = false
  for _, address in ipairs(list) do
    local dependency = tree.resolve(address)
    local is = dependency and met(dependency)
    local sufficient = dependency and dependency.raw.sfc == "true"
    if is then
      any = true
      if sufficient then return true end
    elseif is == false and not sufficient then
      return false
    end
  end
  return any
end

-- ---- the request --------------------------------------------------------------------------------

local function perform(req)
  return require("moon2m.dispatch").perform(req)
end

-- The value of one attribute ("address#attribute"), as JSON text, as `who` may read it; nil, why.
local function read(address, who, hop)
  local to, name = address:match("^(.*)#([^#]+)$")
  local code, pc = perform { op = 2, to = to, fr = who, rqi = "action-" .. sys.random(6),
    rvi = "4", via = "script", hop = hop }
  if code ~= 2000 then return nil, ("ipu: %s: %d"):format(address, code) end
  local outer, names = cjson.members(pc)
  local inner = outer and cjson.members(outer[names[1]])
  local text = inner and inner[name]
  if not text then return nil, ("ipu: %s: no such attribute now"):format(address) end
  return text
end

-- The content of the primitive with the inputs in it; nil, why.
local function content(pc, inputs, who, hop)
  local outer, names = cjson.members(pc)
  local inner, order = cjson.members(outer[names[1]])
  if not inner then return nil, "ipu: the content of the request is no object" end
  for _, one in ipairs(inputs) do
    local text, why = read(one.fr, who, hop)
    if not text then return nil, why end
    if not inner[one.to] then order[#order + 1] = one.to end
    inner[one.to] = text
  end
  local parts = {}
  for i, name in ipairs(order) do parts[i] = cjson.quote(name) .. ":" .. inner[name] end
  return ("{%s:{%s}}"):format(cjson.quote(names[1]), table.concat(parts, ","))
end

-- The list of inputs of r: one may stand for itself.
local function inputs_of(r)
  local v = tree.value(r, "ipu")
  return v and (json.is_array(v) and v or { v })
end

-- Makes r's request.  rsc, pc, rqi.
local function execute(r, hop)
  local apv, pc = tree.value(r, "apv"), cjson.members(r.raw.apv).pc
  local rqi = apv.rqi or "action-" .. sys.random(6)
  local inputs = inputs_of(r)
  if inputs then
    local why
    pc, why = content(pc, inputs, apv.fr, hop)
    if not pc then return 4000, cjson.quote(why):gsub("^.*$", '{"m2m:dbg":%0}'), rqi end
  end
  local code, answer = perform { op = apv.op, to = tree.value(r, "orc"), fr = apv.fr, rqi = rqi,
    rvi = apv.rvi or "4", ty = apv.ty, pc = pc, rcn = apv.rcn, fc = apv.fc, drt = apv.drt,
    via = "script", hop = hop + 1 }
  return code, answer, rqi
end

local function response(r, code, pc, rqi)
  local parts = { ('{"rsc":%d,"rqi":%s,"to":%s,"fr":%s,"ot":"%s"'):format(code, cjson.quote(rqi),
    cjson.quote(tree.value(r, "apv").fr), cjson.quote((path.configured())), sys.stamp(sys.now())) }
  if pc and #pc <= MAX_RESULT then parts[2] = ',"pc":' .. pc end
  parts[#parts + 1] = "}"
  return table.concat(parts)
end

-- ---- what is kept of it -------------------------------------------------------------------------

-- Sets attributes of r to JSON texts (false: removes) and tells the subscribers of r.  Yields.
local function set(r, texts)
  event.entry(r)
  if r.gone then return end
  local old = r.events.by_net[1] and schema.encode(r.type, r)
  local raw, changed = {}, { lt = true }
  for name, text in pairs(r.raw) do raw[name] = text end
  for name, text in pairs(texts) do
    raw[name] = text or nil
    changed[name] = text and true or json.null
  end
  r.raw, r.lt = raw, sys.now()
  tree.refresh(r)
  local events = old and event.prepare(r, 1, r, { old = old, changed = changed,
    originator = (path.configured()) })
  local ok, e = write.commit({ { "set", tree.row(r) } }, events, r)
  if not ok then sys.log("error", "action", ("%s: %s"):format(r.path, e.msg)) end
end

-- What an execution changes of an action that has not been set anew meanwhile: it is off after its
-- only or last one; _next is the time from which the next is due, _left how many are.
local function progress(r, now)
  local mode, ecp = tonumber(r.raw.evm), tonumber(r.raw.ecp)
  if mode == ONCE then return { evm = tostring(OFF) } end
  if mode == PERIODIC then return { _next = ("%.0f"):format(now + (ecp or PERIOD) * 1000) } end
  if not ecp then return {} end
  local left = (tonumber(r.raw._left) or ecp) - 1
  if left > 0 then return { _left = tostring(left) } end
  return { evm = tostring(OFF), _left = false }
end

local function forget(id)
  local subject = subject_of[id]
  local list = subject and watched[subject]
  subject_of[id] = nil
  for i, e in ipairs(list or {}) do
    if e.id == id then
      table.remove(list, i)
      break
    end
  end
  if list and not list[1] and not list.busy then watched[subject] = nil end
end

-- Hops that led to the executions that are under way -> how many of them.
local executing = {}

-- The hops of a change that the CSE makes by itself: one of these executions may be the cause.
local function hops_now()
  for hop = MAX_HOPS, 0, -1 do
    if executing[hop] then return hop + 1 end
  end
  return 0
end

-- execute, counted.
local function execute_at(r, hop)
  executing[hop] = (executing[hop] or 0) + 1
  local ok, code, pc, rqi = pcall(execute, r, hop)
  executing[hop] = executing[hop] > 1 and executing[hop] - 1 or nil
  if not ok then error(code, 0) end
  return code, pc, rqi
end

-- One execution, if the action is still due.  Yields.
local function run(id, hop)
  local r = tree.by_id(id)
  if not r then return forget(id) end
  local now, mode, armed = sys.now(), tonumber(r.raw.evm), r.raw._arm
  if mode == OFF or mode == PERIODIC and (tonumber(r.raw._next) or 0) > now then return end
  if not satisfied(r) then return end
  if hop >= MAX_HOPS then
    sys.log("warn", "action", ("%s: not executed, %d actions led to it"):format(r.path, hop))
    return
  end
  local code, pc, rqi = execute_at(r, hop)
  r = tree.by_id(id)
  if not r then return forget(id) end
  local texts = r.raw._arm == armed and progress(r, now) or {}
  texts.air = response(r, code, pc, rqi)
  set(r, texts)
  if r.raw.evm == tostring(OFF) then forget(id) end
end

-- ---- changes of subjects ------------------------------------------------------------------------

local function work(subject, list)
  while list.queue[1] do
    local item = table.remove(list.queue, 1)
    local ok, why = pcall(run, item.id, item.hop)
    if not ok then sys.log("error", "action", tostring(why)) end
  end
  list.busy = nil
  if not list[1] and watched[subject] == list then watched[subject] = nil end
end

local function work_soon(subject, list)
  list.busy = true
  timers.spawn(function() work(subject, list) end)
end

-- As action.changed, for a subject of actions.
local function judge(r, list, instance, hop)
  for _, e in ipairs(list) do
    local subject = e.instance and instance or not e.instance and r
    if subject and evaluation.holds(e.evc, subject) then
      if #list.queue >= MAX_WAITING then
        return sys.log("warn", "action", ("%s: %d actions are waiting, others are left out"):format(
          r.path, MAX_WAITING))
      end
      list.queue[#list.queue + 1] = { id = e.id, hop = hop or 0 }
    end
  end
  if list.queue[1] and not list.busy then work_soon(r.id, list) end
end

--- r has changed, or an instance was created in it (instance); hop: how many requests of actions
-- and scripts led here, or nil.  Never yields.
function action.changed(r, instance, hop)
  local list = watched[r.id]
  if list then return judge(r, list, instance, hop) end
end

write.observe(function(r)
  if watched[r.id] then action.changed(r, nil, hops_now()) end
end)

-- ---- actions ------------------------------------------------------------------------------------

--- Action r is there, or another now.
function action.set(r)
  forget(r.id)
  if r.raw.evm == tostring(OFF) then return end
  local subject = tonumber(r.raw._subject)
  local list = watched[subject] or { queue = {} }
  local e = { id = r.id, apy = tonumber(r.raw.apy) or LAST, evc = evaluation.of(r),
    instance = r.raw._instance ~= nil }
  watched[subject], subject_of[r.id] = list, subject
  local i = 1
  while list[i] and (list[i].apy < e.apy or list[i].apy == e.apy and list[i].id < e.id) do
    i = i + 1
  end
  table.insert(list, i, e)
end

--- It was deleted.
function action.forget(r)
  forget(r.id)
end

--- Start only.  Yields.
function action.open()
  for r in tree.all(ACTION) do action.set(r) end
end

--- The modes of evm.
action.OFF, action.ONCE, action.PERIODIC, action.CONTINUOUS = OFF, ONCE, PERIODIC, CONTINUOUS

return action
