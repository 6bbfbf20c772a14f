-- Lua values as text for a person: literals as Lua writes them, records in aligned columns, long
-- and deep values shortened, cycles named.  Runs nothing of the value's (no metamethods) and looks
-- at a bounded part of it, so that it is safe and quick with whatever a script made.

local core = require "moon2m.core.json"
local json = require "moon2m.json"
local sealed = require "moon2m.sealed"

local show = {}

local byte, find, format, gsub, rep, sub = string.byte, string.find, string.format, string.gsub,
  string.rep, string.sub
local concat, sort = table.concat, table.sort
local next, rawget, type = next, rawget, type

local WIDTH = 100                 -- columns of the terminal when it has not said
local DEPTH = 6                   -- levels of nesting
local ITEMS = 200                 -- fields of a table, rows of a list
local TEXT = 2000                 -- bytes of a string
local CELL = 48                   -- columns of a cell of a table of records
local LIMIT = 200000              -- bytes in all

local RESERVED = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch("%a+") do
  RESERVED[word] = true
end

local ESCAPES = { [7] = "\\a", [8] = "\\b", [9] = "\\t", [10] = "\\n", [11] = "\\v", [12] = "\\f",
  [13] = "\\r", [34] = '\\"', [92] = "\\\\" }

local function escape(c)
  return ESCAPES[byte(c)] or format("\\%03d", byte(c))
end

-- Of s, the first n bytes or less, no UTF-8 sequence torn.
local function head(s, n)
  while n > 0 and find(s, "^[\128-\191]", n + 1) do n = n - 1 end
  return sub(s, 1, n)
end

local function is_utf8(s)
  return core.check('"' .. gsub(s, '[%c"\\]', ".") .. '"') == true
end

