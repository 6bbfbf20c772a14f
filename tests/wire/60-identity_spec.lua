-- Identity: credentials and the originators they cover, over HTTP and WebSocket; what is refused,
-- how, and what it costs who guesses; revocation while connections are open; loopback only without
-- a credential.  Clients: lua-http, curl, Node's ws (identity_client.js).

local h = require "harness"

local expect = h.expect

-- `moon2m credential` on a data folder: what it prints.
local function credential(data, arguments, input)
  local out, rc = h.sh("%s%s credential %s --data %s 2>%s/said", input
    and ("printf '%s\\n' " .. h.quoted(input) .. " | ") or "", h.bin, arguments, data, data)
  return out, rc, h.read_file(data .. "/said")
end

local function bearer(token) return { authorization = "Bearer " .. token } end

local function ae(rn) return { rn = rn, api = "Nid", rr = true, srv = { "3" } } end

local function new_dir()
  local dir = h.directory()
  h.sh("mkdir -m 700 %s/data", dir)
  return dir, dir .. "/data"
end

describe("with credentials", function()
  local s, token = nil, {}
  local dir, data

  setup(function()
    dir, data = new_dir()
    token.pump = credential(data, "add pump Cpump 'Cpump-*'")
    token.all = credential(data, "add all '*'")
    token.root = credential(data, "add root Croot")
    token.far = credential(data, "add far /far '/far/*'")
    assert.equal("", (credential(data, "add anna --kind basic --stdin Canna", "open sesame")))
    s = h.start { dir = dir, config = 'cse = { admin = "Croot" }\nidentity = { failures = 1000 }\n'
      .. 'limits = { origins = {} }' }
    for _, name in ipairs { "pump", "victim" } do
      expect(2001, s:create("/moon", "C" .. name, 2, ae(name),
        { headers = bearer(name == "pump" and token.pump or token.all) }))
    end
  end)
  teardown(function() h.stop_all() end)

  it("lets nobody in who shows none", function()
    local a = s:retrieve("/moon/pump", "Cpump")
    expect(4106, a, "a credential is needed")
    assert.equal(401, a.status)
    assert.truthy(a.headers:get("www-authenticate"):find("Bearer", 1, true))
    a = s:create("/moon", "Cnew", 2, ae("new"))
    expect(4106, a, "a credential is needed")
    local ws, why = s:ws("/", { protocols = { "oneM2M.json" } })
    assert.is_nil(ws)
    assert.truthy(why)
    assert.equal(200, s:http("GET", "/healthz", nil, { rqi = false }).status)
    assert.equal(401, s:http("GET", "/metrics", nil, { rqi = false }).status)
    a = s:http("GET", "/metrics", nil, { rqi = false, headers = bearer(token.pump) })
    assert.equal(200, a.status)
    assert.truthy(a.text:find('moon2m_identity_total{result="missing"}', 1, true))
    for _, secret in pairs(token) do assert.is_nil(a.text:find(secret, 1, true)) end
  end)

  it("lets a credential speak for the originators it covers, in every form", function()
    expect(2000, s:retrieve("/moon/pump", "Cpump", { headers = bearer(token.pump) }))
    for _, fr in ipairs { "/moon/Cpump", "//moon2m.local/moon/Cpump" } do
      expect(4000, s:retrieve("/moon/pump", fr, { headers = bearer(token.pump) }), "AE%-ID%-Stem")
    end
    for _, fr in ipairs { "Cvictim", "Croot", "/moon/Cvictim", "/far", "/far/Cx", "Cpum", "Cpumpx",
      "S", "/moon" } do
      local a = s:retrieve("/moon/victim", fr, { headers = bearer(token.pump) })
      expect(4106, a, "the credential pump may not speak for")
      assert.equal(403, a.status)
    end
    expect(4106, s:retrieve("/moon", "Croot", { headers = bearer(token.all) }), "Croot")
    expect(2000, s:retrieve("/moon", "Croot", { headers = bearer(token.root) }))
    expect(4106, s:retrieve("/moon/pump", "Cpump", { headers = bearer(token.root) }))
  end)

  it("assigns an AE-ID that the credential covers", function()
    local a = expect(2001, s:create("/moon", "C", 2, ae("b"), { headers = bearer(token.pump) }))
    assert.truthy(a.aei:find("^Cpump%-%x+$"))
    a = expect(2001, s:create("/moon", nil, 2, ae("c"), { headers = bearer(token.pump) }))
    assert.truthy(a.aei:find("^Cpump%-%x+$"))
    expect(4106, s:create("/moon", "S", 2, ae("d"), { headers = bearer(token.pump) }),
      "no free AE%-ID that begins with S")
    expect(4106, s:create("/moon", "Cother", 2, ae("d"), { headers = bearer(token.pump) }))
    expect(2001, s:create("/moon", "Cpump-7", 2, ae("d"), { headers = bearer(token.pump) }))
  end)

  it("lets a CSE register with its own credential only", function()
    local csr = { ["m2m:csr"] = { rn = "far", cb = "/far/base", rr = false, srv = { "3" } } }
    expect(4106, s:create("/moon", "/far", 16, csr, { headers = bearer(token.pump) }))
    expect(2001, s:create("/moon", "/far", 16, csr, { headers = bearer(token.far) }))
    expect(2000, s:retrieve("/moon/far", "/far", { headers = bearer(token.far) }))
    expect(4106, s:retrieve("/moon/far", "/far/Cx", { headers = bearer(token.pump) }))
  end)

  it("takes a password, and no other", function()
    local function basic(secret)
      return h.sh("curl -s -u %s -H 'X-M2M-Origin: Canna' -H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3'"
        .. " -H 'Content-Type: application/json;ty=2' -o /dev/null -w '%%{http_code}'"
        .. " %s/moon -d %s", h.quoted("anna:" .. secret), s.base,
        h.quoted('{"m2m:ae":{"rn":"anna","api":"Nid","rr":false,"srv":["3"]}}'))
    end
    assert.equal("401", basic("open sesam"))
    assert.equal("201", basic("open sesame"))
    assert.equal("403", basic("open sesame"))             -- is registered already
    assert.equal("401", basic("OPEN SESAME"))
  end)

  it("compares each message over WebSocket", function()
    local ws = assert(s:ws("/", { protocols = { "oneM2M.json" }, headers = bearer(token.pump) }))
    expect(2000, ws:request { op = 2, to = "moon/pump", fr = "Cpump" })
    expect(4106, ws:request { op = 2, to = "moon/victim", fr = "Cvictim" }, "may not speak for")
    expect(2000, ws:request { op = 2, to = "moon/pump" })  -- the connection's own AE
    expect(4106, ws:request { op = 1, ty = 2, to = "moon", fr = "Cthief",
      pc = { ["m2m:ae"] = ae("t") } })
    expect(4106, ws:request { op = 2, to = "moon", fr = "Croot" })
    ws:close()
    assert.is_nil(s:ws("/", { protocols = { "oneM2M.json" },
      headers = { authorization = "Bearer " .. token.pump, ["x-m2m-origin"] = "Cvictim" } }))
    assert.is_nil(s:ws("/", { protocols = { "oneM2M.json" }, headers = bearer("pump.x") }))
  end)

  it("binds who a browser is by a token among the subprotocols, Node's ws agrees", function()
    local out, rc = h.node("identity_client", s.ws_port, token.pump, "open sesame")
    assert.equal(0, rc, out)
    assert.truthy(out:find("all well", 1, true), out)
  end)

  it("lets the URL of a notification service speak for its AE alone", function()
    local a = s:create("/moon", "Cpump-8", 2, ae("e"), { headers = bearer(token.pump) })
    local url = a.headers:get("link"):match("<([^>]+)>")
    local ws = assert(s:ws(url, { protocols = { "oneM2M.json" } }))
    expect(2000, ws:request { op = 2, to = "moon/e", fr = "Cpump-8" })
    expect(2000, ws:request { op = 2, to = "moon/e" })
    expect(4106, ws:request { op = 2, to = "moon/pump", fr = "Cpump" }, "not who this connection")
    expect(4106, ws:request { op = 1, ty = 2, to = "moon", pc = { ["m2m:ae"] = ae("f") } })
    local out = credential(data, "revoke --service Cpump-8")
    assert.truthy(out:find("void", 1, true))
    assert.equal(1008, (ws:closed()))
    local again = assert(s:ws(url, { protocols = { "oneM2M.json" } }))
    assert.equal(1008, (again:closed()))
    local path = credential(data, "add --service Cpump-8")
    ws = assert(s:ws(path, { protocols = { "oneM2M.json" } }))
    expect(2000, ws:request { op = 2, to = "moon/e" })
    ws:close()
    local _, rc, said = credential(data, "revoke --service Cnobody")
    assert.equal(1, rc)
    assert.truthy(said:find("not registered here", 1, true))
  end)

  it("refuses 200 impersonations", function()
    local refused = 0
    local victims = { "Cvictim", "Croot", "/moon/Cvictim", "//moon2m.local/moon/Cvictim", "/far" }
    local shown = { nil, bearer(token.pump), bearer("all.guess"),
      bearer(token.pump:gsub("^pump", "all")), { authorization = "Basic Q3ZpY3RpbTp4" } }
    for i = 1, 100 do
      local a = s:retrieve("/moon/victim", victims[i % #victims + 1],
        { headers = shown[math.floor(i / #victims) % 5 + 1] })
      if a.rsc == 4106 and (a.status == 401 or a.status == 403) then refused = refused + 1 end
    end
    local ws = assert(s:ws("/", { protocols = { "oneM2M.json" }, headers = bearer(token.pump) }))
    for i = 1, 75 do
      local a = ws:request { op = i % 4 + 2, to = "moon/victim", fr = victims[i % #victims + 1],
        pc = { ["m2m:ae"] = { lbl = { "mine" } } } }
      if a.rsc == 4106 then refused = refused + 1 end
    end
    ws:close()
    for i = 1, 25 do
      local headers = { ["x-m2m-origin"] = victims[i % #victims + 1],
        authorization = (shown[i % 5 + 1] or {}).authorization }
      local other = s:ws("/", { protocols = { "oneM2M.json" }, headers = headers })
      -- a password is judged after the handshake
      if not other or other:closed() == 1008 then refused = refused + 1 end
    end
    assert.equal(200, refused)
    local v = expect(2000, s:retrieve("/moon/victim", "Cvictim", { headers = bearer(token.all) }))
    assert.is_nil(v.lbl)
  end)

  it("says nothing of secrets, and does not forget what it refused", function()
    for _, secret in pairs(token) do
      assert.is_nil(s:text():find(secret:match("%.(.*)"), 1, true))
    end
    assert.is_nil(s:text():find("sesame", 1, true))
    assert.truthy(s:text():find("originator not covered name=pump fr=Cvictim", 1, true))
  end)

  it("ends the connections of what is revoked, at once", function()
    local mine = credential(data, "add brief Cbrief")
    local ws = assert(s:ws("/", { protocols = { "oneM2M.json" }, headers = bearer(mine) }))
    local other = assert(s:ws("/", { protocols = { "oneM2M.json" }, headers = bearer(token.pump) }))
    expect(2001, ws:request { op = 1, ty = 2, to = "moon", fr = "Cbrief",
      pc = { ["m2m:ae"] = ae("brief") } })
    local _, rc, said = credential(data, "revoke brief")
    assert.equal(0, rc, said)
    assert.equal(1008, (ws:closed()))
    expect(4106, s:retrieve("/moon/brief", "Cbrief", { headers = bearer(mine) }), "not valid")
    expect(2000, other:request { op = 2, to = "moon/pump", fr = "Cpump" })
    other:close()
  end)

  it("lets nobody in while the file cannot be read", function()
    local ws = assert(s:ws("/", { protocols = { "oneM2M.json" }, headers = bearer(token.pump) }))
    h.sh("chmod 644 %s/credentials", data)
    s:signal("HUP")
    assert.equal(1008, (ws:closed()))
    s:logs("chmod 600")
    expect(4106, s:retrieve("/moon/pump", "Cpump", { headers = bearer(token.pump) }))
    h.sh("chmod 600 %s/credentials", data)
    local out, rc = h.sh("%s reload --data %s", h.bin, data)
    assert.equal(0, rc, out)
    assert.truthy(out:find("credentials: 5", 1, true), out)
    expect(2000, s:retrieve("/moon/pump", "Cpump", { headers = bearer(token.pump) }))
  end)
end)

describe("who guesses", function()
  local s, data, token
  setup(function()
    local dir
    dir, data = new_dir()
    token = credential(data, "add pump Cpump")
    s = h.start { dir = dir, config = "identity = { brake_time = 1 }" }
  end)
  teardown(function() h.stop_all() end)

  it("is refused after ten failures, for a time; who was right before goes on", function()
    local other = credential(data, "add other Cother")
    expect(2001, s:create("/moon", "Cpump", 2, ae("pump"), { headers = bearer(token) }))
    local statuses = {}
    for i = 1, 11 do
      local a = s:retrieve("/moon", "Cpump", { headers = bearer("guess." .. i) })
      statuses[i] = a.status
      if i == 11 then
        expect(4106, a, "identity.failures")
        assert.equal("1", a.headers:get("retry-after"))
      end
    end
    assert.same({ 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 429 }, statuses)
    assert.equal(429, s:retrieve("/moon", "Cother", { headers = bearer(other) }).status)
    assert.is_nil(s:ws("/", { protocols = { "oneM2M.json" }, headers = bearer("guess.x") }))
    expect(2000, s:retrieve("/moon/pump", "Cpump", { headers = bearer(token) }))
    assert.truthy(s:text():find("too many wrong credentials, refused for 1 s", 1, true))
    h.wait("the brake's end", function()
      return s:retrieve("/moon", "Cother", { headers = bearer(other) }).status == 403
    end)
    local metrics = s:http("GET", "/metrics", nil, { rqi = false, headers = bearer(token) }).text
    assert.truthy(metrics:find('moon2m_limit_total{limit="failures"} 1', 1, true))
  end)

  it("is nobody whom a file that cannot be read keeps out", function()
    local function reload() return select(2, h.sh("%s reload --data %s", h.bin, data)) end
    h.sh("chmod 644 %s/credentials", data)
    reload()
    for _ = 1, 12 do
      assert.equal(401, s:retrieve("/moon/pump", "Cpump", { headers = bearer(token) }).status)
    end
    h.sh("chmod 600 %s/credentials", data)
    assert.equal(0, reload())
    expect(2000, s:retrieve("/moon/pump", "Cpump", { headers = bearer(token) }))
  end)
end)

describe("without credentials", function()
  teardown(function() h.stop_all() end)

  it("does not listen where others reach it, and says what to do", function()
    local s = h.start { listen = "0.0.0.0:0", wait = false }
    assert.equal(1, s:exit_code())
    assert.truthy(s:text():find("moon2m credential add", 1, true))
    assert.truthy(s:text():find("--dev", 1, true))
    assert.is_nil(s:text():find("listening host", 1, true))
  end)

  it("does so with --dev, loudly", function()
    local s = h.start { listen = "0.0.0.0:" .. h.free_port(), args = "--dev" }
    assert.truthy(s:text():find("warn identity --dev: FOR DEVELOPMENT ONLY", 1, true))
    expect(2000, s:retrieve("/moon", "CAdmin"))
    s:stop()
  end)

  it("does not start with a file that it cannot trust", function()
    local dir, data = new_dir()
    credential(data, "add pump Cpump")
    h.sh("chmod 640 %s/credentials", data)
    local s = h.start { dir = dir, wait = false }
    assert.equal(1, s:exit_code())
    assert.truthy(s:text():find("others may read or write it", 1, true))
    s = h.start { config = 'identity = { file = "/nowhere/credentials" }', wait = false }
    assert.equal(1, s:exit_code())
    assert.truthy(s:text():find("/nowhere/credentials: there is no such file", 1, true))
  end)

  it("asks for one as soon as there is one, and has no administrator then", function()
    local s = h.start()
    local ws = s:primitives()
    expect(2000, s:retrieve("/moon", "CAdmin"))
    expect(2001, ws:request { op = 1, ty = 2, to = "moon", fr = "Cme",
      pc = { ["m2m:ae"] = ae("me") } })
    local token = credential(s.data, "add me '*'")
    assert.equal(1008, (ws:closed()))
    expect(4106, s:retrieve("/moon", "CAdmin"))
    expect(4106, s:retrieve("/moon", "CAdmin", { headers = bearer(token) }), "not registered")
    expect(2000, s:retrieve("/moon/me", "Cme", { headers = bearer(token) }))
    assert.truthy(s:text():find("there is no administrator", 1, true))
    credential(s.data, "revoke me")                        -- stays closed
    expect(4106, s:retrieve("/moon/me", "Cme"))
    s:stop()
  end)

  it("refuses CSE-IDs when it is told to", function()
    local s = h.start { config = "identity = { open_cse = false }" }
    expect(4107, s:retrieve("/moon", "/far"))
    expect(4107, s:create("/moon", "/far", 16, { ["m2m:csr"] = { cb = "/far/b", rr = false } }))
    local ws = s:primitives()
    expect(4107, ws:request { op = 2, to = "moon", fr = "/far" })
    expect(2001, s:create("/moon", "Cme", 2, ae("me")))
    s:stop()
  end)

  it("does not let pages of other sites open a WebSocket, unless they know a token", function()
    local s = h.start()
    local function try(path, origin)
      local ws = s:ws(path, { protocols = { "oneM2M.json" }, headers = { origin = origin } })
      if ws then ws:close() end
      return ws ~= nil
    end
    local me = s:register("me")
    assert.is_true(try("/", nil))
    assert.is_true(try("/", "http://127.0.0.1:" .. s.port))
    assert.is_false(try("/", "http://evil.example"))
    assert.is_false(try("/", "null"))
    assert.is_true(try(me.url, "http://friend.example"))
    s:stop()
    s = h.start { config = 'limits = { origins = { "https://friend.example" } }' }
    assert.is_true(try("/", "https://friend.example"))
    assert.is_true(try("/", nil))
    assert.is_false(try("/", "http://127.0.0.1:" .. s.port))
    local a = s:http("GET", "/moon", "CAdmin", { headers = { origin = "https://friend.example" } })
    assert.equal("https://friend.example", a.headers:get("access-control-allow-origin"))
    a = s:http("GET", "/moon", "CAdmin", { headers = { origin = "https://evil.example" } })
    assert.is_nil(a.headers:get("access-control-allow-origin"))
    s:stop()
  end)
end)
