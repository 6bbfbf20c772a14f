-- Scripts over their life: loaded, replaced, unloaded, stopped.  Loading is a transaction: a file
-- is staged in a scope of its own (scope.lua), what it declared is checked beside the others, and
-- one assignment makes it live; any failure before that changes nothing.  What replaces a script
-- takes over its state, its timers' phases and its events; the old version's coroutines end in
-- their own code, then its stop functions run, and what the new one did not declare goes. The hooks
-- that operations call are here too, under the names they always had.

local sys = require "moon2m.core.sys"
local hooks = require "moon2m.hooks"
local park = require "moon2m.park"
local parts = require "moon2m.parts"
local rules = require "moon2m.rule"
local scopes = require "moon2m.scope"
local timers = require "moon2m.timers"
local words = require "moon2m.words"

local script = { has = hooks.has, policy = hooks.policy, check = hooks.check,
  virtual = hooks.virtual, matching = hooks.matching,
  event = park.event, prepare = park.prepare, committed = park.committed,
  happened = park.happened, configure = scopes.configure }

script.name_of = scopes.name_of

local LAST_EVENTS = 1            -- seconds for the events that wait when the server stops

local LAST_CALLS = 30            -- seconds for the handlers of a version that was replaced

local leaving = {}               -- { scope, successor, fate } of scopes whose handlers still run
local absent = {}                -- scripts of the configuration that do not run
local live = {}                  -- the scopes in the order of the configuration

--- The loaded scopes in order.
function script.list()
  return live
end

--- The loaded scope of that name, or nil.
function script.find(name)
  for _, s in ipairs(live) do
    if s.name == name then return s end
  end
end