--- A string as a Lua literal; beyond max bytes: its beginning and how long it is.  Bytes above 127
-- stay where the whole is UTF-8.
function show.quote(s, max)
  local tail = ""
  max = max or TEXT
  if #s > max then
    tail = format("..(%d bytes)", #s)
    s = head(s, max)
  end
  s = gsub(s, '[%c"\\\127]', escape)
  if find(s, "[\128-\255]") and not is_utf8(s) then s = gsub(s, "[\128-\255]", escape) end
  return '"' .. s .. '"' .. tail
end

local function number(v)
  if v ~= v then return "nan" end
  if v == math.huge then return "inf" end
  if v == -math.huge then return "-inf" end
  if v % 1 == 0 and v > -2 ^ 53 and v < 2 ^ 53 then return format("%.0f", v) end
  return format("%.14g", v)
end

local function func(f)
  local info = debug.getinfo(f, "S")
  if info.what == "C" then return "function: built in" end
  local place = gsub(info.short_src, "^%[string \"(.*)\"%]$", "%1")
  return format("function: %s:%d", place, info.linedefined)
end

local function scalar(v, max)
  local t = type(v)
  if t == "string" then return show.quote(v, max) end
  if t == "number" then return number(v) end
  if t == "function" then return func(v) end
  if t == "nil" or t == "boolean" then return tostring(v) end
  if v == json.null then return "null" end
  if t == "thread" then return "thread: " .. coroutine.status(v) end
  return t
end

-- ---- keys ---------------------------------------------------------------------------------------

local RANK = { number = 1, string = 2 }

local function in_order(a, b)
  local ta, tb = RANK[type(a)] or 3, RANK[type(b)] or 3
  if ta ~= tb then return ta < tb end
  if ta == 3 then return tostring(a) < tostring(b) end
  return a < b
end

-- The keys of t that are no elements of its sequence, of which n are shown (long: there are more),
-- sorted; true when there are more.
local function keys_of(t, n, long)
  local keys, seen = {}, 0
  for k in next, t do
    local element = type(k) == "number" and k >= 1 and k % 1 == 0 and (k <= n or long)
    if not element then
      if #keys >= ITEMS then return keys, true end
      keys[#keys + 1] = k
    end
    seen = seen + 1
    if seen > n + ITEMS + 1 then break end
  end
  sort(keys, in_order)
  return keys, false
end

local function key_text(k)
  if type(k) == "string" and find(k, "^[%a_][%w_]*$") and not RESERVED[k] then return k end
  return "[" .. scalar(k, 100) .. "]"
end

local function length(t)
  local n = 0
  while n < ITEMS and rawget(t, n + 1) ~= nil do n = n + 1 end
  return n, rawget(t, n + 1) ~= nil
end

-- ---- nested values ------------------------------------------------------------------------------

local value

-- The fields of a table as texts.
local function fields(out, t, depth)
  local list, n, more = {}, length(t)
  for i = 1, n do
    list[i] = value(out, t[i], depth + 1)
    if out.n > LIMIT then return list, true end
  end
  local keys, more_keys = keys_of(t, n, more)
  for _, k in ipairs(keys) do
    local name = key_text(k)
    out.n = out.n + #name + 3
    list[#list + 1] = name .. " = " .. value(out, rawget(t, k), depth + 1)
    if out.n > LIMIT then return list, true end
  end
  return list, more or more_keys
end

-- The elements of a sequence, n of them, share lines; each other field has one of its own.
local function in_lines(list, n, depth, width)
  local indent, lines = rep("  ", depth + 1), {}
  for i = 1, #list do
    local last = lines[#lines]
    if last and i <= n and #last + #list[i] < width - 4 and not find(list[i], "\n", 1, true) then
      lines[#lines] = last .. ", " .. list[i]
    else
      if last then lines[#lines] = last .. "," end
      lines[#lines + 1] = indent .. list[i]
    end
  end
  return "{\n" .. concat(lines, "\n") .. "\n" .. rep("  ", depth) .. "}"
end

local function one_line(list, room)
  local n = 4
  for i = 1, #list do
    n = n + #list[i] + 2
    if n > room or find(list[i], "\n", 1, true) then return nil end
  end
  return "{ " .. concat(list, ", ") .. " }"
end

local function nested(out, t, depth)
  t = sealed.contents(t)
  if out.open[t] then return "<cycle>" end
  if next(t) == nil then return json.is_array(t) and "[]" or "{}" end
  if depth >= DEPTH then return "{..}" end
  out.open[t] = true
  local list, more = fields(out, t, depth)
  out.open[t] = nil
  if more then list[#list + 1] = ".." end
  return one_line(list, out.width - 2 * depth) or in_lines(list, length(t), depth, out.width)
end

function value(out, v, depth)
  local text
  if type(v) == "table" then text = nested(out, v, depth) else text = scalar(v) end
  out.n = out.n + #text
  return text
end

-- ---- records in columns -------------------------------------------------------------------------

local columns = setmetatable({}, { __mode = "k" })

--- Makes a list of records print with these columns, in this order, whatever it holds; returns it.
function show.table(list, names)
  columns[list] = names
  return list
end

local function is_record(v)
  if type(v) ~= "table" or rawget(v, 1) ~= nil then return false end
  local n = 0
  for k in next, v do
    n = n + 1
    if type(k) ~= "string" or n > 20 then return false end
  end
  return n > 0
end

-- The columns of a list of records, nil when it is none.
local function columns_of(list)
  if columns[list] then return columns[list] end
  local n, more = length(list)
  if n < 2 or not more and next(list, n) ~= nil then return nil end
  local names, seen = {}, {}
  for i = 1, n do
    local row = rawget(list, i)
    if not is_record(row) then return nil end
    for k in next, row do
      if not seen[k] then names[#names + 1] = k end
      seen[k] = true
    end
    if #names > 12 then return nil end
  end
  sort(names)
  return names
end

-- One line, no quotes around what is plain text.
local function cell(v)
  if v == nil then return "" end
  if type(v) == "string" then
    return find(v, "[%c\127]") and sub(show.quote(v), 2, -2) or head(v, TEXT)
  end
  if type(v) ~= "table" then return scalar(v) end
  return (gsub(value({ n = 0, open = {}, width = math.huge }, v, DEPTH - 2), "%s*\n%s*", " "))
end

local function shortened(text, room)
  return #text > room and head(text, room - 2) .. ".." or text
end

-- Columns that a terminal uses for it: UTF-8 continuation bytes take none.
local function width_of(s)
  local _, more = gsub(s, "[\128-\191]", "")
  return #s - more
end

local function pad(s, width, right)
  local fill = rep(" ", width - width_of(s))
  return right and fill .. s or s .. fill
end

-- The cells of a column, and whether all are numbers; at most `room` wide.
local function column(list, n, name, room)
  local cells, numbers, width = {}, n > 0, width_of(name)
  for i = 1, n do
    local v = rawget(list[i], name)
    cells[i] = shortened(cell(v), room)
    width = math.max(width, width_of(cells[i]))
    if v ~= nil and type(v) ~= "number" then numbers = false end
  end
  return cells, numbers, width
end

-- The last column may take what the others leave.
local function in_columns(list, names, room)
  local n, more = length(list)
  local widths, right, rows, used = {}, {}, {}, 0
  for i = 1, n do rows[i] = {} end
  for c, name in ipairs(names) do
    local cells
    cells, right[c], widths[c] = column(list, n, name, c < #names and CELL or
      math.max(CELL, room - used))
    for i = 1, n do rows[i][c] = cells[i] end
    used = used + widths[c] + 2
  end
  local lines = {}
  local function add(cells)
    local line = {}
    for c, text in ipairs(cells) do line[c] = pad(text, widths[c], right[c]) end
    lines[#lines + 1] = gsub(concat(line, "  "), " +$", "")
  end
  add(names)
  for i = 1, n do add(rows[i]) end
  if more then lines[#lines + 1] = ".." end
  return concat(lines, "\n")
end

--- A value as text, one line or several, without a line feed at its end.  width: columns to use
-- (100).
function show.value(v, width)
  if type(v) == "table" then
    local names = columns_of(v)
    if names then
      if next(v) == nil then return "none" end
      return in_columns(v, names, width or WIDTH)
    end
  end
  return value({ n = 0, open = {}, width = width or WIDTH }, v, 0)
end

--- A value in one line of about `room` bytes at most.
function show.brief(v, room)
  local text = value({ n = 0, open = {}, width = math.huge }, v, DEPTH - 3)
  text = gsub(text, "%s*\n%s*", " ")
  return #text > room and head(text, room - 2) .. ".." or text
end

return show
