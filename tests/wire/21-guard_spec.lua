-- What scripts cannot do to the server: every way of never ending in every hook, waiting too long,
-- declaring in a handler, calling verbs where nothing can wait, loading in part.

local cqueues = require "cqueues"
local beside = require "beside"
local h = require "harness"
local expect = h.expect

local ME = "Chome"
local TEMP = "/moon/home/temp"

local function start(text, o)
  o = o or {}
  o.scripts = o.scripts or { s = 'local cse = require "moon2m"\n' .. text }
  local s = h.start(o)
  s:register("home")
  expect(2001, s:create("/moon/home", ME, 3, { rn = "temp" }))
  return s
end

-- Ways of never ending, as the body of a function; line 1 of the body is the script's line 3.
local ENDLESS = {
  ["a loop"] = "while true do end",
  ["a loop in pcall"] = "while true do pcall(function() while true do end end) end",
  ["a loop in xpcall's handler"] = "xpcall(error, function() while true do end end)",
  ["a loop in a coroutine"] = "coroutine.wrap(function() while true do end end)()",
  ["a loop around coroutines"] =
    "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
  ["coroutines that yield for ever"] =
    "local co = coroutine.wrap(function() while true do coroutine.yield() end end)\n" ..
    "while true do co() end",
  ["a loop in gsub"] = '("x"):gsub("x", function() while true do end end)',
  ["a gsub for ever"] = 'while true do (("x"):rep(100)):gsub("x", function() return "y" end) end',
  ["a loop in sort"] = "table.sort({ 3, 2, 1 }, function() while true do end end)",
  ["a loop in a metamethod"] =
    "return setmetatable({}, { __index = function() while true do end end }).x",
  ["a loop in tostring"] =
    "return tostring(setmetatable({}, { __tostring = function() while true do end end }))",
  ["a loop in loaded text"] = 'load("while true do end")()',
  ["a recursion that catches itself"] =
    "local function f() while true do pcall(f) end end f()",
}

