-- Dynamic authorization (TS-0001 9.6.40, TS-0003 7.3, TS-0004 7.3.3.15, 7.5.1.2.10): what the
-- policies of a resource do not grant may be granted by a server that a
-- dynamicAuthorizationConsultation names.  The consultations of a resource are those of its `daci`,
-- else those of the CSEBase.  The server is asked with a NOTIFY (m2m:seci, dasRequest); rules that
-- it answers with are kept with the resource for as long as it says (grants.lua).  Tokens in an
-- answer are not read.
--
-- Guarantees: the loop never waits; one question at a time about the same originator, operation and
-- resource; a refusal is remembered for REFUSED; all that is kept or under way is bounded.
-- Never: a grant from an answer that is not wholly valid, or one that outlives its consultation.

local json = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local access = require "moon2m.access"
local grants = require "moon2m.grants"
local path = require "moon2m.path"
local polling = require "moon2m.polling"
local rsc = require "moon2m.rsc"
local targets = require "moon2m.target"
local timers = require "moon2m.timers"
local times = require "moon2m.times"
local tree = require "moon2m.tree"
local types = require "moon2m.types"

local CONSULTATION = 34
local MAX_ASKING = 256           -- questions under way
local MAX_REFUSED = 10000        -- refusals that are remembered
local REFUSED = 1e6              -- us
local SPARE = 0.1                -- s left for the answer to the originator
local REQUEST, RESPONSE = "1", "2"     -- securityInfoType
-- As m2m:operation; discovery is a RETRIEVE.
local OPERATION = { [access.CREATE] = 1, [access.RETRIEVE] = 2, [access.UPDATE] = 3,
  [access.DELETE] = 4, [access.NOTIFY] = 5, [access.DISCOVER] = 2 }

local consult = {}

local answer_time = 10
local refusals, refused = {}, 0  -- question -> us until which it is not asked again
local asking, under_way = {}, 0  -- question -> gates of those that wait for its answer

--- seconds: how long a server may take for its answer.
function consult.configure(seconds)
  answer_time = seconds
end

-- ---- consultations ------------------------------------------------------------------------------

-- The addresses of a resource's consultations, as JSON text; nil: none.
local function addresses(r)
  local base = tree.by_id(1)
  return r.raw.daci or base and base.raw.daci
end

local function enabled(dac)
  return dac ~= nil and not dac.gone and dac.ty == CONSULTATION and dac.raw.dae == "true"
    and not (dac.raw.dal and tree.value(dac, "dal") <= sys.now())
end

