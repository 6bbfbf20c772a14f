-- The other ends of a script's sockets, devices, brokers and HTTP servers in a test.

local t = require "moon2m.test"

local function passes(fn)
  local problems = t.run(fn)
  assert.same({}, problems)
end

local OUT = { ["/out"] = {} }

describe("in a test", function()
  it("datagrams come and go, also over a reload", function()
    passes(function()
      local h = t.host { tree = OUT, scripts = { u = [[
        local cse = require "moon2m"
        local sock
        sock = cse.udp(9, function(data, from)
          cse.add("/out", data)
          sock:send(from, "ack " .. data)
        end)
      ]] } }
      h:datagram(9, "a", "10.0.0.1:5")
      t.equal(h:latest("/out"), "a")
      t.ok(h:reload("u"))
      h:datagram(9, "b")
      t.same(h:sent(9), { { to = "10.0.0.1:5", data = "ack a" },
        { to = "127.0.0.1:9", data = "ack b" } })
      t.raises(function() h:datagram(10, "x") end, "no script has 10 open; open are: 9")
      t.raises(function() h:datagram(9) end, "a text was expected, got a nil")
    end)
  end)

  it("a serial line speaks, goes, and comes back", function()
    passes(function()
      local h = t.host { tree = OUT, scripts = { s = [[
        local cse = require "moon2m"
        local dev = cse.serial("/dev/ttyS9", { line = true, reconnect = 5 }, function(line)
          cse.add("/out", line)
        end)
        cse.every(60, function() dev:write("ping\n") end)
      ]] } }
      h:bytes("/dev/ttyS9", "2")
      t.is_nil(h:latest("/out"))
      h:bytes("/dev/ttyS9", "3\r\n24\n")
      t.same(h:latest("/out", 2), { "24", "23" })
      h:offline("/dev/ttyS9", "No such device")
      h:hangup("/dev/ttyS9")
      t.raises(function() h:line("/dev/ttyS9", "x") end, "no script has /dev/ttyS9 open")
      h:offline("/dev/ttyS9")
      h:advance(60)
      h:line("/dev/ttyS9", "25")
      t.equal(h:latest("/out"), "25")
      t.equal(h:sent("/dev/ttyS9")[1].data, "ping\n")
    end)
  end)

  it("TCP connections both ways", function()
    passes(function()
      local h = t.host { tree = OUT, scripts = { c = [[
        local cse = require "moon2m"
        cse.tcp({ host = "plc", port = 502, reconnect = 5 }, function(conn)
          conn:write("hello")
          while true do
            local data = conn:read(4)
            if not data then return end
            cse.add("/out", data)
          end
        end)
        cse.tcp({ listen = 7000 }, function(conn)
          conn:write(conn:read("line"):upper())
        end)
      ]] } }
      t.equal(h:sent("plc:502")[1].data, "hello")
      h:bytes("plc:502", "ab")
      h:bytes("plc:502", "cdef")
      t.equal(h:latest("/out"), "abcd")
      h:hangup("plc:502")
      h:advance(5)
      t.equal(#h:sent("plc:502"), 2)
      local one, two = h:connect(7000), h:connect(7000)
      h:line(two, "x")
      h:line(one, "y")
      t.equal(h:sent(one)[1].data .. h:sent(two)[1].data, "YX")
    end)
  end)

  it("a broker: subscriptions, messages, what waits for it", function()
    passes(function()
      local h = t.host { tree = OUT, scripts = { m = [[
        local cse = require "moon2m"
        local broker = cse.mqtt({ host = "broker", topics = { "a/+/c", "b/#" } },
          function(topic, payload) cse.add("/out", topic .. "=" .. payload) end)
        cse.on("create", "/out", function(ev)
          if ev.res.con == "out" then broker:publish("x", "1", { qos = 1 }) end
        end)
      ]] } }
      local function told(topic) return h:message("broker:1883", topic, "1") end
      t.equal(told("a/b/c"), 1)
      t.equal(h:latest("/out"), "a/b/c=1")
      t.equal(told("a/b/d"), 0)
      t.equal(told("a/b/x/c"), 0)
      t.equal(told("b"), 1)
      t.equal(told("b/c/d"), 1)
      t.equal(told("bb"), 0)
      h:hangup("broker:1883", "connection lost")
      h:create("/out", "out")
      t.same(h:sent("broker:1883"), {})
      h:advance(10)
      t.same(h:sent("broker:1883"), { { topic = "x", data = "1", qos = 1, retain = false } })
    end)
  end)

  it("HTTP servers answer, or do not", function()
    passes(function()
      local h = t.host { tree = OUT, scripts = { w = [[
        local cse = require "moon2m"
        cse.virtual("/ask", function()
          local a, err = cse.http.post("http://h/x", { v = 1 }, { headers = { ["X-A"] = "b" } })
          return { con = a and a.status .. a.body .. a.headers["x-b"] or err.msg }
        end)
      ]] } }
      t.match(h:retrieve("/ask").con, "http://h/x: nobody answers")
      local seen
      h:http(function(r)
        seen = r
        return 201, "made", { ["X-B"] = "c" }
      end)
      t.equal(h:retrieve("/ask").con, "201madec")
      t.equal(seen.method .. seen.headers["x-a"], "POSTb")
      t.same(seen.body, { v = 1 })
      h:http(function() return nil, "connection refused" end)
      t.match(h:retrieve("/ask").con, "connection refused")
      t.equal(#h:sent("http"), 3)
    end)
  end)
end)
