-- The library as a process just started would have it: every module of it anew, over the core
-- modules that the test provides.  A module's text is compiled once and run for each host.

local library = {}

local compiled = {}
local originals = {}

-- The library's searcher, behind package.preload, with a memory.
local search = package.loaders[2]
package.loaders[2] = function(name)
  local chunk = compiled[name]
  if chunk then return chunk end
  chunk = search(name)
  if type(chunk) == "function" and name:match("^moon2m") then compiled[name] = chunk end
  return chunk
end

local function is_library(name)
  return name:match("^moon2m$") or name:match("^moon2m%.") and not name:match("^moon2m%.core%.")
    and not name:match("^moon2m%.test$") and not name:match("^moon2m%.test%.")
end

--- The core module as the binary has it; nil when it has none.
function library.core(name)
  name = "moon2m.core." .. name
  if originals[name] == nil then
    local ok, module = pcall(require, name)
    originals[name] = ok and module or false
  end
  return originals[name] or nil
end

--- Forgets every module of the library; core: name -> what moon2m.core.NAME is from now on.
function library.fresh(core)
  for name in pairs(package.loaded) do
    if is_library(name) then package.loaded[name] = nil end
  end
  for name, module in pairs(core) do
    library.core(name)
    package.loaded["moon2m.core." .. name] = module
  end
end

--- The core modules are the binary's again.
function library.restore()
  for name, module in pairs(originals) do package.loaded[name] = module or nil end
end

return library
