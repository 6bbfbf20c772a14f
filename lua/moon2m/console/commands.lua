-- The commands of the console, as functions of its environment.  They read what is there and print
-- or return it; those that change something (reload, replay) do what the operator's commands of
-- that name do.

local sys = require "moon2m.core.sys"
local live = require "moon2m.console.live"
local operator = require "moon2m.operator"
local park = require "moon2m.park"
local profile = require "moon2m.console.profile"
local reference = require "moon2m.help"
local rule = require "moon2m.rule"
local script = require "moon2m.script"
local sealed = require "moon2m.sealed"
local show = require "moon2m.show"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"
local view = require "moon2m.view"
local weight = require "moon2m.weight"
local words = require "moon2m.words"

local commands = {}

--- What a command returns that has printed all it has to say.
commands.NOTHING = {}

local TREE_MAX = 1000             -- resources that tree() lists
local NEWEST = 60                 -- bytes of a newest content

local function fail(fmt, ...)
  error(fmt:format(...), 0)
end

local function optional_name(what, name)
  if name ~= nil and type(name) ~= "string" then fail("%s: a script's name was expected", what) end
  return name
end

-- ---- scripts ------------------------------------------------------------------------------------

local function name_of_rule(r)
  return (r.name:gsub("%s+", " "))
end

-- The time that a share of the calls did not exceed, from counts by powers of two; nil: no calls.
local function quantile(hist, share)
  local total, most = 0, 0
  for i, n in pairs(hist) do
    total, most = total + n, math.max(most, i)
  end
  if total == 0 then return nil end
  local seen = 0
  for i = -64, most do
    seen = seen + (hist[i] or 0)
    if seen >= share * total then return 2 ^ i end
  end
end

-- Microseconds as a person reads them.
local function duration(us)
  if not us then return nil end
  if us < 1000 then return ("<%d us"):format(math.ceil(us)) end
  if us < 1e6 then return ("<%d ms"):format(math.ceil(us / 1000)) end
  return ("<%d s"):format(math.ceil(us / 1e6))
end

local function size(bytes)
  if bytes < 10240 then return ("%d B"):format(bytes) end
  if bytes < 10485760 then return ("%.0f KiB"):format(bytes / 1024) end
  return ("%.1f MiB"):format(bytes / 1048576)
end

-- The calls of all these rules, and how many of them took how long.
local function sum_books(list)
  local sum, hist = 0, {}
  for _, r in ipairs(list) do
    local calls, _, took = rule.books(r)
    sum = sum + calls
    for i, n in pairs(took) do hist[i] = (hist[i] or 0) + n end
  end
  return sum, hist
end

local function describe(s)
  local resting, calls, hist = 0, sum_books(s.rules)
  for _, r in ipairs(s.rules) do
    if rule.rest_left(r) > 0 then resting = resting + 1 end
  end
  local waits = park.state(s.name)
  return { name = s.name, declares = #s.rules + #s.types + #s.pages, calls = calls,
    errors = s.errors,
    p50 = duration(quantile(hist, 0.5)), p99 = duration(quantile(hist, 0.99)),
    memory = size(rule.memory(s).kept), waiting = waits.waiting, parked = waits.parked,
    resting = resting, file = s.file }
end

local ALL = { "name", "declares", "calls", "errors", "p50", "p99", "memory", "waiting", "parked",
  "resting", "file" }

