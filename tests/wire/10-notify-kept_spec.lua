-- Delivery (TS-0020 6.5, TS-0004 7.5.1.2.2): kept while the AE is away and over restarts, in order,
-- at least once under one rqi; the window; targets that are URLs; slow ones delay nobody.

local cjson = require "cjson"
local h = require "harness"
local targets = require "targets"
local expect = h.expect

local last = 0

-- An AE with a container c and a subscription for new instances; the AE, the container's path.
local function subscriber(s, attrs)
  last = last + 1
  local name = "kept" .. last
  local a = s:register(name)
  local path = "/moon/" .. name .. "/c"
  expect(2001, s:create("/moon/" .. name, a.aei, 3, { rn = "c" }))
  local sub = { nu = { a.aei }, enc = { net = { 3 }, chty = { 4 } } }
  for k, v in pairs(attrs or {}) do sub[k] = v end
  a.sub = expect(2001, s:create(path, a.aei, 23, sub))
  return a, path
end

-- Reads n notifications; their contents, in the order of coming.
local function contents(ws, n, ack)
  local out = {}
  for i = 1, n do
    local m, why = ws:notification(5, ack)
    if not m then error(("only %d of %d came: %s"):format(i - 1, n, tostring(why)), 2) end
    out[i] = m.pc["m2m:sgn"].nev.rep["m2m:cin"].con
  end
  return out
end

