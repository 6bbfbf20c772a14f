-- RETRIEVE (TS-0004 7.3.3.6): one resource, some of its attributes, what is below it, discovery,
-- the newest or oldest instance, and what scripts compute.

local sys = require "moon2m.core.sys"
local access = require "moon2m.access"
local event = require "moon2m.event"
local family = require "moon2m.family"
local json = require "moon2m.json"
local location = require "moon2m.location"
local naming = require "moon2m.naming"
local original = require "moon2m.original"
local path = require "moon2m.path"
local query = require "moon2m.query"
local result = require "moon2m.result"
local rsc = require "moon2m.rsc"
local script = require "moon2m.script"
local tree = require "moon2m.tree"
local view = require "moon2m.view"

local CONTAINER = 3
local PERMISSIONS = 12
local WITH_CHILDREN = { [4] = true, [8] = true }

local op = {}

-- ---- partial retrieve --------------------------------------------------------------------------

-- The set of attributes asked for, nil when all are; nil, err.
local function wanted(req, attr, T)
  local list, e = naming.asked(req, attr)
  if not list then return nil, e end
  local only = {}
  for _, name in ipairs(list) do
    if not T.attr[name] then
      return nil, rsc.err(rsc.BAD_REQUEST, "%s: unknown attribute of %s", name, T.root)
    end
    only[name] = true
  end
  if req.rcn ~= 1 then
    return nil, rsc.err(rsc.BAD_REQUEST, "rcn: attributes can be named with rcn 1 only")
  end
  return only
end

-- ---- what the target stands for ----------------------------------------------------------------

-- la and ol; nil, err when there is none or instances cannot be read (TS-0004 7.4.27, 7.4.7.2.2).
local function pick(target)
  local container = target.parent
  if container and container.raw.disr == "true" then
    return nil, rsc.err(rsc.OPERATION_NOT_ALLOWED, "disr: the container's instances cannot be read")
  end
  local r = target
  if target.virtual then
    if container.raw.li then location.asked(container) end
    if target.virtual == "la" then r = tree.latest(container) else r = tree.oldest(container) end
  end
  if not r then return nil, rsc.err(rsc.NOT_FOUND, "to: the container has no instance") end
  return r
end

local function run_checks(req, target)
  if not script.has.check then return nil end
  local verdict, why, code = script.check(view.request(req, target), nil)
  if verdict == false then return rsc.err(code or rsc.BAD_REQUEST, "%s", tostring(why)) end
end

local function represent(req, r, attr)
  local params = req.params
  local only, e = wanted(req, attr, r.type)
  if e then return nil, e end
  if family.asks(req.rcn) then return family.describe(req, r) end
  if params.fc and not family.meets(r, params.fc) then
    return nil, rsc.err(rsc.NOT_FOUND, "fc: the resource does not meet the conditions")
  end
  if req.rcn == PERMISSIONS then return result.permissions(access.permissions(r, req)) end
  if req.rcn == 7 then return original.retrieve(req, r) end
  return not only and r.body or result.attributes(r, only)
end

-- A container with its instances, and none there is: who can produce data is told (net 5, TS-0001
-- 9.6.8).  Missing: the container has none; obsolete: all have expired (`et`, `mia`).  The answer
-- does not wait for what comes of it.  Yields.
local function ask_for_data(req, r)
  if r.ty ~= CONTAINER or not WITH_CHILDREN[req.rcn] or tree.latest(r) then return end
  local _, e = event.no_data(r, req.who)
  if e then sys.log("error", "retrieve", r.path .. ": " .. e.msg) end
end

--- RETRIEVE of target; attr: the attribute named in the address ("#lbl") or nil.  rsc, pc, extra |
-- nil, err.  Yields.
function op.perform(req, target, attr)
  local fc = req.params.fc
  local discovering = query.discovers(fc)
  local ok, e
  if not discovering or script.has.policy then
    local r = target.virtual and target.parent or target
    if discovering then
      ok, e = access.policies(r, access.DISCOVER, req)
    else
      ok, e = access.check(r, access.RETRIEVE, req)
    end
    if not ok then return nil, e end
  end
  e = run_checks(req, target)
  if e then return nil, e end
  local pc, extra, r
  if discovering then
    pc, extra = family.discover(req, target)
    if not pc then return nil, extra end
  else
    r, e = pick(target)
    if not r then return nil, e end
    pc, extra = represent(req, r, attr)
    if not pc then return nil, extra end
    ask_for_data(req, r)
  end
  if script.has.on then
    script.happened(script.event("retrieve", view.path(target), req, pc))
  end
  return rsc.OK, pc, extra
end

-- ---- what scripts compute ----------------------------------------------------------------------

-- The nearest resource above a path that does not exist: its rights are asked.  Yields.
local function above(names)
  for n = #names - 1, 0, -1 do
    local r = tree.by_path(table.concat(names, "/", 1, n))
    if r then return r end
  end
end

-- A value with a root ("m2m:cin") is taken as it is, other attributes and texts are content.
local function wrapped(value)
  if type(value) ~= "table" then value = { con = value } end
  local root = next(value)
  if type(root) == "string" and root:find(":", 1, true) then return json.encode(value) end
  return '{"m2m:cin":' .. json.encode(value) .. "}"
end

--- RETRIEVE of an address that names no resource: a script's virtual resource.  rsc, pc | nil, err
-- | nil when no script has one there.  Yields.
function op.virtual(req)
  local a = path.parse(req.to)
  if not a or not a.base or a.virtual then return nil end
  local to = "/" .. table.concat(a.names, "/")
  local handler = script.virtual(to)
  if not handler then return nil end
  local ok, e = access.check(above(a.names), access.RETRIEVE, req)
  if not ok then return nil, e end
  local seen = view.request(req, nil)
  seen.to = to
  local fine, pc = handler(seen, wrapped)
  if not fine then return nil, rsc.err(rsc.INTERNAL_SERVER_ERROR, "%s", pc) end
  if pc == nil then return nil, rsc.err(rsc.NOT_FOUND, "to: nothing there now") end
  return rsc.OK, pc
end

return op
