-- JSONPath queries (contentFilterQuery, TS-0001 Table 8.1.2-2) to SQL over SQLite's JSON functions:
-- whether a document has anything that the path selects.
--
-- Read are: $ . .name ['name'] [n] [-n] .* [*] ..name ..* and filters [?(...)] of comparisons
-- (== != < <= > >=) of @ and paths below it with a number, a string, true, false or null, joined
-- by && and ||.  Unions, slices and script expressions are refused.  Names and values are bound,
-- never written into the text.  Pure.

local find, match, sub = string.find, string.match, string.sub
local concat = table.concat

local jsonpath = {}

local MAX_STEPS = 32

-- ---- reading ------------------------------------------------------------------------------------

-- A quoted text at i: the text and where it ends; names with quotes in them cannot be looked up.
local function quoted(s, i)
  local q = sub(s, i, i)
  if q ~= "'" and q ~= '"' then return nil end
  local stop = find(s, q, i + 1, true)
  local text = stop and sub(s, i + 1, stop - 1)
  if not text or find(text, '["\\%c]') then return nil end
  return text, stop + 1
end

local function name_at(s, i)
  local name = match(s, "^[%a_\128-\255][%w_\128-\255-]*", i)
  if name then return name, i + #name end
end

-- One plain step at i (a name, an index): { name = } or { index = }, and where it ends.
local function plain(s, i)
  if sub(s, i, i) == "." then
    local name, after = name_at(s, i + 1)
    return name and { name = name }, after
  end
  local text, after = quoted(s, i + 1)
  if text then
    if sub(s, after, after) ~= "]" then return nil end
    return { name = text }, after + 1
  end
  local n, last = match(s, "^%[(%-?%d%d?%d?%d?%d?%d?)%]()", i)
  return n and { index = tonumber(n) }, last
end

local function spaces(s, i)
  return match(s, "^%s*()", i)
end

local WORD = { ["true"] = "true", ["false"] = "false", ["null"] = "null" }

-- { kind = "number" | "text" | "true" | "false" | "null", value = } at i, and where it ends.
local function literal(s, i)
  local text, after = quoted(s, i)
  if text then return { kind = "text", value = text }, after end
  local word, stop = match(s, "^(%a+)()", i)
  if word then return WORD[word] and { kind = word }, stop end
  local number, last = match(s, "^(%-?%d[%d.eE+-]*)()", i)
  local v = tonumber(number)
  return v and { kind = "number", value = v }, last
end

