-- Notification formats on the wire: chosen by label, by the connection's subprotocol, by the
-- configuration; remembered while the AE is away; counted; pages that scripts serve.

local cjson = require "cjson"
local h = require "harness"
local expect = h.expect

local FORMATS = [[
local cse = require "moon2m"
cse.format("short", function(n) return n.res.con and "short " .. n.res.con end)
cse.format("long", function(n) return n.res.con and "long " .. n.res.con end)
cse.format("prim", function(n) return { ["x:p"] = { con = n.res.con, sur = n.sur } } end,
  { frame = "primitive" })
cse.format("each", function(n) return n.target .. " " .. n.sub.rn .. " " .. n.sur end,
  { per = "target" })
]]

local function subscribe(s, rn, fr, attrs)
  attrs.rn, attrs.enc = rn, { net = { 3 }, chty = { 4 } }
  attrs.nu = attrs.nu or { fr }
  expect(2001, s:create("/moon/dev/c", fr, 23, attrs))
end

local function prepare(s)
  local ae = s:register("dev")
  expect(2001, s:create("/moon/dev", "Cdev", 3, { rn = "c" }))
  return ae
end

local function connect(s, ae, name)
  return assert(s:ws(ae.url, { protocols = { name } }))
end

-- A raw frame counts as delivered once its connection has drained: a close at once would have it
-- sent again on the next one (at least once).
local function leave(ws)
  h.sleep(0.3)
  ws:close()
end

local function text(ws)
  return (ws.ws:receive(5))
end

describe("a format", function()
  local s, ae

  setup(function()
    s = h.start { scripts = { formats = FORMATS } }
    ae = prepare(s)
    subscribe(s, "plain", "Cdev", {})
  end)
  teardown(h.stop_all)

  it("is chosen by the subprotocol, for all that the connection gets", function()
    subscribe(s, "labelled", "Cdev", { lbl = { "format:long" } })
    local ws = connect(s, ae, "short")
    s:add("/moon/dev/c", "Cdev", "1")
    assert.equal("short 1", text(ws))
    assert.equal("short 1", text(ws))
    leave(ws)
    expect(2002, s:delete("/moon/dev/c/labelled", "Cdev"))
  end)

  it("is remembered for what happens while the AE is away, also over a restart", function()
    s:add("/moon/dev/c", "Cdev", "2")
    assert.equal(0, s:stop())
    s:run()
    s:add("/moon/dev/c", "Cdev", "3")
    local ws = connect(s, ae, "short")
    assert.equal("short 2", text(ws))
    assert.equal("short 3", text(ws))
    leave(ws)
  end)

  it("that was made for another connection stays what it is", function()
    s:add("/moon/dev/c", "Cdev", "4")
    local ws = connect(s, ae, "long")
    assert.equal("short 4", text(ws))
    s:add("/moon/dev/c", "Cdev", "5")
    assert.equal("long 5", text(ws))
    leave(ws)
  end)

  it("ends with a connection in oneM2M.json; then labels count", function()
    local ws = s:listen(ae)
    s:add("/moon/dev/c", "Cdev", "6")
    assert.equal("6", (ws:content()))
    subscribe(s, "labelled", "Cdev", { lbl = { "format:prim" } })
    s:add("/moon/dev/c", "Cdev", "7")
    local seen = {}
    for _ = 1, 2 do
      local m = ws:notification()
      seen[next(m.pc)] = m
    end
    local mine = seen["x:p"].pc["x:p"]
    assert.equal("7", mine.con)
    assert.matches("^/moon/", mine.sur)
    assert.is_table(seen["m2m:sgn"])
    expect(2002, s:delete("/moon/dev/c/labelled", "Cdev"))
    ws:close()
  end)

  it("of one target is called for each", function()
    subscribe(s, "each", "Cdev", { lbl = { "format:each" } })
    local ws = s:listen(ae)
    s:add("/moon/dev/c", "Cdev", "8")
    local a, b = text(ws), text(ws)
    local line = a:match("^Cdev each /moon/") and a or b
    assert.matches("^Cdev each /moon/%w+$", line)
    expect(2002, s:delete("/moon/dev/c/each", "Cdev"))
    ws:drop()
  end)

  it("that nobody declares is refused in the handshake", function()
    assert.is_nil((s:ws(ae.url, { protocols = { "unheard-of" } })))
    local ws = assert(s:ws(ae.url, { protocols = { "unheard-of", "long" } }))
    assert.equal("long", ws.protocol)
    ws:close()
  end)

  it("carries the requests of an AE as well", function()
    local ws = connect(s, ae, "short")
    local a = ws:request { op = 2, to = "moon/dev", fr = "Cdev" }
    assert.equal(2000, a.rsc)
    ws:close()
  end)

  it("is called once per event, whatever the number of targets", function()
    local sockets, open = {}, expect(2001, s:create("/moon", "CAdmin", 1, { rn = "open",
      pv = { acr = { { acor = { "all" }, acop = 63 } } },
      pvs = { acr = { { acor = { "CAdmin" }, acop = 63 } } } }))
    expect(2001, s:create("/moon/dev", "Cdev", 3, { rn = "many", acpi = { open.ri } }))
    for i = 1, 20 do
      local one = s:register("n" .. i)
      expect(2001, s:create("/moon/dev/many", one.aei, 23, { nu = { one.aei },
        enc = { net = { 3 }, chty = { 4 } } }))
      sockets[i] = connect(s, one, "short")
    end
    local before = s:metric("moon2m_format_calls_total", 'format="short"') or 0
    for i = 1, 3 do s:add("/moon/dev/many", "Cdev", tostring(i)) end
    for _, ws in ipairs(sockets) do
      for i = 1, 3 do assert.equal("short " .. i, text(ws)) end
      ws:close()
    end
    assert.equal(3, s:metric("moon2m_format_calls_total", 'format="short"') - before)
  end)

  it("is chosen for a connection that names itself by its first request", function()
    local ws = assert(s:ws("/", { protocols = { "long" } }))
    local a = ws:request { op = 1, to = "moon", fr = "Cfirst", ty = 2,
      pc = { ["m2m:ae"] = { rn = "first", api = "Nx", rr = true, srv = { "3" } } } }
    assert.equal(2001, a.rsc)
    expect(2001, s:create("/moon/first", "Cfirst", 3, { rn = "c" }))
    expect(2001, s:create("/moon/first/c", "Cfirst", 23, { nu = { "Cfirst" },
      enc = { net = { 3 } } }))
    s:add("/moon/first/c", "Cfirst", "9")
    assert.equal("long 9", text(ws))
    ws:close()
  end)
end)

