-- Reloading: what SIGHUP, `moon2m reload` and --watch ask for.  One at a time, in the order asked.
-- Everything (no name): the configuration is read again, scripts that it no longer names go, new
-- ones come, those that stay are replaced by what their files hold.  A script that does not load
-- leaves the version that runs untouched, and a configuration that is wrong changes nothing.  With
-- `reload = "tested"` the test beside the script (X_test.lua beside X.lua) has to pass first, in a
-- process of its own, while this one goes on.

local sys = require "moon2m.core.sys"
local script = require "moon2m.script"

local reload = {}

local LIVE = { apps = true, scripts = true, read = true, reload = true, tls = true,
  outgoing = true }              -- count from now on
local TEST_TIME = 60             -- seconds that a script's test may take
local MAX_REPORT = 4096          -- bytes of its report that are told
local TRIES = 3                  -- a file that changes meanwhile is tested again
local files = {}                 -- the scripts of the configuration, in order
local setup                      -- { config, load, apply, watch } of reload.open
local busy = false

--- o.config: the configuration that runs; o.load() -> what it would be now, or raises;
-- o.identity() -> a line | nil, why: the credentials are read again; o.apply(config): its `scripts`
-- and `read` count; o.secure(config) -> true | nil, why: its certificates do, read from their files
-- again; o.done(): scripts have changed; o.watch(folders) -> true | nil, why, or nil if nobody
-- watches.  Until it is called, nothing can be reloaded.
function reload.open(o)
  setup, files = o, o.config.apps
  reload.follow()
end

local function plain(file)
  return (file:gsub("^%./", ""))
end

local function folder(file)
  return file:match("^(.*)/[^/]*$") or "."
end

