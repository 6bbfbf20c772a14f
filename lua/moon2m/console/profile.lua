-- Where the time goes: LuaJIT's profiler samples the loop's thread for some seconds; the lines that
-- were seen most often are printed, those of scripts and of the library alike.

local core = require "moon2m.core.profile"
local sys = require "moon2m.core.sys"
local show = require "moon2m.show"

local profile = {}

local INTERVAL = 1                -- ms between samples
local LINES = 20

local function percent(n, of)
  return ("%.1f %%"):format(100 * n / math.max(1, of))
end

-- The lines of one stack: the innermost, and the set of all.
local function lines_of(stack)
  local innermost, all = stack, {}
  for frame in stack:gmatch("[^;]+") do
    if frame:find(":%d+$") then
      innermost, all[frame] = frame, true
    end
  end
  all[innermost] = true
  return innermost, all
end

-- line -> { self, total } in samples.
local function by_line(stacks)
  local lines = {}
  local function add(line, field, n)
    lines[line] = lines[line] or { line = line, self = 0, total = 0 }
    lines[line][field] = lines[line][field] + n
  end
  for stack, n in pairs(stacks) do
    local innermost, all = lines_of(stack)
    add(innermost, "self", n)
    for line in pairs(all) do add(line, "total", n) end
  end
  return lines
end

--- The hottest lines as records for the console: self (what the line itself used), total (with what
-- it called), line.  Percent of the samples in which Lua ran.
function profile.hot(data)
  local list = {}
  for _, l in pairs(by_line(data.stacks)) do list[#list + 1] = l end
  table.sort(list, function(a, b)
    if a.self ~= b.self then return a.self > b.self end
    if a.total ~= b.total then return a.total > b.total end
    return a.line < b.line
  end)
  local rows, ran = {}, data.samples - data.outside
  for i = 1, math.min(LINES, #list) do
    rows[i] = { self = percent(list[i].self, ran),
      total = percent(list[i].total, ran), line = list[i].line }
  end
  return show.table(rows, { "self", "total", "line" })
end

-- "[builtin#21]" -> "pcall", of the functions that Lua itself has.
local builtin
local function builtins()
  if builtin then return builtin end
  builtin = {}
  local function add(t, prefix)
    for name, fn in pairs(t) do
      local number = type(fn) == "function" and tostring(fn):match("builtin#%d+$")
      if number then builtin[number] = prefix .. name end
    end
  end
  for _, name in ipairs { "string", "table", "math", "bit", "coroutine", "os", "io" } do
    add(_G[name] or require(name), name .. ".")
  end
  add(_G, "")
  return builtin
end

--- The stacks as lines "outermost;...;innermost samples", sorted.
function profile.folded(data)
  local lines = {}
  local names = builtins()
  for stack, n in pairs(data.stacks) do
    lines[#lines + 1] = ("%s %d"):format(stack:gsub("%[(builtin#%d+)%]", names), n)
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

local function summary(data, seconds)
  local ran = data.samples - data.outside
  local text = ("%d samples in %.1f s: the loop used %s of a core; Lua ran in %d of them"):format(
    data.samples, seconds, percent(data.seconds, seconds), ran)
  if data.cut > 0 then text = ("%s; %d samples have no stack"):format(text, data.cut) end
  return text
end

--- Samples for so many seconds (5) or until it is stopped; prints the summary and returns the hot
-- lines.  file: the client writes a flame graph of that name.  Yields.
function profile.run(session, seconds, file)
  seconds = seconds == nil and 5 or seconds
  if type(seconds) ~= "number" or not (seconds > 0 and seconds <= 600) then
    error("profile: seconds above 0, 600 at most, were expected", 0)
  end
  if file ~= nil and not (type(file) == "string" and file:find("^[%w_][%w_.-]*%.svg$")) then
    error("profile: the file is a name like \"out.svg\", it is written where the console runs", 0)
  end
  local began = sys.mono()
  if not core.start(INTERVAL) then error("profile: another console takes one now", 0) end
  local ok, why = pcall(session.wait, session, seconds)
  local data = core.stop()
  if not ok then error(why, 0) end
  local text = summary(data, (sys.mono() - began) / 1e6)
  session.print(text)
  if file then session.send { file = file, folded = profile.folded(data), title = text } end
  return profile.hot(data)
end

return profile
