-- fanOutPoint (TS-0001 9.6.14, TS-0004 7.4.14): one request becomes one to each member of a group,
-- all at the same time, and their answers become one.  Each member judges by its own rights with
-- the originator of the request; the group itself is judged by `macp`, or else `acpi`.
-- Guarantees: a target is reached once by one request, whatever groups contain each other (4104);
-- an answer in time with what has been answered by then (5209: nothing); bounds on requests,
-- depth and bytes of one fan-out.

local core = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local access = require "moon2m.access"
local event = require "moon2m.event"
local gather = require "moon2m.gather"
local group = require "moon2m.group"
local members = require "moon2m.members"
local parallel = require "moon2m.parallel"
local path = require "moon2m.path"
local query = require "moon2m.query"
local result = require "moon2m.result"
local rsc = require "moon2m.rsc"
local target = require "moon2m.target"
local times = require "moon2m.times"
local tree = require "moon2m.tree"
local types = require "moon2m.types"
local verify = require "moon2m.verify"
local write = require "moon2m.write"

local quote, concat = core.quote, table.concat
local CREATE, RETRIEVE, UPDATE, DELETE, NOTIFY = 1, 2, 3, 4, 5
local AE, SUBSCRIPTION = 2, 23
local MAX_REQUESTS = 20000       -- that one request may become, groups within groups included
local MAX_DEPTH = 8              -- groups within groups
local MAX_BYTES = 8 * 1048576    -- of content in one aggregated answer
local SPARE = 0.1e6              -- us left for the answer to the originator

local fanout = {}

-- ---- checks ------------------------------------------------------------------------------------

local RIGHT = { [CREATE] = access.CREATE, [RETRIEVE] = access.RETRIEVE, [UPDATE] = access.UPDATE,
  [DELETE] = access.DELETE, [NOTIFY] = access.NOTIFY }

-- The group as the policies judge a fan-out: macp in the place of acpi.
local function judged(g)
  local macp = g.raw.macp
  if not macp then return g end
  local raw = setmetatable({ acpi = macp }, { __index = g.raw })
  return setmetatable({ raw = raw, memo = {} }, { __index = g })
end

-- Rights on the group, then what cannot be fanned out at all.  nil, or an err.
local function check(req, g, rest)
  local fc = req.params.fc
  local right = query.discovers(fc) and access.DISCOVER or RIGHT[req.op]
  local ok, e = access.check(judged(g), right, req, req.ty)
  if not ok then return e end
  if req.op == NOTIFY and req.params.grtm then
    return rsc.err(rsc.BAD_REQUEST, "grtm: not permitted in a NOTIFY")
  end
  if req.op ~= CREATE then return nil end
  if req.ty == AE then
    return rsc.err(rsc.OPERATION_NOT_ALLOWED, "to: a registration is not fanned out")
  end
  local M, T = types.by_ty[tree.value(g, "mt")], types.by_ty[req.ty]
  if M and T and not rest then return types.child_error(M, T) end
end

-- The set of the members that grtm names, nil when it is absent; nil, err.  Yields.
local function wanted(req)
  local grtm = req.params.grtm
  if not grtm then return nil end
  local set = {}
  for _, address in ipairs(grtm) do
    local m, e = members.look(address)
    if not m then return nil, rsc.err(rsc.BAD_REQUEST, "grtm: %s", e.msg) end
    set[members.key(m)] = address
  end
  return set
end

