-- The HTTP binding (TS-0009; RFC 9112): bytes on a socket, curl, headers, media types, queries.

local h = require "harness"
local raw = require "raw"
local expect, curl = h.expect, h.curl

local ME = "Cpump"

describe("HTTP", function()
  local s

  setup(function()
    s = h.start()
    s:register("pump")
    expect(2001, s:create("/moon/pump", ME, 3, { rn = "c", lbl = { "a", "b c" } }))
    s:add("/moon/pump/c", ME, "1")
  end)
  teardown(h.stop_all)

  local function connect() return raw.connect(s.port) end
  local get = raw.head("GET", "/moon/pump/c")

  describe("messages", function()
    it("keep-alive: one connection, many requests", function()
      local c = connect()
      for _ = 1, 5 do
        local r = c:write(get):response()
        assert.equal(200, r.status)
        assert.equal(2000, r.rsc)
        assert.not_equal("close", (r.headers.connection or ""):lower())
      end
      c:close()
    end)

    it("pipelined requests are answered in order", function()
      local c = connect()
      local all = {}
      for i = 1, 40 do
        all[i] = (i % 3 == 0 and raw.head("GET", "/moon/none") or i % 3 == 1 and get
          or raw.post("/moon/pump/c", 4, '{"m2m:cin":{"con":"p"}}', "x")):gsub("X%-M2M%-RI: %w+",
          "X-M2M-RI: n" .. i)
      end
      c:write(table.concat(all))
      for i = 1, 40 do
        local r = assert(c:response(), "no answer to " .. i)
        assert.equal("n" .. i, r.headers["x-m2m-ri"])
        assert.equal(i % 3 == 0 and 4004 or i % 3 == 1 and 2000 or 2001, r.rsc)
      end
      c:close()
    end)

    it("a request cut at every byte is the same request", function()
      local c = connect()
      local text = raw.post("/moon/pump/c", 4, '{"m2m:cin":{"con":"cut"}}')
      for i = 1, #text do
        c:write(text:sub(i, i))
        if i % 16 == 0 then h.sleep(0.001) end
      end
      assert.equal(2001, c:response().rsc)
      c:close()
      assert.equal("cut", expect(2000, s:retrieve("/moon/pump/c/la", ME)).con)
    end)

    it("chunked bodies, with extensions and trailers", function()
      local c = connect()
      c:write(raw.head("POST", "/moon/pump/c",
        "Content-Type: application/json;ty=4\r\nTransfer-Encoding: chunked\r\n"))
      c:write("8;x=y\r\n{\"m2m:ci\r\n")
      h.sleep(0.02)
      c:write("f\r\nn\":{\"con\":\"chu\"\r\n2\r\n}}\r\n0\r\nX-Trailer: 1\r\n\r\n")
      assert.equal(2001, c:response().rsc)
      assert.equal(2000, c:write(get):response().rsc)
      c:close()
      assert.equal("chu", expect(2000, s:retrieve("/moon/pump/c/la", ME)).con)
    end)

    it("Expect: 100-continue is answered before the body, other expectations with 417", function()
      local c = connect()
      local body = '{"m2m:cin":{"con":"e"}}'
      local head = raw.head("POST", "/moon/pump/c", ("Content-Type: application/json;ty=4\r\n" ..
        "Content-Length: %d\r\nExpect: 100-continue\r\n"):format(#body))
      c:write(head)
      assert.equal(100, c:response().status)
      assert.equal(2001, c:write(body):response().rsc)
      c:close()
      c = connect()
      c:write((head:gsub("100%-continue", "magic")))
      assert.equal(417, c:response().status)
      c:close()
    end)

    it("HEAD: the headers of GET, no body", function()
      local c = connect()
      local g = c:write(get):response()
      local r = c:write(raw.head("HEAD", "/moon/pump/c")):response(true)
      assert.equal(200, r.status)
      assert.equal("2000", r.headers["x-m2m-rsc"])
      assert.equal(g.headers["content-length"], r.headers["content-length"])
      assert.equal(2000, c:write(get):response().rsc)       -- the connection is in step
      c:close()
    end)

    it("Connection: close and HTTP/1.0-style ends", function()
      local c = connect()
      local r = c:write(raw.head("GET", "/moon/pump/c", "Connection: close\r\n")):response()
      assert.equal(200, r.status)
      assert.equal("close", r.headers.connection:lower())
      assert.is_true(c:ended())
      c:close()
    end)

    it("absolute-form targets", function()
      local c = connect()
      assert.equal(2000, c:write(raw.head("GET", "http://127.0.0.1/moon/pump/c")):response().rsc)
      c:close()
    end)

    it("an empty line before a request is ignored, a bare LF or garbage is 400", function()
      local c = connect()
      assert.equal(2000, c:write("\r\n" .. get):response().rsc)
      c:close()
      c = connect()
      local r = c:write("garbage\r\n\r\n"):response()
      assert.equal(400, r.status)
      assert.is_true(c:ended())
      c:close()
    end)

    it("status lines have no reason phrase", function()
      local c = connect()
      assert.matches("^HTTP/1.1 200 ?$", c:write(get):response().line)
      c:close()
    end)
  end)

  describe("refuses", function()
    local POST = "POST /moon/pump/c HTTP/1.1\r\n"
    local HEADERS = "X-M2M-Origin: Cpump\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 3\r\n" ..
      "Content-Type: application/json;ty=4\r\n"
    local HOST = "Host: x\r\n"
    local BODY = '{"m2m:cin":{"con":"evil"}}'

    local cases = {
      ["no Host"] = { 400, POST .. HEADERS .. "Content-Length: 26\r\n\r\n" .. BODY },
      ["two Hosts"] = { 400, POST .. HOST .. HOST .. HEADERS .. "Content-Length: 26\r\n\r\n" ..
        BODY },
      ["two X-M2M-Origin"] = { 400, POST .. HOST .. HEADERS .. "X-M2M-Origin: CAdmin\r\n" ..
        "Content-Length: 26\r\n\r\n" .. BODY },
      ["Content-Length and Transfer-Encoding"] = { 400, POST .. HOST .. HEADERS ..
        "Content-Length: 26\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
      ["two different Content-Length"] = { 400, POST .. HOST .. HEADERS ..
        "Content-Length: 26\r\nContent-Length: 5\r\n\r\n" .. BODY },
      ["a signed Content-Length"] = { 400, POST .. HOST .. HEADERS ..
        "Content-Length: +26\r\n\r\n" ..
        BODY },
      ["a Content-Length that is no number"] = { 400, POST .. HOST .. HEADERS ..
        "Content-Length: 26x\r\n\r\n" .. BODY },
      ["space before the colon"] = { 400, POST .. HOST .. HEADERS ..
        "Content-Length : 26\r\n\r\n" .. BODY },
      ["a folded header"] = { 400, POST .. HOST .. HEADERS .. "X-Y: a\r\n b\r\n\r\n" },
      ["a bad chunk size"] = { 400, POST .. HOST .. HEADERS ..
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n" },
      ["an unknown transfer coding"] = { 501, POST .. HOST .. HEADERS ..
        "Transfer-Encoding: gzip\r\n\r\n" },
      ["HTTP/2.0"] = { 505, "GET /moon HTTP/2.0\r\n" .. HOST .. "\r\n" },
      ["a NUL in a header"] = { 400, POST .. HOST .. HEADERS .. "X-Y: a\0b\r\n\r\n" },
      ["a request line over 4 KiB"] = { 414, "GET /" .. ("a"):rep(5000) .. " HTTP/1.1\r\n" ..
        HOST ..
        "\r\n" },
      ["headers over 16 KiB"] = { 431, "GET /moon HTTP/1.1\r\n" .. HOST ..
        ("X-Y: " .. ("a"):rep(1000) .. "\r\n"):rep(20) .. "\r\n" },
      ["over 100 headers"] = { 431, "GET /moon HTTP/1.1\r\n" .. HOST .. ("X-Y: a\r\n"):rep(120) ..
        "\r\n" },
      ["a body over 1 MiB"] = { 413, POST .. HOST .. HEADERS .. "Content-Length: 1048577\r\n\r\n" },
      ["an unknown method"] = { 405, "BREW /moon HTTP/1.1\r\n" .. HOST .. "\r\n" },
      ["PATCH"] = { 405, "PATCH /moon HTTP/1.1\r\n" .. HOST .. "X-M2M-RI: 1\r\n\r\n" },
    }
    for what, case in pairs(cases) do
      it(("%s (%d)"):format(what, case[1]), function()
        local before = expect(2000, s:retrieve("/moon/pump/c", ME)).st
        local c = connect()
        local r = assert(c:write(case[2]):response())
        -- an unknown method is 405 or 501
        assert.is_true(r.status == case[1] or case[1] == 405 and r.status == 501
          or what == "an unknown method" and r.status == 400, r.line)
        c:close()
        assert.equal(before, expect(2000, s:retrieve("/moon/pump/c", ME)).st)
      end)
    end

    it("a chunked body over 1 MiB (413)", function()
      local c = connect()
      c:write(POST .. HOST .. HEADERS .. "Transfer-Encoding: chunked\r\n\r\n")
      local chunk = "10000\r\n" .. ("a"):rep(65536) .. "\r\n"
      for _ = 1, 17 do c:write(chunk) end
      local r = c:response()
      assert.is_true(r == nil or r.status == 413)
      c:close()
    end)

    it("X: y does not hide the header behind it", function()
      local c = connect()
      local r = c:write("GET /moon/pump/c HTTP/1.1\r\nHost: x\r\nX: y\r\nX-M2M-Origin: Cpump\r\n" ..
        "X-M2M-RI: 1\r\nX-M2M-RVI: 3\r\n\r\n"):response()
      assert.equal(2000, r.rsc)
      c:close()
    end)

    it("takes a body of just 1 MiB", function()
      local wrap = #'{"m2m:cin":{"con":""}}'
      local a = s:create("/moon/pump/c", ME, 4,
        '{"m2m:cin":{"con":"' .. ("a"):rep(1048576 - wrap) .. '"}}')
      assert.equal(1048576 - wrap, expect(2001, a).cs)
      expect(2002, s:delete("/moon/pump/c/la", ME))
    end)
  end)

  describe("headers", function()
    it("of every answer: X-M2M-RSC, X-M2M-RI, X-M2M-RVI", function()
      for _, a in ipairs {
        s:retrieve("/moon/pump", ME, { rqi = "q1" }), s:retrieve("/moon/none", ME, { rqi = "q1" }),
        s:retrieve("/moon/pump", "Cnobody", { rqi = "q1" }),
        s:create("/moon/pump/c", ME, 4, "{bad", { rqi = "q1" }),
        s:create("/moon/pump/c", ME, 4, { con = "h" }, { rqi = "q1" }),
        s:create("/moon/pump/c", ME, 99, { x = 1 }, { rqi = "q1" }),
        s:http("DELETE", "/moon/pump/c/la", ME, { rqi = "q1" }),
      } do
        assert.is_number(a.rsc)
        assert.equal("q1", a.headers:get("x-m2m-ri"))
        assert.equal("3", a.headers:get("x-m2m-rvi"))
      end
    end)

    it("rvi: answered in the release that was asked; absent or unknown is 4001", function()
      for _, rvi in ipairs { "2a", "3", "4", "5" } do
        local a = s:retrieve("/moon/pump", ME, { rvi = rvi })
        expect(2000, a)
        assert.equal(rvi, a.headers:get("x-m2m-rvi"))
      end
      for _, rvi in ipairs { "1", "99", "x", false } do
        local a = s:retrieve("/moon/pump", ME, { rvi = rvi })
        expect(4001, a, "rvi")
        assert.equal(501, a.status)
      end
    end)

    it("a missing X-M2M-RI or X-M2M-Origin is 4000", function()
      expect(4000, s:retrieve("/moon/pump", ME, { rqi = false }), "X%-M2M%-RI")
      expect(4000, s:retrieve("/moon/pump", nil), "fr")
    end)

    it("rqet in the past is 4008; absolute and relative; malformed is 4000", function()
      local a = s:retrieve("/moon/pump", ME, { headers = { ["x-m2m-ret"] = "20200101T000000" } })
      expect(4008, a)
      assert.equal(504, a.status)
      expect(2000, s:retrieve("/moon/pump", ME, { headers = {
        ["x-m2m-ret"] = "20990101T000000" } }))
      expect(2000, s:retrieve("/moon/pump", ME, { headers = { ["x-m2m-ret"] = "5000" } }))
      expect(4000, s:retrieve("/moon/pump", ME, { headers = { ["x-m2m-ret"] = "soon" } }), "rqet")
    end)

    it("vsi and ot are echoed or written well; unknown headers are ignored", function()
      local a = s:retrieve("/moon/pump", ME, { headers = { ["x-m2m-vsi"] = "v", ["x-other"] = "x",
        ["x-m2m-ot"] = "20240101T000000" } })
      expect(2000, a)
    end)

    it("Content-Location: the address, only when the content holds it (rcn 2, 3)", function()
      local a = s:create("/moon/pump/c?rcn=2", ME, 3, { rn = "loc2" })
      expect(2001, a)
      assert.is_truthy(a.headers:get("content-location"))
      a = s:create("/moon/pump/c?rcn=3", ME, 3, { rn = "loc3" })
      expect(2001, a)
      assert.is_truthy(a.headers:get("content-location"))
      for _, q in ipairs { "", "?rcn=0", "?rcn=1", "?rcn=9" } do
        a = s:create("/moon/pump/c" .. q, ME, 4, { con = "l" })
        expect(2001, a)
        assert.is_nil(a.headers:get("content-location"))
      end
    end)

    it("no content: Content-Length 0 and no Content-Type", function()
      local c = connect()
      local r = c:write(raw.head("DELETE", "/moon/pump/c/la")):response()
      assert.equal(2002, r.rsc)
      assert.equal("0", r.headers["content-length"])
      assert.is_nil(r.headers["content-type"])
      c:close()
    end)
  end)

  describe("media types", function()
    local body = '{"m2m:cin":{"con":"m"}}'

    for _, ct in ipairs { "application/json;ty=4", "application/json; ty=4",
      "application/json ;ty=4",
      "application/json;charset=utf-8;ty=4", "application/json; ty=4; charset=utf-8",
      'application/json;ty="4"', "APPLICATION/JSON;TY=4", "application/vnd.onem2m-res+json;ty=4",
      "application/vnd.onem2m-res+json; ty=4" } do
      it("takes Content-Type: " .. ct, function()
        expect(2001, s:http("POST", "/moon/pump/c", ME, { body = body,
          headers = { ["content-type"] = ct } }))
      end)
    end

    for ct, code in pairs { ["text/plain;ty=4"] = 4015, ["application/xml;ty=4"] = 4015,
      ["application/json;ty=x"] = 4000, ["application/json;ty="] = 4000,
      ["application/json;ty=4;ty=3"] = 4000, ["nonsense"] = 4015 } do
      it(("answers Content-Type: %s with %d"):format(ct, code), function()
        expect(code, s:http("POST", "/moon/pump/c", ME, { body = body,
          headers = { ["content-type"] = ct } }))
      end)
    end

    it("a body without Content-Type is 4015", function()
      local a = s:http("POST", "/moon/pump/c", ME, { body = body,
        headers = { ["content-type"] = false } })
      expect(4015, a)
      assert.equal(415, a.status)
    end)

    it("POST without ty is a NOTIFY", function()
      local a = s:http("POST", "/moon/pump/c", ME, { body = body })
      expect(4005, a)
    end)

    it("Accept chooses the answer's type, 5207 when there is none", function()
      for accept, want in pairs {
        ["application/json"] = "application/json", ["*/*"] = "application/json",
        ["application/cbor"] = "application/cbor",
        ["application/vnd.onem2m-res+json"] = "application/vnd.onem2m-res+json",
        ["text/html, application/json;q=0.5"] = "application/json",
        ["application/cbor;q=0.1, application/json"] = "application/json",
        ["application/json;q=0.1, application/cbor"] = "application/cbor",
      } do
        local a = s:retrieve("/moon/pump/c", ME, { headers = { accept = accept } })
        assert.equal(2000, a.rsc, accept)
        assert.equal(want, a.headers:get("content-type"), accept)
      end
      for _, accept in ipairs { "text/html", "application/xml", "application/json;q=0" } do
        local a = s:retrieve("/moon/pump/c", ME, { headers = { accept = accept } })
        assert.equal(5207, a.rsc, accept)
        assert.equal(406, a.status)
      end
    end)
  end)

  describe("queries", function()
    setup(function()
      for i = 1, 3 do expect(2001, s:create("/moon/pump", ME, 3, { rn = "q" .. i, lbl = {
        "q" } })) end
    end)

    local function find(query)
      local list = expect(2000, s:retrieve("/moon/pump?fu=1&" .. query, ME))
      table.sort(list)
      return list
    end

    it("lists: with +, %20 and repeated keys are the same", function()
      local want = find("ty=2+3+23")
      assert.is_true(#want >= 4)
      assert.same(want, find("ty=2%203%2023"))
      assert.same(want, find("ty=2&ty=3&ty=23"))
      assert.same(want, find("ty=2+3&ty=23"))
    end)

    it("percent-encoding in values", function()
      assert.same({ "moon/pump/q1" }, find("rn=q%31"))
      assert.same({ "moon/pump/q1", "moon/pump/q2", "moon/pump/q3" }, find("lbl=%71"))
    end)

    it("unknown names, values and bad encoding are 4000 and named", function()
      for query, name in pairs { ["zzz=1"] = "zzz", ["rcn=x"] = "rcn", ["lim=-1"] = "lim",
        ["fu=9"] = "fu", ["ty=x"] = "ty", ["crb=yesterday"] = "crb", ["drt=3"] = "drt",
        ["lbl=%zz"] = "lbl", ["rt=9"] = "rt", ["lvl=0"] = "lvl", ["ofst=0"] = "ofst",
        ["nonsense"] = "query", ["rcn=1&rcn=4"] = "rcn", ["fo=7"] = "fo" } do
        local a = s:retrieve("/moon/pump?" .. query, ME)
        assert.equal(4000, a.rsc, query .. " " .. a.text)
        assert.matches(name, a.body["m2m:dbg"])
      end
    end)

    it("rt=3 and 4 block, 1 is accepted and names its request resource", function()
      expect(2000, s:retrieve("/moon/pump?rt=3", ME))
      expect(2000, s:retrieve("/moon/pump?rt=4", ME))
      local a = s:retrieve("/moon/pump?rt=1", ME)
      expect(1001, a)
      assert.equal(202, a.status)
      assert.matches("^moon/", a.body["m2m:uri"])
    end)
  end)

  describe("curl", function()
    local H = "-H 'X-M2M-Origin: Cpump' -H 'X-M2M-RI: c1' -H 'X-M2M-RVI: 3' "

    it("creates, retrieves, updates, deletes", function()
      local base = s.base .. "/moon/pump"
      local out = curl("-i " .. H .. "-H 'Content-Type: application/json;ty=3' -d '" ..
        '{"m2m:cnt":{"rn":"curl"}}' .. "' " .. base)
      assert.matches("^HTTP/1.1 201", out)
      assert.matches("[Xx]%-M2M%-RSC: 2001", out)
      assert.matches("X%-M2M%-RSC: 2000", (curl("-i " .. H .. base .. "/curl")))
      assert.matches("X%-M2M%-RSC: 2004", (curl("-i -X PUT " .. H ..
        "-H 'Content-Type: application/json' -d '" .. '{"m2m:cnt":{"mni":3}}' .. "' " .. base ..
          "/curl")))
      assert.matches("X%-M2M%-RSC: 2002", (curl("-i -X DELETE " .. H .. base .. "/curl")))
      assert.matches("^HTTP/1.1 404", (curl("-i " .. H .. base .. "/curl")))
    end)

    it("sends large bodies with Expect, and reuses its connection", function()
      local file = h.write_file(s.dir .. "/big", '{"m2m:cin":{"con":"' .. ("x"):rep(500000) ..
        '"}}')
      local one = H .. "-H 'Content-Type: application/json;ty=4' -H 'Expect: 100-continue' " ..
        "--data-binary @" .. file .. " -o /dev/null -w '%{http_code} %{num_connects}\\n' " ..
        s.base .. "/moon/pump/c?rcn=0"
      local out = curl(one .. " --next " .. one)
      assert.equal("201 1\n201 0", out)
      expect(2002, s:delete("/moon/pump/c/la", ME))
      expect(2002, s:delete("/moon/pump/c/la", ME))
    end)

    it("asks with HEAD and OPTIONS", function()
      assert.matches("^HTTP/1.1 200", (curl("-I " .. H .. s.base .. "/moon/pump/c")))
      local out = curl("-i -X OPTIONS " .. s.base .. "/moon")
      assert.matches("^HTTP/1.1 20[04]", out)
      for _, m in ipairs { "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS" } do
        assert.matches("Allow:[^\n]*" .. m, out)
      end
    end)
  end)
end)

describe("CORS", function()
  local s

  setup(function() s = h.start {
    config = 'limits = { origins = { "https://good.example" } }\n' } end)
  teardown(h.stop_all)

  it("answers a preflight of a page that may, and marks its answers", function()
    local out = curl("-i -X OPTIONS -H 'Origin: https://good.example' " ..
      "-H 'Access-Control-Request-Method: POST' -H 'Access-Control-Request-Headers: x-m2m-ri' " ..
      s.base .. "/moon")
    assert.matches("Access%-Control%-Allow%-Origin: https://good.example", out)
    assert.matches("Access%-Control%-Allow%-Methods: [^\n]*PUT", out)
    assert.matches("Access%-Control%-Allow%-Headers: [^\n]*X%-M2M%-RI", out)
    local a = s:retrieve("/moon", "CAdmin", { headers = { origin = "https://good.example" } })
    assert.equal("https://good.example", a.headers:get("access-control-allow-origin"))
    assert.matches("X%-M2M%-RSC", a.headers:get("access-control-expose-headers"))
  end)

  it("does not for others", function()
    local out = curl("-i -X OPTIONS -H 'Origin: https://bad.example' " .. s.base .. "/moon")
    assert.not_matches("Access%-Control%-Allow%-Origin", out)
    local a = s:retrieve("/moon", "CAdmin", { headers = { origin = "https://bad.example" } })
    assert.is_nil(a.headers:get("access-control-allow-origin"))
  end)
end)

describe("time limits", function()
  teardown(h.stop_all)

  it("slow headers and idle connections are ended, others served meanwhile", function()
    local s = h.start { config = "limits = { header_time = 1, idle_time = 1, body_time = 1 }\n" }
    local idle, slow, body = raw.connect(s.port), raw.connect(s.port), raw.connect(s.port)
    assert.equal(2000, idle:write(raw.head("GET", "/moon")):response().rsc)
    slow:write("GET /moon HTTP/1.1\r\nHo")
    body:write(raw.head("POST", "/moon", "Content-Type: application/json;ty=2\r\n" ..
      "Content-Length: 50\r\n") .. "{")
    expect(2000, s:retrieve("/moon", "CAdmin"))
    local r = slow:response(false, 4)
    assert.is_true(r == nil or r.status == 408)
    r = body:response(false, 4)
    assert.is_true(r == nil or r.status == 408)
    assert.is_true(idle:ended(4))
    for _, c in ipairs { idle, slow, body } do c:close() end
  end)
end)
