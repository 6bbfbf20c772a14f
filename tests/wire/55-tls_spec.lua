-- TLS on the listening sockets, seen with curl, openssl, sslscan and Node's ws: HTTP and WebSocket
-- on one port, beside a plain one; profiles, names, client certificates; replaced while connections
-- are open; what is no TLS; and that what the server connects to is verified.

local cqueues = require "cqueues"
local h = require "harness"
local raw = require "raw"
local tls = require "tls"
local expect = h.expect

local FETCH = [[
local cse = require "moon2m"
local config = cse.config { url = "https://localhost/" }
cse.virtual("/home/fetch", function()
  local r, err = cse.http.get(config.url, { timeout = 5 })
  return { con = r and "status " .. r.status or err.msg }
end)
]]

-- The configuration of the server; o: keys of `tls` that differ.
local function config(dir, o)
  local lines = { ("limits = { handshake_time = 0.4 }\noutgoing = { ca = %q }"):format(
    o.trust or dir .. "/localhost.pem"), "tls = {" }
  local given = { cert = dir .. "/current.pem", key = dir .. "/current.key",
    ca = dir .. "/authority.pem", client = "optional", profile = "intermediate" }
  for k, v in pairs(o) do given[k] = v end
  given.trust = nil
  for k, v in pairs(given) do lines[#lines + 1] = ("  %s = %q,"):format(k, v) end
  lines[#lines + 1] = ("  sni = { [\"b.example\"] = { cert = %q, key = %q } } }"):format(
    dir .. "/b.example.pem", dir .. "/b.example.key")
  return table.concat(lines, "\n")
end

local s, port

local function reload()
  return h.sh("%s reload --data %s 2>&1", h.bin, s.data)
end

-- The running server gets another configuration.
local function reconfigure(o)
  h.write_file(s.dir .. "/config.lua", config(s.dir, o))
  local out, code = reload()
  assert(code == 0, out)
end

local function certificate(name)
  for _, kind in ipairs { "pem", "key" } do
    h.sh("cp %s/%s.%s %s/current.%s", s.dir, name, kind, s.dir, kind)
  end
end

setup(function()
  local dir = h.directory()
  tls.make(dir)
  s = h.start { dir = dir, config = config(dir, {}), args = "--listen 127.0.0.1:0,tls" }
  port = tls.port(s)
  s:register("home")
end)
teardown(h.stop_all)

local HEADERS = "-H 'X-M2M-Origin: %s' -H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3' "

describe("over TLS", function()
  it("curl registers and is told wss, and https stands in poa; the plain port tells ws", function()
    local out = tls.curl(s, "-i " .. HEADERS:format "Ccurl" ..
      "-H 'Content-Type: application/json;ty=2' -d " ..
      [['{"m2m:ae":{"rn":"curl","api":"Nx","rr":true,"srv":["3"]}}']], "/moon")
    assert.matches("^HTTP/1.1 201 ", out)
    assert.matches(("\nLink: <wss://localhost:%d/notify/"):format(port), out)
    local poa = expect(2000, s:retrieve("/moon", "CAdmin")).poa
    assert.same({ ("https://127.0.0.1:%d"):format(port), ("http://127.0.0.1:%d"):format(s.port),
      ("wss://127.0.0.1:%d"):format(port), ("ws://127.0.0.1:%d"):format(s.port) }, poa)
    assert.matches(("^ws://127.0.0.1:%d/"):format(s.port), s:register("plain").url)
  end)

  it("Node's ws registers, creates, is notified, pings and closes", function()
    local out = h.sh("NODE_PATH=/usr/share/nodejs timeout 30 node tests/wire/ws_client.js %d n %s",
      port, s.dir .. "/localhost.pem")
    assert.equal("all well", out)
  end)

  it("large bodies, and many requests on one connection, come back whole", function()
    local big = ("0123456789"):rep(90000)
    h.write_file(s.dir .. "/big", '{"m2m:cin":{"con":"' .. big .. '"}}')
    expect(2001, s:create("/moon/home", "Chome", 3, { rn = "c" }))
    local out = tls.curl(s, "-o /dev/null -w '%{http_code}' " .. HEADERS:format "Chome" ..
      "-H 'Content-Type: application/json;ty=4' -d @" .. s.dir .. "/big", "/moon/home/c")
    assert.equal("201", out)
    out = tls.curl(s, HEADERS:format "Chome", "/moon/home/c/la")
    assert.truthy(out:find(big, 1, true))
    local many = ("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n"):rep(50) ..
      "GET /healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    h.write_file(s.dir .. "/many", many)
    out = h.sh("timeout 10 openssl s_client -quiet -connect 127.0.0.1:%d <%s/many", port, s.dir)
    assert.equal(51, select(2, out:gsub("HTTP/1.1 200 ", "")))
  end)

  it("moon2m listen is told of a creation, and refuses a server that nobody vouches for", function()
    local ae = s:register("listener", nil)
    local url = ae.url:gsub("^ws://127%.0%.0%.1:%d+", "wss://localhost:" .. port)
    expect(2001, s:create("/moon/listener", "Clistener", 3, { rn = "c" }))
    expect(2001, s:create("/moon/listener/c", "Clistener", 23, { rn = "s", nu = { "Clistener" },
      enc = { net = { 3 } } }))
    s:add("/moon/listener/c", "Clistener", "over TLS")
    local out, code = h.sh("timeout 10 %s listen --count 1 --ca %s/localhost.pem %s", h.bin, s.dir,
      url)
    assert.equal(0, code, out)
    assert.matches("over TLS", out)
    out = h.sh("timeout 0.6 %s listen --ca %s/rogue.pem %s", h.bin, s.dir, url)
    assert.matches("self%-signed certificate", out)
    out = h.sh("timeout 0.6 %s listen --ca %s/rogue.key %s", h.bin, s.dir, url)
    assert.matches("rogue%.key: no certificate", out)
  end)
end)

describe("the handshake", function()
  it("takes 1.2 and 1.3 with ECDHE and AEAD, and nothing older", function()
    assert.equal("TLSv1.3 TLS_AES_128_GCM_SHA256", tls.agreed(port))
    assert.equal("TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256", tls.agreed(port, "-tls1_2"))
    for _, bad in ipairs { "-tls1 -cipher DEFAULT@SECLEVEL=0", "-tls1_1 -cipher DEFAULT@SECLEVEL=0",
      "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256", "-tls1_2 -cipher AES128-GCM-SHA256" } do
      assert.is_nil((tls.agreed(port, bad)), bad)
    end
  end)

  it("agrees on http/1.1 or on nothing", function()
    assert.matches("ALPN protocol: http/1.1", (tls.client(port, "-alpn h2,http/1.1")))
    assert.matches("No ALPN negotiated", (tls.client(port)))
    assert.matches("no application protocol", (tls.client(port, "-alpn h2")))
  end)

  it("shows the certificate of the name that was asked for", function()
    assert.equal("localhost", tls.shown(port))
    assert.equal("b.example", tls.shown(port, "-servername b.example"))
    assert.equal("localhost", tls.shown(port, "-servername c.example"))
  end)

  it("resumes sessions", function()
    for _, version in ipairs { "-tls1_2", "-tls1_3" } do
      local file = s.dir .. "/session"
      tls.client(port, version .. " -ign_eof -sess_out " .. file,
        "GET /healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
      assert.matches("\nReused, ", (tls.client(port, version .. " -sess_in " .. file)))
    end
  end)

  it("leaves sslscan nothing to complain of", function()
    local out = h.sh("timeout 60 sslscan --no-colour --no-check-certificate 127.0.0.1:%d", port)
    for _, version in ipairs { "SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1" } do
      assert.truthy(out:find(version .. " +disabled"), out)
    end
    for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
      assert.truthy(out:find(version .. " +enabled"), out)
    end
    assert.truthy(out:find("Session renegotiation not supported", 1, true), out)
    assert.falsy(out:find("vulnerable to heartbleed", 1, true)
      and not out:find("not vulnerable to heartbleed", 1, true), out)
    for suite in out:gmatch("TLSv1%.%d  %d+ bits  (%S+)  ") do
      assert.truthy(suite:find("GCM_SHA") or suite:find("GCM-SHA") or suite:find("POLY1305"), suite)
    end
  end)

  it("ends after limits.handshake_time, and is no HTTP before", function()
    local all, began = {}, cqueues.monotime()
    for i, first in ipairs { "", "GET / HTTP/1.1\r\nHost: t\r\n\r\n", "\22\3\1\2\0\1",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" } do
      all[i] = raw.connect(port)
      if first ~= "" then all[i]:write(first) end
    end
    for _, c in ipairs(all) do assert.falsy(c:rest():find("HTTP", 1, true)) end
    assert.is_true(cqueues.monotime() - began < 4)
    assert.equal(2, s:metric("moon2m_limit_total", 'limit="handshake_time"'))
    assert.is_true(s:metric("moon2m_tls_handshakes_total", 'result="done"') > 0)
    assert.is_true(s:metric("moon2m_tls_handshakes_total", 'result="failed"') > 3)
  end)

  it("behind it, the port is HTTP/1.1 and WebSocket alone", function()
    local function ask(text)
      h.write_file(s.dir .. "/ask", text)
      return (h.sh("timeout 10 openssl s_client -quiet -connect 127.0.0.1:%d <%s/ask 2>/dev/null",
        port, s.dir))
    end
    assert.matches("^HTTP/1.1 505 ", ask "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert.matches("^HTTP/1.1 400 ", ask "\0\1\2\3garbage\r\n\r\n")
    assert.matches("^HTTP/1.1 400 ", ask("GET /healthz HTTP/1.1\r\n\r\n"))
    assert.matches("^HTTP/1.1 426 ", ask("GET / HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\n" ..
      "Upgrade: websocket\r\nSec-WebSocket-Version: 9\r\n\r\n"))
    assert.matches("^HTTP/1.1 200 ", ask("GET /healthz HTTP/1.1\r\nHost: t\r\nConnection: " ..
      "Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"))
  end)
end)

describe("a reload", function()
  after_each(function()
    certificate "localhost"
    reconfigure {}
  end)

  it("replaces certificates under open connections; a bad one leaves the old", function()
    local c = io.popen(("timeout 20 openssl s_client -quiet -connect 127.0.0.1:%d >%s/kept 2>&1")
      :format(port, s.dir), "w")
    local function ask(n, last)
      c:write("GET /healthz HTTP/1.1\r\nHost: t\r\n" .. (last or "") .. "\r\n")
      c:flush()
      h.wait("answer " .. n, function()
        return select(2, h.read_file(s.dir .. "/kept"):gsub("HTTP/1.1 200", "")) == n
      end)
    end
    ask(1)
    local modulus = function()
      return (tls.client(port)):match("BEGIN CERTIFICATE(.-)END CERTIFICATE")
    end
    local before = modulus()
    certificate "renewed"
    s:signal "HUP"
    local after = h.wait("the new certificate", function()
      local now = modulus()
      return now ~= before and now
    end)
    ask(2)
    h.write_file(s.dir .. "/current.key", "no key")
    local out, code = reload()
    assert.equal(1, code)
    assert.matches("certificates stay as they were: tls key [^\n]*/current.key: ", out)
    s:logs("error tls certificates stay as they were: tls key ")
    assert.equal(after, modulus())
    h.sh("cp %s/b.example.key %s/current.key", s.dir, s.dir)
    assert.matches("key values mismatch", (reload()))
    ask(3, "Connection: close\r\n")
    c:close()
  end)

  it("changes the profile", function()
    reconfigure { profile = "modern" }
    assert.is_nil((tls.agreed(port, "-tls1_2")))
    assert.equal("TLSv1.3 TLS_AES_128_GCM_SHA256", tls.agreed(port))
    reconfigure { profile = "onem2m" }
    for _, suite in ipairs { "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256" } do
      assert.equal("TLSv1.2 " .. suite, tls.agreed(port, "-tls1_2 -cipher " .. suite))
    end
    assert.is_nil((tls.agreed(port, "-tls1_2 -cipher ECDHE-ECDSA-AES256-SHA384")))
  end)

  it("may demand client certificates", function()
    local with = ("--cert %s/client.pem --key %s/client.key"):format(s.dir, s.dir)
    reconfigure { client = "required" }
    local out, code = tls.curl(s, "", "/healthz")
    assert.not_equal(0, code, out)
    out, code = tls.curl(s, with, "/healthz")
    assert.equal(0, code, out)
    out, code = tls.curl(s, (with:gsub("client%.", "rogue.")), "/healthz")
    assert.not_equal(0, code, out)
    s:logs("info tls no connection peer=127.0.0.1 reason=")
  end)
end)

describe("a start", function()
  it("is refused with a bad certificate, and says which file", function()
    local bad = h.start { wait = false, listen = "127.0.0.1:0,tls",
      config = config(s.dir, { cert = s.dir .. "/none.pem" }) }
    assert.equal(1, bad:exit_code())
    assert.matches("tls certificate [^\n]*/none.pem: No such file or directory", bad:text())
  end)
end)

describe("what the server connects to", function()
  it("is verified by outgoing.ca, for HTTP, wss and scripts", function()
    local other = h.start { scripts = { fetch = FETCH },
      config = config(s.dir, {}) ..
        ('\nscripts = { fetch = { url = "https://localhost:%d/healthz" } }'):format(port) }
    other:register("home")
    assert.equal("status 200", expect(2000, other:retrieve("/moon/home/fetch", "Chome")).con)
    h.write_file(other.dir .. "/config.lua", config(s.dir, { trust = s.dir .. "/rogue.pem" }) ..
      ('\nscripts = { fetch = { url = "https://127.0.0.1:%d/healthz" } }'):format(port))
    assert.matches("fetch.lua reloaded", (h.sh("%s reload --data %s", h.bin, other.data)))
    assert.matches("self%-signed certificate",
      expect(2000, other:retrieve("/moon/home/fetch", "Chome")).con)
  end)
end)
