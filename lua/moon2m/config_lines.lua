-- In which line of a configuration file a key is set, for messages: a small scanner of Lua's
-- table constructors and top-level assignments.  Lua itself has run the file already, so the text
-- is valid Lua; keys that code computes are not found, and nothing worse happens.

local config_lines = {}

-- One token, or space or a comment, at i: its end, and its text (strings: a quote and the raw
-- text).
local function token(source, i)
  local level = source:match("^%[(=*)%[", i) or source:match("^%-%-%[(=*)%[", i)
  if level then
    local _, stop = source:find("]" .. level .. "]", i, true)
    return stop or #source, source:byte(i) == 91 and "'" or nil
  end
  if source:find("^%-%-", i) then return (source:find("\n", i, true) or #source + 1) - 1 end
  local quote = source:match("^[\"']", i)
  if quote then
    local j = i + 1
    while j <= #source and source:sub(j, j) ~= quote do
      j = j + (source:sub(j, j) == "\\" and 2 or 1)
    end
    return j, "'" .. source:sub(i + 1, j - 1)
  end
  local _, stop = source:find("^%s+", i)
  if stop then return stop end
  local word = source:match("^[%w_]+", i) or source:sub(i, i)
  return i + #word - 1, word
end

-- All tokens as { text, line }.
local function tokens(source)
  local list, i, line = {}, 1, 1
  while i <= #source do
    local stop, text = token(source, i)
    if text then list[#list + 1] = { text, line } end
    local _, n = source:sub(i, stop):gsub("\n", "")
    i, line = stop + 1, line + n
  end
  return list
end

local CLOSER = { ["{"] = "}", ["("] = ")", ["["] = "]" }

-- The index after a value: up to a separator or closing bracket of its own level.
local function skip_value(list, i)
  local depth = 0
  while list[i] do
    local t = list[i][1]
    if CLOSER[t] then
      depth = depth + 1
    elseif t == "}" or t == ")" or t == "]" then
      if depth == 0 then return i end
      depth = depth - 1
    elseif depth == 0 and (t == "," or t == ";") then
      return i
    end
    i = i + 1
  end
  return i
end

local fields

local function value(list, i, key, at)
  if list[i] and list[i][1] == "{" then return fields(list, i + 1, key, at) end
  return skip_value(list, i)
end

-- The fields of a table constructor whose "{" stands before i; returns the index after its "}".
function fields(list, i, prefix, at)
  local n = 0
  while list[i] and list[i][1] ~= "}" do
    local t = list[i]
    if t[1] == "," or t[1] == ";" then
      i = i + 1
    else
      local name
      if t[1]:match("^[%a_]") and list[i + 1] and list[i + 1][1] == "=" then
        name, i = t[1], i + 2
      elseif t[1] == "[" and list[i + 2] and list[i + 2][1] == "]" then
        name, i = list[i + 1][1]:gsub("^'", ""), i + 4
      else
        n = n + 1
        name = tostring(n)
      end
      local key = prefix == "" and name or prefix .. "." .. name
      at[key] = at[key] or t[2]
      i = value(list, i, key, at)
    end
  end
  return i + 1
end

--- The line of each key in the source text: { ["listen.1.port"] = 12, ... }.  Keys that code
-- computes are not found.
function config_lines.of(source)
  local list, at, i = tokens(source), {}, 1
  while list[i] do
    local key, j = list[i][1], i + 1
    while list[j] and list[j][1] == "." do
      key, j = key .. "." .. (list[j + 1] and list[j + 1][1] or ""), j + 2
    end
    if key == "return" and list[j] and list[j][1] == "{" then
      i = fields(list, j + 1, "", at)
    elseif key:match("^[%a_]") and list[j] and list[j][1] == "=" then
      at[key] = at[key] or list[i][2]
      if list[j + 1] and list[j + 1][1] == "{" then
        i = fields(list, j + 2, key, at)
      else
        i = j + 1
      end
    else
      i = i + 1
    end
  end
  return at
end

return config_lines
