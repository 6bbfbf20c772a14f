-- Talking to the targets of a subscription outside of events: verification before it exists
-- (TS-0004 7.5.1.2.3), the deletion notice to `su` after it is gone (7.5.1.2.4), and the
-- expiration counter. All targets are asked at the same time; a target that does not answer 2000
-- in time fails the CREATE with 5204.  Never waits on the loop: everything runs in tasks.

local json = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local access = require "moon2m.access"
local aside = require "moon2m.aside"
local event = require "moon2m.event"
local parallel = require "moon2m.parallel"
local path = require "moon2m.path"
local polling = require "moon2m.polling"
local remote = require "moon2m.remote"
local rsc = require "moon2m.rsc"
local targets = require "moon2m.target"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"

local verify = {}

local max_targets = 1000         -- asked for one subscription
local answer_time = 10
local also_urls = false

--- o.answer_time: s to wait for an answer; o.verify_urls: ask targets that are URLs too; o.targets:
-- how many may be asked for one subscription.
function verify.configure(o)
  max_targets = o.targets or max_targets
  answer_time, also_urls = o.answer_time or answer_time, o.verify_urls or false
end

local function failed(nu, why)
  return rsc.err(rsc.SUBSCRIPTION_VERIFICATION_INITIATION_FAILED, "nu: %s: %s", nu, why)
end

-- A crossResourceSubscription answers at once: yes to whoever may notify it.  Yields.
local function refused_here(address, key, req)
  local r = tree.resolve((targets.local_of(key)))
  if not r then return nil end                -- it makes this subscription itself
  local ok, e = access.check(r, access.NOTIFY, req)
  return not ok and failed(address, e.msg) or nil
end

-- The targets that must be asked: those that are not the originator.  Yields.
local function to_ask(nu, req)
  local list, who = {}, req.who
  for _, address in ipairs(nu) do
    local all, e = targets.all(address)
    if not all then return nil, failed(address, e.msg) end
    for _, target in ipairs(all) do
      local url, here = target:find("://", 1, true), targets.is_local(target)
      local refusal = here and refused_here(address, target, req)
      if refusal then return nil, refusal end
      if not here and not url and remote.is(target) and not remote.hop(target) then
        return nil, failed(address, "there is no way to it")
      end
      if not here and target ~= who and (not url or also_urls) then
        list[#list + 1] = { nu = address, target = target }
      end
    end
  end
  if #list > max_targets then
    return nil, rsc.err(rsc.BAD_REQUEST, "nu: more than %d targets to verify", max_targets)
  end
  return list
end

-- Asks all at once (as many as parallel.lua allows) and waits for all.
local function ask_all(list, pc)
  parallel.each(#list, function(i)
    list[i].rsc = polling.ask(list[i].target, pc, nil, answer_time)
  end, sys.mono() + (answer_time + 1) * 1e6)
end

--- Verifies the targets of a subscription: nu (decoded), sur its reference, cr its creator or nil,
-- req the request.  nil, or a 5204.  Yields.
function verify.targets(nu, sur, cr, req)
  local list, e = to_ask(nu, req)
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

--- Tells `su`, or an entry of `acrs`, that the subscription with number id and identifier ri is
-- gone (TS-0004 7.5.1.2.4), in a notice that is kept until it can be.  Does not wait.
function verify.deleted(su, id, ri)
  timers.spawn(function()
    local target = event.target_of(su)
    if not target then return end
    if targets.is_local(target) then
      return require("moon2m.cross").ended(targets.local_of(target), ri)
    end
    local e = aside.tell(id, ri, target,
      '{"m2m:sgn":{"sud":true,"sur":' .. json.quote(path.sp_relative(ri)) .. "}}")
    if e then sys.log("warn", "verify", ("su: %s is not told: %s"):format(su, e.msg)) end
  end)
end

return verify
