-- Bad input (issue, "Bad input"; digest 1.8): for each of these requests the status code, the HTTP
-- status that goes with it, what m2m:dbg names, and a tree that is byte for byte what it was.

local h = require "harness"
local raw = require "raw"
local expect = h.expect

local ME = "Cbad"

-- TS-0009 Table 6.3.2-1, as far as it is used here.
local HTTP = { [4000] = 400, [4001] = 501, [4004] = 404, [4005] = 405, [4008] = 504, [4015] = 415,
  [4103] = 403, [4105] = 409, [4106] = 403, [4107] = 403, [4108] = 403, [4117] = 403, [5001] = 501,
  [5203] = 403, [5206] = 501, [5207] = 406 }

local function deep(n) return ("["):rep(n) .. ("]"):rep(n) end

-- { what, method, path, content type or ty, body, code, named in m2m:dbg }
local CASES = {
  -- JSON
  { "no body", "POST", "/c", 4, "", 4000, "pc" },
  { "an empty object", "POST", "/c", 4, "{}", 4000, "pc" },
  { "an array", "POST", "/c", 4, "[]", 4000, "pc" },
  { "a string", "POST", "/c", 4, '"x"', 4000, "pc" },
  { "null", "POST", "/c", 4, "null", 4000, "pc" },
  { "two roots", "POST", "/c", 4, '{"m2m:cin":{"con":1},"m2m:cnt":{}}', 4000, "pc" },
  { "the root of another type", "POST", "/c", 4, '{"m2m:cnt":{}}', 4000, "m2m:c" },
  { "a root without prefix", "POST", "/c", 4, '{"cin":{"con":1}}', 4000, "cin" },
  { "a root that is no object", "POST", "/c", 4, '{"m2m:cin":[1]}', 4000, "m2m:cin" },
  { "cut in the middle", "POST", "/c", 4, '{"m2m:cin":{"con":1', 4000, "pc" },
  { "a comma too many", "POST", "/c", 4, '{"m2m:cin":{"con":1,}}', 4000, "pc" },
  { "single quotes", "POST", "/c", 4, "{'m2m:cin':{'con':1}}", 4000, "pc" },
  { "text behind", "POST", "/c", 4, '{"m2m:cin":{"con":1}} x', 4000, "pc" },
  { "two documents", "POST", "/c", 4, '{"m2m:cin":{"con":1}}{"m2m:cin":{"con":1}}', 4000, "pc" },
  { "a byte order mark", "POST", "/c", 4, '\239\187\191{"m2m:cin":{"con":1}}', 4000, "pc" },
  { "invalid UTF-8", "POST", "/c", 4, '{"m2m:cin":{"con":"\255"}}', 4000, "pc" },
  { "an overlong encoding", "POST", "/c", 4, '{"m2m:cin":{"con":"\192\128"}}', 4000, "pc" },
  { "an encoded surrogate", "POST", "/c", 4, '{"m2m:cin":{"con":"\237\160\128"}}', 4000, "pc" },
  { "a lone surrogate escape", "POST", "/c", 4, '{"m2m:cin":{"con":"\\ud800"}}', 4000, "pc" },
  { "a control character", "POST", "/c", 4, '{"m2m:cin":{"con":"a\1b"}}', 4000, "pc" },
  { "a bad escape", "POST", "/c", 4, '{"m2m:cin":{"con":"\\x"}}', 4000, "pc" },
  { "a leading zero", "POST", "/c", 4, '{"m2m:cin":{"con":01}}', 4000, "pc" },
  { "NaN", "POST", "/c", 4, '{"m2m:cin":{"con":NaN}}', 4000, "pc" },
  { "a member twice", "POST", "/c", 4, '{"m2m:cin":{"con":1,"con":2}}', 4000, "con" },
  { "nesting of 100", "POST", "/c", 4, '{"m2m:cin":{"con":' .. deep(100) .. "}}", 4000, "pc" },
  { "5,000 members", "POST", "/c", 4, '{"m2m:cin":{"con":{' .. (function()
    local t = {}
    for i = 1, 5000 do t[i] = '"k' .. i .. '":1' end
    return table.concat(t, ",")
  end)() .. "}}}", 4000, "pc" },
  -- attributes of a CREATE
  { "unknown attribute", "POST", "/c", 4, '{"m2m:cin":{"con":1,"zz":1}}', 4000, "zz" },
  { "a long name", "POST", "", 3, '{"m2m:cnt":{"maxNrOfInstances":1}}', 4000, "maxNrOfInstances" },
  { "missing con", "POST", "/c", 4, '{"m2m:cin":{"cnf":"text/plain:0"}}', 4000, "con" },
  { "an attribute with a line feed", "POST", "/c", 4,
    '{"m2m:cin":{"con":1,"z\\n\\u0007z":1}}', 4000, "z  z: " },
  { "null con", "POST", "/c", 4, '{"m2m:cin":{"con":null}}', 4000, "con" },
  { "cnf without encoding", "POST", "/c", 4, '{"m2m:cin":{"con":1,"cnf":"text/plain"}}', 4000,
    "cnf" },
  { "cnf with encoding 7", "POST", "/c", 4, '{"m2m:cin":{"con":1,"cnf":"text/plain:7"}}', 4000,
    "cnf" },
  { "cs in a CREATE", "POST", "/c", 4, '{"m2m:cin":{"con":1,"cs":1}}', 4000, "cs" },
  { "st in a CREATE", "POST", "/c", 4, '{"m2m:cin":{"con":1,"st":1}}', 4000, "st" },
  { "acpi on an instance", "POST", "/c", 4, '{"m2m:cin":{"con":1,"acpi":["x"]}}', 4000, "acpi" },
  { "an et in the past", "POST", "/c", 4, '{"m2m:cin":{"con":1,"et":"20010101T000000"}}', 4000,
    "et" },
  { "an et with a wrong zone", "POST", "/c", 4, '{"m2m:cin":{"con":1,"et":"20990101T000000+01"}}',
    4000, "et" },
  { "an et that is none", "POST", "/c", 4, '{"m2m:cin":{"con":1,"et":"20991301T000000"}}', 4000,
    "et" },
  { "labels that are no list", "POST", "/c", 4, '{"m2m:cin":{"con":1,"lbl":"x"}}', 4000, "lbl" },
  { "an empty list of labels", "POST", "/c", 4, '{"m2m:cin":{"con":1,"lbl":[]}}', 4000, "lbl" },
  { "a number among labels", "POST", "/c", 4, '{"m2m:cin":{"con":1,"lbl":["a",1]}}', 4000, "lbl" },
  { "cr with a value", "POST", "/c", 4, '{"m2m:cin":{"con":1,"cr":"Cx"}}', 4000, "cr" },
  { "negative mni", "POST", "", 3, '{"m2m:cnt":{"rn":"no","mni":-1}}', 4000, "mni" },
  { "mni as text", "POST", "", 3, '{"m2m:cnt":{"rn":"no","mni":"5"}}', 4000, "mni" },
  { "fractional mni", "POST", "", 3, '{"m2m:cnt":{"rn":"no","mni":1.5}}', 4000, "mni" },
  { "huge mbs", "POST", "", 3, '{"m2m:cnt":{"rn":"no","mbs":1e300}}', 4000, "mbs" },
  { "boolean as number", "POST", "", 3, '{"m2m:cnt":{"rn":"no","disr":1}}', 4000, "disr" },
  { "cni in a CREATE", "POST", "", 3, '{"m2m:cnt":{"rn":"no","cni":0}}', 4000, "cni" },
  { "li in a CREATE", "POST", "", 3, '{"m2m:cnt":{"rn":"no","li":"x"}}', 4000, "li" },
  { "ri in a CREATE", "POST", "", 3, '{"m2m:cnt":{"rn":"no","ri":"x"}}', 4000, "ri" },
  { "ty in the body", "POST", "", 3, '{"m2m:cnt":{"rn":"no","ty":3}}', 4000, "ty" },
  { "a name with a slash", "POST", "", 3, '{"m2m:cnt":{"rn":"a/b"}}', 4000, "rn" },
  { "a name that is empty", "POST", "", 3, '{"m2m:cnt":{"rn":""}}', 4000, "rn" },
  { "a name of 500 characters", "POST", "", 3, '{"m2m:cnt":{"rn":"' .. ("n"):rep(500) .. '"}}',
    4000,
    "rn" },
  { "a name that is a number", "POST", "", 3, '{"m2m:cnt":{"rn":7}}', 4000, "rn" },
  { "a virtual name", "POST", "", 3, '{"m2m:cnt":{"rn":"ol"}}', 4000, "rn" },
  { "a taken name", "POST", "", 3, '{"m2m:cnt":{"rn":"c"}}', 4105, "rn" },
  { "announcement to nowhere", "POST", "", 3, '{"m2m:cnt":{"rn":"no","at":["other"]}}', 4000,
    "at" },
  { "dynamic authorization", "POST", "", 3, '{"m2m:cnt":{"rn":"no","daci":[" "]}}', 4000, "daci" },
  -- types and parents
  { "ty 0", "POST", "", 0, '{"m2m:cnt":{}}', 4000, "ty" },
  { "ty 999", "POST", "", 999, '{"m2m:cnt":{}}', 4000, "ty" },
  { "ty that is no number", "POST", "", "x", '{"m2m:cnt":{}}', 4000, "ty" },
  { "a statsCollect (not supported)", "POST", "", 21, '{"m2m:stcl":{"cr":null}}', 5001, "ty" },
  { "an instance below an AE", "POST", "", 4, '{"m2m:cin":{"con":1}}', 4108, "" },
  { "an AE below a container", "POST", "/c", 2, '{"m2m:ae":{"api":"N","rr":true,"srv":["3"]}}',
    4108,
    "" },
  { "a subscription below an instance", "POST", "/c/la", 23, '{"m2m:sub":{"nu":["Cbad"]}}', nil,
    "" },
  { "a CREATE in la", "POST", "/c/la", 4, '{"m2m:cin":{"con":1}}', 4005, "" },
  { "a CREATE below nothing", "POST", "/none", 3, '{"m2m:cnt":{}}', 4004, "to" },
  { "a CREATE of another CSE", "POST", "/../x", 3, '{"m2m:cnt":{}}', 4004, "" },
  -- UPDATE
  { "unknown attribute", "PUT", "/c", "", '{"m2m:cnt":{"zz":1}}', 4000, "zz" },
  { "rn", "PUT", "/c", "", '{"m2m:cnt":{"rn":"other"}}', 4000, "rn" },
  { "ct", "PUT", "/c", "", '{"m2m:cnt":{"ct":"20200101T000000"}}', 4000, "ct" },
  { "cr", "PUT", "/c", "", '{"m2m:cnt":{"cr":"Cx"}}', 4000, "cr" },
  { "a read-only counter", "PUT", "/c", "", '{"m2m:cnt":{"cni":0}}', 4000, "cni" },
  { "wrong root", "PUT", "/c", "", '{"m2m:ae":{"lbl":["x"]}}', 4000, "m2m:" },
  { "a wrong type beside a right one", "PUT", "/c", "", '{"m2m:cnt":{"lbl":["new"],"mni":"x"}}',
    4000,
    "mni" },
  { "no body", "PUT", "/c", "", "", 4000, "pc" },
  { "acpi with company", "PUT", "/c", "", '{"m2m:cnt":{"acpi":["x"],"mni":1}}', 4000, "acpi" },
  { "an instance", "PUT", "/c/la", "", '{"m2m:cin":{"con":2}}', 4005, "" },
  { "mandatory attribute removed", "PUT", "", "", '{"m2m:ae":{"srv":null}}', 4000, "srv" },
  { "nothing there", "PUT", "/none", "", '{"m2m:cnt":{"mni":1}}', 4004, "to" },
  -- the rest
  { "DELETE with a body", "DELETE", "/c", "", '{"m2m:cnt":{}}', 4000, "pc" },
  { "DELETE of nothing", "DELETE", "/none", nil, nil, 4004, "to" },
  { "DELETE of an empty la", "DELETE", "/e/la", nil, nil, 4004, "to" },
  { "an impossible rcn", "DELETE", "/c?rcn=9", nil, nil, 4000, "rcn" },
  { "NOTIFY to a container", "POST", "/c", "", '{"m2m:sgn":{"sur":"x"}}', 4005, "to" },
}

