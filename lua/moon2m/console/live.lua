-- watch and trace: what passes while the operator looks on.  Whoever looks is in a list here; when
-- nobody does, the hooks of dispatch and rule are nil and cost nothing.

local sys = require "moon2m.core.sys"
local dispatch = require "moon2m.dispatch"
local path = require "moon2m.path"
local rule = require "moon2m.rule"
local script = require "moon2m.script"
local show = require "moon2m.show"
local stream = require "moon2m.console.stream"
local view = require "moon2m.view"

local live = {}

local ARGUMENT = 160              -- bytes of an argument or a result
local CONTENT = 120               -- bytes of a content

local OPS = { "create", "retrieve", "update", "delete", "notify" }

-- ---- who looks ----------------------------------------------------------------------------------

-- A list of observers behind one hook: add, remove.
local function hook(of)
  local observers = {}
  local function all(...)
    for observe in pairs(observers) do observe(...) end
  end
  local function add(observe)
    observers[observe] = true
    of.observe = all
  end
  local function remove(observe)
    observers[observe] = nil
    if next(observers) == nil then of.observe = nil end
  end
  return add, remove
end

local add_request, remove_request = hook(dispatch)
local add_call, remove_call = hook(rule)

-- Looks until the client stops it or goes; each second says what was skipped.
local function look(session, lines, add, remove, observe)
  add(observe)
  local ok, why = pcall(function()
    repeat
      local stopped = session:wait(1)
      lines:tell_skipped()
    until stopped
  end)
  remove(observe)
  if not ok then error(why, 0) end
end

local function clock()
  local us = sys.now()
  return ("%s.%03d"):format(os.date("%H:%M:%S", math.floor(us / 1e6)), us / 1000 % 1000)
end

local function cut(text, n)
  if #text <= n then return text end
  return text:sub(1, n) .. ".."
end

-- ---- watch --------------------------------------------------------------------------------------

-- "12:00:01.204 create /home/temp type 4 by Cgw: 2001, 0.8 ms {"m2m:cin":{"con":"21"}}"
local function request_line(req, to, code, pc, seconds)
  local content = req.op ~= 2 and code < 4000 and req.pc or pc
  return ("%s %s %s%s by %s: %d, %.1f ms%s"):format(clock(), OPS[req.op] or tostring(req.op), to,
    req.ty and (" type %s"):format(tostring(req.ty)) or "", tostring(req.who or req.fr or "-"),
    code, seconds * 1000, type(content) == "string" and " " .. cut(content, CONTENT) or "")
end

-- Where a request went, as scripts write it.
local function place_of(req, target)
  if target then return view.path(target) end
  local to = tostring(req.to)
  local rest = to:match("^%-(/.*)$")
  return rest or to
end

--- Prints each primitive whose target matches the pattern ("/home/**"; nil: all) until it is
-- stopped. Yields.
function live.watch(session, pattern)
  local globs = path.globs()
  local ok, why = pcall(globs.add, globs, pattern or "/**", true)
  if not ok then error((tostring(why):gsub("^[^:]+:%d+: ", "")), 0) end
  local lines = stream.new(session.id, session.print)
  look(session, lines, add_request, remove_request, function(req, target, code, pc, seconds)
    local to = place_of(req, target)
    if pattern and (to:sub(1, 1) ~= "/" or not globs:match(to)[1]) then return end
    lines:line(request_line, req, to, code, pc, seconds)
  end)
end

-- ---- trace --------------------------------------------------------------------------------------

local function values(list, n)
  local texts = {}
  for i = 1, n do texts[i] = show.brief(list[i], ARGUMENT) end
  return table.concat(texts, ", ")
end

local function call_line(r, ok, seconds, results, args)
  local head = ("%s %s: %s(%s), %.2f ms"):format(clock(), r.scope.name, r.name,
    values(args, args.n), seconds * 1000)
  if not ok then
    return ("%s failed: %s"):format(head, (tostring(results):match("^[^\n]*")))
  end
  if results.n == 0 or results.n == 1 and results[1] == nil then return head end
  return ("%s -> %s"):format(head, values(results, results.n))
end

--- Prints each call of the script's rules (nil: of all scripts), with arguments and results, until
-- it is stopped.  Yields.
function live.trace(session, name)
  if name ~= nil and not script.find(name) then
    error(("no script named %s is loaded"):format(tostring(name)), 0)
  end
  local lines = stream.new(session.id, session.print)
  look(session, lines, add_call, remove_call, function(r, ok, seconds, results, ...)
    if r.scope.console or name and r.scope.name ~= name then return end
    lines:line(call_line, r, ok, seconds, results, { n = select("#", ...), ... })
  end)
end

return live
