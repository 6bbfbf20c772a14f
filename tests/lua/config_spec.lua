-- The configuration file: defaults, every kind of mistake with file, line and key, the command
-- line.

local config = require "moon2m.config"
local keys = require "moon2m.config_keys"
local lines = require "moon2m.config_lines"

local files = {}

local function file(text)
  local name = os.tmpname()
  files[#files + 1] = name
  local f = assert(io.open(name, "w"))
  f:write(text)
  f:close()
  return name
end

-- The message for a text, with the file's name as "c".
local function mistake(text, argv)
  local name = text and file(text)
  local ok, why = pcall(config.load, name, argv)
  assert.is_false(ok, "no mistake found")
  assert.is_string(why)
  return name and (why:gsub(name:gsub("%p", "%%%0"), "c")) or why
end

describe("config", function()
  teardown(function()
    for _, name in ipairs(files) do os.remove(name) end
  end)

  it("is complete without a file", function()
    local c = config.load()
    assert.same({ name = "moon", id = "/moon", sp = "//moon2m.local", admin = "",
      releases = { "2", "2a", "3", "4", "5" } }, c.cse)
    assert.same({ { host = "127.0.0.1", port = 8080, http = true, ws = true, tls = false } },
      c.listen)
    assert.same({ 256, 10000, true, false }, { c.notification.window, c.notification.max_count,
      c.notification.url, c.notification.verify_urls })
    assert.same({ {}, {}, {}, {} }, { c.apps, c.scripts, c.read, c.limits.origins })
    assert.same({ "grant", "info", 31536000 }, { c.policies, c.log.level, c.default_et })
    assert.same({ stuck = 5 }, c.budgets)
  end)

  it("does not share defaults between two loads", function()
    local a = config.load()
    a.listen[1].port, a.cse.name, a.cse.releases[1] = 1, "x", "9"
    local b = config.load()
    assert.same({ 8080, "moon", "2" }, { b.listen[1].port, b.cse.name, b.cse.releases[1] })
  end)

  it("reads assignments and returned tables", function()
    local text = [[
cse = { name = "plant", id = "/p1" }
listen = { { port = 0 }, { host = "::1", port = 81, ws = false } }
limits = { body = "2M", ping = 0 }
scripts = { stats = { window = 5, deep = { x = { 1, 2 } } } }
read = { "/proc/**" }
budgets = { on = { 0.2, 10 }, timer = { 0.2, 10, "64M", 20000 } }
]]
    local function check(c)
      assert.same({ "plant", "/p1", "" }, { c.cse.name, c.cse.id, c.cse.admin })
      assert.same({ host = "127.0.0.1", port = 0, http = true, ws = true, tls = false },
        c.listen[1])
      assert.same({ host = "::1", port = 81, http = true, ws = false, tls = false },
        c.listen[2])
      assert.same({ 2097152, 0, 8192 }, { c.limits.body, c.limits.ping, c.limits.connections })
      assert.same({ stats = { window = 5, deep = { x = { 1, 2 } } } }, c.scripts)
      assert.same({ { "/proc/**" }, { 0.2, 10 } }, { c.read, c.budgets.on })
      assert.same({ 0.2, 10, 64 * 1048576, 20000 }, c.budgets.timer)
    end
    check(config.load(file(text)))
    check(config.load(file("return {\n" .. text:gsub("\n(%a)", ",\n%1") .. "}\n")))
  end)

  it("every default is a value that the key accepts", function()
    for _, k in ipairs(keys.list) do
      if k[3] ~= nil and k[2].check then assert.is_not_nil(k[2].check(k[3]), k[1]) end
      assert.is_string(k[4])
    end
  end)

  it("names file, line and key of a wrong value", function()
    local cases = {
      { "cse = {\n  name = 5,\n}",
        "c:2: cse.name: expected a resource name that starts with a letter, got 5" },
      { 'cse = { name = "1x" }', 'c:1: cse.name: expected a resource name that starts with a letter'
        .. ', got "1x"' },
      { 'cse = { id = "moon" }', 'c:1: cse.id: expected a CSE-ID ("/" and a name), got "moon"' },
      { 'cse = 5', "c:1: cse: expected a table, got 5" },
      { 'listen = {\n  { port = 1 },\n  {\n    port = "8080" } }',
        "c:4: listen.2.port: expected an integer from 0 to 65535, got a string" },
      { "listen = { port = 5 }", "c:1: listen: expected a list of tables" },
      { "listen = { {}, x = 5 }", "c:1: listen.x: expected a list of tables" },
      { "listen = { { prot = 5 } }", "c:1: listen.1.prot: unknown key; known here: host, port, http"
        .. ", ws, tls" },
      { "\n\nlimits = { body = 10 }", 'c:3: limits.body: expected bytes (a number, or "64K", "16M"'
        .. ', "1G") of at least 1024, got 10' },
      { 'limits = { body = "2m" }', 'c:1: limits.body: expected bytes (a number, or "64K", "16M"'
        .. ', "1G") of at least 1024, got a string' },
      { "limits = { window = 5 }", "c:1: limits.window: unknown key; known here: connections," },
      { "default_access = { cnt = 'parent' }",
        'c:1: default_access: expected types as ["m2m:cnt"] or ["*"], got cnt' },
      { "default_access = { ['*'] = 'all' }",
        'c:1: default_access: *: expected "creator", "parent" or a list of addresses, got all' },
      { "default_access = { ['*'] = { 5 } }",
        "c:1: default_access: *: expected a list of addresses" },
      { "notification = { url = 1 }", "c:1: notification.url: expected true or false, got 1" },
      { "log = { level = 'loud' }", 'c:1: log.level: expected "debug" or "info" or "warn" or '
        .. '"error", got "loud"' },
      { "read = { '/a', 'b' }", 'c:1: read.2: expected an absolute path, "*" and "**" allowed, got'
        .. ' "b"' },
      { "read = '/a'", "c:1: read: expected a list of: an absolute path" },
      { "read = { a = '/a' }", "c:1: read.a: expected a list, without names" },
      { "apps = { 5 }", "c:1: apps.1: expected a string, got 5" },
      { "budgets = { on = 5 }", "c:1: budgets.on: expected { seconds of a slice" },
      { "budgets = { on = { 0.1 } }", "c:1: budgets.on: expected { seconds of a slice" },
      { "budgets = { on = { 1, 2, '8M', 0 } }", "c:1: budgets.on: expected { seconds of a slice" },
      { "budgets = { on = { 0.1, 1, 5 } }", "c:1: budgets.on: expected { seconds of a slice" },
      { "scripts = { stats = 5 }", "c:1: scripts.stats: expected a table, got 5" },
      { "foo = 1", "c:1: foo: unknown key; known here: cse, data, listen," },
      { "return { foo = 1 }", "c:1: foo: unknown key" },
      { 'return { ["data"] = 1 }', "c:1: data: expected a string, got 1" },
      { "default_et = 0/0", "c:1: default_et: expected a number of at least 1, got" },
      { "policies = false", 'c:1: policies: expected "grant" or "restrict", got false' },
      { "notification = { retry_min = 9, retry_max = 2 }",
        "notification.retry_max: less than retry_min" },
      { "listen = { { http = false, ws = false } }", "listen.1: neither http nor ws is true" },
      { "listen = { {}, { tls = true } }", "listen.2: TLS needs tls.cert and tls.key" },
      { 'tls = { client = "required" }', "tls.client: required needs tls.ca" },
      { 'tls = { profile = "old" }', 'c:1: tls.profile: expected "intermediate" or "modern" or' },
      { 'tls = { sni = { ["b.example"] = { cert = "a" } } }',
        "c:1: tls.sni.b.example: expected { cert = FILE, key = FILE }, got a table" },
      { 'tls = { sni = { b = { cert = "a", key = "b", ca = "c" } } }',
        "c:1: tls.sni.b: expected { cert = FILE, key = FILE } alone" },
    }
    for _, case in ipairs(cases) do
      local got = mistake(case[1])
      assert.same(case[2], got:sub(1, #case[2]), case[1])
    end
  end)

  it("tells what Lua says of the file", function()
    assert.matches("^c:2: ", mistake("data = 'x'\nlisten = {"))
    assert.matches("^c:1: attempt to call global 'require'", mistake("require 'os'"))
    assert.matches("^c:1: attempt to index global 'os'", mistake("os.exit(0)"))
    assert.matches("^c: returned a number, expected a table or nothing", mistake("return 5"))
    assert.matches("compiled Lua", mistake(string.dump(function() end)))
    assert.matches("^/nowhere/at/all: ", select(2, pcall(config.load, "/nowhere/at/all")))
  end)

  it("finds lines through comments, strings and nesting", function()
    local at = lines.of([==[
-- listen = { 1 }
--[[ cse = {
]] cse = { name = "a } = { b", -- } not the end
  ["id"] = [[x
y]], sp = 'it\'s = 1',
  admin = "z" }
listen = { f({ a = 1 }), { host = "h",
  port = 1 }; {
    port = 2 } }
cse.admin = "q"
local x = 1 == 1
]==])
    assert.same({ 3, 3, 4, 5, 6 },
      { at.cse, at["cse.name"], at["cse.id"], at["cse.sp"], at["cse.admin"] })
    assert.same({ 7, 7, 8, 9 },
      { at.listen, at["listen.2.host"], at["listen.2.port"], at["listen.3.port"] })
    assert.is_nil(at["listen.1.a"])
  end)

  it("knows the script in a folder by its init.lua", function()
    local c = config.load(nil, { apps = { "apps/modbus_tcp", "apps/modbus_tcp/", "apps",
      "none.lua" } })
    assert.same({ "apps/modbus_tcp/init.lua", "apps/modbus_tcp/init.lua", "apps", "none.lua" },
      c.apps)
  end)

  it("puts the command line above the file", function()
    local c = config.load(file("data = 'd'\napps = { 'a.lua' }"), { data = "e", strict = true,
      listen = { "9000", "0.0.0.0:1", "[::1]:2,ws", ":3,http" }, apps = { "b.lua" },
      log_level = "debug" })
    assert.same({ "e", true, { "a.lua", "b.lua" }, "debug" },
      { c.data, c.strict, c.apps, c.log.level })
    assert.same({ { host = "127.0.0.1", port = 9000, http = true, ws = true, tls = false },
      { host = "0.0.0.0", port = 1, http = true, ws = true, tls = false },
      { host = "::1", port = 2, http = false, ws = true, tls = false },
      { host = "127.0.0.1", port = 3, http = true, ws = false, tls = false } }, c.listen)
    local tls = file("tls = { cert = 'c', key = 'k' }")
    assert.same({ { host = "127.0.0.1", port = 4, http = false, ws = true, tls = true },
      { host = "::1", port = 5, http = true, ws = true, tls = true } },
      config.load(tls, { listen = { "4,tls,ws", "[::1]:5,tls" } }).listen)
    assert.equal("listen.1: TLS needs tls.cert and tls.key",
      mistake(nil, { listen = { "4,tls" } }))
  end)

  it("puts single keys of the command line above the file: Lua values, else texts", function()
    local name = file('limits = { parked = 5, body = "1M" }\n' ..
      'scripts = { s = { a = 1, b = 2 } }\nlisten = { { port = 1, ws = false } }')
    local c = config.load(name, { set = { "limits.parked=7", "limits.body=64K", "cse.name=plant",
      'cse.sp="//x.example"', "scripts.s.a=9", "scripts.t.list={1,2}", "listen.1.port=2",
      "routes./other=http://o.example:8080", "strict=true", "notification.format=a=b" } })
    assert.same({ 7, 65536, "plant", "//x.example", true, "a=b" }, { c.limits.parked, c.limits.body,
      c.cse.name, c.cse.sp, c.strict, c.notification.format })
    assert.same({ s = { a = 9, b = 2 }, t = { list = { 1, 2 } } }, c.scripts)
    assert.same({ { host = "127.0.0.1", port = 2, http = true, ws = false, tls = false } },
      c.listen)
    assert.same({ ["/other"] = "http://o.example:8080" }, c.routes)
    assert.same("x", config.load(nil, { set = { "data=x" } }).data)
    assert.same("y", config.load(nil, { set = { "data=x" }, data = "y" }).data)
  end)

  it("says what is wrong with a single key", function()
    local function wrong(one) return mistake("limits = { parked = 5 }", { set = { one } }) end
    assert.equal("--set limits.parked=many: limits.parked: expected an integer from 1 to " ..
      "1000000, got a string", wrong "limits.parked=many")
    assert.matches("^%-%-set limits.x=1: limits.x: unknown key; known here: ", wrong "limits.x=1")
    assert.matches("^%-%-set x=1: x: unknown key; known here: ", wrong "x=1")
    assert.equal("--set limits.parked.x=1: parked is a number", wrong "limits.parked.x=1")
    for _, one in ipairs { "limits", "=1", "limits.=1", ".=1", "a..b=1" } do
      assert.equal("--set " .. one .. ": expected KEY=VALUE", wrong(one))
    end
    assert.matches("^c:1: limits.parked: ", mistake("limits = { parked = {} }",
      { set = { "limits.body=5K" } }))
  end)

  it("says what is wrong with the command line", function()
    assert.same("--listen x: expected HOST:PORT[,http|,ws][,tls]",
      mistake(nil, { listen = { "x" } }))
    assert.matches("^%-%-listen 1:99999: ", mistake(nil, { listen = { "1:99999" } }))
    assert.matches("^%-%-listen 1:9,ssl: ", mistake(nil, { listen = { "1:9,ssl" } }))
    assert.matches("^%-%-log: expected ", mistake(nil, { log_level = "x" }))
  end)

  it("prints every key as a table", function()
    local text = config.reference()
    for _, k in ipairs(keys.list) do
      assert.is_truthy(text:find("| `" .. k[1] .. "` |", 1, true), k[1])
    end
    local row_of_port = "| `listen[].port` | an integer from 0 to 65535 | `8080` |"
    assert.is_truthy(text:find(row_of_port, 1, true))
    for row in text:gmatch("[^\n]+") do
      local _, bars = row:gsub("\\|", ""):gsub("|", "")
      assert.same(5, bars, row)
    end
  end)
end)