describe("never ending", function()
  after_each(h.stop_all)

  for name, body in pairs(ENDLESS) do
    it(name .. ": stopped with file and line in a policy, a check, a virtual resource and an on",
      function()
      local s = start(([[local function endless()
        %s
        end
        cse.policy("/home/temp", function(req) if req.op == "delete" then endless() end end)
        cse.check("create", "/home/temp", function(req)
          if req.pc.con == "check" then endless() end
        end)
        cse.virtual("/home/endless", endless)
        cse.on("create", "/home/temp", endless)]]):format(body))
      local slowest = beside(s, function()
        expect(4103, s:delete(TEMP, ME))
        expect(5000, s:create(TEMP, ME, 4, { con = "check" }))
        expect(5000, s:retrieve("/moon/home/endless", ME))
        s:add(TEMP, ME, "on")
        s:logs("event parked")
      end)
      assert.is_true(slowest < 3, ("others waited %.2f s"):format(slowest))
      local _, n = s:text():gsub("still running after %d+ ms, stopped", "")
      assert.is_true(n >= 4, s:text())
      if name ~= "a loop in loaded text" then
        assert.matches("s%.lua:%d+: still running after", s:text())
      end
      assert.equal(1, expect(2000, s:retrieve(TEMP, ME)).cni)
      assert.is_true(s:metric("moon2m_script_stops_total") >= 4)
      assert.equal(4, s:metric("moon2m_script_errors_total", 'script="s"'))
    end)
  end

  it("a format: the create stands, the notice is parked", function()
    local s = start [[
      cse.format("endless", function()
        while true do pcall(function() while true do end end) end
      end)]]
    local ws = s:listen(s:register("view"))
    expect(2001, s:create(TEMP, ME, 23, { rn = "x", nu = { ME }, enc = { net = { 3 } },
      lbl = { "format:endless" } }))
    local slowest = beside(s, function() s:add(TEMP, ME, "1") end)
    assert.is_true(slowest < 3)
    s:logs("s.lua:3: still running after %d+ ms, stopped")
    assert.equal(1, s:metric("moon2m_notices_parked"))
    ws:close()
  end)

  it("what cse.spawn started", function()
    local s = start [[
      cse.on("create", "/home/temp", function()
        cse.spawn(function() while true do end end)
      end)]]
    s:add(TEMP, ME, "1")
    s:logs("s.lua:3: still running after %d+ ms, stopped")
    s:add(TEMP, ME, "2")
  end)

  it("what writes in an endless loop: all that it wrote is whole", function()
    local s = start [[
      cse.on("create", "/home/temp", function()
        while true do cse.json { some = { nested = { 1, 2, 3 } } } end
      end)]]
    s:add(TEMP, ME, "1")
    s:logs("still running after %d+ ms, stopped")
    assert.equal("1", expect(2000, s:retrieve(TEMP .. "/la", ME)).con)
  end)

  it("a wait: ended when the rule's time is over, not the sleep's", function()
    local s = start([[
      cse.policy("/home/temp", function(req) if req.op == "delete" then cse.sleep(60) end end)
      cse.check("create", "/home/temp", function() while true do cse.sleep(0.05) end end)]],
      { config = "budgets = { policy = { 0.02, 0.3 }, check = { 0.02, 0.3 } }\n" })
    for code, act in pairs {
      [4103] = function() return s:delete(TEMP, ME) end,
      [5000] = function() return s:create(TEMP, ME, 4, { con = "1" }) end,
    } do
      local at = cqueues.monotime()
      expect(code, act())
      local took = cqueues.monotime() - at
      assert.is_true(took > 0.25 and took < 6, ("%d after %.2f s"):format(code, took))
    end
    s:logs("s.lua:2: not finished after 0.3 s, stopped")
    s:logs("s.lua:3: not finished after 0.3 s, stopped")
    assert.equal(0, expect(2000, s:retrieve(TEMP, ME)).cni)
  end)

  it("a verb: brought to its end with what it locked, when the time of the rule is over", function()
    local s = start([[
      local function try()
        local ok, err = cse.update("/home/temp", { mni = 5 })
        cse.log.info("went on: %s", tostring(ok or err))
      end
      cse.virtual("/home/try", function() try() end)
      cse.virtual("/home/insist", function() pcall(try) end)]],
      { config = "notification = { answer_time = 1 }\nbudgets = { virtual = { 0.02, 0.5 } }\n" })
    local ws = s:listen(s:register("asked"))
    local acp = expect(2001, s:create("/moon/home", ME, 1, { rn = "all",
      pv = { acr = { { acor = { "all" }, acop = 63 } } },
      pvs = { acr = { { acor = { ME }, acop = 63 } } } }))
    expect(2004, s:update(TEMP, ME, { ["m2m:cnt"] = { acpi = { acp.ri } } }))
    local sub = expect(2001, s:create(TEMP, "Casked", 23, { rn = "s", nu = { "Casked" },
      enc = { net = { 7 } } }))
    for _, name in ipairs { "try", "insist" } do
      expect(5000, s:retrieve("/moon/home/" .. name, ME))
    end
    expect(2002, s:delete(TEMP .. "/" .. sub.rn, "Casked"))
    local at = cqueues.monotime()
    expect(2004, s:update(TEMP, ME, { ["m2m:cnt"] = { mni = 7 } }))
    assert.is_true(cqueues.monotime() - at < 5)
    s:logs("s.lua:3: not finished after 0.5 s, stopped")
    assert.is_nil(s:text():find("went on", 1, true))
    ws:close()
  end)

  it("an endless loop of verbs, also in pcall: after so many; what was written stays", function()
    local s = start([[
      cse.start(function() cse.ensure("/log", "container", {}) end)
      cse.on("create", "/home/temp", function(ev)
        if ev.res.con == "1" then while true do cse.add("/log", 1) end end
        if ev.res.con == "2" then while true do pcall(cse.add, "/log", 2) end end
        if ev.res.con == "3" then while true do cse.retrieve("/home/temp") cse.sleep(0) end end
      end)]], { config = "budgets = { on = { 0.1, 30, \"32M\", 50 } }\n" })
    s:add(TEMP, ME, "1")
    s:logs("s.lua:4: more than 50 verbs in one call, stopped\n[^\n]*in on create /home/temp")
    s:add(TEMP, ME, "2")
    s:logs("s.lua:5: still running after 100 ms, stopped")
    s:add(TEMP, ME, "3")
    s:logs("s.lua:6: more than 50 verbs in one call, stopped")
    assert.equal(100, expect(2000, s:retrieve("/moon/log", "CAdmin")).cni)
  end)

  it("what runs long between its verbs, again and again: after ten slices", function()
    local s = start([[
      cse.on("create", "/home/temp", function()
        while true do
          local till = cse.now() + 0.008
          while cse.now() < till do end
          cse.sleep(0)
        end
      end)]], { config = "budgets = { on = { 0.01, 30 } }\n" })
    s:add(TEMP, ME, "1")
    s:logs("s.lua:%d: running for more than 0.1 s between verbs, stopped")
  end)

  it("a budget can be lowered by the script, not raised", function()
    local s = start [[
      cse.budget { time = 100 }
      cse.check("create", "/home/temp", function() while true do end end)]]
    local at = cqueues.monotime()
    expect(5000, s:create(TEMP, ME, 4, { con = "1" }))
    assert.is_true(cqueues.monotime() - at < 3)
  end)

  it("fifty readers of an endless resource: each is told, the others are served", function()
    local s = start [[
      cse.virtual("/home/endless", function() while true do end end)]]
    local cq, codes = cqueues.new(), {}
    for _ = 1, 50 do
      cq:wrap(function()
        local a = s:retrieve("/moon/home/endless", ME)
        codes[a.rsc] = (codes[a.rsc] or 0) + 1
      end)
    end
    assert(cq:loop(20))
    assert.same({ [5000] = 50 }, codes)
    s:logs("failed 5 times in a row and rests")
    expect(2000, s:retrieve(TEMP, ME))
  end)
end)

