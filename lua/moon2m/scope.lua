-- A scope is a loaded script: its environment, what it declared, its state.  This file stages one:
-- a chunk runs in a new scope, its declarations are collected and checked, and nothing else
-- happens. Guarantees: staging changes nothing that runs; what fails names file and line.

local guard = require "moon2m.core.guard"
local sys = require "moon2m.core.sys"
local beside = require "moon2m.beside"
local env = require "moon2m.env"
local mistake = require "moon2m.mistake"
local options = require "moon2m.options"
local parts = require "moon2m.parts"
local path = require "moon2m.path"
local rules = require "moon2m.rule"
local undeclared = require "moon2m.undeclared"
local waiters = require "moon2m.waiters"

local scope = {}

scope.run = beside.spawn         -- for the public module, with declare, settings and may_read

-- ---- what the operator decides ------------------------------------------------------------------

local settings, readable = {}, {}

-- "/proc/**" as a Lua pattern: ** crosses directories, * does not.
local function path_pattern(glob)
  local p = glob:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0")
  p = p:gsub("%*%*", "\0"):gsub("%*", "[^/]*"):gsub("%z", ".*")
  return "^" .. p .. "$"
end

--- scripts: settings by script name; read: globs of the files that cse.read may open.
function scope.configure(o)
  settings = o.scripts or {}
  readable = {}
  for i, glob in ipairs(o.read or {}) do readable[i] = path_pattern(glob) end
end

--- The operator's settings for a script; {} when there are none.
function scope.settings(name)
  return settings[name] or {}
end

--- Whether scripts may read the file; a path with ".." never.
function scope.may_read(file)
  if type(file) ~= "string" or file:find("..", 1, true) or file:find("%z") then return false end
  for _, p in ipairs(readable) do
    if file:match(p) then return true end
  end
  return false
end

-- ---- declarations -------------------------------------------------------------------------------

scope.OPS = { create = true, retrieve = true, update = true, delete = true, notify = true,
  any = true }

local PLACED = { policy = true, check = true, on = true, virtual = true }
local WITH_OP = { check = true, on = true }
local ON = options.declare("moon2m.on.options", {
  parallel = { "number", min = 1, max = 64, whole = true },
})

local function where_error(what, where)
  if type(where) ~= "string" or where:sub(1, 1) ~= "/" then
    mistake.argument(what, "where", "a path like \"/plant/*/temp\"", where)
  end
  local ok, why = pcall(path.globs().add, path.globs(), where, true)
  if not ok then mistake.fail("%s: where: %s", what, (tostring(why):gsub("^[^:]+:%d+: ", ""))) end
end

local function opts_error(kind, opts)
  if kind ~= "on" or opts == nil then return nil end
  if type(opts) ~= "table" then
    mistake.argument("cse.on", "opts", "a table like { parallel = 4 }", opts)
  end
  local _, why = options.read(opts, ON)
  return why
end

local function declared_at()
  local info = debug.getinfo(4, "Sl")
  return info and ("%s:%d"):format(info.short_src, info.currentline) or "?"
end

-- What an `on` rule is recognised by in the next version of the script: its operation and pattern,
-- with a number when there are several of the same.
local function key_of(s, key)
  local n = (s.keys[key] or 0) + 1
  s.keys[key] = n
  return n == 1 and key or ("%s #%d"):format(key, n)
end

-- "on create /plant/*", "format senml": what a rule is called in messages.
local function name_of_rule(...)
  local words = {}
  for i = 1, select("#", ...) do words[#words + 1] = (select(i, ...)) end
  return table.concat(words, " ")
end

--- Adds a rule to a scope that is being staged; called by the public declarations.  label: what a
-- rule without a path is called after its kind.
function scope.declare(s, kind, op, where, fn, opts, label)
  if not s.staging then error("declarations belong at the top level of a script", 3) end
  local what = "cse." .. kind
  if WITH_OP[kind] and not scope.OPS[op] then
    mistake.argument(what, "op",
      '"create", "retrieve", "update", "delete", "notify" or "any"', op)
  end
  if PLACED[kind] then where_error(what, where) end
  if type(fn) ~= "function" then mistake.argument(what, "fn", "a function", fn) end
  local wrong = opts_error(kind, opts)
  if wrong then mistake.fail("%s: opts: %s", what, wrong) end
  local at = declared_at()
  local rule = rules.new(s, rules.has_budget(kind) and kind or "timer",
    name_of_rule(kind, op, where, label), fn, at)
  rule.kind, rule.op, rule.where = kind, op, where
  rule.parallel = opts and opts.parallel or 1
  if kind == "on" then rule.key = key_of(s, op .. " " .. where) end
  table.insert(s.rules, rule)
  return rule
end

-- ---- staging ------------------------------------------------------------------------------------

--- The name of a script: its file's, without folder and ".lua"; of an init.lua its folder's.
function scope.name_of(file)
  return file:match("([^/]+)/init%.lua$") or file:match("([^/]+)%.lua$") or
    file:match("([^/]+)/*$") or file
end

local function new_scope(file, previous)
  local name = scope.name_of(file)
  local s = { name = name, file = file, folder = file:match("^(.*)/[^/]*$") or ".", rules = {},
    formats = {}, pages = {}, types = {}, type_places = {}, keys = {},
    filled = {}, state = previous and previous.state or {},
    waiters = previous and previous.waiters or waiters.new(),
    errors = 0, files = { [file] = true }, chunks = {}, loaded_at = sys.now(),
    loads = previous and previous.loads + 1 or 1, staging = true }
  function s.log(level, text) sys.log(level, "script." .. name, text) end
  s.api = require("moon2m").new(s, scope)
  s.env = env.new(s)
  return s
end

local function read(file)
  local f, why = io.open(file, "rb")
  if not f then return nil, why end
  local text = f:read("*a")
  f:close()
  if not text then return nil, file .. ": cannot be read" end
  return text
end

local function run_chunk(s, chunk)
  local loader = rules.new(s, "load", "loading " .. s.file, chunk, s.file)
  return rules.call(loader)
end

-- Names that nobody declares, in the script's own files.
local function look_through(s, chunk)
  s.undeclared = undeclared.list(chunk, s.env)
  for _, module in ipairs(s.chunks) do
    for _, text in ipairs(undeclared.list(module, s.env)) do table.insert(s.undeclared, text) end
  end
  s.chunks = nil
  return s
end

--- Compiles the file, runs its chunk in a new scope and checks what it declared beside the scopes
-- `others`; previous: the scope that it is to replace, whose state it gets, or nil.
-- scope (its `undeclared`: what its code names and does not have) | nil, message with file and
-- line.
function scope.stage(file, previous, others)
  local text, why = read(file)
  if not text then return nil, why end
  local s = new_scope(file, previous)
  local chunk, message = guard.compile(text, "@" .. file, s.env)
  if not chunk then return nil, message end
  local ok, what = run_chunk(s, chunk)
  s.staging = false
  if ok then ok, what = parts.check(s, others or {}) end
  if ok then return look_through(s, chunk) end
  scope.discard(s)
  return nil, tostring(what)
end

--- A staged scope is not used: what it filled in into the state of its predecessor goes.
function scope.discard(s)
  for k in pairs(s.filled) do s.state[k] = nil end
end

return scope
