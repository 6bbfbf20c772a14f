-- Tests of scripts: `local t = require "moon2m.test"` in a file that `moon2m test` runs.
--
--   t.test(name, fn)                  one test
--   t.host { scripts =, config =, tree =, ... }   a CSE in this process, with a clock of its own
--   t.server { the same }             the same against the real binary
--   t.equal t.same t.is_nil t.ok t.match t.raises t.refused     what was got, what was expected
--
-- A test fails when an assertion does, and when it leaves behind: script errors that it did not
-- expect (h:expect_error), parked events or notifications, code that never ends, open handles.

local check = require "moon2m.test.check"
local host = require "moon2m.test.host"

local test = {}

for _, name in ipairs { "equal", "same", "is_nil", "ok", "match", "raises", "refused", "show" } do
  test[name] = check[name]
end

local tests = {}                 -- those of the file that is being loaded

-- ---- running one --------------------------------------------------------------------------------

-- What the test's hosts and servers have to say against it.
local function left_behind()
  local problems = {}
  for _, one in ipairs(host.finish()) do problems[#problems + 1] = one end
  if package.loaded["moon2m.test.server"] then
    for _, one in ipairs(require("moon2m.test.server").finish()) do
      problems[#problems + 1] = one
    end
  end
  return problems
end

--- Runs a test's function and closes what it opened.  A list of texts that say what was wrong;
-- empty when it passed.
function test.run(fn)
  local ok, what = pcall(fn)
  local fine, problems = pcall(left_behind)
  if not fine then problems = { tostring(problems) } end
  if not ok then table.insert(problems, 1, tostring(what)) end
  collectgarbage()
  return problems
end

-- ---- declaring ----------------------------------------------------------------------------------

--- One test.  Under busted it becomes an `it`.
function test.test(name, fn)
  if type(name) ~= "string" then error("t.test: a name was expected", 2) end
  if type(fn) ~= "function" then error("t.test: a function was expected", 2) end
  local it = getfenv(2).it         -- busted's, in the environment of its files
  if not tests.collecting and it then
    return it(name, function()
      local problems = test.run(fn)
      if problems[1] then error(table.concat(problems, "\n"), 0) end
    end)
  end
  tests[#tests + 1] = { name = name, fn = fn }
end

-- What a test file did that requires the library of scripts; nil when it is something else.
local function only_scripts(trace, file)
  if not trace:find("module 'moon2m.core.", 1, true) then return nil end
  local at = trace:match("\n%s*(" .. file:gsub("%p", "%%%0") .. ":%d+): in main chunk") or file
  return at .. ': "moon2m" is what scripts require; a test has require "moon2m.test", and ' ..
    "t.host { scripts = { ... } } runs the script"
end

--- Runs a file; the tests that it declares, in order: { name, fn }.  nil, text when it does not
-- load.
function test.collect(file)
  tests = { collecting = true }
  local chunk, why = loadfile(file)
  if not chunk then return nil, why end
  local ok, what = xpcall(chunk, debug.traceback)
  local found = tests
  tests = {}
  if not ok then return nil, only_scripts(what, file) or what end
  return found
end

--- A CSE in this process; see host.lua.
function test.host(o)
  return host.new(o)
end

--- The same against the real binary; see server.lua.
function test.server(o)
  return require("moon2m.test.server").new(o)
end

return test
