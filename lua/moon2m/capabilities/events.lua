-- What `moon2m capabilities` tries of subscriptions: event types, each below what it can happen to,
-- content types, criteria, and that a target leaves.

local json = require "moon2m.json"
local scratch = require "moon2m.capabilities.scratch"

local ask = scratch.ask
local HIGHEST = 10               -- number of an event type or content type that is tried
local CREATED = 2001

-- Criteria beside net, and what each needs.
local CRITERIA = { atr = '"net":[1],"atr":["lbl"]', chty = '"net":[3],"chty":[4]',
  om = '"om":[{"ops":63}]', md = '"net":[8],"md":{"num":2,"dur":"PT1M"}',
  crb = '"crb":"20990101T000000"', cra = '"cra":"20000101T000000"', us = '"us":"20990101T000000"',
  ms = '"ms":"20000101T000000"', sts = '"sts":9', stb = '"stb":0', exb = '"exb":"20990101T000000"',
  exa = '"exa":"20000101T000000"', sza = '"sza":0', szb = '"szb":9', fo = '"fo":2' }
local EVENT = { [8] = CRITERIA.md }

local events = {}

local function create(at, fr, ty, pc)
  local code, body = ask("create", at, { ty = ty, fr = fr, pc = pc })
  local r = code == CREATED and json.decode(body)
  return code, r and select(2, next(r)).ri
end

-- Subscribes the AE `who`, and ends it again: the status code.
local function subscribe(who, at, enc, more)
  local code, ri = create(at, who, 23, ('{"m2m:sub":{"nu":["%s"],"enc":{%s}%s}}'):format(who, enc,
    more or ""))
  if ri then ask("delete", ri, { fr = who }) end
  return code
end

-- A target leaves its subscription: the status code.
local function leave(who, at)
  local code, ri = create(at, who, 23, ('{"m2m:sub":{"nu":["%s"]}}'):format(who))
  return ri and ask("delete", ri .. "/ntsr", { fr = who }) or code
end

local function event(net)
  return EVENT[net] or ('"net":[%d]'):format(net)
end

-- The first status code that is CREATED among those of fn(1), fn(2) .., else the last.
local function best(fn)
  local code
  for n = 1, HIGHEST do
    code = fn(n)
    if code == CREATED then break end
  end
  return code
end

--- { net, nct, enc }: number or name -> status code of a subscription with it; ntsr: that of its
-- target leaving it.
function events.subscriptions()
  local _, who = create("moon", scratch.unused "Cevents%d", 2,
    '{"m2m:ae":{"api":"Nx","rr":true,"srv":["3"]}}')
  local _, cnt = create(who, who, 3, '{"m2m:cnt":{}}')
  local _, ts = create(who, who, 29, '{"m2m:ts":{}}')
  local below = { [6] = who, [8] = ts }
  local out = { net = {}, nct = {}, enc = {}, ntsr = leave(who, cnt) }
  for n = 1, HIGHEST do
    local nct = (',"nct":%d'):format(n)
    out.net[tostring(n)] = subscribe(who, below[n] or cnt, event(n))
    out.nct[tostring(n)] = best(function(net)
      return subscribe(who, below[net] or cnt, event(net), nct)
    end)
  end
  for name, enc in pairs(CRITERIA) do
    out.enc[name] = subscribe(who, name == "md" and ts or cnt, enc)
  end
  return out
end

return events
