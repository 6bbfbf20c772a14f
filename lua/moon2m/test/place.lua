-- Where in the test's own file something was asked for: the first frame that is not the library's.

local mistake = require "moon2m.mistake"

local place = {}

--- "file:line: " of the test; "" when there is none.
function place.here()
  local _, info = mistake.frame()
  return info and ("%s:%d: "):format(info.short_src, info.currentline) or ""
end

--- A file that the test names: as it is, or beside the test when it is not there.
function place.file(name)
  local f = name:sub(1, 1) ~= "/" and io.open(name, "rb")
  if f then
    f:close()
    return name
  end
  local _, info = mistake.frame()
  local folder = info and info.source:match("^@(.*/)[^/]*$")
  return folder and name:sub(1, 1) ~= "/" and folder .. name or name
end

--- Raises a text at the line of the test.
function place.fail(fmt, ...)
  local text = select("#", ...) > 0 and fmt:format(...) or fmt
  error(place.here() .. text, 0)
end

return place
