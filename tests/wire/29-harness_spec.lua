-- `moon2m test` and `moon2m new`: files, options, output, exit codes.

local h = require "harness"
local sh, bin = h.sh, h.bin

describe("moon2m test", function()
  local dir

  setup(function()
    dir = h.directory()
    h.write_file(dir .. "/double.lua", [[
local cse = require "moon2m"
cse.on("create", "/in", function(ev)
  local v = tonumber(ev.res.con)
  if not v then
    cse.log.warn("no number")
    return
  end
  cse.add("/out", v * 2)
end)
]])
    h.write_file(dir .. "/double_test.lua", [[
local t = require "moon2m.test"
local function host()
  return t.host { scripts = { "double.lua" }, tree = { ["/in"] = {}, ["/out"] = {} } }
end
t.test("doubles", function()
  local h = host()
  h:create("/in", "21")
  t.equal(h:latest("/out"), 42)
end)
t.test("a # in a name", function()
  local h = host()
  h:create("/in", "1")
  t.equal(h:latest("/out"), 3)
end)
]])
  end)
  teardown(function() sh("rm -rf %s", dir) end)

  it("runs the tests of files, says what failed with file and line, exits 1", function()
    local text, rc = sh("%s test %s/double_test.lua", bin, dir)
    assert.equal(1, rc)
    assert.matches("  ok   doubles\n", text)
    assert.matches("  FAIL a # in a name\n%s+%S-/double_test%.lua:13: expected 3, got 2\n", text)
    assert.matches("1 passed, 1 failed, %d+ ms", text)
    assert.not_matches("\27", text)
  end)

  it("finds its files in the current folder, in apps/ and in folders that are named", function()
    local program = sh("realpath %s", bin):match("%S+")
    local function passes(fmt, ...)
      local text, rc = sh(fmt, ...)
      assert.equal(0, rc, text)
      assert.matches("1 passed, 0 failed", text)
    end
    passes("cd %s && %s test --filter doubles", dir, program)
    passes("cd / && %s test --filter doubles %s", program, dir)
    sh("mkdir -p %s/x/apps && cp %s/*.lua %s/x/apps", dir, dir, dir)
    passes("cd %s/x && %s test --filter doubles", dir, program)
    local text, rc = sh("cd %s && mkdir -p empty && cd empty && %s test", dir, program)
    assert.equal(2, rc)
    assert.matches("no %*_test%.lua here or in apps/", text)
  end)

  it("speaks TAP", function()
    local text, rc = sh("%s test --tap %s", bin, dir)
    assert.equal(1, rc)
    assert.matches("^TAP version 13\n", text)
    assert.matches("\nok 1 %- doubles\n", text)
    assert.matches("\nnot ok 2 %- a \\# in a name\n  # .-expected 3, got 2", text)
    assert.matches("\n1%.%.2$", text)
  end)

  it("shows the log of what failed when asked", function()
    local text = sh("%s test --verbose %s", bin, dir)
    assert.matches("got 2\n%s+log: info script %S+double%.lua loaded rules=1\n", text)
  end)

  it("says which lines did not run", function()
    local text = sh("%s test --cover --filter doubles %s", bin, dir)
    assert.matches("double%.lua%s+75 %%  not run: 5%-6$", text)
  end)

  it("exits 1 when there was no test, or a file does not load", function()
    local text, rc = sh("%s test --filter nothing %s", bin, dir)
    assert.equal(1, rc)
    assert.matches("0 passed, 0 failed", text)
    h.write_file(dir .. "/bad.lua", "local x =\n")
    text, rc = sh("%s test %s/bad.lua", bin, dir)
    assert.equal(1, rc)
    assert.matches("bad%.lua:%d+: unexpected symbol", text)
    h.write_file(dir .. "/eager.lua", 'local n\nlocal cse = require "moon2m"\n')
    text, rc = sh("%s test %s/eager.lua", bin, dir)
    assert.equal(1, rc)
    assert.matches('eager%.lua:2: "moon2m" is what scripts require; a test has', text)
    assert.is_nil(text:find("package.preload", 1, true), text)
    text, rc = sh("%s test %s/none.lua", bin, dir)
    assert.equal(1, rc)
    assert.matches("none%.lua", text)
  end)

  it("runs the same test in process and against the real binary", function()
    h.write_file(dir .. "/both.lua", [[
local t = require "moon2m.test"
for name, new in pairs { host = t.host, server = t.server } do
  t.test("readings reach whom they are for: " .. name, function()
    local h = new {
      scripts = { "apps/senml.lua", "apps/stats.lua" }, config = { stats = { window = 2 } },
      tree = {
        ["/home/kitchen/temp"] = {},
        ["/dev"] = { ty = "ae" },
        ["/dev/c"] = {},
        ["/dev/c/s"] = { ty = "subscription", nu = { "Cdev" },
          enc = { net = { 3 }, chty = { 4 } } },
      },
    }
    for _, v in ipairs { "20", "30", "10" } do t.ok(h:create("/home/kitchen/temp", v)) end
    t.same(h:latest("/home/kitchen/temp-stats"), { min = 10, max = 30, avg = 20, n = 2 })
    local url = h:url "senml"
    t.ok(h:as("Cdev"):create("/dev/c", "subscription", { nu = { url }, lbl = { "format:senml" },
      enc = { net = { 3 }, chty = { 4 } } }))
    for i = 1, 3 do h:create("/dev/c", tostring(i)) end
    h:wait(function() return h:notifications(url)[3] end)
    local bodies, about = h:notifications(url)
    t.match(bodies[3], '"v":3')
    t.equal(about[3].type, "application/senml+json")
    h:wait(function() return h:notifications("Cdev")[3] end)
    t.match(h:notifications("Cdev")[1], '"con":"1"')
    t.equal(#h:notifications("/dev/c/s"), 3)
    t.refused(4004, h:retrieve("/nothing"))
    t.refused(4106, h:as("Cnobody"):retrieve("/dev"))
    t.same(h:children("/home/kitchen"), { "temp", "temp-stats" })
  end)
end
]])
    local text, rc = sh("%s test %s/both.lua", bin, dir)
    assert.equal(0, rc, text)
    assert.matches("2 passed", text)
  end)

  it("refuses of a server what it cannot be told, and judges it like a host", function()
    h.write_file(dir .. "/server.lua", [[
local t = require "moon2m.test"
t.test("advance", function() t.server():advance(1) end)
t.test("files", function() t.server { files = {} } end)
t.test("bad", function() t.server { scripts = { bad = "x y" } } end)
t.test("error", function()
  local h = t.server { scripts = { e = [=[
    require("moon2m").virtual("/v", function(req) return req.x.y end)
  ]=] } }
  t.refused(5000, h:retrieve("/v"))
end)
t.test("expected", function()
  local h = t.server { scripts = { e = [=[
    require("moon2m").virtual("/v", function(req) return req.x.y end)
  ]=] } }
  h:expect_error "index field 'x'"
  t.refused(5000, h:retrieve("/v"))
end)
t.test("datagrams", function()
  local port = tonumber(os.getenv("UDP_PORT"))
  local h = t.server { scripts = { "apps/udp_plant.lua" },
    config = { udp_plant = { port = port, poll = 1 } } }
  h:datagram(port, "pump1,20.5,41")
  h:wait(function() return h:latest("/plant/pump1/temp") == "20.5" end)
  h:wait(function() return h:sent(port)[1] end)
  t.equal(h:sent(port)[1].data, "poll")
end)
t.test("reload", function()
  local v = 'require("moon2m").virtual("/v", function() return { con = N } end)'
  local h = t.server { scripts = { s = (v:gsub("N", "1")) } }
  t.equal(h:retrieve("/v").con, 1)
  h:write("s", (v:gsub("N", "2")))
  t.ok(h:reload("s"))
  t.equal(h:retrieve("/v").con, 2)
end)
]])
    local text = sh("UDP_PORT=%d %s test %s/server.lua", h.free_port(), bin, dir)
    assert.matches("FAIL advance\n%s+%S+server%.lua:2: advance: the clock of a real server", text)
    assert.matches("FAIL files\n%s+%S+server%.lua:3: t%.server: files: a server reads", text)
    assert.matches("FAIL bad\n%s+%S+server%.lua:4: the server ended with 1:.-bad%.lua:1: ", text)
    assert.matches("FAIL error\n%s+script error: %S+e%.lua:1: attempt to index field 'x'", text)
    assert.matches("ok   expected\n", text)
    assert.matches("ok   datagrams\n", text)
    assert.matches("ok   reload\n", text)
  end)

  it("leaves nothing behind", function()
    h.write_file(dir .. "/killed.lua", [[
local t = require "moon2m.test"
t.test("is killed", function()
  t.host { scripts = { s = "" } }
  os.execute("kill -KILL " .. io.open("/proc/self/stat"):read("*n"))
end)
]])
    local pid = dir .. "/pid"
    sh("sh -c 'echo $$ >%s; exec %s test %s/killed.lua'", pid, bin, dir)
    local function left()
      return (sh("find /dev/shm -maxdepth 1 -name 'moon2m-host.%d.*'", h.read_file(pid)))
    end
    assert.not_equal("", left())
    sh("%s test %s/double_test.lua", bin, dir)
    assert.equal("", left())
  end)
end)

describe("moon2m new", function()
  it("writes a script, its test and the editor's settings, which work", function()
    local dir = h.directory()
    local text, rc = sh("%s new meter %s", bin, dir)
    assert.equal(0, rc, text)
    assert.matches("\n  moon2m test %S-/meter_test%.lua\n  moon2m run %S-/meter%.lua$", text)
    text, rc = sh("%s test %s/meter_test.lua", bin, dir)
    assert.equal(0, rc, text)
    assert.matches("3 passed", text)
    text, rc = sh("%s check %s/meter.lua", bin, dir)
    assert.equal(0, rc, text)
    assert.matches("workspace%.library", h.read_file(dir .. "/.luarc.json"))
    local s = h.start { apps = { dir .. "/meter.lua" } }
    h.expect(2001, s:create("/moon/meter", "CAdmin", 3, { rn = "temp" }))
    s:add("/moon/meter/temp", "CAdmin", "20")
    h.wait("the count", function()
      return s:retrieve("/moon/meter/temp-count/la", "CAdmin").rsc == 2000
    end)
    assert.not_matches("error", s:text())
    h.stop_all()
    sh("rm -rf %s", dir)
  end)

  it("overwrites nothing, and wants a name", function()
    local dir = h.directory()
    h.write_file(dir .. "/a_test.lua", "-- mine")
    local text, rc = sh("%s new a %s", bin, dir)
    assert.equal(1, rc)
    assert.matches("a_test%.lua exists already; nothing was written", text)
    assert.equal("a_test.lua", (sh("ls -A %s", dir)):match("^%s*(.-)%s*$"))
    h.write_file(dir .. "/.luarc.json", "mine")
    assert.equal(0, (select(2, sh("%s new b %s", bin, dir))))
    assert.equal("mine", h.read_file(dir .. "/.luarc.json"))
    for _, name in ipairs { "A", "1a", "a-b", "a/b", "a_test" } do
      text, rc = sh("%s new %s %s", bin, name, dir)
      assert.equal(1, rc, name)
      assert.matches("a name of lower%-case letters", text)
    end
    text, rc = sh("%s new a %s/none", bin, dir)
    assert.equal(1, rc)
    assert.matches("No such file", text)
    assert.equal(2, (select(2, sh("%s new", bin))))
    sh("rm -rf %s", dir)
  end)
end)

describe("the files of `moon2m test` under busted", function()
  it("are busted's tests", function()
    local text, rc = sh("%s lua tests/lua/run.lua --pattern=_test apps/stats_test.lua " ..
      "apps/hello_test.lua", bin)
    assert.equal(0, rc, text)
    assert.matches("5 successes / 0 failures", text)
  end)
end)
