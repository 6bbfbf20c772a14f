-- `make layers`: the built-in resource types, the evaluation of access control rules and the
-- standard notification are written with what scripts have.  They may require PUBLIC modules and
-- each other, as the files of a script do, and nothing else of the library.

local PUBLIC = { ["moon2m"] = true, ["moon2m.rsc"] = true, ["moon2m.kinds"] = true,
  ["moon2m.schedule"] = true, bit = true }

local bad = 0
local built_in = {}              -- names of the modules that are looked at
for _, file in ipairs(arg) do
  built_in[(file:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/", "."))] = true
end

local function complain(...)
  print(string.format(...))
  bad = bad + 1
end

-- What a line requires: a name as text, or false for one that is made.
local function required(line)
  local rest = line:match("%f[%w_]require%f[^%w_](.*)")
  if not rest or line:find("^%s*%-%-") then return nil end
  return rest:match("^%s*%(?%s*[\"']([%w_.]+)[\"']") or false
end

for _, file in ipairs(arg) do
  for line in io.lines(file) do
    local name = required(line)
    if name == false then complain("%s: require needs a name here: %s", file, line) end
    if name and not PUBLIC[name] and not built_in[name] then
      complain("%s requires %s, which scripts do not have", file, name)
    end
  end
end
if bad == 0 then print(("  %d built-in files, with what scripts have"):format(#arg)) end
os.exit(bad == 0 and 0 or 1)
