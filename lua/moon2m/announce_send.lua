-- Requests that keep the copies of announced resources at other CSEs (TS-0001 10.2.13, TS-0004
-- 7.3.3.10, 7.3.3.11): what a copy has, and its CREATE, UPDATE, DELETE and the look-up by `lnk`, in
-- the name of this CSE, over transit.lua.
-- Guarantees: each ends in bounded time.  The second result of each is the response's status code,
-- nil when none came: then it may have been executed or not.

local core = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local announced = require "moon2m.announced"
local json = require "moon2m.json"
local path = require "moon2m.path"
local remote = require "moon2m.remote"
local rsc = require "moon2m.rsc"
local transit = require "moon2m.transit"
local tree = require "moon2m.tree"
local types = require "moon2m.types"

local CREATE, RETRIEVE, UPDATE, DELETE = 1, 2, 3, 4
local PATIENCE = 5               -- s that a CSE has to answer
local CSE_BASE = 5

local send = {}
local last = 0
local life = 365 * 86400 * 1e6   -- microseconds of a copy whose original has no end

--- seconds: the life of what names none.
function send.configure(seconds)
  life = seconds * 1e6
end

-- ---- what a copy has ----------------------------------------------------------------------------

-- An identifier of this CSE as the CSE csi would write it.
local function as_seen(csi, id)
  if csi:sub(1, 2) == "//" then return path.absolute(path.sp_relative(id)) end
  return path.sp_relative(id)
end

-- The text of a list of identifiers.
local function identifiers(csi, text)
  local list = json.array {}
  for i, id in ipairs(json.decode(text)) do list[i] = as_seen(csi, id) end
  return json.encode(list)
end

-- The policies of a resource, or else of its parent (TS-0004 7.3.3.10).  Yields.
local function policies(r)
  if r.raw.acpi then return r.raw.acpi end
  local parent = tree.parent(r)
  return parent and parent.raw.acpi
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list or {}) do set[name] = true end
  return set
end

local OWN = { acpi = true, et = true }
local LISTS = { daci = true }

--- The text of what resource r names as announced, name -> JSON text; V: the type of its copy.
-- Yields.
function send.attributes(r, V, csi)
  local out = { lnk = core.quote(as_seen(csi, r.ri)),
    et = core.quote(sys.stamp(r.et or sys.now() + life)) }
  local named = set_of(r.raw.aa and json.decode(r.raw.aa))
  for _, a in ipairs(r.type.rows) do
    local name = a.name
    local mark = V.attr[name] and not OWN[name] and types.announces(r.type, name)
    if mark == "MA" or mark and named[name] then
      local text = r.raw[name] or a.get and a.get(r)
      out[name] = text and LISTS[name] and identifiers(csi, text) or text
    end
  end
  local acpi = policies(r)
  if acpi then out.acpi = identifiers(csi, acpi) end
  return out
end

--- A digest of each, to be compared later.
function send.digests(attributes)
  local out = {}
  for name, text in pairs(attributes) do out[name] = sys.sha256(text):sub(1, 16) end
  return out
end

-- ---- requests -----------------------------------------------------------------------------------

-- The text of a representation, in the order of the type.
local function content(V, attributes)
  local parts = {}
  for _, name in ipairs(V.order) do
    if attributes[name] then parts[#parts + 1] = ('"%s":%s'):format(name, attributes[name]) end
  end
  return ('{"%s":{%s}}'):format(V.root, table.concat(parts, ","))
end

local function request(op, to, o)
  last = last + 1
  local me, now = path.configured(), sys.now()
  o.op, o.to, o.fr, o.who, o.via, o.now = op, to, me, me, "script", now
  o.mono = sys.mono()
  o.rqi, o.params, o.times = "announce." .. last, {}, { rqet = now + PATIENCE * 1e6 }
  local code, pc = transit.perform(o)
  if code then return code, pc end
  return nil, nil, pc.msg
end

-- The first member of a representation's object.
local function inner(pc)
  local ok, v = pcall(json.decode, pc or "")
  local _, attrs = next(ok and type(v) == "table" and v or {})
  return type(attrs) == "table" and attrs or {}
end

-- An identifier in an answer of CSE csi, as an address from here.
local function address(csi, id)
  if type(id) ~= "string" or id == "" then return nil end
  return id:byte() == 47 and id or csi .. "/" .. id
end

local function reason(pc, msg)
  local ok, v = pcall(json.decode, pc or "")
  local text = ok and type(v) == "table" and v["m2m:dbg"]
  return msg or type(text) == "string" and text or "no reason given"
end

--- CREATE of a copy of type V below `below`: its address and end (a time text) or nil, then the
-- status code and a reason.  Yields.
function send.create(V, below, attributes, csi)
  local code, pc, msg = request(CREATE, below, { ty = V.ty, pc = content(V, attributes) })
  if code == rsc.CREATED then
    local attrs = inner(pc)
    return address(csi, attrs.ri), code, attrs.et
  end
  return nil, code, reason(pc, msg)
end

--- UPDATE of a copy; attributes: name -> text, "null" removes.  `acpi` goes alone.  True or nil,
-- code, reason.  Yields.
function send.update(V, to, attributes)
  local groups, rest = {}, {}
  for name, text in pairs(attributes) do
    if name == "acpi" then groups[1] = { acpi = text } else rest[name] = text end
  end
  if next(rest) then groups[#groups + 1] = rest end
  for _, group in ipairs(groups) do
    local code, pc, msg = request(UPDATE, to, { pc = content(V, group) })
    if code ~= rsc.UPDATED then return nil, code, reason(pc, msg) end
  end
  return true, rsc.UPDATED
end

--- DELETE of a copy: code, reason.  Yields.
function send.delete(to)
  local code, pc, msg = request(DELETE, to, {})
  return code, reason(pc, msg)
end

--- The addresses of copies of type ty below `below` by their `lnk` (there is one at most, but for
-- a CREATE that was carried out after its end); then the code.  Yields.
function send.find(ty, below, lnk, csi)
  local code, pc = request(RETRIEVE, below,
    { query = ("fu=1&drt=2&ty=%d&lnk=%s"):format(ty, lnk) })
  local ok, v = pcall(json.decode, pc or "")
  local list = code == rsc.OK and ok and type(v) == "table" and v["m2m:uril"]
  local found = {}
  for _, id in ipairs(type(list) == "table" and list or {}) do
    found[#found + 1] = address(csi, id)
  end
  return found, code
end

--- Where a CSE's CSEBase is: what it registered with, else the name that stands for any.  Yields.
function send.base_of(csi)
  local csr = remote.csr_of(csi)
  local cb = csr and csr.key == csi and tree.value(csr, "cb")
  local at = cb and path.originator(cb)
  return at and announced.cse_of(at) == csi and at ~= csi and at or csi .. "/-"
end

--- The type of the copy of a resource, nil when it has none.
function send.variant(r)
  if r.ty == CSE_BASE then return types.by_ty[announced.number(CSE_BASE)] end
  return types.variant(r.type)
end

return send
