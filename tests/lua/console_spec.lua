-- The console's side of the server: lines in, what is printed out, commands, live lines; over a
-- host with a clock of its own.

local json = require "moon2m.json"
local loop = require "moon2m.test.loop"
local t = require "moon2m.test"

local sent, unread, samples       -- client -> messages; client -> bytes; what the profiler returns

-- A test within a host: fn(host, console).
local function within(options, fn)
  sent, unread, samples = {}, {}, nil
  package.loaded["moon2m.core.console"] = {
    send = function(id, text)
      sent[id] = sent[id] or {}
      table.insert(sent[id], json.decode(text))
      return true
    end,
    unread = function(id) return unread[id] or 0 end,
  }
  package.loaded["moon2m.core.profile"] = {
    start = function()
      if samples == "busy" then return false end
      return true
    end,
    stop = function() return samples end,
  }
  assert.same({}, t.run(function()
    local h = t.host(options)
    fn(h, require "moon2m.console")
  end))
end

-- Gives a line to the console without waiting for its end.
local function give(console, message, id)
  loop.start(function() return console.line(id or 1, json.encode(message)) end)
  loop.settle()
end

-- What came since: the texts joined, the last message.
local function take(id)
  local texts, last = {}, nil
  for _, m in ipairs(sent[id or 1] or {}) do
    if m.text then texts[#texts + 1] = m.text end
    last = m
  end
  sent[id or 1] = nil
  return table.concat(texts, "\n"), last
end

local function eval(console, text, more)
  local message = { eval = text }
  for k, v in pairs(more or {}) do message[k] = v end
  give(console, message)
  return take()
end

describe("a line of the console", function()
  it("prints the values of an expression, as Lua or JSON", function()
    within({}, function(_, console)
      local text, last = eval(console, "1 + 1, 'a', nil")
      assert.equal('2\n"a"\nnil', text)
      assert.same({ done = true }, last)
      assert.equal("", (eval(console, "(function() end)()")))
      assert.equal("3", (eval(console, "= 3 -- three")))
      assert.equal('{"a":[1]}\nnull', (eval(console, "{ a = { 1 } }, nil", { json = true })))
      assert.equal('"function: built in"', (eval(console, "tostring", { json = true })))
      assert.equal("a\t{ 1 }", (eval(console, "print('a', { 1 })")))
    end)
  end)

  it("keeps what is local at its top for the next line, not what is in a block", function()
    within({}, function(_, console)
      eval(console, "local a, b = 1 local function f(x) local a = x return a * 2 end local c")
      assert.equal("1\nnil\n6\nnil", (eval(console, "a, b, f(3), c")))
      eval(console, "do local d = 1 end for i = 1, 2 do local d = i end if a then local d = 1 end")
      local _, last = eval(console, "d")
      assert.equal("console:1: undeclared variable 'd'", last.error)
      eval(console, "local s = 'local x = 1' -- local y\nlocal z = [[\nlocal q]]" ..
        " repeat local w until true")
      assert.equal('"local x = 1"\n"local q"', (eval(console, "s, z")))
      _, last = eval(console, "x")
      assert.matches("undeclared variable 'x'", last.error)
    end)
  end)

  it("sessions do not see each other's names", function()
    within({}, function(_, console)
      eval(console, "mine = 1")
      give(console, { eval = "mine" }, 2)
      local _, last = take(2)
      assert.matches("undeclared variable 'mine'", last.error)
    end)
  end)

  it("asks for more when it is not complete", function()
    within({}, function(_, console)
      for _, text in ipairs { "for i = 1, 2 do", "x = {", "f(", "1 +", "local s = [[" } do
        local _, last = eval(console, text)
        assert.same({ more = true }, last, text)
      end
      local _, last = eval(console, "for", { final = true })
      assert.matches("console:1: .*<eof>", last.error)
      _, last = eval(console, "x = = 1")
      assert.matches("^console:1: unexpected symbol near '='", last.error)
    end)
  end)

  it("says where an error is, and lives on", function()
    within({}, function(_, console)
      local _, last = eval(console, "local x = 1\nerror('boom')")
      assert.equal("console:2: boom", last.error)
      _, last = eval(console, "error('boom')")
      assert.equal("console:1: boom", last.error)
      _, last = eval(console, "error({})")
      assert.matches("error without a message %(a table%)", last.error)
      _, last = eval(console, "nothing.x")
      assert.matches("undeclared variable 'nothing'", last.error)
      assert.equal("1", (eval(console, "1")))
    end)
  end)

  it("has the sandbox of scripts, and its verbs", function()
    within({ tree = { ["/home/temp"] = {} } }, function(h, console)
      for _, name in ipairs { "io", "debug", "package", "jit" } do
        local _, last = eval(console, name)
        assert.matches("undeclared variable", last.error)
      end
      local _, last = eval(console, "require 'ffi'")
      assert.matches("not available to scripts", last.error)
      _, last = eval(console, "cse.on('create', '/x', print)")
      assert.matches("declarations belong at the top level", last.error)
      eval(console, "cse.add('/home/temp', '21')")
      assert.equal("21", h:latest("/home/temp"))
      assert.equal("4004", (eval(console, "select(2, cse.retrieve('/nowhere')).rsc")))
      assert.equal("5", (eval(console, "load('y = 5 return y')()")))
    end)
  end)

  it("bounds what it prints", function()
    within({}, function(_, console)
      local text, last = eval(console, "while true do print(('x'):rep(100000)) end")
      assert.is_true(#text <= 1048576)
      assert.equal("more than 1048576 bytes of output, stopped", last.error)
    end)
  end)

  it("one at a time; Ctrl-C ends one that waits, and so does leaving", function()
    within({}, function(_, console)
      give(console, { eval = "cse.sleep(1000)" })
      local _, last = eval(console, "1")
      assert.matches("the line before has not ended", last.error)
      give(console, { stop = true })
      _, last = take()
      assert.same({ done = true, error = "interrupted" }, last)
      assert.equal("1", (eval(console, "1")))
      give(console, { eval = "cse.sleep(1000)" })
      loop.run(function() return console.gone(1) end)
      loop.settle()
      assert.is_nil(sent[1])
    end)
  end)

  it("is refused when it is no message", function()
    within({}, function(_, console)
      give(console, { nothing = 1 })
      local _, last = take()
      assert.equal("eval, complete or stop was expected", last.error)
    end)
  end)
end)

local STATS = [[
  local cse = require "moon2m"
  cse.check("create", "/home/temp", function(req)
    if req.pc.con == "bad" then return false, "bad" end
  end)
  cse.on("create", "/home/temp", function(ev) return ev.res.con end)
  cse.every(10, function() end)
]]

local HOME = { tree = { ["/home/temp"] = { mni = 10 } }, scripts = { stats = STATS } }

describe("a command of the console", function()
  it("scripts: all, one, none of that name", function()
    within(HOME, function(h, console)
      h:create("/home/temp", "20")
      local text = eval(console, "scripts()")
      assert.matches("^name +declares +calls +errors +p50 ", text)
      assert.matches("\nstats +3 +2 +0 ", text)
      text = eval(console, "scripts('stats')")
      assert.matches("\n +1 +0 .* check create /home/temp %(", text)
      local _, last = eval(console, "scripts('none')")
      assert.equal("no script named none is loaded", last.error)
    end)
  end)

  it("tree: below a path, so deep", function()
    within(HOME, function(h, console)
      h:create("/home/temp", "20")
      assert.equal("name    type\nhome    cnt   0 instances, 0 B\n" ..
        '  temp  cnt   1 instance, 2 B, newest "20"', (eval(console, "tree()")))
      assert.is_nil((eval(console, "tree('/', 1)")):find("temp"))
      assert.matches("^name  type", (eval(console, "tree('/home')")))
      local _, last = eval(console, "tree('/nowhere')")
      assert.matches("no such resource", last.error)
      _, last = eval(console, "tree(1)")
      assert.equal("tree: a path was expected", last.error)
    end)
  end)

  it("timers and memory", function()
    within(HOME, function(_, console)
      assert.matches("\nstats +10 s +in 10%.0 s +0 +every 10 s %(", (eval(console, "timers()")))
      local text = eval(console, "memory()")
      assert.matches("\nLua in all +%d", text)
      assert.matches("\nscript stats +%d", text)
      assert.matches("resources in the cache", text)
    end)
  end)

  it("reload and replay do what the operator's do", function()
    within(HOME, function(h, console)
      h:write("stats", STATS .. "x = 1")
      local _, last = eval(console, "reload('stats')")
      assert.matches("assignment to undeclared variable 'x'", last.error)
      h:write("stats", STATS)
      assert.matches("stats", (eval(console, "reload('stats')")))
      assert.matches("^0 events", (eval(console, "replay('stats')")))
      _, last = eval(console, "replay()")
      assert.equal("replay: a script's name was expected", last.error)
      _, last = eval(console, "replay('none')")
      assert.matches("no script named none", last.error)
    end)
  end)

  it("help: the list, a command by name and by function, what is unknown", function()
    within({}, function(_, console)
      local text = eval(console, "help()")
      for _, name in ipairs { "scripts", "tree", "watch", "trace", "profile", "reload", "replay",
        "timers", "memory", "help" } do
        assert.matches("\n" .. name .. "%(", text)
      end
      assert.matches("watch", (eval(console, "help('watch')")))
      assert.matches("^watch%(", (eval(console, "help(watch)")))
      assert.matches("^cse%.add%(", (eval(console, "help(cse.add)")))
      local _, last = eval(console, "help('nothing')")
      assert.matches("^help: no text about nothing", last.error)
      _, last = eval(console, "help(function() end)")
      assert.matches("^help: no text about that function", last.error)
    end)
  end)
end)

describe("live lines", function()
  it("watch shows what matches, until it is stopped; then nobody looks", function()
    within(HOME, function(h, console)
      local dispatch = require "moon2m.dispatch"
      assert.is_nil(dispatch.observe)
      give(console, { eval = "watch('/home/**')" })
      h:create("/home/temp", "20")
      h:create("/home/temp", "bad")
      h:create("/", "container", { rn = "other" })
      h:retrieve("/home/temp/nothing")
      local text, last = take()
      local lines = {}
      for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
      assert.equal(3, #lines)
      assert.matches(
        '^%d%d:%d%d:%d%d%.%d%d%d create /home/temp type 4 by %S+: 2001, .* ms {.*"con":"20"',
        lines[1])
      assert.matches(': 4000, .* ms {"m2m:dbg":"bad"}', lines[2])
      assert.matches(" retrieve /home/temp/nothing by %S+: 4004, ", lines[3])
      assert.is_nil(last.done)
      give(console, { stop = true })
      local _, done = take()
      assert.same({ done = true }, done)
      assert.is_nil(dispatch.observe)
      local _, refused = eval(console, "watch('home')")
      assert.matches('a path pattern starts with "/"', refused.error)
    end)
  end)

  it("trace shows calls with arguments and results, of that script", function()
    within(HOME, function(h, console)
      local rule = require "moon2m.rule"
      give(console, { eval = "trace('stats')" })
      h:create("/home/temp", "20")
      local text = take()
      assert.matches("stats: check create /home/temp %(.-%)%({.-}%), %d", text)
      assert.matches('stats: on create .* %-> "20"', text)
      give(console, { stop = true })
      assert.is_nil(rule.observe)
      local _, last = (function() take() return eval(console, "trace('none')") end)()
      assert.equal("no script named none is loaded", last.error)
    end)
  end)

  it("two who look, and one who leaves", function()
    within(HOME, function(h, console)
      local dispatch = require "moon2m.dispatch"
      give(console, { eval = "watch()" }, 1)
      give(console, { eval = "watch()" }, 2)
      h:create("/home/temp", "20")
      assert.is_not_nil(sent[1])
      assert.is_not_nil(sent[2])
      sent = {}
      loop.run(function() return console.gone(1) end)
      loop.settle()
      h:create("/home/temp", "21")
      assert.is_nil(sent[1])
      assert.is_not_nil(sent[2])
      give(console, { stop = true }, 2)
      assert.is_nil(dispatch.observe)
    end)
  end)

  it("what the client does not read, and what is too much, is skipped and counted", function()
    within(HOME, function(h, console)
      give(console, { eval = "watch('/home/**')" })
      unread[1] = 100000
      h:create("/home/temp", "20")
      h:create("/home/temp", "21")
      h:advance(2)
      assert.is_nil(sent[1])
      unread[1] = 0
      h:advance(1)
      assert.equal("2 lines skipped", (take()))
      for _ = 1, 300 do h:retrieve("/home/temp") end
      local text = take()
      local _, n = text:gsub("\n", "")
      assert.equal(199, n)
      h:advance(1)
      assert.equal("100 lines skipped", (take()))
      h:retrieve("/home/temp")
      assert.matches("retrieve /home/temp", (take()))
      give(console, { stop = true })
    end)
  end)
end)

describe("profile", function()
  local DATA = { seconds = 0.5, samples = 100, outside = 50, cut = 0, stacks = {
    ["apps/a.lua:1;lib/moon2m.lua:9"] = 30, ["apps/a.lua:1;apps/a.lua:2;[builtin#3]"] = 15,
    ["(garbage collection)"] = 5 } }

  it("prints the hot lines; a builtin's time is its caller's", function()
    within({}, function(h, console)
      samples = DATA
      give(console, { eval = "profile(2)" })
      h:advance(2)
      local text = take()
      assert.equal(table.concat({
        "100 samples in 2.0 s: the loop used 25.0 % of a core; Lua ran in 50 of them",
        "self    total   line",
        "60.0 %  60.0 %  lib/moon2m.lua:9",
        "30.0 %  30.0 %  apps/a.lua:2",
        "10.0 %  10.0 %  (garbage collection)",
        "0.0 %   90.0 %  apps/a.lua:1" }, "\n"), text)
    end)
  end)

  it("gives the client what it draws; refuses what is no file of its folder", function()
    within({}, function(h, console)
      samples = DATA
      give(console, { eval = "profile(1, 'out.svg')" })
      h:advance(1)
      local file
      for _, m in ipairs(sent[1]) do
        if m.file then file = m end
      end
      take()
      assert.equal("out.svg", file.file)
      assert.matches("apps/a%.lua:1;lib/moon2m%.lua:9 30", file.folded)
      for _, bad in ipairs { "'../x.svg'", "'.svg'", "'x.lua'", "1" } do
        local _, last = eval(console, ("profile(1, %s)"):format(bad))
        assert.matches("profile: the file is a name", last.error)
      end
      local _, last = eval(console, "profile(-1)")
      assert.matches("seconds above 0", last.error)
    end)
  end)

  it("ends early at Ctrl-C, and one at a time is taken", function()
    within({}, function(_, console)
      samples = DATA
      give(console, { eval = "profile(60)" })
      give(console, { stop = true })
      assert.matches("100 samples", (take()))
      samples = "busy"
      local _, last = eval(console, "profile(1)")
      assert.equal("profile: another console takes one now", last.error)
    end)
  end)

  it("becomes a picture", function()
    local flame = require "moon2m.flame"
    local svg = flame.svg("a<b>.lua:1;lib/x.lua:2 3\na<b>.lua:1 1", "5 & 6")
    assert.matches("^<svg .*</svg>\n$", svg)
    assert.matches("5 &amp; 6", svg)
    local number = tostring(pcall):match("builtin#%d+")
    assert.equal("a.lua:1;pcall;lib/x.lua:2 3", require("moon2m.console.profile").folded {
      stacks = { [("a.lua:1;[%s];lib/x.lua:2"):format(number)] = 3 } })
    assert.matches("a&lt;b&gt;%.lua:1: 4 samples, 100%.0 %%", svg)
    assert.matches("lib/x%.lua:2: 3 samples, 75%.0 %%", svg)
    assert.is_nil(svg:find("href", 1, true))
    assert.matches("no Lua ran meanwhile", flame.svg("", "t"))
  end)
end)

describe("completion", function()
  local function words(console, text)
    give(console, { complete = text })
    local _, last = take()
    return last.words, last.from
  end

  it("knows commands, names, fields and words of Lua", function()
    within({}, function(_, console)
      assert.same({ "timers" }, (words(console, "time")))
      local list, from = words(console, "x = cse.lo")
      assert.same({ "cse.log" }, list)
      assert.equal(4, from)
      assert.same({ "cse.log.warn" }, (words(console, "cse.log.w")))
      eval(console, "mine = { first = { inner = 1 }, ['not a name'] = 1 } text = 'abc'")
      assert.same({ "mine.first" }, (words(console, "mine.")))
      assert.same({ "mine.first.inner" }, (words(console, "print(mine.first.i")))
      assert.same({ "text:gmatch", "text:gsub" }, (words(console, "text:g")))
      assert.same({ "reload", "repeat", "replay", "require", "return" },
        (words(console, "1 re")))
      assert.same({}, (words(console, "nothing.x")))
      assert.same({}, (words(console, "'abc")))
    end)
  end)

  it("knows resources after a quote", function()
    within({ tree = { ["/home/temp"] = {}, ["/home/tempo"] = {}, ["/hall"] = {} } },
      function(_, console)
        local list, from = words(console, "tree('/h")
        assert.same({ "/hall", "/home" }, list)
        assert.equal(6, from)
        assert.same({ "/home/temp", "/home/tempo" }, (words(console, 'x("a", "/home/te')))
        assert.same({}, (words(console, "tree('/nowhere/")))
      end)
  end)
end)
