-- Resource types of scripts (cse.type) over a scope's life.  At a reload the types of the old
-- version are taken back and those of the new one declared, without a pause between.

local kind = require "moon2m.kind"
local options = require "moon2m.options"
local rules = require "moon2m.rule"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local timers = require "moon2m.timers"
local types = require "moon2m.types"

local part = {}

local FIELDS = options.declare("moon2m.type", {
  attrs = { "table" }, check = { "function" }, children = { "table" }, cnd = { "string" },
  extends = { "string" }, mgd = { "number", min = 0, whole = true }, name = { "string" },
  parents = { "table" }, short = { "string" }, ty = { "number", min = 0, whole = true },
}, "field")

-- Presence of an attribute in a create and in an update; its name and kind are looked at apart.
local OF_ROW = options.declare("moon2m.type.attribute", {
  [1] = { "string", required = true }, [2] = {},
  create = { "string", values = { "M", "O", "-" } }, update = { "string", values = { "O", "-" } },
  list = { "number", min = 0, whole = true }, one = { "boolean" }, later = { "string" },
}, "field")

-- Names of types, a list of texts; anything else raises.
local function check_names(what, list)
  local n = 0
  for k, v in pairs(type(list) == "table" and list or { 5 }) do
    n = n + 1
    if k ~= n or type(v) ~= "string" then
      error(("%s: a list of names of types was expected"):format(what), 0)
    end
  end
end

-- ---- functions of a script ----------------------------------------------------------------------

local function failed(scope, what, how)
  return rsc.err(rsc.INTERNAL_SERVER_ERROR, "%s of %s %s, nothing was stored", what, scope.name,
    how)
end

-- Runs a rule that is asked before the commit: true, its results; or false and the err that refuses
-- the request.
local function ask(rule, what, ...)
  local scope = rule.scope
  if rules.is_resting(rule) then return false, failed(scope, what, "rests after failures") end
  local ok, first, second, third = rules.call(rule, 0, nil, ...)
  if not ok then
    rules.report(rule, first, what, "refused (5000), nothing stored")
    return false, failed(scope, what, "failed")
  end
  rules.succeeded(rule)
  return true, first, second, third
end

-- The check of a kind with a function of the script in it, within a budget for the whole value.
local function guard_of(scope, type_name, name)
  return function(k)
    local rule = rules.new(scope, "check", ("kind of %s.%s"):format(type_name, name), k.check)
    rule.still = "a kind"
    local what = ("the kind of %s (%s)"):format(name, (k.of or k).what)
    return function(raw)
      local ok, v, why = ask(rule, what, raw)
      if not ok then return nil, v end
      return v, why
    end
  end
end

-- The err that a check of a script stands for: an err of its own (rsc.err), or false, why, rsc.
local function refusal(verdict, why, code)
  if type(verdict) == "table" then
    why, code = verdict.msg, verdict.rsc
  elseif verdict ~= false then
    return nil
  end
  if type(code) ~= "number" or code < 4000 or not rsc.http[code] then code = rsc.BAD_REQUEST end
  return rsc.err(code, "%s", type(why) == "string" and why or "refused by a check")
end

-- The script's check(values, resource) as the check of a type's file, guarded.
local function check_of(scope, type_name, fn)
  local rule = rules.new(scope, "check", "check of type " .. type_name, fn)
  rule.still = "the check of a type"
  return function(values, r)
    local ok, verdict, why, code = ask(rule, "the check", values,
      r and schema.all_seen(r))
    if not ok then return verdict end
    return refusal(verdict, why, code)
  end
end

-- ---- what a script gave -------------------------------------------------------------------------

-- A row of attrs without anything that the script could change later.
local function row(scope, type_name, i, r)
  if type(r) == "string" then return r end
  if type(r) ~= "table" or type(r[1]) ~= "string" then
    error(("attribute %d: a name or a row that begins with one was expected"):format(i), 0)
  end
  local row_ok, wrong = options.read(r, OF_ROW)
  if not row_ok then error(("attribute %s: %s"):format(r[1], wrong), 0) end
  local given = r[2]
  if given == nil and not schema.common[r[1]] then given = "any" end
  local ok, k = true, nil
  if given ~= nil then ok, k = pcall(kind.known, given) end
  if not ok and type(given) == "string" then
    error(("attribute %s: %s"):format(r[1], k), 0)
  end
  if not ok then
    error(("attribute %s: a kind by name, of moon2m.kinds, or a list of texts or numbers was " ..
      "expected"):format(r[1]), 0)
  end
  return { r[1], k, list = r.list, create = r.create, update = r.update, one = r.one,
    later = r.later, guard = k and k.tested and guard_of(scope, type_name, r[1]) or nil }
end

-- A copy of what a script gave: data, its check and its kinds guarded.  Raises what is wrong.
local function guarded(scope, spec)
  local name = spec.name or spec.extends
  name = type(name) == "string" and name or "a type"
  local own, wrong = options.read(spec, FIELDS)
  if not own then
    error(wrong:find("^unknown") and wrong or ("%s: %s"):format(name, wrong), 0)
  end
  for _, key in ipairs { "children", "parents" } do
    if spec[key] ~= nil then check_names(name .. ": " .. key, spec[key]) end
  end
  own.check = spec.check and check_of(scope, name, spec.check)
  if type(spec.attrs) ~= "table" then return own end
  own.attrs = {}
  for i, r in ipairs(spec.attrs) do
    local ok, one = pcall(row, scope, name, i, r)
    if not ok then error(("%s: %s"):format(name, one), 0) end
    own.attrs[i] = one
  end
  return own
end

local function register_all(scope)
  scope.undo_types = {}
  for i, spec in ipairs(scope.types) do
    local ok, T, back = pcall(function() return types.register(guarded(scope, spec)) end)
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