describe("notification.format", function()
  teardown(h.stop_all)

  it("is the format of subscriptions that name none", function()
    local s = h.start { config = 'notification = { format = "long" }\n',
      scripts = { formats = FORMATS } }
    local ae = prepare(s)
    subscribe(s, "plain", "Cdev", {})
    subscribe(s, "standard", "Cdev", { lbl = { "format:m2m:sgn" } })
    local ws = s:listen(ae)
    s:add("/moon/dev/c", "Cdev", "1")
    local a, b = text(ws), text(ws)
    if a:sub(1, 1) == "{" then a, b = b, a end
    assert.equal("long 1", a)
    assert.is_table(cjson.decode(b).pc["m2m:sgn"])
    ws:drop()
  end)
end)

describe("cse.page", function()
  local s

  setup(function()
    s = h.start { scripts = { pages = [[
      local cse = require "moon2m"
      cse.page("/hello", { text = "<p>hi</p>" })
      cse.page("/data/x.json", { text = "[1]" }, "application/json")
    ]] } }
  end)
  teardown(h.stop_all)

  local function get(path, method)
    return s:http(method or "GET", path, nil, { rqi = false, rvi = false })
  end

  it("serves the text with safe headers and nothing of oneM2M", function()
    local a = get("/hello?x=1")
    assert.equal(200, a.status)
    assert.equal("<p>hi</p>", a.text)
    assert.equal("text/html; charset=utf-8", a.headers:get("content-type"))
    assert.equal("nosniff", a.headers:get("x-content-type-options"))
    local policy = a.headers:get("content-security-policy")
    assert.matches("default%-src 'none'", policy)
    assert.matches("ws://127%.0%.0%.1:%*", policy)
    assert.matches("frame%-ancestors 'none'", policy)
    assert.is_nil(a.rsc)
    assert.equal("[1]", get("/data/x.json").text)
    assert.equal("", get("/hello", "HEAD").text)
  end)

  it("is for GET only, and only where it was declared", function()
    assert.equal(400, get("/hello", "DELETE").status)
    assert.not_equal(200, get("/hello/").status)
    assert.not_equal(200, get("/data").status)
  end)

  it("puts no foreign text of the Host header into the policy", function()
    local out = h.curl(("-i -H 'Host: a;script-src *' %s/hello"):format(s.base))
    assert.is_nil(out:find("script-src *", 1, true))
  end)

  local refused = {
    { 'cse.page("/moon/x", { text = "" })', "address of the server" },
    { 'cse.page("/metrics", { text = "" })', "address of the server" },
    { 'cse.page("/Cx", { text = "" })', "lower%-case letter" },
    { 'cse.page("/x", "../secret")', "own folder" },
    { 'cse.page("/x", "/etc/passwd")', "own folder" },
    { 'cse.page("/x", "missing.html")', "missing.html" },
    { 'cse.page("/x", { text = ("x"):rep(1048577) })', "1048577 bytes" },
    { 'cse.page("/x", { text = "" }, "a\\r\\nb: c")', "media type" },
  }
  for i, case in ipairs(refused) do
    it("refuses " .. case[1], function()
      local file = h.write_file(("%s/bad%d.lua"):format(s.dir, i),
        'local cse = require "moon2m"\n' .. case[1] .. "\n")
      local out, rc = h.sh("%s check %s", h.bin, file)
      assert.not_equal(0, rc)
      assert.matches(case[2], out)
      assert.matches("bad%d+%.lua:2:", out)
    end)
  end
end)

describe("apps/live.lua", function()
  local s

  setup(function() s = h.start { apps = { "apps/live.lua" } } end)
  teardown(h.stop_all)

  it("serves the page and what its button shows", function()
    local page = s:http("GET", "/live", nil, { rqi = false, rvi = false })
    assert.equal(200, page.status)
    assert.equal(h.read_file("apps/live.html"), page.text)
    local plan = s:http("GET", "/live.json", nil, { rqi = false, rvi = false })
    assert.equal("application/json", plan.headers:get("content-type"))
    assert.equal("host/load", plan.body.show[1])
  end)
end)

describe("a notification.format that no script declares", function()
  teardown(h.stop_all)

  it("is said, and ends the start with --strict", function()
    local s = h.start { config = 'notification = { format = "nobody" }\n' }
    s:logs("no script declares the format nobody")
    local strict = h.start { config = 'notification = { format = "nobody" }\n', args = "--strict",
      wait = false }
    assert.equal(1, strict:exit_code())
  end)
end)
