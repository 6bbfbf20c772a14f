-- `moon2m test`: the options, the files, and what is told of them.

local sys = require "moon2m.core.sys"
local host = require "moon2m.test.host"
local test = require "moon2m.test"

local main = {}

local COLORS = { red = "\27[31m", green = "\27[32m", dim = "\27[2m", off = "\27[0m" }

local function parse(...)
  local o, args = { files = {} }, { ... }
  local i = 1
  while args[i] and args[i] ~= "--" do
    local name = args[i]:match("^%-%-(%a+)$")
    if name == "filter" then
      i = i + 1
      o.filter = args[i]
    else
      o[name] = true
    end
    i = i + 1
  end
  for k = i + 1, #args do o.files[#o.files + 1] = args[k] end
  return o
end

local function wanted(o, name)
  if not o.filter or name:find(o.filter, 1, true) then return true end
  local ok, found = pcall(string.find, name, o.filter)
  return ok and found ~= nil
end

-- ---- plain text ---------------------------------------------------------------------------------

local plain = {}

local function paint(o, color, text)
  return o.color and COLORS[color] .. text .. COLORS.off or text
end

function plain.file(o, file) print(paint(o, "dim", file)) end

function plain.result(o, _, name, problems, lines)
  if not problems[1] then
    print(("  %s %s"):format(paint(o, "green", "ok  "), name))
    return
  end
  print(("  %s %s"):format(paint(o, "red", "FAIL"), name))
  for _, text in ipairs(problems) do print("       " .. text:gsub("\n", "\n       ")) end
  for _, line in ipairs(lines) do
    print(paint(o, "dim", ("       log: %s %s %s"):format(line.level, line.module, line.text)))
  end
end

function plain.finish(o, passed, failed, ms)
  local text = ("%d passed, %d failed, %.0f ms"):format(passed, failed, ms)
  print(paint(o, failed > 0 and "red" or "green", text))
end

-- ---- Test Anything Protocol ---------------------------------------------------------------------

local tap = {}

function tap.file(o, file)
  if not o.begun then print("TAP version 13") end
  o.begun = true
  print("# " .. file)
end

function tap.result(_, n, name, problems)
  name = name:gsub("#", "\\#"):gsub("\n", " ")
  print(("%s %d - %s"):format(problems[1] and "not ok" or "ok", n, name))
  for _, text in ipairs(problems) do print("  # " .. text:gsub("\n", "\n  # ")) end
end

function tap.finish(_, passed, failed)
  print(("1..%d"):format(passed + failed))
end

-- ---- running ------------------------------------------------------------------------------------

local function run_test(o, say, one, counts)
  local problems = test.run(one.fn)
  counts.n = counts.n + 1
  local key = problems[1] and "failed" or "passed"
  counts[key] = counts[key] + 1
  say.result(o, counts.n, one.name, problems, o.verbose and host.last_log() or {})
end

local function run_file(o, say, file, counts)
  say.file(o, file)
  local tests, why = test.collect(file)
  if not tests then
    counts.n, counts.failed = counts.n + 1, counts.failed + 1
    return say.result(o, counts.n, file .. " does not load", { why }, {})
  end
  for _, one in ipairs(tests) do
    if wanted(o, one.name) then run_test(o, say, one, counts) end
  end
end

--- Entry of the command: options, "--", files.  The exit code.
function main.main(...)
  local o = parse(...)
  jit.opt.start("hotloop=2000")    -- most tests are over before compiled code would pay
  local say, counts, start = o.tap and tap or plain, { n = 0, passed = 0, failed = 0 }, sys.mono()
  local cover = o.cover and require "moon2m.test.cover"
  if cover then cover.start() end
  for _, file in ipairs(o.files) do run_file(o, say, file, counts) end
  say.finish(o, counts.passed, counts.failed, (sys.mono() - start) / 1000)
  if cover then cover.report(o.tap and "# " or "") end
  io.stdout:flush()
  return counts.failed == 0 and counts.passed > 0 and 0 or 1
end

return main
