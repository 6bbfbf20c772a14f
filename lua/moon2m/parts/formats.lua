-- Notification formats (cse.format) over a scope's life.  A format of the library that a script
-- replaces is there again when the script goes.

local core = require "moon2m.core.cse"
local format = require "moon2m.format"
local rules = require "moon2m.rule"

local part = {}

local builtin = {}               -- name -> the library's format that a script stands for

function part.check(scope, others)
  for _, other in ipairs(others) do
    for name in pairs(scope.formats) do
      if other.formats[name] then
        return nil, ("%s: cse.format %s: %s declares that format"):format(scope.file, name,
          other.file)
      end
    end
  end
  return true
end

local function caller(rule)
  return function(n)
    if rules.is_resting(rule) then return false, rule.name .. " rests" end
    local ok, body, ctype = rules.call(rule, 0, nil, n)
    if ok then
      rules.succeeded(rule)
    else
      rules.report(rule, body, "event of " .. tostring(n.to), "its notices are parked")
    end
    return ok, body, ctype
  end
end

function part.adopt(scope, _, undo)
  for name, d in pairs(scope.formats) do
    local before = format.get(name)
    if before and not before.call then builtin[name] = before end
    format.register(name, d.fn, d.opts, caller(d.rule))
    undo[#undo + 1] = function() format.restore(name, before) end
  end
  if next(scope.formats) then
    core.formats(format.names())
    table.insert(undo, 1, function() core.formats(format.names()) end)
  end
end

function part.drop(scope, successor)
  local gone = false
  for name in pairs(scope.formats) do
    if not (successor and successor.formats[name]) then
      format.restore(name, builtin[name])
      builtin[name], gone = nil, true
    end
  end
  if gone then core.formats(format.names()) end
end

return part
