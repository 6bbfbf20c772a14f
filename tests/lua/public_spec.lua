-- The built-in types, the evaluation of access control rules and the standard notification are
-- written with what scripts have: here each of these files is run as a file of a script.

local env = require "moon2m.env"
local guard = require "moon2m.core.guard"

-- The files of a type and those that several share, as modules.
local function built_in()
  local list = { "moon2m.privileges", "moon2m.context", "moon2m.standard" }
  local found = assert(io.popen("find lua/moon2m/types -name '*.lua' ! -name init.lua | sort"))
  for file in found:lines() do
    list[#list + 1] = file:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/", ".")
  end
  found:close()
  return list
end

-- The world of a script whose folder is the library: it finds there what it may not have, which
-- then does not find what it needs in its turn.
local function world()
  return env.new { name = "library", folder = "lua", files = {}, api = {}, log = function() end }
end

describe("built-in files", function()
  it("run in the world of a script, each by itself", function()
    local list = built_in()
    assert.is_true(#list > 40)
    for _, name in ipairs(list) do
      local run = assert(guard.compile(("return require %q"):format(name), "@app.lua", world()))
      local ok, made = pcall(run)
      assert.is_true(ok, name .. ": " .. tostring(made))
      assert.is_not_nil(made, name)
    end
  end)

  it("give types the same attributes there", function()
    local types = require "moon2m.types"
    local run = guard.compile("return require", "@app.lua", world())()
    for _, name in ipairs { "ae", "subscription", "acp", "schedule", "mgmt_obj" } do
      local order = {}
      for i, r in ipairs(run("moon2m.types." .. name).attrs) do
        order[i] = type(r) == "table" and r[1] or r
      end
      assert.same(types.by_name[name].order, order)
    end
  end)
end)
