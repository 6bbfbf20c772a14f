-- Under a service manager: what it is told and when, signs of life, and lines for the journal.

local h = require "harness"

describe("as a service", function()
  local pids = {}

  after_each(function()
    h.stop_all()
    for _, pid in ipairs(pids) do h.sh("kill %d", pid) end
    pids = {}
  end)

  -- The service manager's end: a function that gives what it was told so far.
  local function manager(dir)
    h.sh("socat -u UNIX-RECV:%s/notify OPEN:%s/told,creat,append >/dev/null 2>&1 & echo $! >%s/pid",
      dir, dir, dir)
    pids[#pids + 1] = tonumber(h.read_file(dir .. "/pid"))
    h.wait("the manager's socket", function()
      return h.sh("ls %s/notify", dir) == dir .. "/notify"
    end)
    return function() return h.read_file(dir .. "/told") end
  end

  local function count(text, what) return select(2, text:gsub(what, "")) end

  it("says when it is ready, reloads, lives and stops", function()
    local dir = h.directory()
    local told = manager(dir)
    local s = h.start { dir = dir,
      env = ("NOTIFY_SOCKET=%s/notify WATCHDOG_USEC=200000"):format(dir) }
    h.wait("READY", function() return told():find "^READY=1\nSTATUS=ready" end)
    h.wait("signs of life", function() return count(told(), "WATCHDOG=1") > 3 end)
    s:signal "HUP"
    h.wait("a reload", function()
      return told():find "RELOADING=1\nMONOTONIC_USEC=%d+.*READY=1\nSTATUS=reloaded"
    end)
    assert.equal(0, s:stop())
    h.wait("STOPPING", function() return told():find "STOPPING=1" end)
  end)

  it("gives no sign of life while the loop does not turn", function()
    local dir = h.directory()
    local told = manager(dir)
    local s = h.start { dir = dir,
      env = ("NOTIFY_SOCKET=%s/notify WATCHDOG_USEC=200000"):format(dir) }
    h.wait("signs of life", function() return told():find "WATCHDOG=1" end)
    s:signal "STOP"
    h.wait("its rest", function()
      return h.read_file(("/proc/%d/stat"):format(s.pid)):match "^%d+ %b() T"
    end)
    h.sleep(0.1)
    local before = told()
    h.sleep(0.4)
    assert.equal(before, told())
    s:signal "CONT"
    h.wait("more signs of life", function() return #told() > #before end)
  end)

  it("is silent for another process's watchdog, and never ready when it cannot start", function()
    local dir = h.directory()
    local told = manager(dir)
    local s = h.start { dir = dir, config = "boot = 'nix.lua'", wait = false,
      env = ("NOTIFY_SOCKET=%s/notify WATCHDOG_USEC=10000 WATCHDOG_PID=1"):format(dir) }
    assert.equal(1, s:exit_code())
    h.sleep(0.05)
    assert.is_nil(told():find "READY")
    assert.is_nil(told():find "WATCHDOG")
  end)

  it("begins lines with their priority for the journal only", function()
    local dir = h.directory()
    local stream = h.sh("touch %s/log.1 && stat -c %%d:%%i %s/log.1", dir, dir)
    local s = h.start { dir = dir, env = "JOURNAL_STREAM=" .. stream,
      scripts = { bad = "error 'no'" } }
    assert.truthy(s:text():find "<6>info boot ready")
    for line in s:text():gmatch "[^\n]+" do assert.truthy(line:find "^<[3467]>", line) end
    s:stop()
    s = h.start { env = "JOURNAL_STREAM=1:1" }
    assert.truthy(("\n" .. s:text()):find "\ninfo boot ready")
  end)

  it("has a unit that systemd takes and finds confined", function()
    local dir = h.directory()
    h.sh("sed 's|@BINDIR@/moon2m|%s|; s|@SYSCONFDIR@|/etc|' packaging/moon2m.service"
      .. " >%s/moon2m.service", h.sh("realpath " .. h.bin), dir)
    assert.same({ "", 0 }, { h.sh("systemd-analyze verify --man=no %s/moon2m.service", dir) })
    local text, rc = h.sh("cd %s && systemd-analyze security --offline=true --no-pager"
      .. " --threshold=15 ./moon2m.service", dir)
    assert.equal(0, rc, text)
    h.sh("rm -r %s", dir)
  end)
end)
