-- <request> resources (TS-0001 9.6.12, TS-0004 7.3.2.3, 7.4.12): made below the CSEBase when a
-- non-blocking request is accepted, completed when it is done.  They belong to the originator.
--
-- Guarantees: the resource is on disk before the request is acknowledged; its result and the
-- notices that carry it are in one transaction.

local core = require "moon2m.core.cse"
local cjson = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local event = require "moon2m.event"
local json = require "moon2m.json"
local passing = require "moon2m.passing"
local path = require "moon2m.path"
local policy = require "moon2m.request_policy"
local query = require "moon2m.query"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local tree = require "moon2m.tree"
local types = require "moon2m.types"
local write = require "moon2m.write"

local REQUEST, BASE = 17, 1
local PENDING, FORWARDED = 3, 4
local RETRIES, RETRY_AFTER = 4, 1      -- of a result that the disk refused; s, doubling
local quote = cjson.quote

local resource = { PENDING = PENDING, COMPLETED = 1, FAILED = 2, PARTIAL = 5 }

-- ---- what is kept of the request ---------------------------------------------------------------

-- metaInformation: the optional parameters, as a primitive has them; times are absolute.
local function meta(req)
  local parts = {}
  local function add(name, text)
    if text then parts[#parts + 1] = '"' .. name .. '":' .. text end
  end
  local p, t = req.params, req.times
  add("ty", req.ty and ("%d"):format(req.ty))
  add("ot", req.ot and quote(req.ot))
  for _, name in ipairs { "rqet", "rset", "oet" } do
    add(name, t[name] and '"' .. sys.stamp(t[name]) .. '"')
  end
  add("rt", json.encode(req.rt))
  add("rp", p.rp and quote(p.rp))
  for _, name in ipairs { "rcn", "drt" } do add(name, p[name] and ("%d"):format(p[name])) end
  add("ec", tonumber(req.ec) and ("%d"):format(tonumber(req.ec)))
  add("gid", req.gid and quote(req.gid))
  add("fc", p.fc and query.criteria(p.fc))
  if path.is_remote(req.to) then
    local members = passing.members(req)
    if members ~= "" then parts[#parts + 1] = members end
  end
  add("rvi", req.rvi and quote(req.rvi))
  add("vsi", req.vsi and quote(req.vsi))
  return "{" .. table.concat(parts, ",") .. "}"
end

local function content_of(req)
  if path.is_remote(req.to) then return select(2, passing.members(req)) end
  local names = req.params.atrl
  return req.pc or names and '{"m2m:atrl":' .. json.encode(json.array(names)) .. "}" or nil
end

--- A response primitive as JSON text (m2m:rsp's content, operationResult).
function resource.response(req, code, pc, extra)
  local parts = { ('{"rsc":%d,"rqi":%s,"rvi":%s,"to":%s,"fr":%s,"ot":"%s"'):format(code,
    quote(req.rqi), quote(req.rvi or "1"), quote(req.who), quote((path.configured())),
    sys.stamp(sys.now())) }
  for _, name in ipairs { "cnst", "cnot" } do
    if extra and extra[name] then parts[#parts + 1] = ',"' .. name .. '":' .. extra[name] end
  end
  if pc then parts[#parts + 1] = ',"pc":' .. pc end
  parts[#parts + 1] = "}"
  return table.concat(parts)
end

-- ---- life --------------------------------------------------------------------------------------

-- FORWARDED: what is executed at once, by another CSE.
local function state(req)
  local later = req.times.oet and req.times.oet > req.now
  return path.is_remote(req.to) and not later and FORWARDED or PENDING
end

--- Makes the resource of an admitted request; et: when it expires.  r | nil, err.  Yields.
function resource.create(req, et, accepted)
  local acp, why = policy.of(req.who, et)
  if why then return nil, why end
  local base = tree.by_id(BASE)
  event.entry(base)
  local id, now = tree.next_id(), sys.now()
  local ri = path.ri(id)
  local r = { id = id, pid = BASE, ty = REQUEST, type = types.by_ty[REQUEST], ri = ri, pi = base.ri,
    rn = "req_" .. ri, path = "req_" .. ri, ct = now, lt = now, et = et, st = 0, raw = {
      op = ("%d"):format(req.op), tg = quote(req.to), org = quote(req.who), rid = quote(req.rqi),
      mi = meta(req), pc = content_of(req), rs = ("%d"):format(state(req)),
      ors = resource.response(req, accepted), lbl = json.encode(json.array { req.who }),
      acpi = acp and "[" .. quote(acp) .. "]", _cr = quote(req.who) } }
  tree.add(r)
  local events = base.events and base.events.by_net[3] and event.prepare(base, 3, r,
    { originator = req.who })
  local ok, e = write.commit({ { "put", tree.row(r) } }, events, r, base)
  if ok then return r end
  tree.remove(r)
  return nil, e
end

local function result_event(id, targets, response)
  if not targets or not targets[1] then return nil end
  local audience = core.audience()
  local sur = path.sp_relative(path.ri(id))
  for _, target in ipairs(targets) do audience:add(id, sur, nil, target) end
  return core.event(audience, { frame = "primitive" }, '{"m2m:rsp":' .. response .. "}")
end

-- One try: true | nil, err | false: the resource changed meanwhile.
local function put_result(id, rs, targets, response, notice)
  local r = tree.by_id(id)
  if r then event.index(r) end
  if r and r.gone then return false end
  local events, ops = {}, {}
  if r then
    local watched = r.events and r.events.by_net[1]
    local old = watched and schema.encode(r.type, r) or nil
    local raw = {}
    for name, text in pairs(r.raw) do raw[name] = text end
    raw.rs, raw.ors = ("%d"):format(rs), response
    r.raw, r.lt = raw, math.max(sys.now(), r.lt)
    tree.refresh(r)
    ops[1] = { "set", tree.row(r) }
    if watched then
      events = event.prepare(r, 1, r, { old = old, originator = (path.configured()),
        changed = { rs = true, ors = true, lt = true } })
    end
  end
  local list = { result_event(id, targets, notice) }
  for _, ev in ipairs(events) do list[#list + 1] = ev end
  if not ops[1] and not list[1] then return true end
  return write.commit(ops, list, r)
end

--- The request with resource number id is done, or a part of it: rs, and its response (JSON text).
-- targets (may be nil) are sent `notice`, or else the response.  A resource that is gone is left
-- out.  true | nil, err.  Yields.
function resource.complete(id, rs, targets, response, notice)
  local wait, ok, e = RETRY_AFTER
  for _ = 1, RETRIES do
    repeat
      ok, e = put_result(id, rs, targets, response, notice or response)
    until ok ~= false
    if ok then return true end
    if e.rsc ~= rsc.NOT_FOUND then
      sys.sleep(wait)
      wait = wait * 2
    end
  end
  sys.log("error", "request", ("the result of request %s is lost: %s"):format(path.ri(id), e.msg))
  return nil, e
end

--- A request as it was, from its resource: for one that was accepted before a restart.
function resource.restore(r)
  local fields = cjson.members(r.raw.mi)
  local function text(name)
    local raw = fields[name]
    return raw and (raw:byte() == 34 and cjson.string(raw) or raw)
  end
  return { op = tonumber(r.raw.op), to = tree.value(r, "tg"), fr = tree.value(r, "org"),
    who = tree.value(r, "org"), rqi = tree.value(r, "rid"), pc = r.raw.pc, fields = r.raw.mi,
    via = "ws", ty = tonumber(fields.ty), rvi = text "rvi", ot = text "ot", ec = text "ec",
    gid = text "gid", vsi = text "vsi", rqet = text "rqet", rset = text "rset", oet = text "oet" }
end

return resource
