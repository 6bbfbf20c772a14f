-- Resource types of scripts (cse.type) over a scope's life.  At a reload the types of the old
-- version are taken back and those of the new one declared, without a pause between.

local rules = require "moon2m.rule"
local rsc = require "moon2m.rsc"
local timers = require "moon2m.timers"
local types = require "moon2m.types"

local part = {}

-- The script's check(values, resource) -> nil | false, why as the check of a type's file, guarded.
local function guarded(scope, spec)
  if not spec.check then return spec end
  local own = {}
  for k, v in pairs(spec) do own[k] = v end
  local rule = rules.new(scope, "check", "check of type " .. tostring(spec.name or spec.extends),
    spec.check)
  rule.still = "the check of a type"
  function own.check(values, r)
    local ok, verdict, why = rules.call(rule, 0, nil, values, r and r.raw)
    if not ok then
      rules.report(rule, verdict, rule.name, "refused (5000), nothing stored")
      return rsc.err(rsc.INTERNAL_SERVER_ERROR,
        "the check of %s failed, nothing was stored", scope.name)
    end
    rules.succeeded(rule)
    if verdict == false then return rsc.err(rsc.BAD_REQUEST, "%s", why or "refused by a check") end
  end
  return own
end

local function register_all(scope)
  scope.undo_types = {}
  for i, spec in ipairs(scope.types) do
    local ok, T, back = pcall(types.register, guarded(scope, spec))
    if not ok then error(("%s: cse.type: %s"):format(scope.type_places[i], T), 0) end
    scope.undo_types[i] = back
  end
end

local function take_back(scope)
  for i = #(scope.undo_types or {}), 1, -1 do scope.undo_types[i]() end
  scope.undo_types = {}
end

function part.adopt(scope, previous, undo)
  if previous then take_back(previous) end
  undo[#undo + 1] = function()
    take_back(scope)
    if previous then register_all(previous) end
  end
  register_all(scope)
end

--- Declares the types of a scope that nobody will use and takes them back: true | nil, message.
function part.try(scope)
  local ok, why = pcall(register_all, scope)
  take_back(scope)
  if not ok then return nil, tostring(why) end
  return true
end

--- Called when types went with a script that nothing replaced; set by boot.
part.gone = nil

function part.drop(scope)
  local some = scope.undo_types and scope.undo_types[1]
  take_back(scope)
  if some and part.gone then timers.spawn(part.gone) end
end

return part
