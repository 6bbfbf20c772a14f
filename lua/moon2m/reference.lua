-- The reference as data: what the description files (meta.lua and meta/) say, read once, with the
-- names of everything that they describe.  The page that `make doc` makes and `help` are two views
-- of it.

local annotations = require "moon2m.annotations"
local sys = require "moon2m.core.sys"

local reference = {}

local FILES = { "meta", "meta.gateways", "meta.tables", "meta.rsc", "meta.kinds",
  "meta.schedule", "meta.test", "meta.console" }

-- What people call it: without the library's prefix, and without the table that the console's
-- commands stand in.
local function short(name)
  return (name:gsub("^moon2m%.", ""):gsub("^console%.", ""))
end
reference.short = short

-- Every type that a file uses is declared somewhere.
local function check_types(model, used)
  for _, one in ipairs(used) do
    for name, line in pairs(one.used) do
      if not model.types[name] then
        error(("%s:%d: no type %s is declared"):format(one.file, line, name), 0)
      end
    end
  end
end

local function add_entry(model, entry)
  local name = short(entry.name)
  if entry.kind == "class" or entry.kind == "alias" then
    if model.types[entry.name] and entry.name ~= "moon2m.cse" then
      error(("%s:%d: %s is declared twice"):format(entry.file, entry.line, entry.name), 0)
    end
    model.types[entry.name] = model.types[entry.name] or entry
  elseif model.names[name] then
    error(("%s:%d: %s is described twice"):format(entry.file, entry.line, name), 0)
  else
    model.names[name] = entry
  end
end

local function add_file(model, used, module)
  local file = module:gsub("%.", "/") .. ".lua"
  local text = sys.source("moon2m." .. module)
  if not text then error(("no file %s in the library"):format(file), 0) end
  local one, types = annotations.read(text, "lua/moon2m/" .. file)
  used[#used + 1] = { file = one.file, used = types }
  for _, section in ipairs(one.sections) do
    section.file = module
    table.insert(model.sections, section)
    for _, entry in ipairs(section.entries) do add_entry(model, entry) end
  end
end

--- The resource types that have a description: those of the library, by number and name.
function reference.resource_types()
  local list = {}
  for name, T in pairs(require("moon2m.types").by_name) do
    if not T.user and not T.spec.cnd then list[#list + 1] = { ty = T.ty, name = name, type = T } end
  end
  table.sort(list, function(a, b)
    if a.ty ~= b.ty then return a.ty < b.ty end
    return a.name < b.name
  end)
  return list
end

local function add_resources(model, used)
  add_file(model, used, "meta.resources")
  local all = model.sections[#model.sections]
  for _, one in ipairs(reference.resource_types()) do
    local file = "meta.resources." .. one.name
    if sys.source("moon2m." .. file) then           -- not those of scripts
      add_file(model, used, file)
      local mine = table.remove(model.sections)
      for _, entry in ipairs(mine.entries) do table.insert(all.entries, entry) end
    end
  end
end

local function load()
  local model, used = { sections = {}, names = {}, types = {} }, {}
  for _, module in ipairs(FILES) do add_file(model, used, module) end
  add_resources(model, used)
  check_types(model, used)
  return model
end

local model

--- { sections = in order, names = short name -> function or table, types = full name -> class or
-- alias }.  Raises when a description cannot be read, with file and line.
function reference.get()
  model = model or load()
  return model
end

-- ---- texts --------------------------------------------------------------------------------------

--- A type as it is shown: without the library's prefix.
function reference.type_text(one)
  return (one.type:gsub("moon2m%.", ""))
end

local function returns_text(list)
  if not list[1] then return "" end
  local first = list[1].name
  local second = list[2] and (list[2].name == "err" or list[2].name == "message")
  if second then
    return " -> " .. (list[1].optional and first .. " | nil, " or first .. ", ") .. list[2].name
  end
  local names = {}
  for i, r in ipairs(list) do names[i] = r.name .. (r.optional and " | nil" or "") end
  return " -> " .. table.concat(names, ", ")
end

--- How a function is called: "cse.add(container, content [, attrs]) -> cin | nil, err".
function reference.signature(entry)
  local parts = {}
  for i, p in ipairs(entry.params) do
    local text = (i > 1 and ", " or "") .. p.name
    parts[i] = p.optional and (i > 1 and " [" or "[") .. text .. "]" or text
  end
  return short(entry.name) .. "(" .. table.concat(parts) .. ")" .. returns_text(entry.returns)
end

return reference