-- The members that the request goes to: addresses; nil, err.  Yields when grtm names some.
local function chosen(req, g)
  local mid = tree.value(g, "mid")
  local set, e = wanted(req)
  if e then return nil, e end
  if #mid == 0 then return nil, rsc.err(rsc.NO_MEMBERS, "to: the group has no members") end
  if not set then return mid end
  local list = {}
  for _, address in ipairs(mid) do
    local m = members.look(address)
    local key = m and members.key(m)
    if key and set[key] then
      set[key] = nil
      list[#list + 1] = address
    end
  end
  local _, stranger = next(set)
  if stranger then
    return nil, rsc.err(rsc.BAD_REQUEST, "grtm: %s is no member of the group", stranger)
  end
  return list
end

-- The state of the whole fan-out, one for all groups within groups; nil, err.
local function enter(req, fopt, n)
  local fan = req.fan
  if not fan then
    fan = { gid = req.gid or path.configured() .. "." .. sys.random(8),
      seen = { [members.key(fopt)] = true }, left = MAX_REQUESTS }
  end
  fan.left = fan.left - n
  if fan.left < 0 or (req.depth or 0) >= MAX_DEPTH then
    return nil, rsc.err(rsc.NOT_ACCEPTABLE,
      "to: a fan-out may have %d requests and %d groups within groups", MAX_REQUESTS, MAX_DEPTH)
  end
  return fan
end

-- ---- subscriptions that want aggregation -------------------------------------------------------

-- The content with these attributes' texts, in their order.
local function subscription_text(names, attrs)
  local parts = {}
  for i, name in ipairs(names) do parts[i] = quote(name) .. ":" .. attrs[name] end
  return '{"m2m:sub":{' .. concat(parts, ",") .. "}}"
end

-- What a member gets to subscribe to: the group host as target, who forwards to nfu (TS-0004
-- 7.4.14.2.3); at another CSE that is the group, and nfu is named as that one would.  The contents
-- for { here =, there = }; nil when no aggregation is wanted; nil, err.  Yields: nfu is verified
-- here, once.
local function subscription(req, g)
  if req.op ~= CREATE or req.ty ~= SUBSCRIPTION or not req.pc then return nil end
  local inner = core.type(req.pc) == "object" and core.member(req.pc, "m2m:sub")
  local attrs, names
  if inner and core.type(inner) == "object" then attrs, names = core.members(inner) end
  local nfu = attrs and attrs.nfu and attrs.nu and core.string(attrs.nfu)
  if not nfu then return nil end
  local list = target.all(nfu)
  if list and list[1] and target.is_local(list[1]) then
    return nil, rsc.err(rsc.BAD_REQUEST, "nfu: an AE, a group or a URL is needed")
  end
  local e = not req.fanned and verify.targets({ nfu }, path.sp_relative(g.ri), req.who, req)
  if e then return nil, rsc.err(e.rsc, "%s", (e.msg:gsub("^nu:", "nfu:"))) end
  local csi = path.configured()
  attrs.nu, attrs.gpi = "[" .. quote(csi) .. "]", quote(path.sp_relative(g.ri))
  if not core.member(inner, "gpi") then names[#names + 1] = "gpi" end
  local pc = { here = subscription_text(names, attrs), nfu = gather.name(nfu) }
  attrs.nu, attrs.nfu = "[" .. attrs.gpi .. "]", quote(pc.nfu)
  pc.there = subscription_text(names, attrs)
  return pc
end

-- Before it goes to members at other CSEs: what they will send is taken.  nil, or an err.  Yields.
local function expect_notices(g, list, pc)
  for _, address in ipairs(list) do
    if path.is_remote(address) then
      local ok, e = gather.expect(g, pc.nfu)
      return not ok and e or nil
    end
  end
end

-- ---- requests ----------------------------------------------------------------------------------

local OWN = { "target", "deferred", "locked", "claimed", "consent", "monitored", "gave_up", "rt",
  "silent", "progress" }

-- The parameters without those that the group host acts on.
local function own_params(params)
  if not params.grtm then return params end
  local p = {}
  for k, v in pairs(params) do p[k] = v end
  p.grtm = nil
  return p
end

-- The request to member i.
local function member_request(req, fan, i, to)
  local sub = {}
  for k, v in pairs(req) do sub[k] = v end
  for _, name in ipairs(OWN) do sub[name] = nil end
  sub.to, sub.rqi = to, ("%s/%d"):format(tostring(req.rqi), i)
  sub.params = own_params(req.params)
  sub.via, sub.fan, sub.depth = "group", fan, (req.depth or 0) + 1
  return sub
end

-- One member's answer as m2m:rsp; content beyond the bound is left out.
local function answer(req, fan, sub, from, code, pc, extra)
  fan.bytes = (fan.bytes or 0) + (pc and #pc or 0)
  if pc and fan.bytes > MAX_BYTES then
    pc = nil
    if req.op == RETRIEVE then
      code = rsc.NOT_ACCEPTABLE
      pc = '{"m2m:dbg":"the aggregated answer would be too large"}'
    end
  end
  local out = { '{"rsc":', ("%d"):format(code), ',"rqi":', quote(sub.rqi), ',"fr":', quote(from) }
  if req.rvi then out[#out + 1] = ',"rvi":' .. quote(req.rvi) end
  if extra and extra.cnst then
    out[#out + 1] = (',"cnst":%s,"cnot":%s'):format(extra.cnst, extra.cnot)
  end
  if pc then out[#out + 1] = ',"pc":' .. pc end
  out[#out + 1] = "}"
  return concat(out)
end

-- Members that are gone leave the group (TS-0004 7.4.14.2.6).  Does not wait for others; yields.
local function prune(g, gone, who)
  if not next(gone) then return end
  g = tree.by_id(g.id)
  if not g or g.ty ~= types.by_name.group.ty then return end
  event.index(g)
  if g.gone or not g.events then return end
  g.raw, g.lt = group.without(g, gone), math.max(sys.now(), g.lt)
  tree.refresh(g)
  local events = event.prepare(g, 1, g,
    { changed = { mid = true, cnm = true, lt = true }, originator = who })
  local ok, e = write.commit({ { "set", tree.row(g) } }, events, g)
  if not ok then sys.log("error", "group", g.path .. ": " .. e.msg) end
  members.changed(g.id)
  if ok then write.own(g) end
end

-- When the answer must be there, by sys.mono().
local function deadline(req)
  local left = times.left(req)
  return sys.mono() + left - math.min(SPARE, left / 4)
end

-- Whether a member that answered so does not exist (any more).  `la` will name another one; of what
-- another CSE hosts only that it was deleted says so.
local function is_gone(address, code)
  if path.is_remote(address) then
    local m = members.look(address)
    return code == rsc.DELETED and m ~= nil and not m.virtual
  end
  return (code == rsc.DELETED or code == rsc.NOT_FOUND) and not path.parse(address).virtual
end

-- Sends all requests, with pc's contents when it is given; the answers in the order of the members,
-- and the set of members that are deleted now.
local function send(req, fan, g, list, tail, pc, perform)
  local answers, gone = {}, {}
  local closed = false
  if req.progress then req.progress.begin(answers, #list) end
  parallel.each(#list, function(i)
    local sub = member_request(req, fan, i, list[i] .. tail)
    if pc then
      sub.pc, sub.fanned = path.is_remote(list[i]) and pc.there or pc.here, g.id
    end
    local code, content, extra = perform(sub)
    if closed then return end
    answers[i] = answer(req, fan, sub, list[i], code, content, extra)
    if is_gone(list[i], code) then gone[list[i]] = true end
  end, deadline(req))
  closed = true
  local out = {}
  for i = 1, #list do out[#out + 1] = answers[i] end
  return out, gone
end

--- Performs req on the members of fopt, a { virtual = "fopt", parent = group, rest }.  attr: the
-- attribute that the address names, or nil; perform(req) -> rsc, pc, extra performs one request and
-- never raises.  rsc, pc | nil, err.  Yields.
function fanout.perform(req, fopt, attr, perform)
  local g, rest = fopt.parent, fopt.rest
  local e = check(req, g, rest)
  if e then return nil, e end
  local list, fan, pc
  list, e = chosen(req, g)
  if not list then return nil, e end
  fan, e = enter(req, fopt, #list)
  if not fan then return nil, e end
  pc, e = subscription(req, g)
  e = e or pc and expect_notices(g, list, pc)
  if e then return nil, e end
  local tail = (rest and "/" .. rest or "") .. (attr and "#" .. attr or "")
  local answers, gone = send(req, fan, g, list, tail, pc, perform)
  if #answers == 0 then
    return nil, rsc.err(rsc.GROUP_MEMBERS_NOT_RESPONDED, "to: no member answered in time")
  end
  if req.op == DELETE and tail == "" then prune(g, gone, req.who) end
  return rsc.OK, result.aggregated(answers)
end

return fanout
