-- Scripts replaced while the server runs: by command, by SIGHUP, by writing a file; what is carried
-- over, what goes, and that nothing is lost meanwhile.

local cqueues = require "cqueues"
local h = require "harness"
local expect = h.expect

local ME = "Chome"
local TEMP = "/moon/home/temp"

local function command(s, args)
  return h.sh("%s %s --data %s 2>&1", h.bin, args, s.data)
end

local function script(text) return 'local cse = require "moon2m"\n' .. text end

local function with(text, o)
  o = o or {}
  o.scripts = o.scripts or { s = script(text) }
  local s = h.start(o)
  s:register("home")
  expect(2001, s:create("/moon/home", ME, 3, { rn = "temp" }))
  return s
end

-- A new version of a script; in one step, as editors do.
local function write(s, text, name)
  local file = ("%s/%s"):format(s.dir, name or "s.lua")
  h.write_file(file .. ".new", text:find("^local cse") and text or script(text))
  h.sh("mv %s.new %s", file, file)
end

local function says(s, path)
  local a = s:retrieve("/moon/home/" .. path, ME)
  return a.rsc == 2000 and expect(2000, a).con or a.rsc
end

local function version(n)
  return ([[
    local state = cse.state { loads = 0 }
    state.loads = state.loads + 1
    cse.virtual("/home/version", function() return { con = "%s of " .. state.loads } end)]])
    :format(n)
end

