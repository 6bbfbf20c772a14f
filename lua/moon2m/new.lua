-- `moon2m new NAME [FOLDER]`: a script that works, its test, and the editor's settings.  Writes all
-- of it or nothing, and never over something that exists.

local new = {}

local SCRIPT = [=[
-- NAME.lua: counts the readings of each container below /NAME, beside the container.
-- Run it:   moon2m run NAME.lua
-- Test it:  moon2m test NAME_test.lua
local cse = require "moon2m"

-- Settings with their defaults; the operator's are `scripts = { NAME = { ... } }` in the
-- configuration of the server.
local cfg = cse.config { keep = 100 }

-- In memory, kept over a reload.  What must survive a restart belongs into resources.
local state = cse.state { counts = {} }

-- Runs once, when the server has started.
cse.start(function()
  cse.ensure("/NAME", "container")
end)

-- Runs before a reading is stored: `false, why` refuses it.
cse.check("create", "/NAME/*", function(req)
  if req.ty == 4 and not tonumber(req.pc.con) then return false, "a number was expected" end
end)

-- Runs after a reading was stored.  ev[1] is what the star stands for.
cse.on("create", "/NAME/*", function(ev)
  if ev.res.ty ~= 4 or ev[1]:match("%-count$") then return end
  local n = (state.counts[ev[1]] or 0) + 1
  state.counts[ev[1]] = n
  assert(cse.ensure(ev.to .. "-count", "container", { mni = cfg.keep }))
  assert(cse.add(ev.to .. "-count", n))          -- what fails is logged, and the event kept
end)

-- Runs every minute.
cse.every(60, function()
  for name, n in pairs(state.counts) do cse.log.info("readings of %s: %d", name, n) end
end)
]=]

local TEST = [=[
-- Run it:  moon2m test NAME_test.lua
local t = require "moon2m.test"

-- A server of its own for each test: the script, its settings, and what is there at the start.
local function host()
  return t.host { scripts = { "NAME.lua" }, config = { NAME = { keep = 2 } },
    tree = { ["/NAME/temp"] = { ty = "container" } } }
end

t.test("readings are counted beside their container", function()
  local h = host()
  for _, v in ipairs { "20", "21", "22" } do t.ok(h:create("/NAME/temp", v)) end
  t.equal(h:latest("/NAME/temp-count"), 3)
  t.equal(t.ok(h:retrieve("/NAME/temp-count")).cni, 2)       -- keep = 2
end)

t.test("what is no number is refused, and not counted", function()
  local h = host()
  local err = t.refused(4000, h:create("/NAME/temp", "warm"))
  t.match(err.msg, "a number was expected")
  t.is_nil(h:latest("/NAME/temp-count"))
end)

t.test("the counts are logged every minute", function()
  local h = host()
  h:create("/NAME/temp", "20")
  h:advance(60)                                  -- the test's clock, not yours
  t.equal(#h:logged("readings of temp: 1"), 1)
end)
]=]

local SETTINGS = [=[
{
  "runtime.version": "LuaJIT",
  "workspace.library": ["LIBRARY/moon2m/meta.lua", "LIBRARY/moon2m/meta"],
  "workspace.checkThirdParty": false
}
]=]

local INSTALLED = "/usr/local/share/moon2m/lua"

local function exists(file)
  local f = io.open(file, "rb")
  if f then f:close() end
  return f ~= nil
end

-- The folder of this program, as the kernel knows it; nil when it does not tell.  The program is
-- the first file in memory; memory of no file may be below it.
local function folder_of_program()
  local f = io.open("/proc/self/maps")
  if not f then return nil end
  local folder
  for line in f:lines() do
    folder = line:match(" (/[^ ]+)/[^/]+$")
    if folder then break end
  end
  f:close()
  return folder
end

-- Where the types for editors are: beside this program, as make installs them or in its source, or
-- where make installs by default.
local function library()
  local top = (folder_of_program() or ""):match("^(.*)/[^/]*$")
  for _, place in ipairs { top and top .. "/share/moon2m/lua", top and top .. "/lua", INSTALLED } do
    if place and exists(place .. "/moon2m/meta.lua") then return place end
  end
  return INSTALLED
end

local function filled(text, name)
  local value = { NAME = name, LIBRARY = library() }
  return (text:gsub("%u%u%u%u+", value))
end

local function write(file, text)
  local f, why = io.open(file, "wb")
  if not f then return nil, why end
  local ok, failed = f:write(text)
  f:close()
  return ok, failed
end

-- The files to write: { name, text }; nil, reason when one is there already.
local function plan(name, folder)
  local files = {
    { folder .. name .. ".lua", filled(SCRIPT, name) },
    { folder .. name .. "_test.lua", filled(TEST, name) },
  }
  for _, file in ipairs(files) do
    if exists(file[1]) then return nil, file[1] .. " exists already; nothing was written" end
  end
  local settings = folder .. ".luarc.json"
  if not exists(settings) then files[3] = { settings, filled(SETTINGS, name) } end
  return files
end

--- Writes the files.  Their names in order; nil, reason.
function new.make(name, folder)
  if not name:match("^%l[%l%d_]*$") or #name > 64 or name:match("_test$") then
    return nil, ("%q: a name of lower-case letters, digits and \"_\", a letter first, was expected")
      :format(name)
  end
  folder = folder and folder ~= "." and folder:gsub("/*$", "/") or ""
  local files, why = plan(name, folder)
  if not files then return nil, why end
  local done = {}
  for i, file in ipairs(files) do
    local ok, failed = write(file[1], file[2])
    if not ok then
      for _, written in ipairs(done) do os.remove(written) end
      return nil, failed
    end
    done[i] = file[1]
  end
  return done
end

--- Entry of the command; the exit code.
function new.main(name, folder)
  local files, why = new.make(name, folder)
  if not files then
    io.stderr:write("moon2m new: ", why, "\n")
    return 1
  end
  for _, file in ipairs(files) do print("wrote " .. file) end
  print("\nNext:\n  moon2m test " .. files[2] .. "\n  moon2m run " .. files[1])
  return 0
end

return new
