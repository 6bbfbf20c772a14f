-- Commands of the operator: one JSON line through the admin socket
-- ({"cmd":"reload","name":"stats"}) comes here when runtime/admin.c has no command of that name.
-- operator.COMMAND(args) runs in a task (it may yield) and returns a list of lines, each a text or
-- a table (printed as JSON), or nil and the reason.  args is the decoded object.

local json = require "moon2m.json"
local park = require "moon2m.park"
local reload = require "moon2m.reload"
local rule = require "moon2m.rule"
local script = require "moon2m.script"
local words = require "moon2m.words"

local operator = {}

--- Reloads the script `name`, or reads the configuration again and reloads all: loads what was
-- added, unloads what was removed.  Each one is tried; any that failed makes it an error.
function operator.reload(args)
  if args.name ~= nil and type(args.name) ~= "string" then return nil, "name: expected a string" end
  local lines, failed = reload.run(args.name)
  if failed then return nil, table.concat(failed, "\n") end
  return lines
end

--- Reads the credentials again.
function operator.credentials()
  local lines, failed = reload.credentials()
  if failed then return nil, table.concat(failed, "\n") end
  return lines
end

--- Voids the token of the notification service of an AE or a CSE (args.name); with renew = true
-- there is a new one, in the line that is returned.
function operator.service(args)
  if type(args.name) ~= "string" then return nil, "name: expected an AE-ID or a CSE-ID" end
  local token, why = require("moon2m.register").revoke(args.name, args.renew == true)
  if token == nil then return nil, why end
  return { token or ("%s: its notification service URL is void"):format(args.name) }
end

-- ---- what is there ------------------------------------------------------------------------------

local function clock(us)
  return os.date("%Y-%m-%d %H:%M:%S", math.floor(us / 1e6))
end

-- What is known of a loaded script, as plain data.
local function describe(s)
  local waits = park.state(s.name)
  local d = { name = s.name, file = s.file, loads = s.loads, loaded_at = clock(s.loaded_at),
    rules = {}, types = #s.types, pages = #s.pages, calls = 0, errors = s.errors,
    waiting = waits.waiting, parked = waits.parked, dropped = waits.dropped,
    failed_reload = s.failed_reload }
  for i, r in ipairs(s.rules) do
    local rest = rule.rest_left(r)
    local calls = rule.books(r)
    d.calls = d.calls + calls
    d.rules[i] = { name = r.name, calls = calls, errors = r.errors,
      rests = rest > 0 and math.ceil(rest) or nil }
  end
  local e = s.last_error
  d.last_error = e and { at = clock(e.at),
    lines = { e.text, ("in %s, %s"):format(e.rule, e.about), e.fate } }
  return d
end

