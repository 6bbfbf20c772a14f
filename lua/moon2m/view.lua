-- What scripts see: requests and resources as plain tables of oneM2M short names, made anew for
-- each call, so nothing a script does to them reaches the server.

local json = require "moon2m.json"
local sys = require "moon2m.core.sys"
local tree = require "moon2m.tree"

local view = {}

local OP = { "create", "retrieve", "update", "delete", "notify" }
local TIMES = { ct = true, lt = true, et = true }

--- The script's path of a resource, an instance or a virtual child.
function view.path(r)
  if r.virtual then return "/" .. r.parent.path .. "/" .. r.virtual end
  if not r.parent then return "/" .. r.path end
  return "/" .. r.parent.path .. "/" .. r.rn
end

--- A resource as a script sees it: decoded attributes; times as oneM2M timestamps.
function view.resource(r)
  if r.virtual then r = r.parent end
  local t = {}
  for _, name in ipairs(r.type.order) do
    local v = tree.value(r, name)
    if TIMES[name] then v = v and sys.stamp(v) end
    if type(v) == "table" then v = json.decode(json.encode(v)) end
    t[name] = v
  end
  return t
end

--- The resource that a policy decides about: `cr` is who made it, also when the resource does not
-- show it; of an instance that does not say, who made its container.
function view.target(r)
  local t = view.resource(r)
  t.cr = t.cr or (r.parent or r).creator
  return t
end

-- The content of pc without its wrapper.
local function content(pc)
  local value = pc and json.decode(pc)
  if type(value) ~= "table" then return nil end
  local _, inner = next(value)
  return inner
end

--- The request for a policy, a check or a virtual resource; target: the resource it addresses.
function view.request(req, target)
  return { op = OP[req.op], to = target and view.path(target) or req.to, fr = req.who,
    rqi = req.rqi, ty = req.ty, pc = content(req.pc), time = sys.now() / 1e6, peer = req.peer,
    hop = req.hop, chain = req.chain }
end

return view
