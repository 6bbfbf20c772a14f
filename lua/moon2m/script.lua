-- Scripts: a scope per loaded file, the rules it declared, and every call into user code.
-- Loading is a transaction: a chunk runs in a staging scope, its declarations are collected and
-- checked, and one assignment makes them live; any failure before that changes nothing.
-- Before the commit a failing rule refuses (policy 4103, check 5000); after it the data stands and
-- the failure is logged with what became of the event.

local guard = require "moon2m.core.guard"
local sys = require "moon2m.core.sys"
local env = require "moon2m.env"
local format = require "moon2m.format"
local json = require "moon2m.json"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local rules = require "moon2m.rule"
local timers = require "moon2m.timers"

local script = {}

local call, report = rules.call, rules.report
local resting, succeeded = rules.is_resting, rules.succeeded

local MAX_WAITING = 1000  -- events waiting for one `on` rule

--- Which hooks any script declares; a hook that nobody declares costs one table look-up.
script.has = { policy = false, check = false, on = false, virtual = false }

local scopes = {}         -- in the order of the configuration
local matchers = {}       -- kind -> op -> globs

-- ---- what the operator decides ------------------------------------------------------------------

local settings, readable = {}, {}

-- "/proc/**" as a Lua pattern: ** crosses directories, * does not.
local function path_pattern(glob)
  local p = glob:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0")
  p = p:gsub("%*%*", "\0"):gsub("%*", "[^/]*"):gsub("%z", ".*")
  return "^" .. p .. "$"
end

--- scripts: settings by script name; read: globs of the files that cse.read may open.
function script.configure(o)
  settings = o.scripts or {}
  readable = {}
  for i, glob in ipairs(o.read or {}) do readable[i] = path_pattern(glob) end
end

--- The operator's settings for a script; {} when there are none.
function script.settings(name)
  return settings[name] or {}
end

--- Whether scripts may read the file; a path with ".." never.
function script.may_read(file)
  if type(file) ~= "string" or file:find("..", 1, true) or file:find("%z") then return false end
  for _, p in ipairs(readable) do
    if file:match(p) then return true end
  end
  return false
end

-- ---- hooks: what dispatch calls -----------------------------------------------------------------

local function matching(kind, op, to)
  local by_op = matchers[kind]
  local set = by_op and (by_op[op] or by_op.any)
  return set and set:match(to)
end

local function about(req)
  return ("%s %s by %s"):format(req.op, req.to, tostring(req.fr))
end

-- A shallow copy with the captures of the pattern as [1], [2], ...
local function copy_with(t, match)
  local c = {}
  for k, v in pairs(t) do c[k] = v end
  for i = 2, #match do c[i - 1] = match[i] end
  return c
end

--- The scripts' policies for a request.  req = { op = "create".., to = script path, fr, ... }, res
-- the target as plain table.  true | false, why | nil (no opinion).  A failing policy refuses.
function script.policy(req, res)
  local list = matching("policy", req.op, req.to)
  if not list then return nil end
  for i = 1, #list do
    local rule = list[i][1]
    if resting(rule) then return false, "an access policy is out of order" end
    local ok, verdict, why = call(rule, req.hop, req.chain, copy_with(req, list[i]), res)
    if not ok then
      report(rule, verdict, about(req), "refused (4103)")
      return false, "an access policy failed"
    end
    succeeded(rule)
    if verdict ~= nil then return verdict and true or false, why end
  end
  return nil
end

-- What a script changed in pc, back into the raw member texts; the rest stays as received.
local function write_back(before, pc, members)
  for k, v in pairs(pc) do
    local text = json.encode(v)
    if before[k] ~= text then members[k] = text end
  end
  for k in pairs(before) do
    if pc[k] == nil then members[k] = nil end
  end
end

