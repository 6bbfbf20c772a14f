-- What a credential costs: durable creates and retrieves without any, and with a bearer token in
-- each request, by turns on one store; in CPU time, as the disk and not the server bounds creates.

local lab = require "lab"

local CONTAINERS, MNI, CONNS = 100, 100, 64
local SECONDS = lab.pick(3, 1.5)

local function one(s, how, authorization)
  lab.sh(authorization and "mv %s/credentials.off %s/credentials" or "true", s.data, s.data)
  s:restart()
  s.authorization = authorization
  lab.say("identity: %s", how)
  local r = { create = s:load("create", CONNS, SECONDS, CONTAINERS),
    get = s:load("get", CONNS, SECONDS, "/moon/bench/c#", CONTAINERS, '"mni"', 1) }
  s.authorization = nil
  s:stop()
  lab.sh(authorization and "mv %s/credentials %s/credentials.off" or "true", s.data, s.data)
  return { create = r.create.rate, create_ns = r.create.cpu_ns, get = r.get.rate,
    get_ns = r.get.cpu_ns }
end

local function row(report, name, m)
  return { name, report.count(m.create), report.count(m.create_ns), report.count(m.get),
    report.count(m.get_ns) }
end

return function(report)
  local s = lab.server("identity"):prepare()
  s:load("containers", CONTAINERS, MNI)
  s:load("fill", CONTAINERS, MNI)
  s:stop()
  local token = lab.sh("%s/moon2m credential add bench '*' CAdmin --data %s 2>/dev/null", lab.build,
    s.data)
  lab.sh("mv %s/credentials %s/credentials.off", s.data, s.data)
  local plain, known, ratios = {}, {}, {}
  for i = 1, lab.reps do
    plain[i] = one(s, "no credential")
    known[i] = one(s, "bearer token", "Bearer " .. token)
    ratios[i] = { create = plain[i].create_ns / known[i].create_ns,
      get = plain[i].get_ns / known[i].get_ns, more = known[i].get_ns - plain[i].get_ns }
  end
  local p, k, r = lab.median(plain), lab.median(known), lab.median(ratios)
  report.asked("identity: creates without a credential against a bearer token, CPU time",
    { at_least = 0.9 }, r.create, "%.2f",
    ("%s ns of %s ns"):format(report.count(p.create_ns), report.count(k.create_ns)))
  report.asked("identity: retrieves without a credential against a bearer token, CPU time",
    { at_least = 0.9 }, r.get, "%.2f",
    ("%s ns of %s ns"):format(report.count(p.get_ns), report.count(k.get_ns)))
  report.table("Credentials", ("%d connections; a bearer token costs %s ns of CPU a retrieve.")
    :format(CONNS, report.count(r.more)), { "requests", "creates/s", "CPU ns/create", "retrieves/s",
      "CPU ns/retrieve" }, { row(report, "without credentials", p), row(report, "bearer", k) })
  s:finish()
end
