-- Wrong use of a public function is told at the line of the script that called it, however deep in
-- the library the mistake was seen.

local mistake = {}

--- The level, for the caller of the caller's error() or debug.getinfo(), of the first frame that is
-- not the library's; and what debug.getinfo(level, "Sl") says of it, nil when there is none.
function mistake.frame()
  local level = 2
  local info = debug.getinfo(level, "Sl")
  while info and (info.source:sub(1, 5) == "@lib/" or info.what == "C") do
    level = level + 1
    info = debug.getinfo(level, "Sl")
  end
  return level - 1, info
end

--- Raises the formatted message at the script's line.
function mistake.fail(fmt, ...)
  local level = mistake.frame()
  error(fmt:format(...), level)
end

return mistake