--- The scripts' checks.  req as for policy; members: attribute name -> raw JSON text of the
-- content, changed in place when a check changes req.pc.  nil | false, why, rsc.
function script.check(req, members)
  local list = matching("check", req.op, req.to)
  if not list then return nil end
  for i = 1, #list do
    local rule = list[i][1]
    if resting(rule) then
      return false, "a check is out of order", rsc.INTERNAL_SERVER_ERROR
    end
    local pc, before = {}, {}
    for k, raw in pairs(members or {}) do
      pc[k] = json.decode(raw)
      before[k] = json.encode(pc[k])
    end
    local mine = copy_with(req, list[i])
    mine.pc = pc
    local ok, verdict, why, code = call(rule, req.hop, req.chain, mine)
    if not ok then
      report(rule, verdict, about(req), "refused (5000), nothing stored")
      return false, "a check failed", rsc.INTERNAL_SERVER_ERROR
    end
    succeeded(rule)
    if verdict == false then return false, why or "refused by a check", code or rsc.BAD_REQUEST end
    if members then write_back(before, mine.pc, members) end
  end
  return nil
end

--- The virtual resource at a script path: handler(req) -> true, value | false, message; or nil.
function script.virtual(to)
  local list = matching("virtual", "any", to)
  if not list or not list[1] then return nil end
  local match = list[1]
  local rule = match[1]
  return function(req)
    if resting(rule) then return false, "the script is out of order" end
    local ok, value = call(rule, req.hop, req.chain, copy_with(req, match))
    if not ok then
      report(rule, value, ("retrieve %s by %s"):format(to, tostring(req.fr)), "answered 5000")
      return false, "the script failed"
    end
    succeeded(rule)
    return true, value
  end
end

-- ---- reactions: `on` ----------------------------------------------------------------------------

local function unwrap(text)
  if not text then return nil end
  local _, inner = next(json.decode(text))
  return inner
end

-- Runs the events of one rule, one after the other (or `parallel` side by side), until none waits.
local function drain(rule)
  rule.workers = rule.workers + 1
  while rule.head <= rule.tail do
    local e = rule.queue[rule.head]
    rule.queue[rule.head] = nil
    rule.head = rule.head + 1
    if resting(rule) then
      rule.skipped = rule.skipped + 1
    else
      local ok, what = call(rule, e.hop, e.chain, e.ev)
      if ok then
        succeeded(rule)
      else
        report(rule, what, e.ev.op .. " " .. e.ev.to,
          "the data is stored, this rule missed the event")
      end
    end
  end
  rule.head, rule.tail = 1, 0
  rule.workers = rule.workers - 1
end

local function enqueue(rule, item)
  if rule.tail - rule.head + 1 >= MAX_WAITING then
    rule.queue[rule.head] = nil
    rule.head = rule.head + 1
    rule.skipped = rule.skipped + 1
    sys.log("warn", "script", ("%s: more than %d events wait for %s, the oldest was skipped")
      :format(rule.scope.name, MAX_WAITING, rule.name))
  end
  rule.tail = rule.tail + 1
  rule.queue[rule.tail] = item
  if rule.workers < rule.parallel then timers.spawn(function() return drain(rule) end) end
end

--- A change is on disk: hands it to the `on` rules.  e = { op, to (script path), fr, rep, old (JSON
-- texts with wrapper), at, hop, chain }.
function script.committed(e)
  local list = matching("on", e.op, e.to)
  if not list then return end
  for i = 1, #list do
    local ev = copy_with({ op = e.op, to = e.to, fr = e.fr, at = e.at, res = unwrap(e.rep),
      old = unwrap(e.old) }, list[i])
    enqueue(list[i][1], { ev = ev, hop = e.hop, chain = e.chain })
  end
end

-- ---- declarations -------------------------------------------------------------------------------

local OPS = { create = true, retrieve = true, update = true, delete = true, notify = true,
  any = true }

local function declared_at()
  local info = debug.getinfo(4, "Sl")
  return info and ("%s:%d"):format(info.short_src, info.currentline) or "?"
end

