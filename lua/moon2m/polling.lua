-- Polling channels (TS-0001 9.6.21, 10.2.5.12; TS-0004 7.4.21, 7.4.22, 7.5.1.2.7): an AE or a CSE
-- without a server (rr false) fetches what is for it by RETRIEVE of its channel's pcu and answers
-- by NOTIFY; a CSE so fetches also what is for those behind it.  Who owns a channel goes by its key
-- here, the AE-ID or the CSE-ID. Notices stay in the C core until they are answered; requests of
-- others wait here, in a task each. Both are handed out in the order of their arrival.
--
-- Guarantees: only the owner polls; polls are served first in, first out; each waiting request gets
-- one answer: the AE's, 4008 when its time is over, 5103 when the channel goes.  Everything that
-- waits is bounded.

local core = require "moon2m.core.cse"
local json = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local access = require "moon2m.access"
local path = require "moon2m.path"
local remote = require "moon2m.remote"
local result = require "moon2m.result"
local rows = require "moon2m.rows"
local rsc = require "moon2m.rsc"
local script = require "moon2m.script"
local sql_life = require "moon2m.sql_life"
local timers = require "moon2m.timers"
local times = require "moon2m.times"
local tree = require "moon2m.tree"

local CHANNEL, RETRIEVE, NOTIFY = 15, 2, 5
local MAX_POLLS = 16             -- waiting, of one AE
local MAX_REQUESTS = 256         -- waiting, for one AE
local MAX_BYTES = 1048576        -- of the requests waiting for one AE, and of one aggregated answer
local MAX_AGGREGATED = 100       -- requests in one answer
local MARGIN = 0.02              -- s: answered before the binding's own timer
local ROUTE = { "pch:" }

local polling = { ROUTE = ROUTE }
local channels = {}              -- key -> channel, while anything waits
local release = "3"

--- rvi of the requests handed out.
function polling.configure(o)
  release = o.release
end

local function channel_of(aei)
  local ch = channels[aei]
  if not ch then
    ch = { aei = aei, queue = {}, polls = {}, waiting = {}, ids = {}, count = 0,
      bytes = 0 }
    channels[aei] = ch
  end
  return ch
end

local function rest(ch)
  if ch.count == 0 and not ch.polls[1] and channels[ch.aei] == ch then channels[ch.aei] = nil end
end

local function without(list, item)
  for i, v in ipairs(list) do
    if v == item then return table.remove(list, i) end
  end
end

-- ---- which AEs have one ------------------------------------------------------------------------

--- The number of an AE's pollingChannel, nil when it has none.  Yields at its first use.
function polling.of(ae)
  if ae.pch == nil then
    local found = false
    for c in tree.children(ae, CHANNEL) do found = c.id end
    if ae.pch == nil then ae.pch = found end
  end
  return ae.pch or nil
end

--- Whether what is for an AE goes to its polling channel (TS-0001 10.2.5.17).  Yields.
function polling.uses(ae)
  return ae.raw.rr == "false" and polling.of(ae) ~= nil
end

--- May req create a channel below this AE?  nil, or an err (4103, 4000).  Yields.
function polling.admit(req, ae)
  if req.who ~= ae.key then
    return rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE, "only %s may create its pollingChannel", ae.key)
  end
  return polling.of(ae) and polling.taken() or nil
end

function polling.taken()
  return rsc.err(rsc.BAD_REQUEST, "one pollingChannel at most for each AE or CSE")
end

--- At start: AEs that poll are never reached otherwise.  Yields.
function polling.open()
  for row in rows.each(sql_life.channels, "path", "") do
    core.routes(row.aei, ROUTE)
  end
end

-- ---- handing out -------------------------------------------------------------------------------

