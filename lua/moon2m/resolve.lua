-- From an address to what it names: the six forms of TS-0001 9.3.1 and the hybrid one (an
-- identifier, then names), instances by name or identifier, virtual children.  Answers are
-- remembered per text as long as the resource is cached, so a client that repeats an address costs
-- one look-up. Part of the tree: install() adds `resolve` to it.

local sys = require "moon2m.core.sys"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"

local MAX_REMEMBERED = 16384

local tree
local resolve = {}

local function not_found(address)
  return nil, rsc.err(rsc.NOT_FOUND, "to: %s: no such resource", address)
end

-- The resource where the names begin: the CSEBase, or what the first segment's identifier names.
local function start_of(a)
  if not a.id then return tree.by_id(1) end
  local id, st = path.parse_ri(a.id)
  if not id then return tree.by_aei(a.id) end
  local r = tree.by_id(id)
  if not r or not st then return r ~= nil and r.ty ~= 2 and r or nil end
  return r.type.container and tree.instance(r, st) or nil
end

local function walk(r, names)
  local n = #names
  if n == 0 then return r end
  if r.parent then return nil end             -- an instance has no children
  local top = r.path == "" and "" or r.path .. "/"
  local child = tree.by_path(top .. table.concat(names, "/"))
  if child then return child end
  local holder = n == 1 and r or tree.by_path(top .. table.concat(names, "/", 1, n - 1))
  return holder and holder.type.container and tree.named(holder, names[n]) or nil
end

-- Address text -> resource or virtual, as long as that is not gone.
local resolved, nresolved = {}, 0

-- The virtual child of r that an address `a` names; nil, err.
local function virtual_of(r, a, address)
  local t = r.type
  if a.virtual == "sfop" and t.virtual and t.virtual.fopt then
    return nil, rsc.err(rsc.NOT_IMPLEMENTED,
      "to: the semanticFanOutPoint (sfop) of a group is not supported by this CSE")
  end
  if r.parent or not (t.virtual and t.virtual[a.virtual]) then return not_found(address) end
  return { virtual = a.virtual, rest = a.rest, parent = r }
end

--- What an address names (all six forms of TS-0001 9.3.1; hybrid ones too): a resource, an instance
-- (`parent` set), or a virtual { virtual = "la", parent = container } (with
-- rest, what follows "fopt"); and the attribute of
-- "#attr". nil, err: 4000 malformed, 4004 nothing there.  Yields when not cached.
function resolve.resolve(address)
  local hit = resolved[address]
  if hit then
    local r = hit.virtual and hit.parent or hit
    if not r.gone then
      if r.et and r.et <= sys.now() then return not_found(address) end
      r.used = true
      return hit
    end
  end
  local a, err = path.parse(address)
  if not a then return nil, err end
  if a.remote then
    err = rsc.err(rsc.NOT_FOUND, "to: %s is not hosted here, and there is no route to it", a.remote)
    err.remote = true
    return nil, err
  end
  local r = start_of(a)
  r = r and walk(r, a.names)
  if not r or r.et and r.et <= sys.now() then return not_found(address) end
  if a.virtual then
    r, err = virtual_of(r, a, address)
    if not r then return nil, err end
  end
  if not r.parent or r.virtual then
    if nresolved >= MAX_REMEMBERED then resolved, nresolved = {}, 0 end
    if not a.attr then
      if not hit then nresolved = nresolved + 1 end
      resolved[address] = r
    end
  end
  return r, a.attr
end

--- Adds the function to the tree.
function resolve.install(to)
  tree = to
  tree.resolve = resolve.resolve
end

return resolve
