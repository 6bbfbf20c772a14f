-- What scripts cost: creates with a policy, a check and an `on` handler, or with rules for other
-- paths, beside creates without; 1,000 rules on 1,000 paths beside one rule; the loop time of
-- reloading a script of 500 lines.  Ratios of the server's CPU time for one request, from runs that
-- alternate: what else this machine does counts little.

local lab = require "lab"

local CONTAINERS, MNI, CONNECTIONS = 100, 100, 64
local SECONDS = lab.pick(3, 2)
local RULES = 1000
local RELOADS = 20
local ROUNDS = lab.pick(5, 3)

local HEAD = 'local cse = require "moon2m"\n'

local HANDLERS = [[
cse.policy("/bench/*", function(req, res) if req.op == "delete" then return false end end)
cse.check("create", "/bench/*", function(req) if not req.pc.con then return false end end)
cse.on("create", "/bench/*", function(ev) return ev.res.con end)
]]

local ELSEWHERE = HANDLERS:gsub("/bench/", "/plant/")

local ONE = 'cse.policy("/bench/**", function() end)\n'

local function many()
  local lines = { ONE }
  for i = 2, RULES do
    lines[i] = ('cse.policy("/plant/hall%d/*/temp", function() end)\n'):format(i)
  end
  return table.concat(lines)
end

-- 500 lines of a plausible script.
local function long()
  local lines = { HANDLERS }
  for i = 1, 99 do
    lines[#lines + 1] = ([[
local function convert%d(v)
  local n = tonumber(v) or 0
  if n > %d then n = n / 10 end
  return n + %d
end
]]):format(i % 90, i, i)
  end
  return table.concat(lines)
end

local function script(name, text)
  local file = ("%s/%s.lua"):format(lab.out, name)
  lab.write_file(file, HEAD .. text)
  return file
end

-- One run of `mode` on a fresh server with these scripts.
local function once(mode, name, text)
  local s = lab.server("scripts", text and script(name, text)):prepare()
  s:load("containers", CONTAINERS, MNI)
  s:load("fill", CONTAINERS, MNI)
  local m = mode(s)
  s:finish()
  return m
end

-- Medians with each of these scripts (false: none), which take turns on the same machine.
local function in_turn(mode, scripts)
  local runs, medians = {}, {}
  for i = 1, ROUNDS do
    lab.say("scripts: round %d of %d", i, ROUNDS)
    for k, text in ipairs(scripts) do
      runs[k] = runs[k] or {}
      runs[k][i] = once(mode, "s" .. k, text)
    end
  end
  for k, list in ipairs(runs) do medians[k] = lab.median(list) end
  return unpack(medians)
end

local function creates(s)
  return s:load("create", CONNECTIONS, SECONDS, CONTAINERS)
end

local function reads(s)
  return s:load("get", CONNECTIONS, SECONDS, "/moon/bench/c0", 1, '"cni":', 1)
end

local function reload_time()
  local s = lab.server("scripts", script("long", long())):prepare()
  for _ = 1, RELOADS do
    lab.sh("%s/moon2m reload --data %s long > /dev/null", lab.build, s.data)
  end
  local text = lab.sh("curl -s http://127.0.0.1:%d/metrics", s.port)
  local sum = text:match('moon2m_script_reload_seconds_sum{result="done"} (%S+)')
  local n = text:match('moon2m_script_reload_seconds_count{result="done"} (%S+)')
  s:finish()
  return tonumber(sum) / tonumber(n) * 1000
end

local function us(m) return ("%.1f"):format(m.cpu_ns / 1000) end

return function(report)
  local without, elsewhere, with = in_turn(creates, { false, ELSEWHERE, HANDLERS })
  report.asked("creates with policy, check and on over creates without", { at_least = 0.7 },
    without.cpu_ns / with.cpu_ns, "%.2f")
  report.asked("time of a create with rules for other paths over one without scripts",
    { at_most = 1.1 }, elsewhere.cpu_ns / without.cpu_ns, "%.2f")
  local one, all = in_turn(reads, { ONE, many() })
  report.asked("time of a read with 1,000 rules over one rule", { at_most = 1.2 },
    all.cpu_ns / one.cpu_ns, "%.2f")
  local ms = reload_time()
  report.asked("reload of a script of 500 lines, loop time, ms", { at_most = 20 }, ms, "%.2f")
  report.table("Scripts", ("%d connections, medians of %d runs in turn; the server's CPU time, us.")
    :format(CONNECTIONS, ROUNDS), { "what", "per second", "CPU time" }, {
    { "creates without scripts", report.count(without.rate), us(without) },
    { "creates with rules for other paths", report.count(elsewhere.rate), us(elsewhere) },
    { "creates with policy, check and on", report.count(with.rate), us(with) },
    { "reads with one rule", report.count(one.rate), us(one) },
    { "reads with 1,000 rules", report.count(all.rate), us(all) },
    { "reload of 500 lines, ms", ("%.2f"):format(ms), "" } })
end
