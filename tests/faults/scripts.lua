-- Faults of scripts: luajit tests/faults/scripts.lua [ROUNDS]
-- Eight clients create while the handlers of a script fail in every way of FAULTS, without a pause:
-- first a virtual resource and a check, then an `on` rule, ROUNDS times each (a call that succeeds
-- between them keeps the rule from resting).  Each fault is stopped and told, the p99 of the eight
-- stays within bounds (or what a busy machine takes), nothing of theirs is lost.

package.path = "tests/wire/?.lua;tests/crash/?.lua;" .. package.path

local cqueues = require "cqueues"
local h = require "harness"
local load = require "load"

local ROUNDS = tonumber(arg[1]) or 10
local P99 = 0.1           -- seconds
local BUSY = 3            -- times as long on a machine that does other work
local FAULTS = {
  { "loop", "while true do end" },
  { "memory", "local t = {} for i = 1, 1e9 do t[i] = { i } end" },
  { "error", "error('broken')" },
  { "recursion", "local function f(n) return 1 + f(n + 1) end return f(1)" },
  { "long", "local s = ('x'):rep(1e9) return #s" },
  { "pattern", "local at = ('x'):find('%') return at" },
}

-- Good and bad by turns.
local VIRTUAL = [[
do
  local good = false
  cse.virtual("/home/NAME", function()
    good = not good
    if good then return { con = "good" } end
    fault.NAME()
  end)
end]]

local function script()
  local lines = { 'local cse = require "moon2m"', "local fault = {}" }
  for _, f in ipairs(FAULTS) do
    lines[#lines + 1] = ("function fault.%s()\n%s\nend"):format(f[1], f[2])
    lines[#lines + 1] = VIRTUAL:gsub("NAME", f[1])
  end
  lines[#lines + 1] = [[
cse.check("create", "/home/c", function(req)
  local f = fault[req.pc.con]
  if f then f() end
end)
cse.on("create", "/home/on", function(ev)
  local f = fault[ev.res.con]
  if f then f() end
end)]]
  return table.concat(lines, "\n") .. "\n"
end

local slowest = {}        -- name of a fault -> seconds until the reader of a resource was told

-- One fault in each kind of handler, each behind a call that succeeds.
local answering = { n = 2, run = function(server, name)
  h.expect(2000, server:retrieve("/moon/home/" .. name, "Chome"))
  local began = cqueues.monotime()
  h.expect(5000, server:retrieve("/moon/home/" .. name, "Chome"))
  slowest[name] = math.max(slowest[name] or 0, cqueues.monotime() - began)
  h.expect(2001, server:create("/moon/home/c", "Chome", 4, { con = "good" }))
  h.expect(5000, server:create("/moon/home/c", "Chome", 4, { con = name }))
end }
local afterwards = { n = 1, run = function(server, name)
  h.expect(2001, server:create("/moon/home/on", "Chome", 4, { con = "good" }))
  h.expect(2001, server:create("/moon/home/on", "Chome", 4, { con = name }))
end }

local faults = 0

-- Eight clients create while `kind` fails, without a pause.
local function beside(server, c, kind)
  local done, failed = false, nil
  local r = load.run(server, c, { seconds = 600, stop = function() return done end }, function()
    for i = 1, ROUNDS * #FAULTS do
      local name = FAULTS[i % #FAULTS + 1][1]
      local fine, e = pcall(kind.run, server, name)
      if not fine then failed = failed or name .. ": " .. tostring(e) end
      faults = faults + kind.n
    end
    h.wait("all failures to be counted", function()
      return server:metric("moon2m_script_errors_total", 'script="broken"') >= faults
    end)
    done = true
  end)
  if failed then error(failed, 0) end
  if next(r.refused) then error("a good create was refused", 0) end
  return r
end

local ok, why = pcall(function()
  local server = h.start { scripts = { broken = script() } }
  local c = load.prepare(server)
  server:register "home"
  for _, rn in ipairs { "c", "on" } do
    h.expect(2001, server:create("/moon/home", "Chome", 3, { rn = rn }))
  end
  local before = load.run(server, c, { seconds = 1 })
  local first, second = beside(server, c, answering), beside(server, c, afterwards)
  if server:text():find("rests", 1, true) then error("a rule rests", 0) end
  load.judge(server, c)
  print(("faults of scripts: %d of %d kinds without a pause, all stopped and told; the p99 of eight"
    .. " clients: %.1f ms before, %.1f ms beside virtual and check (slowest %.0f), %.1f ms beside"
    .. " on (slowest %.0f)"):format(faults, #FAULTS, before.p99 * 1e3, first.p99 * 1e3,
    first.slowest * 1e3, second.p99 * 1e3, second.slowest * 1e3))
  for _, f in ipairs(FAULTS) do
    print(("  %-10s told after %.0f ms at most"):format(f[1], slowest[f[1]] * 1e3))
  end
  if ROUNDS > 1 and math.max(first.p99, second.p99) > P99 * BUSY then
    error("others waited too long", 0)
  end
end)
h.stop_all()
if not ok then print(why) end
os.exit(ok and 0 or 1)
