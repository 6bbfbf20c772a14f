-- What TLS costs: durable creates, retrieves and fan-out over one port without and one with it, by
-- turns on one server; and handshakes.  CPU is the server's, of all its threads.

local lab = require "lab"

local CONTAINERS, MNI, CONNS = 100, 100, 64
local SECONDS = lab.pick(3, 1.5)
local SUBSCRIBERS = lab.pick(1000, 300)

local function certificate(dir)
  lab.sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 "
    .. "-subj /CN=localhost -keyout %s/tls.key -out %s/tls.pem 2>/dev/null", dir, dir)
end

local function one(s, ports, tls)
  s.port, s.tls = ports[tls and 2 or 1], tls
  lab.say("tls: %s", tls and "with TLS 1.3" or "without")
  local r = { create = s:load("create", CONNS, SECONDS, CONTAINERS),
    get = s:load("get", CONNS, SECONDS, "/moon/bench/c#", CONTAINERS, '"mni"', 1),
    ack = s:load("flood", SUBSCRIBERS, lab.pick(2, 1), 64, "ack", "fan"),
    raw = s:load("flood", SUBSCRIBERS, lab.pick(2, 1), 64, "raw", "rawfan") }
  s:quiet()
  return { create = r.create.rate, create_ns = r.create.cpu_ns, get = r.get.rate,
    get_ns = r.get.cpu_ns, ack = r.ack.rate, ack_ns = r.ack.cpu_ns, raw = r.raw.rate,
    raw_ns = r.raw.cpu_ns }
end

local NAMES = { { "create", "durable creates" }, { "get", "retrieves" },
  { "ack", "frames of a flood, acknowledged" }, { "raw", "frames of a flood, unanswered" } }
-- Of CPU time: the client's share of TLS, which is larger, does not count.
local ASKED = { create = 0.75, get = 0.6, ack = 0.5, raw = 0.5 }

-- Full handshakes a second on one core, and their CPU time.
local function handshakes(s, ports)
  local before = s:cpu()
  local text = lab.sh("taskset -c %s openssl s_time -connect 127.0.0.1:%d -new -time 2 2>&1",
    lab.client_core, ports[2])
  local n = tonumber(text:match("(%d+) connections in [%d.]+s; "))
  return n / 2, (s:cpu() - before) / n
end

-- /healthz answers before the log has it.
local function tls_port(s)
  for _ = 1, 500 do
    local port = lab.read_file(s.log):match("ready[^\n]* https=[%d.]+:(%d+)")
    if port then return tonumber(port) end
    lab.sleep(0.01)
  end
  error("the server has no port with TLS", 0)
end

-- Bytes that an idle WebSocket connection keeps, in a server that has done nothing else.
local function idle(s)
  s.tls = false
  s:restart()
  s.port, s.tls = tls_port(s), true
  local r = s:load("idle", SUBSCRIBERS, 1)
  return (r.rss - r.rss_before) / r.conns
end

local function tables(report, p, t, ratio, rate, ns, bytes)
  local rows = {}
  for i, name in ipairs(NAMES) do
    local k = name[1]
    report.asked("TLS: " .. name[2] .. ", CPU time without against with", { at_least = ASKED[k] },
      ratio[k], "%.2f", ("%s ns of %s ns"):format(report.count(p[k .. "_ns"]),
        report.count(t[k .. "_ns"])))
    rows[i] = { name[2], report.count(p[k]), report.count(t[k]), report.count(p[k .. "_ns"]),
      report.count(t[k .. "_ns"]) }
  end
  report.table("TLS", ("%d connections of HTTP, %d of WebSocket. Full handshakes (TLS 1.3, P-256): "
    .. "%s/s with one client at a time, %s us of CPU each. An idle WebSocket connection keeps "
    .. "%.1f KiB."):format(CONNS, SUBSCRIBERS, report.count(rate), report.count(ns / 1000),
    bytes / 1024), { "", "without TLS /s", "with /s",
      "CPU ns, without", "with" }, rows)
end

return function(report)
  certificate(lab.out)
  local s = lab.server("tls", ("--log info --listen 127.0.0.1:0,tls --set tls.cert=%s/tls.pem "
    .. "--set tls.key=%s/tls.key"):format(lab.out, lab.out)):prepare()
  local ports = { s.port, tls_port(s) }
  s:load("containers", CONTAINERS, MNI)
  s:load("fill", CONTAINERS, MNI)
  s:load("aes", SUBSCRIBERS)
  for name, format in pairs { fan = "-", rawfan = "compact" } do
    s:container(name, 1000)
    s:load("subs", SUBSCRIBERS, format, name)
  end
  local plain, tls, ratios = {}, {}, {}
  for i = 1, lab.reps do
    plain[i], tls[i] = one(s, ports, false), one(s, ports, true)
    ratios[i] = {}
    for _, name in ipairs(NAMES) do
      local k = name[1] .. "_ns"
      ratios[i][name[1]] = plain[i][k] / tls[i][k]
    end
  end
  local rate, ns = handshakes(s, ports)
  tables(report, lab.median(plain), lab.median(tls), lab.median(ratios), rate, ns, idle(s))
  s:finish()
end
