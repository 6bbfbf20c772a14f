-- Whom the server connects to because a client named an address: the bounds at verification and
-- again at delivery, redirects, itself, the rate of an originator; scripts.

local h = require "harness"
local targets = require "targets"
local expect = h.expect

local ME = "Cme"

local function hits(s, name) return s:metric("moon2m_limit_total", ('limit="%s"'):format(name)) end

local function start(o)
  o = o or {}
  o.loopback = false
  local s = h.start(o)
  s:register("me")
  expect(2001, s:create("/moon/me", ME, 3, { rn = "c" }))
  return s
end

local function subscribe(s, url, rn)
  return s:create("/moon/me/c", ME, 23, { rn = rn, nu = { url }, enc = { net = { 3 } } })
end

describe("outgoing connections", function()
  local t
  after_each(function()
    if t then t:close() end
    t = nil
    h.stop_all()
  end)

  it("to loopback, link-local and metadata addresses are refused in any form", function()
    local s = start()
    local n = 0
    for url, why in pairs {
      ["http://127.0.0.1:9/x"] = "loopback", ["http://127.9.9.9/x"] = "loopback",
      ["http://localhost:9/x"] = "loopback", ["ws://LocalHost/x"] = "loopback",
      ["https://a.localhost/x"] = "loopback",
      ["http://[::1]:9/x"] = "loopback", ["ws://[::ffff:127.0.0.1]:9/x"] = "loopback",
      ["http://[::ffff:7f00:1]:9/x"] = "loopback", ["http://[64:ff9b::7f00:1]/x"] = "loopback",
      ["http://[2002:7f00:1::]/x"] = "loopback",
      ["http://169.254.1.1/x"] = "link%-local", ["http://[fe80::1]/x"] = "link%-local",
      ["http://169.254.169.254/latest/meta-data"] = "no address to connect to",
      ["http://100.100.100.200/x"] = "no address to connect to",
      ["http://[fd00:ec2::254]/x"] = "no address to connect to",
      ["http://0.0.0.0:9/x"] = "no address to connect to",
      ["http://[::]:9/x"] = "no address to connect to",
      ["http://224.0.0.1/x"] = "no address to connect to",
      ["http://255.255.255.255/x"] = "no address to connect to",
      ["http://[ff02::1]/x"] = "no address to connect to",
    } do
      local a = subscribe(s, url)
      assert.equal(5204, a.rsc, url)
      assert.matches(why, a.body["m2m:dbg"], url)
      n = n + 1
    end
    assert.equal(n, hits(s, "outgoing"))
    expect(2001, subscribe(s, "http://192.0.2.1/x", "fine"))
    expect(5204, s:update("/moon/me/c/fine", ME,
      { ["m2m:sub"] = { nu = { "http://127.0.0.1/x" } } }), "outgoing%.loopback")
    expect(5204, s:create("/moon/me/c", ME, 23, { nu = { ME }, su = "http://127.0.0.1/x" }), "su:")
    expect(4000, s:update("/moon/me", ME, { ["m2m:ae"] = { poa = { "http://127.0.0.1:1" } } }),
      "poa: .*loopback")
    expect(2004, s:update("/moon/me", ME, { ["m2m:ae"] = { poa = { "mqtt://127.0.0.1:1" } } }))
  end)

  it("are judged again when they are made: by the address that the host has then", function()
    t = targets.new()
    local s = start()
    for i, scheme in ipairs { "http", "ws" } do               -- 127.0.0.1 as one number
      expect(2001, subscribe(s, ("%s://2130706433:%d/x"):format(scheme, t.port), "s" .. i))
    end
    s:add("/moon/me/c", ME, "1")
    t:wait("both to be refused", function() return hits(s, "outgoing") >= 2 end)
    assert.equal(0, #t.got)
    assert.matches("loopback address", (h.sh("%s notices --data %s", h.bin, s.data)))
  end)

  it("go to what outgoing.allow names, and nowhere else", function()
    t = targets.new()
    local s = start { config = ([[outgoing = { allow = { "http://127.0.0.1:%d",
      "https://*.example:400-500", "ws://192.0.2.0/24:*", "ws://broker" } }]]):format(t.port) }
    expect(2001, subscribe(s, t.url .. "/x", "s"))
    s:add("/moon/me/c", ME, "1")
    t:expect(1)
    for _, url in ipairs { "https://a.example/x", "https://b.a.example:500/x", "ws://192.0.2.77/x",
      "ws://broker:1/x" } do
      expect(2001, subscribe(s, url))
    end
    for _, url in ipairs { ("http://127.0.0.1:%d/x"):format(t.port + 1), t.ws_url .. "/x",
      "http://a.example:443/x", "https://a.example:501/x", "https://example/x",
      "http://192.0.3.1/x", "wss://broker/x" } do
      assert.equal(5204, subscribe(s, url).rsc, url)
    end
  end)

  it("follow no redirect", function()
    local other = targets.new()
    t = targets.new(function(_, e)
      if e.path then return 302 end
    end)
    local redirecting = h.free_port()
    -- One that answers every request, a WebSocket handshake too, with a redirect.
    h.sh([[(timeout 20 socat TCP-LISTEN:%d,bind=127.0.0.1,fork SYSTEM:'read l; printf ]] ..
      [["HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:%d/stolen\r\nContent-Length: 0\r\n]] ..
      [[Connection: close\r\n\r\n"' >/dev/null 2>&1 &)]], redirecting, other.port)
    local s = start { args = "--set outgoing.loopback=true" }
    expect(2001, subscribe(s, t.url .. "/x", "http"))
    expect(2001, subscribe(s, ("ws://127.0.0.1:%d/x"):format(redirecting), "ws"))
    s:add("/moon/me/c", ME, "1")
    t:expect(1)
    other:serve_for(0.7)
    assert.equal(0, #other.got)
    other:close()
  end)

  it("never go to this server itself", function()
    local s = start { args = "--set outgoing.loopback=true --set url=ws://me.example:8080" }
    for _, url in ipairs { s.base .. "/x", ("ws://localhost:%d/notify/x"):format(s.port),
      ("http://[::1]:%d/x"):format(s.port), "ws://me.example:8080/notify/x" } do
      expect(5204, subscribe(s, url), "is this server itself")
    end
  end)

  it("are named by one originator so many times a minute", function()
    local s = start { config = "outgoing = { rate = 3 }\n" }
    s:register("you")
    expect(2001, s:create("/moon/you", "Cyou", 3, { rn = "c" }))
    for i = 1, 3 do expect(2001, subscribe(s, "http://192.0.2.1/" .. i)) end
    expect(5000, subscribe(s, "http://192.0.2.1/4"), "outgoing%.rate")
    expect(2001, s:create("/moon/me/c", ME, 23, { nu = { ME } }))
    expect(2001, s:create("/moon/you/c", "Cyou", 23, { nu = { "http://192.0.2.1/y" } }))
    assert.equal(1, hits(s, "outgoing_rate"))
  end)

  it("of scripts are free, unless outgoing.scripts says otherwise", function()
    t = targets.new()
    local script = ([[
      local cse = require "moon2m"
      cse.virtual("/ask", function()
        local r, err = cse.http.get("http://127.0.0.1:%d/x", { timeout = 2 })
        return { con = r and "got" or err.msg }
      end)
    ]]):format(t.port)
    local function asked(s)
      local answer = require("cqueues").new()
      local r
      answer:wrap(function() r = s:retrieve("/moon/ask", "CAdmin") end)
      t:wait("the script", function()
        assert(answer:step(0.01))
        return r
      end)
      return expect(2000, r).con
    end
    assert.equal("got", asked(start { scripts = { ask = script } }))
    assert.matches("outgoing%.loopback", asked(start { scripts = { ask = script },
      config = 'outgoing = { scripts = "listed" }\n' }))
  end)

  it("are on to loopback with --dev, and a rule that is none ends the start", function()
    local s = start { args = "--dev" }
    expect(2001, subscribe(s, "http://127.0.0.1:9/x"))
    s = h.start { wait = false, loopback = false,
      config = 'outgoing = { allow = { "http://10.0.0.0/99" } }\n' }
    assert.equal(1, s:exit_code())
    assert.matches("outgoing%.allow: http://10%.0%.0%.0/99: expected", s:text())
  end)
end)
