-- Evaluation criteria of actions and dependencies (Release 4): an attribute compared with a
-- threshold.  What a criterion may say depends on the attribute's kind: numbers and times have an
-- order, other texts and booleans are the same or not, lists and objects have no threshold.

local json = require "moon2m.json"
local kind = require "moon2m.kind"
local tree = require "moon2m.tree"
local types = require "moon2m.types"

local evaluation = {}

local EQUAL, NOT_EQUAL, GREATER, LESS, AT_LEAST, AT_MOST = 1, 2, 3, 4, 5, 6

local COMPARE = {
  [EQUAL] = function(a, b) return a == b end,
  [NOT_EQUAL] = function(a, b) return a ~= b end,
  [GREATER] = function(a, b) return a > b end,
  [LESS] = function(a, b) return a < b end,
  [AT_LEAST] = function(a, b) return a >= b end,
  [AT_MOST] = function(a, b) return a <= b end,
}

local criterion = kind.of(require("moon2m.types.shared").criterion)

-- A JSON text as attribute A has it, for a comparison: a number, text or boolean, or nil.  Content
-- that is a number in a text counts as one.
local function plain(A, text)
  local v = A.check(text)
  if A.kind.name == "any" then
    v = json.decode(text)
    if type(v) == "string" then v = tonumber(v) or v end
  end
  local is = type(v)
  if is == "number" or is == "string" or is == "boolean" then return v end
end

--- Whether a criterion can be applied to resources of type T: nil, or what is wrong with it.
function evaluation.misfit(evc, T)
  local A = T.attr[evc.sbjt]
  if not A then return ("evc: sbjt: a %s has no attribute %s"):format(T.name, evc.sbjt) end
  local v, why = A.check(evc.thld)
  if v == nil then return ("evc: thld: %s: %s"):format(evc.sbjt, why) end
  v = plain(A, evc.thld)
  if v == nil then return ("evc: sbjt: %s cannot be compared"):format(evc.sbjt) end
  if evc.optr > NOT_EQUAL and type(v) ~= "number" then
    return ("evc: optr: %s has no order, only 1 (equal) and 2 (not equal) are possible"):format(
      evc.sbjt)
  end
end

--- Whether r (a resource or an instance) meets a criterion now; false when it has no such
-- attribute, or a value of another kind than the threshold's.
function evaluation.holds(evc, r)
  local A = r.type.attr[evc.sbjt]
  local text = A and (A.get and A.get(r) or not A.get and r.raw[evc.sbjt])
  local v, limit = text and plain(A, text), A and plain(A, evc.thld)
  if v == nil or v == false and not text or type(v) ~= type(limit) then return false end
  return COMPARE[evc.optr](v, limit)
end

--- The criterion of a resource that was stored.
function evaluation.of(r)
  return criterion.check(r.raw.evc)
end

--- The resource or instance that an address means, of "la" and "ol" the instance (nil: none); then
-- the type that it has or would have, and the resource whose changes concern it.  All nil: there is
-- no such resource here.  Yields.
function evaluation.subject(address)
  local r = tree.resolve(address)
  if not r then return nil end
  if r.virtual == "la" or r.virtual == "ol" then
    local holder = r.parent
    local i = r.virtual == "la" and tree.latest(holder) or r.virtual == "ol" and tree.oldest(holder)
    return i or nil, types.by_name[holder.type.instances], holder
  end
  if r.virtual then return nil end
  return r, r.type, r
end

return evaluation
