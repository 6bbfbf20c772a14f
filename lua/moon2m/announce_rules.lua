-- What a CREATE or UPDATE may say of its resource's announcement (TS-0001 9.6.1.3, 9.6.26): `at`,
-- the CSEs (or the resources there, to be announced below), each once; `aa`, the attributes that
-- are announced because they are named; `ast`.

local announced = require "moon2m.announced"
local json = require "moon2m.json"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local types = require "moon2m.types"

local BIDIRECTIONAL = 2
local MAX_TARGETS = 64
local null = json.null

local rules = {}

local function bad(...)
  return rsc.err(rsc.BAD_REQUEST, ...)
end

local function check_targets(at)
  if #at > MAX_TARGETS then return bad("at: more than %d entries", MAX_TARGETS) end
  local seen = {}
  for i, entry in ipairs(at) do
    local csi = announced.cse_of(entry)
    if not csi then
      return bad("at: entry %d: neither a CSE-ID nor an SP-relative or absolute address", i)
    end
    if csi == path.configured() then
      return bad("at: entry %d: %s is this CSE itself", i, csi)
    end
    if seen[csi] then return bad("at: entry %d: %s is there already", i, csi) end
    seen[csi] = true
  end
end

-- Whether an attribute is there after the request, or may come to be there by itself.
local function present(T, name, values, r)
  return T.attr[name].create == "-" or schema.after(values, r, name) ~= nil
end

-- Names of attributes that are never announced, or are not there, are left out.
local function check_names(T, raw, values, r)
  local list = json.array {}
  for _, name in ipairs(values.aa) do
    if not T.attr[name] then return bad("aa: %s is no attribute of %s", name, T.root) end
    if types.announces(T, name) and present(T, name, values, r) then list[#list + 1] = name end
  end
  if list[1] then
    raw.aa, values.aa = json.encode(list), list
  elseif r then
    raw.aa, values.aa = "null", null
  else
    raw.aa, values.aa = nil, nil
  end
end

local function is_set(v)
  return v ~= nil and v ~= null
end

--- Checks and completes what schema.check_create or schema.check_update gave; r: the resource of an
-- UPDATE or nil.  nil, or a 4000 or 5001.
function rules.check(T, raw, values, r)
  if not T.attr.at then return nil end
  if values.ast == BIDIRECTIONAL then return announced.not_synchronised() end
  local e = is_set(values.at) and check_targets(values.at)
  if e then return e end
  return is_set(values.aa) and check_names(T, raw, values, r) or nil
end

return rules
