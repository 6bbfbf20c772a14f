-- Completion: what may stand where the cursor is.  After a quote and "/" a resource's path; after a
-- table's name and "." or ":" its fields; else commands, names of the session, words of Lua. Reads
-- tables raw: nothing of the user's runs.

local sealed = require "moon2m.sealed"
local tree = require "moon2m.tree"

local complete = {}

local MAX = 100                   -- words offered

local WORDS = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if",
  "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" }

local function starts(text, prefix)
  return text:sub(1, #prefix) == prefix
end

-- The words sorted, each once.
local function sorted(set)
  local list = {}
  for word in pairs(set) do list[#list + 1] = word end
  table.sort(list)
  for i = #list, MAX + 1, -1 do list[i] = nil end
  return list
end

-- ---- paths --------------------------------------------------------------------------------------

-- The text of a string that is open at the end of the line; nil: none is.
local function open_string(text)
  local quote, from
  local i = 1
  while i <= #text do
    local c = text:sub(i, i)
    if quote then
      if c == "\\" then i = i + 1 elseif c == quote then quote = nil end
    elseif c == '"' or c == "'" then
      quote, from = c, i + 1
    end
    i = i + 1
  end
  return quote and text:sub(from)
end

local function add_paths(set, start)
  local above, name = start:match("^(.*/)([^/]*)$")
  local r = tree.resolve("-" .. (above == "/" and "" or above:gsub("/$", "")))
  if not r or r.virtual then return end
  local n = 0
  for child in tree.children(r) do
    if starts(child.rn, name) then
      set[above .. child.rn] = true
      n = n + 1
      if n >= MAX then return end
    end
  end
end

-- ---- names --------------------------------------------------------------------------------------

local function field(t, name)
  if type(t) == "string" then return string[name] end
  return type(t) == "table" and sealed.contents(rawget(t, name)) or nil
end

local function add_keys(set, t, prefix, before)
  if type(t) == "string" then t = string end
  if type(t) ~= "table" then return end
  local seen = 0
  for k in next, t do
    seen = seen + 1
    if seen > 10000 then return end
    if type(k) == "string" and k:find("^[%a_][%w_]*$") and starts(k, prefix) then
      set[before .. k] = true
    end
  end
end

local function add_names(set, s, chain)
  local before, prefix = chain:match("^(.*[.:])([%w_]*)$")
  if not before then
    for _, t in ipairs { s.world, s.env } do add_keys(set, t, chain, "") end
    for _, word in ipairs(WORDS) do
      if starts(word, chain) then set[word] = true end
    end
    return
  end
  local v
  for name in before:gmatch("[%a_][%w_]*") do
    if v == nil then v = field(s.env, name) or field(s.world, name) else v = field(v, name) end
    if v == nil then return end
  end
  add_keys(set, v, prefix, before)
end

--- The words that may stand at the end of text, and how many bytes of it they replace it after.
-- Yields.
function complete.words(s, text)
  local set, start = {}, open_string(text)
  if start and start:sub(1, 1) == "/" then
    add_paths(set, start)
  elseif not start then
    start = text:match("[%a_][%w_.:]*$") or ""
    add_names(set, s, start)
  end
  return sorted(set), #text - #(start or "")
end

return complete
