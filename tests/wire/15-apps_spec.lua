-- The example scripts and the demo, started as their headers say.

local h = require "harness"
local expect, sh = h.expect, h.sh

describe("apps/", function()
  teardown(h.stop_all)

  -- The example scripts: files, and folders with an init.lua.
  local function scripts()
    local list = {}
    for file in sh("ls apps/*.lua apps/*/init.lua"):gmatch("%S+") do
      if not file:match("%.conf%.lua$") and not file:match("_test%.lua$") then
        list[#list + 1] = { file = file, name = (file:gsub("/init%.lua$", "")) }
      end
    end
    assert.is_true(#list >= 14)
    return list
  end

  it("every script loads, has a test, and is in apps/README.md", function()
    local readme = h.read_file("apps/README.md")
    for _, script in ipairs(scripts()) do
      local text, rc = sh("%s check %s", h.bin, script.name)
      assert.equal(0, rc, text)
      local name = script.name:match("[^/]+$")
      assert.is_truthy(readme:find("`" .. name .. "`", 1, true), name .. " is not in the README")
      local test = script.name:gsub("%.lua$", "") .. "_test.lua"
      assert.not_equal("", h.read_file(test), test)
    end
  end)

  it("every script's header says how to run it", function()
    for _, script in ipairs(scripts()) do
      local text = h.read_file(script.file)
      assert.equal("-- ", text:sub(1, 3))
      assert.is_truthy(text:find("moon2m run[^\n]* " .. script.name:gsub("%p", "%%%0")),
        script.name)
    end
  end)

  it("try.sh: the shell functions that the headers use", function()
    local s = h.start { apps = { "apps/compact.lua" } }
    local function try(commands)
      return sh("export CSE=http://127.0.0.1:%d/moon MOON2M=%s; . apps/try.sh; %s", s.port, h.bin,
        commands)
    end
    local _, rc = try "cse_make /dev/a/temp"
    assert.equal(0, rc)
    local values = { ["21.50"] = "21.50", ["-3"] = "-3", text = '"text"', ["'a b'"] = '"a b"',
      ["'{\"v\":1}'"] = '{"v":1}', ["1.2.3"] = '"1.2.3"', ["-"] = '"-"' }
    for value, json in pairs(values) do
      local text = try("cse_add /dev/a/temp " .. value .. "; cse_get /dev/a/temp/la")
      assert.equal(2, select(2, text:gsub('"con":' .. json:gsub("%p", "%%%0") .. "}}", "")), text)
    end
    assert.matches('"aei":"Cguest"', (try "cse_register Cguest"))
    assert.matches("Cguest may not retrieve", (try "FROM=Cguest cse_get /dev/a/temp"))
    local text = try [[
      (for i in 1 2 3 4 5 6 7 8; do sleep 0.5; cse_add /dev/a/temp $i >/dev/null; done) &
      timeout -k 5 6 sh -c '. apps/try.sh; cse_watch /dev/a/temp compact']]
    assert.matches("/dev/a/temp %d+T%d+,%d+ 8", text)
  end)

  it("hello.lua: a reading every five seconds, a log line for each", function()
    local s = h.start { apps = { "apps/hello.lua" } }
    local r = h.wait("the first reading", function()
      local a = s:retrieve("/moon/hello/la", "CAdmin")
      return a.rsc == 2000 and expect(2000, a)
    end, 8)
    assert.matches("^%d%d:%d%d:%d%d$", r.con)
    s:logs("hello, the time is " .. r.con)
    assert.equal(100, expect(2000, s:retrieve("/moon/hello", "CAdmin")).mni)
  end)

  it("host_metrics.lua: this host's figures, open to readers, closed to writers", function()
    local s = h.start { config = h.read_file("apps/demo.conf.lua"), apps = {
      "apps/host_metrics.lua" } }
    s:register("me")
    for _, name in ipairs { "load", "memory", "disk", "network" } do
      local r = h.wait("a reading of " .. name, function()
        local a = s:retrieve("/moon/host/" .. name .. "/la", "Cme")
        return a.rsc == 2000 and expect(2000, a)
      end, 5)
      assert.is_table(r.con)
      local n = 0
      for _, v in pairs(r.con) do
        if type(v) == "number" then n = n + 1 end
      end
      assert.is_true(n >= 2, name)
    end
    local total = tonumber(h.read_file("/proc/meminfo"):match("MemTotal:%s+(%d+)"))
    assert.equal(total, expect(2000, s:retrieve("/moon/host/memory/la", "Cme")).con.total)
    expect(4103, s:create("/moon/host/load", "Cme", 4, { con = "1" }))
    expect(4103, s:delete("/moon/host", "Cme"))
    expect(2001, s:create("/moon/host/load", "Cme", 23, { nu = { "Cme" }, enc = { net = { 3 } } }))
    assert.equal(0, s:stop())
    assert.not_matches("error", s:text())
    s:run()                                           -- and once more, with what is there
    h.wait("readings again", function() return s:retrieve("/moon/host/load/la",
      "Cme").rsc == 2000 end)
    assert.not_matches("error", s:text())
  end)

  -- A server in a time zone where it is this hour now.
  local function at_hour(hour)
    local east = (hour - tonumber(os.date("!%H")) + 36) % 24 - 12       -- -12 to 11
    local s = h.start { apps = { "apps/office_hours.lua" },
      env = ("TZ=TST%+d"):format(-east) }                               -- POSIX counts to the west
    s:register("home")
    s:register("guest")
    expect(2001, s:create("/moon/home", "Chome", 3, { rn = "temp" }))
    s:add("/moon/home/temp", "Chome", "21")
    return s
  end

  it("office_hours.lua: open from 08 to 18, for reading only", function()
    local s = at_hour(12)
    assert.equal("21", expect(2000, s:retrieve("/moon/home/temp/la", "Cguest")).con)
    expect(2000, s:retrieve("/moon/home/temp", "Cguest"))
    expect(4103, s:create("/moon/home/temp", "Cguest", 4, { con = "1" }))
    expect(4103, s:delete("/moon/home/temp", "Cguest"))
  end)

  it("office_hours.lua: closed at night with a reason, but not to who made the resource", function()
    local s = at_hour(2)
    expect(4103, s:retrieve("/moon/home/temp/la", "Cguest"), "readings are open from 08 to 18")
    assert.equal("21", expect(2000, s:retrieve("/moon/home/temp/la", "Chome")).con)
    local ri = expect(2000, s:retrieve("/moon/home/temp", "Chome")).ri
    expect(2000, s:retrieve("/" .. ri, "Chome"))
    expect(4103, s:retrieve("/" .. ri, "Cguest"))
    s:add("/moon/home/temp", "Chome", "22")
    expect(4103, s:create("/moon/home/temp", "Cguest", 4, { con = "1" }))
  end)

  it("stats.lua: stored beside, computed when read", function()
    local s = h.start { apps = { "apps/stats.lua" } }
    s:register("home")
    expect(2001, s:create("/moon/home", "Chome", 3, { rn = "kitchen" }))
    expect(2001, s:create("/moon/home/kitchen", "Chome", 3, { rn = "temp" }))
    for _, v in ipairs { "20", "30", "10" } do s:add("/moon/home/kitchen/temp", "Chome", v) end
    local function parsed(con) return type(con) == "string" and require("cjson").decode(con)
      or con end
    expect(4004, s:retrieve("/moon/home/cellar/temp/stats", "CAdmin"))
    local r = expect(2000, s:retrieve("/moon/home/kitchen/temp/stats", "Chome"))
    assert.same({ min = 10, max = 30, avg = 20, n = 3 }, parsed(r.con))
    h.wait("the container beside", function()
      local a = s:retrieve("/moon/home/kitchen/temp-stats/la", "CAdmin")
      return a.rsc == 2000 and parsed(expect(2000, a).con).n == 3
    end)
  end)

  it("senml.lua: SenML frames for the label format:senml", function()
    local s = h.start { apps = { "apps/senml.lua" } }
    local ws = s:listen(s:register("view"))
    expect(2001, s:create("/moon/view", "Cview", 3, { rn = "temp" }))
    expect(2001, s:create("/moon/view/temp", "Cview", 23, { nu = { "Cview" }, enc = { net = { 3 } },
      lbl = { "format:senml" } }))
    s:add("/moon/view/temp", "Cview", "21.5")
    local m = assert(ws:receive(5))
    assert.equal(21.5, m[1].v)
    assert.is_string(m[1].bn)
    ws:close()
  end)
end)

describe("the demo", function()
  teardown(h.stop_all)

  it("says when its port is taken, and does not talk to who has it", function()
    local s = h.start()
    local text, rc = sh("DEMO_SECONDS=2 DEMO_DATA=%s/demo timeout 20 apps/demo.sh %d", s.dir,
      s.port)
    assert.equal(1, rc, text)
    assert.is_truthy(text:find("port " .. s.port .. " is taken", 1, true), text)
    expect(4004, s:retrieve("/moon/viewer", "CAdmin"))
  end)

  it("shows the main job by itself, and ends", function()
    local dir, port = h.directory(), h.free_port()
    local text, rc = sh("DEMO_SECONDS=4 DEMO_DATA=%s/data timeout 40 apps/demo.sh %d", dir, port)
    assert.equal(0, rc, text)
    assert.matches("X%-M2M%-RSC: 2001", text)
    assert.matches("[Ll]ink: <ws://127.0.0.1:" .. port .. "/notify/", text)
    for _, what in ipairs { "load", "memory", "network" } do
      assert.matches(what .. ": [Xx]%-[Mm]2[Mm]%-[Rr][Ss][Cc]: 2001", text)
    end
    local _, n = text:gsub("m2m:sgn", "")
    assert.is_true(n >= 3, "notifications: " .. n .. "\n" .. text)
    assert.matches("stopped; the data is kept in", text)
    -- a second time, on the data that is there
    text, rc = sh("DEMO_SECONDS=2 DEMO_DATA=%s/data timeout 40 apps/demo.sh %d", dir, port)
    assert.equal(0, rc, text)
    assert.matches("m2m:sgn", text)
    assert.equal("", (sh("fuser %d/tcp 2>/dev/null", port)))
    sh("rm -rf %s", dir)
  end)
end)
