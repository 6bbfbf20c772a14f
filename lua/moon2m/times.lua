-- The times of a request (TS-0001 8.1.2, TS-0004 7.3.2.1): when it expires (rqet), until when its
-- result is of use (rset), when it is executed (oet), how long its result is kept (rp).  A
-- timestamp, or milliseconds from now; all become microseconds of the wall clock.  What is left of
-- one is counted from the admission of the request by the monotonic clock: a wall clock that is set
-- meanwhile ends nothing early.
--
-- What contradicts itself is 4000, what is over is 4008.  Pure: nothing here waits.

local sys = require "moon2m.core.sys"
local rsc = require "moon2m.rsc"

local times = {}
local NONE = {}

local MAX_AHEAD = 30 * 86400 * 1e6     -- us: how long an execution may be delayed, a result kept
local EVER = 100 * 365 * 86400 * 1e6   -- us: longer means this
local request_time = 30

--- seconds a blocking request may take when rqet is absent.
function times.configure(seconds)
  request_time = seconds
end

local function bad(...)
  return rsc.err(rsc.BAD_REQUEST, ...)
end

-- absRelTimestamp (TS-0004 6.3.3) -> us; nil, err.
local function absolute(name, text, now)
  if text == nil then return nil end
  local ms = tostring(text):find("^%d+$") and tonumber(text)
  local at = ms and now + ms * 1000 or sys.parse_stamp(tostring(text))
  if not at then
    return nil, bad("%s: expected a timestamp or milliseconds, got %s", name, tostring(text))
  end
  return math.min(at, now + EVER)
end

local function check_order(t, now)
  if t.oet and t.oet > now + MAX_AHEAD then return bad("oet: more than 30 days ahead") end
  if t.rset and t.rqet and t.rset < t.rqet then return bad("rset: earlier than rqet") end
  if t.oet and t.rqet and t.oet > t.rqet then return bad("oet: later than rqet") end
  if t.oet and t.rset and t.oet > t.rset then return bad("oet: later than rset") end
end

--- Puts the times of req (texts, req.now set) into req.times = { rqet, rset, oet }; the texts
-- become timestamps, so reading them again later is the same.  nil, or an err.
function times.read(req)
  if not (req.rqet or req.rset or req.oet) then
    req.times = NONE
    return nil
  end
  local t = {}
  for _, name in ipairs { "rqet", "rset", "oet" } do
    local at, e = absolute(name, req[name], req.now)
    if e then return e end
    t[name] = at
    req[name] = at and sys.stamp(at)
  end
  if t.rqet and t.rqet <= req.now then
    return rsc.err(rsc.REQUEST_TIMEOUT, "rqet: the request has expired")
  end
  if t.rset and t.rset <= req.now then
    return rsc.err(rsc.REQUEST_TIMEOUT, "rset: the result would come too late")
  end
  req.times = t
  return check_order(t, req.now)
end

--- The time until which a result is kept, from rp (a duration is possible too, TS-0009 6.2.2.2);
-- nil when rp is nil; nil, err.
function times.persistence(rp, now)
  if rp == nil then return nil end
  local us = sys.parse_duration(rp)
  local at, e = us and now + us
  if not us then at, e = absolute("rp", rp, now) end
  if not at then return nil, e end
  if at <= now then return nil, bad("rp: in the past") end
  if at > now + MAX_AHEAD then return nil, bad("rp: more than 30 days ahead") end
  return at
end

--- When a blocking request is over: the earliest of rqet, rset and the default time.
function times.deadline(req)
  local t = req.times or {}
  local at = t.rqet or req.now + request_time * 1e6
  return t.rset and t.rset < at and t.rset or at
end

-- Microseconds until `at`, a time of req.
local function remaining(req, at)
  return req.mono and at - req.now - (sys.mono() - req.mono) or at - sys.now()
end

--- Before a request that waited is admitted again: its times, by the wall clock as it is now.
function times.renew(req)
  local now = sys.now()
  for name, at in pairs(req.mono and req.times or NONE) do
    req[name] = sys.stamp(now + remaining(req, at))
  end
end

--- Microseconds until times.deadline(req); below 0: it is over.
function times.left(req)
  return remaining(req, times.deadline(req))
end

--- nil, or the 4008 of a request whose execution begins too late, or whose result came too late.
function times.expired(req)
  local t = req.times
  if t and t.rqet and remaining(req, t.rqet) <= 0 then
    return rsc.err(rsc.REQUEST_TIMEOUT, "rqet: the request expired before it was executed")
  end
end

function times.late(req)
  local t = req.times
  if t and t.rset and remaining(req, t.rset) < 0 then
    return rsc.err(rsc.REQUEST_TIMEOUT, "rset: the result came too late")
  end
end

return times
