-- What a host and a server have in common beside requests: the scripts they are given, and the
-- errors that a test expects of them.

local check = require "moon2m.test.check"
local place = require "moon2m.test.place"

local common = {}

--- Writes a script into a folder; its path.
function common.write(folder, name, text)
  local file = ("%s/%s.lua"):format(folder, name)
  local f = assert(io.open(file, "wb"))
  f:write(text)
  f:close()
  return file
end

--- The files of the option `scripts`: those that are named, as seen from here or from the test's
-- folder, then those that are given as text (name = text), which are written into the folder.
function common.scripts(folder, scripts)
  local files, names = {}, {}
  for i, file in ipairs(scripts) do files[i] = place.file(file) end
  for name in pairs(scripts) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    files[#files + 1] = common.write(folder, name, scripts[name])
  end
  return files
end

--- Adds an error that is expected to a list of them.
function common.expect(list, pattern)
  if type(pattern) ~= "string" then place.fail("expect_error: a pattern was expected") end
  local ok, why = pcall(string.find, "", pattern)
  if not ok then place.fail("expect_error: %s", why) end
  list[#list + 1] = { pattern = pattern, place = place.here() }
end

local function told(e)
  local where = e.rule and ("\n  in %s%s; %s"):format(e.rule, e.event and ", " .. e.event or "",
    e.fate or "")
  return "script error: " .. e.text .. (where or "")
end

--- Adds to `found` the errors that were not expected, and the expected ones that did not come.
function common.judge(found, errors, expected)
  for _, e in ipairs(errors) do
    local known = false
    for _, x in ipairs(expected) do
      if e.text:find(x.pattern) then known, x.seen = true, true end
    end
    if not known then found[#found + 1] = told(e) end
  end
  for _, x in ipairs(expected) do
    if not x.seen then
      found[#found + 1] = ("%sno script raised an error that matches %s"):format(x.place,
        check.show(x.pattern))
    end
  end
end

return common