describe("in a handler", function()
  after_each(h.stop_all)

  for name, call in pairs {
    policy = 'cse.policy("/x", print)', check = 'cse.check("any", "/x", print)',
    on = 'cse.on("any", "/x", print)', virtual = 'cse.virtual("/x", print)',
    format = 'cse.format("x", print)', every = "cse.every(1, print)",
    at = 'cse.at("07:30", print)', start = "cse.start(print)", stop = "cse.stop(print)",
    type = "cse.type {}", config = "cse.config {}", state = "cse.state {}",
    budget = "cse.budget {}",
  } do
    it("cse." .. name .. " is refused at the script's line", function()
      local s = start('cse.check("create", "/home/temp", function()\n' .. call .. "\nend)")
      expect(5000, s:create(TEMP, ME, 4, { con = "1" }))
      s:logs("s.lua:3: declarations belong at the top level of a script")
    end)
  end

  it("a format cannot wait: verbs are refused at its line, the notice is parked", function()
    local s = start [[
      cse.format("asks", function(n)
        return cse.retrieve("/home").rn
      end)]]
    expect(2001, s:create(TEMP, ME, 23, { nu = { ME }, enc = { net = { 3 } },
      lbl = { "format:asks" } }))
    s:add(TEMP, ME, "1")
    s:logs("s.lua:3: a format cannot wait")
  end)

  it("verbs do not work inside sort and gsub, and say so", function()
    local s = start [[
      cse.check("create", "/home/temp", function(req)
        return (("x"):gsub("x", function() cse.sleep(0.01) end))
      end)]]
    expect(5000, s:create(TEMP, ME, 4, { con = "1" }))
    s:logs("s.lua:3: verbs cannot wait inside string.gsub: collect first, then act")
    expect(2000, s:retrieve(TEMP, ME))
  end)

  it("verbs work inside the script's own coroutines", function()
    local s = start [[
      cse.virtual("/home/twice", function()
        local names = coroutine.wrap(function()
          coroutine.yield(cse.retrieve("/home").rn)
          coroutine.yield(cse.retrieve("/home/temp").rn)
        end)
        return { con = names() .. "+" .. names() }
      end)]]
    assert.equal("home+temp", expect(2000, s:retrieve("/moon/home/twice", ME)).con)
  end)
end)

describe("a script loop", function()
  after_each(h.stop_all)

  it("ends after eight hops, through whatever it goes", function()
    local s = start [[
      cse.start(function() cse.ensure("/echo", "container", {}) end)
      cse.on("create", "/home/temp", function(ev) cse.add("/echo", ev.res.con .. ">") end)
      cse.on("create", "/echo", function(ev) cse.add("/home/temp", ev.res.con .. "<") end)]]
    s:add(TEMP, ME, "0")
    s:logs("script loop through [^\n]*/echo[^\n]*/home/temp[^\n]*, stopped")
    assert.equal("0><><><><", expect(2000, s:retrieve(TEMP .. "/la", ME)).con)
    local cni = expect(2000, s:retrieve(TEMP, ME)).cni +
      expect(2000, s:retrieve("/moon/echo", "CAdmin")).cni
    assert.equal(9, cni)
  end)

  it("of a check that checks itself refuses the request", function()
    local s = start [[
      cse.check("create", "/home/temp", function(req)
        local made, err = cse.add("/home/temp", req.pc.con .. "+")
        if not made then return false, err.msg, err.rsc end
      end)]]
    expect(4000, s:create(TEMP, ME, 4, { con = "0" }), "script loop")
    assert.equal(0, expect(2000, s:retrieve(TEMP, ME)).cni)
  end)
end)