--- Adds a rule to a scope that is being staged; called by the public declarations.
function script.declare(scope, kind, op, where, fn, opts)
  if not scope.staging then error("declarations belong at the top level of a script", 3) end
  if op ~= nil and not OPS[op] then
    error(('%q is no operation; use "create", "retrieve", "update", "delete", "notify" or "any"')
      :format(tostring(op)), 3)
  end
  if where ~= nil and (type(where) ~= "string" or where:sub(1, 1) ~= "/") then
    error(("a path like \"/plant/*/temp\" was expected, got %s"):format(tostring(where)), 3)
  end
  if type(fn) ~= "function" then error("a function was expected as the last argument", 3) end
  local rule = { scope = scope, kind = kind, op = op, where = where, fn = fn,
    budget = rules.has_budget(kind) and kind or "timer", where_declared = declared_at(),
    failures = 0, calls = 0, skipped = 0, queue = {}, head = 1, tail = 0, workers = 0,
    parallel = opts and opts.parallel or 1 }
  rule.name = table.concat({ kind, op or "", where or "" }, " "):gsub("%s+", " ") ..
    " (" .. rule.where_declared .. ")"
  table.insert(scope.rules, rule)
  return rule
end

-- ---- scopes -------------------------------------------------------------------------------------

local function compile_matchers()
  local new = {}
  for _, scope in ipairs(scopes) do
    for _, rule in ipairs(scope.rules) do
      if rule.where then
        local by_op = new[rule.kind] or {}
        new[rule.kind] = by_op
        local ops = rule.op and rule.op ~= "any" and { rule.op } or OPS
        for op in pairs(rule.op and rule.op ~= "any" and { [rule.op] = true } or ops) do
          by_op[op] = by_op[op] or path.globs()
          by_op[op]:add(rule.where, rule)
        end
      end
    end
  end
  matchers = new
  for kind in pairs(script.has) do script.has[kind] = new[kind] ~= nil end
end

local function new_scope(file)
  local name = file:match("([^/]+)%.lua$") or file:match("([^/]+)$") or file
  local scope = { name = name, file = file, folder = file:match("^(.*)/[^/]*$") or ".", rules = {},
    formats = {}, pages = {}, types = {}, state = {}, errors = 0, staging = true }
  function scope.log(level, text) sys.log(level, "script." .. name, text) end
  scope.api = require("moon2m").new(scope, script)
  scope.env = env.new(scope)
  return scope
end

-- Compiles and runs the chunk in a staging scope.  scope | nil, message.
local function stage(file)
  local f, why = io.open(file, "rb")
  if not f then return nil, why end
  local text = f:read("*a")
  f:close()
  local scope = new_scope(file)
  local chunk, message = guard.compile(text, "@" .. file, scope.env)
  if not chunk then return nil, message end
  local loader = { scope = scope, fn = chunk, budget = "load", name = "loading " .. file,
    where_declared = file, failures = 0, calls = 0 }
  local ok, what = call(loader)
  scope.staging = false
  if not ok then return nil, what end
  return scope
end

local function name_taken(name)
  for _, s in ipairs(scopes) do
    if s.name == name then return s end
  end
end

local function adopt_format(name, d)
  format.register(name, d.fn, d.opts, function(n)
    local ok, body, ctype = call(d.rule, 0, nil, n)
    if ok then
      succeeded(d.rule)
    else
      report(d.rule, body, "event of " .. tostring(n.to), "its notices are parked")
    end
    return ok, body, ctype
  end)
end