describe("moon2m reload", function()
  teardown(h.stop_all)

  it("replaces the script and keeps its state; what is not declared again goes", function()
    local s = with(version "one" .. [[
      cse.virtual("/home/old", function() return { con = "old" } end)
      cse.page("/old", { text = "old page" })
      cse.page("/both", { text = "one" })
      cse.format("old", function(n) return "old" end)
      cse.stop(function() cse.log.info("one has stopped") end)]])
    assert.equal("one of 1", says(s, "version"))
    write(s, version "two" .. [[cse.page("/both", { text = "two" })]])
    local out, code = command(s, "reload s")
    assert.same({ "s.lua reloaded: 1 rule, 1 page, state kept", 0 }, { out, code })
    s:logs("s.lua reloaded: 1 rule, 1 page, state kept")
    assert.equal("two of 2", says(s, "version"))
    assert.equal(4004, says(s, "old"))
    s:logs("one has stopped")
    h.wait("the page to go", function()
      return s:http("GET", "/old", nil, { rqi = false, rvi = false }).status ~= 200
    end)
    assert.equal("two", s:http("GET", "/both", nil, { rqi = false, rvi = false }).text)
    assert.is_nil(s:ws("/", { protocols = { "old" } }))
  end)

  it("exits 1 with the message when it does not load, and the old version goes on", function()
    local s = with(version "one")
    for _, bad in ipairs {
      { "cse.on('create', '/x', )", "s.lua:2: unexpected symbol near '%)'" },
      { "totl = 1", "s.lua:2: assignment to undeclared variable 'totl'" },
      { "while true do end", "s.lua:2: still running after 500 ms, stopped" },
      { "cse.retrieve('/x')", "s.lua:2: verbs work inside a handler" },
      { "cse.on('make', '/x', function() end)", 's.lua:2: cse.on: op: [^\n]* got "make"' },
      { "cse.on('create', 'x', function() end)", "s.lua:2: cse.on: where: a path like" },
      { "cse.on('create', '/a//b', function() end)", "s.lua:2: cse.on: where: empty level" },
      { "cse.on('create', '/a', function() end, { paralel = 1 })",
        "cse.on: opts: unknown option 'paralel'" },
      { "local ffi = require 'ffi'", "s.lua:2: module \"ffi\" is not available to scripts" },
      { "cse.state { extra = 1 } error { 1 }", "error without a message %(a table%)" },
      { "cse.page('/healthz', { text = 'x' })", "an address of the server itself" },
    } do
      write(s, bad[1])
      local out, code = command(s, "reload s")
      assert.equal(1, code, out)
      assert.matches("s not loaded, the version already running stays\n", out)
      assert.matches(bad[2], out)
      assert.equal("one of 1", says(s, "version"))
    end
    assert.matches("not reloaded: .*an address of the server", (command(s, "scripts")))
    write(s, version "two")
    assert.equal(0, select(2, command(s, "reload")))
    assert.equal("two of 2", says(s, "version"))
    assert.not_matches("not reloaded", (command(s, "scripts")))
    assert.same({ "moon2m: no script named t", 1 }, { command(s, "reload t") })
  end)

  it("refuses what another script has already", function()
    local s = with(nil, { scripts = {
      a = script [[cse.format("f", function() end) cse.page("/p", { text = "a" })]],
      b = script [[cse.on("create", "/**", function() end)]] } })
    write(s, [[cse.format("f", function() end)]], "b.lua")
    assert.matches("cse.format f: %S+a.lua declares that format", (command(s, "reload b")))
    write(s, [[cse.page("/p", { text = "b" })]], "b.lua")
    assert.matches("cse.page /p: %S+a.lua has that page", (command(s, "reload b")))
  end)

  it("timers of the same period keep their phase", function()
    local text = [[
      cse.every(1, function() cse.log.info("tick %d", cse.now() * 1000 % 1000) end)]]
    local s = with(text)
    s:logs("tick %d+")
    for _ = 1, 5 do
      assert.equal(0, select(2, command(s, "reload s")))
      h.sleep(0.35)
    end
    h.wait("ticks", function() return select(2, s:text():gsub("tick", "")) >= 3 end)
    local first
    for ms in s:text():gmatch("tick (%d+)") do
      first = first or tonumber(ms)
      local off = (tonumber(ms) - first + 500) % 1000 - 500
      assert.is_true(math.abs(off) < 250, s:text())
    end
  end)

  it("lets what is under way end in its own code, then stops the old version", function()
    local s = with [[
      cse.check("create", "/home/temp", function(req)
        cse.sleep(0.5)
        req.pc.con = "old"
      end)
      cse.stop(function() cse.log.info("old has stopped") end)]]
    local cq = cqueues.new()
    cq:wrap(function() assert.equal("old", s:add(TEMP, ME, "x").con) end)
    cq:wrap(function()
      h.sleep(0.2)
      write(s, [[cse.check("create", "/home/temp", function(req) req.pc.con = "new" end)]])
      assert.equal(0, select(2, command(s, "reload s")))
      assert.not_matches("old has stopped", s:text())
      assert.equal("new", s:add(TEMP, ME, "x").con)
    end)
    assert(cq:loop(10))
    s:logs("old has stopped")
  end)

  it("types: kept, changed and taken back; resources of a type that went stay readable", function()
    local lamp = [[cse.type { ty = 1001, name = "lamp", short = "x:lamp", parents = { "ae" },
      attrs = { "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl",
        { "lumen", "uint", create = "M", update = "O" }%s } }]]
    local s = with(lamp:format(""))
    local make = function(more)
      return s:create("/moon/home", ME, 1001, ('{"x:lamp":{"lumen":4%s}}'):format(more or ""))
    end
    local name = expect(2001, make()).rn
    expect(4000, make ',"on":true', "on: unknown attribute")
    write(s, lamp:format(', { "on", "bool", create = "O", update = "O" }'))
    assert.same({ "s.lua reloaded: 1 type", 0 }, { command(s, "reload s") })
    assert.matches("  1 type, 0 calls, 0 errors, 0 events wait, 0 parked", (command(s, "scripts")))
    expect(2001, make ',"on":true')
    assert.is_true(expect(2004, s:update("/moon/home/" .. name, ME, '{"x:lamp":{"on":true}}')).on)
    write(s, [[cse.type { extends = "container", attrs = { { "unit", "string", create = "O" } } }]])
    assert.equal(0, select(2, command(s, "reload s")))
    expect(4000, make(), "1001 is no resource type")
    expect(4000, s:update("/moon/home/" .. name, ME, '{"x:lamp":{"lumen":5}}'), "not permitted")
    assert.equal(4, expect(2000, s:retrieve("/moon/home/" .. name, ME)).lumen)
    expect(2001, s:create("/moon/home", ME, 3, { rn = "u", unit = "Cel" }))
    assert.equal(0, s:stop())
    write(s, "")
    s:run()
    assert.equal(4, expect(2000, s:retrieve("/moon/home/" .. name, ME)).lumen)
    expect(2000, s:retrieve("/moon/home?rcn=4", ME))
    expect(2002, s:delete("/moon/home/" .. name, ME))
  end)
end)

describe("SIGHUP", function()
  teardown(h.stop_all)

  it("reads the configuration again: scripts come, go, are replaced; the rest is said", function()
    local s = h.start { config = "apps = {}\n" }
    s:register("home")
    for _, name in ipairs { "a", "b" } do
      write(s, ([[cse.virtual("/home/%s", function() return { con = 1 } end)]]):format(name),
        name .. ".lua")
    end
    local function configure(text)
      h.write_file(s.dir .. "/config.lua", (text:gsub("DIR", s.dir)))
      s:signal("HUP")
    end
    configure 'apps = { "DIR/a.lua", "DIR/b.lua" }'
    h.wait("both", function() return says(s, "a") == 1 and says(s, "b") == 1 end)
    configure 'apps = { "DIR/b.lua" }\nlimits = { body = "64K" }\n'
    h.wait("a to go", function() return says(s, "a") == 4004 end)
    assert.equal(1, says(s, "b"))
    s:logs("configuration: limits changed, that counts from the next start on")
    configure 'apps = { "DIR/b.lua", 7 }'
    s:logs("configuration not read again, nothing changed: [^\n]*config.lua:1: apps")
    configure 'apps = { "DIR/b.lua", "DIR/none.lua" }'
    s:logs("none.lua not loaded, nothing of it runs")
    assert.equal(1, says(s, "b"))
    assert.matches("none %S+ off: [^\n]*No such file", (command(s, "scripts")))
  end)
end)