local function sequence(from, to)
  local out = {}
  for i = from, to do out[#out + 1] = tostring(i) end
  return out
end

describe("notifications of an AE that is away", function()
  local s

  setup(function() s = h.start() end)
  teardown(h.stop_all)

  it("are kept and come in order on return, before new ones", function()
    local a, path = subscriber(s)
    for i = 1, 20 do s:add(path, a.aei, tostring(i)) end
    local ws = s:listen(a)
    s:add(path, a.aei, "21")
    assert.same(sequence(1, 21), contents(ws, 21))
    ws:expect_silence()
    ws:close()
  end)

  it("come to a connection by X-M2M-Origin and by first primitive too", function()
    local a, path = subscriber(s)
    s:add(path, a.aei, "1")
    local ws = s:primitives(a.aei)
    assert.same({ "1" }, contents(ws, 1))
    ws:close()
    s:add(path, a.aei, "2")
    ws = s:primitives()
    expect(2000, ws:request { op = 2, to = path:sub(2), fr = a.aei })
    assert.same({ "2" }, contents(ws, 1))
    ws:close()
  end)

  it("survive SIGTERM", function()
    local a, path = subscriber(s)
    for i = 1, 10 do s:add(path, a.aei, tostring(i)) end
    assert.equal(0, s:stop())
    s:run()
    s:add(path, a.aei, "11")
    local ws = s:listen(a)
    assert.same(sequence(1, 11), contents(ws, 11))
    ws:expect_silence()
    ws:close()
  end)

  it("survive kill -9", function()
    local a, path = subscriber(s)
    for i = 1, 10 do s:add(path, a.aei, tostring(i)) end
    s:kill()
    s:run()
    s:add(path, a.aei, "11")
    local ws = s:listen(a)
    assert.same(sequence(1, 11), contents(ws, 11))
    ws:close()
  end)

  it("tell of a subscription's end, too, and survive kill -9", function()
    local heir = s:register("heir")
    local a = subscriber(s, { su = heir.aei })
    expect(2002, s:delete("/" .. a.sub.ri, a.aei))
    h.wait("the notice of the end", function()
      local list = h.sh("%s notices --data %s --target %s", h.bin, s.data, heir.aei)
      return list:find("parked", 1, true)
    end)
    s:kill()
    s:run()
    local ws = s:listen(heir)
    assert.same({ sud = true, sur = "/moon/" .. a.sub.ri }, ws:sgn())
    ws:expect_silence()
    ws:close()
  end)

  it("that were acknowledged do not come again, not even after kill -9", function()
    local a, path = subscriber(s)
    local ws = s:listen(a)
    for i = 1, 5 do s:add(path, a.aei, tostring(i)) end
    assert.same(sequence(1, 5), contents(ws, 5))
    h.sleep(0.3)                                         -- the acknowledgements reach the disk
    ws:close()
    s:kill()
    s:run()
    s:add(path, a.aei, "6")
    ws = s:listen(a)
    assert.same({ "6" }, contents(ws, 1))
    ws:expect_silence()
    ws:close()
  end)

  it("that were not acknowledged come again under the same rqi, after a lost link, too", function()
    local a, path = subscriber(s)
    local ws = s:listen(a)
    for i = 1, 3 do s:add(path, a.aei, tostring(i)) end
    local rqi = {}
    for i = 1, 3 do rqi[i] = assert(ws:notification(5, false)).rqi end
    ws:send { rsc = 2000, rqi = rqi[1], rvi = "3" }
    h.sleep(0.1)
    ws:drop()
    ws = s:listen(a)
    for i = 2, 3 do assert.equal(rqi[i], assert(ws:notification(5)).rqi) end
    ws:expect_silence()
    ws:close()
  end)

  it("keep their rqi over kill -9", function()
    local a, path = subscriber(s)
    local ws = s:listen(a)
    s:add(path, a.aei, "1")
    local rqi = assert(ws:notification(5, false)).rqi
    s:kill()
    s:run()
    ws = s:listen(a)
    assert.equal(rqi, assert(ws:notification(5)).rqi)
    ws:close()
  end)

  it("go with their subscription", function()
    local a, path = subscriber(s)
    for i = 1, 3 do s:add(path, a.aei, tostring(i)) end
    expect(2002, s:delete("/" .. a.sub.ri, a.aei))
    local ws = s:listen(a)
    ws:expect_silence()
    ws:close()
  end)

  it("go with their AE: a new registration starts with nothing", function()
    local a, path = subscriber(s)
    s:add(path, a.aei, "1")
    expect(2002, s:delete("/" .. a.aei, a.aei))
    local b = s:register(a.aei:sub(2))
    local ws = s:listen(b)
    ws:expect_silence()
    ws:close()
  end)

  it("of several subscriptions keep the order of events, each", function()
    local a, path = subscriber(s)
    local second = expect(2001, s:create(path, a.aei, 23, { nu = { a.aei }, nct = 3,
      enc = { net = { 3 }, chty = { 4 } } }))
    local ri = {}
    for i = 1, 10 do ri[i] = s:add(path, a.aei, tostring(i)).ri end
    local ws = s:listen(a)
    local one, two = {}, {}
    for _ = 1, 20 do
      local sgn = ws:sgn()
      if sgn.sur:match("[^/]+$") == second.ri then
        two[#two + 1] = sgn.nev.rep["m2m:uri"]:match("[^/]+$")
      else
        one[#one + 1] = sgn.nev.rep["m2m:cin"].con
      end
    end
    assert.same(sequence(1, 10), one)
    assert.same(ri, two)
    ws:close()
  end)

  it("count for exc when they are delivered, not before", function()
    local a, path = subscriber(s, { exc = 2 })
    for i = 1, 2 do s:add(path, a.aei, tostring(i)) end
    assert.equal(2, expect(2000, s:retrieve("/" .. a.sub.ri, a.aei)).exc)
    local ws = s:listen(a)
    assert.same({ "1", "2" }, contents(ws, 2))
    h.wait("the subscription to end", function()
      return s:retrieve("/" .. a.sub.ri, a.aei).rsc == 4004
    end)
    ws:close()
  end)
end)

describe("the window", function()
  teardown(h.stop_all)

  it("bounds what is unanswered; each answer lets the next go", function()
    local s = h.start { config = "notification = { window = 4 }\n" }
    local a, path = subscriber(s)
    local ws = s:listen(a)
    for i = 1, 10 do s:add(path, a.aei, tostring(i)) end
    local open = {}
    for i = 1, 4 do
      open[i] = assert(ws:notification(5, false))
      assert.equal(tostring(i), open[i].pc["m2m:sgn"].nev.rep["m2m:cin"].con)
    end
    ws:expect_silence()
    for i = 1, 4 do ws:send { rsc = 2000, rqi = open[i].rqi, rvi = "3" } end
    assert.same(sequence(5, 10), contents(ws, 6))
    ws:close()
  end)

  it("is that of the connection: what one AE frees is room for the others behind it", function()
    local s = h.start { config = "notification = { window = 4 }\n" }
    local ws, aes = s:primitives(), {}
    for i = 1, 2 do
      local a, path = subscriber(s)
      aes[i] = { aei = a.aei, path = path }
      expect(2000, ws:request { op = 2, to = path:sub(2), fr = a.aei })
    end
    for i = 1, 4 do s:add(aes[1].path, aes[1].aei, tostring(i)) end
    local open = {}
    for i = 1, 4 do open[i] = assert(ws:notification(5, false)) end
    for i = 1, 3 do s:add(aes[2].path, aes[2].aei, tostring(i)) end
    ws:expect_silence()
    ws:send { rsc = 2000, rqi = open[1].rqi, rvi = "3" }     -- nothing more is for this AE
    assert.same({ "1" }, contents(ws, 1, false))
    local other = s:primitives(aes[1].aei)                   -- the rest of it goes elsewhere
    assert.same(sequence(2, 4), contents(other, 3))
    assert.same(sequence(2, 3), contents(ws, 2))
    other:close()
    ws:close()
  end)

  it("an answer that does not come in time: sent again, under its rqi", function()
    local s = h.start { config = "notification = { answer_time = 1 }\n" }
    local a, path = subscriber(s)
    local ws = s:listen(a)
    s:add(path, a.aei, "1")
    local first = assert(ws:notification(5, false))
    local again
    again = ws:notification(4)
    if not again then                                   -- or the connection is given up first
      ws = s:listen(a)
      again = assert(ws:notification(5))
    end
    assert.equal(first.rqi, again.rqi)
    ws:close()
  end)

  it("max_count bounds what is kept: the oldest go, and it is counted", function()
    local s = h.start { config = "notification = { max_count = 5 }\n" }
    local a, path = subscriber(s)
    for i = 1, 12 do s:add(path, a.aei, tostring(i)) end
    local ws = s:listen(a)
    local got = {}
    while true do
      local m = ws:notification(1)
      if not m then break end
      local nev = m.pc["m2m:sgn"] and m.pc["m2m:sgn"].nev
      if nev then got[#got + 1] = nev.rep["m2m:cin"].con end
    end
    assert.same(sequence(8, 12), got)
    ws:close()
  end)
end)

describe("a target that is a URL", function()
  local s, t

  setup(function()
    s = h.start {
      config = "notification = { retry_min = 0.2, retry_max = 0.5, answer_time = 2 }\n" }
  end)
  before_each(function() t = targets.new() end)
  after_each(function() t:close() end)
  teardown(h.stop_all)

  it("gets a POST: the CSE as originator, no ty, the sgn as body; and is not verified", function()
    local a, path = subscriber(s, { nu = { t.url .. "/here?x=1" } })
    s:add(path, a.aei, "1")
    t:expect(1)
    local r = t.got[1]
    assert.equal("POST", r.method)
    assert.equal("/here?x=1", r.path)
    assert.equal("/moon", r.headers["x-m2m-origin"])
    assert.is_string(r.headers["x-m2m-ri"])
    assert.is_string(r.headers["x-m2m-rvi"])
    assert.matches("json", r.headers["content-type"])
    assert.not_matches("ty=", r.headers["content-type"])
    local sgn = r.body["m2m:sgn"]
    assert.equal("1", sgn.nev.rep["m2m:cin"].con)
    assert.equal(3, sgn.nev.net)
    assert.equal("/moon/" .. a.sub.ri, sgn.sur)
  end)

  it("gets events in order", function()
    local a, path = subscriber(s, { nu = { t.url } })
    for i = 1, 20 do s:add(path, a.aei, tostring(i)) end
    t:expect(20)
    for i = 1, 20 do
      assert.equal(tostring(i), t.got[i].body["m2m:sgn"].nev.rep["m2m:cin"].con)
    end
  end)

  it("has ct taken off before use", function()
    local a, path = subscriber(s, { nu = { t.url .. "/p?ct=json" } })
    s:add(path, a.aei, "1")
    t:expect(1)
    assert.equal("/p", t.got[1].path)
    assert.is_table(t.got[1].body)
  end)

  it("gets CBOR when its ct says so, each entry of nu by its own", function()
    local a, path = subscriber(s, { nu = { t.url .. "/p?ct=cbor", t.url .. "/q?ct=json" } })
    s:add(path, a.aei, "1")
    t:expect(2)
    local got = {}
    for _, g in ipairs(t.got) do got[g.path] = g end
    assert.matches("cbor", got["/p"].headers["content-type"])
    assert.equal("1", require("cbor").decode(got["/p"].text)["m2m:sgn"].nev.rep["m2m:cin"].con)
    assert.matches("json", got["/q"].headers["content-type"])
    assert.equal("1", got["/q"].body["m2m:sgn"].nev.rep["m2m:cin"].con)
  end)

  it("over WebSocket: dialled, a NOTIFY primitive on oneM2M.json", function()
    local a, path = subscriber(s, { nu = { t.ws_url .. "/w" } })
    s:add(path, a.aei, "1")
    s:add(path, a.aei, "2")
    t:expect(2)
    assert.equal("oneM2M.json", t.got[1].protocol)
    assert.equal(5, t.got[1].body.op)
    assert.equal("1", t.got[1].body.pc["m2m:sgn"].nev.rep["m2m:cin"].con)
    assert.equal("2", t.got[2].body.pc["m2m:sgn"].nev.rep["m2m:cin"].con)
  end)

  it("over WebSocket: waits for the answer; what a hang-up took comes again", function()
    local first = true
    local u = targets.new(function(_, entry, ws)
      if first then
        first = false
        ws:close(1001, "", 0)
      elseif ws.readyState ~= 3 then
        ws:send(cjson.encode { rsc = 2000, rqi = entry.body.rqi, rvi = "3" }, "text", 5)
      end
    end)
    local a, path = subscriber(s, { nu = { u.ws_url .. "/w" } })
    s:add(path, a.aei, "1")
    s:add(path, a.aei, "2")
    u:wait("three messages", function() return #u.got == 3 end)
    local con = {}
    for i, e in ipairs(u.got) do con[i] = e.body.pc["m2m:sgn"].nev.rep["m2m:cin"].con end
    assert.same({ "1", "1", "2" }, con)
    assert.equal(u.got[1].body.rqi, u.got[2].body.rqi)
    u:close()
  end)

  it("that is down gets it when it is back", function()
    local port = t.port
    t:close()
    local a, path = subscriber(s, { nu = { ("http://127.0.0.1:%d/later"):format(port) } })
    for i = 1, 3 do s:add(path, a.aei, tostring(i)) end
    h.sleep(0.3)
    t = targets.new()
    if t.port ~= port then
      t:close()
      local cq = require("cqueues").new()
      t = setmetatable({ got = {}, cq = cq }, getmetatable(t))
      t.server = require("http.server").listen { host = "127.0.0.1", port = port, cq = cq,
        tls = false,
        reuseaddr = true, onstream = function(_, stream) t:serve(stream) end,
          onerror = function() end }
      assert(t.server:listen())
    end
    t:expect(3, 8)
    for i = 1, 3 do
      assert.equal(tostring(i), t.got[i].body["m2m:sgn"].nev.rep["m2m:cin"].con)
    end
  end)

  it("that is slow delays neither the loop nor other targets", function()
    local cqueues = require "cqueues"
    local slow = targets.new(function() cqueues.sleep(5) end)
    local a, path = subscriber(s, { nu = { slow.url } })
    expect(2001, s:create(path, a.aei, 23, { nu = { t.url }, enc = { net = { 3 }, chty = { 4 } } }))
    expect(2001, s:create(path, a.aei, 23, { nu = { a.aei }, enc = { net = { 3 }, chty = { 4 } } }))
    local ws = s:listen(a)
    local started = cqueues.monotime()
    for i = 1, 10 do s:add(path, a.aei, tostring(i)) end
    assert.same(sequence(1, 10), contents(ws, 10))
    t:expect(10)
    assert.is_true(cqueues.monotime() - started < 4)
    slow:serve_for(0.2)
    expect(2002, s:delete("/moon/" .. path:match("moon/([^/]+)"), a.aei))
    slow:close()
    ws:close()
  end)

  it("an AE's poa is used when it has no connection", function()
    last = last + 1
    local name = "poa" .. last
    local a = s:register(name, { poa = { "ws://default", t.url .. "/poa" } })
    expect(2001, s:create("/moon/" .. name, a.aei, 3, { rn = "c" }))
    expect(2001, s:create("/moon/" .. name .. "/c", a.aei, 23, { nu = { a.aei }, enc = {
      net = { 3 } } }))
    s:add("/moon/" .. name .. "/c", a.aei, "1")
    t:expect(1)
    assert.matches("^/poa", t.got[1].path)
    local ws = s:listen(a)                             -- a connection comes first
    s:add("/moon/" .. name .. "/c", a.aei, "2")
    assert.equal("2", (ws:content()))
    ws:close()
  end)

  it("an AE whose csz begins with CBOR gets CBOR at its poa, until it changes that", function()
    local cbor = require "cbor"
    local a = s:register("binary", { poa = { t.url .. "/poa" },
      csz = { "application/xml", "application/cbor", "application/json" } })
    expect(2001, s:create("/moon/binary", a.aei, 3, { rn = "c" }))
    expect(2001, s:create("/moon/binary/c", a.aei, 23, { nu = { a.aei }, enc = { net = { 3 } } }))
    s:add("/moon/binary/c", a.aei, "1")
    t:expect(1)
    assert.equal("/poa/" .. a.aei, t.got[1].path)
    assert.matches("cbor", t.got[1].headers["content-type"])
    assert.equal("1", cbor.decode(t.got[1].text)["m2m:sgn"].nev.rep["m2m:cin"].con)
    expect(2004, s:update("/moon/binary", a.aei, '{"m2m:ae":{"csz":["json","cbor"]}}'))
    s:add("/moon/binary/c", a.aei, "2")
    t:expect(2)
    assert.matches("json", t.got[2].headers["content-type"])
    assert.equal("2", t.got[2].body["m2m:sgn"].nev.rep["m2m:cin"].con)
  end)

  it("is told of the end as su", function()
    local a, path = subscriber(s, { su = t.url .. "/su" })
    expect(2002, s:delete("/" .. a.sub.ri, a.aei))
    t:expect(1)
    assert.is_true(t.got[1].body["m2m:sgn"].sud)
    assert.is_string(path)
  end)

  it("is verified when the configuration says so", function()
    local v = h.start { config = "notification = { verify_urls = true, answer_time = 2 }\n" }
    local a, path = subscriber(v)
    local body = require("cjson").encode { ["m2m:sub"] = { nu = { t.url .. "/v" } } }
    local out = v.dir .. "/answer"
    h.sh("curl -s -D %s -o /dev/null -H 'X-M2M-Origin: %s' -H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3' " ..
      "-H 'Content-Type: application/json;ty=23' -d %s %s%s >/dev/null 2>&1 &", out, a.aei,
        h.quoted(body), v.base, path)
    t:expect(1)
    assert.is_true(t.got[1].body["m2m:sgn"].vrq)
    t:wait("the create's answer", function() return h.read_file(out):match("X%-M2M%-RSC: 2001") end)
  end)
end)
