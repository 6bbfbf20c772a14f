-- The start-up tree: a Lua file of the operator (configuration key `boot`) with who this CSE is and
-- who has access where no policy is named (`cse`, `default_access`, read by config.lua), the
-- CSEBase's own attributes and the resources of an empty store.
--
--   resources = { { ["m2m:acp"] = { rn = "...", pv = ... }, fr = "CAdmin", children = { ... } } }
--
-- Guarantees: made once, when the store is new; all of it or, after a mistake, nothing; a start
-- that was killed meanwhile is finished by the next.  `_boot` of the CSEBase says how far it is:
-- "pending", or the digest of the file that was applied.

local concat = table.concat

local startup = {}

local TOP = { boot = false, cse = true, default_access = true, resources = true }
local OWN = { "acpi", "cstn", "daci", "lbl", "loc" }            -- of the CSEBase
for _, name in ipairs(OWN) do TOP[name] = true end
local ENTRY = { fr = true, children = true }
local PENDING = '"pending"'
local AE, REMOTE_CSE = 2, 16
local MAX_DEPTH = 50

-- ---- the file -----------------------------------------------------------------------------------

-- The attributes' key of an entry: its root, "m2m:acp".
local function root_of(entry, key, complain)
  local root
  for k in pairs(entry) do
    if type(k) == "string" and k:find(":", 1, true) and not root then
      root = k
    elseif not ENTRY[k] then
      complain(key .. "." .. tostring(k), root and k ~= root and "one resource is expected, with"
        .. " fr and children beside it" or 'expected a type as in ["m2m:cnt"], fr or children')
    end
  end
  if not root then complain(key, 'no type, expected a resource as in ["m2m:cnt"] = { ... }') end
  return root
end

local function read_list(list, key, complain, depth)
  if type(list) ~= "table" then complain(key, "expected a list of resources") end
  if depth > MAX_DEPTH then complain(key, "nested deeper than " .. MAX_DEPTH) end
  for k in pairs(list) do
    if type(k) ~= "number" or k > #list then
      complain(key .. "." .. tostring(k), "expected a list, without names")
    end
  end
  local out = {}
  for i, entry in ipairs(list) do
    local at = key .. "." .. i
    if type(entry) ~= "table" then complain(at, "expected a table") end
    local root = root_of(entry, at, complain)
    local attrs = entry[root]
    if type(attrs) ~= "table" then complain(at .. "." .. root, "expected a table") end
    if type(attrs.rn) ~= "string" then
      complain(at .. "." .. root, "rn: missing, a start-up resource has a name")
    end
    if entry.fr ~= nil and type(entry.fr) ~= "string" then
      complain(at .. ".fr", "expected an originator (string)")
    end
    out[i] = { root = root, attrs = attrs, fr = entry.fr, key = at,
      children = entry.children and
        read_list(entry.children, at .. ".children", complain, depth + 1) or {} }
  end
  return out
end

--- Reads what a boot file assigned (given) as far as no type is needed; complain(key, why) raises
-- the text with file and line.  digest: of the file.  Returns a plan for `apply`.
function startup.read(given, complain, digest)
  for k in pairs(given) do
    if not TOP[k] then
      complain(tostring(k), "unknown key; known here: acpi, cse, cstn, daci,"
        .. " default_access, lbl, loc, resources")
    end
  end
  return { own = given, digest = digest, complain = complain,
    resources = read_list(given.resources or {}, "resources", complain, 1) }
end

-- ---- values -------------------------------------------------------------------------------------

-- JSON text of an attribute; what the kind says is a list is one also when it is empty.
local function shaped(kind, v)
  local json = require "moon2m.json"
  if type(v) ~= "table" then return v end
  if kind and kind.of then
    local out = json.array {}
    for k, x in pairs(v) do out[k] = shaped(kind.of, x) end
    return out
  end
  local out, by = {}, {}
  for _, m in ipairs(kind and kind.members or {}) do
    local k = require("moon2m.kind").of(m[2])
    by[m[1]] = m.list and { of = k } or k
  end
  for k, x in pairs(v) do out[k] = shaped(by[k], x) end
  return out
end

local function encoded(plan, key, kind, v)
  local ok, text = pcall(require("moon2m.json").encode, shaped(kind, v))
  if not ok then plan.complain(key, tostring(text)) end
  return text
end

