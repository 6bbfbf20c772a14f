-- Consoles: sessions of `moon2m console` and `moon2m eval` over the operator's socket.  A client
-- sends one JSON object a line, and gets objects until the one with "done":
--
--   {"eval":text[,"final":true][,"json":true][,"width":columns]}
--       -> {"text":...} ...  what it prints;  {"file":name,"folded":...,"title":...}: a flame graph
--       that the client draws;  {"done":true[,"error":text]}: it has ended;  instead of all that
--       {"more":true}: the chunk is not complete (final: that is an error)
--   {"stop":true}              ends what runs as soon as it waits
--   {"complete":text}          -> {"words":[...],"from":n}: what may stand after the first n bytes
--
-- A line of Lua runs as a rule of a script does: in a coroutine of its own, two seconds of CPU at a
-- time, in an environment that lives as long as its session.  Verbs act for the CSE itself.

local core = require "moon2m.core.console"
local guard = require "moon2m.core.guard"
local sys = require "moon2m.core.sys"
local commands = require "moon2m.console.commands"
local complete = require "moon2m.console.complete"
local env = require "moon2m.env"
local json = require "moon2m.json"
local persistent = require "moon2m.console.locals"
local rules = require "moon2m.rule"
local scopes = require "moon2m.scope"
local show = require "moon2m.show"
local timers = require "moon2m.timers"
local waiters = require "moon2m.waiters"

local console = {}

local TEXT_MAX = 1048576          -- bytes that one line may print

local sessions = {}               -- client -> session

-- ---- a session ----------------------------------------------------------------------------------

local session = {}
session.__index = session

--- Waits so many seconds, less when it is stopped: true.  Yields.
function session:wait(seconds)
  local deadline = sys.mono() + seconds * 1e6
  self.gate = timers.gate()
  repeat
    local left = (deadline - sys.mono()) / 1e6
    if self.stopped or left <= 0 then break end
    timers.wait(self.gate, left)
  until false
  self.gate = nil
  return self.stopped
end

--- What runs ends as soon as it waits.
function session:stop()
  self.stopped = true
  if self.gate then timers.wake(self.gate) end
end

-- Undeclared names are an error, assigning declares.
local function environment(s)
  local world, declared = env.new(s.scope), {}
  local function get(_, k)
    local v = rawget(world, k)
    if v == nil and not declared[k] then
      error(("undeclared variable '%s'"):format(tostring(k)), 2)
    end
    return v
  end
  local function set(t, k, v)
    declared[k] = true
    rawset(t, k, v)
  end
  local e = setmetatable({}, { __index = get, __newindex = set, __metatable = "sealed" })
  local load = rawget(world, "load")
  rawset(world, "load", function(chunk, name, mode, other)
    return load(chunk, name, mode, other or e)
  end)
  rawset(world, "loadstring", rawget(world, "load"))
  rawset(world, "_G", e)
  rawset(world, "print", function(...)
    local texts = {}
    for i = 1, select("#", ...) do
      local v = (select(i, ...))
      texts[i] = type(v) == "string" and v or show.value(v, s.width)
    end
    s.print(table.concat(texts, "\t"))
  end)
  rawset(world, "cse", s.scope.api)
  return world, e
end

local function open(id)
  local s = setmetatable({ id = id, width = 100 }, session)
  s.scope = { name = "(console)", file = "console", folder = ".", rules = {}, formats = {},
    pages = {}, types = {}, keys = {}, filled = {}, state = {}, files = {}, errors = 0,
    waiters = waiters.new(), console = true,
    log = function(level, text) sys.log(level, "script.console", text) end }
  function s.send(message) return core.send(id, json.encode(message) .. "\n") end
  function s.print(text)
    s.printed = (s.printed or 0) + #text
    if s.live or s.printed <= TEXT_MAX then return s.send { text = text } end
    error(("more than %d bytes of output, stopped"):format(TEXT_MAX), 0)
  end
  s.scope.api = require("moon2m").new(s.scope, scopes)
  rawset(s.scope.api, "sleep", function(seconds)
    if type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds then
      error("cse.sleep: seconds were expected", 2)
    end
    if s:wait(seconds) then error("interrupted", 0) end
  end)
  s.world, s.env = environment(s)
  s.commands = commands.new(s)
  for name, fn in pairs(s.commands) do rawset(s.world, name, fn) end
  sessions[id] = s
  return s
end

-- ---- compiling ----------------------------------------------------------------------------------

local function is_cut_off(why)
  return why:find("near '<eof>'$") ~= nil
end

local function pack(...)
  return { n = select("#", ...), ... }
end

-- The text as statements or an expression: a function that returns its values in a list with n.
-- nil, message, whether more text could make it one.  A call is no tail call, so that an error
-- knows its line.
local function compile(s, text)
  local expression = text:match("^%s*=(.*)$") or text
  local fn, why = guard.compile("return " .. expression, "=console", s.env)
  if fn then
    local close = expression:find("--", 1, true) and "\n)" or ")"
    fn = assert(guard.compile("local __pack = ... return __pack(" .. expression .. close,
      "=console", s.env))
    return function() return fn(pack) end
  end
  local more = is_cut_off(why)
  fn, why = guard.compile(persistent(text), "=console", s.env)
  if fn then return function() return pack(fn()) end end
  return nil, why, more or is_cut_off(why)
end

-- ---- running ------------------------------------------------------------------------------------

local function as_json(v)
  local ok, text = pcall(json.encode, v)
  return ok and text or json.encode(show.value(v))
end

-- Prints the results of a line.
local function print_results(s, m, results)
  for i = 1, results.n do
    local v = results[i]
    if v ~= commands.NOTHING then
      s.send { text = m.json and as_json(v) or show.value(v, s.width) }
    end
  end
end

local function finish(s, m, ok, results)
  s.busy, s.live = false, nil
  if not sessions[s.id] then return end
  if not ok then return s.send { done = true, error = tostring(results) } end
  local fine, why = pcall(print_results, s, m, results)
  s.send { done = true, error = not fine and tostring(why) or nil }
end

local function evaluate(s, m)
  if s.busy then
    return s.send { done = true, error = "the line before has not ended; Ctrl-C stops it" }
  end
  local fn, why, more = compile(s, m.eval)
  if not fn and more and not m.final then return s.send { more = true } end
  if not fn then return s.send { done = true, error = why } end
  s.busy, s.stopped, s.printed = true, false, 0
  if type(m.width) == "number" then s.width = math.max(20, math.min(m.width, 1000)) end
  local line = rules.new(s.scope, "console", "console", fn, "console")
  line.many = true
  return finish(s, m, rules.call(line))
end

--- Entry: a line of a client.  Yields.
function console.line(id, line)
  local s = sessions[id] or open(id)
  local m = json.decode(line)
  if type(m) ~= "table" then return s.send { done = true, error = "a JSON object was expected" } end
  if m.stop then return s:stop() end
  if type(m.eval) == "string" then return evaluate(s, m) end
  if type(m.complete) == "string" then
    local words, from = complete.words(s, m.complete)
    return s.send { words = json.array(words), from = from }
  end
  return s.send { done = true, error = "eval, complete or stop was expected" }
end

--- Entry: a client has gone; what runs for it is stopped.
function console.gone(id)
  local s = sessions[id]
  sessions[id] = nil
  if s then s:stop() end
end

return console
