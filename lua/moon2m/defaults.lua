-- What the CSE adds to policies that a subscription leaves open (TS-0004 7.4.8.2.1: the duration of
-- a batch).  A rate limit without its number or its window is one notification per second.  Pure
-- functions.

local defaults = {}

local batch_time = 60

--- s after which a batch is sent whose subscription names no duration.
function defaults.configure(seconds)
  batch_time = seconds
end

--- `bn` and `rl`, decoded, with all their members.
function defaults.batch(bn)
  return { num = bn.num, dur = bn.dur or ("PT%gS"):format(batch_time) }
end

function defaults.rate(rl)
  return { mnn = rl.mnn or 1, tww = rl.tww or "PT1S" }
end

return defaults
