-- The command line: help, exit codes, start and stop, `check`, `lua`, `listen`.

local h = require "harness"
local sh, quoted = h.sh, h.quoted
local bin = h.bin

local function lines(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do list[#list + 1] = line end
  return list
end

-- Runs `moon2m listen` in the background: { out =, err =, pid =, rc = function }.
local function listen(dir, args)
  local l = { out = dir .. "/l.out", err = dir .. "/l.err" }
  sh("( exec %s listen %s >%s 2>%s </dev/null ) & echo $! >%s/l.pid; " ..
    "( wait $!; echo $? >%s/l.rc ) 2>/dev/null &", bin, args, l.out, l.err, dir, dir)
  l.pid = tonumber(h.read_file(dir .. "/l.pid"))
  function l.lines() return lines(h.read_file(l.out)) end
  function l.gone()
    local state = h.read_file("/proc/" .. l.pid .. "/stat"):match("%) (%a)")
    return state == nil or state == "Z"
  end
  return l
end

describe("the command line", function()
  teardown(h.stop_all)

  it("explains itself and its commands", function()
    local text, rc = sh("%s --help", bin)
    assert.equal(0, rc)
    for _, name in ipairs { "run", "listen", "check", "lua" } do
      assert.matches("\n  " .. name, text)
      local help, code = sh("%s %s --help", bin, name)
      assert.equal(0, code)
      assert.matches("^Usage: moon2m " .. name, help)
      assert.matches("\nExit code: 0", help)
    end
    assert.matches("^moon2m %d+%.%d+%.%d+$", (sh("%s --version", bin)))
  end)

  it("exits 2 on wrong usage and says what is wrong", function()
    for args, pattern in pairs {
      [""] = "Usage: moon2m COMMAND",
      ["fly"] = "no command 'fly'",
      ["run --nonsense"] = "unrecognized option",
      ["run --log loud"] = "%-%-log loud: debug, info, warn or error expected",
      ["run --listen here"] = "%-%-listen here: expected HOST:PORT",
      ["run --listen 127.0.0.1:99999"] = "%-%-listen 127.0.0.1:99999",
      ["run --listen 127.0.0.1:0,ftp"] = "%-%-listen 127.0.0.1:0,ftp",
      ["run --set limits.parked"] = "%-%-set limits.parked: expected KEY=VALUE",
      ["run --set limits.parked=many"] =
        "%-%-set limits.parked=many: limits.parked: expected an integer",
      ["listen"] = "which URL%?",
      ["listen --count 0 ws://127.0.0.1:1"] = "%-%-count 0",
      ["listen --origin 'a b' ws://127.0.0.1:1"] = "%-%-origin",
      ["listen ws://127.0.0.1:1 ws://127.0.0.1:2"] = "one URL only",
      ["check"] = "which scripts%?",
      ["lua"] = "which file%?",
    } do
      local text, rc = sh("%s %s", bin, args)
      assert.equal(2, rc, args)
      assert.matches(pattern, text)
    end
  end)

  describe("lua", function()
    local dir
    setup(function() dir = h.directory() end)
    teardown(function() sh("rm -rf %s", dir) end)

    local function run(text, args)
      h.write_file(dir .. "/f.lua", text)
      return sh("%s lua %s/f.lua %s", bin, dir, args or "")
    end

    it("gives the file its arguments and returns its number", function()
      local text, rc = run("print(arg[0]:match('[^/]*$'), arg[1], ...) return 3", "a b")
      assert.equal("f.lua\ta\ta\tb", text)
      assert.equal(3, rc)
      assert.equal(0, select(2, run("return")))
      assert.equal(1, select(2, run("return false")))
    end)

    it("prints a traceback and exits 1 on an error", function()
      local text, rc = run("local function f() error('oh') end\nf()")
      assert.equal(1, rc)
      assert.matches("f.lua:1: oh", text)
      assert.matches("in function 'f'", text)
      text, rc = run("x = = 1")
      assert.equal(1, rc)
      assert.matches("f.lua:1:", text)
      assert.equal(1, select(2, sh("%s lua %s/none.lua", bin, dir)))
    end)

    it("has the core modules and no event loop", function()
      local text = run([[
        local sys = require "moon2m.core.sys"
        print(#sys.random(4), pcall(sys.spawn, 1))]])
      assert.matches("^8\tfalse\t.*no event loop", text)
    end)
  end)

  it("the library inside the binary tells the same lines and names as its sources do", function()
    local dir = h.directory()
    h.write_file(dir .. "/e.lua", [[
      print(pcall(require("moon2m.path").configure, nil))
      print(select(2, xpcall(function() require("moon2m.path").globs():add("x", 1) end,
        debug.traceback)))]])
    local text = sh("%s lua %s/e.lua", bin, dir)
    assert.matches("lib/moon2m/path.lua:%d+: attempt to index local 'o' %(a nil value%)", text)
    assert.matches("\n%s+%S*/e.lua:2: in function", text)
    assert.equal(sh("%s lua --lua lua %s/e.lua", bin, dir), text)
    sh("rm -rf %s", dir)
  end)

  describe("check", function()
    local dir
    setup(function() dir = h.directory() end)
    teardown(function() sh("rm -rf %s", dir) end)

    it("names file, line and reason, and exits 1", function()
      h.write_file(dir .. "/good.lua", 'local cse = require "moon2m"\ncse.start(function() end)\n')
      h.write_file(dir .. "/bad.lua", 'local cse = require "moon2m"\ncse.start(function(\n')
      local text, rc = sh("%s check %s/good.lua", bin, dir)
      assert.equal(0, rc)
      assert.matches("good.lua: ok", text)
      text, rc = sh("%s check %s/bad.lua %s/good.lua", bin, dir, dir)
      assert.equal(1, rc)
      assert.matches("bad.lua:%d+:", text)
      assert.matches("good.lua: ok", text)
      assert.equal(1, select(2, sh("%s check %s/none.lua", bin, dir)))
      h.write_file(dir .. "/typo.lua",
        'require("moon2m").every(5, function()\n  return tonumbr("1")\nend)\n')
      text, rc = sh("%s check %s/typo.lua", bin, dir)
      assert.equal(1, rc)
      assert.matches("typo.lua:2: undeclared variable 'tonumbr'$", text)
    end)

    it("--config: under its settings and trust; without scripts, those that it names", function()
      h.write_file(dir .. "/t.lua", 'local cse = require "moon2m"\nlocal ffi = require "ffi"\n' ..
        'cse.config { window = 1 }\n')
      h.write_file(dir .. "/c.lua", ('apps = { "%s/t.lua" }\ntrust = { t = "full" }\n')
        :format(dir))
      local text, rc = sh("%s check %s/t.lua", bin, dir)
      assert.equal(1, rc)
      assert.matches('t.lua:2: module "ffi" is not available', text)
      for _, words in ipairs { "--config %s/c.lua", "-c %s/c.lua %s/t.lua" } do
        text, rc = sh("%s check " .. words, bin, dir, dir)
        assert.equal(0, rc, text)
        assert.matches("script.t is trusted fully", text)
        assert.matches("\n%S+/t.lua: ok$", text)
      end
      h.write_file(dir .. "/d.lua", 'trust = { t = "full" }\nscripts = { t = { windw = 2 } }\n')
      text, rc = sh("%s check -c %s/d.lua %s/t.lua", bin, dir, dir)
      assert.equal(1, rc)
      assert.matches("no such setting", text)
      h.write_file(dir .. "/d.lua", "trust = 5\n")
      text, rc = sh("%s check -c %s/d.lua", bin, dir)
      assert.equal(1, rc)
      assert.matches("d.lua:1: trust: ", text)
      assert.not_matches("traceback", text)
    end)
  end)

  describe("run", function()
    -- In the background: an AE by an originator whom the script keeps waiting; status to a file.
    local function create_slowly(s, name, out)
      local body = ('{"m2m:ae":{"rn":"%s","api":"Nslow","rr":false,"srv":["3"]}}'):format(name)
      sh("curl -s -o /dev/null -w '%%{http_code}' %s/moon -H 'X-M2M-Origin: Cslow' "
        .. "-H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3' -H 'Content-Type: application/json;ty=2' "
        .. "-d %s >%s 2>&1 &", s.base, quoted(body), out)
    end

    it("makes the data folder for its owner only, and stops with 0", function()
      local s = h.start()
      assert.equal("700", (sh("stat -c %%a %s", s.data)))
      assert.equal(0, s:stop())
      assert.matches("run stopping signal=TERM", s:text())
      s:run()
      s:signal("INT")
      assert.equal(0, s:exit_code())
    end)

    it("says in one line why it cannot start", function()
      local s = h.start()
      local text, rc = sh("%s run --data %s --listen 127.0.0.1:0", bin, s.data)
      assert.equal(1, rc)
      assert.matches("in use", text)
      text, rc = sh("%s run --data %s/other --listen 127.0.0.1:%d", bin, s.dir, s.port)
      assert.equal(1, rc)
      assert.matches("Address already in use", text)
      assert.not_matches("traceback", text)
      text, rc = sh("%s run --data /proc/none/x --listen 127.0.0.1:0", bin)
      assert.equal(1, rc)
      assert.matches("data folder /proc/none/x", text)
      h.write_file(s.dir .. "/bad.conf.lua", "\nlisten = 5\n")
      text, rc = sh("%s run -c %s/bad.conf.lua --data %s/other", bin, s.dir, s.dir)
      assert.equal(1, rc)
      assert.matches("bad.conf.lua:2: listen: ", text)
      assert.not_matches("traceback", text)
    end)

    it("names file, line, key and reason of a mistake in the configuration, and exits 1", function()
      local dir = h.directory()
      for text, pattern in pairs {
        ["listen = { { port = '8080' } }"] = "bad:1: listen.1.port: expected an integer",
        ["\n\nlisten = { { prot = 80 } }"] = "bad:3: listen.1.prot: unknown key",
        ["x = 1"] = "bad:1: x: unknown key",
        ["cse = { name = 'la' }"] = "bad:1: cse.name: ",
        ["cse = { name = '1st' }"] = "bad:1: cse.name: ",
        ["cse = { id = 'moon' }"] = "bad:1: cse.id: ",
        ["notification = {\n  window = 0,\n}"] = "bad:2: notification.window: expected",
        ["notification = {\n  url = 'no',\n}"] = "bad:2: notification.url: expected true or false",
        ["limits = { body = '4X' }"] = "bad:1: limits.body: expected bytes",
        ["limits = 5"] = "bad:1: limits: expected a table",
        ["log = { level = 'loud' }"] = "bad:1: log.level: expected",
        ["policies = 'all'"] = "bad:1: policies: expected",
        ["budgets = { check = { 1 } }"] = "bad:1: budgets.check: expected",
        ["read = { 'relative' }"] = "bad:1: read.1: expected",
        ["listen = {"] = "bad:1: ",
        ["os.exit(0)"] = "bad:1: ",
        ["data = io.read()"] = "bad:1: ",
      } do
        local file = h.write_file(dir .. "/bad", text)
        local out, rc = sh("timeout 10 %s run -c %s --data %s/data", bin, file, dir)
        assert.equal(1, rc, text .. "\n" .. out)
        assert.is_truthy(out:find(pattern, 1, true), text .. "\n" .. out)
        assert.not_matches("traceback", out)
      end
      assert.equal(1, select(2, sh("timeout 10 %s run -c %s/none", bin, dir)))
      sh("rm -rf %s", dir)
    end)

    it("with --strict exits 1 when a script does not load, else runs without it", function()
      local s = h.start { scripts = { broken = "this is no Lua" } }
      assert.matches("broken.lua:1:", s:text())
      s:stop()
      local text, rc = sh("timeout 10 %s run --strict --data %s --listen 127.0.0.1:0 %s/broken.lua",
        bin, s.data, s.dir)
      assert.equal(1, rc)
      assert.matches("broken.lua:1:", text)
    end)

    it("lets what is in flight finish, and exits at once at a second signal", function()
      local s = h.start { scripts = { slow = [[
        local cse = require "moon2m"
        cse.check("create", "/**", function(req)
          if req.fr == "Cslow" then cse.sleep(1) end
        end)
        cse.stop(function() cse.log.info("stop handler ran") end)]] } }
      local out = s.dir .. "/slow.out"
      create_slowly(s, "one", out)
      h.sleep(0.3)
      s:signal("TERM")
      h.sleep(0.2)
      assert.is_true(s:alive())
      assert.equal(0, s:exit_code())
      assert.equal("201", h.read_file(out))
      assert.matches("stop handler ran", s:text())
      s:run()
      create_slowly(s, "two", "/dev/null")
      h.sleep(0.3)
      s:signal("TERM")
      h.sleep(0.1)
      s:signal("TERM")
      assert.equal(1, s:exit_code(0.5))
      assert.matches("second signal", s:text())
    end)

    it("exits 70 and names the script and line when one is stuck in C code", function()
      local s = h.start { config = "budgets = { stuck = 1 }", wait = false, scripts = { stuck = [[
        local cse = require "moon2m"
        cse.every(0.1, function()
          local text = ("a"):rep(20000)
          local at = text:find(".-.-.-.-.-b")
          cse.log.info("found %s", at)
        end)]] } }
      assert.equal(70, s:exit_code(20))
      assert.matches("stuck in C code, exiting rule=.- at=.*stuck.lua:4", s:text())
    end)

    it("closes WebSockets with 1001 when it stops", function()
      local s = h.start()
      local w = s:listen(s:register("closing"))
      s:signal("TERM")
      assert.is_nil((w:receive(5)))
      assert.equal(1001, w.ws.got_close_code)
      assert.equal(0, s:exit_code())
    end)
  end)

  describe("listen", function()
    local s, dir, ae
    setup(function()
      s = h.start()
      dir = s.dir
      ae = s:register("obs")
      h.expect(2001, s:create("/moon/obs", "Cobs", 3, { rn = "c" }))
      h.expect(2001, s:create("/moon/obs/c", "Cobs", 23,
        { rn = "s", nu = { "Cobs" }, enc = { net = { 3 } }, nct = 1 }))
    end)

    local function add(con) s:add("/moon/obs/c", "Cobs", con) end

    it("prints each notification as one line and stops after --count", function()
      local l = listen(dir, "--count 2 " .. quoted(ae.url))
      add("one")
      add("two\nlines")
      h.wait("its end", l.gone)
      local got = l.lines()
      assert.equal(2, #got)
      assert.matches('^{"m2m:sgn":.*"con":"one"', got[1])
      assert.matches('"con":"two\\nlines"', got[2])
    end)

    it("acknowledges, over CBOR too, and comes back when the server does", function()
      local l = listen(dir, "--raw --subprotocol oneM2M.cbor " .. quoted(ae.url))
      h.wait("a connection", function() return h.read_file(l.err):match("connected") end)
      add("before")
      h.wait("a line", function() return #l.lines() == 1 end)
      assert.equal(0, s:stop())
      s:run()
      add("after")
      h.wait("another line", function() return #l.lines() == 2 end)
      assert.matches('^{"op":5,.*"con":"before"', l.lines()[1])
      assert.matches('"con":"after"', l.lines()[2])
      sh("kill -INT %d", l.pid)
      h.wait("its end", l.gone)
      local again = listen(dir, "--count 1 " .. quoted(ae.url))
      add("new")
      h.wait("its end", again.gone)
      assert.matches('"con":"new"', again.lines()[1])  -- what was acknowledged does not come again
    end)

    it("does not acknowledge with --no-ack: it comes again", function()
      local l = listen(dir, "--no-ack --count 1 " .. quoted(ae.url))
      add("twice")
      h.wait("its end", l.gone)
      assert.matches('"con":"twice"', l.lines()[1])
      l = listen(dir, "--count 1 " .. quoted(ae.url))
      h.wait("its end", l.gone)
      assert.matches('"con":"twice"', l.lines()[1])
    end)

    it("names itself with --origin, where the token is not known", function()
      local base = ae.url:match "^(ws://[^/]+/)"
      local l = listen(dir, "--count 1 --origin Cobs " .. base)
      add("by name")
      h.wait("its end", l.gone)
      assert.matches('"con":"by name"', l.lines()[1])
    end)

    it("exits 1 on a URL that cannot be", function()
      local text, rc = sh("timeout 10 %s listen nonsense", bin)
      assert.equal(1, rc)
      assert.matches("^moon2m: ", text)
    end)
  end)
end)
