-- Access control policies that other CSEs host, where `acpi` names them (TS-0001 9.6.2): retrieved
-- in the name of this CSE when they are needed, which their selfPrivileges must allow, and kept for
-- LIFE seconds; what was decided with them is forgotten with them.
-- Guarantees: one retrieval at a time for each policy, in bounded time; its originators are those
-- of the CSE that hosts it.  Never: a grant from a policy that could not be read, which is tried
-- again after PAUSE seconds.

local core = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local access = require "moon2m.access"
local json = require "moon2m.json"
local path = require "moon2m.path"
local remote = require "moon2m.remote"
local rsc = require "moon2m.rsc"
local timers = require "moon2m.timers"
local transit = require "moon2m.transit"
local types = require "moon2m.types"

local ACP, RETRIEVE = 1, 2
local LIFE, PAUSE = 60, 5        -- s that one is kept; that one that could not be read is not asked
local PATIENCE = 3               -- s that its CSE has to answer
local MAX_KEPT = 1024

local far = {}
local kept, count, last = {}, 0, 0    -- address -> { acp = like a resource, done =, gates }

-- ---- what is read -------------------------------------------------------------------------------

-- An originator as it stands in a policy of CSE `cse`, as this CSE would write it.
local function originator(name, cse)
  if name == "all" or name:byte() == 47 then return name end
  return cse .. "/" .. name
end

-- The text of pv or pvs of a policy of CSE `cse`; nil when it is none.
local function privileges(name, raw, cse)
  local attr = types.by_ty[ACP].attr[name]
  if not raw or attr.kind.check(raw) == nil then return nil end
  local set = json.decode(raw)
  for _, rule in ipairs(set.acr or {}) do
    for i, who in ipairs(rule.acor) do rule.acor[i] = originator(who, cse) end
  end
  return json.encode(set)
end

-- What access.lua needs of a policy: { ty, raw }; nil when the content is none.
local function policy(pc, cse)
  local outer = pc and core.members(pc)
  local inner = outer and outer["m2m:acp"]
  local m = inner and inner:byte() == 123 and core.members(inner)
  if not m then return nil end
  local pv, pvs = privileges("pv", m.pv, cse), privileges("pvs", m.pvs, cse)
  return pv and pvs and { ty = ACP, raw = { pv = pv, pvs = pvs } } or nil
end

local function retrieve(address)
  last = last + 1
  local me, now = path.configured(), sys.now()
  local code, pc = transit.perform { op = RETRIEVE, to = address, fr = me, who = me, via = "script",
    rqi = "policy." .. last, now = now, times = { rqet = now + PATIENCE * 1e6 }, params = {} }
  local acp = code == rsc.OK and policy(pc, remote.cse_of(address)) or nil
  if not acp then
    sys.log("warn", "access", ("the policy %s grants nothing: %s"):format(address,
      code == rsc.OK and "what its CSE answers is none" or code and "its CSE answers " .. code
      or pc.msg))
  end
  return acp
end

-- ---- what is kept -------------------------------------------------------------------------------

local function forget(address, entry)
  if kept[address] ~= entry then return end
  kept[address], count = nil, count - 1
  access.changed()
end

local function fetch(address, entry)
  local ok, acp = pcall(retrieve, address)
  if not ok then sys.log("error", "access", tostring(acp)) end
  entry.acp, entry.done = ok and acp or nil, true
  timers.after(entry.acp and LIFE or PAUSE, function() forget(address, entry) end)
  for _, gate in ipairs(entry) do timers.wake(gate) end
end

--- The policy at an SP-relative address, like a resource: { ty, raw }; nil: it grants nothing now.
-- Yields.
function far.get(address)
  local a = path.parse(address)
  local key = a and a.remote
  if not key or key:sub(1, 2) == "//" then return nil end
  local entry = kept[key]
  if not entry then
    if count >= MAX_KEPT then return nil end
    entry = {}
    kept[key], count = entry, count + 1
    fetch(key, entry)
  end
  if not entry.done then
    local gate = timers.gate()
    entry[#entry + 1] = gate
    timers.wait(gate, PATIENCE + 1)
  end
  return entry.acp
end

--- At start.
function far.open()
  access.elsewhere(far.get)
  remote.on_change(function()
    kept, count = {}, 0
    access.changed()
  end)
end

return far
