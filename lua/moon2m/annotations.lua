-- Reads the files that describe what scripts see (meta.lua and those in meta/): Lua that is never
-- run, whose comments are LuaCATS annotations, as editors read them.  From them come the reference,
-- `help` and the check that each public name has an entry, so this reader is strict: a line, a tag
-- or a type that it does not know is an error with file and line.
--
-- A file is { module, sections = { { title, text, entries = { entry ... } } ... } }; an entry is
--   { kind = "function", name, class, key, method, text, params, returns, async }
--   { kind = "class", name, var, parents, text, fields }
--   { kind = "alias", name, text, type | variants = { { type, text } ... } }
--   { kind = "table", name, class, key, text }
-- and params, returns and fields are lists of { name, type, optional, text }.

local annotations = {}

-- ---- types --------------------------------------------------------------------------------------

local BUILTIN = { any = true, boolean = true, ["false"] = true, ["true"] = true, integer = true,
  number = true, string = true, table = true, ["nil"] = true, ["function"] = true,
  unknown = true }

local read_union

local function skip(s, i)
  return s:match("^ *()", i)
end

-- name: type, name?: type, ... up to `close`; the position after it, or nil.
local function read_members(s, i, close, used)
  i = skip(s, i)
  if s:sub(i, i) == close then return i + 1 end
  while true do
    local after = s:match("^%[()", i)
    if after then
      after = read_union(s, after, used)
      after = after and s:match("^%]: ?()", after)
      i = after and read_union(s, after, used)
    else
      after = s:match("^[%a_][%w_]*%??: ?()", i) or s:match("^%.%.%.: ?()", i)
      local alone = not after and s:match("^[%a_][%w_]*%??()", i)
      i = after and read_union(s, after, used) or alone
    end
    if not i then return nil end
    i = skip(s, i)
    local c = s:sub(i, i)
    if c == close then return i + 1 end
    if c ~= "," then return nil end
    i = skip(s, i + 1)
  end
end

local function read_function(s, i, used)
  i = read_members(s, i, ")", used)
  local after = i and s:match("^: ?()", i)
  while after do
    i = read_union(s, after, used)
    after = i and s:match("^, ()", i)
  end
  return i
end

local function read_generic(s, i, used)
  repeat
    i = read_union(s, skip(s, i), used)
    if not i then return nil end
    local comma = s:match("^ *,()", i)
    i = comma or i
  until not comma
  return s:match("^ *>()", i)
end

