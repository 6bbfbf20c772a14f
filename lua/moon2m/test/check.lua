-- Assertions: what was got, then what was expected.  Each raises at the test's own line and says
-- what differs.

local place = require "moon2m.test.place"

local check = {}

local MAX_DIFFERENCES = 5
local MAX_TEXT = 300

-- ---- values as text -----------------------------------------------------------------------------

local function quoted(s)
  s = ("%q"):format(s):gsub("\\\n", "\\n"):gsub("\r", "\\r"):gsub("%z", "\\0")
  return s
end

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and type(a) ~= "table" and type(a) ~= "boolean" then return a < b end
    return type(a) .. tostring(a) < type(b) .. tostring(b)
  end)
  return keys
end

local function show(v, depth)
  if type(v) == "string" then return quoted(v) end
  if type(v) ~= "table" then return tostring(v) end
  local mt = getmetatable(v)
  if type(mt) == "table" and mt.__tostring then return tostring(v) end
  if depth > 4 then return "{...}" end
  local parts, n = {}, #v
  for i = 1, n do parts[i] = show(v[i], depth + 1) end
  for _, k in ipairs(sorted_keys(v)) do
    if type(k) ~= "number" or k < 1 or k > n or k % 1 ~= 0 then
      local name = type(k) == "string" and k:match("^[%a_][%w_]*$") or
        "[" .. show(k, depth + 1) .. "]"
      parts[#parts + 1] = name .. " = " .. show(v[k], depth + 1)
    end
  end
  return parts[1] and "{ " .. table.concat(parts, ", ") .. " }" or "{}"
end

--- A value as a person reads it.
function check.show(v)
  local text = show(v, 1)
  return #text > MAX_TEXT and text:sub(1, MAX_TEXT) .. "..." or text
end

-- ---- comparing ----------------------------------------------------------------------------------

-- JSON text of an object or array as a table; anything else as it is.
local function data(v)
  if type(v) ~= "string" or not v:match("^%s*[%[{]") then return v end
  local ok, decoded = pcall(require("moon2m.json").decode, v)
  return ok and decoded or v
end

local function differ(out, at, got, want)
  if #out > MAX_DIFFERENCES or rawequal(got, want) then return end
  if type(got) ~= type(want) and (type(got) == "table" or type(want) == "table") then
    got, want = data(got), data(want)
  end
  if type(got) ~= "table" or type(want) ~= "table" then
    if got ~= want then
      out[#out + 1] = ("%sexpected %s, got %s"):format(at ~= "" and at .. ": " or "",
        check.show(want), check.show(got))
    end
    return
  end
  local function inside(k)
    local name = type(k) == "string" and k:match("^[%a_][%w_]*$")
    return name and at .. "." .. name or ("%s[%s]"):format(at, show(k, 1))
  end
  for _, k in ipairs(sorted_keys(want)) do differ(out, inside(k), got[k], want[k]) end
  for _, k in ipairs(sorted_keys(got)) do
    if want[k] == nil then differ(out, inside(k), got[k], nil) end
  end
end

local function noted(note)
  return note ~= nil and tostring(note) .. ": " or ""
end

-- ---- assertions ---------------------------------------------------------------------------------

--- The same value (==).  note: said in front of a failure's message.  Returns got.
function check.equal(got, want, note)
  if got ~= want then
    place.fail("%s", ("%sexpected %s, got %s"):format(noted(note), check.show(want),
      check.show(got)))
  end
  return got
end

--- The same content, deep; JSON text counts as what it says.
function check.same(got, want, note)
  local out = {}
  differ(out, "", data(got), data(want))
  if not out[1] then return got end
  local more = #out > MAX_DIFFERENCES and "\n  ..." or ""
  out[MAX_DIFFERENCES + 1] = nil
  place.fail("%s", noted(note) .. table.concat(out, "\n  ") .. more)
end

function check.is_nil(got, note)
  if got ~= nil then
    place.fail("%s", ("%sexpected nil, got %s"):format(noted(note), check.show(got)))
  end
end

--- Neither nil nor false.  Returns its arguments, so that `t.ok(h:retrieve("/x"))` is the resource
-- and a failure says why (the second value of nil, err).
function check.ok(got, note, ...)
  if not got then
    place.fail("%s", note ~= nil and tostring(note) or "expected a value, got " .. tostring(got))
  end
  return got, note, ...
end

--- Text (or an err) that the Lua pattern is found in.
function check.match(got, pattern, note)
  local text = tostring(got)
  if got == nil or not text:find(pattern) then
    place.fail("%s", ("%sexpected a match of %s, got %s"):format(noted(note), quoted(pattern),
      got == nil and "nil" or check.show(text)))
  end
  return got
end

--- fn raises; with a pattern, one that is found in the error's text.  Returns the error.
function check.raises(fn, pattern)
  local ok, what = pcall(fn)
  if ok then place.fail("expected an error, there was none") end
  if pattern and not tostring(what):find(pattern) then
    place.fail("%s", ("expected an error that matches %s, got %s"):format(quoted(pattern),
      check.show(tostring(what))))
  end
  return what
end

--- A request that was refused with this response status code:
-- t.refused(4103, guest:retrieve("/x")).  Returns the err.
function check.refused(code, got, err)
  if got ~= nil then
    place.fail("%s", ("expected %d, got an answer: %s"):format(code, check.show(got)))
  end
  if type(err) ~= "table" or err.rsc ~= code then
    place.fail("expected %d, got %s", code, tostring(err))
  end
  return err
end

return check
