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

local script = { has = hooks.has, policy = hooks.policy, check = hooks.check,
  virtual = hooks.virtual, committed = park.committed, configure = scopes.configure }

script.name_of = scopes.name_of

local live = {}                  -- the scopes in the order of the configuration
local off = {}                   -- name -> { name, file, reason }: scripts that are not loaded

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
  local matchers = hooks.compile(list)
  hooks.swap(matchers)
  live = list
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
  sys.log("info", "script", ("%s loaded rules=%d"):format(file, #s.rules))
  return s
end

--- Stages a script and throws it away.  true | nil, message.
function script.try(file)
  local s, why = scopes.stage(file, nil, live)
  if not s then return nil, why end
  return true
end

--- Does not load a script: it brought the server down, or nothing is loaded.  `reload` does.
function script.leave_off(file, reason)
  local name = scopes.name_of(file)
  off[name] = { name = name, file = file, reason = reason }
  sys.log("error", "script", ("%s is off: %s; `moon2m reload %s` loads it"):format(name, reason,
    name))
end

--- The scripts that are off, by name: a list of { name, file, reason }.
function script.list_off()
  local list = {}
  for _, o in pairs(off) do list[#list + 1] = o end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
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
end

-- The end of a scope that no longer counts: its stop functions, then what it holds.  Yields.
local function finish(s, successor, fate)
  s.unloaded = true
  run_all(s, "stop", fate)
  parts.drop(s, successor)
end

-- Loads a script that was off.  scope | nil, message.  Yields.
local function turn_on(o)
  local s, why = script.load(o.file)
  if not s then return nil, why end
  off[o.name] = nil
  require("moon2m.core.blame").allow(o.name)
  script.start(s)
  return s
end

--- Replaces a loaded script by what its file holds now.  The new scope | nil, message: then the old
-- one goes on as if nothing had happened.  Yields.
function script.reload(name)
  local old = script.find(name)
  if not old and off[name] then return turn_on(off[name]) end
  if not old then return nil, ("no script named %s is loaded"):format(name) end
  local s, why = scopes.stage(old.file, old, without(old))
  if not s then return nil, why end
  local ok
  ok, why = parts.adopt(s, old)
  if not ok then
    scopes.discard(s)
    return nil, why
  end
  local list = {}
  for i, other in ipairs(live) do list[i] = other == old and s or other end
  swap(list)
  script.start(s, old)
  finish(old, s, "its successor runs all the same")
  sys.log("info", "script", ("%s reloaded: %d rules, state %s"):format(s.file:match("[^/]*$"),
    #s.rules, next(s.state) and "kept" or "empty"))
  return s
end

--- Unloads a script: true | nil, message.  Yields.
function script.unload(name)
  local s = script.find(name)
  if not s then return nil, ("no script named %s is loaded"):format(name) end
  swap(without(s))
  finish(s, nil, "the script is unloaded all the same")
  sys.log("info", "script", ("%s unloaded"):format(s.file))
  return true
end

--- Stops every script, last loaded first: the server ends.  Yields.
function script.stop_all()
  for i = #live, 1, -1 do live[i].unloaded = true end
  for i = #live, 1, -1 do finish(live[i], nil, "the server stops all the same") end
end

return script
