-- A server that a script brought down: who is to blame, what the next start leaves off, the
-- supervisor, safe mode.

local h = require "harness"
local expect = h.expect

local ME = "Chome"
local TEMP = "/moon/home/temp"
local HEAD = 'local cse = require "moon2m"\n'
local asan = h.sh("ldd %s", h.bin):find("asan") ~= nil       -- it reports a crash itself

local BAD = HEAD .. [[
cse.on("create", "/home/temp", function(ev)
  if ev.res.con == "stuck" then
    local at = (("a"):rep(5000)):find(".-.-.-.-.-b")
  elseif ev.res.con == "crash" then
    require("ffi").cast("int *", 0)[0] = 1
  end
end)
cse.start(function() cse.log.info("bad runs") end)
]]
local GOOD = HEAD .. 'cse.start(function() cse.log.info("good runs") end)\n'

local function start(o)
  o = o or {}
  o.scripts = o.scripts or { bad = BAD, good = GOOD }
  o.config = 'trust = { bad = "full" }\nbudgets = { stuck = 1 }\n' .. (o.config or "")
  local s = h.start(o)
  s:register("home")
  expect(2001, s:create("/moon/home", ME, 3, { rn = "temp" }))
  return s
end

local function ask(s, what) return (h.sh("timeout 10 %s %s --data %s", h.bin, what, s.data)) end

-- The child of the supervisor.
local function child(s)
  return tonumber((h.sh("cat /proc/%d/task/%d/children", s.pid, s.pid)))
end

local function count(text, pattern)
  local _, n = text:gsub(pattern, "")
  return n
end

-- With the port that the first child got, the same clients reach the next one.
local function supervised(o)
  o = o or {}
  o.args = "--supervise"
  o.listen = "127.0.0.1:" .. h.free_port()
  return start(o)
end

local function ready(s, n)
  h.wait("ready line " .. n, function() return count(s:text(), "boot ready") >= n end)
end

describe("a script that is stuck in C code", function()
  after_each(h.stop_all)

  it("ends the process with 70, its place and event; the next start leaves it off, once", function()
    local s = start()
    s:add(TEMP, ME, "stuck")
    assert.equal(70, s:exit_code())
    assert.matches("a script is stuck in C code, exiting rule=on create /home/temp" ..
      " %(%S+bad%.lua:2%) at=%S+bad%.lua:4 event=create /home/temp script=bad\n", s:text())
    s:run()
    s:logs("bad is off: stuck in C code in on create /home/temp %(%S+bad.lua:2%)" ..
      " at %S+bad.lua:4, create /home/temp; `moon2m reload bad` loads it")
    s:logs("good runs")
    assert.not_matches("bad runs", s:text())
    assert.equal("stuck", expect(2000, s:retrieve(TEMP .. "/la", ME)).con)
    assert.matches("bad %S+ off: stuck in C code", ask(s, "scripts"))
    assert.equal(0, s:stop())
    s:run()
    s:logs("bad runs")
  end)

  it("is loaded again by moon2m reload", function()
    local s = start()
    s:add(TEMP, ME, "stuck")
    assert.equal(70, s:exit_code())
    s:run()
    assert.matches("bad%.lua loaded", ask(s, "reload bad"))
    s:logs("bad runs")
    assert.not_matches(" off", ask(s, "scripts"))
    assert.matches("bad [^\n]*\n[^\n]* 1 parked", ask(s, "scripts"))
    s:kill()
    s:run()
    s:logs("bad runs")
    assert.matches("bad [^\n]*\n[^\n]* 1 parked", ask(s, "scripts"))
    ask(s, "replay bad")
    assert.equal(70, s:exit_code())
  end)
end)