--- Watches the folders of the scripts and of what they required.
function reload.follow()
  if not setup or not setup.watch then return end
  local set, list = {}, {}
  local function add(file)
    local dir = folder(file)
    if not set[dir] then
      set[dir] = true
      list[#list + 1] = dir
    end
  end
  for _, file in ipairs(files) do add(file) end
  for _, s in ipairs(script.list()) do
    for file in pairs(s.files) do add(file) end
  end
  local ok, why = setup.watch(list)
  if not ok then sys.log("error", "script", "cannot watch: " .. tostring(why)) end
end

-- ---- the test of a script -----------------------------------------------------------------------

local function test_of(file)
  return (file:gsub("/init%.lua$", ""):gsub("%.lua$", "") .. "_test.lua")
end

local function is_tested(name)
  local how = setup.config.reload
  return how == "tested" or type(how) == "table" and how[name] == "tested"
end

local function content(file)
  local f = io.open(file, "rb")
  local text = f and f:read("*a")
  if f then f:close() end
  return text
end

-- What a test run says, without what passed.
local function report(output)
  local lines = {}
  for line in output:gmatch("[^\n]+") do
    if not line:find("^  ok  ") then lines[#lines + 1] = "    " .. line end
  end
  return table.concat(lines, "\n"):sub(1, MAX_REPORT)
end

local function fate_of(code, output)
  if code == 0 then return true end
  if not code then return nil, "cannot be run: " .. tostring(output) end
  if code == -2 then
    return nil, ("not finished after %d s, stopped\n%s"):format(TEST_TIME, report(output))
  end
  return nil, (code == -1 and "crashed\n" or "failed\n") .. report(output)
end

-- Whether the version in the file passes its test: true | nil, message.  Yields.
local function passes(name, file, lines)
  if not is_tested(name) then return true end
  local test = test_of(file)
  if not content(test) then
    lines[#lines + 1] = ("%s: reloaded untested, there is no %s"):format(name, test)
    sys.log("warn", "script", lines[#lines])
    return true
  end
  for _ = 1, TRIES do
    local before = content(file)
    local ok, why = fate_of(require("moon2m.core.child").run({ "test", test }, TEST_TIME))
    if not ok then return nil, ("its test %s %s"):format(test, why) end
    if content(file) == before then return true end
  end
  return nil, ("%s changed while its test ran"):format(file)
end

-- ---- one script ---------------------------------------------------------------------------------

local function say_failure(name, why, fate)
  sys.log("error", "script", ("%s not loaded, %s"):format(name, fate))
  sys.log("error", "script", ("%s: %s"):format(name, why))
end

local function replace(s, lines, failed)
  local new, why = passes(s.name, s.file, lines)
  local began = sys.mono()
  if new then new, why = script.reload(s.name) end
  if new then
    lines[#lines + 1] = script.summary(new)
    return
  end
  s.failed_reload = why
  say_failure(s.name, why, "the version already running stays")
  failed[#failed + 1] = ("%s not loaded, the version already running stays\n  %s"):format(s.name,
    why)
  sys.observe("moon2m_script_reload_seconds", 'result="failed"', (sys.mono() - began) / 1e6,
    "Loop time of reloads")
end

local function load(file, lines, failed)
  local s, why = passes(script.name_of(file), file, lines)
  if s then s, why = script.load(file) end
  if s then
    script.start(s)
    lines[#lines + 1] = ("%s loaded: %s"):format(s.file, script.declares(s))
    return
  end
  script.keep_out(file, why)
  say_failure(file, why, "nothing of it runs")
  failed[#failed + 1] = ("%s not loaded\n  %s"):format(file, why)
end

-- ---- everything ---------------------------------------------------------------------------------

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for k, v in pairs(a) do
    if not same(v, b[k]) then return false end
  end
  for k in pairs(b) do
    if a[k] == nil then return false end
  end
  return true
end

-- The configuration as it is now; what cannot change while the server runs is said and stays.
local function read_again(lines)
  local ok, new = pcall(setup.load)
  if not ok then return nil, tostring(new) end
  for key, v in pairs(new) do
    if not LIVE[key] and not same(v, setup.config[key]) then
      local text = ("configuration: %s changed, that counts from the next start on"):format(key)
      sys.log("warn", "script", text)
      lines[#lines + 1] = text
    end
  end
  for key in pairs(LIVE) do setup.config[key] = new[key] end
  setup.apply(setup.config)
  return new.apps
end

local function by_file()
  local loaded = {}
  for _, s in ipairs(script.list()) do loaded[s.file] = s end
  return loaded
end

-- First: who was revoked is out whatever becomes of the rest.
local function read_credentials(lines, failed)
  local line, why = setup.identity()
  if line then
    lines[#lines + 1] = line
  else
    failed[#failed + 1] = why
  end
end

-- Certificates that cannot be read leave those that are there.
local function secure_again(failed)
  local ok, why = setup.secure(setup.config)
  if ok then return end
  failed[#failed + 1] = "certificates stay as they were: " .. why
  sys.log("error", "tls", failed[#failed])
end

local function everything(lines, failed)
  read_credentials(lines, failed)
  local wanted, why = read_again(lines)
  if not wanted then
    failed[#failed + 1] = "configuration not read again, nothing changed: " .. why
    sys.log("error", "script", failed[#failed])
    return
  end
  secure_again(failed)
  files = wanted
  local stays = {}
  for _, file in ipairs(wanted) do stays[file] = true end
  script.forget_absent(stays)
  for file, s in pairs(by_file()) do
    if not stays[file] then
      script.unload(s.name)
      lines[#lines + 1] = file .. " unloaded"
    end
  end
  local loaded = by_file()
  for _, file in ipairs(wanted) do
    local a = script.find_absent(script.name_of(file))
    if loaded[file] then
      replace(loaded[file], lines, failed)
    elseif not (a and a.off) then
      load(file, lines, failed)
    end
  end
  script.order(wanted)
end

-- Runs fn(lines, failed) when no other reload is under way.
local function alone(fn)
  if not setup then return {}, { "the server is still starting" } end
  while busy do sys.sleep(0.005) end
  busy = true
  local lines, failed = {}, {}
  local ok, why = pcall(fn, lines, failed)
  if ok then ok, why = pcall(setup.done) end
  busy = false
  reload.follow()
  if not ok then error(why, 0) end
  return lines, failed[1] and failed or nil
end

--- Reloads the script of that name (also one that did not load or is switched off), or everything.
-- Lines that say what was done, and a list of what failed, or nil.  Yields.
function reload.run(name)
  return alone(function(lines, failed)
    if not name then return everything(lines, failed) end
    local s, absent = script.find(name), script.find_absent(name)
    if s then return replace(s, lines, failed) end
    if absent then return load(absent.file, lines, failed) end
    failed[1] = ("no script named %s"):format(name)
  end)
end

--- Reads the credentials again, and nothing else; as reload.run.  Yields.
function reload.credentials()
  return alone(read_credentials)
end

--- Files were written (--watch): those scripts are reloaded that are or use one of them.  list: a
-- text of one path a line; "*": any file may have changed.  Yields.
function reload.changed(list)
  local set = {}
  for file in list:gmatch("[^\n]+") do set[plain(file)] = true end
  local function touched(paths)
    if set["*"] then return true end
    for file in pairs(paths) do
      if set[plain(file)] then return true end
    end
  end
  local function concerned(name, file, paths)
    return touched(paths) or is_tested(name) and touched { [test_of(file)] = true }
  end
  return alone(function(lines, failed)
    for _, s in ipairs { unpack(script.list()) } do
      if concerned(s.name, s.file, s.files) then replace(s, lines, failed) end
    end
    for _, a in ipairs { unpack(script.absent()) } do
      if not a.off and concerned(a.name, a.file, { [a.file] = true }) then
        load(a.file, lines, failed)
      end
    end
  end)
end

return reload
