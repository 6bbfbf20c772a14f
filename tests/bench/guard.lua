-- What protection from scripts costs, and what it gives: a guarded call of an empty handler against
-- a bare one, and reads while scripts loop, flood and recurse.

local cjson = require "cjson"
local lab = require "lab"

local SECONDS = lab.pick(16, 8)

local function calls(report)
  lab.say("guard: calls of an empty handler")
  local us = cjson.decode(lab.sh("taskset -c %s %s/moon2m lua %s/guarded_call.lua", lab.server_core,
    lab.build, lab.here))
  report.asked("a guarded call over a bare one, us", { at_most = 1 }, us.guarded - us.bare, "%.2f")
  report.asked("a rule's call with all its books over a bare one, us", { at_most = 1 },
    us.rule - us.bare, "%.2f")
  report.table("Calls of an empty handler", nil, { "how", "us" }, {
    { "bare", ("%.3f"):format(us.bare) }, { "in a coroutine", ("%.3f"):format(us.coroutine) },
    { "guarded", ("%.3f"):format(us.guarded) }, { "as a rule", ("%.3f"):format(us.rule) } })
end

local function reads(report)
  local rows = {}
  local with = { { "no broken script", "" }, { "broken scripts", lab.here .. "/broken.lua" } }
  for _, k in ipairs(with) do
    local s = lab.server("guard", k[2]):prepare()
    s:container("c0", 10)
    lab.say("guard: reads, %s", k[1])
    local m = s:load("get", 16, SECONDS, "/moon/bench/c0", 1, '"cni":', 1)
    rows[#rows + 1] = { k[1], report.count(m.rate), report.ms(m.p50_us), report.ms(m.p99_us),
      report.ms(m.max_us) }
    if k[2] ~= "" then
      report.asked("reads beside broken scripts, p99, ms", { at_most = 100 }, m.p99_us / 1000,
        "%.2f")
    end
    s:finish()
  end
  report.table("Reads beside broken scripts", "Two failures a second; 16 connections.",
    { "with", "answers/s", "p50 ms", "p99 ms", "max ms" }, rows)
end

return function(report)
  calls(report)
  reads(report)
end
