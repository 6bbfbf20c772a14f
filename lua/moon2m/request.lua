-- What is checked of a request before anything is looked up (TS-0004 7.3.2.1): who sent it, its
-- release, its parameters.  admit() leaves in the request: who (the originator's normal form, nil
-- for an AE that asks for an identifier), now (microseconds), times, rcn, params, rt, silent.
-- Checks run in the order of the standard; the first that fails decides the status code.

local sys = require "moon2m.core.sys"
local json = require "moon2m.json"
local passing = require "moon2m.passing"
local path = require "moon2m.path"
local query = require "moon2m.query"
local remote = require "moon2m.remote"
local result = require "moon2m.result"
local rsc = require "moon2m.rsc"
local times = require "moon2m.times"
local tree = require "moon2m.tree"
local types = require "moon2m.types"

local request = {}

local CREATE, RETRIEVE = 1, 2
local AE, REMOTE_CSE = 2, 16
local ASYNCH, BLOCKING, FLEX, NO_RESPONSE = 2, 3, 4, 5
local MAX_TARGETS = 64           -- of an asynchronous result
local NONE = {}
local admin, cse_id = "CAdmin", "/moon"
local releases = {}

--- admin, cse: originators that are no AE; releases: list of rvi values that are answered.
function request.configure(o)
  admin, cse_id, releases = o.admin, o.cse, {}
  for _, v in ipairs(o.releases) do releases[v] = true end
end

local function bad(...)
  return rsc.err(rsc.BAD_REQUEST, ...)
end

-- ---- parameters --------------------------------------------------------------------------------

--- The parameters without a member of their own: as of query.lua; of a request that another CSE
-- gets, those that this one acts on.  nil, err.
function request.parameters(req)
  if path.is_remote(req.to) then return passing.params(req) end
  if req.via == "script" then
    if req.rcn == nil and req.fc == nil and req.drt == nil then return NONE end
    return query.from_fields(json.encode { rcn = req.rcn, fc = req.fc, drt = req.drt })
  end
  if req.fields then return query.from_fields(req.fields) end
  if req.query and req.query ~= "" then return query.params(req.query) end
  return NONE
end

