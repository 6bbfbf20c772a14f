-- What is local at the top of a console line is to be there for the next one: `local x = 1` becomes
-- `x = 1`, `local function f` becomes `function f`; inside functions and blocks nothing changes,
-- nor does the number of any line.

local find, match, sub = string.find, string.match, string.sub

local OPENS = { ["function"] = true, ["do"] = true, ["if"] = true, ["repeat"] = true }
local CLOSES = { ["end"] = true, ["until"] = true }

-- The end of the string, comment or long bracket that starts at i; nil: none does.
local function opaque(s, i)
  local c = sub(s, i, i)
  local comment = find(s, "^%-%-", i) ~= nil
  local level = match(s, "^%[(=*)%[", comment and i + 2 or i)
  if level then
    local _, last = find(s, "]" .. level .. "]", i, true)
    return last or #s
  end
  if comment then return (find(s, "\n", i, true) or #s + 1) - 1 end
  if c ~= '"' and c ~= "'" then return nil end
  local at = i + 1
  while at <= #s do
    local d = sub(s, at, at)
    if d == "\\" then at = at + 1 elseif d == c or d == "\n" then return at end
    at = at + 1
  end
  return #s
end

-- The names of a `local` that starts at i, and where they end.
local function names_after(s, i)
  local list, last = match(s, "^local%s+([%a_][%w_]*[%s,%w_]*)()", i)
  if not list or match(list, "^function%f[%W]") then return nil end
  local names = match(list, "^[%a_][%w_]*")
  local at = #names
  while true do
    local more = match(list, "^%s*,%s*[%a_][%w_]*", at + 1)
    if not more then break end
    names = names .. more
    at = at + #more
  end
  return names, last - #list + at
end

-- What replaces the `local` at i, and where the text goes on.
local function replaced(s, i)
  local names, after = names_after(s, i)
  if not names then return match(s, "^local%s+function%f[%W]", i) and "      " or "local", i + 5 end
  local assigned = match(s, "^%s*=", after) and not match(s, "^%s*==", after)
  return "      " .. names .. (assigned and "" or " = nil"), after
end

--- The text with what is local at its top level made global.
local function persistent(s)
  local out, i, depth = {}, 1, 0
  while i <= #s do
    local last = opaque(s, i)
    local word = not last and match(s, "^[%a_][%w_]*", i)
    if last then
      out[#out + 1] = sub(s, i, last)
      i = last + 1
    elseif word == "local" and depth == 0 then
      out[#out + 1], i = replaced(s, i)
    else
      if OPENS[word] then depth = depth + 1 elseif CLOSES[word] then depth = depth - 1 end
      out[#out + 1] = word or sub(s, i, i)
      i = i + #out[#out]
    end
  end
  return table.concat(out)
end

return persistent
