-- Requests for what other CSEs host (TS-0004 7.3.2.6, TS-0001 10.2.2.6): passed on to the next CSE
-- on the way, and its answer passed back: over that CSE's connection, its points of access in
-- order, its polling channel, or to where the configuration says.
-- Guarantees: the loop never waits; what waits is bounded, for each CSE and in all, and a slow CSE
-- holds up nobody who asks for another; exactly one answer, in the time of the request.
-- Never: a request is sent back to where it came from, or passes here twice; a registration is
-- passed on; one that may have been executed is repeated, but for a RETRIEVE.

local core = require "moon2m.core.cse"
local cjson = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local passing = require "moon2m.passing"
local path = require "moon2m.path"
local polling = require "moon2m.polling"
local remote = require "moon2m.remote"
local rsc = require "moon2m.rsc"
local times = require "moon2m.times"

local RETRIEVE = 2
local MAX_EACH = 512             -- requests that wait for one CSE
local MAX_ALL = 2048
local MAX_BYTES = 64 * 1048576   -- of their contents
local MAX_RQI = 1024             -- bytes of an identifier; each CSE on the way adds to it
local MARGIN = 0.05              -- s: answered before the binding's own timer

local transit = {}
local mark                       -- stands in the identifiers of what this process passed on
local waiting, all, bytes = {}, 0, 0  -- CSE-ID -> requests that wait for it; of all, their contents

local function refuse(code, ...)
  return nil, rsc.err(code, ...)
end

-- ---- whether it may go there --------------------------------------------------------------------

-- A CSE that leads to both the originator and the target has sent the request here.
local function comes_from(req, hop)
  if req.known == hop.via then return true end
  local source = req.who:byte() == 47 and remote.hop(req.who)
  if not source then return false end
  return source.via == hop.via or hop.urls[1] ~= nil and source.urls[1] == hop.urls[1]
end

local function check_way(req, to, hop)
  if not hop then
    req.stranded = true
    return rsc.err(rsc.NOT_FOUND, "to: %s is not hosted here, and there is no route to it", to)
  end
  if comes_from(req, hop) then
    return rsc.err(rsc.NOT_FOUND, "to: the way to %s leads back to where the request came from", to)
  end
  local rqi = tostring(req.rqi)
  if mark and rqi:find(mark .. "/", 1, true) then
    return rsc.err(rsc.TARGET_NOT_REACHABLE,
      "to: the request for %s has been here before: the routes lead in a circle", to)
  end
  if #rqi > MAX_RQI or rqi:find("%c") then
    return rsc.err(rsc.BAD_REQUEST,
      "rqi: longer than %d bytes or with control characters: not passed on", MAX_RQI)
  end
end

-- ---- the answer ---------------------------------------------------------------------------------

-- Optional parameters of a response, and how HTTP names them.
local EXTRA = { cnst = "cts", cnot = "cto", ot = "ot", rset = "rst", ec = "ec", vsi = "vsi" }

local function extra_of_primitive(whole)
  local m, extra = cjson.members(whole) or {}, {}
  for name in pairs(EXTRA) do
    local raw = m[name]
    if raw then extra[name] = raw:byte() == 34 and cjson.string(raw) or raw end
  end
  return extra
end

local function extra_of_head(head)
  local fields, extra = {}, {}
  for name, value in head:gmatch("([^:\r\n]+):[ \t]*([^\r\n]*)") do fields[name:lower()] = value end
  for name, header in pairs(EXTRA) do extra[name] = fields["x-m2m-" .. header] end
  extra.location = fields["content-location"]
  return extra
end

local FAILED = {
  unreached = { rsc.TARGET_NOT_REACHABLE, "to: %s cannot be reached" },
  broken = { rsc.TARGET_NOT_REACHABLE,
    "to: the way to %s broke before the answer came, the request may have been executed" },
  late = { rsc.REQUEST_TIMEOUT, "to: %s gave no answer in time" },
  unreadable = { rsc.INTERNAL_SERVER_ERROR, "the answer of %s has a content that is no JSON" },
}

local function answer(to, how, code, pc, whole, head)
  local failed = FAILED[how]
  if failed then return refuse(failed[1], failed[2], to) end
  if code < 1000 or code > 9999 then
    return refuse(rsc.INTERNAL_SERVER_ERROR, "the answer of %s has the status code %d", to, code)
  end
  return code, pc, whole and extra_of_primitive(whole) or head and extra_of_head(head) or nil
end

-- ---- passing on ---------------------------------------------------------------------------------

-- Over HTTP alone, by all that is known before it is sent.
local function needs_http(hop)
  local url = hop.urls[1]
  return url and url:lower():find("^http") and not core.connected(hop.via)
end

local function send(req, to, attr, hop)
  local text, e = passing.compose(req, to, attr)
  if not text then return nil, e end
  if text.http and needs_http(hop) then return nil, text.http end
  mark = mark or sys.random(8)
  local left = times.left(req)
  text.rqi, text.safe = mark .. "/" .. tostring(req.rqi), req.op == RETRIEVE
  if hop.csr and polling.uses(hop.csr) then
    return answer(to, "answered", polling.pass(hop.csr, to, text, sys.now() + left, req))
  end
  text.seconds = math.max(0.01, left / 1e6 - MARGIN)
  return answer(to, core.pass(remote.key_of(to), text))
end

--- Performs an admitted request for an address that another CSE hosts, as path.parse gave it: rsc,
-- pc, extra | nil, err.  req.stranded is set when there is no way.  Yields.
function transit.perform(req)
  local a, e = path.parse(req.to)
  if not a then return nil, e end
  local to = a.remote
  local hop = remote.hop(to)
  e = check_way(req, to, hop)
  if e then return nil, e end
  local key, size = hop.via, req.pc and #req.pc or 0
  local full = all >= MAX_ALL or all > 0 and bytes + size > MAX_BYTES
  if full or (waiting[key] or 0) >= MAX_EACH then
    return refuse(rsc.TARGET_NOT_REACHABLE, "to: too many requests wait for %s",
      full and "other CSEs" or key)
  end
  waiting[key], all, bytes = (waiting[key] or 0) + 1, all + 1, bytes + size
  local ok, code, pc, extra = pcall(send, req, to, a.attr, hop)
  all, bytes, waiting[key] = all - 1, bytes - size, waiting[key] > 1 and waiting[key] - 1 or nil
  if not ok then error(code, 0) end
  return code, pc, extra
end

--- How many requests wait for answers of other CSEs.
function transit.count()
  return all
end

return transit
