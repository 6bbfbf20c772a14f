-- The harness for tests of scripts: what a host does, what fails a test, what is said.

local t = require "moon2m.test"

-- Runs a test's function; the list of what was wrong with it.
local function run(fn) return t.run(fn) end

local function passes(fn)
  local problems = run(fn)
  assert.same({}, problems)
end

-- Exactly one problem, whose text has the pattern.
local function fails(pattern, fn)
  local problems = run(fn)
  assert.equal(1, #problems, table.concat(problems, "\n"))
  assert.matches(pattern, problems[1])
  return problems[1]
end

describe("moon2m.test assertions", function()
  local function line() return debug.getinfo(2, "l").currentline end

  it("say what differs, at the test's line", function()
    local text = fails("expected 2, got 1$", function() t.equal(1, 2) end)
    assert.matches("harness_spec%.lua:" .. line() - 1 .. ": ", text)
    fails("note: expected \"a\", got nil$", function() t.equal(nil, "a", "note") end)
  end)

  it("compare deep, and JSON text as data", function()
    passes(function()
      t.same({ a = { 1, 2 } }, { a = { 1, 2 } })
      t.same('{"a":1,"b":[2]}', { b = { 2 }, a = 1 })
      t.same('{"a":1,"b":2}', '{ "b": 2, "a": 1 }')
      t.same({ con = '{"v":1}' }, { con = { v = 1 } })
    end)
    local text = fails("%.a%.b: expected 2, got 1", function()
      t.same({ a = { b = 1 }, c = 3 }, { a = { b = 2 } })
    end)
    assert.matches("%.c: expected nil, got 3", text)
    fails("expected 1, got \"1\"", function() t.same("1", 1) end)
  end)

  it("look at values, texts, errors and refusals", function()
    passes(function()
      t.is_nil(nil)
      assert.equal(5, t.ok(5, "note"))
      t.match("abc", "^a")
      t.raises(function() error("no way") end, "no way")
      t.refused(4004, nil, { rsc = 4004 })
    end)
    fails("expected nil, got 1", function() t.is_nil(1) end)
    fails("4004 gone", function() t.ok(nil, "4004 gone") end)
    fails("expected a match of \"^b\", got \"abc\"", function() t.match("abc", "^b") end)
    fails("there was none", function() t.raises(function() end) end)
    fails("expected 4103, got an answer", function() t.refused(4103, {}) end)
    fails("expected 4103, got 4004", function() t.refused(4103, nil, "4004") end)
  end)
end)

describe("a host", function()
  it("is a CSE: types, counters, limits, discovery", function()
    passes(function()
      local h = t.host { tree = { ["/a/b"] = { mni = 2 } } }
      for i = 1, 3 do h:create("/a/b", tostring(i)) end
      t.equal(h:retrieve("/a/b").cni, 2)
      t.equal(h:latest("/a/b"), "3")
      t.same(h:latest("/a/b", 5), { "3", "2" })
      t.same(h:children("/a"), { "b" })
      t.refused(4105, h:create("/a", "container", { rn = "b" }))
      t.refused(4000, h:create("/a/b", "container", { mni = "x" }))
      t.equal(h:update("/a/b", { mni = 1 }).cni, 1)
      t.equal(h:delete("/a"), true)
      t.refused(4004, h:retrieve("/a/b"))
    end)
  end)

  it("asks ACPs and policies, for any originator", function()
    passes(function()
      local h = t.host { tree = { ["/dev"] = { ty = "ae" }, ["/dev/c"] = {},
        ["/me"] = { ty = "ae" } } }
      t.refused(4103, h:as("Cme"):retrieve("/dev/c"))
      t.ok(h:as("Cdev"):retrieve("/dev/c"))
      t.refused(4106, h:as("Cnobody"):retrieve("/dev/c"))
      local _, code = h:request { op = "create", to = "/dev/c", fr = "Cdev", ty = "cin",
        pc = { con = "1" } }
      t.equal(code, 2001)
    end)
  end)

  it("has a clock of its own that scripts see", function()
    passes(function()
      local h = t.host { now = 1000000000, scripts = { clock = [[
        local cse = require "moon2m"
        cse.start(function() cse.ensure("/c", "container") end)
        cse.every(3600, function() cse.add("/c", os.date("!%H:%M") .. " " .. os.time()) end)
        cse.at("02:00", function() cse.add("/c", "at " .. os.date("%H:%M")) end)
      ]] } }
      t.equal(h:now(), 1000000000)
      h:advance(3600)
      t.equal(h:latest("/c", 2)[1], "02:46 1000003600")
      h:advance(24 * 3600)
      local found = false
      for _, con in ipairs(h:latest("/c", 100)) do found = found or con == "at 02:00" end
      t.ok(found, "cse.at did not run")
    end)
  end)

  it("runs a timer at its period however long its handler takes", function()
    passes(function()
      local h = t.host { tree = { ["/c"] = {} }, scripts = { slow = [[
        local cse = require "moon2m"
        cse.every(2, function()
          cse.add("/c", os.time() % 100)
          cse.sleep(0.5)
        end)
      ]] }, now = 1000000000 }
      h:advance(9)
      t.same(h:latest("/c", 9), { 8, 6, 4, 2 })
    end)
  end)

  it("lets sleeping handlers go on when the clock does", function()
    passes(function()
      local h = t.host { tree = { ["/c"] = {}, ["/d"] = {} }, scripts = { slow = [[
        local cse = require "moon2m"
        cse.on("create", "/c", function(ev)
          local co = coroutine.wrap(function() cse.sleep(2) return ev.res.con end)
          cse.add("/d", co())
        end)
        cse.check("create", "/d", function() cse.sleep(1) end)
      ]] } }
      h:create("/c", "1")
      t.is_nil(h:latest("/d"))
      h:advance(2.5)
      t.is_nil(h:latest("/d"))
      t.equal(h:wait(function() return h:latest("/d") end), "1")
    end)
  end)

  it("writes down what notifications say", function()
    passes(function()
      local h = t.host { tree = { ["/dev"] = { ty = "ae" }, ["/dev/c"] = {},
        ["/dev/c/s"] = { ty = "subscription", nu = { "Cdev", "http://h/x" },
          enc = { net = { 3 } } } } }
      h:create("/dev/c", "1")
      t.equal(#h:notifications(), 2)
      t.equal(#h:notifications("http://h/x"), 1)
      t.equal(#h:notifications("/dev/c/s"), 2)
      t.match(h:notifications("Cdev")[1], '"con":"1"')
      t.match(h:notifications("Cdev")[1], '"sur":"/moon/')
    end)
  end)

  it("counts exc down as the server does", function()
    passes(function()
      local h = t.host { tree = { ["/dev"] = { ty = "ae" }, ["/dev/c"] = {},
        ["/dev/c/s"] = { ty = "subscription", nu = { "Cdev" }, exc = 2, enc = { net = { 3 } } } } }
      for i = 1, 3 do h:create("/dev/c", tostring(i)) end
      t.equal(#h:notifications("Cdev"), 2)
      t.refused(4004, h:retrieve("/dev/c/s"))
    end)
  end)

  it("holds batches and rate limits back as the server does", function()
    passes(function()
      local h = t.host { tree = { ["/dev"] = { ty = "ae" }, ["/dev/c"] = {},
        ["/dev/c/s"] = { ty = "subscription", nu = { "Cdev" }, enc = { net = { 3 } },
          bn = { num = 3, dur = "PT10S" } } } }
      h:create("/dev/c", "1")
      h:create("/dev/c", "2")
      t.equal(#h:notifications(), 0)
      h:create("/dev/c", "3")
      t.equal(#h:notifications(), 1)
      h:create("/dev/c", "4")
      h:advance(9)
      t.equal(#h:notifications(), 1)
      h:advance(2)
      t.equal(#h:notifications(), 2)
    end)
  end)

  it("has groups and cross-resource subscriptions", function()
    passes(function()
      local h = t.host { tree = { ["/a"] = { ty = "ae" }, ["/a/c"] = {}, ["/a/d"] = {} } }
      local a = h:as("Ca")
      local both = { t.ok(a:retrieve("/a/c")).ri, t.ok(a:retrieve("/a/d")).ri }
      t.ok(a:create("/a", "group", { rn = "g", mnm = 5, mid = both }))
      t.ok(a:create("/a", "crossResourceSubscription", { nu = { "http://h/x" }, twt = 2,
        tws = "PT10S", rrat = both, encs = { { net = { 3 } } } }))
      t.ok(a:request { op = "create", to = "/a/g/fopt", ty = "cin", pc = { con = "x" } })
      t.equal(a:latest("/a/c") .. a:latest("/a/d"), "xx")
      h:advance(11)
      t.equal(#h:notifications("http://h/x"), 1)
      t.ok(a:delete("/a"))
      t.refused(4004, h:retrieve("/a/c"))
    end)
  end)

  it("reads files that the test gives, where the operator allows", function()
    passes(function()
      local h = t.host { files = { ["/sys/x"] = "41" }, server = { read = { "/sys/*" } },
        scripts = { r = [[
          local cse = require "moon2m"
          cse.virtual("/x", function() return { con = cse.read("/sys/x") + 1 } end)
        ]] } }
      t.equal(h:retrieve("/x").con, 42)
    end)
  end)

  it("reloads scripts: state kept, a broken one leaves the old version", function()
    passes(function()
      local text = [[
        local cse = require "moon2m"
        local s = cse.state { n = 0 }
        cse.virtual("/n", function() s.n = s.n + STEP return { con = s.n } end)
      ]]
      local h = t.host { scripts = { s = (text:gsub("STEP", "1")) } }
      t.equal(h:retrieve("/n").con, 1)
      h:write("s", (text:gsub("STEP", "10")))
      t.ok(h:reload("s"))
      t.equal(h:retrieve("/n").con, 11)
      h:write("s", "x y")
      local ok, why = h:reload("s")
      t.is_nil(ok)
      t.match(why, "s%.lua:1: ")
      t.equal(h:retrieve("/n").con, 21)
    end)
  end)

  it("restarts on what it has stored", function()
    passes(function()
      local h = t.host { tree = { ["/dev"] = { ty = "ae" }, ["/dev/c"] = {},
        ["/dev/c/s"] = { ty = "subscription", nu = { "Cdev" }, enc = { net = { 3 } },
          bn = { num = 2 } } }, scripts = { s = [[
        local cse = require "moon2m"
        local s = cse.state { n = 0 }
        cse.on("create", "/dev/c", function() s.n = s.n + 1 end)
        cse.virtual("/n", function() return { con = s.n } end)
      ]] } }
      h:create("/dev/c", "1")
      t.equal(h:retrieve("/n").con, 1)
      local now = h:now()
      h:restart()
      t.ok(h:now() >= now and h:now() < now + 60)
      t.equal(h:latest("/dev/c"), "1")
      t.equal(h:retrieve("/n").con, 0)                -- memory is gone
      h:create("/dev/c", "2")
      h:create("/dev/c", "3")
      t.ok(#h:notifications("Cdev") >= 1)
    end)
  end)

  it("ends with the test, and is alone", function()
    local old
    passes(function() old = t.host() end)
    assert.has_error(function() old:retrieve("/") end)
    fails("one host at a time", function()
      local first = t.host()
      t.host()
      first:retrieve("/")
    end)
  end)

  it("refuses options and scripts that are wrong, with the place", function()
    fails("harness_spec%.lua:%d+: t%.host: no option script;", function()
      t.host { script = {} }
    end)
    fails("harness_spec%.lua:%d+: .-bad%.lua:2: '=' expected", function()
      t.host { scripts = { bad = "local x = 1\nx y" } }
    end)
    fails("harness_spec%.lua:%d+: .*no/such%.lua: No such file", function()
      t.host { scripts = { "no/such.lua" } }
    end)
    fails("cse.type: c: .*no attribute kind .boolean.; `moon2m help type.attribute`", function()
      t.host { scripts = { s = 'return require("moon2m").type { ty = 28, name = "c", ' ..
        'short = "x:c", cnd = "org.c", attrs = { { "a", "boolean" } } }' } }
    end)
    fails("scripts%.s%.x: the script has no such setting", function()
      t.host { scripts = { s = 'require("moon2m").config { y = 1 }' }, config = { s = { x = 1 } } }
    end)
    fails("harness_spec%.lua:%d+: unknown resource type contaner", function()
      t.host():create("/", "contaner", {})
    end)
    fails("harness_spec%.lua:%d+: a path like", function() t.host():retrieve("") end)
  end)
end)

describe("a test fails", function()
  local broken = { b = [[
    local cse = require "moon2m"
    cse.on("create", "/c", function(ev) return ev.x.y end)
    cse.format("f", function() error("no format") end)
  ]] }

  it("on script errors that it did not expect", function()
    local problems = run(function()
      local h = t.host { scripts = broken, tree = { ["/c"] = {} } }
      h:create("/c", "1")
      t.equal(#h:errors(), 1)
      t.equal(h:errors()[1].script, "b")
    end)
    assert.matches("script error: .-b%.lua:2: attempt to index field 'x'", problems[1])
    assert.matches("create /c", problems[1])
    passes(function()
      local h = t.host { scripts = broken, tree = { ["/c"] = {} } }
      h:expect_error "attempt to index field 'x'"
      h:create("/c", "1")
    end)
  end)

  it("when an error that it expects does not come", function()
    fails("harness_spec%.lua:%d+: no script raised an error that matches \"boom\"", function()
      t.host():expect_error "boom"
    end)
  end)

  it("on events that are parked; a restart and a reload bring them back", function()
    local problems = run(function()
      local h = t.host { scripts = broken, tree = { ["/c"] = {} } }
      h:create("/c", "1")
      t.equal(h:parked("b"), 1)
    end)
    assert.equal(2, #problems, table.concat(problems, "\n"))
    assert.matches("1 event%(s%) wait for the script b", problems[2])
    passes(function()
      local h = t.host { scripts = broken, tree = { ["/c"] = {}, ["/d"] = {} } }
      h:expect_error "attempt to index field 'x'"
      h:create("/c", "1")
      h:create("/c", "2")
      h:restart()
      t.equal(h:parked("b"), 2)
      h:write("b", [[
        local cse = require "moon2m"
        cse.on("create", "/c", function(ev) cse.add("/d", ev.res.con) end)
      ]])
      t.ok(h:reload("b"))
      h:advance(1)
      t.same(h:latest("/d", 5), { "2", "1" })
      t.equal(h:parked("b"), 0)
    end)
  end)

  it("on notifications that are parked", function()
    local problems = run(function()
      local h = t.host { scripts = broken, tree = { ["/q"] = {}, ["/q/s"] = { ty = "subscription",
        nu = { "http://h/x" }, enc = { net = { 3 } }, lbl = { "format:f" } } } }
      h:create("/q", "1")
    end)
    assert.equal(2, #problems)
    assert.matches("b%.lua:3: no format", problems[1])
    assert.matches("1 notification%(s%) parked", problems[2])
  end)

  it("on code that never ends, and lets nothing of it run on", function()
    fails("never ended: cse%.spawn", function()
      local h = t.host { scripts = { s = [[
        local cse = require "moon2m"
        cse.start(function() cse.spawn(function() while true do cse.sleep(1) end end) end)
      ]] } }
      h:advance(3)
    end)
    assert.equal(0, require("moon2m.core.host").tasks())
  end)

  it("on timers and handles that outlive their script", function()
    fails("s left 1 handle%(s%) or timer%(s%) open", function()
      t.host { scripts = { s = 'require("moon2m").every(1, function() end)' } }
      require("moon2m.parts.timers").drop = function() end
    end)
  end)

  it("on errors of the library in what nobody waits for", function()
    fails("error of the library: .-no such luck", function()
      local h = t.host()
      require("moon2m.timers").after(1, function() error("no such luck") end)
      h:advance(2)
    end)
  end)

  it("on patterns that are none, at their line", function()
    fails("harness_spec%.lua:%d+: expect_error: malformed pattern", function()
      t.host():expect_error "[a"
    end)
  end)

  it("with the reason when its own code is wrong", function()
    fails("harness_spec%.lua:%d+: attempt to index local 'x'", function()
      local x = nil
      return x.y
    end)
  end)
end)
