-- `moon2m test --cover`: which lines of the scripts under test ran.  A line hook notes the lines of
-- what guard.compile made; the lines that could run are those that the bytecode names.  The JIT is
-- off: compiled code would not be seen.

local util = require "jit.util"
local guard = require "moon2m.core.guard"

local cover = {}

local SHOWN = 20                 -- ranges of lines that are listed for a file

local could, did = {}, {}        -- chunk name -> line -> true

-- The lines of a function or prototype, and of those inside it.
local function lines_of(f, into)
  local info = util.funcinfo(f)
  for pc = 1, info.bytecodes - 1 do
    local line = util.funcinfo(f, pc).currentline
    if line and line > 0 then into[line] = true end
  end
  for k = -1, -(info.gcconsts or 0), -1 do
    local inner = util.funck(f, k)
    if type(inner) == "proto" then lines_of(inner, into) end
  end
end

local function hook(_, line)
  local ran = did[debug.getinfo(2, "S").source]
  if ran then ran[line] = true end
end

--- Again after the guard used the hook for itself; before each run of user code.
function cover.arm()
  if debug.gethook() ~= hook then debug.sethook(hook, "l") end
end

--- From now on; before the first script is loaded.
function cover.start()
  jit.off()
  jit.flush()
  local compile = guard.compile
  function guard.compile(text, name, env)
    local chunk, why = compile(text, name, env)
    if chunk and name:sub(1, 1) == "@" then
      could[name], did[name] = could[name] or {}, did[name] or {}
      lines_of(chunk, could[name])
    end
    return chunk, why
  end
  cover.on = true
  cover.arm()
end

-- "3-5, 9": lines that could have run and did not; a line in between that cannot run joins them.
local function missing(can, ran)
  local lines, ranges = {}, {}
  for line in pairs(can) do lines[#lines + 1] = line end
  table.sort(lines)
  local first, last
  for i = 1, #lines + 1 do
    local line = lines[i]
    if line and not ran[line] then
      first, last = first or line, line
    elseif first then
      ranges[#ranges + 1] = first == last and tostring(first) or first .. "-" .. last
      first = nil
    end
  end
  return ranges
end

local function count(set, only)
  local n = 0
  for line in pairs(set) do
    if not only or only[line] then n = n + 1 end
  end
  return n
end

--- Prints a line per file: "apps/stats.lua  92 %  not run: 12, 20-22".
function cover.report(prefix)
  debug.sethook()
  local names = {}
  for name in pairs(could) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local ranges = missing(could[name], did[name])
    local text = table.concat(ranges, ", ", 1, math.min(#ranges, SHOWN))
    if #ranges > SHOWN then text = text .. ", ..." end
    print(("%s%-32s %3.0f %%%s"):format(prefix, name:sub(2),
      math.floor(100 * count(could[name], did[name]) / count(could[name])),
      text ~= "" and "  not run: " .. text or ""))
  end
end

return cover
