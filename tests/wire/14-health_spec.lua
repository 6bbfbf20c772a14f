-- Health and figures: /healthz, /metrics (Prometheus text format 0.0.4), an admin port of its own.

local h = require "harness"
local expect = h.expect

local ME = "Cme"
local PLAIN = { rqi = false, rvi = false }

local function get(s, path, o) return s:retrieve(path, nil, o or PLAIN) end

-- The families of the text: name -> { type =, help =, samples = { [name{labels}] = value } }; fails
-- when a line is malformed or a sample stands outside its family.
local function families(text)
  local list, current = {}, nil
  for line in text:gmatch("[^\n]+") do
    local name, help = line:match("^# HELP ([%a_:][%w_:]*) (.+)$")
    local typed, kind = line:match("^# TYPE ([%a_:][%w_:]*) (%a+)$")
    if name then
      assert.is_nil(list[name], "a family twice: " .. name)
      current = { name = name, help = help, samples = {} }
      list[name] = current
    elseif typed then
      assert.equal(current.name, typed)
      current.type = kind
    else
      local sample, labels, value = line:match("^([%a_:][%w_:]*)(%b{}) (%S+)$")
      if not sample then sample, value = line:match("^([%a_:][%w_:]*) (%S+)$") end
      assert.is_truthy(sample, "malformed: " .. line)
      assert.is_truthy(tonumber(value) or value == "+Inf" or value == "NaN", line)
      local family = current.type == "histogram" and sample:gsub("_bucket$", ""):gsub("_sum$", "")
        :gsub("_count$", "") or sample
      assert.equal(current.name, family)
      current.samples[sample .. (labels or "")] = tonumber(value)
    end
  end
  return list
end

