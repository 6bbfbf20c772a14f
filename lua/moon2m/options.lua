-- Tables of options that scripts hand to public functions.  Each is declared by its rows, under the
-- name of its class in the reference (lua/moon2m/meta), and one function checks them all: types,
-- ranges, what is missing, what nobody knows.  The library goes on with a copy that has the
-- defaults.

local mistake = require "moon2m.mistake"

local options = {}

--- Class of the reference -> its rows, of the modules that are loaded.
options.classes = {}

local ARTICLE = { ["function"] = "a function", boolean = "a boolean", number = "a number",
  string = "a string", table = "a table", ["false"] = "false" }

-- "a", "b" or "c"
local function listed(words)
  local last = words[#words]
  if #words == 1 then return last end
  return table.concat(words, ", ", 1, #words - 1) .. " or " .. last
end

local function prepare(row)
  row.kinds = {}
  local words = {}
  for kind in (row[1] or ""):gmatch("[^|]+") do
    row.kinds[kind] = true
    words[#words + 1] = assert(ARTICLE[kind], kind)
  end
  for i, value in ipairs(row.values or {}) do words[i] = ('"%s"'):format(value) end
  row.expected = words[1] and listed(words)
end

--- Declares the options of a class: name -> row { "number" or "number|false" ... (nil: anything),
-- min =, max = (of a text: bytes), whole =, default =, required =, values = the texts that are
-- possible }; noun: what one of them is called, "option".  Returns what `read` takes.
function options.declare(class, rows, noun)
  local names = {}
  for name, row in pairs(rows) do
    prepare(row)
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  local declared = { rows = rows, noun = noun or "option", known = table.concat(names, ", ") }
  options.classes[class] = declared
  return declared
end

local function is_one_of(v, list)
  for _, value in ipairs(list) do
    if v == value then return true end
  end
  return false
end

local function fits(row, v)
  if row.values then return is_one_of(v, row.values) end
  return not row.expected or row.kinds[type(v)] or v == false and row.kinds["false"]
end

local function range_error(row, v)
  if type(v) == "string" and row.kinds.string and row.max and
      (v == "" or v:find("%z") or #v > row.max) then
    return ("a text of 1 to %d bytes was expected"):format(row.max)
  end
  if type(v) ~= "number" or not row.min then return nil end
  local whole = not row.whole or v % 1 == 0
  if v >= row.min and v <= (row.max or math.huge) and whole then return nil end
  return ("a %snumber from %.14g%s was expected, got %s"):format(row.whole and "whole " or "",
    row.min, row.max and (" to %.14g"):format(row.max) or " on", mistake.got(v))
end

local function value_error(name, row, v)
  if v == nil then return row.required and ("%s is missing"):format(name) or nil end
  if not fits(row, v) then
    return ("%s: %s was expected, got %s"):format(name, row.expected,
      row.values and mistake.got(v) or "a " .. type(v))
  end
  local wrong = range_error(row, v)
  return wrong and ("%s: %s"):format(name, wrong)
end

--- Checks the table o against what `declare` returned: a copy with the defaults | nil, why.
function options.read(o, declared)
  if type(o) ~= "table" then return nil, "a table of options was expected, got a " .. type(o) end
  local rows, out = declared.rows, {}
  for name in pairs(o) do
    if not rows[name] then
      return nil, ("unknown %s '%s'; known are %s"):format(declared.noun, tostring(name),
        declared.known)
    end
  end
  for name, row in pairs(rows) do
    local wrong = value_error(name, row, o[name])
    if wrong then return nil, wrong end
    if o[name] ~= nil then out[name] = o[name] else out[name] = row.default end
  end
  return out
end

--- The same for the function `what` of a script: raises "what: why" at the script's line.
function options.check(what, o, declared)
  local out, why = options.read(o, declared)
  return out or mistake.fail("%s: %s", what, why)
end

return options