-- The enabled consultations that a daci text names.  Yields.
local function consultations(daci)
  local list = {}
  for _, text in ipairs(json.elements(daci)) do
    local dac = tree.resolve(json.string(text))
    if enabled(dac) then list[#list + 1] = dac end
  end
  return list
end

-- ---- the question -------------------------------------------------------------------------------

local function address_of(peer)
  if not peer then return "" end
  return (',"oip":{"%s":%s}'):format(peer:find(":", 1, true) and "ip6" or "ip4", json.quote(peer))
end

local function question(r, op, req, dac)
  local dal = dac.raw.dal and ',"ppl":' .. dac.raw.dal or ""
  return ('{"m2m:seci":{"sit":%s,"dreq":{"or":%s,"trt":%d,"op":%d,"trid":%s,"rts":"%s"%s%s}}}')
    :format(REQUEST, json.quote(path.sp_relative(req.who)), r.ty, OPERATION[op],
      json.quote(path.sp_relative(r.ri)), sys.stamp(sys.now()), address_of(req.peer), dal)
end

-- When a privilege ends that is answered with `pl`: a time, or milliseconds from now; nil: it is
-- for this request only.  nil, true: not a time.
local function ending(text, dac)
  if not text then return nil end
  local s = json.type(text) == "string" and json.string(text) or text
  local till = s:find("^%d+$") and #s < 16 and sys.now() + tonumber(s) * 1000 or sys.parse_stamp(s)
  if not till then return nil, true end
  local dal = dac.raw.dal and tree.value(dac, "dal")
  return dal and math.min(dal, till) or till
end

-- The member `name` of a JSON object; nil when text is none or has it not.
local function member(text, name)
  return text and json.type(text) == "object" and json.member(text, name) or nil
end

local function complain(dac, why)
  sys.log("warn", "consult", ("%s: its answer is not valid: %s"):format(dac.path, why))
end

-- The rules of an answer, until when they hold, and the rules as JSON text; nil when it grants
-- nothing.  Yields.
local function rules_of(pc, dac)
  local seci = member(pc, "m2m:seci")
  if member(seci, "sit") ~= RESPONSE then return nil end
  local dres = member(seci, "dres")
  local dai = member(dres, "dai")
  if not dai and member(dres, "tkns") then
    complain(dac, "tkns: tokens are not read by this CSE, only dai.gp")
  end
  local gp = member(dai, "gp")
  local set, why = nil, "gp: missing"
  if gp then set, why = types.by_ty[1].attr.pv.check(gp) end
  local till, wrong = ending(member(dai, "pl"), dac)
  if not set or wrong then
    if dai then complain(dac, wrong and "pl: not a time" or why) end
    return nil
  end
  return access.rules(set), till, gp
end

-- Asks one consultation's servers, in their order, until one answers.  rules, till, text | nil.
-- Yields.
local function ask(r, op, req, dac)
  local left = times.left(req) / 1e6 - SPARE
  for _, server in ipairs(tree.value(dac, "dap")) do
    local to = targets.of(server)
    local seconds = math.min(answer_time, left)
    if to and not targets.is_local(to) and seconds > 0 then
      local code, pc = polling.ask(to, question(r, op, req, dac), nil, seconds)
      if code == rsc.OK and pc then return rules_of(pc, dac) end
      if code ~= 0 and code ~= rsc.TARGET_NOT_REACHABLE then return nil end
      sys.log("info", "consult", ("%s: %s gave no answer"):format(dac.path, server))
    end
    left = times.left(req) / 1e6 - SPARE
  end
end

-- ---- what is remembered -------------------------------------------------------------------------

local function still_enabled(id)
  return enabled(tree.by_id(id))
end

-- Whether rules that were answered earlier grant it.  Yields.
local function remembered(r, daci, op, req, child_ty)
  return grants.hold(r, daci, still_enabled, op, req, child_ty)
end

local function refuse(key)
  if refused >= MAX_REFUSED then refusals, refused = {}, 0 end
  if not refusals[key] then refused = refused + 1 end
  refusals[key] = sys.mono() + REFUSED
end

-- ---- the answer ---------------------------------------------------------------------------------

-- Asks; true when what is answered grants it.  Yields.
local function decide(list, r, daci, op, req, child_ty)
  for _, dac in ipairs(list) do
    local rules, till, text = ask(r, op, req, dac)
    if rules then
      if till and till > sys.now() and not r.gone then
        grants.keep(r, { gp = text, till = till, by = dac.id, daci = daci })
      end
      if (not till or till > sys.now()) and access.granted(rules, op, req, r, child_ty) then
        return true
      end
    end
  end
  return false
end

-- The same, with those that ask the same meanwhile waiting for it.
local function decide_once(key, list, r, daci, op, req, child_ty)
  local waiting = {}
  asking[key], under_way = waiting, under_way + 1
  local ok, is = pcall(decide, list, r, daci, op, req, child_ty)
  asking[key], under_way = nil, under_way - 1
  if not ok or not is then refuse(key) end
  for _, gate in ipairs(waiting) do timers.wake(gate) end
  if not ok then error(is, 0) end
  return is
end

local function wait(key, req)
  local gate = timers.gate()
  table.insert(asking[key], gate)
  timers.wait(gate, math.max(0, times.left(req) / 1e6 - SPARE))
end

-- Whether the consultations of r let req.who do `op`.  Yields.
local function consulted(r, op, req, child_ty)
  local daci = addresses(r)
  if not daci then return false end
  if remembered(r, daci, op, req, child_ty) then return true end
  local key = ("%d %d %d %s"):format(r.id, op, child_ty or 0, req.who)
  if asking[key] then
    wait(key, req)
    if remembered(r, daci, op, req, child_ty) then return true end
  end
  local till, list = refusals[key], consultations(daci)
  if asking[key] or till and till > sys.mono() or under_way >= MAX_ASKING then return false end
  return list[1] ~= nil and decide_once(key, list, r, daci, op, req, child_ty)
end

access.when_refused(function(r, op, req, child_ty)
  local is = consulted(r, op, req, child_ty)
  if r.gone then return nil, rsc.err(rsc.NOT_FOUND, "to: the resource was deleted meanwhile") end
  return is
end)

return consult