local function add(lines, fmt, ...)
  lines[#lines + 1] = fmt:format(...)
end

local function print_one(lines, d, declared)
  add(lines, "%s %s version %d of %s", d.name, d.file, d.loads, d.loaded_at)
  add(lines, "  %s, %s, %s, %s, %d parked, %d dropped", declared, words.count(d.calls, "call"),
    words.count(d.errors, "error"), words.of(d.waiting, "event", "wait"), d.parked, d.dropped)
  for _, r in ipairs(d.rules) do
    if r.rests then add(lines, "  rests for %d s: %s", r.rests, r.name) end
  end
  if d.last_error then
    add(lines, "  last error, %s", d.last_error.at)
    for _, text in ipairs(d.last_error.lines) do add(lines, "    %s", text) end
  end
  if d.failed_reload then add(lines, "  not reloaded: %s", d.failed_reload) end
end

-- Scripts that should be there and are not: { name, file, reason } with what waits for them.
local function absentees()
  local list, seen = {}, {}
  for _, a in ipairs(script.absent()) do
    local waits = park.state(a.name)
    list[#list + 1] = { name = a.name, file = a.file, off = a.why, waiting = waits.waiting }
    seen[a.name] = true
  end
  for _, name in ipairs(park.names()) do
    if not script.find(name) and not seen[name] then
      list[#list + 1] = { name = name, off = "not in the configuration",
        waiting = park.state(name).waiting }
    end
  end
  return list
end

--- What is loaded: some lines per script, or with json = true a table; name: one script only.  Then
-- those that are switched off, did not load or are gone with events that wait for them.
function operator.scripts(args)
  local lines, found = {}, false
  for _, s in ipairs(script.list()) do
    if not args.name or args.name == s.name then
      found = true
      local d = describe(s)
      if args.json then lines[#lines + 1] = d else print_one(lines, d, script.declares(s)) end
    end
  end
  for _, a in ipairs(absentees()) do
    if not args.name or args.name == a.name then
      found = true
      if args.json then
        lines[#lines + 1] = a
      else
        add(lines, "%s %s off: %s", a.name, a.file or "-", a.off)
        if a.waiting > 0 then add(lines, "  %s", words.of(a.waiting, "event", "wait")) end
      end
    end
  end
  if args.name and not found then return nil, ("no script named %s"):format(tostring(args.name)) end
  if not lines[1] then lines[1] = "no scripts are loaded" end
  return lines
end

--- Hands what is parked for the script `name` to it again; drop = true: forgets it.
function operator.replay(args)
  if type(args.name) ~= "string" then return nil, "name: expected a string" end
  local loaded = script.find(args.name)
  if not loaded and park.state(args.name).waiting == 0 then
    return nil, ("no script named %s is loaded, and no events wait for it"):format(args.name)
  end
  if args.drop then return { words.count(park.drop(args.name), "event") .. " dropped" } end
  if not loaded then
    return nil, ("%s is not loaded: %s until it is"):format(args.name,
      words.of(park.state(args.name).waiting, "event", "wait"))
  end
  local n = park.replay(args.name)
  return { ("%s handed to %s again"):format(words.count(n, "event"), args.name) }
end

-- ---- export and import --------------------------------------------------------------------------

--- Begins an export of what is at args.path (nil: the CSEBase): its first lines, then
-- { count, csi, csn, spi, cursor }; with args.cursor the next lines, then { cursor } or {}.
function operator.export(args)
  local dump, tree = require "moon2m.dump", require "moon2m.tree"
  if args.cursor then
    local lines, cursor = dump.slice(args.cursor)
    lines[#lines + 1] = { cursor = cursor }
    return lines
  end
  local csi, csn, spi = require("moon2m.path").configured()
  local r = tree.resolve(args.path or csn)
  if not r or r.virtual or r.parent then
    return nil, ("%s: no resource that can be exported"):format(args.path)
  end
  local lines, cursor = dump.start(r)
  lines[#lines + 1] = { cursor = cursor, count = dump.count(r) + #lines, csi = csi, csn = csn,
    spi = spi }
  return lines
end

--- Imports args.rows (texts), which the CSE args.from wrote: what intake.rows tells.
function operator.import(args)
  if type(args.rows) ~= "table" then return nil, "rows: expected a list" end
  return { require("moon2m.intake").rows(args.rows, args.from or {}) }
end

-- ---- backup -------------------------------------------------------------------------------------

--- With args["do"] = "begin" a copy of the store begins, beside it (store.h); "end": it stops, or
-- it was taken away.  Without: how far it is, { state, done, total, why }, bytes.
function operator.backup(args)
  local store = require "moon2m.core.store"
  if args["do"] == "begin" then
    local ok, why = store.backup_begin()
    if not ok then return nil, why end
  elseif args["do"] == "end" then
    store.backup_end()
  elseif args["do"] ~= nil then
    return nil, 'do: expected "begin" or "end"'
  end
  local state, done, total, why = store.backup_look()
  return { { state = state, done = done, total = total, why = why } }
end

-- ---- the socket ---------------------------------------------------------------------------------

local function refusal(why)
  return json.encode { ok = false, error = tostring(why) } .. "\n"
end

--- Performs the command of one line (checked JSON, an object with cmd); the lines of the answer:
-- one JSON value each (a text or an object), the last {"ok":true} or {"ok":false,"error":...}.
function operator.perform(line)
  local args = json.decode(line)
  local command = args.cmd ~= "perform" and operator[args.cmd]
  if not command then return refusal(("cmd: no command %q"):format(args.cmd)) end
  local lines, why = command(args)
  if not lines then return refusal(why) end
  local out = {}
  for i, l in ipairs(lines) do out[i] = json.encode(l) .. "\n" end
  return table.concat(out) .. '{"ok":true}\n'
end

return operator