describe("loading", function()
  after_each(h.stop_all)

  local HEAD = 'local cse = require "moon2m"\n'

  it("is whole or not at all: no rule, format or type of a script that failed is left", function()
    local s = start(nil, { scripts = {
      half = HEAD .. [[
        cse.format("half", function() return "half" end)
        cse.type { ty = 1001, name = "lamp", short = "x:lamp", parents = { "ae" },
          attrs = { "rn", "ty", "ri", "pi", "ct", "lt", "et" } }
        cse.check("create", "/home/temp", function() return false, "half" end)
        cse.type { ty = 3, name = "container", short = "x:cnt", attrs = {} }]],
    } })
    s:logs("script not loaded: [^\n]*container[^\n]*taken")
    s:add(TEMP, ME, "1")
    local a = s:create("/moon/home", ME, 1001, '{"x:lamp":{"rn":"l"}}')
    assert.is_true(a.rsc >= 4000, "the type of a script that was not loaded is there")
    expect(2001, s:create(TEMP, ME, 23, { nu = { ME }, enc = { net = { 3 } },
      lbl = { "format:half" } }))
    s:add(TEMP, ME, "2")
    s:logs("format half failed; [^\n]*no script declares it")
  end)

  for name, case in pairs {
    ["a time of day that is none"] = { 'cse.at("24:00", print)', "bad%.lua:2: [^\n]*time of day" },
    ["a timer of no time"] = { "cse.every(0, print)", "bad%.lua:2: [^\n]*a number above 0" },
    ["a timer of all time"] = { "cse.every(1 / 0, print)", "bad%.lua:2: [^\n]*at most" },
    ["a timer of nan"] = { "cse.every(0 / 0, print)", "bad%.lua:2: [^\n]*a number above 0" },
    ["a rule without a function"] = { 'cse.on("create", "/x")',
      "bad%.lua:2: cse.on: fn: a function was expected" },
    ["a format with a bad name"] = { 'cse.format("a b", print)',
      "bad%.lua:2: cse.format: name: a name of" },
    ["a format with an unknown option"] = { 'cse.format("a", print, { pre = "target" })',
      "bad%.lua:2: cse.format: unknown option 'pre'" },
    ["a TCP server with an unknown option"] = { "cse.tcp({ lsten = 7000 }, print)",
      "bad%.lua:2: cse.tcp: unknown option 'lsten'; known are ca, .*host, .*; of a server: host" },
    ["a pattern with stars that are no level"] = { 'cse.policy("/a/***", print)',
      'bad%.lua:2: cse.policy: where: "%*%*%*" in the path pattern /a/%*%*%*: "%*%*" is a level' },
    ["an attribute of an unknown kind"] = { 'cse.type { ty = 28, name = "c", short = "x:c", ' ..
      'cnd = "org.c", attrs = { { "a", "nokind" } } }',
      'bad%.lua:2: cse.type: c: attribute a: no attribute kind "nokind"' },
    ["an undeclared variable"] = { "local a = windw", "bad%.lua:2: undeclared variable 'windw'" },
    ["an assignment to one"] = { "windw = 1",
      "bad%.lua:2: assignment to undeclared variable 'windw'" },
    ["a setting that is no example"] = { "cse.config(5)", "bad%.lua:2: cse.config" },
    ["a yield"] = { "coroutine.yield()", "bad%.lua[^\n]*yield" },
  } do
    it("names file, line and reason: " .. name, function()
      local dir = h.directory()
      local file = h.write_file(dir .. "/bad.lua", HEAD .. case[1] .. "\n")
      local text, rc = h.sh("timeout 10 %s check %s", h.bin, file)
      h.sh("rm -rf %s", dir)
      assert.equal(1, rc, text)
      assert.matches(case[2], text)
    end)
  end

  it("the same script twice: the second is refused and says so", function()
    local s = start(nil, { scripts = { one = HEAD }, args = "apps/senml.lua apps/senml.lua" })
    s:logs("a script named senml is loaded already")
    local _, n = s:text():gsub("apps/senml.lua loaded", "")
    assert.equal(1, n)
  end)
end)

describe("a kind of a script", function()
  after_each(h.stop_all)

  it("asks its function within a budget: 4000, or 5000 and nothing stored", function()
    local s = start [[
      local kinds = require "moon2m.kinds"
      local serial = kinds.text("a serial number (string)", function(sn)
        if sn == "loop" then while true do pcall(error) end end
        if not sn:find("^%u%d+$") then return false, "no capital letter and digits" end
      end)
      cse.type { ty = 1001, name = "lamp", short = "x:lamp", parents = { "ae" }, attrs = {
        "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl",
        { "sn", serial, list = 1, create = "M", update = "O" } } }]]
    local function make(sn)
      return s:create("/moon/home", ME, 1001, '{"x:lamp":{"rn":"l","sn":' .. sn .. "}}")
    end
    expect(4000, make '["A1","a"]', "sn: entry 2: no capital letter and digits")
    expect(5000, make '["A1","loop"]',
      "the kind of sn %(a serial number %(string%)%) of s failed, nothing was stored")
    s:logs("in kind of lamp.sn ")
    expect(4004, s:retrieve("/moon/home/l", ME))
    expect(2001, make '["A1","B2"]')
    expect(4000, s:update("/moon/home/l", ME, '{"x:lamp":{"sn":["c"]}}'), "entry 1")
    assert.same({ "A1", "B2" }, expect(2000, s:retrieve("/moon/home/l", ME)).sn)
  end)
end)