-- Types, pages and formats become live with the scope.  What can fail comes first and tells `undo`
-- (a list of functions) how to take it back.
local function adopt(scope, undo)
  local core = require "moon2m.core.cse"
  for _, spec in ipairs(scope.types) do
    local _, back = require("moon2m.types").register(spec)
    undo[#undo + 1] = back
  end
  for _, page in ipairs(scope.pages) do
    local ok, why = core.page(page.path, page.type, page.body)
    if not ok then error(("%s: cse.page %s: %s"):format(scope.file, page.path, why), 0) end
    undo[#undo + 1] = function() core.page(page.path) end
  end
  for name, d in pairs(scope.formats) do adopt_format(name, d) end
  if next(scope.formats) then core.formats(format.names()) end
end

--- Loads a script file.  scope | nil, message with file and line; on failure nothing has changed.
function script.load(file)
  local scope, why = stage(file)
  if not scope then return nil, why end
  if name_taken(scope.name) then
    return nil, ("%s: a script named %s is loaded already"):format(file, scope.name)
  end
  local undo = {}
  local ok, message = pcall(adopt, scope, undo)
  if not ok then
    for i = #undo, 1, -1 do undo[i]() end
    return nil, message
  end
  table.insert(scopes, scope)
  compile_matchers()
  sys.log("info", "script", ("%s loaded rules=%d"):format(file, #scope.rules))
  return scope
end

--- Stages a script and throws it away.  true | nil, message.
function script.try(file)
  local scope, why = stage(file)
  if not scope then return nil, why end
  return true
end

local function run_timer(rule, seconds)
  rule.due = sys.mono() + seconds * 1e6
  local function tick()
    if rule.scope.unloaded then return end
    if not resting(rule) then
      local ok, what = call(rule)
      if ok then succeeded(rule) else report(rule, what, "timer", "the timer goes on") end
    end
    rule.due = math.max(rule.due + seconds * 1e6, sys.mono())   -- keeps its phase, never piles up
    rule.timer = timers.after((rule.due - sys.mono()) / 1e6, tick)
  end
  rule.timer = timers.after(seconds, tick)
end

local function seconds_until(hhmm)
  local h, m = hhmm:match("^(%d%d?):(%d%d)$")
  local now = os.time()
  local t = os.date("*t", now)
  t.hour, t.min, t.sec = tonumber(h), tonumber(m), 0
  local at = os.time(t)
  if at <= now then
    t.day = t.day + 1
    at = os.time(t)
  end
  return at - now
end

local function run_daily(rule, hhmm)
  local function tick()
    if rule.scope.unloaded then return end
    local ok, what = call(rule)
    if ok then succeeded(rule) else report(rule, what, "timer", "the timer goes on") end
    rule.timer = timers.after(seconds_until(hhmm), tick)
  end
  rule.timer = timers.after(seconds_until(hhmm), tick)
end

--- Runs the scope's start functions and arms its timers.  Call once, when the server is listening.
function script.start(scope)
  for _, rule in ipairs(scope.rules) do
    if rule.kind == "start" then
      local ok, what = call(rule)
      if ok then succeeded(rule) else report(rule, what, "start", "the script stays loaded") end
    end
  end
  for _, rule in ipairs(scope.rules) do
    if rule.kind == "every" then run_timer(rule, rule.seconds) end
    if rule.kind == "at" then run_daily(rule, rule.hhmm) end
  end
end

--- Stops timers and runs the stop functions of every script, last loaded first.
function script.stop_all()
  for i = #scopes, 1, -1 do
    local scope = scopes[i]
    scope.unloaded = true
    for _, rule in ipairs(scope.rules) do
      if rule.timer then timers.cancel(rule.timer) end
      if rule.kind == "stop" then
        local ok, what = call(rule)
        if not ok then report(rule, what, "stop", "the server stops all the same") end
      end
    end
  end
end

--- The loaded scopes in order.
function script.list()
  return scopes
end

--- Runs user code of a scope that is no declared rule (cse.spawn).
function script.run(scope, fn, name)
  local rule = { scope = scope, fn = fn, budget = "on", name = name, where_declared = scope.file,
    failures = 0, calls = 0 }
  local current = rules.current()
  local hop, chain = current and current.hop or 0, current and current.chain
  timers.spawn(function()
    local ok, what = call(rule, hop, chain)
    if not ok then report(rule, what, "spawned", "nothing else is affected") end
  end)
end

return script
