-- Gateways over a clock and sockets of the test (moon2m.test): what a kind does when its other end
-- goes, comes back, or its script is replaced.

local cjson = require "cjson"
local test = require "moon2m.test"

local HEAD = [[
  local cse = require "moon2m"
  local seen = cse.state { seen = {} }.seen
  cse.virtual("/seen", function() return { con = cse.json(seen) } end)
]]

local function host(text)
  return test.host { scripts = { gw = HEAD .. text } }
end

local function seen(h)
  return cjson.decode(h:retrieve("/seen").con)
end

describe("gateways", function()
  it("refuse TLS files that do not go together", function()
    local check = require("moon2m.gateway.tls").check
    local function why(opts) return select(2, check(opts)) end
    assert.equal("ca needs tls = true", why { ca = "/ca.pem" })
    assert.equal('key: an absolute path was expected, got "k.pem"',
      why { tls = true, key = "k.pem" })
    assert.equal("cert and key belong together", why { tls = true, cert = "/c.pem" })
    assert.is_true(check { tls = true, ca = "/ca.pem", cert = "/c.pem", key = "/k.pem" })
  end)

  it("hand their handle to their own functions, and are named in errors", function()
    local h = host [[
      cse.udp(5700, function(data, from, sock) sock:send(from, data) end)
      cse.serial("/dev/tty1", { line = true }, function(line, port) port:write(line) end)
      cse.mqtt({ host = "b", topics = { "t" } }, function(topic, payload, _, broker)
        broker:publish("u", payload)
        error("enough")
      end)
      cse.every(5, function() error("ticks") end)
      cse.at("23:59", function() end)
      cse.format("f", function() error("formats") end)
    ]]
    h:advance(0.1)
    h:datagram(5700, "d", "10.0.0.1:1")
    h:line("/dev/tty1", "l")
    h:message("b:1883", "t", "m")
    assert.same({ { to = "10.0.0.1:1", data = "d" } }, h:sent(5700))
    assert.same({ { data = "l" } }, h:sent("/dev/tty1"))
    assert.equal("u", h:sent("b:1883")[1].topic)
    h:advance(5)
    assert.matches("^mqtt b:1883 %(%S+gw%.lua:%d+%)$", h:errors()[1].rule)
    assert.matches("^every 5 s %(%S+gw%.lua:%d+%)$", h:errors()[2].rule)
    h:create("/", "container", { rn = "c" })
    h:create("/c", "subscription", { nu = { h:url "x" }, enc = { net = { 3 } },
      lbl = { "format:f" } })
    h:create("/c", "1")
    assert.matches("^format f %(", h:errors()[3].rule)
    h:expect_error "enough"
    h:expect_error "ticks"
    h:expect_error "formats"
  end)

  it("a client connects again, slower each time, and at once in time again", function()
    local h = host [[
      cse.tcp({ host = "plc", port = 502, reconnect = 1 }, function(conn)
        seen[#seen + 1] = "open"
        while true do seen[#seen + 1] = conn:read("line") end
      end)
    ]]
    h:line("plc:502", "a")
    assert.same({ "open", "a" }, seen(h))
    h:offline("plc:502", "no route")
    h:hangup "plc:502"
    h:advance(1)                                    -- then after 2 and 4 seconds
    h:advance(2)
    h:offline("plc:502", nil)
    h:advance(3.9)
    assert.equal(2, #seen(h))
    h:advance(0.2)
    assert.same({ "open", "a", "open" }, seen(h))
    h:hangup "plc:502"
    h:advance(1.1)
    assert.equal("open", seen(h)[4])
    h:close()
  end)

  it("a connection goes over at a reload where its function waits for a message", function()
    local text = [[
      cse.tcp({ listen = 7000 }, function(conn)
        while true do
          local n = conn:read(1)
          if not n then return end
          seen[#seen + 1] = "VERSION " .. n .. conn:read(tonumber(n)) .. tostring(conn.resumed)
        end
      end)
    ]]
    local h = host((text:gsub("VERSION", "v1")))
    local peer = h:connect(7000)
    h:bytes(peer, "2ab3c")
    h:write("gw", HEAD .. text:gsub("VERSION", "v2"))
    h:reload "gw"
    h:bytes(peer, "de")
    assert.same({ "v1 2abfalse", "v1 3cdefalse" }, seen(h))
    h:advance(0.3)
    h:bytes(peer, "1f")
    assert.equal("v2 1ftrue", seen(h)[3])
    h:close()
  end)

  it("a broker is asked again for its topics, and gets what was to be sure", function()
    local h = host [[
      local b = cse.mqtt({ host = "broker", topics = { "a/+" }, qos = 1 }, function(topic, p, info)
        seen[#seen + 1] = topic .. "=" .. p .. info.qos
      end)
      cse.every(1, function() b:publish("tick", "1") end)
    ]]
    assert.equal(1, h:message("broker:1883", "a/b", "x", { qos = 1 }))
    assert.same({ "a/b=x1" }, seen(h))
    h:hangup "broker:1883"
    h:advance(1)
    assert.equal(0, #h:sent "broker:1883")
    h:advance(2)
    assert.is_true(#h:sent "broker:1883" >= 2)
    assert.equal(1, h:message("broker:1883", "a/c", "y"))
    assert.equal("a/c=y0", seen(h)[2])
    h:close()
  end)

  it("a device that is missing is opened when it is there", function()
    local h = host [[
      local meter = cse.serial("/dev/ttyS9", { line = true, reconnect = 2 }, function(line)
        seen[#seen + 1] = line
        meter_answer(line)
      end)
    ]]
    h:offline("/dev/ttyS9", "unplugged")
    h:hangup "/dev/ttyS9"
    h:advance(2)
    h:offline("/dev/ttyS9", nil)
    h:advance(4.1)
    h:line("/dev/ttyS9", "one")
    assert.same({ "one" }, seen(h))
    h:expect_error "meter_answer"
    h:close()
  end)
end)