local function representation(plan, entry, T)
  local parts = {}
  for name, v in pairs(entry.attrs) do
    local key = entry.key .. "." .. entry.root .. "." .. tostring(name)
    if type(name) ~= "string" then plan.complain(key, "expected attributes with names") end
    local A = T.attr[name]
    parts[#parts + 1] = ("%q:%s"):format(name, encoded(plan, key, A and A.kind, v))
  end
  table.sort(parts)
  return ("{%q:{%s}}"):format(entry.root, concat(parts, ","))
end

-- Texts of the CSEBase's own attributes, checked.
local function own(plan)
  local T, out = require("moon2m.types").by_ty[5], {}
  for _, name in ipairs(OWN) do
    if plan.own[name] ~= nil then
      local text = encoded(plan, name, T.attr[name].kind, plan.own[name])
      local v, why = T.attr[name].check(text)
      if v == nil then plan.complain(name, why) end
      out[name] = text
    end
  end
  return out
end

-- ---- applying it --------------------------------------------------------------------------------

-- A refusal names the attribute first, mostly: "mni: expected ...".
local function refuse(plan, entry, code, pc)
  local why = pc and require("moon2m.json").decode(pc)
  why = why and why["m2m:dbg"] or tostring(code)
  local name, rest = why:match("^([%w_]+): (.*)$")
  local key = entry.key .. "." .. entry.root
  if name and entry.attrs[name] ~= nil then key, why = key .. "." .. name, rest end
  plan.complain(key, ("%s (%d)"):format(why, code))
end

local function originator(plan, entry, fr)
  local T = require("moon2m.types").find(entry.root)
  if not T then plan.complain(entry.key .. "." .. entry.root, "unknown type") end
  if (T.ty == AE or T.ty == REMOTE_CSE) and not entry.fr then
    plan.complain(entry.key .. "." .. entry.root, T.ty == AE
      and "fr: missing, the AE-ID that is registered" or "fr: missing, the CSE-ID of it")
  end
  return entry.fr or fr, T
end

local function create(plan, entry, below, fr, made)
  local tree = require "moon2m.tree"
  local who, T = originator(plan, entry, fr)
  local p = below == "" and entry.attrs.rn or below .. "/" .. entry.attrs.rn
  if not tree.resolve(require("moon2m.path").structured(p)) then
    local code, pc = require("moon2m.dispatch").perform { op = 1, fr = who, ty = T.ty,
      to = require("moon2m.path").structured(below), pc = representation(plan, entry, T) }
    if code ~= require("moon2m.rsc").CREATED then refuse(plan, entry, code, pc) end
    made[#made + 1] = p
  end
  for _, child in ipairs(entry.children) do create(plan, child, p, who, made) end
end

-- What was made goes again, the last first.
local function take_back(made, admin)
  for i = #made, 1, -1 do
    require("moon2m.dispatch").perform { op = 4, fr = admin,
      to = require("moon2m.path").structured(made[i]) }
  end
end

local function store(base, texts)
  local write, tree = require "moon2m.write", require "moon2m.tree"
  for name, text in pairs(texts) do base.raw[name] = text end
  tree.refresh(base)
  local ok, e = write.commit({ { "set", tree.row(base) } }, nil, base)
  if not ok then error("the start-up tree cannot be stored: " .. e.msg, 0) end
end

--- Makes the resources of the plan when they were not made yet; admin: who makes what names no fr.
-- Raises the text for the user at a mistake; then nothing of the plan is there.  Yields.
function startup.apply(plan, admin)
  local sys = require "moon2m.core.sys"
  local base = require("moon2m.tree").by_id(1)
  local state = base.raw._boot
  if state ~= PENDING then
    if state ~= '"' .. plan.digest .. '"' then
      sys.log("info", "boot", state and "the boot file changed since it was applied: not applied"
        .. " again" or "the store is older than the boot file: not applied")
    end
    return
  end
  local made, texts = {}, own(plan)
  texts._boot = '"' .. plan.digest .. '"'
  local ok, why = pcall(function()
    for _, entry in ipairs(plan.resources) do create(plan, entry, "", admin, made) end
  end)
  if not ok then
    take_back(made, admin)
    error(why, 0)
  end
  store(base, texts)
  sys.log("info", "boot", ("start-up tree made resources=%d"):format(#made))
end

return startup
