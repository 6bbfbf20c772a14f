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

--- What was given instead: nil, a short value as it is, of others the type.
function mistake.got(v)
  local kind = type(v)
  if v == "" then return "an empty text" end
  if kind == "string" then return ('"%s"'):format(v:sub(1, 40):gsub("%c", ".")) end
  if kind == "nil" or kind == "number" or kind == "boolean" then return tostring(v) end
  return "a " .. kind
end

--- Raises "cse.add: container: a path was expected, got 7" at the script's line.  what: the
-- function as scripts call it; name: its parameter as the reference calls it.
function mistake.argument(what, name, expected, v)
  mistake.fail("%s: %s: %s was expected, got %s", what, name, expected, mistake.got(v))
end

--- Whether v is a number and at least `least`.
function mistake.is_number(v, least)
  return type(v) == "number" and v >= least
end

return mistake
