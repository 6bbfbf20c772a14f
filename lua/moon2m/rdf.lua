-- Texts that describe by RDF or OWL: base64, and whether a text is well-formed in the syntax that
-- it claims (TS-0004 6.3.4.2.48).  What it means is not looked at.  Pure functions, linear in the
-- text.

local core = require "moon2m.core.json"

local byte, char, find, sub = string.byte, string.char, string.find, string.sub

local rdf = {}

local MAX_DEPTH = 200

-- ---- base64 -------------------------------------------------------------------------------------

local DIGIT = {}
for i, c in ipairs { ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  :byte(1, -1) } do
  DIGIT[c] = i - 1
end

--- The bytes that a base64 text stands for (RFC 4648, padded; white space is passed over); nil when
-- it is none.
function rdf.decode(text)
  text = text:gsub("[ \t\r\n]+", "")
  if #text % 4 ~= 0 or not find(text, "^[%w+/]*=?=?$") then return nil end
  local out, n = {}, 0
  for i = 1, #text, 4 do
    local a, b, c, d = byte(text, i, i + 3)
    local v = DIGIT[a] * 262144 + DIGIT[b] * 4096 + (DIGIT[c] or 0) * 64 + (DIGIT[d] or 0)
    n = n + 1
    out[n] = char(math.floor(v / 65536), math.floor(v / 256) % 256, v % 256)
  end
  local _, pad = text:gsub("=", "")
  return sub(table.concat(out), 1, pad > 0 and -1 - pad or -1)
end

-- ---- XML ----------------------------------------------------------------------------------------

local SPACE = "[ \t\r\n]*"
local NAME = "[%a_:\128-\255][%w_:.%-\128-\255]*"

-- What opens and closes without being an element: opening -> closing.
local PASSED = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" } }