-- A comparison, or the existence of what @ leads to.
local function comparison(s, i)
  if sub(s, i, i) ~= "@" then return nil end
  local c = { path = {} }
  i = i + 1
  while find(s, "^[.%[]", i) do
    local step, after = plain(s, i)
    if not step or #c.path >= MAX_STEPS then return nil end
    c.path[#c.path + 1], i = step, after
  end
  i = spaces(s, i)
  local op = match(s, "^[=!<>]=", i) or match(s, "^[<>]", i)
  if not op then return c, i end
  c.op = op
  c.literal, i = literal(s, spaces(s, i + #op))
  return c.literal and c, i
end

-- A filter's condition: alternatives, each a list of comparisons.
local function condition(s, i)
  local any, n = { {} }, 0
  while true do
    local c
    c, i = comparison(s, spaces(s, i))
    n = n + 1
    if not c or n > MAX_STEPS then return nil end
    table.insert(any[#any], c)
    i = spaces(s, i)
    local joint = sub(s, i, i + 1)
    if joint == "||" then
      any[#any + 1] = {}
    elseif joint ~= "&&" then
      return any, i
    end
    i = i + 2
  end
end

local function filter(s, i)
  local open = match(s, "^%[%?%s*%(?", i)
  local round = sub(open, -1) == "("
  local any, after = condition(s, i + #open)
  if not any then return nil end
  after = match(s, round and "^%s*%)%s*%]()" or "^%s*%]()", after)
  return after and { any = any }, after
end

local function step_at(s, i)
  if sub(s, i, i + 1) == ".." then
    if sub(s, i + 2, i + 2) == "*" then return { deep = true }, i + 3 end
    local name, after = name_at(s, i + 2)
    return name and { deep = true, name = name }, after
  end
  if sub(s, i, i + 1) == ".*" then return { each = true }, i + 2 end
  if sub(s, i, i + 2) == "[*]" then return { each = true }, i + 3 end
  if find(s, "^%[%?", i) then return filter(s, i) end
  return plain(s, i)
end

--- The steps of a path, for `sql`; nil and the place of what cannot be read.
function jsonpath.parse(s)
  if sub(s, 1, 1) ~= "$" then return nil, 1 end
  local steps, i = {}, 2
  while i <= #s do
    local step, after = step_at(s, i)
    if not step or #steps >= MAX_STEPS then return nil, i end
    steps[#steps + 1], i = step, after
  end
  return steps
end

-- ---- SQL ----------------------------------------------------------------------------------------

-- The path of a plain step in SQLite's words.
local function written(step)
  if step.name then return '."' .. step.name .. '"' end
  return step.index < 0 and "[#" .. step.index .. "]" or "[" .. step.index .. "]"
end

local function path_of(steps)
  local out = { "$" }
  for i, step in ipairs(steps) do out[i + 1] = written(step) end
  return concat(out)
end

local OPERATOR = { ["=="] = "=", ["!="] = "=", ["<"] = "<", ["<="] = "<=", [">"] = ">",
  [">="] = ">=" }

-- The test of a value (SQL for it and for its JSON type) against a literal.
local function holds(bind, value, kind, c)
  if not c.op then return kind .. " IS NOT NULL" end
  local l = c.literal
  local test
  if l.kind == "number" then
    test = kind .. " IN ('integer','real') AND " .. value .. OPERATOR[c.op] .. bind(l.value)
  elseif l.kind == "text" then
    test = kind .. "='text' AND " .. value .. OPERATOR[c.op] .. bind(l.value)
  else
    test = (c.op == "==" or c.op == "!=") and kind .. "='" .. l.kind .. "'" or "0"
  end
  return c.op == "!=" and kind .. " IS NOT NULL AND NOT(" .. test .. ")" or test
end

local function compared(bind, e, below, c)
  if not c.path[1] then return holds(bind, e .. ".value", e .. ".type", c) end
  local p = bind(path_of(c.path))
  return holds(bind, ("json_extract(%s,%s)"):format(below, p),
    ("json_type(%s,%s)"):format(below, p), c)
end

local function any_of(bind, e, below, any)
  local out = {}
  for i, list in ipairs(any) do
    local all = {}
    for k, c in ipairs(list) do all[k] = "(" .. compared(bind, e, below, c) .. ")" end
    out[i] = concat(all, " AND ")
  end
  return "(" .. concat(out, " OR ") .. ")"
end

--- SQL that is true when the JSON text `document` (SQL of it) has what the steps select;
-- bind(value) -> the mark of a parameter.
function jsonpath.sql(steps, document, bind)
  local from, must, base, at = {}, {}, document, {}
  for _, step in ipairs(steps) do
    if not (step.deep or step.each or step.any) then
      at[#at + 1] = step
    else
      local e, p = "e" .. #from + 1, bind(path_of(at))
      from[#from + 1] = (step.deep and "json_tree(%s,%s) " or "json_each(%s,%s) "):format(base, p)
        .. e
      must[#must + 1] = ("json_type(%s,%s) IN ('object','array')"):format(base, p)
      if step.deep then must[#must + 1] = e .. ".parent IS NOT NULL" end
      if step.name then must[#must + 1] = e .. ".key=" .. bind(step.name) end
      base = ("CASE WHEN %s.type IN ('object','array') THEN %s.value END"):format(e, e)
      if step.any then must[#must + 1] = any_of(bind, e, base, step.any) end
      at = {}
    end
  end
  if at[1] or not from[1] then
    must[#must + 1] = ("json_type(%s,%s) IS NOT NULL"):format(base, bind(path_of(at)))
  end
  if not from[1] then return must[1] end
  return "EXISTS(SELECT 1 FROM " .. concat(from, ",") .. " WHERE " .. concat(must, " AND ") .. ")"
end

return jsonpath