describe("bad input", function()
  local s, before

  -- Everything below the AE, as text.
  local function tree() return s:retrieve("/moon/bad?rcn=4", ME).text end

  local function unchanged()
    local after = tree()
    if after ~= before then
      before = after
      error("something was stored: " .. after, 2)
    end
  end

  setup(function()
    s = h.start()
    s:register("bad", { lbl = { "ae" } })
    expect(2001, s:create("/moon/bad", ME, 3, { rn = "c", lbl = { "old" } }))
    expect(2001, s:create("/moon/bad", ME, 3, { rn = "e" }))
    s:add("/moon/bad/c", ME, "1")
    before = tree()
  end)
  teardown(h.stop_all)

  for _, case in ipairs(CASES) do
    local what, method, path, ty, body, code, named = unpack(case, 1, 7)
    it(("%s %s: %s -> %s"):format(method, path, what, code or "4005 or 5203"), function()
      local headers
      if ty then
        headers = { ["content-type"] = "application/json" .. (ty ~= "" and ";ty=" .. ty or "") }
      end
      local a = s:http(method, "/moon/bad" .. path, ME, { body = body, headers = headers })
      if code then
        expect(code, a)
        assert.equal(HTTP[code], a.status)
      else
        assert.is_true(a.rsc == 4005 or a.rsc == 5203, a.text)
      end
      local dbg = a.body and a.body["m2m:dbg"]
      assert.is_string(dbg, a.text)
      assert.is_truthy(dbg:find(named, 1, true), dbg)
      assert.not_matches("stack traceback", dbg)
      assert.not_matches("%.lua:%d+", dbg)
      unchanged()
    end)
  end

  it("the same over WebSocket: code, name, and nothing stored", function()
    local ws = s:primitives(ME)
    local n = 0
    for _, case in ipairs(CASES) do
      local what, method, path, ty, body, code, named = unpack(case, 1, 7)
      if method == "POST" and type(ty) == "number" and ty > 0 and body ~= "" and code
        and not what:find("UTF") and not what:find("encod") and not path:find("..", 1, true) then
        local text = ('{"op":1,"to":"moon/bad%s","fr":"%s","rqi":"b%d","rvi":"3","ty":%d,"pc":%s}')
          :format(path, ME, n, ty, body)
        assert(ws:send(text))
        local m = assert(ws:receive(5), what)
        assert.equal(code, m.rsc, what)
        if named ~= "pc" then
          assert.is_truthy(m.pc["m2m:dbg"]:find(named, 1, true), what .. ": " .. m.pc["m2m:dbg"])
        end
        n = n + 1
      end
    end
    assert.is_true(n > 40)
    unchanged()
    expect(2000, ws:request { op = 2, to = "moon/bad", fr = ME })
    ws:close()
  end)

  it("random bytes on HTTP and WebSocket: no crash, no hang, nothing stored", function()
    local random = 12345
    local function byte()
      random = (random * 1103515245 + 12345) % 2147483648
      return math.floor(random / 65536) % 256
    end
    local seeds = { raw.head("GET", "/moon/bad"), raw.post("/moon/bad/c", 4,
      '{"m2m:cin":{"con":1}}'),
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ..
        "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Version: 13\r\n" ..
        "Sec-WebSocket-Protocol: oneM2M.json\r\n\r\n" ..
        raw.frame(0x81, '{"op":2,"to":"moon","fr":"Cbad","rqi":"1","rvi":"3"}') }
    for i = 1, 300 do
      local text = seeds[i % #seeds + 1]
      for _ = 1, 1 + byte() % 4 do
        local at = (byte() * 256 + byte()) % #text + 1
        text = text:sub(1, at - 1) .. string.char(byte()) .. text:sub(at + (byte() % 3))
      end
      local c = raw.connect(s.port)
      pcall(c.write, c, text)
      c:close()
    end
    assert.is_true(s:alive())
    assert.matches('"rn":"bad"', s:retrieve("/moon/bad", ME).text)
    local r = expect(2000, s:retrieve("/moon/bad/c", ME))
    -- a mutated CREATE may still be a CREATE: the counters tell the truth all the same
    local list = expect(2000, s:retrieve("/moon/bad/c?rcn=6&ty=4", ME)).rrf
    assert.equal(r.cni, #list)
  end)

  it("a Lua traceback never reaches a client, nor the log without a reason", function()
    assert.not_matches("stack traceback", s:text())
  end)
end)

describe("limits", function()
  teardown(h.stop_all)

  it("connections in all: refused beyond, served again after", function()
    local s = h.start { config = "limits = { connections = 10 }\n" }
    local held = {}
    for i = 1, 30 do
      local ok, c = pcall(raw.connect, s.port)
      if ok then
        held[#held + 1] = c
        if i <= 9 then assert.equal(2000, c:write(raw.head("GET", "/moon")):response().rsc) end
      end
    end
    for i = 1, 9 do assert.equal(2000, held[i]:write(raw.head("GET", "/moon")):response().rsc) end
    for _, c in ipairs(held) do c:close() end
    h.wait("service again", function()
      local ok, a = pcall(s.retrieve, s, "/moon", "CAdmin")
      return ok and a.rsc == 2000
    end)
  end)

  it("unidentified WebSockets", function()
    local s = h.start { config = "limits = { unidentified = 3 }\n" }
    local held = {}
    for _ = 1, 8 do
      local ok, c, r = pcall(raw.websocket, s.ws_port)
      if ok and r and r.status == 101 then held[#held + 1] = c end
    end
    assert.is_true(#held >= 3 and #held <= 4, tostring(#held))
    for _, c in ipairs(held) do c:close() end
    h.wait("room again", function()
      local ws = s:ws("/", { protocols = { "oneM2M.json" } })
      if ws then ws:close() end
      return ws ~= nil
    end)
  end)

  it("body: 413 over HTTP, 1009 over WebSocket, as configured", function()
    local s = h.start { config = 'limits = { body = "4K" }\n' }
    local c = raw.connect(s.port)
    assert.equal(413, c:write(raw.head("POST", "/moon", "Content-Type: application/json;ty=2\r\n" ..
      "Content-Length: 5000\r\n")):response().status)
    c:close()
    c = raw.websocket(s.ws_port)
    c:write(raw.frame(0x81, ("a"):rep(5000)))
    assert.equal(1009, c:close_code(5))
    c:close()
  end)
end)
