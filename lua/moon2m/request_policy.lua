-- Who may do what with a <request> (TS-0004 7.3.2.3): an accessControlPolicy that the CSE makes,
-- one for all requests of an originator, below the CSEBase.  The originator may RETRIEVE and DELETE
-- its requests, find them by their label and subscribe to them, and may change the policy itself;
-- the CSE may RETRIEVE, UPDATE and DELETE.  A policy outlives the requests that name it by some
-- days, then it expires like anything else.

local cjson = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local path = require "moon2m.path"
local tree = require "moon2m.tree"
local turns = require "moon2m.turns"
local types = require "moon2m.types"
local write = require "moon2m.write"

local ACP, BASE = 1, 1
local CREATE, RETRIEVE, UPDATE, DELETE, DISCOVER, ALL = 1, 2, 4, 8, 32, 63
local OUTLAST = 7 * 86400e6      -- us that a policy lives beyond the request it is made for
local quote = cjson.quote

local policy = {}

-- A name for each originator; what a resource name cannot hold is written in hexadecimal.
local function name_of(who)
  return "acp_req_" .. who:gsub("[^%w_-]", function(c) return (".%02X"):format(c:byte()) end)
end

local function rules(who, own, cse)
  return ('{"acr":[{"acor":[%s],"acop":%d},{"acor":[%s],"acop":%d}]}'):format(quote(who), own,
    quote((path.configured())), cse)
end

local function make(who, rn, et)
  local base, id, now = tree.by_id(BASE), tree.next_id(), sys.now()
  local r = { id = id, pid = BASE, ty = ACP, type = types.by_ty[ACP], ri = path.ri(id),
    pi = base.ri, rn = rn, path = rn, ct = now, lt = now, et = et, st = 0, raw = {
      pv = rules(who, CREATE + RETRIEVE + DELETE + DISCOVER, RETRIEVE + UPDATE + DELETE),
      pvs = rules(who, UPDATE, ALL), _cr = quote((path.configured())) } }
  tree.add(r)
  local ok, e = write.commit({ { "put", tree.row(r) } }, nil, r, base)
  if ok then return r end
  tree.remove(r)
  return nil, e
end

local function prolong(r, et)
  r.et = et
  return write.commit({ { "set", tree.row(r) } }, nil, r)
end

local function find_or_make(who, et)
  local rn = name_of(who)
  local r = tree.by_path(rn)
  if not r then return make(who, rn, et + OUTLAST) end
  if r.ty ~= ACP or r.creator ~= path.configured() then return nil end
  if r.et and r.et < et then
    local ok, e = prolong(r, et + OUTLAST)
    if not ok then return nil, e end
  end
  return r
end

--- The identifier of the policy for requests of `who` that live until et (microseconds); nil when
-- another resource has its name: then they belong to their originator; nil, err.  Yields.
function policy.of(who, et)
  local r = tree.peek_path(name_of(who))
  if not (r and r.ty == ACP and r.et and r.et >= et) then
    local e
    r, e = turns.take("acp_req/" .. who, find_or_make, who, et)
    if not r then return nil, e end
  end
  return r.ri
end

return policy