describe("--watch", function()
  teardown(h.stop_all)

  it("reloads what was written, also a module of it, and takes in what did not load", function()
    local s = h.start { args = "--watch", scripts = {
      s = script 'cse.virtual("/home/s", function() return { con = require("part") } end)' ..
        '\nrequire "part"',
      t = script "x = 1" , part = "return 'one'" }, wait = false }
    s:kill()
    h.write_file(s.dir .. "/part.lua", "return 'one'")
    s.apps = { s.dir .. "/s.lua", s.dir .. "/t.lua" }
    s:run(true)
    s:logs("boot ready")
    s.port = tonumber(s:text():match("boot ready[^\n]*http=[%d.]+:(%d+)"))
    s.base = "http://127.0.0.1:" .. s.port
    s:register("home")
    assert.equal("one", says(s, "s"))
    s:logs("script not loaded: [^\n]*t.lua:2.*the server runs without [^\n]*t.lua")
    write(s, "local cse return 'two'", "part.lua")
    h.wait("the module", function() return says(s, "s") == "two" end)
    write(s, [[cse.virtual("/home/t", function() return { con = "t" } end)]], "t.lua")
    h.wait("t", function() return says(s, "t") == "t" end)
    write(s, "x = 1", "t.lua")
    s:logs("t not loaded, the version already running stays")
    assert.equal("t", says(s, "t"))
    write(s, [[cse.on("retrieve", "/home", function() error("parked") end)]], "t.lua")
    h.wait("a parked event", function()
      s:retrieve("/moon/home", ME)
      return s:text():find("answered; event parked, %d+ waiting; fix and save to replay")
    end)
  end)
end)

describe("types of scripts", function()
  teardown(h.stop_all)

  local function type_text(ty)
    return ([[cse.type { ty = %d, name = "t%d", short = "x:t%d", attrs = { "rn", "ty" } }]])
      :format(ty, ty, ty)
  end

  local function knows(s, ty)
    for _, t in ipairs(expect(2000, s:retrieve("/moon", "CAdmin")).srt) do
      if t == ty then return true end
    end
    return false
  end

  it("are in the CSEBase's srt as long as they are there", function()
    local s = with(type_text(1001))
    assert.same({ true, false }, { knows(s, 1001), knows(s, 1002) })
    write(s, type_text(1002))
    assert.equal(0, select(2, command(s, "reload s")))
    assert.same({ false, true }, { knows(s, 1001), knows(s, 1002) })
  end)

  it("a mistake in one is told with its file and line, and the old ones stay", function()
    local s = with(type_text(1001))
    write(s, type_text(1002) .. '\n\ncse.type { ty = 3, name = "x", short = "x:x", attrs = {} }')
    assert.matches("s.lua:4: cse.type: x: ty, name or short is taken", (command(s, "reload s")))
    write(s, '\ncse.type { name = "x" }')
    assert.matches("s.lua:3: cse.type: ", (command(s, "reload s")))
    assert.same({ true, false }, { knows(s, 1001), knows(s, 1002) })
    local text, rc = h.sh("%s check %s/s.lua 2>&1", h.bin, s.dir)
    assert.equal(1, rc)
    assert.matches("s.lua:3: cse.type: ", text)
  end)

  it("their checks cannot wait: verbs are refused at their line, nothing is stored", function()
    local s = with [[
      cse.type { extends = "container", check = function(values)
        if values.mni == 5 then cse.sleep(0.01) end
        if values.mni == 6 then cse.retrieve("/home") end
      end }]]
    local function make(mni)
      return s:create("/moon/home", ME, 3, { rn = "c" .. mni, mni = mni })
    end
    expect(5000, make(5), "the check of s failed, nothing was stored")
    s:logs("s.lua:3: the check of a type cannot wait: verbs do not work in it")
    expect(5000, make(6))
    s:logs("s.lua:4: the check of a type cannot wait")
    expect(4004, s:retrieve("/moon/home/c5", ME))
    expect(2001, make(7))
  end)
end)

