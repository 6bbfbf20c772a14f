-- cse.tcp: clients and servers, back-pressure, reconnecting, hand-over at a reload; cse.http.

local d = require "devices"
local h = require "harness"

describe("cse.tcp as a client", function()
  teardown(h.stop_all)

  it("reads bytes, lines, what is there and all; writes; ends with nil, err", function()
    local plc = d.listen()
    local s = d.start(([[
      cse.tcp({ host = "127.0.0.1", port = %d, reconnect = 60 }, function(conn)
        local function note(v, err) seen[#seen + 1] = v or "nil " .. err.rsc .. " " .. err.msg end
        conn:write("hello\n")
        note(conn:read(3))
        note(conn:read("line"))
        note(conn:read("line"))
        note(conn:read(4, 0.05))
        note(conn:read(2, 0.05))
        conn:write("more\n")
        note(conn:read())
        note(conn.peer .. tostring(conn.resumed))
        note(conn:read("all"))
        note(conn:read())
        local ok, why = pcall(conn.read, conn)
        note(why)
        note(conn:write("to the deaf"))
      end)
    ]]):format(plc.port))
    local c = plc.accept()
    assert.equal("hello", c.line())
    c.write "abcde\r\nline\nxy"
    assert.equal("more", c.line())
    c.write "now"
    d.sees(s, "what is there", function(seen) return #seen >= 7 end)
    c.write "one"
    d.sleep(0.05)
    c.write "two"
    c.shut()
    local seen = d.sees(s, "the end", function(seen) return #seen == 11 end)
    assert.same({ "abc", "de", "line", "nil 4008 nothing came in 0.05 s", "xy", "now",
      "127.0.0.1:" .. plc.port .. "false", "onetwo" }, { unpack(seen, 1, 8) })
    assert.equal("nil 5103 closed by the peer", seen[9])
    assert.matches("gw.lua:%d+: closed$", seen[10])
    assert.equal("true", tostring(seen[11]))
    assert.equal("to the deaf", c.all())
  end)

  it("connects again, slower each time; the function that met the end does no harm", function()
    local plc = d.listen()
    local port = plc.port
    local s = d.start(([[
      cse.tcp({ host = "127.0.0.1", port = %d, reconnect = 0.1 }, function(conn)
        while true do seen[#seen + 1] = conn:read("line") end
      end)
    ]]):format(port))
    for i = 1, 3 do
      local c = plc.accept()
      c.write(("line %d\n"):format(i))
      d.sees(s, "a line", function(seen) return seen[i] == "line " .. i end)
      c.close()
    end
    plc.accept().close()
    plc.close()
    s:logs("tcp 127.0.0.1:" .. port .. ": 127.0.0.1 port " .. port .. ": Connection refused")
    plc = d.listen(port)
    local c = plc.accept()
    c.write "again\n"
    d.sees(s, "a line", function(seen) return seen[4] == "again" end)
    assert.is_nil(s:text():find(" error ", 1, true))
    assert.equal(0, s:metric("moon2m_script_errors_total") or 0)
  end)

  it("an unknown host and a silent peer are told; reconnect = false ends", function()
    local s = d.start [[
      local a = cse.tcp({ host = "no-such-host.invalid", port = 1, reconnect = false },
        function() end)
      cse.virtual("/closed", function()
        return { con = tostring(select(2, pcall(a.connections, a))) }
      end)
    ]]
    s:logs "tcp no%-such%-host.invalid:1: no%-such%-host.invalid port 1: no%-such%-host.invalid: "
    h.wait("the handle to be closed", function()
      local r = s:retrieve("/moon/closed", "CAdmin")
      return r.rsc == 2000 and h.expect(2000, r).con:find("closed", 1, true)
    end)
  end)

  it("write waits for a peer that does not read, and the server goes on", function()
    local plc = d.listen()
    local s = d.start(([[
      cse.tcp({ host = "127.0.0.1", port = %d }, function(conn)
        seen[1] = conn:write(("x"):rep(12e6), 0.3) and "all" or "late"
        seen[2] = conn:write(("y"):rep(3e6)) and "all"
      end)
    ]]):format(plc.port), "gateways = { bytes = 65536 }")
    local c = plc.accept()
    d.sees(s, "a late write", function(seen) return seen[1] == "late" end)
    local waiting = s:metric("moon2m_gateway_sent_total", 'kind="tcp"')
    assert.is_true(waiting < 12e6)
    local n = 0
    h.wait("the second write", function()
      n = n + #(c.raw:xread(-1000000, "bn", 1) or "")
      return d.seen(s)[2] == "all"
    end)
    h.wait("every byte that was sent", function()
      n = n + #(c.raw:xread(-1000000, "bn", 0.1) or "")
      return n == s:metric("moon2m_gateway_sent_total", 'kind="tcp"')
    end)
  end)

  it("does not read what the script does not want", function()
    local plc = d.listen()
    local s = d.start(([[
      cse.tcp({ host = "127.0.0.1", port = %d }, function(conn)
        while not seen.go do cse.sleep(0.02) end
        local n = 0
        while n < 8e6 do n = n + #assert(conn:read()) end
        seen.n = n
      end)
      cse.on("create", "/go", function() seen.go = true end)
    ]]):format(plc.port), "gateways = { bytes = 65536 }")
    local c = plc.accept()
    local sent, block = 0, ("z"):rep(100000)
    local n
    c.raw:settimeout(0.3)
    repeat                                          -- until the kernel takes no more
      n = c.raw:send(block, 1, #block)
      sent = sent + n
    until n < #block or sent >= 7e6
    h.wait("what fits", function()
      return s:metric("moon2m_gateway_received_total", 'kind="tcp"') == 65536
    end)
    d.sleep(0.1)
    assert.equal(65536, s:metric("moon2m_gateway_received_total", 'kind="tcp"'))
    h.expect(2001, s:create("/moon", "CAdmin", 3, { rn = "go" }))
    s:add("/moon/go", "CAdmin", "1")
    while sent < 8e6 do
      local rest = math.min(#block, 8e6 - sent)
      c.write(block:sub(1, rest))
      sent = sent + rest
    end
    c.raw:flush("n", 5)
    d.sees(s, "all of it", function(seen) return seen.n == 8e6 end)
  end)

  it("a line that is too long closes the connection", function()
    local plc = d.listen()
    local s = d.start(([[
      cse.tcp({ host = "127.0.0.1", port = %d, reconnect = 60 }, function(conn)
        local _, err = conn:read("line")
        seen[1] = err.msg
      end)
    ]]):format(plc.port), "gateways = { bytes = 65536 }")
    local c = plc.accept()
    c.write(("x"):rep(70000))
    d.sees(s, "the error", function(seen)
      return seen[1] == "more than 65536 bytes without the end of a line"
    end)
  end)

  it("TLS: the server's certificate is verified", function()
    local dir = h.directory()
    h.sh("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
      .. "-addext subjectAltName=DNS:localhost -keyout %s/key.pem -out %s/cert.pem", dir, dir)
    local port = h.free_port()
    d.spawn("socat OPENSSL-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork,cert=%s/cert.pem,"
      .. "key=%s/key.pem,verify=0 SYSTEM:'read l; echo got $l; sleep 1'", port, dir, dir)
    local text = d.HEAD .. ([[
      cse.tcp({ host = "localhost", port = %d, tls = true, reconnect = 0.2 }, function(conn)
        conn:write("secret\n")
        seen[1] = conn:read("line")
      end)
    ]]):format(port)
    local good = h.start { scripts = { gw = text }, env = "SSL_CERT_FILE=" .. dir .. "/cert.pem" }
    d.sees(good, "the answer", function(seen) return seen[1] == "got secret" end)
    local bad = h.start { scripts = { gw = text } }
    bad:logs "TLS: self.signed certificate"
    assert.is_nil(d.seen(bad)[1])
    d.stop_all()
    h.sh("rm -rf %s", dir)
  end)
end)

-- Whether a server listens on a port.  That somebody else does is possible: the port is free.
local function listens(s, port)
  local own = h.sh("ls -l /proc/%d/fd", s.pid)
  for line in io.lines "/proc/net/tcp" do
    local fields = {}
    for word in line:gmatch "%S+" do fields[#fields + 1] = word end
    if fields[4] == "0A" and fields[2]:match ":(%x+)$" == ("%04X"):format(port)
      and own:find(("socket:[%s]"):format(fields[10]), 1, true) then
      return true
    end
  end
  return false
end

describe("cse.tcp with files of its own", function()
  local dir
  setup(function()
    dir = h.directory()
    for _, name in ipairs { "server", "client" } do
      h.sh("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
        .. "subjectAltName=DNS:localhost -keyout %s/%s.key -out %s/%s.pem", dir, name, dir, name)
    end
  end)
  teardown(function()
    d.stop_all()
    h.sh("rm -rf %s", dir)
  end)

  it("trusts their authority, shows their certificate, and says which file is wrong", function()
    local port = h.free_port()
    d.spawn("socat OPENSSL-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork,cert=%s/server.pem,"
      .. "key=%s/server.key,cafile=%s/client.pem,verify=1 SYSTEM:'read l; echo got $l; sleep 1'",
      port, dir, dir, dir)
    local function client(n, files)
      return ([[
        cse.tcp({ host = "localhost", port = %d, tls = true, reconnect = 0.2, %s }, function(conn)
          conn:write("secret\n")
          local line = conn:read("line")
          if line then seen[#seen + 1] = "%d " .. line end
        end)
      ]]):format(port, files:gsub("DIR", dir), n)
    end
    local s = h.start { scripts = { gw = d.HEAD .. client(1,
      'ca = "DIR/server.pem", cert = "DIR/client.pem", key = "DIR/client.key"')
      .. client(2, 'ca = "DIR/server.pem"')
      .. client(3, 'ca = "DIR/none.pem"')
      .. client(4, 'ca = "DIR/server.pem", cert = "DIR/client.pem", key = "DIR/server.key"') } }
    d.sees(s, "the answer", function(seen) return seen[1] == "1 got secret" end)
    s:logs "ca .*/none.pem: No such file"
    s:logs "key .*/server.key: .*mismatch"
    for _, line in ipairs(d.seen(s)) do assert.equal("1 got secret", line) end
  end)
end)

describe("cse.tcp as a server", function()
  teardown(h.stop_all)

  local ECHO = [[
    local server = cse.tcp({ listen = %d, max = 3 }, function(conn)
      while true do
        local line, err = conn:read("line")
        if not line then return end
        if line == "fail" then error("as asked") end
        conn:write("VERSION " .. line .. "\n")
      end
    end)
    cse.virtual("/conns", function() return { con = #server:connections() } end)
  ]]

  local function conns(s) return h.expect(2000, s:retrieve("/moon/conns", "CAdmin")).con end

  it("a function for each connection, a limit, an end", function()
    local port = h.free_port()
    local s = d.start((ECHO:format(port):gsub("VERSION", "v1")))
    local c = { d.tcp(port), d.tcp(port), d.tcp(port) }
    for i = 1, 3 do c[i].write("hello " .. i .. "\n") end
    for i = 3, 1, -1 do assert.equal("v1 hello " .. i, c[i].line()) end
    assert.equal(3, tonumber(conns(s)))
    local fourth = d.tcp(port)
    assert.equal("", fourth.all() or "")
    s:logs "gateway connection refused, the limit is reached socket=\"gw tcp listen 127.0.0.1:%d+\""
    c[1].close()
    h.wait("two connections", function() return tonumber(conns(s)) == 2 end)
    c[2].write "fail\n"
    assert.equal("", c[2].all() or "")
    s:logs "gw.lua:%d+: as asked"
    s:logs "connection with 127.0.0.1:%d+"
    local fifth = d.tcp(port)
    fifth.write "x\n"
    assert.equal("v1 x", fifth.line())
    c[3].write "last\n"
    c[3].shut()
    assert.equal("v1 last\n", c[3].all())
  end)

  it("connections go over to the new version at a reload, no byte is lost", function()
    local port = h.free_port()
    local s = d.start((ECHO:format(port):gsub("VERSION", "v1")))
    local c = d.tcp(port)
    c.write "one\nhal"
    assert.equal("v1 one", c.line())
    local text, rc = d.reload(s, (ECHO:format(port):gsub("VERSION", "v2")))
    assert.equal(0, rc, text)
    d.sleep(0.5)
    c.write "f\n"
    assert.equal("v2 half", c.line())
    local other = d.tcp(port)
    other.write "new\n"
    assert.equal("v2 new", other.line())
    assert.is_true(listens(s, port))
    assert.is_nil(s:text():find(" error ", 1, true))
    text, rc = d.reload(s, "")
    assert.equal(0, rc, text)
    assert.equal("", c.all() or "")
    assert.is_false(listens(s, port))
  end)

  it("a client's connection goes over at a reload, between two messages", function()
    local plc = d.listen()
    local text = ([[
      cse.tcp({ host = "127.0.0.1", port = %d, reconnect = 60 }, function(conn)
        if not conn.resumed then conn:write("login\n") end
        while true do
          local head = assert(conn:read(4))
          seen[#seen + 1] = "VERSION " .. assert(conn:read(tonumber(head)))
        end
      end)
    ]]):format(plc.port)
    local s = d.start((text:gsub("VERSION", "v1")))
    local c = plc.accept()
    assert.equal("login", c.line())
    c.write "0003abc0005de"
    d.sees(s, "a message", function(seen) return seen[1] == "v1 abc" end)
    h.write_file(s.dir .. "/gw.lua", d.HEAD .. text:gsub("VERSION", "v2"))
    h.sh("%s reload --data %s gw", h.bin, s.data)
    c.write "fgh"                                   -- the rest of the old one's message
    d.sees(s, "the second message", function(seen) return seen[2] == "v1 defgh" end)
    d.sleep(0.5)
    c.write "0002ij"
    d.sees(s, "the third message", function(seen) return seen[3] == "v2 ij" end)
    assert.is_nil(plc.accept(0.1))
  end)

  it("a port in use refuses the script", function()
    local port = h.free_port()
    local s = d.start((ECHO:format(port)))
    local other = h.start { scripts = { gw = 'require "moon2m".tcp({ listen = ' .. port ..
      " }, function() end)" } }
    other:logs("gw.lua:1: cse.tcp: tcp 127.0.0.1:" .. port .. ": Address already in use")
    assert.is_true(s:alive())
  end)
end)

describe("cse.http", function()
  teardown(h.stop_all)

  it("get, post, put, delete, request inside handlers", function()
    local s = h.start { scripts = { gw = d.HEAD .. [[
      cse.virtual("/ask", function()
        local base = cse.json and seen.base
        local out = {}
        local function note(r, err)
          out[#out + 1] = r and r.status .. " " .. r.body or "nil " .. err.rsc .. " " .. err.msg
          return r
        end
        local r = note(cse.http.get(base .. "/healthz"))
        out[#out + 1] = r.headers["content-type"]
        note(cse.http.get(base .. "/nothing"))
        note(cse.http.get("http://127.0.0.1:1/", { timeout = 1 }))
        note(cse.http.get(base .. "/healthz", { max = 1 }))
        local head = { ["X-M2M-Origin"] = "CAdmin", ["X-M2M-RI"] = "1", ["X-M2M-RVI"] = "3" }
        head["Content-Type"] = "application/json;ty=3"
        r = cse.http.post(base .. "/moon", { ["m2m:cnt"] = { rn = "made" } }, { headers = head })
        out[#out + 1] = r.status .. " " .. r.headers["x-m2m-rsc"]
        head["Content-Type"] = "application/json"
        r = cse.http.put(base .. "/moon/made", '{"m2m:cnt":{"mni":5}}', { headers = head })
        out[#out + 1] = r.status .. " " .. cse.parse(r.body)["m2m:cnt"].mni
        r = cse.http.request(base .. "/moon/made", { method = "GET", headers = head })
        out[#out + 1] = r.status
        out[#out + 1] = cse.http.delete(base .. "/moon/made", { headers = head }).status
        for _, bad in ipairs {
          { "ftp://x" }, { 5 }, { base, { headers = { Host = "x" } } },
          { base, { headers = { A = "b\r\nC: d" } } }, { base, { timeout = "x" } },
          { base, { what = 1 } },
        } do
          out[#out + 1] = select(2, pcall(cse.http.get, bad[1], bad[2]))
        end
        return { con = cse.json(out) }
      end)
      cse.on("create", "/base", function(ev) seen.base = ev.res.con end)
    ]] } }
    h.expect(2001, s:create("/moon", "CAdmin", 3, { rn = "base" }))
    s:add("/moon/base", "CAdmin", s.base)
    d.sees(s, "the base", function(seen) return seen.base end)
    local con = h.expect(2000, s:retrieve("/moon/ask", "CAdmin")).con
    local out = type(con) == "string" and require "cjson".decode(con) or con
    assert.equal("200 ok", (out[1]:gsub("%s+$", "")))
    assert.matches("^text/plain", out[2])
    assert.matches("^4%d%d ", out[3])
    assert.matches("^nil 5103 127.0.0.1 port 1: Connection refused", out[4])
    assert.matches("^nil 5103 an answer of %d bytes, at most 1", out[5])
    assert.same({ "201 2001", "200 5", "200", "200" }, { out[6], out[7], tostring(out[8]),
      tostring(out[9]) })
    assert.matches('gw.lua:%d+: cse.http.get: url: a URL like "https://host/path" was expected',
      out[10])
    assert.matches("a URL like", out[11])
    assert.matches("headers: Host is written by the server", out[12])
    assert.matches("headers: A: no control characters", out[13])
    assert.matches("timeout: a number was expected, got a string", out[14])
    assert.matches("unknown option 'what'", out[15])
  end)

  it("a slow server costs its own handler a timeout, and nobody else", function()
    local slow = d.listen()
    local s = d.start(([[
      cse.on("create", "/ask", function()
        local _, err = cse.http.get("http://127.0.0.1:%d/", { timeout = 0.5 })
        seen[1] = err.msg
      end)
    ]]):format(slow.port))
    h.expect(2001, s:create("/moon", "CAdmin", 3, { rn = "ask" }))
    s:add("/moon/ask", "CAdmin", "1")
    local held = assert(slow.accept())            -- collected, it would be closed
    for _ = 1, 5 do h.expect(2000, s:retrieve("/moon/ask", "CAdmin")) end
    d.sees(s, "the timeout", function(seen)
      return (seen[1] or ""):find("no answer in 0.5 s", 1, true)
    end)
    held.close()
  end)
end)
