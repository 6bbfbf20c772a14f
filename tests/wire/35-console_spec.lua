-- `moon2m console` at a terminal and from a pipe, `moon2m eval`.

local h = require "harness"
local sh, quoted = h.sh, h.quoted
local bin = h.bin

local SCRIPT = [[
local cse = require "moon2m"
cse.on("create", "/dev/temp", function(ev)
  local n = 0
  for i = 1, 300000 do n = n + i % 7 end
  return ev.res.con
end)
cse.check("create", "/dev/temp", function(req)
  if req.pc.con == "bad" then return false, "no \27[31m" end
end)
]]

local s

local function eval(text, options)
  return sh("timeout 60 %s eval --data %s %s %s 2>&1", bin, s.data, options or "", quoted(text))
end

-- ---- a terminal ---------------------------------------------------------------------------------

local Terminal = {}
Terminal.__index = Terminal

-- The console at a pseudo-terminal of util-linux' script; keys go in through a FIFO.
local function open_terminal(name)
  local t = setmetatable({ out = ("%s/%s.out"):format(s.dir, name), at = 1 }, Terminal)
  local keys = ("%s/%s.keys"):format(s.dir, name)
  local absolute = sh("readlink -f %s", bin)
  sh("mkfifo %s; cd %s; ( exec timeout 120 env -u XDG_STATE_HOME HOME=%s TERM=xterm script -qfec" ..
    " %s %s <%s ) >/dev/null 2>&1 & echo started", keys, s.dir, s.dir,
    quoted(("exec %s console --data %s"):format(absolute, s.data)), t.out, keys)
  t.keys = assert(io.open(keys, "w"))
  t.keys:setvbuf("no")
  return t
end

function Terminal:type(text) self.keys:write(text) end

-- Waits until the pattern has come since what was expected last; the text up to its end.
function Terminal:expect(pattern)
  local text
  h.wait("the terminal to show " .. pattern, function()
    local shown = h.read_file(self.out)
    local _, last = shown:find(pattern, self.at)
    if not last then return false end
    text = shown:sub(self.at, last)
    self.at = last + 1
    return true
  end, 20)
  return text
end

function Terminal:close()
  self.keys:close()
end

describe("moon2m eval", function()
  setup(function()
    s = h.start { scripts = { stats = SCRIPT } }
    s:register("dev")
    h.expect(2001, s:create("/moon/dev", "Cdev", 3, { rn = "temp", mni = 100 }))
    s:add("/moon/dev/temp", "Cdev", "21")
  end)
  teardown(h.stop_all)

  it("prints the value, as Lua or as JSON", function()
    local text, rc = eval("1 + 1")
    assert.equal("2", text)
    assert.equal(0, rc)
    assert.equal('"21"', (eval('cse.latest("/dev/temp").con')))
    assert.equal('{"a":[1,2]}', (eval("{ a = { 1, 2 } }", "--json")))
    assert.equal("", (eval("x = 1")))
    text = eval("scripts()")
    assert.matches("^name +declares +calls +errors", text)
    assert.matches("\nstats +2 +2 +0 ", text)
  end)

  it("fails with the message", function()
    for text, message in pairs { ["error('boom')"] = "console:1: boom",
      ["x = "] = "console:1: unexpected symbol near '<eof>'",
      ["while true do end"] = "console:1: still running after 2000 ms, stopped" } do
      local said, rc = eval(text)
      assert.equal(message, said)
      assert.equal(1, rc)
    end
    local _, rc = sh("%s eval 2>&1", bin)
    assert.equal(2, rc)
    _, rc = sh("%s eval --bad 1 2>&1", bin)
    assert.equal(2, rc)
    local text
    text, rc = sh("%s eval --data /nowhere 1 2>&1", bin)
    assert.matches("no server to ask: /nowhere/moon2m.sock", text)
    assert.equal(1, rc)
  end)

  it("profiles what runs, and draws it where it is called", function()
    local load = ("%s/load.pid"):format(s.dir)
    sh("( for i in $(seq 2000); do curl -s -o /dev/null -H 'X-M2M-Origin: Cdev' -H 'X-M2M-RI: p'" ..
      " -H 'X-M2M-RVI: 3' -H 'Content-Type: application/json;ty=4' %s/moon/dev/temp" ..
      " -d '{\"m2m:cin\":{\"con\":\"1\"}}'; done ) >/dev/null 2>&1 & echo $! >%s", s.base, load)
    local absolute = sh("readlink -f %s", bin)
    local text, rc = sh("cd %s; timeout 60 %s eval --data %s %s 2>&1", s.dir, absolute, s.data,
      quoted('profile(3, "out.svg")'))
    sh("kill %s", h.read_file(load):match("%d+"))
    assert.equal(0, rc)
    assert.matches("samples in %d+%.%d s: the loop used", text)
    assert.matches("\nout%.svg written", text)
    assert.matches("%% +%S*stats%.lua:4", text)
    local svg = h.read_file(s.dir .. "/out.svg")
    assert.matches("^<svg .*stats%.lua:4.*</svg>\n$", svg)
    assert.equal(0, select(2, sh("grep -c 'https\\?://' %s/out.svg | grep -qx 1", s.dir)))
  end)

  it("leaves nothing behind when it is killed while it watches", function()
    for _ = 1, 12 do          -- more than may be open at once
      sh("timeout -s KILL 0.3 %s eval --data %s 'watch()' >/dev/null 2>&1; true", bin, s.data)
    end
    h.wait("the consoles to be closed", function()
      return (eval("'free'")) == '"free"'
    end)
    s:add("/moon/dev/temp", "Cdev", "22")
  end)
end)

