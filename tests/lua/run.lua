-- Runs the Lua unit tests with busted inside `moon2m lua`, where the core modules are the real
-- ones:
--   moon2m lua [--lua DIR] tests/lua/run.lua [busted option | file | folder]...
-- Without a file or folder: all *_spec.lua of tests/lua.  Exit code: busted's (0: all passed).

local root = arg[0]:match("^(.*)/tests/lua/[^/]*$") or "."

-- Debian's busted and what it needs are pure Lua in share/5.1 and C modules beside cjson.
package.path = table.concat({
  root .. "/tests/lua/?.lua",
  "/usr/local/share/lua/5.1/?.lua", "/usr/local/share/lua/5.1/?/init.lua",
  "/usr/share/lua/5.1/?.lua", "/usr/share/lua/5.1/?/init.lua",
}, ";")

local function names_a_test(args)
  for i, a in ipairs(args) do
    local option = args[i - 1] or ""
    if not a:match("^%-") and not option:match("^%-[%-%a]") then return true end
  end
  return false
end

local args = { [0] = arg[0] }
for i = 1, #arg do args[i] = arg[i] end
if not names_a_test(args) then args[#args + 1] = root .. "/tests/lua" end
_G.arg = args

-- The runner leaves through os.exit when something failed; called by pcall, it does so quietly.
local ok, why = pcall(require "busted.runner", { standalone = false })
if not ok then error(why, 0) end