local function read_primary(s, i, used)
  local after = s:match('^"[^"]*"()', i) or s:match("^%-?%d+%.?%d*()", i) or
    s:match("^%.%.%.()", i)
  if after then return after end
  if s:find("^fun%(", i) then return read_function(s, i + 4, used) end
  if s:find("^table<", i) then return read_generic(s, i + 6, used) end
  if s:find("^{", i) then return read_members(s, i + 1, "}", used) end
  if s:find("^%(", i) then
    after = read_union(s, i + 1, used)
    return after and s:match("^%)()", after)
  end
  local name
  name, after = s:match("^([%a_][%w_.]*)()", i)
  if name then used[#used + 1] = name end
  return after
end

function read_union(s, i, used)
  while true do
    i = read_primary(s, i, used)
    if not i then return nil end
    local after = s:match("^%[%]()", i) or s:match("^%?()", i)
    while after do
      i = after
      after = s:match("^%[%]()", i) or s:match("^%?()", i)
    end
    after = s:match("^ ?| ?()", i)
    if not after then return i end
    i = after
  end
end

-- A type at the begin of s: { type, optional, used = names in it } and what follows it; nil when
-- there is none.
local function take_type(s)
  local used = {}
  local stop = read_union(s, 1, used)
  if not stop or not s:find("^%s", stop) and stop <= #s then return nil end
  local text, optional = s:sub(1, stop - 1), nil
  if not text:find("^fun%(") and text:sub(-1) == "?" then     -- not the result of a function
    text, optional = text:sub(1, -2), true
  end
  return { type = text, optional = optional, used = used }, s:sub(stop):gsub("^%s+#?%s*", "")
end

-- ---- tags ---------------------------------------------------------------------------------------

local function complain(at, fmt, ...)
  error(("%s:%d: %s"):format(at.file, at.line, fmt:format(...)), 0)
end

local function typed(at, rest)
  local t, text = take_type(rest)
  if not t then complain(at, "a type was expected: %s", rest) end
  t.text = text
  for _, name in ipairs(t.used) do
    if not BUILTIN[name] then at.reader.used[name] = at.reader.used[name] or at.line end
  end
  t.used = nil
  return t
end

-- "name? type text" or "[type] type text"
local function named(at, rest)
  local name, mark, after = rest:match("^([%a_][%w_]*)(%??)%s+(.*)$")
  if not name then name, mark, after = rest:match("^(%.%.%.)()%s+(.*)$") end
  if not name then name, mark, after = rest:match("^(%[%w+%])()%s+(.*)$") end
  if not name then complain(at, "a name and a type were expected: %s", rest) end
  local t = typed(at, after)
  t.name, t.optional = name, t.optional or mark == "?" or nil
  return t
end

local tags = {}

function tags.class(at, block, rest)
  local name, parents = rest:match("^([%a_][%w_.]*)%s*:?%s*(.*)$")
  if not name then complain(at, "@class: a name was expected") end
  block.class = { kind = "class", name = name, parents = {}, fields = {} }
  for parent in parents:gmatch("[^,%s]+") do
    table.insert(block.class.parents, parent)
    at.reader.used[parent] = at.reader.used[parent] or at.line
  end
end

function tags.field(at, block, rest)
  if not block.class then complain(at, "@field without @class") end
  local field = named(at, rest)
  local before = table.concat(block.text, "\n", block.used + 1)
  if before ~= "" then field.text = before .. (field.text ~= "" and "\n" .. field.text or "") end
  if field.text == "" then complain(at, "@field %s: no text", field.name) end
  block.used = #block.text
  table.insert(block.class.fields, field)
end

function tags.alias(at, block, rest)
  local name, after = rest:match("^([%a_][%w_.]*)%s*(.*)$")
  if not name then complain(at, "@alias: a name was expected") end
  block.alias = { kind = "alias", name = name, variants = {} }
  if after ~= "" then block.alias.type = typed(at, after).type end
end

function tags.param(at, block, rest)
  table.insert(block.params, named(at, rest))
end

tags["return"] = function(at, block, rest)
  local t = typed(at, rest)
  local name, text = t.text:match("^([%a_][%w_]*)%s*#?%s*(.*)$")
  if not name then complain(at, "@return: a type, a name and a text were expected") end
  t.name, t.text = name, text
  table.insert(block.returns, t)
end

function tags.async(_, block) block.async = true end
function tags.nodiscard() end

local function read_tag(at, block, tag, rest)
  if not tags[tag] then complain(at, "unknown tag @%s", tag) end
  if not block.head then block.head, block.used = #block.text, #block.text end
  tags[tag](at, block, rest)
end

-- Reads the lines of one comment: { text = lines, params, returns, class, alias, ... }.
local function read_block(reader, lines, first)
  local block = { text = {}, used = 0, params = {}, returns = {} }
  for i, line in ipairs(lines) do
    local at = { reader = reader, file = reader.file, line = first + i - 1 }
    local tag, rest = line:match("^@(%l+)%s*(.*)$")
    local variant = line:match("^|%s*(.*)$")
    if tag then
      read_tag(at, block, tag, rest)
    elseif variant and block.alias then
      table.insert(block.alias.variants, typed(at, variant))
    else
      block.text[#block.text + 1] = line
    end
  end
  if block.head and block.used < #block.text then
    reader.line = first + #lines - 1
    complain(reader, "text after the last tag: %s", block.text[#block.text])
  end
  block.text = table.concat(block.text, "\n", 1, block.head or #block.text)
  return block
end

-- ---- lines --------------------------------------------------------------------------------------

local function add(reader, entry, text)
  entry.text, entry.file, entry.line = text, reader.file, reader.line
  if not text:find("%S") then complain(reader, "%s has no text", entry.name) end
  local section = reader.sections[#reader.sections]
  if not section then complain(reader, "%s stands before the first section", entry.name) end
  table.insert(section.entries, entry)
  return entry
end

-- What a comment says by itself: a class, an alias, or a text of the section.
local function alone(reader, block)
  if block.class then return add(reader, block.class, block.text) end
  if block.alias then return add(reader, block.alias, block.text) end
  local section = reader.sections[#reader.sections]
  if block.params[1] or block.returns[1] then
    complain(reader, "@param or @return without a function")
  end
  if section then
    section.text = section.text .. (section.text ~= "" and "\n\n" or "") .. block.text
  end
end

local function read_params(reader, list, block, name)
  local i = 0
  for param in list:gmatch("[^,%s]+") do
    i = i + 1
    if not block.params[i] or block.params[i].name ~= param then
      complain(reader, "%s: parameter %d is %s, its @param is %s", name, i, param,
        block.params[i] and block.params[i].name or "missing")
    end
  end
  if block.params[i + 1] then
    complain(reader, "%s has no parameter %s", name, block.params[i + 1].name)
  end
end

local function read_function_line(reader, line, block)
  local owner, colon, key, list = line:match("^function ([%w_.]+)([.:])([%w_]+)%((.-)%) end$")
  if not owner then return false end
  local base = owner:match("^[%w_]+")
  local class = reader.vars[base]
  if not class then complain(reader, "%s is no table of this file", base) end
  local name = owner .. colon .. key
  read_params(reader, list, block, name)
  local rest = owner:sub(#base + 2)
  add(reader, { kind = "function", name = name, class = class,
    key = rest ~= "" and rest .. "." .. key or key, method = colon == ":",
    params = block.params, returns = block.returns, async = block.async }, block.text)
  return true
end

local function read_table_line(reader, line, block)
  local var = line:match("^local ([%w_]+) = {}$")
  if var then
    if not block.class then complain(reader, "local %s: @class is missing", var) end
    block.class.var = var
    reader.vars[var] = block.class.name
    add(reader, block.class, block.text)
    return true
  end
  local base, key = line:match("^([%w_]+)%.([%w_]+) = {}$")
  if not base then return line:match("^return [%w_]+$") ~= nil end
  add(reader, { kind = "table", name = base .. "." .. key, class = reader.vars[base], key = key },
    block.text)
  return true
end

local function read_line(reader, line)
  local lines = reader.pending
  reader.pending = {}
  local block = read_block(reader, lines, reader.line - #lines)
  if line == "" then
    if lines[1] then alone(reader, block) end
  elseif not read_function_line(reader, line, block) and
      not read_table_line(reader, line, block) then
    complain(reader, "not understood: %s", line)
  end
end

--- Reads the text of one file; file: its name for errors.  Raises the first error.
-- Second: the names of types that it uses, each with a line.
function annotations.read(text, file)
  local reader = { file = file, line = 0, sections = {}, pending = {}, vars = {}, used = {} }
  for line in (text .. "\n\n"):gmatch("(.-)\n") do
    reader.line = reader.line + 1
    local meta = line:match("^%-%-%-@meta%s*(.*)$")
    local title = line:match("^%-%- %-%-%-%- (.-) %-+$")
    local doc = line:match("^%-%-%-(.*)$")
    if meta then
      if reader.module then complain(reader, "@meta twice") end
      reader.module = meta
    elseif title then
      table.insert(reader.sections, { title = title, text = "", entries = {} })
    elseif doc then
      table.insert(reader.pending, doc)
    elseif not line:find("^%-%-") then
      read_line(reader, line)
    end
  end
  if not reader.module then complain(reader, "@meta is missing") end
  return { module = reader.module, sections = reader.sections, file = file }, reader.used
end

return annotations
