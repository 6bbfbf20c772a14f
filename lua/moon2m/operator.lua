-- Commands of the operator: one JSON line through the admin socket
-- ({"cmd":"reload","name":"stats"}) comes here when runtime/admin.c has no command of that name.
-- operator.COMMAND(args) runs in a task (it may yield) and returns a list of lines, each a text or
-- a table (printed as JSON), or nil and the reason.  args is the decoded object.

local json = require "moon2m.json"
local script = require "moon2m.script"

local operator = {}

-- The names that an argument `name` stands for: one, or all loaded scripts.
local function named(args)
  if args.name ~= nil and type(args.name) ~= "string" then
    return nil, "name: expected a string"
  end
  if args.name then return { args.name } end
  local names = {}
  for i, s in ipairs(script.list()) do names[i] = s.name end
  return names
end

--- Reloads the script `name`, or all.  Each one is tried; any that failed makes it an error.
function operator.reload(args)
  local names, why = named(args)
  if not names then return nil, why end
  local lines, failed = {}, {}
  for _, name in ipairs(names) do
    local s
    s, why = script.reload(name)
    if s then
      lines[#lines + 1] = ("%s reloaded: %d rules"):format(s.file, #s.rules)
    else
      failed[#failed + 1] = ("%s not reloaded, the version that runs stays: %s"):format(name, why)
    end
  end
  if failed[1] then return nil, table.concat(failed, "\n") end
  return lines
end

--- What is loaded, and what is off and why: a line per script.
function operator.scripts()
  local lines = {}
  for _, s in ipairs(script.list()) do
    lines[#lines + 1] = ("%s %s rules=%d errors=%d"):format(s.name, s.file, #s.rules, s.errors)
  end
  for _, o in ipairs(script.list_off()) do
    lines[#lines + 1] = ("%s %s off: %s"):format(o.name, o.file, o.reason)
  end
  return lines
end

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
