-- Talking to the targets of a subscription outside of events: verification before it exists
-- (TS-0004 7.5.1.2.3), the deletion notice to `su` after it is gone (7.5.1.2.4), and the
-- expiration counter. All targets are asked at the same time; a target that does not answer 2000
-- in time fails the CREATE with 5204.  Never waits on the loop: everything runs in tasks.

local json = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local event = require "moon2m.event"
local path = require "moon2m.path"
local polling = require "moon2m.polling"
local rsc = require "moon2m.rsc"
local timers = require "moon2m.timers"

local verify = {}

local MAX_TARGETS = 64           -- asked for one subscription
local POLL = 0.005               -- s between looks at the answers
local answer_time = 10
local also_urls = false

--- o.answer_time: s to wait for an answer; o.verify_urls: ask targets that are URLs too.
function verify.configure(o)
  answer_time, also_urls = o.answer_time or answer_time, o.verify_urls or false
end

local function failed(nu, why)
  return rsc.err(rsc.SUBSCRIPTION_VERIFICATION_INITIATION_FAILED, "nu: %s: %s", nu, why)
end

-- The targets that must be asked: those that are not the originator.  Yields.
local function to_ask(nu, who)
  local list = {}
  for _, address in ipairs(nu) do
    local target, e = event.target_of(address)
    if not target then return nil, failed(address, e.msg) end
    local url = target:find("://", 1, true)
    if target ~= who and (not url or also_urls) then
      list[#list + 1] = { nu = address, target = target }
    end
  end
  if #list > MAX_TARGETS then
    return nil, rsc.err(rsc.BAD_REQUEST, "nu: more than %d targets to verify", MAX_TARGETS)
  end
  return list
end

-- Asks all at once and waits for all.
local function ask_all(list, pc)
  local waiting = #list
  for _, item in ipairs(list) do
    timers.spawn(function()
      item.rsc = polling.ask(item.target, pc, nil, answer_time)
      waiting = waiting - 1
    end)
  end
  local deadline = sys.mono() + (answer_time + 1) * 1e6
  while waiting > 0 and sys.mono() < deadline do sys.sleep(POLL) end
end

--- Verifies the targets of a subscription: nu (decoded), sur its reference, cr its creator or nil,
-- req the request.  nil, or a 5204.  Yields.
function verify.targets(nu, sur, cr, req)
  local list, e = to_ask(nu, req.who)
  if not list then return e end
  if #list == 0 then return nil end
  ask_all(list, '{"m2m:sgn":{"vrq":true,"sur":' .. json.quote(sur) ..
    (cr and ',"cr":' .. json.quote(cr) or "") .. "}}")
  for _, item in ipairs(list) do
    if item.rsc ~= rsc.OK then
      return failed(item.nu, (item.rsc or 0) == 0 and "no answer to the verification request"
        or ("the verification request was answered with %d"):format(item.rsc))
    end
  end
end

--- Tells `su` that the subscription with identifier ri is gone.  Does not wait; failures are
-- ignored.
function verify.deleted(su, ri)
  timers.spawn(function()
    local target = event.target_of(su)
    if not target then return end
    polling.ask(target, '{"m2m:sgn":{"sud":true,"sur":' .. json.quote(path.sp_relative(ri)) .. "}}",
      nil, answer_time)
  end)
end

return verify
