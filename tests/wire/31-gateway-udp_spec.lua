-- cse.udp: datagrams in, in order, bounded; out; handed over at a reload.

local d = require "devices"
local h = require "harness"

local expect = h.expect

describe("cse.udp", function()
  teardown(h.stop_all)

  it("versions of a script, and connections, are garbage when they are over", function()
    local port, tcp = d.free_udp_port(), h.free_port()
    local s = d.start(([[
      local big = ("x"):rep(200000) .. tostring(math.random())
      local sock
      sock = cse.udp(%d, function(_, from, handle)
        assert(handle == sock and tostring(sock):match("^udp "))
        sock:send(from, big:sub(1, 1))
      end)
      cse.tcp({ listen = %d }, function(conn)
        conn.note = ("x"):rep(200000) .. tostring(math.random())
        conn:write(conn:read("line") .. "\n")
      end)
    ]]):format(port, tcp))
    local before = s:metric "moon2m_lua_bytes"
    for _ = 1, 60 do
      local out, rc = h.sh("%s reload --data %s gw", h.bin, s.data)
      assert.equal(0, rc, out)
      local c = d.tcp(tcp)
      c.write "hello\n"
      assert.equal("hello", c.line())
      c.close()
    end
    local device = d.udp(port)
    device.send "a"
    assert.equal("x", device.receive())
    h.wait("the garbage to be collected", function()
      s:retrieve("/moon", "CAdmin")
      return s:metric "moon2m_lua_bytes" < before + 8e6
    end, 5)
  end)

  it("apps/udp_plant.lua, as its header says", function()
    local port = d.free_udp_port()
    local s = h.start { apps = { "apps/udp_plant.lua" },
      config = ("scripts = { udp_plant = { port = %d, poll = 1 } }"):format(port) }
    local device = d.udp(port)
    device.send "pump1,20.5,41"
    for name, value in pairs { humidity = "41", temp = "20.5" } do
      local r = h.wait("the reading of " .. name, function()
        local answer = s:retrieve("/moon/plant/pump1/" .. name .. "/la", "CAdmin")
        return answer.rsc == 2000 and expect(2000, answer)
      end)
      assert.equal(value, tostring(r.con))
    end
    expect(2001, s:create("/moon/plant/pump1", "CAdmin", 3, { rn = "cmd" }))
    s:add("/moon/plant/pump1/cmd", "CAdmin", "open")
    local got = {}
    while not (got.open and got.poll) do got[assert(device.receive())] = true end
    device.send "nonsense"
    s:logs 'bad datagram from 127.0.0.1:%d+: "nonsense"'
  end)

  it("hands datagrams to the handler in order, one at a time, with the sender's address", function()
    local port = d.free_udp_port()
    local s = d.start(([[
      local busy = false
      cse.udp(%d, function(data, from)
        assert(not busy)
        busy = true
        cse.sleep(0.001)
        busy = false
        seen[#seen + 1] = data
        seen[#seen + 1] = from
      end)
    ]]):format(port))
    local device = d.udp(port)
    for i = 1, 50 do device.send("n" .. i) end
    local seen = d.sees(s, "50 datagrams", function(seen) return #seen == 100 end)
    for i = 1, 50 do assert.equal("n" .. i, seen[2 * i - 1]) end
    assert.equal(device.address(), seen[2])
    assert.is_nil(s:text():find(" error ", 1, true))
  end)

  it("drops what finds no room, counted and told", function()
    local port = d.free_udp_port()
    local s = d.start(([[
      cse.udp(%d, function(data)
        cse.sleep(1)
        seen[#seen + 1] = data
      end)
    ]]):format(port), "gateways = { queue = 5 }")
    local device = d.udp(port)
    for i = 1, 40 do device.send("n" .. i) end
    s:logs("gateway datagrams dropped, the queue is full socket=\"gw udp 127.0.0.1:" .. port)
    local dropped = h.wait("the counter", function()
      local n = s:metric("moon2m_gateway_dropped_total", 'script="gw",kind="udp"')
      return n >= 30 and n
    end)
    assert.is_true(dropped <= 35)
    assert.equal(40 - dropped, s:metric("moon2m_gateway_received_total", 'kind="udp"'))
  end)

  it("a handler that fails is reported, and rests after five failures in a row", function()
    local port = d.free_udp_port()
    local s = d.start(([[
      cse.udp(%d, function(data) seen.n = (seen.n or 0) + 1; error("bad " .. data) end)
    ]]):format(port))
    local device = d.udp(port)
    for i = 1, 7 do device.send("n" .. i) end
    s:logs "gw.lua:4: bad n1"
    s:logs "datagram from 127%.0%.0%.1:%d+"
    s:logs "failed 5 times in a row and rests for 30 s"
    h.wait("two drops", function()
      return s:metric("moon2m_gateway_dropped_total", 'kind="udp"') == 2
    end)
    assert.equal(5, d.seen(s).n)
  end)

  it("stops a handler that runs on, and goes on with the next datagram", function()
    local port = d.free_udp_port()
    local s = d.start(([[
      cse.udp(%d, function(data)
        if data == "loop" then while true do end end
        seen[#seen + 1] = data
      end)
    ]]):format(port))
    local device = d.udp(port)
    device.send "loop"
    device.send "after"
    d.sees(s, "the datagram after", function(seen) return seen[1] == "after" end)
    s:logs "still running after 40 ms, stopped"
  end)

  it("send: what cannot be sent is nil, err", function()
    local port = d.free_udp_port()
    local s = d.start(([[
      local sock = cse.udp(%d, function() end)
      local n = 0
      local function note(what)
        n = n + 1
        seen["s" .. n] = what
      end
      local function try(to, data)
        local ok, err = sock:send(to, data)
        note(ok and "sent" or err.rsc .. " " .. err.msg)
      end
      cse.start(function()
        try("127.0.0.1:9", "x")
        try("somewhere:9", "x")
        try("127.0.0.1", "x")
        try("127.0.0.1:0", "x")
        try("[::1]:9", "x")
        try("127.0.0.1:9", ("x"):rep(70000))
        for _, bad in ipairs { { 5, "x" }, { "127.0.0.1:9", {} } } do
          local _, why = pcall(sock.send, sock, bad[1], bad[2])
          note(why)
        end
        seen.handle = tostring(sock)
        sock:close()
        local ok, why = pcall(sock.send, sock, "127.0.0.1:9", "x")
        seen.closed = why
      end)
    ]]):format(port))
    local seen = d.seen(s)
    assert.equal("sent", seen.s1)
    assert.equal("5103 somewhere is no numeric address", seen.s2)
    assert.equal('5103 an address like "10.0.0.7:900" was expected', seen.s3)
    assert.matches("1 to 65535", seen.s4)
    assert.matches("not an address of this socket's family", seen.s5)
    assert.matches("at most 65507", seen.s6)
    assert.matches("gw.lua:%d+: udp:send: to: an address like \"10.0.0.7:900\" was expected, got 5",
      seen.s7)
    assert.matches("gw.lua:%d+: udp:send: data: a text was expected, got a table", seen.s8)
    assert.matches("gw.lua:%d+: closed", seen.closed)
    assert.equal("udp 127.0.0.1:" .. port, seen.handle)
  end)

  it("loses no datagram over reloads, and handles each once, in order", function()
    local port = d.free_udp_port()
    local text = ([[
      cse.udp(%d, function(data)
        if #seen > 0 and tonumber(data) ~= seen[#seen] + 1 then seen.wrong = data end
        seen[#seen + 1] = tonumber(data)
      end)
      cse.virtual("/version", function() return { con = "VERSION" } end)
    ]]):format(port)
    local s = d.start(text)
    local device = d.udp(port)
    local n = 0
    for version = 1, 15 do
      h.write_file(s.dir .. "/gw.lua", d.HEAD .. text:gsub("VERSION", "v" .. version))
      h.sh("%s reload --data %s gw >%s/reload.%d 2>&1 &", h.bin, s.data, s.dir, version)
      h.wait("version " .. version, function()
        for _ = 1, 5 do
          n = n + 1
          device.send(tostring(n))
        end
        local r = s:retrieve("/moon/version", "CAdmin")
        return r.rsc == 2000 and expect(2000, r).con == "v" .. version
      end)
    end
    local seen = d.sees(s, n .. " datagrams", function(seen) return #seen >= n end)
    assert.equal(n, #seen)
    assert.is_nil(seen.wrong)
    assert.is_nil(s:text():find(" error ", 1, true))
    assert.equal(0, s:metric("moon2m_gateway_dropped_total"))
  end)

  it("a socket that the new version does not declare is closed", function()
    local port, other = d.free_udp_port(), d.free_udp_port()
    local s = d.start(("cse.udp(%d, function(data) seen[#seen + 1] = data end)"):format(port))
    local text, rc = d.reload(s, ("cse.udp(%d, function(data) seen[#seen + 1] = data end)"):format(
      other))
    assert.equal(0, rc, text)
    d.udp(other).send "new"
    d.sees(s, "the datagram of the new socket", function(seen) return seen[1] == "new" end)
    assert.is_nil(h.read_file("/proc/net/udp"):find(("0100007F:%04X"):format(port), 1, true))
  end)

  it("a port in use refuses the script, also at a reload, where the old version goes on", function()
    local port = d.free_udp_port()
    local a = d.start(("cse.udp(%d, function(data) seen[#seen + 1] = data end)"):format(port))
    local b = d.start "cse.start(function() seen.ran = true end)"
    local text, rc = d.reload(b, ("cse.udp(%d, function() end)"):format(port))
    assert.equal(1, rc)
    assert.matches("gw.lua:4: cse.udp: udp 127.0.0.1:" .. port .. ": Address already in use", text)
    assert.is_true(d.seen(b).ran)
    d.udp(port).send "still"
    d.sees(a, "the datagram", function(seen) return seen[1] == "still" end)
  end)
end)

describe("declarations of gateways", function()
  teardown(h.stop_all)
  local dir
  setup(function() dir = h.directory() end)
  teardown(function() h.sh("rm -rf %s", dir) end)

  local function refusal(line)
    h.write_file(dir .. "/bad.lua", 'local cse = require "moon2m"\n' .. line .. "\n")
    local text, rc = h.sh("%s check %s/bad.lua", h.bin, dir)
    assert.equal(1, rc, line .. " was accepted")
    return text
  end

  it("say what is wrong, with file and line", function()
    local f = ", function() end)"
    for line, pattern in pairs {
      ['cse.udp("x"' .. f] = "cse.udp: o: a port or a table of options was",
      ["cse.udp({}" .. f] = "cse.udp: port is missing",
      ["cse.udp(70000" .. f] = "cse.udp: port: a whole number from 0 to 65535 was expected",
      ["cse.udp({ port = 1, hots = 2 }" .. f] = "cse.udp: unknown option 'hots'",
      ["cse.udp(5700)"] = "cse.udp: fn: a function was expected, got nil",
      ["cse.udp(5700" .. f .. "; cse.udp(5700" .. f] = "udp 127.0.0.1:5700 is declared twice",
      ["cse.tcp({ host = 'x' }" .. f] = "cse.tcp: port is missing",
      ["cse.tcp({ host = 'x', port = 1, tls = 1 }" .. f] = "tls: a boolean was expected, got a num",
      ["cse.tcp({ listen = 1, reconnect = 1 }" .. f] = "cse.tcp: unknown option 'reconnect'",
      ["cse.serial(1, {}" .. f] = 'cse.serial: device: a device like "/dev/ttyUSB0" was expected',
      ["cse.serial('/dev/x', { parity = 'x' }" .. f] = 'parity: "none", "even" or "odd" was exp',
      ["cse.mqtt({ port = 1 }" .. f] = "cse.mqtt: host is missing",
      ["cse.mqtt({ host = 'x', topics = { 'a/#/b' } }" .. f] = "topics: topic \"a/#/b\": ",
      ["cse.mqtt({ host = 'x', will = { topic = '+' } }" .. f] = "will: topic \"%+\": %+ and #",
      ["cse.mqtt({ host = 'x', clean = false }" .. f] = "clean = false needs an id",
      ["cse.udp(5700" .. f .. ":send('a', 'b')"] = "sockets work inside a handler or cse.start",
      ["cse.http.get('http://x')"] = "verbs work inside a handler or cse.start",
      ["for i = 1, 65 do cse.udp(i" .. f .. " end"] = "more than 64 gateways in one script",
    } do
      assert.matches(pattern, (refusal(line):gsub("\n.*", "")))
      assert.matches("bad.lua:2: ", refusal(line))
    end
  end)
end)

describe("handles of gateways", function()
  teardown(function()
    h.stop_all()
    d.stop_all()
  end)

  it("wrong arguments raise at the script's line or are nil, err; nothing else", function()
    local dir = h.directory()
    local tty = d.terminal(dir)
    local plc = d.listen()
    local broker = d.broker(dir)
    local s = d.start(([[
      local try
      local handles = {
        udp = cse.udp({ port = 0 }, function() end),
        server = cse.tcp({ listen = 0 }, function() end),
        client = cse.tcp({ host = "127.0.0.1", port = %d }, function(conn)
          seen.conn = try("conn", conn)
        end),
        serial = cse.serial(%q, {}, function() end),
        mqtt = cse.mqtt({ host = "127.0.0.1", port = %d }, function() end),
      }
      local METHODS = { "send", "write", "port", "connections", "publish", "subscribe",
        "unsubscribe", "connected", "read", "nothing", false, 1 }
      local BAD = { false, true, 0/0, -1, 1e300, "", "x", "a/#", "127.0.0.1:9", {}, { 1 },
        { qos = 5 }, print, coroutine.create(print) }
      function try(name, handle)
        local wrong
        for _, method in ipairs(METHODS) do
          for i = 0, #BAD do
            for j = 0, #BAD do
              local ok, why = pcall(function()
                return handle[method](i %% 5 > 0 and handle or BAD[j], BAD[i], BAD[j], 0.001)
              end)
              if not ok and not tostring(why):find("^[^\n]*gw%%.lua:%%d+: ") then
                wrong = wrong or ("%%s:%%s(%%s, %%s): %%s"):format(name, tostring(method),
                  tostring(BAD[i]), tostring(BAD[j]), tostring(why))
              end
            end
          end
        end
        return wrong or "well"
      end
      cse.on("create", "/try", function()
        for name, handle in pairs(handles) do seen[name] = try(name, handle) end
      end)
    ]]):format(plc.port, tty.device, broker.port),
      "budgets = { on = { 20, 60 }, tcp = { 20, 60 } }")
    plc.accept()
    h.wait("the broker", function() return s:text():find("mqtt[^\n]*: connected") end)
    h.expect(2001, s:create("/moon", "CAdmin", 3, { rn = "try" }))
    s:add("/moon/try", "CAdmin", "1")
    local seen = d.sees(s, "all handles", function(seen)
      return seen.udp and seen.server and seen.client and seen.serial and seen.mqtt and seen.conn
    end, 30)
    for name, what in pairs(seen) do assert.equal("well", what, name) end
    assert.is_nil(s:text():find(" error ", 1, true))
    h.sh("rm -rf %s", dir)
  end)
end)
