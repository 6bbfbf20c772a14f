-- `make layers`: what the built-in resource types, the evaluation of access control rules and the
-- standard notification are made of.  PUBLIC is what scripts have, too, and such files may require
-- each other, as the files of a script do; whatever else one requires is a door that scripts have
-- not, and is listed here: a new one, or one that is no longer used, is an error.

local PUBLIC = { ["moon2m"] = true, ["moon2m.rsc"] = true, ["moon2m.kinds"] = true,
  ["moon2m.schedule"] = true, bit = true }

-- File below lua/moon2m -> modules of the library that only it may use.
local DOORS = {}

local bad, open_files, files = 0, 0, 0
local built_in = {}              -- names of the modules that are looked at
for _, file in ipairs(arg) do
  built_in[(file:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/", "."))] = true
end

local function complain(...)
  print(string.format(...))
  bad = bad + 1
end

-- The modules that a file requires, without "moon2m.".
local function doors_of(file)
  local set = {}
  for line in io.lines(file) do
    if not line:find("^%s*%-%-") then
      for name in line:gmatch("require%s*%(?%s*[\"']([%w_.]+)[\"']") do
        if not PUBLIC[name] and not built_in[name] then
          set[name:gsub("^moon2m%.", "")] = true
        end
      end
    end
  end
  return set
end

for _, file in ipairs(arg) do
  local name, known = file:match("lua/moon2m/(.*)%.lua$"), {}
  local doors = doors_of(file)
  for module in (DOORS[name] or ""):gmatch("%S+") do known[module] = true end
  for module in pairs(doors) do
    if not known[module] then
      complain("%s requires %s, which scripts do not have (tests/public.lua)", file, module)
    end
  end
  for module in pairs(known) do
    if not doors[module] then
      complain("%s no longer requires %s (tests/public.lua)", file, module)
    end
  end
  files = files + 1
  if next(doors) then open_files = open_files + 1 end
  DOORS[name] = nil
end
for name in pairs(DOORS) do complain("there is no lua/moon2m/%s.lua (tests/public.lua)", name) end
print(("  %d of %d built-in files use the public API alone"):format(files - open_files, files))
os.exit(bad == 0 and 0 or 1)
