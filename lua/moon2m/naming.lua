-- The attributes that a request names: those of a partial RETRIEVE (TS-0004 7.3.3.6), those that an
-- UPDATE writes; and whether a rule that is limited to some attributes (`aca`) covers them.
-- Never: a request that asks for, tests or writes anything else counts as covered.  What the answer
-- of an UPDATE shows is its rcn's matter, as for any UPDATE without the RETRIEVE privilege.

local json = require "moon2m.core.json"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"

local RETRIEVE, UPDATE = 2, 3
local RIGHT = { [2] = RETRIEVE, [4] = UPDATE }     -- operations by their privilege
local MAX_NAMES = 128            -- in an attribute list

local naming = {}

-- The attribute list of pc, { "m2m:atrl": [...] } (the root without prefix is accepted too).
local function listed(pc)
  local outer, names = json.members(pc)
  local raw = outer and #names == 1 and (outer["m2m:atrl"] or outer.atrl)
  local items = raw and raw:byte() == 91 and json.elements(raw)
  local list = {}
  for i, item in ipairs(items or {}) do list[i] = json.string(item) end
  if not items or #list ~= #items or #list == 0 or #list > MAX_NAMES then
    return nil, rsc.err(rsc.BAD_REQUEST,
      "pc: a RETRIEVE may carry m2m:atrl, a list of attribute names")
  end
  return list
end

--- The list of attributes that a RETRIEVE asks for, nil when all are; nil, err.  attr: the one that
-- its address names, or nil.
function naming.asked(req, attr)
  if req.pc then return listed(req.pc) end
  return attr and { attr } or req.params.atrl
end

-- The list of attributes that an UPDATE writes; nil when it cannot be told.
local function written(pc)
  local outer, names = json.members(pc)
  if not outer or #names ~= 1 then return nil end
  local inner, list = json.members(outer[names[1]])
  return inner and list
end

--- Whether `right` (a privilege, access.RETRIEVE or access.UPDATE) is asked for a request of that
-- operation which concerns only attributes in a list.  Others, a request with conditions among
-- them, are about the whole resource.
function naming.within(req, right, aca)
  if RIGHT[right] ~= req.op or not req.params or req.params.fc then return false end
  local list
  if req.op == UPDATE then
    list = req.pc and written(req.pc)
  else
    local a = path.parse(req.to)
    list = a and naming.asked(req, a.attr)
  end
  local set = {}
  for _, name in ipairs(aca) do set[name] = true end
  for _, name in ipairs(list or {}) do
    if not set[name] then return false end
  end
  return list ~= nil and #list > 0
end

return naming