local function after_passed(s, i)
  for _, p in ipairs(PASSED) do
    if sub(s, i, i + #p[1] - 1) == p[1] then
      local _, last = find(s, p[2], i + #p[1], true)
      return last and last + 1, true
    end
  end
  if sub(s, i, i + 8) == "<!DOCTYPE" then
    local _, last = find(s, "^[^%[>]*%b[]" .. SPACE .. ">", i)
    if not last then _, last = find(s, "^[^%[>]*>", i) end
    return last and last + 1, true
  end
end

-- Behind the attributes of a start tag; nil when they are malformed.
local function attributes(s, i)
  while true do
    local _, j = find(s, "^[ \t\r\n]+" .. NAME .. SPACE .. "=" .. SPACE, i)
    if not j then return i end
    local _, last = find(s, "^\"[^<\"]*\"", j + 1)
    if not last then _, last = find(s, "^'[^<']*'", j + 1) end
    if not last then return nil end
    i = last + 1
  end
end

-- Behind the tag at i; opens or closes an element of the stack.
local function tag(s, i, stack)
  local _, j, name = find(s, "^</(" .. NAME .. ")" .. SPACE .. ">", i)
  if j then
    if table.remove(stack) ~= name then return nil, "</" .. name .. "> closes another element" end
    return j + 1
  end
  _, j, name = find(s, "^<(" .. NAME .. ")", i)
  j = j and attributes(s, j + 1)
  local _, last, slash = find(s, "^" .. SPACE .. "(/?)>", j or #s + 1)
  if not last then return nil, ("a tag is malformed at character %d"):format(i) end
  if slash == "" then
    if #stack >= MAX_DEPTH then return nil, "elements are nested too deeply" end
    stack[#stack + 1] = name
  end
  return last + 1
end

local function xml(s)
  local i, stack, roots = find(s, "<", 1, true), {}, 0
  if not i or find(sub(s, 1, i - 1), "[^ \t\r\n\239\187\191]") then return "no XML document" end
  while i do
    local behind, passed = after_passed(s, i)
    if not passed then
      if #stack == 0 then roots = roots + 1 end
      if roots > 1 then return "more than one root element" end
      local why
      behind, why = tag(s, i, stack)
      if not behind then return why end
    end
    if not behind then return "the document ends within a comment or section" end
    i = find(s, "<", behind, true)
    if #stack == 0 and find(sub(s, behind, i and i - 1), "[^ \t\r\n]") then
      return "text outside the root element"
    end
  end
  if stack[1] then return "<" .. stack[#stack] .. "> is not closed" end
  if roots == 0 then return "no element" end
end

-- ---- Turtle and functional-style ----------------------------------------------------------------

-- A string that begins at i with a quote (or three of them): behind it, or nil.
local function quoted(s, i)
  local q = sub(s, i, i)
  local long = q:rep(3)
  local stop = sub(s, i, i + 2) == long and long or q
  local j = i + #stop
  while true do
    local at = find(s, "[\\" .. q .. "]", j)
    if not at then return nil end
    if stop == q and find(sub(s, j, at), "\n", 1, true) then return nil end
    if byte(s, at) == 92 then
      j = at + 2
    elseif sub(s, at, at + #stop - 1) == stop then
      return at + #stop
    else
      j = at + 1
    end
  end
end

local CLOSES = { [")"] = "(", ["]"] = "[", ["}"] = "{" }

-- Walks over the tokens: each(token, depth); what is wrong, or nil.
local function tokens(s, each)
  local i, stack = 1, {}
  while true do
    i = find(s, "[^ \t\r\n]", i)
    if not i then break end
    local c = sub(s, i, i)
    local behind
    if c == "#" then
      behind = (find(s, "\n", i, true) or #s) + 1
    elseif c == '"' or c == "'" then
      behind = quoted(s, i)
      each("text", #stack)
    elseif c == "<" and find(s, "^<[^<>\"{}|^`%z\1-\32]*>", i) then
      behind = find(s, ">", i, true) + 1
      each("iri", #stack)
    elseif find(c, "[%(%[{]") then
      if #stack >= MAX_DEPTH then return "nested too deeply" end
      stack[#stack + 1], behind = c, i + 1
    elseif CLOSES[c] then
      if table.remove(stack) ~= CLOSES[c] then return ("%s closes nothing"):format(c) end
      behind = i + 1
      each("group", #stack)
    elseif find(c, "[;,=]") then
      behind = i + 1
    else
      local _, last = find(s, "^[^ \t\r\n<>\"'%(%)%[%]{};,#]+", i)
      if not last then _, last = find(s, "^#?[^ \t\r\n]", i) end
      while last > i and byte(s, last) == 46 do last = last - 1 end
      each(sub(s, i, last), #stack)
      behind = last + 1
    end
    if not behind then return ("a text at character %d does not end"):format(i) end
    i = behind
  end
  if stack[1] then return ("%s is not closed"):format(stack[#stack]) end
end

local function turtle(s)
  local terms, why = 0, nil
  local wrong = tokens(s, function(token, depth)
    if depth > 0 then return end
    if token == "." then
      if terms < 2 then why = why or "a statement without subject, predicate or object" end
      terms = 0
    else
      terms = terms + 1
      local directive = token:lower()
      if terms == 1 and directive == "base" then terms = -1 end
      if terms == 1 and directive == "prefix" then terms = -2 end
    end
  end)
  if wrong or why then return wrong or why end
  if terms ~= 0 then return "the last statement has no \".\"" end
end

local function functional(s)
  if not find(s, "%(") then return "no functional-style syntax" end
  return tokens(s, function() end)
end

-- ---- all ----------------------------------------------------------------------------------------

local function json_ld(s)
  local c = s:match("^[ \t\r\n]*(.)")
  if not core.check(s) or c ~= "{" and c ~= "[" then return "no JSON object or array" end
end

local function manchester() return nil end

local SYNTAX = { [2] = functional, [3] = xml, [4] = xml, [5] = turtle, [6] = manchester,
  [7] = json_ld }

--- What keeps a text from being of the syntax with this number (dcrp): a reason, or nil.
function rdf.misfit(syntax, text)
  if not find(text, "[^ \t\r\n]") then return "empty" end
  return SYNTAX[syntax](text)
end

return rdf
