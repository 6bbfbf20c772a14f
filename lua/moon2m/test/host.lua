-- A CSE inside the test: the real library over a store in memory, started as `moon2m run` would,
-- with a clock that the test moves and a network that writes down what would leave.  One host
-- exists at a time: a new one, or the end of the test, closes the one before.
-- What a test must not leave behind is told by `finish`.

local common = require "moon2m.test.common"
local library = require "moon2m.test.library"
local loop = require "moon2m.test.loop"
local native = require "moon2m.core.host"
local network = require "moon2m.test.network"
local place = require "moon2m.test.place"
local verbs = require "moon2m.test.verbs"
local wires = require "moon2m.test.wires"

local host = setmetatable({}, { __index = verbs })
host.__index = host

local START = 1767258000e6       -- 2026-01-01 09:00 UTC, us; unless the test says another time
local MAX_LOG = 2000             -- lines that are kept
local REST = 5                   -- s of the test's clock for what goes on after the stop

local current                    -- the host that is open
local last_log = {}

-- ---- what is watched ----------------------------------------------------------------------------

local function keep_log(self)
  function loop.on_log(level, module, text)
    if #self.log < MAX_LOG then
      self.log[#self.log + 1] = { level = level, module = module, text = text }
    end
  end
end

local function keep_failures(self)
  function loop.on_error(text)
    self.found[#self.found + 1] = "error of the library: " .. text
  end
end

-- Every run of user code is known while it lasts, and what it raised is kept.
local function watch_rules(self)
  local rule = require "moon2m.rule"
  local call, report = rule.call, rule.report
  local function ended(token, ...)
    self.running[token] = nil
    return ...
  end
  local cover = package.loaded["moon2m.test.cover"]
  function rule.call(r, ...)
    local token = { r }
    if cover then cover.arm() end
    self.running[token] = r.name
    return ended(token, call(r, ...))
  end
  function rule.report(r, what, about, fate)
    self.raised[#self.raised + 1] = { script = r.scope.name, rule = r.name, event = about,
      fate = fate, text = (tostring(what):match("^[^\n]*")), trace = tostring(what) }
    return report(r, what, about, fate)
  end
end

-- Every scope that was ever live is looked at in the end.
local function note_scopes(self)
  for _, scope in ipairs(require("moon2m.script").list()) do
    if not self.scopes[scope] then
      self.scopes[scope] = true
      table.insert(self.scopes, scope)
    end
  end
end

-- ---- starting -----------------------------------------------------------------------------------

local KNOWN = { scripts = "table", config = "table", tree = "table", server = "table",
  files = "table", now = "number" }

local function check_options(o)
  if type(o) ~= "table" then place.fail("t.host: a table was expected") end
  for k, v in pairs(o) do
    if not KNOWN[k] then
      place.fail("t.host: no option %s; there are config, files, now, scripts, server, tree",
        tostring(k))
    end
    if type(v) ~= KNOWN[k] then
      place.fail("t.host: %s: a %s was expected, got a %s", k, KNOWN[k], type(v))
    end
  end
end

local function configuration(self, o)
  local given = { strict = true, scripts = o.config }
  for k, v in pairs(o.server or {}) do given[k] = v end
  self.apps = self.apps or common.scripts(self.folder, o.scripts or {})
  given.apps = self.apps
  return given
end

-- Everybody is believed.
local IDENTITY = { required = function() return false end, count = function() return 0 end,
  admin = function() end, reload = function() return true end }

local function core_modules(self)
  local store = library.core "store"
  return { sys = loop.sys, cse = network.open(loop, self.boot), gateway = wires.open(loop),
    identity = IDENTITY,
    store = setmetatable({ commit = network.commit(store.commit) }, { __index = store }) }
end

-- now: us since 1970; tree: what is made before scripts are loaded, or nil.
local function boot(self, now, tree)
  local o = self.options
  library.fresh(core_modules(self))
  loop.open(now)
  loop.files = o.files or {}
  keep_log(self)
  keep_failures(self)
  watch_rules(self)
  local start = require "moon2m.boot"
  network.serve(start)
  wires.serve(start)
  self.cfg = start.config { config = configuration(self, o) }
  self.fr = self.cfg.cse.admin ~= "" and self.cfg.cse.admin or "CAdmin"
  self.boot = start
  loop.run(function()
    return start.start(function() if tree then self:plant(tree) end end)
  end)
  loop.settle()
end

--- A new host.  o (all optional): scripts = { files (as seen from here, or from the test's folder),
-- name = text }, config = { script = settings }, tree = { path = attributes }, server = { keys of
-- the configuration file }, files = { path = text that cse.read finds }, now = seconds since 1970.
function host.new(o)
  o = o or {}
  check_options(o)
  if current then current:close() end
  local self = setmetatable({ log = {}, raised = {}, expected = {}, running = {}, scopes = {},
    found = {}, options = o }, host)
  local folder, why = native.open()
  if not folder then error(why, 0) end
  self.folder = folder
  current = self
  local ok, what = pcall(boot, self, o.now and o.now * 1e6 or START, o.tree)
  if not ok then
    self.broken = true
    error(place.here() .. tostring(what), 0)
  end
  return self
end

-- ---- requests -----------------------------------------------------------------------------------

local function open(self)
  if self.closed or current ~= self.root then
    place.fail("this host is closed: a test has one host at a time, and it ends with the test")
  end
end

-- A view made with `as` has the fields of its host.
function host.__index(self, k)
  if k == "root" then return self end
  return host[k]
end

--- Performs a request: rsc, content.  Inside a task (while the tree is made) and outside.
function host:send(req)
  open(self)
  self.root.last_rqi = (self.root.last_rqi or 0) + 1
  req.rqi, req.rvi, req.via = "test" .. self.root.last_rqi, "3", "http"
  req.host = "127.0.0.1:8080"
  local perform = require("moon2m.dispatch").perform
  if self.root.planting then return perform(req) end
  local code, pc = loop.run(function() return perform(req) end)
  loop.settle()
  return code, pc
end

function host:plant(tree)
  self.planting = true
  verbs.plant(self, tree)
  self.planting = nil
end

-- ---- what is connected --------------------------------------------------------------------------

for name, fn in pairs(wires.verbs) do
  host[name] = function(self, ...)
    open(self)
    local result = fn(...)
    if name ~= "sent" then loop.settle() end
    return result
  end
end

-- ---- time ---------------------------------------------------------------------------------------

--- Lets seconds of the host's clock pass; timers fire in order, at their times.
function host:advance(seconds)
  open(self)
  if type(seconds) ~= "number" or seconds < 0 then
    place.fail("advance: seconds from 0 on were expected, got %s", tostring(seconds))
  end
  loop.advance(seconds)
end

--- The host's clock, seconds since 1970.
function host:now()
  open(self)
  return loop.sys.now() / 1e6
end

--- Calls fn until it returns something true, and returns that; the clock goes on by a tenth of a
-- second between calls, `seconds` (10) at most.
function host:wait(fn, seconds)
  open(self)
  for _ = 0, (seconds or 10) * 10 do
    local v = fn()
    if v then return v end
    loop.advance(0.1)
  end
  place.fail("waited %g seconds in vain", seconds or 10)
end

-- ---- what came out ------------------------------------------------------------------------------

--- The URL of a target of this test, for `nu`.
function host.url(_, name)
  return "http://target.test/" .. name
end

local function concerns(n, which)
  return which == nil or n.target == which or n.sub == which or n.sur == which
end

--- The bodies of the notifications to a target (as in `nu`) or of a subscription (its path), oldest
-- first; nil: all.  Second: { body, type, target, sub, frame, binary, at } of each.
function host:notifications(which)
  open(self)
  local bodies, about = {}, {}
  for _, n in ipairs(network.notices()) do
    if concerns(n, which) then
      bodies[#bodies + 1], about[#about + 1] = n.body, n
    end
  end
  return bodies, about
end

--- The page (cse.page) at a path: { type, body }; nil when there is none.
function host:page(path)
  open(self)
  return network.page(path)
end

--- The errors that scripts raised: { text (one line, with file and line), script, rule, event,
-- fate, trace }.
function host:errors()
  return self.root.raised
end

--- How many events wait for a script: parked because it failed, or not handled yet.
function host.parked(_, name)
  return require("moon2m.park").state(name).waiting
end

--- Errors whose text matches the Lua pattern belong to this test: they do not fail it, and it fails
-- when none comes.
function host:expect_error(pattern)
  common.expect(self.root.expected, pattern)
end

--- The log's lines, { level, module, text }; with a Lua pattern those whose text matches.
function host:logged(pattern)
  local list = {}
  for _, line in ipairs(self.root.log) do
    if not pattern or line.text:find(pattern) then list[#list + 1] = line end
  end
  return list
end

--- Loads a script's file again, as `moon2m reload` does.  true; nil, message: the old one goes on.
function host:reload(name)
  open(self)
  local script = require "moon2m.script"
  note_scopes(self.root)
  local s, why = loop.run(function() return script.reload(name) end)
  loop.settle()
  if not s then return nil, why end
  return true
end

--- Writes a script into the host's folder, also over one that is loaded (h:reload); its path.
function host:write(name, text)
  return common.write(self.root.folder, name, text)
end

-- ---- the end ------------------------------------------------------------------------------------

local function complain(self, fmt, ...)
  self.found[#self.found + 1] = fmt:format(...)
end

local function stop(self)
  local ok, why = pcall(function()
    loop.settle()
    loop.run(self.boot.stop)
    if next(self.running) then loop.advance(REST) end
  end)
  if not ok then complain(self, "the host does not stop: %s", tostring(why)) end
  for _, name in pairs(self.running) do
    complain(self, "never ended: %s", name)
  end
end

-- What scripts opened and the library did not close with them.
local function judge_handles(self)
  local parts = require "moon2m.parts"
  for _, scope in ipairs(self.scopes) do
    local n = parts.leaks(scope)
    if n > 0 then complain(self, "%s left %d handle(s) or timer(s) open", scope.name, n) end
  end
  local names = wires.left()
  if names[1] then complain(self, "still open: %s", table.concat(names, ", ")) end
end

local function judge_rest(self)
  if self.expected[1] then return end        -- what was parked by an error that was expected
  for _, name in ipairs(self.waiting) do
    complain(self, "%d event(s) wait for the script %s", self:parked(name), name)
  end
  local parked = network.parked()
  if parked[1] then
    complain(self, "%d notification(s) parked: the format %s failed", #parked, parked[1].format)
  end
end

--- Stops the server and starts it again on what it has stored, as a new process would; the clock
-- goes on, what was notified and logged stays known.
function host:restart()
  open(self)
  self = self.root
  note_scopes(self)
  stop(self)
  judge_handles(self)
  self.scopes = {}
  local now = loop.sys.now()
  loop.close()
  boot(self, now)
end

--- Stops the scripts and closes everything; a second call does nothing.  What was wrong stays for
-- `finish`.
function host:close()
  self = self.root
  if self.closed then return end
  if not self.broken then
    note_scopes(self)
    pcall(loop.settle)
    self.waiting = require("moon2m.park").names()
    stop(self)
    common.judge(self.found, self.raised, self.expected)
    judge_handles(self)
    judge_rest(self)
  end
  self.closed, last_log = true, self.log
  loop.close()
  native.close()
  if current == self then current = nil end
end

--- The log of the host that was closed last.
function host.last_log() return last_log end

--- Closes the host that is open.  What it left behind, as a list of texts.
function host.finish()
  local self = current
  if not self then return {} end
  self:close()
  return self.found
end

--- The host that is open, or nil.
function host.current() return current end

return host
