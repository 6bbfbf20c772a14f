-- Of what type the members of a group are that other CSEs host (TS-0001 9.6.13): each is asked by a
-- RETRIEVE with the group's originator, all at the same time.
-- Guarantees: the answer is there in time; a member that could not be reached is told apart from
-- one that does not exist or must not be read.

local core = require "moon2m.core.json"
local parallel = require "moon2m.parallel"
local rsc = require "moon2m.rsc"
local sys = require "moon2m.core.sys"
local transit = require "moon2m.transit"

local RETRIEVE, FLEX = 2, 28
local VIRTUAL_TYPE = { ol = 20001, la = 20002 }
local UNREADABLE = { [4101] = true, [4103] = true, [4105] = true, [4106] = true, [4107] = true,
  [5105] = true }

local far = {}
local last = 0

local function text_or_number(raw)
  if not raw then return nil end
  return raw:byte() == 34 and core.string(raw) or tonumber(raw)
end

-- { ty =, spty = } of a representation (JSON text); of a group's fopt, those of its members.
local function kind_of(pc, virtual)
  local outer, names = nil, nil
  if pc then outer, names = core.members(pc) end
  local inner = outer and names[1] and outer[names[1]]
  local m = inner and inner:byte() == 123 and core.members(inner)
  if not m then return nil end
  if virtual == "fopt" then return { ty = tonumber(m.mt or "0"), spty = text_or_number(m.spty) } end
  local ty = tonumber(m.ty)
  return ty and { ty = ty, spty = text_or_number(ty == FLEX and m.cnd or m.mgd) }
end

local function request(who, to, deadline)
  last = last + 1
  return { op = RETRIEVE, to = to, fr = who, who = who, via = "script", rqi = "member." .. last,
    now = sys.now(), mono = sys.mono(), times = { rqet = deadline }, params = {} }
end

-- What became of asking for a member: kind, or err, or nil when it was not reached.
local function judge(m, code, pc, e, stranded)
  if e then code = e.rsc end
  if code == rsc.OK then
    local kind = kind_of(pc, m.target.virtual)
    if kind then return kind end
    return nil, rsc.err(rsc.RECEIVER_HAS_NO_PRIVILEGE,
      "mid: the type of %s cannot be read from what its CSE answers", m.address)
  end
  if code == rsc.NOT_FOUND then
    return nil, rsc.err(rsc.NOT_FOUND, "mid: %s: %s", m.address,
      stranded and "there is no route to it" or "no such resource")
  end
  if UNREADABLE[code] then
    return nil, rsc.err(rsc.RECEIVER_HAS_NO_PRIVILEGE,
      "mid: the type of %s cannot be read: its CSE answers %d", m.address, code)
  end
end

--- Asks for the types of the members in list ({ address =, target = as members.look gives it }) in
-- the name of `who`, for `seconds` at most.  Each gets kind = { ty =, spty = }, or err, or neither
-- when it could not be reached.  Yields.
function far.ask(who, list, seconds)
  local deadline = sys.now() + seconds * 1e6
  parallel.each(#list, function(i)
    local m = list[i]
    local virtual = VIRTUAL_TYPE[m.target.virtual]
    if virtual then
      m.kind = { ty = virtual }
      return
    end
    local to = m.target.remote
    if m.target.virtual then to = to:match("^(.*)/") end
    local req = request(who, to, deadline)
    local code, pc = transit.perform(req)
    m.kind, m.err = judge(m, code, pc, not code and pc or nil, req.stranded)
  end, sys.mono() + seconds * 1e6)
end

return far