describe("moon2m console from a pipe", function()
  setup(function() s = h.start {} end)
  teardown(h.stop_all)

  it("runs the lines; a chunk may have many; the exit code tells of a failure", function()
    local input = s.dir .. "/lines"
    h.write_file(input, "local x = 2\nx * 21\nfunction f(n)\n  return n + 1\nend\n\nf(x)\n")
    local text, rc = sh("timeout 60 %s console --data %s <%s 2>&1", bin, s.data, input)
    assert.equal("42\n3", text)
    assert.equal(0, rc)
    h.write_file(input, "nope\n1\n")
    text, rc = sh("timeout 60 %s console --data %s <%s 2>&1", bin, s.data, input)
    assert.equal("console:1: undeclared variable 'nope'\n1", text)
    assert.equal(1, rc)
    h.write_file(input, "for i = 1, 2 do")
    text, rc = sh("timeout 60 %s console --data %s <%s 2>&1", bin, s.data, input)
    assert.matches("<eof>", text)
    assert.equal(1, rc)
  end)

  it("opens eight and no more", function()
    local dir = s.dir
    sh("for i in $(seq 12); do ( timeout 60 %s eval --data %s 'watch()' >/dev/null 2>%s/w.$i & " ..
      "echo $! >>%s/pids ) >/dev/null 2>&1; done", bin, s.data, dir, dir)
    h.wait("four to be refused", function()
      return (sh("cat %s/w.* | grep -c 'eight consoles are open'", dir)) == "4"
    end, 30)
    sh("kill $(cat %s/pids)", dir)
    h.wait("room", function() return (eval("1")) == "1" end)
  end)

  it("ends when the server does", function()
    sh("( timeout 60 %s eval --data %s 'watch()' >%s/e.out 2>&1; " ..
      "echo rc=$? >>%s/e.out ) >/dev/null 2>&1 &", bin,
      s.data, s.dir, s.dir)
    h.wait("it to watch", function()
      return s:http("GET", "/moon", "CAdmin") and eval("cse.retrieve('/')") ~= "" and
        h.read_file(s.dir .. "/e.out"):find("retrieve")
    end)
    assert.equal(0, s:stop())
    h.wait("its end", function()
      return h.read_file(s.dir .. "/e.out"):find("the server has gone.*rc=1")
    end)
  end)
end)

describe("moon2m console at a terminal", function()
  setup(function()
    s = h.start { scripts = { stats = SCRIPT } }
    s:register("dev")
    h.expect(2001, s:create("/moon/dev", "Cdev", 3, { rn = "temp", mni = 100 }))
  end)
  teardown(h.stop_all)

  it("prompts, continues, completes, stops, remembers", function()
    local t = open_terminal "one"
    t:expect "Tab completes.*moon2m> "
    t:type "40 + 2\r"
    t:expect "\n42\r\n.*moon2m> "
    t:type "for i = 1, 2 do\r"
    t:expect "%.%. "
    t:type "print('n' .. i)\rend\r"
    t:expect "\nn1\r\nn2\r\n.*moon2m> "
    t:type "cse.lat\t('/dev/te\t').con\r"
    t:expect "\nconsole:1: attempt to index a nil value.*moon2m> "
    t:type "half of a line\003"
    t:expect "moon2m> "
    t:type "watch('/dev/**')\r"
    h.wait("a request to be seen", function()
      s:create("/moon/dev/temp", "Cdev", 4, { con = "21" })
      return h.read_file(t.out):find("create /dev/temp type 4 by Cdev: 2001", 1, true)
    end)
    s:create("/moon/dev/temp", "Cdev", 4, { con = "bad" })
    t:expect "by Cdev: 4000"
    t:type "\003"
    t:expect "moon2m> "
    t:type "trace('stats')\r"
    h.wait("a call to be seen", function()
      s:create("/moon/dev/temp", "Cdev", 4, { con = "21" })
      return h.read_file(t.out):find('stats: on create .* %-> "21"')
    end)
    t:type "\003"
    t:expect "moon2m> "
    t:type "print('\\27[31mred')\r"
    t:expect "%?%[31mred"
    t:expect "moon2m> "
    t:type "\004"
    t:expect 'COMMAND_EXIT_CODE="0"'
    t:close()
    local file = s.dir .. "/.moon2m_history"
    assert.equal("600", (sh("stat -c %%a %s", file)))
    assert.matches("cse%.latest%('/dev/temp'%)%.con", h.read_file(file))
  end)
end)