describe("health", function()
  local s, ws

  setup(function()
    s = h.start { scripts = { clumsy = [[
      local cse = require "moon2m"
      cse.on("create", "/me/bad", function() error "as it is meant" end)
    ]] } }
    ws = s:listen(s:register("me"))
    s:register("you")
    for _, name in ipairs { "c", "bad" } do
      expect(2001, s:create("/moon/me", ME, 3, { rn = name }))
    end
    expect(2001, s:create("/moon/me/c", ME, 23, { rn = "s", nu = { ME }, enc = { net = { 3 } } }))
  end)
  teardown(function()
    ws:close()
    h.stop_all()
  end)

  it("/healthz answers ok, to GET and HEAD, without any oneM2M header", function()
    local a = get(s, "/healthz")
    assert.equal(200, a.status)
    assert.equal("ok", a.text)
    assert.matches("^text/plain", a.headers:get("content-type"))
    assert.equal("no-store", a.headers:get("cache-control"))
    local out = h.curl(("-I %s/healthz"):format(s.base))
    assert.matches("^HTTP/1.1 200", out)
    assert.is_nil(out:find("\nok", 1, true))
  end)

  it("/healthz takes no other method", function()
    assert.is_true(s:create("/healthz", ME, 3, { rn = "x" }).status >= 400)
    assert.is_true(s:delete("/metrics", ME).status >= 400)
  end)

  it("/metrics is Prometheus text that parses", function()
    local a = get(s, "/metrics")
    assert.equal(200, a.status)
    assert.matches("^text/plain; version=0%.0%.4", a.headers:get("content-type"))
    assert.equal("\n", a.text:sub(-1))
    for name, f in pairs(families(a.text)) do
      assert.matches("^moon2m_", name)
      assert.is_string(f.help)
      assert.is_true(f.type == "counter" or f.type == "gauge" or f.type == "histogram", name)
      assert.is_truthy(next(f.samples), name .. " has no sample")
      if f.type == "counter" then assert.matches("_total$", name) end
    end
  end)

  it("histograms ascend and end with what they counted", function()
    for name, f in pairs(families(get(s, "/metrics").text)) do
      if f.type == "histogram" then
        local bounds = {}
        for sample, n in pairs(f.samples) do
          local le = sample:match('_bucket{le="([^"]+)"}')
          if le then table.insert(bounds, { le == "+Inf" and math.huge or tonumber(le), n }) end
        end
        table.sort(bounds, function(x, y) return x[1] < y[1] end)
        for i = 2, #bounds do assert.is_true(bounds[i][2] >= bounds[i - 1][2], name) end
        assert.equal(math.huge, bounds[#bounds][1])
        assert.equal(f.samples[name .. "_count"], bounds[#bounds][2])
      end
    end
  end)

  it("has a family for each figure that an operator asks for", function()
    local all = families(get(s, "/metrics").text)
    for _, name in ipairs { "moon2m_connections", "moon2m_sessions", "moon2m_requests_total",
      "moon2m_requests_in_flight", "moon2m_request_seconds", "moon2m_store_commit_seconds",
      "moon2m_store_batch", "moon2m_store_queue_operations", "moon2m_store_queue_bytes",
      "moon2m_notices_total", "moon2m_notices_dropped_total", "moon2m_notices_waiting",
      "moon2m_notices_parked", "moon2m_notice_bytes", "moon2m_lua_bytes", "moon2m_tasks",
      "moon2m_script_stops_total" } do
      assert.is_table(all[name], name .. " is missing")
    end
    for _, state in ipairs { "queued", "sent", "acknowledged" } do
      assert.is_number(all.moon2m_notices_total.samples[
        ('moon2m_notices_total{state="%s"}'):format(state)], state)
    end
    for _, kind in ipairs { "http", "ws" } do
      assert.is_number(all.moon2m_connections.samples[
        ('moon2m_connections{kind="%s"}'):format(kind)], kind)
    end
  end)

  -- What `metric` grew by while fn ran; waits until it grew by `expected`.
  local function grows(expected, fn, metric, labels)
    local before = s:metric(metric, labels) or 0
    fn()
    h.wait(("%s to grow by %d"):format(metric, expected), function()
      return (s:metric(metric, labels) or 0) - before == expected
    end, 2)
  end

  it("requests by operation and status", function()
    grows(2, function()
      for _ = 1, 2 do expect(2000, s:retrieve("/moon/me", ME)) end
    end, "moon2m_requests_total", 'op="retrieve",rsc="2000"')
    grows(1, function() expect(4004, s:retrieve("/moon/none", ME)) end, "moon2m_requests_total",
      'op="retrieve",rsc="4004"')
    grows(1, function() expect(4103, s:delete("/moon/me", "Cyou")) end, "moon2m_requests_total",
      'op="delete",rsc="4103"')
    local own = s:primitives "Cyou"
    grows(1, function() expect(4103, own:request { op = 2, to = "moon/me", fr = "Cyou" }) end,
      "moon2m_requests_total", 'op="retrieve",rsc="4103"')
    own:close()
  end)

  it("commits, their time and their batch", function()
    grows(3, function()
      for i = 1, 3 do s:add("/moon/me/c", ME, "x" .. i) end
      for _ = 1, 3 do ws:sgn() end
    end, "moon2m_store_batch_sum")
    assert.is_true(s:metric("moon2m_store_commit_seconds_sum") > 0)
  end)

  it("notifications by state, waiting and parked", function()
    grows(2, function()
      for i = 1, 2 do s:add("/moon/me/c", ME, "y" .. i) end
      for _ = 1, 2 do ws:sgn() end
    end, "moon2m_notices_total", 'state="acknowledged"')
    assert.equal(0, s:metric("moon2m_notices_waiting"))
    grows(1, function() s:add("/moon/me/c", ME, "z") end, "moon2m_notices_waiting")
    ws:sgn()
    h.wait("nothing to wait", function() return s:metric("moon2m_notices_waiting") == 0 end, 2)
    ws:drop()
    grows(1, function() s:add("/moon/me/c", ME, "w") end, "moon2m_notices_parked")
    ws = s:listen(s:register("other"))
    assert.equal(1, s:metric("moon2m_notices_parked"))
  end)

  it("connections as they come and go", function()
    local before = s:metric("moon2m_connections", 'kind="ws"')
    local more = { s:primitives(), s:primitives() }
    h.wait("two more", function()
      return s:metric("moon2m_connections", 'kind="ws"') == before + 2
    end, 2)
    assert.equal(2, s:metric("moon2m_connections_unidentified"))
    for _, one in ipairs(more) do one:close() end
    h.wait("two less", function()
      return s:metric("moon2m_connections", 'kind="ws"') == before
    end, 2)
  end)

  it("script errors by script", function()
    grows(1, function() s:add("/moon/me/bad", ME, "1") end, "moon2m_script_errors_total",
      'script="clumsy"')
  end)

  it("is not in the way of resources with such names", function()
    expect(2001, s:create("/moon/me", ME, 3, { rn = "metrics" }))
    assert.equal("metrics", expect(2000, s:retrieve("/moon/me/metrics", ME)).rn)
  end)
end)

describe("the admin port", function()
  teardown(h.stop_all)

  it("has /healthz and /metrics, and the HTTP port no longer", function()
    local port = h.free_port()
    local s = h.start { config = ("admin = { port = %d }"):format(port) }
    for _, path in ipairs { "/healthz", "/metrics" } do
      local out = h.curl(("-i http://127.0.0.1:%d%s"):format(port, path))
      assert.matches("^HTTP/1.1 200", out)
      assert.is_true(get(s, path).status >= 400, path)
      expect(4004, s:retrieve(path, "CAdmin"))
    end
    expect(2000, s:retrieve("/moon", "CAdmin"))
  end)

  it("serves nothing else: no resources, no WebSocket", function()
    local port = h.free_port()
    local s = h.start { config = ("admin = { port = %d }"):format(port) }
    local out = h.curl(("-i -H 'X-M2M-Origin: CAdmin' -H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3' " ..
      "http://127.0.0.1:%d/moon"):format(port))
    assert.matches("^HTTP/1.1 404", out)
    assert.is_nil(out:find("m2m:cb", 1, true))
    assert.is_nil((s:ws(("ws://127.0.0.1:%d/"):format(port), { protocols = { "oneM2M.json" } })))
  end)

  it("that is taken ends the start with a text that names it", function()
    local s = h.start()
    local t = h.start { config = ("admin = { port = %d }"):format(s.port), wait = false }
    assert.equal(1, t:exit_code())
    assert.matches("cannot listen on 127.0.0.1:" .. s.port, t:text())
  end)
end)