-- The targets of an asynchronous result: X-M2M-RTU over HTTP (TS-0009 6.4), "&" between them.
local function result_targets(text)
  local list = json.array {}
  for one in text:gmatch("[^&%s]+") do list[#list + 1] = one end
  return list
end

-- Sets req.rt = { rtv, nu } (TS-0004 6.3.5.30; nu with flexBlocking too, TS-0001 8.1.2).
local function check_response_type(req, rt)
  if req.rtu then rt = { rtv = rt and rt.rtv or BLOCKING, nu = result_targets(req.rtu) } end
  if not rt or rt.rtv == BLOCKING and not rt.nu then return nil end
  req.rt, req.silent = rt, rt.rtv == NO_RESPONSE
  if not rt.nu then return nil end
  if rt.rtv ~= ASYNCH and rt.rtv ~= FLEX then
    return bad("rt: nu goes with response types %d and %d only", ASYNCH, FLEX)
  end
  if #rt.nu > MAX_TARGETS then return bad("rt: more than %d entries in nu", MAX_TARGETS) end
end

-- What is checked of a request that is passed on: a registration is not (TS-0004 7.3.2.8), and
-- Release 1 is not spoken.
local function check_passing(req)
  if req.op == CREATE and not req.ty then return bad("ty: missing, mandatory in a CREATE") end
  if req.op == CREATE and (req.ty == AE or req.ty == REMOTE_CSE) then
    return bad("to: a registration is not forwarded")
  end
  if not req.rvi and req.via ~= "script" then
    return rsc.err(rsc.RELEASE_VERSION_NOT_SUPPORTED,
      "rvi: missing, and Release 1 is not supported")
  end
end

local function check_create(req, params)
  if req.op ~= CREATE then return nil end
  if not req.ty then return bad("ty: missing, mandatory in a CREATE") end
  if not types.by_ty[req.ty] and not types.standard(req.ty) then
    return bad("ty: %d is no resource type", req.ty)
  end
  if params.fc then return bad("fc: not permitted in a CREATE") end
end

-- Discovery is a RETRIEVE: with another operation its privilege, which is a lesser one, would be
-- asked for where a group is the target.
local function check_filter(req, params)
  if req.op ~= RETRIEVE and query.discovers(params.fc) then
    return bad("fu: %d goes with a RETRIEVE only", params.fc.fu)
  end
end

-- The time at which the request was made and the category of its event.
local function check_tags(req)
  if req.ot and not sys.parse_stamp(req.ot) then
    return bad("ot: expected a timestamp (YYYYMMDDThhmmss), got %s", req.ot)
  end
  local ec = req.ec and tonumber(req.ec)
  if req.ec and not (ec and ec % 1 == 0 and (ec >= 2 and ec <= 4 or ec >= 100 and ec <= 999)) then
    return bad("ec: expected 2, 3, 4 or a number from 100 to 999, got %s", req.ec)
  end
end

local function check_content(req, params)
  local rcn = params.rcn
  if not rcn then
    req.rcn = result.default(req.op)
    return nil
  end
  local ok, later = result.allows(req.op, rcn, query.discovers(params.fc))
  if later then
    return rsc.err(rsc.NOT_IMPLEMENTED,
      "rcn: %d (semantic content) is not supported by this CSE", rcn)
  end
  if not ok then return bad("rcn: %d is not possible for this operation", rcn) end
  req.rcn = rcn
end

-- ---- originator --------------------------------------------------------------------------------

-- "/Sx": an AE of the service provider's that is registered at another CSE, for which any CSE that
-- is registered here may speak.  Yields.
local function check_stem(req, fr, plain)
  local foreign = plain:byte() == 83 and (fr == "/" .. plain or fr == path.absolute(plain))
  if not foreign or tree.by_aei(plain) then
    return bad("fr: an AE of this CSE is its AE-ID-Stem, %s", plain)
  end
  if not remote.any() then
    return rsc.err(rsc.ORIGINATOR_NOT_AUTHENTICATED,
      "fr: %s is not registered here, and no CSE is that may speak for it", fr)
  end
  req.who, req.far = plain, true
end

-- "/moon/Cx" for an AE of this CSE, a CSE-ID, an AE of another CSE.  A CSE that is registered here
-- speaks for itself and for those behind it.  Yields.
local function check_slashes(req, fr)
  local plain = path.originator(fr)
  if plain:byte() ~= 47 then return check_stem(req, fr, plain) end
  local csr = plain ~= cse_id and remote.csr_of(plain)
  if csr then
    req.who = plain
    if csr.key == plain then req.cse = csr end
    return nil
  end
  if plain:find("^/[^/]+$") then
    return rsc.err(rsc.SECURITY_ASSOCIATION_REQUIRED, "fr: %s is a CSE-ID", fr)
  end
  return rsc.err(rsc.ORIGINATOR_NOT_AUTHENTICATED, "fr: %s is not registered here", fr)
end

-- Who may ask for the registration of a CSE: a CSE, not this one.  "/S..." is an AE's identifier.
local function check_new_cse(req, fr)
  local plain = path.originator(fr)
  if not plain:find("^/[^/]+$") then
    return rsc.err(rsc.OPERATION_NOT_ALLOWED,
      "fr: %s is no CSE-ID, only a CSE registers as one", fr)
  end
  if plain == cse_id then return bad("fr: %s is this CSE itself", fr) end
  req.who = plain
end

local function check_registered(req, fr)
  local ae = tree.by_aei(fr)
  if not ae or ae.et and ae.et <= req.now then
    return rsc.err(rsc.ORIGINATOR_NOT_AUTHENTICATED, "fr: %s is not registered here", fr)
  end
  req.ae = ae
end

-- Sets req.who.  Yields when the AE is not in memory.
local function identify(req)
  local fr = req.fr
  local registering = req.op == CREATE and req.ty == AE
  if req.via == "script" then
    req.who = fr and path.originator(fr) or not registering and cse_id or nil
    return nil
  end
  if not fr or fr == "" then
    if registering then return nil end
    fr = req.known
    if not fr then return bad("fr: missing") end
  end
  if req.op == CREATE and req.ty == REMOTE_CSE then return check_new_cse(req, fr) end
  if fr:byte() == 47 then return check_slashes(req, fr) end
  req.who = fr
  if registering or fr == admin then return nil end
  return check_registered(req, fr)
end

-- ---- all of it ---------------------------------------------------------------------------------

local function check_release(req)
  if req.via == "script" then return nil end
  local rvi = req.rvi or "1"
  if releases[rvi] then return nil end
  if not req.rvi then
    return rsc.err(rsc.RELEASE_VERSION_NOT_SUPPORTED,
      "rvi: missing, and Release 1 is not supported")
  end
  return rsc.err(rsc.RELEASE_VERSION_NOT_SUPPORTED, "rvi: release %s is not supported", rvi)
end

--- nil, or the error that refuses the request.  Yields.
function request.admit(req)
  times.renew(req)
  req.now, req.mono = sys.now(), sys.mono()
  local e = times.read(req) or check_tags(req)
  if e then return e end
  if not req.to or req.to == "" then return bad("to: missing") end
  e = identify(req)
  if e then return e end
  local params, why = request.parameters(req)
  if not params then return why end
  req.params = params
  e = check_response_type(req, params.rt)
  if path.is_remote(req.to) then return check_passing(req) or e end
  return check_create(req, params) or check_filter(req, params) or check_content(req, params)
    or check_release(req) or e
end

-- ---- group request identifiers -----------------------------------------------------------------

local MAX_SEEN = 2048
local seen, before, nseen = {}, {}, 0

local function loops(gid)
  return rsc.err(rsc.GROUP_REQUEST_IDENTIFIER_EXISTS, "gid: %s has been here before", gid)
end

--- TS-0004 7.3.3.2: a fan-out that comes back to the same target is a loop.  key: a text for the
-- target; req.fan: of a request that this CSE fanned out, the targets that were reached.  nil, or a
-- 4104.
function request.check_group(req, key)
  local gid, fan = req.gid, req.fan
  if fan then
    if fan.seen[key] then return loops(fan.gid) end
    fan.seen[key] = true
  end
  if not gid then return nil end
  key = gid .. "\n" .. key
  if seen[key] or before[key] then return loops(gid) end
  if nseen >= MAX_SEEN then seen, before, nseen = {}, seen, 0 end
  seen[key] = true
  nseen = nseen + 1
end

return request
