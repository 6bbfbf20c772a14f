-- The requests that a host and a server have in common.  A subclass has `send(req)`, which performs
-- { op, to, fr, ty, pc (JSON text), query } and returns the response status code and the content.
-- As in a script: tables with oneM2M short names; an expected failure is nil, err (rsc, msg).

local verbs = {}
verbs.__index = verbs

local OPS = { create = 1, retrieve = 2, update = 3, delete = 4, notify = 5 }
local fail = require("moon2m.test.place").fail

local function json() return require "moon2m.json" end

-- ---- types and addresses ------------------------------------------------------------------------

local function plain(name)
  return (name:lower():gsub("_", ""))
end

-- The type with that number, short name ("cnt") or name ("container", "pollingChannel").
local function spec_of(kind)
  local types = require "moon2m.types"
  local spec = types.by_ty[kind] or types.find("m2m:" .. tostring(kind)) or
    types.find(tostring(kind))
  if spec then return spec end
  for _, one in pairs(types.by_ty) do
    if plain(one.name) == plain(tostring(kind)) then return one end
  end
  return fail("unknown resource type %s", tostring(kind))
end

local function address(path)
  if type(path) ~= "string" or path == "" then
    fail("a path like \"/plant/temp\" was expected, got %s", tostring(path))
  end
  if path == "/" then return "-" end
  if path:sub(1, 1) == "/" and path:sub(1, 2) ~= "//" then return "-" .. path end
  return path
end

local function wrapped(spec, attrs)
  if next(attrs) == nil then return '{"' .. spec.root .. '":{}}' end
  return json().encode { [spec.root] = attrs }
end

-- ---- answers ------------------------------------------------------------------------------------

local function content(pc)
  if not pc or pc == "" then return nil end
  local value = json().decode(pc)
  if type(value) ~= "table" then return value end
  local root, inner = next(value)
  if type(root) == "string" and next(value, root) == nil then return inner, root end
  return value
end

local function answer(code, pc)
  if code < 4000 then
    local value = content(pc)
    if value == nil then value = true end
    return value, code
  end
  local text, root = content(pc)
  local rsc = require "moon2m.rsc"
  return nil, rsc.err(code, "%s", root == "m2m:dbg" and tostring(text) or rsc.name(code))
end

local function ask(self, req)
  req.fr = req.fr or self.fr
  return answer(self:send(req))
end

-- ---- requests -----------------------------------------------------------------------------------

--- The general form, by any originator: { op =, to =, fr =, ty =, pc =, query = "rcn=4" }; pc is a
-- table of attributes, a whole primitive content or JSON text.  The content (true when there is
-- none) and the response status code; nil, err.
function verbs:request(r)
  if type(r) ~= "table" then fail("request: a table was expected") end
  local op = OPS[r.op] or r.op
  if type(op) ~= "number" then fail("request: op is missing") end
  local spec = r.ty and spec_of(r.ty)
  local pc = r.pc
  if type(pc) == "table" then
    local root = next(pc)
    local whole = type(root) == "string" and root:find(":", 1, true)
    pc = spec and not whole and wrapped(spec, pc) or json().encode(pc)
  end
  return ask(self, { op = op, to = address(r.to), fr = r.fr, ty = spec and spec.ty, pc = pc,
    query = r.query })
end

--- create(container, content): an instance; create(parent, type, attributes): anything.  The
-- resource; nil, err.
function verbs:create(to, what, attrs)
  if attrs == nil then
    return ask(self, { op = 1, to = address(to), ty = 4,
      pc = json().encode { ["m2m:cin"] = { con = what } } })
  end
  local spec, fr = spec_of(what), nil
  local body = {}
  for k, v in pairs(attrs) do body[k] = v end
  if spec.ty == 2 then fr = attrs.aei or attrs.rn and "C" .. attrs.rn or "C" end
  body.aei = nil
  return ask(self, { op = 1, to = address(to), ty = spec.ty, fr = fr, pc = wrapped(spec, body) })
end

function verbs:retrieve(path, query)
  return ask(self, { op = 2, to = address(path), query = query })
end

--- Changes attributes; the resource as it is then.
function verbs:update(path, attrs)
  local now, err = self:retrieve(path)
  if not now then return nil, err end
  return ask(self, { op = 3, to = address(path), pc = wrapped(spec_of(now.ty), attrs) })
end

function verbs:delete(path)
  return ask(self, { op = 4, to = address(path) })
end

-- ---- looking ------------------------------------------------------------------------------------

--- The content of the newest instance; with n the contents of the newest n, newest first.  nil, err
-- when there is none.
function verbs:latest(path, n)
  if not n then
    local cin, err = self:retrieve(path .. "/la")
    if not cin then return nil, err end
    return cin.con
  end
  local found, err = self:retrieve(path, "rcn=8&ty=4&ty=30")
  if not found then return nil, err end
  local list, out = found["m2m:cin"] or found["m2m:tsi"] or (found[1] and found) or {}, {}
  for i = 1, math.min(n, #list) do out[i] = list[#list + 1 - i].con end
  return out
end

--- The names of the direct children, sorted.
function verbs:children(path)
  local found, err = self:retrieve(path, "fu=1&lvl=1")
  if not found then return nil, err end
  local names = {}
  for i, one in ipairs(type(found) == "table" and found or {}) do names[i] = one:match("[^/]*$") end
  table.sort(names)
  return names
end

--- The same host or server, asked by another originator.
function verbs:as(originator)
  return setmetatable({ fr = originator or self.fr }, { __index = self })
end

local function nodes(tree)
  local list = {}
  for path, attrs in pairs(tree) do list[#list + 1] = { path, attrs } end
  table.sort(list, function(a, b)
    local _, n = a[1]:gsub("/", "")
    local _, m = b[1]:gsub("/", "")
    if n == m then return a[1] < b[1] end
    return n < m
  end)
  return list
end

-- Who makes what is below an AE: that AE.
local function owner(owners, path)
  while path do
    if owners[path] then return owners[path] end
    path = path:match("^(.+)/[^/]+$")
  end
end

local function ae_defaults(body)
  body.api, body.srv = body.api or "Ntest", body.srv or { "3" }
  if body.rr == nil then body.rr = true end
end

local function ensure(self, path, attrs, owners)
  local parent, name = path:match("^(/.*)/([^/]+)$")
  if not name then parent, name = "/", path:match("^/([^/]+)$") end
  if not name then fail("tree: %q is no path below the CSEBase", path) end
  if parent ~= "/" and not self:retrieve(parent) then ensure(self, parent, {}, owners) end
  local body = {}
  for k, v in pairs(attrs) do body[k] = v end
  body.ty, body.fr, body.rn = nil, nil, name
  local spec = spec_of(attrs.ty or "container")
  if spec.ty == 2 then ae_defaults(body) end
  local by = self:as(attrs.fr or owner(owners, parent))
  local made, err = by:create(parent, spec.ty, body)
  if not made then fail("tree: %s: %s", path, tostring(err)) end
  if spec.ty == 2 then owners[path] = made.aei end
end

--- Makes what `tree` says: path -> { ty = "container", fr = who makes it, attributes }; parents
-- that are missing are containers; who makes it is the AE above it, else the administrator.
-- Raises.
function verbs:plant(tree)
  local owners = {}
  for _, node in ipairs(nodes(tree)) do ensure(self, node[1], node[2], owners) end
end

return verbs
