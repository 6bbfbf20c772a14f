-- The text that `help()` of the console and `moon2m help NAME` show: a view of the reference for
-- terminals.  Reads only; never raises for a name that it does not know.

local reference = require "moon2m.reference"

local help = {}

local WIDTH = 80
local MAX_NAMES = 12             -- of similar ones

-- ---- laying out ---------------------------------------------------------------------------------

-- Words of `text` in lines of WIDTH, each begun with `indent`; the first with `first`.
local function wrap(out, text, indent, first)
  local line, empty = first or indent, true
  for word in text:gmatch("%S+") do
    if not empty and #line + 1 + #word > WIDTH then
      out[#out + 1] = line
      line, empty = indent, true
    end
    line = line .. (empty and "" or " ") .. word
    empty = false
  end
  out[#out + 1] = line
end

-- A description: paragraphs are wrapped, code stands as it is, indented.
local function describe(out, text, indent)
  local words, code = {}, false
  local function flush()
    if words[1] then wrap(out, table.concat(words, " "), indent) end
    words = {}
  end
  for line in (text .. "\n"):gmatch("(.-)\n") do
    if line:find("^```") then
      flush()
      code = not code
    elseif code then
      out[#out + 1] = indent .. "  " .. line
    elseif line == "" then
      flush()
      out[#out + 1] = ""
    else
      words[#words + 1] = line
    end
  end
  flush()
end

-- Names with their types and texts, in two columns.
local function columns(out, title, list)
  if not list[1] then return end
  local width = 0
  for _, one in ipairs(list) do width = math.max(width, #one.name) end
  width = math.min(width, 12)
  out[#out + 1] = ""
  out[#out + 1] = title
  for _, one in ipairs(list) do
    local head = ("  %-" .. width .. "s  "):format(one.name)
    local text = reference.type_text(one) .. (one.optional and ", optional" or "")
    if one.text ~= "" then text = text .. ": " .. one.text:gsub("\n", " ") end
    wrap(out, text, (" "):rep(width + 4), head)
  end
end

local function members_of(model, name)
  local list = {}
  for _, section in ipairs(model.sections) do
    for _, entry in ipairs(section.entries) do
      if entry.kind == "function" and entry.class == name then list[#list + 1] = entry end
    end
  end
  return list
end

local function list_functions(out, list)
  for _, entry in ipairs(list) do out[#out + 1] = "  " .. reference.signature(entry) end
end

-- ---- one entry ----------------------------------------------------------------------------------

local function of_function(entry)
  local out = { reference.signature(entry), "" }
  describe(out, entry.text, "  ")
  columns(out, "Parameters", entry.params)
  columns(out, "Returns", entry.returns)
  return out
end

local function of_class(model, entry)
  local out = { reference.short(entry.name), "" }
  describe(out, entry.text, "  ")
  columns(out, "Fields", entry.fields)
  local functions = members_of(model, entry.name)
  if functions[1] then
    out[#out + 1], out[#out + 2] = "", "Functions"
    list_functions(out, functions)
  end
  return out
end

local function of_alias(entry)
  local out = { reference.short(entry.name), "" }
  describe(out, entry.text, "  ")
  if entry.type then out[#out + 1] = "  " .. entry.type end
  for _, v in ipairs(entry.variants) do
    wrap(out, v.type .. ": " .. v.text, "      ", "  ")
  end
  return out
end

local function of_table(model, entry)
  local out = { entry.name, "" }
  describe(out, entry.text, "  ")
  out[#out + 1] = ""
  for _, one in ipairs(members_of(model, entry.class)) do
    if one.key:find(entry.key .. ".", 1, true) == 1 then list_functions(out, { one }) end
  end
  return out
end

local function text_of(model, entry)
  local out
  if entry.kind == "function" then
    out = of_function(entry)
  elseif entry.kind == "class" then
    out = of_class(model, entry)
  elseif entry.kind == "alias" then
    out = of_alias(entry)
  else
    out = of_table(model, entry)
  end
  return table.concat(out, "\n")
end

-- ---- finding ------------------------------------------------------------------------------------

local function by_type_name(model, name)
  local T = require("moon2m.types").by_root["m2m:" .. name]
  return model.types["moon2m." .. name] or model.types["moon2m.res." .. name] or
    T and model.types["moon2m.res." .. T.name]
end

-- What examples call the tables that handlers are handed.
local USUAL = { req = "request", ev = "event", n = "notice", res = "resource" }

-- The entry of a name, and a second one when a function of cse and a table are both called so.
local function find(model, name)
  name = name:gsub("%s*%(%s*%)$", ""):gsub("^moon2m%.", "")
  if USUAL[name] then return model.types["moon2m." .. USUAL[name]] end
  if model.names[name] then return model.names[name] end
  local named, typed = model.names["cse." .. name], by_type_name(model, name)
  if named or typed then return named or typed, named and typed end
  for known, one in pairs(model.names) do
    if known:gsub(":", ".") == name:gsub(":", ".") then return one end
  end
  local var = name:match("^[%w_]+$")
  for _, one in pairs(model.types) do
    if var and one.var == var then return one end
  end
end

-- Names that have the text in them, or the last part of a name.
local function similar(model, name)
  local part, list = name:lower():match("([%w_]+)%W*$") or name:lower(), {}
  local function look(known)
    if known:lower():find(part, 1, true) then list[#list + 1] = known end
  end
  for known in pairs(model.names) do look(known) end
  for known in pairs(model.types) do look(reference.short(known)) end
  table.sort(list)
  for i = #list, MAX_NAMES + 1, -1 do list[i] = nil end
  return list
end

-- The path of a value in a table of tables, as a script writes it: "cse.http.get".
local function path_of(value, world, prefix, depth)
  for k, v in pairs(world) do
    if type(k) == "string" then
      local found = v == value and prefix .. k or type(v) == "table" and v ~= world and depth > 0
        and path_of(value, v, prefix .. k .. ".", depth - 1)
      if found then return found end
    end
  end
end

local function overview(model)
  local out = { 'What scripts have; of each: `moon2m help NAME`, in the console help("NAME").', "" }
  for _, section in ipairs(model.sections) do
    local names = {}
    for _, entry in ipairs(section.entries) do
      local one = entry.kind ~= "table" and reference.short(entry.name)
      local inner = one and one:find("^res%.[^.]+%.")      -- in the text of its resource
      if one and one ~= "cse" and not inner then names[#names + 1] = one end
    end
    if names[1] then
      out[#out + 1] = section.title
      wrap(out, table.concat(names, " "), "  ")
    end
  end
  return table.concat(out, "\n")
end

--- The text about what a script sees: a name ("cse.add", "add", "event", "cnt"), or the function
-- itself, which is looked for in `world` ({ cse = ..., ... }).  nil: an overview.  Text | nil, why.
function help.text(what, world)
  local model = reference.get()
  if what == nil then return overview(model) end
  local name = what
  if type(what) ~= "string" then
    name = world and path_of(what, world, "", 3)
    if not name then return nil, "no text about that " .. type(what) .. "; ask by its name" end
  end
  local entry, other = find(model, name)
  if other then return text_of(model, entry) .. "\n\n" .. text_of(model, other) end
  if entry then return text_of(model, entry) end
  local near = similar(model, name)
  return nil, ("no text about %s%s"):format(name,
    near[1] and "; there is " .. table.concat(near, ", ") or "")
end

--- Entry of the command `moon2m help`; the exit code.
function help.main(name)
  local text, why = help.text(name)
  if not text then
    io.stderr:write("moon2m help: ", why, "\n")
    return 1
  end
  print(text)
  return 0
end

return help
