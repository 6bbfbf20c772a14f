-- Names that a script uses and nobody declares, found in its code without running it: a typo in a
-- handler is told when the script is loaded or checked, not when the handler runs for the first
-- time.  Reading such a name is an error when it happens all the same (env.lua).

local util = require "jit.util"

local undeclared = {}

local function opcode(ins) return bit.band(ins, 0xff) end

-- The numbers of the two instructions differ between versions of LuaJIT.
local GET = opcode((util.funcbc(loadstring "return a", 1)))
local SET = opcode((util.funcbc(loadstring "a = 1", 2)))

-- Calls found(name, line) for each global that the function, or one inside it, reads or assigns.
local function walk(fn, found)
  local pc = 1
  local ins = util.funcbc(fn, pc)
  while ins do
    local op = opcode(ins)
    if op == GET or op == SET then
      found(util.funck(fn, -bit.rshift(ins, 16) - 1), util.funcinfo(fn, pc).currentline)
    end
    pc = pc + 1
    ins = util.funcbc(fn, pc)
  end
  local i = -1
  local k = util.funck(fn, i)
  while k ~= nil do
    if type(k) == "proto" then walk(k, found) end
    i = i - 1
    k = util.funck(fn, i)
  end
end

--- The names that a chunk uses and `world` (its environment, after it ran) does not have, in the
-- order of their lines: "file:line: undeclared variable 'x'" each.
function undeclared.list(chunk, world)
  local list, seen = {}, {}
  local file = debug.getinfo(chunk, "S").short_src
  walk(chunk, function(name, line)
    local key = line .. " " .. name
    if rawget(world, name) ~= nil or seen[key] then return end
    seen[key] = true
    list[#list + 1] = { line = line, text = ("%s:%d: undeclared variable '%s'"):format(file, line,
      name) }
  end)
  table.sort(list, function(a, b) return a.line < b.line end)
  for i, one in ipairs(list) do list[i] = one.text end
  return list
end

return undeclared