local function all_scripts()
  local rows = {}
  for i, s in ipairs(script.list()) do rows[i] = describe(s) end
  for _, a in ipairs(script.absent()) do
    rows[#rows + 1] = { name = a.name, file = ("off: %s"):format(a.why) }
  end
  return show.table(rows, ALL)
end

local function one_script(print, name)
  local s = script.find(name)
  if not s then fail("no script named %s is loaded", name) end
  local rows = {}
  for i, r in ipairs(s.rules) do
    local rest = rule.rest_left(r)
    local calls, seconds, hist = rule.books(r)
    rows[i] = { rule = name_of_rule(r), calls = calls, errors = r.errors,
      p50 = duration(quantile(hist, 0.5)), p99 = duration(quantile(hist, 0.99)),
      seconds = ("%.3f"):format(seconds), rests = rest > 0 and math.ceil(rest) or nil }
  end
  local e = s.last_error
  if e then
    print(("last error: %s\n  in %s, %s\n  %s"):format(e.text, e.rule, e.about, e.fate))
  end
  return show.table(rows, { "calls", "errors", "p50", "p99", "seconds", "rests", "rule" })
end

-- ---- what is there ------------------------------------------------------------------------------

-- What stands beside a resource's name.
local function details(r)
  if r.ty ~= 3 then return "" end
  local text = ("%s, %s"):format(words.count(r.cni, "instance"), size(r.cbs))
  local newest = r.cni > 0 and tree.latest(r) or nil
  local con = newest and view.resource(newest).con
  if con == nil then return text end
  return ("%s, newest %s"):format(text, show.brief(con, NEWEST))
end

local function walk(rows, r, depth, level)
  for child in tree.children(r) do
    if #rows >= TREE_MAX then return end
    rows[#rows + 1] = { name = ("  "):rep(level) .. child.rn,
      type = (child.type.root:gsub("^m2m:", "")), [""] = details(child) }
    if depth > 1 then walk(rows, child, depth - 1, level + 1) end
  end
end

local function list_tree(print, where, depth)
  where, depth = where or "/", depth or 2
  if type(where) ~= "string" then fail("tree: a path was expected") end
  if type(depth) ~= "number" or depth < 1 then fail("tree: a depth of at least 1 was expected") end
  local to = where == "/" and "-" or where:sub(1, 1) == "/" and where:sub(1, 2) ~= "//" and
    "-" .. where or where
  local r, e = tree.resolve(to)
  if not r then fail("tree: %s", e.msg) end
  if r.virtual then fail("tree: a virtual resource has no children") end
  local rows = {}
  walk(rows, r, depth, 0)
  if #rows >= TREE_MAX then print(("only the first %d resources:"):format(TREE_MAX)) end
  return show.table(rows, { "name", "type", "" })
end

local function list_timers()
  local rows, now = {}, sys.mono()
  for _, s in ipairs(script.list()) do
    for _, r in ipairs(s.rules) do
      if r.due then
        rows[#rows + 1] = { script = s.name, rule = name_of_rule(r),
          period = r.hhmm or ("%g s"):format(r.period),
          due = r.timer and ("in %.1f s"):format(math.max(0, r.due - now) / 1e6) or "runs now",
          calls = (rule.books(r)), rests = rule.rest_left(r) > 0 and "yes" or nil }
      end
    end
  end
  return show.table(rows, { "script", "period", "due", "calls", "rests", "rule" })
end

local function list_memory()
  local rows = { { what = "Lua in all", kept = size(sys.memory()) } }
  for _, s in ipairs(script.list()) do
    local m = rule.memory(s)
    local all, state, variables, handlers = weight.of(s)
    rows[#rows + 1] = { what = "script " .. s.name, kept = size(all), state = size(state),
      variables = size(variables), waiting = size(handlers), peak = size(m.peak),
      allocated = size(m.allocated), runs = m.runs }
  end
  rows[#rows + 1] = { what = ("%d resources in the cache"):format(tree.cached()) }
  rows[#rows + 1] = { what = ("%d timers and waiting tasks"):format(timers.count()) }
  return show.table(rows, { "what", "kept", "state", "variables", "waiting", "peak", "allocated",
    "runs" })
end

-- ---- help ---------------------------------------------------------------------------------------

local HELP = {
  { "scripts([name])", "the scripts with calls, errors, times, memory; of one: its rules" },
  { "tree([path [, depth]])", "the resources below a path (\"/\"), so many levels deep (2)" },
  { "watch([pattern])", "each request as it is answered, below \"/home/**\"; Ctrl-C ends it" },
  { "trace([name])", "each call of a script's rules with arguments and results" },
  { "profile([seconds [, \"out.svg\"]])", "the hot lines; a flame graph beside you" },
  { "reload([name])", "replaces a script, or all, by what the files hold now" },
  { "replay(name)", "hands the events that are parked for a script to it again" },
  { "timers()", "the timers of scripts and when they are due" },
  { "memory()", "what Lua and each script hold" },
  { "help([name or function])", "this; or about one of these, or of cse: help(cse.add)" },
}

local function help_list()
  local rows = {}
  for i, h in ipairs(HELP) do rows[i] = { command = h[1], what = h[2] } end
  rows[#rows + 1] = { command = "cse.NAME(...)",
    what = "the verbs of scripts, for the CSE itself" }
  return show.table(rows, { "command", "what" })
end

local function help(s, what)
  if what == nil then return help_list() end
  local cse = {}
  for name, v in pairs(sealed.contents(s.scope.api)) do cse[name] = sealed.contents(v) end
  local world = { cse = cse }
  for name, fn in pairs(s.commands) do world[name] = fn end
  local text, why = reference.text(what, world)
  if not text then fail("help: %s", why) end
  s.print(text)
  return commands.NOTHING
end

-- ---- the commands of a session ------------------------------------------------------------------

-- A command of the operator: its lines are printed, its refusal is raised.
local function ask(s, command, args)
  local lines, why = operator[command](args)
  if not lines then error(why, 0) end
  for _, line in ipairs(lines) do s.print(type(line) == "string" and line or show.value(line)) end
  return commands.NOTHING
end

local function look(s, fn, argument)
  s.live = true
  fn(s, argument)
  return commands.NOTHING
end

--- name -> function, for the environment of session s.
function commands.new(s)
  return {
    scripts = function(name)
      if optional_name("scripts", name) then return one_script(s.print, name) end
      return all_scripts()
    end,
    tree = function(where, depth) return list_tree(s.print, where, depth) end,
    watch = function(pattern) return look(s, live.watch, pattern) end,
    trace = function(name) return look(s, live.trace, optional_name("trace", name)) end,
    profile = function(seconds, file) return profile.run(s, seconds, file) end,
    reload = function(name)
      return ask(s, "reload", { name = optional_name("reload", name) })
    end,
    replay = function(name)
      if type(name) ~= "string" then fail("replay: a script's name was expected") end
      return ask(s, "replay", { name = name })
    end,
    timers = list_timers,
    memory = list_memory,
    help = function(what) return help(s, what) end,
  }
end

return commands
