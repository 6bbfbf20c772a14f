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
    text, rc = sh("%s test %s/none.lua", bin, dir)
    assert.equal(1, rc)
    assert.matches("none%.lua", text)
  end)

  it("leaves nothing behind", function()
    sh("%s test %s", bin, dir)
    assert.equal("", (sh("find /dev/shm -maxdepth 1 -name 'moon2m-test.*' -newer %s/bad.lua", dir)))
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