-- Up to max requests for the AE, in order: their texts, and those of them that wait here.
local function take(ch, max)
  local list, own, bytes = {}, {}, 0
  while #list < max and bytes < MAX_BYTES do
    local head = ch.queue[1]
    local got, loading = core.poll(ch.aei, max - #list, head and head.mark)
    for _, text in ipairs(got) do
      list[#list + 1] = text
      bytes = bytes + #text
    end
    if loading then break end
    if not got[1] then
      if not head then break end
      table.remove(ch.queue, 1)
      ch.waiting[head.rqi] = head
      list[#list + 1], own[#own + 1] = head.text, head
      bytes = bytes + #head.text
    end
  end
  return list, own
end

-- Gives what there is to the polls that wait, the oldest first.
local function serve(ch)
  while ch.polls[1] do
    local poll = ch.polls[1]
    poll.list, poll.own = take(ch, poll.max)
    if not poll.list[1] then
      poll.list = nil
      return
    end
    table.remove(ch.polls, 1)
    timers.wake(poll.gate)
  end
end

--- Entry of the C core: there is something for an AE that asked for it.
function polling.polled(aei)
  local ch = channels[aei]
  if ch then serve(ch) end
end

-- Nobody was there any more to take the answer: the requests are first again.
local function give_back(ch, own)
  for i = #own, 1, -1 do
    local r = own[i]
    if ch.waiting[r.rqi] == r then
      ch.waiting[r.rqi] = nil
      table.insert(ch.queue, 1, r)
    end
  end
  serve(ch)
end

local function answer(ch, poll)
  local pc
  if poll.max > 1 then
    pc = '{"m2m:agrp":[' .. table.concat(poll.list, ",") .. "]}"
  else
    pc = '{"m2m:rqp":' .. poll.list[1] .. "}"
  end
  return rsc.OK, pc, { undelivered = function() give_back(ch, poll.own) end }
end

-- RETRIEVE of pcu: waits for something until the request's time is over.
local function long_poll(req, pch, owner)
  local ch = channel_of(owner)
  if #ch.polls >= MAX_POLLS then
    return nil, rsc.err(rsc.INTERNAL_SERVER_ERROR, "more than %d polls are waiting", MAX_POLLS)
  end
  local poll = { gate = timers.gate(), max = pch.raw.rqag == "true" and MAX_AGGREGATED or 1 }
  table.insert(ch.polls, poll)
  serve(ch)
  if not poll.list then
    timers.wait(poll.gate, math.max(0, times.left(req) / 1e6 - MARGIN))
  end
  if poll.list then
    rest(ch)
    return answer(ch, poll)
  end
  without(ch.polls, poll)
  if not ch.polls[1] then core.poll(ch.aei, 0) end
  rest(ch)
  if poll.gone then
    return nil, rsc.err(rsc.NOT_FOUND, "to: the pollingChannel was deleted meanwhile")
  end
  return nil, rsc.err(rsc.REQUEST_TIMEOUT, "nothing came for %s in time: poll again", owner)
end

-- ---- answers -----------------------------------------------------------------------------------

-- rqi, rsc, pc, whole text of the m2m:rsp in a NOTIFY; nil, err.
local function response(pc)
  local outer, names
  if pc then outer, names = json.members(pc) end
  local inner = outer and #names == 1 and outer["m2m:rsp"]
  local m = inner and json.members(inner)
  if not m then
    return nil, rsc.err(rsc.BAD_REQUEST, "pc: expected m2m:rsp, a response primitive")
  end
  local code = m.rsc and m.rsc:find("^%d%d%d%d$") and tonumber(m.rsc)
  local rqi = m.rqi and m.rqi:byte() == 34 and json.string(m.rqi)
  if not code or not rqi then
    return nil, rsc.err(rsc.BAD_REQUEST, "m2m:rsp: rsc (a number) and rqi (a string) are needed")
  end
  return rqi, code, m.pc, inner
end

local function ended(ch, r, code, pc, whole)
  ch.waiting[r.rqi], ch.ids[r.rqi] = nil, nil
  without(ch.queue, r)
  ch.count, ch.bytes = ch.count - 1, ch.bytes - #r.text
  r.rsc, r.pc, r.whole = code, pc, whole
  rest(ch)
  timers.wake(r.gate)
end

-- The content of an answer to a notice may ask for the target's removal ("trr", TS-0001 10.2.10.8).
-- The notice's rqi has the number of its subscription.
local function wants_out(aei, rqi, pc)
  local sub = pc and tonumber(rqi:match("^n%x+%.(%x+)%.") or "", 16)
  local content = sub and json.type(pc) == "object" and (json.member(pc, "m2m:sgn") or pc)
  if content and json.type(content) == "object" and json.member(content, "trr") == "true" then
    timers.spawn(function() return require("moon2m.removal").indicated(sub, aei) end)
  end
end

-- NOTIFY on pcu: the AE's answer to something that was handed out.
local function answered(req, aei)
  local rqi, code, pc, whole = response(req.pc)
  if not rqi then return nil, code end
  local ch = channels[aei]
  local r = ch and ch.waiting[rqi]
  if r then
    ended(ch, r, code, pc, whole)
  elseif core.poll_answer(aei, rqi, code) then
    wants_out(aei, rqi, pc)
  else
    sys.log("debug", "polling", ("%s answered %s, which nobody waits for"):format(aei, rqi))
  end
  return rsc.OK
end

--- A request to the pcu of pch.  rsc, pc, extra | nil, err.  Yields.
function polling.perform(req, pch)
  local parent = tree.parent(pch)
  local owner = parent and parent.key
  if req.who ~= owner then
    return nil, rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE, "only %s may use its pollingChannel",
      owner or "its owner")
  end
  if req.op ~= RETRIEVE and req.op ~= NOTIFY then
    return nil, rsc.err(rsc.OPERATION_NOT_ALLOWED, "pcu: only RETRIEVE and NOTIFY are possible")
  end
  if script.has.policy then
    local ok, e = access.policies(pch, req.op == NOTIFY and access.NOTIFY or access.RETRIEVE, req)
    if not ok then return nil, e end
  end
  if req.op == NOTIFY then return answered(req, owner) end
  return long_poll(req, pch, owner)
end

-- ---- requests of others ------------------------------------------------------------------------

local function identifier(ch, from)
  local rqi = from and from.rqi and from.who and from.who .. "/" .. from.rqi
  if not rqi or ch.ids[rqi] then rqi = (rqi or "q") .. "." .. sys.random(6) end
  return rqi
end

-- A NOTIFY as the AE or CSE will see it.
local function primitive(to, rqi, pc, ec, from, deadline)
  local cse = path.configured()
  return ('{"op":5,"to":%s,"fr":%s,"rqi":%s,"rvi":%s,"rqet":"%s",%s"pc":%s}'):format(
    json.quote(to), json.quote(from and from.who or cse), json.quote(rqi), json.quote(release),
    sys.stamp(deadline), ec and ('"ec":%d,'):format(ec) or "", pc)
end

local function unreachable(msg)
  return rsc.TARGET_NOT_REACHABLE, result.debug(msg)
end

-- Hands a request out and waits for its answer: rsc, pc, whole text or nil.  size: about how many
-- bytes it has; text(rqi): all of it; from: who sent it, { who, rqi } or nil.
local function forward(ae, to, size, deadline, from, text)
  local ch = channel_of(ae.key)
  if ch.count >= MAX_REQUESTS or ch.bytes + size > MAX_BYTES and ch.count > 0 then
    return unreachable("to: too many requests wait for " .. ae.key)
  end
  local r = { rqi = identifier(ch, from), mark = core.poll_last(ae.key), gate = timers.gate() }
  r.text = text(r.rqi)
  ch.count, ch.bytes = ch.count + 1, ch.bytes + #r.text
  ch.ids[r.rqi] = true
  table.insert(ch.queue, r)
  serve(ch)
  if not r.rsc then
    timers.wait(r.gate, math.max(0, (deadline - sys.now()) / 1e6 - MARGIN))
  end
  if not r.rsc then
    ended(ch, r, rsc.REQUEST_TIMEOUT, result.debug("to: " .. to .. " gave no answer in time"))
  end
  return r.rsc, r.pc, r.whole
end

--- A request that is passed on to a CSE which polls, for `to`; text: as passing.compose makes it,
-- and rqi; deadline: until when (us); req: the request as it came.  rsc, pc, whole response or nil.
-- Yields.
function polling.pass(csr, to, text, deadline, req)
  local pc = text.pc and ',"pc":' .. text.pc or ""
  local due = req.rqet and "" or (',"rqet":"%s"'):format(sys.stamp(deadline))
  return forward(csr, to, #text.frame + #pc, deadline, { who = req.who, rqi = text.rqi },
    function(rqi) return text.frame .. due .. ',"rqi":' .. json.quote(rqi) .. pc .. "}" end)
end

-- Who polls for a target, nil when nobody does.  Yields.
local function poller(target)
  if target:find("://", 1, true) then return nil end
  local r = remote.is(target) and remote.csr_of(target) or tree.by_aei(target)
  return r and polling.uses(r) and r or nil
end

--- A NOTIFY to a target (an AE-ID, what another CSE hosts, or a URL) that waits for its answer:
-- rsc, pc; rsc 0: unreachable or no answer.  seconds: how long; from: the request that is passed on
-- (its time counts when the target polls), nil for the CSE's own.  Yields.
function polling.ask(target, pc, ec, seconds, from)
  local ae = poller(target)
  if not ae then return core.ask(target, pc, ec, seconds) end
  local deadline = sys.now() + (from and times.left(from) or seconds * 1e6)
  return forward(ae, target, #pc, deadline, from, function(rqi)
    return primitive(target, rqi, pc, ec, from, deadline)
  end)
end

--- The channel of an AE is gone: what waits is answered, polls end.
function polling.closed(aei)
  local ae = tree.peek_aei(aei)
  if ae then ae.pch = false end
  local ch = channels[aei]
  if not ch then return end
  channels[aei] = nil
  local waiting = {}
  for _, r in pairs(ch.waiting) do waiting[#waiting + 1] = r end
  for _, r in ipairs(ch.queue) do waiting[#waiting + 1] = r end
  for _, r in ipairs(waiting) do ended(ch, r, unreachable("to: the pollingChannel was deleted")) end
  for _, poll in ipairs(ch.polls) do
    poll.gone = true
    timers.wake(poll.gate)
  end
end

return polling