describe("the supervisor", function()
  after_each(h.stop_all)

  it("restarts after a script was stuck, without it, and says so; nothing is lost", function()
    local s = supervised()
    s:add(TEMP, ME, "1")
    s:add(TEMP, ME, "stuck")
    ready(s, 2)
    assert.matches("supervise a script was stuck", s:text())
    assert.matches("bad is off: stuck in C code", s:text())
    assert.equal(1, count(s:text(), "bad runs"))
    assert.equal(2, count(s:text(), "good runs"))
    assert.equal(2, expect(2000, s:retrieve(TEMP, ME)).cni)
    assert.equal(0, s:stop())
  end)

  if not asan then
    it("restarts after a crash, without the script that ran", function()
      local s = supervised()
      s:create(TEMP, ME, 4, { con = "crash" })
      ready(s, 2)
      assert.matches("supervise the server crashed signal=11", s:text())
      assert.matches("bad is off: crashed with signal 11 in on create /home/temp", s:text())
      assert.matches("trusted fully", s:text())
      expect(2000, s:retrieve(TEMP, ME))
    end)

    it("leaves off what crashes while it loads", function()
      local s = supervised { scripts = { good = GOOD,
        bad = HEAD .. 'require("ffi").cast("int *", 0)[0] = 1\n' } }
      assert.matches("bad is off: crashed with signal 11 in loading %S+bad%.lua", s:text())
      assert.matches("good runs", s:text())
    end)
  end

  it("restarts after kill -9, and blames nobody", function()
    local s = supervised()
    local first = child(s)
    h.sh("kill -KILL %d", first)
    ready(s, 2)
    assert.not_equal(first, child(s))
    assert.matches("crashed signal=9", s:text())
    assert.not_matches("is off", s:text())
    assert.equal(2, count(s:text(), "bad runs"))
  end)

  it("gives up after five crashes in a row", function()
    local s = supervised()
    for n = 1, 5 do
      ready(s, n)
      h.sh("kill -KILL %d", child(s))
    end
    assert.equal(70, s:exit_code())
    assert.matches("crashed 5 times in short order, giving up", s:text())
  end)

  it("passes TERM on and exits with the server's code; so for a server that cannot start",
    function()
    local s = supervised()
    local pid = child(s)
    assert.equal(0, s:stop())
    assert.equal("", (h.sh("cat /proc/%d/comm 2>/dev/null || true", pid)))
    assert.matches("run stopped code=0", s:text())
    local text, rc = h.sh("timeout 10 %s run --supervise --data /proc/none", h.bin)
    assert.equal(1, rc, text)
  end)

  it("passes HUP on: the server reads its scripts again and stays", function()
    local s = supervised()
    local pid = child(s)
    s:signal("HUP")
    s:logs("SIGHUP: reading configuration and scripts again")
    s:logs("good%.lua reloaded: 1 rule")
    assert.equal(pid, child(s))
    expect(2000, s:retrieve(TEMP, ME))
  end)

  it("passes INT on, and ends with the server's code", function()
    local s = supervised()
    s:signal("INT")
    assert.equal(0, s:exit_code())
    assert.matches("run stopping signal=INT", s:text())
    assert.matches("run stopped code=0", s:text())
  end)

  it("ends once when a terminal interrupts both", function()
    local dir = h.sh("mktemp -d /tmp/moon2m-tty.XXXXXX")
    local text = h.sh("cd %s; till() { for i in $(seq 400); do grep -q \"$1\" out && break; " ..
      "sleep 0.05; done; }; { till 'boot ready'; printf '\\003'; till 'run stopped'; } | " ..
      "timeout 50 socat - EXEC:'%s run --supervise --listen 127.0.0.1\\:0 --data d'," ..
      "pty,setsid,ctty,stderr >out; cat out", dir, h.sh("readlink -f %s", h.bin))
    h.sh("rm -rf %s", dir)
    assert.matches("run stopping signal=INT", text)
    assert.matches("run stopped code=0", text)
    assert.not_matches("second signal", text)
    assert.not_matches("supervise", text)
  end)

  it("that is killed takes the server along", function()
    local s = supervised()
    local pid = child(s)
    s:kill()
    h.wait("the end of the server", function()
      return h.sh("kill -0 %d 2>/dev/null && echo there || true", pid) == ""
    end)
  end)
end)

describe("safe mode", function()
  after_each(h.stop_all)

  it("--safe loads no script, and says so", function()
    local s = start { args = "--safe" }
    assert.matches("safe mode, no script is loaded: %-%-safe", s:text())
    assert.not_matches("bad runs", s:text())
    assert.not_matches("good runs", s:text())
    assert.matches("good %S+ off: safe mode", ask(s, "scripts"))
    assert.matches("good%.lua loaded", ask(s, "reload good"))
    s:logs("good runs")
  end)

  it("follows three starts that ended before they were ready", function()
    local s = start { scripts = { slow = GOOD } }
    assert.equal(0, s:stop())
    h.write_file(s.dir .. "/slow.lua", HEAD .. [[
      cse.start(function() cse.log.info("starting") cse.sleep(20) end)]])
    s.o.wait = false
    for _ = 1, 3 do
      s:run()
      s:logs("starting")
      s:kill()
    end
    s.o.wait = nil
    s:run()
    assert.matches("safe mode, no script is loaded: the last 3 starts ended before", s:text())
    expect(2000, s:retrieve(TEMP, ME))
    assert.equal(0, s:stop())
    h.write_file(s.dir .. "/slow.lua", GOOD)
    s:run()
    s:logs("good runs")
  end)
end)
