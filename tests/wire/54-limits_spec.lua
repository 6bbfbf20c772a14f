-- Every bound on what a client may send or hold: at its default or a lowered value, named in the
-- answer or the close reason, and counted in moon2m_limit_total.

local cqueues = require "cqueues"
local h = require "harness"
local raw = require "raw"
local expect = h.expect

local ME = "Cme"
local JSON = "Content-Type: application/json;ty=3\r\n"

-- How often a limit was hit.
local function hits(s, name) return s:metric("moon2m_limit_total", ('limit="%s"'):format(name)) end

local function get(headers, path) return raw.head("GET", path or "/moon", headers) end

-- A whole request on a connection of its own; its answer.
local function asked(s, text)
  local c = raw.connect(s.port)
  local r = c:write(text):response()
  c:close()
  return assert(r, "no answer")
end

-- The answer has that status, names the limit, and was counted.
local function refused(s, name, status, text)
  local before = hits(s, name)
  local r = asked(s, text)
  assert.equal(status, r.status)
  assert.matches("limits%." .. name, r.body)
  assert.equal(before + 1, hits(s, name))
  return r
end

-- A WebSocket's close code and reason.
local function closed(c, seconds)
  while true do
    local op, data = c:frame(seconds or 10)
    if not op then return nil end
    if op == 8 then return data:byte(1) * 256 + data:byte(2), data:sub(3) end
  end
end

local function object(members)
  local list = {}
  for i = 1, members do list[i] = ('"k%d":1'):format(i) end
  return "{" .. table.concat(list, ",") .. "}"
end

describe("the defaults", function()
  local s

  setup(function()
    s = h.start()
    s:register("me")
  end)
  teardown(h.stop_all)

  it("a request line of 4 KiB", function()
    local room = 4096 - #"GET /moon? HTTP/1.1"
    assert.is_true(asked(s, get(nil, "/moon?" .. ("a"):rep(room))).status ~= 414)
    refused(s, "request_line", 414, get(nil, "/moon?" .. ("a"):rep(room + 1)))
  end)

  it("16 KiB of header fields", function()
    local function with(n) return get(("X-Filler: %s\r\n"):format(("f"):rep(n))) end
    local room = 16384 - #with(0) + #"GET /moon HTTP/1.1\r\n" - 2
    assert.equal(2000, asked(s, with(room - 40)).rsc)
    refused(s, "headers", 431, with(room + 40))
  end)

  it("100 header fields", function()
    local function with(n)
      local list = {}
      for i = 1, n - 4 do list[i] = ("X-H%d: v\r\n"):format(i) end
      return get(table.concat(list))
    end
    assert.equal(2000, asked(s, with(100)).rsc)
    refused(s, "header_count", 431, with(101))
  end)

  it("a body of 1 MiB, told before it is sent, or while its chunks come", function()
    refused(s, "body", 413, raw.head("POST", "/moon/me", JSON .. "Content-Length: 1048577\r\n"))
    refused(s, "body", 413, raw.head("POST", "/moon/me", JSON ..
      "Transfer-Encoding: chunked\r\n") .. "100001\r\n")
  end)

  it("a WebSocket message of 1 MiB, whole or in pieces", function()
    for _, frames in ipairs {
      { "\129\255\0\0\0\0\0\16\0\1\1\2\3\4a" },      -- its length is enough
      { raw.frame(0x01, ("a"):rep(1048576)), raw.frame(0x80, "a") },
    } do
      local before = hits(s, "body")
      local c = raw.websocket(s.ws_port)
      for _, f in ipairs(frames) do c:write(f) end
      local code, reason = closed(c)
      assert.equal(1009, code)
      assert.matches("limits%.body", reason)
      assert.equal(before + 1, hits(s, "body"))
      c:close()
    end
  end)

  it("JSON 64 deep, over HTTP and WebSocket", function()
    local function deep(n) return ("["):rep(n) .. ("]"):rep(n) end
    local before = hits(s, "json_depth")
    local a = s:create("/moon/me", ME, 3, '{"m2m:cnt":{"lbl":' .. deep(63) .. "}}")
    assert.matches("limits%.json_depth", a.body["m2m:dbg"])
    assert.equal(before + 1, hits(s, "json_depth"))
    a = s:create("/moon/me", ME, 3, '{"m2m:cnt":{"lbl":' .. deep(62) .. "}}")
    assert.not_matches("limits%.", a.body["m2m:dbg"])
    local c = raw.websocket(s.ws_port)
    c:write(raw.frame(0x81, '{"op":1,"rqi":"d","pc":' .. deep(64) .. "}"))
    local _, text = c:frame()
    assert.matches("limits%.json_depth", text)
    c:close()
  end)

  it("4,096 members and elements", function()
    local before = hits(s, "json_members")
    local a = s:create("/moon/me", ME, 3, '{"m2m:cnt":' .. object(4096) .. "}")
    expect(4000, a, "limits%.json_members")
    assert.equal(before + 1, hits(s, "json_members"))
    assert.not_matches("limits%.", s:create("/moon/me", ME, 3, '{"m2m:cnt":' .. object(4095) ..
      "}").body["m2m:dbg"])
  end)
end)

