-- A resource with what is below it: discovery, the children and child references of a response,
-- and conditions on the resource itself (TS-0001 10.2.6, 8.1.2; TS-0004 7.3.3.14, 7.3.3.17). What
-- the originator may not see is left out without a trace.  Results are bounded: a response that is
-- cut says so (contentStatus) and where it goes on (contentOffset).

local json = require "moon2m.core.json"
local store = require "moon2m.core.store"
local access = require "moon2m.access"
local discovery = require "moon2m.discovery"
local inactive = require "moon2m.inactive"
local path = require "moon2m.path"
local polling = require "moon2m.polling"
local query = require "moon2m.query"
local result = require "moon2m.result"
local rsc = require "moon2m.rsc"
local times = require "moon2m.times"
local tree = require "moon2m.tree"

local MAX_REFERENCES, MAX_CHILDREN = 10000, 1000
local MAX_BYTES = 8 * 1048576    -- of content in one response
local AE, ON_DEMAND = 2, 3
local PAGE = 8                   -- instances read at once
local WITH_FAMILY = { [4] = true, [5] = true, [6] = true, [8] = true }

local family = {}

--- Whether rcn asks for children: the filter criteria then select those (TS-0001 8.1.2).
function family.asks(rcn)
  return WITH_FAMILY[rcn] or false
end

local function value_of(r)
  return function(name) return tree.value(r, name) end
end

--- Whether r meets fc itself (conditional operation).  Yields when fc looks beyond r's attributes.
function family.meets(r, fc)
  return discovery.met(r, fc, value_of(r))
end

-- Who may see a hit, and what the store need not show (as of sql.search); nil: everything.  What
-- policies refuse is learnt from the hits; without policies the resource itself is looked at.
local function filter(req, op)
  if access.privileged(req.who) then return nil end
  local view, refused = { who = req.who, refused = {}, defaults = access.has_defaults() }, {}
  return function(hit)
    local acpi = hit.acpi
    if not acpi then
      local r = tree.by_id(hit.id)
      return r ~= nil and access.allowed(r, op, req)
    end
    if refused[acpi] then return false end
    if access.by_policies(acpi, op, req) then return true end
    refused[acpi] = true
    view.refused[#view.refused + 1] = acpi
    return false
  end, view
end

local NONE = {}

local function cut(at)
  return { cnst = "1", cnot = tostring(at) }
end

-- The resource or the instance that a hit is.
local function resource_of(hit)
  local r = tree.by_id(hit.id)
  if not r or not hit.st then return r end
  return tree.instance(r, hit.st)
end

-- The hits below r, each with its address; extra parameters of a response that was cut.
local function hits(req, r, op, most)
  if r.parent then return NONE end
  local allow, view = filter(req, op)
  local list, next_at = discovery.find(r, req.params.fc or NONE,
    { allow = allow, view = view, hides = op == access.DISCOVER and inactive.hides or nil,
      resolve = tree.resolve, resource = resource_of,
      value = value_of, max = most })
  for _, hit in ipairs(list) do hit.address = path.structured(hit.path) end
  return list, next_at and cut(next_at) or nil
end

local function unstructured(req)
  return req.params.drt == 2
end

-- Asks the AE of an interworking proxy for what is not in the tree yet (fu 3, TS-0001 10.2.6): it
-- answers when it has made it.  nil, or an err.  Yields.
local function ask(req, ae)
  local text = ('{"m2m:sgn":{"idr":{"or":%s,"fc":%s}}}'):format(json.quote(
    path.sp_relative(req.who)), query.criteria(req.params.fc))
  local code, pc = polling.ask(ae.key, text, nil,
    math.max(0, times.left(req)) / 1e6, req)
  if code == 0 then
    return rsc.err(rsc.TARGET_NOT_REACHABLE, "fu: the AE %s gave no answer", ae.key)
  end
  if code >= 4000 then
    local why = pc and json.member(pc, "m2m:dbg")
    return rsc.err(code, "%s", why and json.string(why) or "fu: the AE refused the discovery")
  end
end

--- Discovery (fu 1 and 3): pc, extra | nil, err.  Yields.
function family.discover(req, r)
  local asks = req.params.fc.fu == ON_DEMAND
  if asks and (r.parent or r.ty ~= AE) then
    return nil, rsc.err(rsc.BAD_REQUEST, "fu: 3 is for the AE of an interworking proxy")
  end
  local list, extra = hits(req, r, access.DISCOVER, MAX_REFERENCES)
  if asks and not list[1] then
    local e = ask(req, r)
    if e then return nil, e end
    list, extra = hits(req, r, access.DISCOVER, MAX_REFERENCES)
  end
  if req.params.rcn == 6 then return result.child_references(list, unstructured(req)), extra end
  return result.uris(list, unstructured(req)), extra
end

-- The instances of one container among the hits i.., which are next to each other.  Returns the
-- index behind those read, and the bytes read so far.  A page at a time; gaps cost another read.
local function load_instances(container, list, i, bytes)
  local j = i
  while list[j + 1] and list[j + 1].st and list[j + 1].id == container.id do j = j + 1 end
  local k = i
  while k <= j and bytes <= MAX_BYTES do
    local before = k
    local rows = store.insts(container.id, "from", math.min(PAGE, j - k + 1), list[k].st)
    for _, row in ipairs(rows) do
      while k <= j and list[k].st < row.st do k = k + 1 end
      if k <= j and list[k].st == row.st then
        list[k].r = tree.instance_of(container, row)
        bytes = bytes + row.size
        k = k + 1
      end
    end
    if k == before then k = k + 1 end         -- gone meanwhile
  end
  return k, bytes
end

-- Puts the resource into each hit (`r`), and its parent's identifier.  Returns those that are
-- there, and the index of the first that would be too much, or nil.
local function load(r, list)
  local ri_of, found = { [r.id] = r.ri }, {}
  local i, bytes = 1, 0
  while list[i] and bytes <= MAX_BYTES do
    local hit = list[i]
    local at = tree.by_id(hit.id)
    if hit.st and at then
      i, bytes = load_instances(at, list, i, bytes)
    else
      if not hit.st then hit.r, ri_of[hit.id] = at, hit.ri end
      i = i + 1
    end
  end
  for k = 1, i - 1 do
    local hit = list[k]
    hit.parent_ri = ri_of[hit.pid] or r.ri
    if hit.r then found[#found + 1] = hit end
  end
  return found, list[i] and i
end

--- The content for rcn 4, 5, 6 and 8: pc, extra.  Yields.
function family.describe(req, r)
  local rcn = req.rcn
  local whole = rcn == 4 or rcn == 8
  local list, extra = hits(req, r, access.RETRIEVE, whole and MAX_CHILDREN or MAX_REFERENCES)
  if rcn == 5 then return result.with_references(r, list, unstructured(req)), extra end
  if rcn == 6 then return result.child_references(list, unstructured(req)), extra end
  local found, rest = load(r, list)
  if rest then extra = cut(((req.params.fc or NONE).ofst or 1) + rest - 1) end
  return result.with_children(rcn, r, found), extra
end

return family
