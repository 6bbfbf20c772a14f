-- `require` of scripts: the public module, published parts of the library (as copies), Lua files
-- of the script's own folder, and the pure Lua rocks that the operator listed.  Each script has its
-- own loaded modules; nothing is shared, nothing of the process's loader is reached.  Source text
-- only.  A script that is trusted fully gets every rock, C modules and ffi besides.

local guard = require "moon2m.core.guard"

local loader = {}

local PUBLISHED = { ["moon2m.rsc"] = true, ["moon2m.kinds"] = true, ["moon2m.schedule"] = true }

local rocks, trees = {}, {}

local function expand(tree)
  local home = os.getenv("HOME")
  return home and tree:gsub("^~/", home .. "/") or tree
end

--- rocks: names of the modules ("inspect", "pl": with all below it); rock_trees: where LuaRocks
-- installs, each with share/lua/5.1 below it.
function loader.configure(o)
  rocks, trees = {}, {}
  for _, name in ipairs(o.rocks or {}) do rocks[name] = true end
  for i, tree in ipairs(o.rock_trees or {}) do trees[i] = expand(tree) .. "/share/lua/5.1/" end
end

local function is_listed(name)
  while name do
    if rocks[name] then return true end
    name = name:match("^(.*)%.[^.]*$")
  end
  return false
end

local function read(file)
  local f = io.open(file, "rb")
  if not f then return nil end
  local text = f:read("*a")       -- nil: a directory
  f:close()
  return text
end

local function copy(t, name)
  local c = {}
  for k, v in pairs(t) do c[k] = v end
  return setmetatable(c, getmetatable(t) or { __index = function(_, k)
    error(("%s has no function '%s'"):format(name, tostring(k)), 2)
  end })
end

local function find_rock(name)
  local rel = name:gsub("%.", "/")
  for _, tree in ipairs(trees) do
    for _, file in ipairs { tree .. rel .. ".lua", tree .. rel .. "/init.lua" } do
      local text = read(file)
      if text then return file, text end
    end
  end
end

-- Rocks look for globals that may be absent and some set their own: theirs stay among the rocks of
-- this script.
local function rock_world(world)
  local w = setmetatable({}, { __index = function(_, k) return rawget(world, k) end,
    __metatable = "sealed" })
  rawset(w, "_G", w)
  return w
end

-- The file of a module and its text, and whether it is a rock; nil when the script may not have it.
local function find(scope, name, full)
  if not name:match("^[%w_-]+$") and not name:match("^[%w_-][%w_.-]*[%w_-]$") then return nil end
  if name:find("..", 1, true) then return nil end
  local file = scope.folder .. "/" .. name:gsub("%.", "/") .. ".lua"
  local text = read(file)
  if text then return file, text, false end
  if not full and not is_listed(name) then return nil end
  file, text = find_rock(name)
  if file then return file, text, true end
end

local function is_library(name)
  return name:match("^moon2m%.") ~= nil or name:match("^moon2m$") ~= nil
end

--- The function `require` of one script; world: its environment; full: it is trusted fully.
function loader.new(scope, world, full)
  local loaded = {}
  local rocky = rock_world(world)

  local function run(name, file, text, rock)
    local chunk, why = guard.compile(text, "@" .. file, rock and rocky or world)
    if not chunk then error(why, 0) end
    loaded[name] = true
    scope.files[file] = true
    if scope.chunks and not rock then table.insert(scope.chunks, chunk) end
    local ok, value = pcall(chunk, name)
    if not ok then
      loaded[name] = nil
      error(value, 0)
    end
    if value ~= nil then loaded[name] = value end
    return loaded[name]
  end

  return function(name)
    if type(name) ~= "string" then error("require: a module name was expected", 2) end
    if name == "moon2m" then return scope.api end
    if name == "bit" then return world.bit end
    if loaded[name] ~= nil then return loaded[name] end
    if PUBLISHED[name] then
      loaded[name] = copy(require(name), name)
      return loaded[name]
    end
    local file, text, rock = find(scope, name, full)
    if file then return run(name, file, text, rock) end
    if full and not is_library(name) then
      loaded[name] = require(name)
      return loaded[name]
    end
    error(("module %q is not available to scripts: it is not in the script's folder, nor a rock " ..
      "that `rocks` lists"):format(name), 2)
  end
end

return loader