describe("lowered", function()
  local s
  after_each(h.stop_all)

  local function start(limits)
    s = h.start { config = ("limits = { %s }\n"):format(limits) }
    return s
  end

  it("connections in all: 503 with Retry-After before anything is read", function()
    start "connections = 3"
    local held = {}
    for i = 1, 2 do
      held[i] = raw.connect(s.port)
      assert.equal(2000, held[i]:write(get()):response().rsc)
    end
    h.wait("the third", function()               -- the harness's own connection may still close
      held[3] = raw.connect(s.port)
      local r = held[3]:write(get()):response()
      return r and r.rsc == 2000
    end)
    local r = raw.connect(s.port):response()      -- says nothing, and is told
    assert.equal(503, r.status)
    assert.equal("5", r.headers["retry-after"])
    assert.matches("limits%.connections", r.body)
    local text = held[1]:write(raw.head("GET", "/metrics")):response().body
    assert.is_true(tonumber(text:match('moon2m_limit_total{limit="connections"} (%d+)')) >= 1)
  end)

  it("connections of one address: others are let in", function()
    s = h.start { config = "limits = { per_address = 2 }\n", args = "--dev",
      listen = "0.0.0.0:0" }
    local out = h.sh("hostname -I 2>/dev/null || true"):match("%d+%.%d+%.%d+%.%d+")
    if not out then return end                    -- this host has no address but loopback
    local socket = require "cqueues.socket"
    local held = {}
    for i = 1, 4 do
      held[i] = assert(socket.connect { host = out, port = s.port })
      held[i]:setmode("bn", "bn")
      assert(held[i]:connect(5))
      if i <= 2 then
        held[i]:xwrite(get(), "bn", 5)
        assert.matches("^HTTP/1.1 200", held[i]:xread("*L", "b", 5))
      end
    end
    assert.matches("503", held[4]:xread("*L", "b", 5))
    assert.is_true(hits(s, "per_address") >= 1)   -- asked over loopback, which is not limited
    for _, c in ipairs(held) do c:close() end
  end)

  it("connections that have not said who they are", function()
    start "unidentified = 4, header_time = 60"
    local held, served = {}, raw.connect(s.port)
    assert.equal(2000, served:write(get()):response().rsc)
    for i = 1, 4 do
      held[i] = raw.connect(s.port)
      held[i]:write("GET /moon HT")               -- no whole request
    end
    h.wait("the next to be refused", function()
      local c = raw.connect(s.port)
      local r = c:response(false, 0.3)
      c:close()
      return r and r.status == 503 and r.body:find("limits.unidentified", 1, true)
    end)
    assert.equal(2000, served:write(get()):response().rsc)      -- who is known goes on
    held[1]:write("TP/1.1\r\n" .. get():match("\r\n(.*)"))      -- becomes known
    assert.equal(2000, held[1]:response().rsc)
    assert.equal(2000, asked(s, get()).rsc)
    assert.is_true(hits(s, "unidentified") >= 1)
    local before = s:metric "moon2m_connections_unidentified"
    assert.equal(403, held[1]:write((get():gsub("CAdmin", "Cnone"))):response().status)
    assert.equal(before, s:metric "moon2m_connections_unidentified")
    for _, c in ipairs(held) do c:close() end
    local c = raw.connect(s.port)                 -- refused for who asks: still a stranger
    assert.equal(403, c:write((get():gsub("CAdmin", "Cnone"))):response().status)
    h.wait("the others to be gone", function()
      return s:metric "moon2m_connections_unidentified" == 1
    end)
  end)

  it("requests waiting on one connection: it is not read, all are answered in order", function()
    start "pipeline = 2"
    local c, all = raw.connect(s.port), {}
    for i = 1, 40 do all[i] = (get():gsub("X%-M2M%-RI: r1", "X-M2M-RI: p" .. i)) end
    c:write(table.concat(all))
    for i = 1, 40 do assert.equal("p" .. i, c:response().headers["x-m2m-ri"]) end
    assert.is_true(hits(s, "pipeline") > 0)
  end)

  it("requests in all: 503 with Retry-After, 5000 over WebSocket", function()
    s = h.start { config = "limits = { requests = 16 }\n", scripts = { slow = [[
      local cse = require "moon2m"
      cse.check("retrieve", "/slow/**", function() cse.sleep(0.5) end)
    ]] } }
    s:register("slow")
    local ws, list = s:primitives("Cslow"), {}
    for i = 1, 24 do
      ws:send { op = 2, to = "moon/slow", fr = "Cslow", rqi = "s" .. i, rvi = "3" }
    end
    local busy = 0
    for i = 1, 8 do
      list[i] = ws:receive(5)
      if list[i].rsc == 5000 and list[i].pc["m2m:dbg"]:find("limits.requests", 1, true) then
        busy = busy + 1
      end
    end
    assert.equal(8, busy)
    local r = asked(s, get())
    assert.equal(503, r.status)
    assert.equal("1", r.headers["retry-after"])
    assert.matches("limits%.requests", r.body)
    for _ = 1, 16 do assert.equal(2000, ws:receive(10).rsc) end
    assert.equal(9, hits(s, "requests"))
    ws:close()
  end)

  it("time: 408 for what comes too slowly, silence ends", function()
    start "header_time = 0.3, body_time = 0.3, body_rate = 1024, idle_time = 0.4"
    local idle, head = raw.connect(s.port), raw.connect(s.port)
    local body, steady = raw.connect(s.port), raw.connect(s.port)
    head:write("GET /moon HTTP/1.1\r\nX-M2M-")
    body:write(raw.head("POST", "/moon", JSON .. "Content-Length: 2000\r\n") .. "a")
    steady:write(raw.head("POST", "/moon", JSON .. "Content-Length: 6000\r\n"))
    for _ = 1, 12 do                               -- 5,000 bytes/s at least
      steady:write((" "):rep(500))
      h.sleep(0.05)
    end
    local r = head:response()
    assert.equal(408, r.status)
    assert.matches("limits%.header_time", r.body)
    r = body:response()
    assert.equal(408, r.status)
    assert.matches("limits%.body_rate, limits%.body_time", r.body)
    assert.is_true(idle:ended())
    assert.equal(400, steady:response().status)    -- it arrived whole, if empty
    for _, name in ipairs { "header_time", "body_time", "idle_time" } do
      assert.is_true(hits(s, name) >= 1, name)
    end
  end)

  it("a WebSocket that does not answer a ping is told 1001", function()
    start "ping = 0.3, hangup = 0.9"
    local c = raw.websocket(s.ws_port)
    local started = cqueues.monotime()
    local code, reason = closed(c)
    assert.equal(1001, code)
    assert.matches("limits%.hangup", reason)
    assert.is_true(cqueues.monotime() - started >= 0.8)
    assert.equal(1, hits(s, "hangup"))
  end)

  it("what waits for one target", function()
    s = h.start { config = "notification = { max_count = 3 }\n" }
    s:register("away")
    expect(2001, s:create("/moon/away", "Caway", 3, { rn = "c" }))
    expect(2001, s:create("/moon/away/c", "Caway", 23, { rn = "s", nu = { "Caway" },
      enc = { net = { 3 } } }))
    for i = 1, 8 do s:add("/moon/away/c", "Caway", tostring(i)) end
    h.wait("five to be dropped", function() return hits(s, "target_queue") == 5 end)
  end)

  it("descriptors: fewer connections than configured are told at the start", function()
    s = h.start { env = "ulimit -n 300;", config = "limits = { connections = 8192 }\n" }
    assert.matches("the descriptor limit allows fewer connections max=%d+ wanted=8192", s:text())
    expect(2000, s:retrieve("/moon", "CAdmin"))
  end)
end)
