-- cse.mqtt against Debian's mosquitto.

local d = require "devices"
local h = require "harness"

describe("cse.mqtt", function()
  local dir
  setup(function() dir = h.directory() end)
  teardown(function()
    h.stop_all()
    d.stop_all()
    h.sh("rm -rf %s", dir)
  end)

  local function count(s, text) return select(2, s:text():gsub(text, "")) end

  local function connected(s, n)
    h.wait("a connection", function() return count(s, ": connected") >= (n or 1) end, 15)
  end

  -- One script talks to itself through the broker.
  local LOOP = [[
    local broker = cse.mqtt({ host = "127.0.0.1", port = PORT, reconnect = 0.1, OPTIONS },
      function(topic, payload, info)
        seen[#seen + 1] = ("VERSION %s=%s q%d %s"):format(topic, payload, info.qos,
          tostring(info.retain))
      end)
    cse.on("create", "/pub", function(ev)
      local r, err = broker:publish(ev.res.con.t, ev.res.con.p, ev.res.con.o)
      if not r then seen[#seen + 1] = "error " .. err.msg end
    end)
    cse.on("create", "/sub", function(ev) assert(broker:subscribe(ev.res.con, 1)) end)
    cse.on("create", "/unsub", function(ev) assert(broker:unsubscribe(ev.res.con)) end)
  ]]

  local function loop(port, options, version)
    return (LOOP:gsub("PORT", port):gsub("OPTIONS", options):gsub("VERSION", version or "v1"))
  end

  local function containers(s)
    for _, rn in ipairs { "pub", "sub", "unsub" } do
      h.expect(2001, s:create("/moon", "CAdmin", 3, { rn = rn }))
    end
  end

  local function publish(s, t, p, o) s:add("/moon/pub", "CAdmin", { t = t, p = p, o = o }) end

  it("publishes and gets messages of each qos, in order; subscribes and unsubscribes", function()
    local broker = d.broker(dir)
    local s = d.start(loop(broker.port, 'topics = { "plant/+/temp", ["all/#"] = 2 }, qos = 1'))
    connected(s)
    containers(s)
    publish(s, "plant/a/temp", "20", { qos = 0 })
    publish(s, "plant/a/temp", "21", { qos = 1 })
    publish(s, "all/x/y", "22", { qos = 2 })
    publish(s, "nobody", "no")
    local seen = d.sees(s, "three messages", function(seen) return #seen == 3 end)
    assert.same({ "v1 plant/a/temp=20 q0 false", "v1 plant/a/temp=21 q1 false",
      "v1 all/x/y=22 q2 false" }, seen)
    publish(s, "kept", "retained", { retain = true })
    s:add("/moon/sub", "CAdmin", "kept")
    d.sees(s, "the retained one", function(l) return l[4] == "v1 kept=retained q1 true" end)
    s:add("/moon/unsub", "CAdmin", "kept")
    d.sleep(0.2)
    publish(s, "kept", "again")
    publish(s, "all", "")
    seen = d.sees(s, "the empty one", function(l) return l[5] == "v1 all= q1 false" end)
    assert.equal(5, #seen)
    h.wait("the counters", function()
      return s:metric("moon2m_gateway_sent_total", 'kind="mqtt"') == 7
        and s:metric("moon2m_gateway_received_total", 'kind="mqtt"') == 5
    end)
  end)

  it("connects again, subscribes again, and publishes then what was to be sure", function()
    local broker = d.broker(dir)
    local s = d.start(loop(broker.port, 'topics = { "t" }, qos = 1'))
    connected(s)
    containers(s)
    d.kill(broker.pid)
    s:logs "mqtt 127.0.0.1:%d+: 127.0.0.1 port %d+: .*; again in 0.1 s"
    publish(s, "t", "unsure", { qos = 0 })
    d.sees(s, "the failure", function(seen) return seen[1] == "error not connected" end)
    publish(s, "t", "sure", { qos = 1, retain = true })
    d.broker(dir, nil, broker.port)
    connected(s, 2)
    d.sees(s, "the message", function(seen) return (seen[2] or ""):find("t=sure", 1, true) end)
    assert.is_nil(s:text():find(" error ", 1, true))
  end)

  it("keeps the connection over a reload; topics follow the new version", function()
    local broker = d.broker(dir)
    local s = d.start(loop(broker.port, 'topics = { "old", "both" }'))
    connected(s)
    containers(s)
    h.write_file(s.dir .. "/gw.lua", d.HEAD ..
      loop(broker.port, 'topics = { "new", "both" }', "v2"))
    local out, rc = h.sh("%s reload --data %s gw", h.bin, s.data)
    assert.equal(0, rc, out)
    d.sleep(0.2)
    publish(s, "old", "1")
    publish(s, "both", "2")
    publish(s, "new", "3")
    d.sees(s, "two messages", function(seen) return #seen == 2 end)
    assert.same({ "v2 both=2 q0 false", "v2 new=3 q0 false" }, d.seen(s))
    assert.equal(1, count(s, ": connected"))
  end)

  it("user and password; a will when it dies", function()
    h.sh("mosquitto_passwd -b -c %s/users me secret", dir)
    h.sh("chmod 0644 %s/users; chmod 0755 %s", dir, dir)
    local broker = d.broker(dir, ("allow_anonymous false\npassword_file %s/users\n"):format(dir))
    local good = 'user = "me", password = "secret"'
    local listener = d.start(loop(broker.port, good .. ', topics = { "will" }'))
    connected(listener)
    local wrong = d.start(loop(broker.port, 'user = "me", password = "wrong"'))
    wrong:logs "mqtt 127.0.0.1:%d+: .*[Nn]ot authori[sz]ed"
    local dying = d.start(loop(broker.port, good ..
      ', will = { topic = "will", payload = "gone" }'))
    connected(dying)
    dying:kill()
    d.sees(listener, "the will", function(seen) return seen[1] == "v1 will=gone q0 false" end)
  end)

  it("a slow handler stops the reading; nothing of qos 1 is lost", function()
    local broker = d.broker(dir, "max_queued_messages 0\n")
    local s = h.start { config = "gateways = { queue = 10 }", scripts = {
      gw = d.HEAD .. ([[
        cse.mqtt({ host = "127.0.0.1", port = %d, topics = { "n" }, qos = 1 }, function(_, p)
          cse.sleep(0.002)
          seen[#seen + 1] = tonumber(p)
        end)
      ]]):format(broker.port),
      source = ([[
        local cse = require "moon2m"
        local broker = cse.mqtt({ host = "127.0.0.1", port = %d }, function() end)
        cse.on("create", "/go", function()
          for i = 1, 300 do assert(broker:publish("n", i, { qos = 1 })) end
          cse.log.info("all published")
        end)
      ]]):format(broker.port) } }
    connected(s, 2)
    h.expect(2001, s:create("/moon", "CAdmin", 3, { rn = "go" }))
    s:add("/moon/go", "CAdmin", "1")
    local seen = d.sees(s, "300 messages", function(seen) return #seen == 300 end, 20)
    for i = 1, 300 do assert.equal(i, seen[i]) end
    s:logs "all published"
  end)

  it("a broker that is not there is told; the server starts and stops all the same", function()
    local s = d.start(loop(h.free_port(), 'topics = { "x" }'))
    s:logs "mqtt 127.0.0.1:%d+: 127.0.0.1 port %d+: .*; again in 0.1 s"
    s:logs "again in 0.4 s"
    assert.equal(0, s:stop())
  end)

  it("a broker with TLS that is not there is told, too", function()
    local s = d.start(loop(h.free_port(), 'tls = true, topics = { "x" }'))
    s:logs "mqtt 127.0.0.1:%d+: 127.0.0.1 port %d+: .*; again in 0.1 s"
    s:logs "again in 0.4 s"
  end)

  it("TLS: the broker's certificate is verified, for its name", function()
    h.sh("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
      .. "-addext subjectAltName=DNS:localhost -keyout %s/key.pem -out %s/cert.pem", dir, dir)
    h.sh("chmod 0644 %s/key.pem; chmod 0755 %s", dir, dir)
    local broker = d.broker(dir, ("certfile %s/cert.pem\nkeyfile %s/key.pem\n"):format(dir, dir))
    local text = d.HEAD .. loop(broker.port, 'tls = true, topics = { "t" }'):gsub(
      '"127.0.0.1"', '"localhost"')
    local env = "SSL_CERT_FILE=" .. dir .. "/cert.pem"
    local good = h.start { scripts = { gw = text }, env = env }
    connected(good)
    containers(good)
    publish(good, "t", "secret")
    d.sees(good, "the message", function(seen) return seen[1] == "v1 t=secret q0 false" end)
    local unknown = h.start { scripts = { gw = text } }
    local other = h.start { env = env,
      scripts = { gw = (text:gsub('"localhost"', '"127.0.0.1"')) } }
    unknown:logs "again in 0.4 s"
    other:logs "again in 0.4 s"
    assert.equal(0, count(unknown, ": connected"))
    assert.equal(0, count(other, ": connected"))
  end)

  it("TLS: a handle's own authority and certificate", function()
    for _, name in ipairs { "broker", "client" } do
      h.sh("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
        .. "subjectAltName=DNS:localhost -keyout %s/%s.key -out %s/%s.pem", dir, name, dir, name)
    end
    h.sh("chmod 0644 %s/*.key; chmod 0755 %s", dir, dir)
    local broker = d.broker(dir, (("certfile D/broker.pem\nkeyfile D/broker.key\n"
      .. "cafile D/client.pem\nrequire_certificate true\n"):gsub("D/", dir .. "/")))
    local function text(files)
      return d.HEAD .. (loop(broker.port, ('tls = true, ca = "%s/broker.pem", %s topics = { "t" }')
        :format(dir, files)):gsub('"127.0.0.1"', '"localhost"'))
    end
    local good = h.start { scripts = { gw = text(('cert = "%s/client.pem", key = "%s/client.key",')
      :format(dir, dir)) } }
    connected(good)
    local bare = h.start { scripts = { gw = text "" } }
    bare:logs "again in 0.4 s"
    assert.equal(0, count(bare, ": connected"))
  end)
end)