local function without(s)
  local rest = {}
  for _, other in ipairs(live) do
    if other ~= s then rest[#rest + 1] = other end
  end
  return rest
end

-- Makes `list` the scopes that count, and what they declare the rules.
local function swap(list)
  hooks.swap(hooks.compile(list))
  live = list
end

-- A mistake that only shows when it runs is told now.
local function warn(s)
  for _, text in ipairs(s.undeclared) do s.log("warn", text) end
end

-- How many of each kind of declaration a scope has: calls fn(how many, "rule") and so on.
local function count(s, fn)
  fn(#s.rules, "rule")
  fn(#s.types, "type")
  fn(#s.pages, "page")
end

--- "2 rules, 1 type": what a loaded script declares.
function script.declares(s)
  local list = {}
  count(s, function(n, thing) if n > 0 then list[#list + 1] = words.count(n, thing) end end)
  return list[1] and table.concat(list, ", ") or "no declarations"
end

-- " rules=2 types=1", for the log.
local function pairs_of(s)
  local text = ""
  count(s, function(n, thing) if n > 0 then text = ("%s %ss=%d"):format(text, thing, n) end end)
  return text
end

--- Loads a script file.  scope | nil, message with file and line; on failure nothing has changed.
function script.load(file)
  local taken = script.find(scopes.name_of(file))
  if taken then
    return nil, ("%s: a script named %s is loaded already (%s)"):format(file, taken.name,
      taken.file)
  end
  local s, why = scopes.stage(file, nil, live)
  if not s then return nil, why end
  local ok
  ok, why = parts.adopt(s, nil)
  if not ok then return nil, why end
  local list = without(nil)
  list[#list + 1] = s
  swap(list)
  park.attach(s, nil)
  script.let_in(file)
  sys.log("info", "script", ("%s loaded%s"):format(file, pairs_of(s)))
  warn(s)
  return s
end

--- Stages a script and throws it away.  true | nil, message; also when it names what it does not
-- have, which would be an error when it runs.
function script.try(file)
  local s, why = scopes.stage(file, nil, live)
  if not s then return nil, why end
  if s.undeclared[1] then return nil, table.concat(s.undeclared, "; ") end
  return require("moon2m.parts.types").try(s)
end

local function run_all(s, kind, fate)
  for _, rule in ipairs(s.rules) do
    if rule.kind == kind then
      local ok, what = rules.call(rule)
      if ok then rules.succeeded(rule) else rules.report(rule, what, kind, fate) end
    end
  end
end

--- Runs the scope's start functions, then arms its timers and what else runs by itself.  previous:
-- the scope that it replaced, or nil.  Yields.
function script.start(s, previous)
  run_all(s, "start", "the script stays loaded")
  if s.unloaded then return end
  parts.start(s, previous)
  s.started = true
  park.start(s)
end

-- ---- the end of a scope -------------------------------------------------------------------------

-- The stop functions of a scope that no longer counts, then what it holds.  Yields.
local function finish(s, successor, fate)
  if s.finished then return end
  s.finished = true
  run_all(s, "stop", fate)
  parts.drop(s, successor)
end

-- Handlers of an older version that are under way end in their own code, within their budgets; then
-- it goes.
local function leave(s, successor, fate)
  s.unloaded = true
  leaving[#leaving + 1] = { s, successor, fate }
  timers.spawn(function()
    local patience = sys.mono() + LAST_CALLS * 1e6
    while (s.running or 0) > 0 and not s.finished and sys.mono() < patience do sys.sleep(0.01) end
    finish(s, successor, fate)
    for i, l in ipairs(leaving) do
      if l[1] == s then return table.remove(leaving, i) end
    end
  end)
end

-- ---- replacing, unloading -----------------------------------------------------------------------

--- "stats.lua reloaded: 2 rules, state kept", with what was parked.
function script.summary(s)
  return ("%s reloaded: %s%s%s"):format(
    s.file:match("[^/]+/init%.lua$") or s.file:match("[^/]*$"), script.declares(s),
    next(s.state) ~= nil and ", state kept" or "",
    s.replayed > 0 and (", %s replayed"):format(words.count(s.replayed, "waiting event")) or "")
end

-- The staged scope takes the place of `old`.
local function replace(old, s)
  local list = {}
  for i, other in ipairs(live) do list[i] = other == old and s or other end
  swap(list)
  s.replayed = park.attach(s, old)
  old.unloaded = true
end

--- Replaces a loaded script by what its file holds now.  The new scope | nil, message: then the old
-- one goes on as if nothing had happened.  Yields.
function script.reload(name)
  local old = script.find(name)
  if not old then return nil, ("no script named %s is loaded"):format(name) end
  local began = sys.mono()
  local s, why = scopes.stage(old.file, old, without(old))
  if not s then return nil, why end
  if script.find(name) ~= old then
    scopes.discard(s)
    return nil, name .. " was replaced or unloaded meanwhile"
  end
  local ok
  ok, why = parts.adopt(s, old)
  if not ok then
    scopes.discard(s)
    return nil, why
  end
  replace(old, s)
  sys.observe("moon2m_script_reload_seconds", 'result="done"', (sys.mono() - began) / 1e6,
    "Loop time of reloads")
  script.start(s, old)
  leave(old, s, "its successor runs all the same")
  sys.log("info", "script", script.summary(s))
  warn(s)
  return s
end

--- Unloads a script: true | nil, message.  Events that wait for it stay in the store.
function script.unload(name)
  local s = script.find(name)
  if not s then return nil, ("no script named %s is loaded"):format(name) end
  swap(without(s))
  park.detach(s)
  leave(s, nil, "the script is unloaded all the same")
  sys.log("info", "script", ("%s unloaded"):format(s.file))
  return true
end

--- Puts the scopes in the order of these files: that is the order in which rules are asked.
function script.order(files)
  local rank, list = {}, without(nil)
  for i, file in ipairs(files) do rank[file] = i end
  table.sort(list, function(a, b) return (rank[a.file] or 0) < (rank[b.file] or 0) end)
  swap(list)
end

-- ---- scripts that are not there -----------------------------------------------------------------

--- Forgets that the script of that file was kept out.  True when it was switched off.
function script.let_in(file)
  for i, a in ipairs(absent) do
    if a.file == file then
      table.remove(absent, i)
      if a.off then require("moon2m.core.blame").allow(a.name) end
      return a.off == true
    end
  end
end

--- A script of the configuration does not run, for that reason.
function script.keep_out(file, why)
  local off = script.let_in(file)
  absent[#absent + 1] = { name = scopes.name_of(file), file = file, why = why, off = off or nil }
end

--- Does not load a script: it brought the server down (blamed: what waits for it then needs `moon2m
-- replay`), or nothing is loaded.  `moon2m reload NAME` does, and nothing else.  Yields.
function script.leave_off(file, why, blamed)
  script.let_in(file)
  if blamed then park.hold(scopes.name_of(file)) end
  local name = scopes.name_of(file)
  absent[#absent + 1] = { name = name, file = file, why = why, off = true }
  sys.log("error", "script", ("%s is off: %s; `moon2m reload %s` loads it"):format(name, why, name))
end

--- Forgets those that the configuration no longer names.  wanted: a set of files.
function script.forget_absent(wanted)
  for i = #absent, 1, -1 do
    if not wanted[absent[i].file] then table.remove(absent, i) end
  end
end

--- Scripts of the configuration that do not run: a list of { name, file, why, off = true when it
-- was switched off }.
function script.absent()
  return absent
end

function script.find_absent(name)
  for _, a in ipairs(absent) do
    if a.name == name then return a end
  end
end

--- Stops every script, last loaded first: the server ends.  Events that wait have a second; those
-- that are left are handled after the next start.  Yields.
function script.stop_all()
  local patience = sys.mono() + LAST_EVENTS * 1e6
  while not park.idle() and sys.mono() < patience do sys.sleep(0.01) end
  for i = #live, 1, -1 do live[i].unloaded = true end
  for _, l in ipairs { unpack(leaving) } do finish(l[1], l[2], l[3]) end
  for i = #live, 1, -1 do finish(live[i], nil, "the server stops all the same") end
  park.close()
end

return script
