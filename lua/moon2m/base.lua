-- The CSEBase (TS-0001 9.6.3): made at the first start, brought up to date at each.  Nothing of it
-- is ever written by a request.

local json = require "moon2m.json"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local sys = require "moon2m.core.sys"
local tree = require "moon2m.tree"
local types = require "moon2m.types"
local write = require "moon2m.write"

local base = {}

local function supported_types()
  local list = json.array {}
  for ty in pairs(types.by_ty) do list[#list + 1] = ty end
  table.sort(list)
  return list
end

-- What the start-up tree gave it (startup.lua), and servers of dynamic authorization (grants.lua).
local KEPT = { "acpi", "cstn", "daci", "lbl", "loc", "_boot", "_grants" }

-- The attributes as they are now, was: as they were; poa stays when the sockets are not known yet.
local function attributes(o, was)
  local csi, _, spi = path.configured()
  local raw = {
    cst = "1", csi = json.encode(csi), ici = json.encode(csi), spi = json.encode(spi),
    srt = json.encode(supported_types()),
    csz = '["application/json","application/cbor"]', srv = json.encode(json.array(o.releases)),
    poa = was and was.poa, _cr = json.encode(csi),
  }
  for _, name in ipairs(KEPT) do raw[name] = was and was[name] end
  if o.poa and o.poa[1] then raw.poa = json.encode(json.array(o.poa)) end
  return raw
end

local function create(o)
  local _, csn = path.configured()
  local now = sys.now()
  local r = { id = tree.next_id(), pid = 0, ty = 5, type = types.by_ty[5], rn = csn, path = "",
    ri = path.ri(1), pi = "", ct = now, lt = now, st = 0, raw = attributes(o) }
  r.raw._boot = o.boot and '"pending"' or nil
  if r.id ~= 1 then error("the store has no CSEBase: it is damaged, or not one of moon2m's", 0) end
  tree.add(r)
  local ok, e = write.commit({ { "put", tree.row(r) } }, nil, r)
  if not ok then error("the CSEBase cannot be stored: " .. e.msg, 0) end
end

local function update(r, o)
  local raw, changed = attributes(o, r.raw), false
  for name, text in pairs(raw) do changed = changed or r.raw[name] ~= text end
  if not changed then return end
  r.raw = raw
  r.lt = math.max(sys.now(), r.lt)
  tree.refresh(r)
  local ok, e = write.commit({ { "set", tree.row(r) } }, nil, r)
  if not ok and e.rsc ~= rsc.NOT_FOUND then
    error("the CSEBase cannot be stored: " .. e.msg, 0)
  end
end

--- Makes the CSEBase or brings it up to date.  o = { releases = {"3", ...}, poa = {urls}, boot: a
-- start-up tree will be made }; names from path.configure.  Raises when the store belongs to a CSE
-- of another name.  Yields.
function base.ensure(o)
  local r = tree.by_id(1)
  if not r then return create(o) end
  local csi, csn = path.configured()
  local stored = tree.value(r, "csi")
  if r.rn ~= csn or stored ~= csi then
    error(("the store belongs to the CSE %s with CSEBase %s; the configuration says %s and %s")
      :format(stored, r.rn, csi, csn), 0)
  end
  return update(r, o)
end

return base
