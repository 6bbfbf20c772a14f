-- What scripts see: requests and resources as plain tables of oneM2M short names, made anew for
-- each call, so nothing a script does to them reaches the server.

local json = require "moon2m.json"
local sys = require "moon2m.core.sys"
local tree = require "moon2m.tree"

local ok, new_table = pcall(require, "table.new")      -- LuaJIT's
if not ok then new_table = function() return {} end end

local view = {}

local OP = { "create", "retrieve", "update", "delete", "notify" }
local TIMES = { ct = true, lt = true, et = true }

--- The script's path of a resource, an instance or a virtual child.
function view.path(r)
  local known = r.shown
  if known then return known end
  if r.virtual then return "/" .. r.parent.path .. "/" .. r.virtual end
  if r.parent then return "/" .. r.parent.path .. "/" .. r.rn end
  known = "/" .. r.path
  r.shown = known
  return known
end

local MAX_STAMPS = 1024          -- timestamps that are remembered
local stamps, nstamps = {}, 0

local function stamp(us)
  local text = stamps[us]
  if not text then
    if nstamps >= MAX_STAMPS then stamps, nstamps = {}, 0 end
    text = sys.stamp(us)
    stamps[us], nstamps = text, nstamps + 1
  end
  return text
end

local function copy(v)
  local t = setmetatable({}, getmetatable(v))    -- an array's is its mark
  for k, x in pairs(v) do t[k] = type(x) == "table" and copy(x) or x end
  return t
end

--- A resource as a script sees it: decoded attributes; times as oneM2M timestamps.
function view.resource(r)
  if r.virtual then r = r.parent end
  local t, order, value = new_table(0, 16), r.type.order, tree.value
  for i = 1, #order do
    local name = order[i]
    local v = value(r, name)
    if v ~= nil then
      if TIMES[name] then
        v = stamp(v)
      elseif type(v) == "table" then
        v = copy(v)
      end
      t[name] = v
    end
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

--- The request for a policy, a check or a virtual resource; target: the resource it addresses;
-- bare: without pc, which the caller adds.  There is room for one capture of a pattern.
function view.request(req, target, bare)
  local pc = not bare and req.pc or nil
  if pc then pc = json.inside(pc) end
  local t = { nil, op = OP[req.op], to = target and view.path(target) or req.to, fr = req.who,
    rqi = req.rqi, ty = req.ty, pc = pc, time = sys.now() / 1e6, peer = req.peer }
  if req.credential then t.credential = req.credential end
  if req.hop then t.hop, t.chain = req.hop, req.chain end
  return t
end

--- Whether scripts have something to say about a request: rules of that kind for its operation and
-- target.
function view.concerns(matching, kind, req, target)
  return matching(kind, OP[req.op], view.path(target)) ~= nil
end

return view