describe('reload = "tested"', function()
  teardown(h.stop_all)

  -- A test of s.lua that passes when it says `want`; body: what it does before.
  local function test_file(s, want, body)
    write(s, ([[
      local cse = nil   -- a test has no script's view
      local t = require "moon2m.test"
      t.test("says it", function()
        %s
        local h = t.host { scripts = { "s.lua" } }
        t.equal(h:retrieve("/home/version").con:match("^%%w+"), "%s")
      end)
      t.test("something else", function() end)]]):format(body or "", want):gsub("^%s+", ""),
      "s_test.lua")
  end

  it("a version that does not pass its test is not taken; one that does is, or has none", function()
    local s = with(version "one", { config = 'reload = "tested"\n' })
    write(s, version "two")
    local out, code = command(s, "reload s")
    assert.equal(0, code, out)
    assert.matches("^s: reloaded untested, there is no %S+/s_test.lua\n", out)
    assert.equal("two of 2", says(s, "version"))

    test_file(s, "three")
    write(s, version "four")
    out, code = command(s, "reload s")
    assert.equal(1, code, out)
    assert.matches("s not loaded, the version already running stays\n", out)
    assert.matches("its test %S+/s_test.lua failed\n", out)
    assert.matches("FAIL says it\n", out)
    assert.matches("s_test.lua:%d+: [^\n]*four", out)
    assert.not_matches("something else", out)
    assert.equal("two of 2", says(s, "version"))
    s:logs("s_test.lua failed")
    assert.matches("not reloaded: its test %S+ failed", (command(s, "scripts")))

    write(s, version "three")
    assert.equal(0, select(2, command(s, "reload s")))
    assert.equal("three of 3", says(s, "version"))
    assert.not_matches("not reloaded", (command(s, "scripts")))
  end)

  it("the server goes on while the test runs", function()
    local s = with(version "one", { config = 'reload = { s = "tested", other = "loads" }\n' })
    test_file(s, "two", "local c = os.clock() while os.clock() - c < 1 do end")
    write(s, version "two")
    local cq, done, old = cqueues.new(), false, 0
    cq:wrap(function()
      local c = require("cqueues.socket").connect { path = s.data .. "/moon2m.sock" }
      assert(c:write('{"cmd":"reload","name":"s"}\n'))
      assert.matches("s.lua reloaded", c:read "*l")
      done = true
    end)
    cq:wrap(function()
      while not done do
        if says(s, "version") == "one of 1" then old = old + 1 end
        h.sleep(0.02)
      end
    end)
    assert(cq:loop(30))
    assert.is_true(done)
    assert.is_true(old >= 5, "served " .. old .. " times meanwhile")
    assert.equal("two of 2", says(s, "version"))
  end)

  it("--watch: also when the test is what was written", function()
    local s = with(version "one", { config = 'reload = "tested"\n', args = "--watch" })
    test_file(s, "two")
    s:logs("s not loaded, the version already running stays")
    write(s, version "two")
    h.wait("two", function() return says(s, "version"):find "two" end)
    write(s, version "three")
    s:logs("not loaded.*not loaded")
    test_file(s, "three")
    h.wait("three", function() return says(s, "version"):find "three" end)
  end)

  it("a wrong setting is named", function()
    local out = h.sh("%s run -c %s 2>&1", h.bin, (function()
      local file = os.tmpname()
      h.write_file(file, 'reload = { s = "often" }\n')
      return file
    end)())
    assert.matches('reload: expected "loads", "tested", or a table of these by script name', out)
  end)
end)

describe("reloads under load", function()
  teardown(h.stop_all)

  it("lose no request and no event", function()
    local text = [[
      local state = cse.state { n = 0, seen = {} }
      cse.on("create", "/home/temp", function(ev)
        if ev.res.con % 3 == 0 then cse.sleep(0.002) end
        state.n = state.n + (state.seen[ev.res.con] and 0 or 1)
        state.seen[ev.res.con] = true
      end)
      cse.check("create", "/home/temp", function(req) if not req.pc.con then return false end end)
      cse.virtual("/home/n", function() return { con = state.n } end)]]
    local s = with(text)
    local cq, done, sent = cqueues.new(), false, 0
    for _ = 1, 8 do
      cq:wrap(function()
        while not done do
          sent = sent + 1
          expect(2001, s:create(TEMP, ME, 4, '{"m2m:cin":{"con":' .. sent .. "}}"))
        end
      end)
    end
    cq:wrap(function()
      for i = 1, tonumber(os.getenv("RELOADS")) or 100 do
        write(s, text .. "\n-- " .. i)
        s:signal("HUP")
        h.wait("a reload", function()
          return select(2, s:text():gsub("reloaded: 3 rules", "")) >= i
        end)
        h.sleep(0.005)
      end
      done = true
    end)
    assert(cq:loop(600))
    h.wait("every event", function() return tonumber(says(s, "n")) == sent end)
    assert.equal(sent, expect(2000, s:retrieve(TEMP, ME)).cni)
    assert.is_true((s:metric("moon2m_script_reload_seconds_count") or 0) >= 100)
  end)
end)
