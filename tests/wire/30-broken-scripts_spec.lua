-- What a broken script says and does: the message with file and line, which rule and event, what
-- happened to the data, what the client is told; and that others are served meanwhile.

local cqueues = require "cqueues"
local beside = require "beside"
local h = require "harness"
local expect = h.expect

local ME = "Chome"
local TEMP = "/moon/home/temp"
local HEAD = 'local cse = require "moon2m"\n'

local function start(text, o)
  o = o or {}
  o.scripts = o.scripts or { bad = HEAD .. text }
  local s = h.start(o)
  s:register("home")
  expect(2001, s:create("/moon/home", ME, 3, { rn = "temp" }))
  return s
end

-- The body of a handler (its first line is the script's line 3) and the text of its error, a
-- pattern behind "bad.lua:".
local BROKEN = {
  ["an undeclared variable"] = { "return totl", "3: undeclared variable 'totl'" },
  ["an assignment to one"] = { "totl = 1",
    "3: assignment to undeclared variable 'totl' %(missing 'local'%?%)" },
  ["an index of nil"] = { "local t = {}\nreturn t.x.y",
    "4: attempt to index field 'x' %(a nil value%)" },
  ["a loop"] = { "while true do end", "3: still running after %d+ ms, stopped" },
  ["a loop in pcall"] = { "while true do pcall(function() while true do end end) end",
    "3: still running after %d+ ms, stopped" },
  ["a loop in a coroutine"] = { "coroutine.wrap(function() while true do end end)()",
    "3: still running after %d+ ms, stopped" },
  ["a loop in gsub"] = { '("x"):gsub("x", function() while true do end end)',
    "3: still running after %d+ ms, stopped" },
  ["a loop in sort"] = { "table.sort({ 3, 2, 1 }, function() while true do end end)",
    "3: still running after %d+ ms, stopped" },
  ["an array without end"] = { "local t = {} for i = 1, 1e9 do t[i] = i end",
    "3: %d+ MiB of memory used, 4 MiB allowed, stopped" },
  ["a string that doubles"] = { 'local s = "x" while true do s = s .. s end',
    "3: [^\n]*4 MiB allowed" },
  ["a flood of tables"] = { "local t = {} for i = 1, 1e9 do t[i] = { i } end",
    "3: %d+ MiB of memory used, 4 MiB allowed, stopped" },
  ["a flood in pcall"] = {
    "local t = {} while true do pcall(function() for i = 1, 1e9 do t[i] = { i } end end) end",
    "3: %d+ MiB of memory used, 4 MiB allowed, stopped" },
  ["a flood in a coroutine"] = {
    "coroutine.wrap(function() local t = {} for i = 1, 1e9 do t[i] = { i } end end)()",
    "3: %d+ MiB of memory used, 4 MiB allowed, stopped" },
  ["a string of a billion"] = { 'return #("x"):rep(1e9)',
    "3: not enough memory: %d+ MiB more wanted, 4 MiB allowed" },
  ["a string of a billion, in a tail call"] = { 'return ("x"):rep(1e9)',
    "%d+: not enough memory: %d+ MiB more wanted, 4 MiB allowed" },
  ["a value that is no JSON, in a tail call"] = { "local t = {} t.t = t return cse.json(t)",
    "%d+: cse%.json: cannot encode a table nested deeper than 64" },
  ["coroutines inside each other without end"] = {
    "local function f() return coroutine.wrap(f)() end f()",
    "%d+: too many coroutines inside each other" },
  ["a bad pattern in a tail call"] = { 'return ("x"):find("%")', "%d+: [^\n]*malformed pattern" },
  ["an assignment to a function of the server"] = { "cse.config = 5",
    "3: cse%.config cannot be assigned: it is the server's" },
  ["an assignment to one of cse.log"] = { "cse.log.warn = print",
    "3: cse%.log%.warn cannot be assigned: it is the server's" },
  ["a function that cse.http has not"] = { "return cse.http.patch",
    "3: cse%.http has no function 'patch'" },
  ["a deep recursion"] = { "local function f(n) return 1 + f(n + 1) end\nreturn f(1)",
    "3: stack overflow" },
  ["coroutines without end"] = { "local function f() coroutine.wrap(f)() end f()",
    nil, "too many coroutines inside each other" },
  ["a bad pattern"] = { 'local at = ("x"):find("%")', "3: malformed pattern" },
  ["a verb in sort"] = {
    'table.sort({ 3, 2, 1 }, function(a, b)\ncse.retrieve("/home") return a < b end)',
    "4: verbs cannot wait inside table.sort: collect first, then act" },
  ["a verb in gsub"] = { '("x"):gsub("x", function()\nreturn cse.retrieve("/home").rn end)',
    "4: verbs cannot wait inside string.gsub: collect first, then act" },
  ["a verb in a coroutine in sort"] = {
    "table.sort({ 3, 2, 1 }, function(a, b) coroutine.wrap(function()\n" ..
      'cse.retrieve("/home") end)() return a < b end)',
    "4: verbs cannot wait inside table.sort: collect first, then act" },
  ["an error with a table"] = { "error({ code = 5 })",
    "3: error without a message %(a table%)" },
  ["an error with one that prints for ever"] = {
    "error(setmetatable({}, { __tostring = function() while true do end end }))",
    "3: error without a message %(a table%)" },
  ["the error of a verb, raised"] = {
    'local none, err = cse.retrieve("/home/none")\nerror(err)', "4: [^\n]*" },
  ["an error with nil"] = { "error()", "3: error without a message %(nil%)" },
  ["an error with a number"] = { "error(5)", "3: 5" },
  ["a declaration"] = { 'cse.on("create", "/x", function() end)',
    "3: declarations belong at the top level of a script" },
  ["a module that is not there"] = { 'require "ffi"',
    '3: module "ffi" is not available to scripts' },
  ["a yield to nobody"] = { "coroutine.yield(1)",
    "%d: yielded outside a coroutine of its own" },
  ["its own coroutine, resumed"] = {
    "local me = coroutine.running()\nlocal ok, why = coroutine.resume(me) error(why)",
    "4: cannot resume a coroutine that the server runs" },
}

describe("a broken script", function()
  after_each(h.stop_all)

  for name, case in pairs(BROKEN) do
    it(name .. ": its line in the log, policy and check refuse, the data stands", function()
      -- What is not to end by its time has time enough, on a slow machine too.
      local slice = case[2] and case[2]:find("still running") and 0.02 or 2
      local s = start(([[local function broken()
        %s
        end
        cse.policy("/home/temp", function(req) if req.op == "delete" then return broken() end end)
        cse.check("create", "/home/temp", function(req)
          if req.pc.con == "check" then return broken() end
        end)
        cse.on("create", "/home/temp", function() return broken() end)]]):format(case[1]),
        { config = ([[budgets = { policy = { %g, 9, "4M" }, check = { %g, 9, "4M" },
            on = { %g, 30, "4M" } }]]):format(slice, slice, slice) })
      local slowest = beside(s, function()
        expect(4103, s:delete(TEMP, ME), "policy of bad failed, refused")
        expect(5000, s:create(TEMP, ME, 4, { con = "check" }), "check of bad failed, nothing")
        s:add(TEMP, ME, "on")
        s:logs("bad: in on create /home/temp")
      end)
      assert.is_true(slowest < 3, ("others waited %.2f s"):format(slowest))
      local text = s:text()
      local pattern = case[2] and "error script bad: [^\n]*bad%.lua:" .. case[2]
        or "error script bad: [^\n]*" .. case[3]
      local _, n = text:gsub(pattern, "")
      assert.is_true(n >= 3, ("%q is there %d times:\n%s"):format(pattern, n, text))
      assert.matches("bad: in policy /home/temp %(%S+:%d+%), delete /home/temp by Chome", text)
      assert.matches("bad: refused %(4103%)", text)
      assert.matches("bad: in check create /home/temp %(%S+:%d+%), create /home/temp by Chome",
        text)
      assert.matches("bad: refused %(5000%), nothing stored", text)
      local temp = expect(2000, s:retrieve(TEMP, ME))
      assert.equal(1, temp.cni)
      assert.equal("on", expect(2000, s:retrieve(TEMP .. "/la", ME)).con)
    end)
  end

  it("that has a syntax error is not loaded; the others are", function()
    local s = start(nil, { scripts = { bad = HEAD .. 'cse.on("create" "/x", print)\n',
      good = HEAD .. 'cse.start(function() cse.log.info("good runs") end)' } })
    s:logs("bad%.lua:2: '%)' expected near '\"/x\"'")
    s:logs("good runs")
  end)

  it("that floods memory while it loads is not loaded", function()
    local s = start("local t = {} for i = 1, 1e9 do t[i] = { i } end")
    s:logs("script not loaded: [^\n]*bad%.lua:2: %d+ MiB of memory used, 32 MiB allowed, stopped")
    s:add(TEMP, ME, "1")
  end)

  it("that creates in its own container: the chain is cut, what is stored stands", function()
    local s = start [[
      cse.on("create", "/home/temp", function(ev)
        local made, err = cse.add("/home/temp", ev.res.con .. "+")
        if not made then cse.log.info("refused: %s", err.msg) end
      end)]]
    s:add(TEMP, ME, "0")
    s:logs("bad: script loop through /home/temp [^\n]*, stopped in on create /home/temp " ..
      "%(%S+bad%.lua:2%)")
    s:logs("refused: script loop through /home/temp")
    assert.equal("0" .. ("+"):rep(8), expect(2000, s:retrieve(TEMP .. "/la", ME)).con)
  end)

  it("that returns what is none: refused or answered 5000 with the reason in the log", function()
    local s = start [[
      cse.policy("/home/temp", function(req)
        if req.op == "delete" then return false, setmetatable({}, { __tostring = error }) end
      end)
      cse.check("create", "/home/temp", function(req)
        if req.pc.con == "function" then req.pc.lbl = function() end end
        if req.pc.con == "table" then req.pc = "x" end
        if req.pc.con == "why" then return false, {}, "4005" end
        if req.pc.con == "code" then return false, "no", 4999 end
      end)
      cse.virtual("/home/endless", function()
        return setmetatable({}, { __index = function() while true do end end })
      end)
      cse.virtual("/home/bad", function() return { con = print } end)]]
    expect(4103, s:delete(TEMP, ME))
    expect(5000, s:create(TEMP, ME, 4, { con = "function" }), "check of bad failed, nothing")
    s:logs("bad%.lua:5: req%.pc%.lbl: cannot encode a function")
    expect(5000, s:create(TEMP, ME, 4, { con = "table" }), "check of bad failed, nothing")
    s:logs("bad%.lua:5: req%.pc: a table was expected, got a string")
    expect(4000, s:create(TEMP, ME, 4, { con = "why" }), "refused by a check")
    expect(4000, s:create(TEMP, ME, 4, { con = "code" }), "no")
    local a = s:retrieve("/moon/home/endless", ME)
    assert.is_true(a.rsc == 2000 or a.rsc == 5000)
    expect(5000, s:retrieve("/moon/home/bad", ME), "the virtual resource of bad failed")
    s:logs("bad: in virtual /home/bad %(%S+bad%.lua:14%), retrieve /home/bad by Chome")
    s:logs("bad%.lua:14: what it returned is no JSON: cannot encode a function")
    assert.equal(0, expect(2000, s:retrieve(TEMP, ME)).cni)
  end)

  it("whose verdict is neither true, false nor nil: refused, with what it was", function()
    local s = start [[
      cse.policy("/home/temp", function(req)
        if req.op == "retrieve" and req.fr == "Cother" then return "the night is for the owner" end
        if req.op == "delete" then return 0 end
      end)
      cse.check("create", "/home/temp", function(req) return "too warm" end)]]
    s:register("other")
    expect(4103, s:retrieve(TEMP, "Cother"), "policy of bad failed, refused")
    s:logs("bad%.lua:2: true, false or nil was expected as the verdict, got a string")
    expect(4103, s:delete(TEMP, ME), "policy of bad failed, refused")
    s:logs("bad%.lua:2: true, false or nil was expected as the verdict, got a number")
    expect(5000, s:create(TEMP, ME, 4, { con = "1" }), "check of bad failed, nothing")
    s:logs("bad%.lua:6: true, false or nil was expected as the verdict, got a string")
    assert.equal(0, expect(2000, s:retrieve(TEMP, ME)).cni)
  end)

  it("whose function beside a handler fails: the line of cse.spawn is named", function()
    local s = start [[
      cse.on("create", "/home/temp", function(ev)
        cse.spawn(function() error("lost") end)
      end)]]
    s:add(TEMP, ME, "1")
    s:logs("bad: in cse%.spawn %(%S+bad%.lua:3%), spawned")
  end)

  it("whose functions beside handlers have no end does not stop the server", function()
    local s = start [[
      cse.on("create", "/home/temp", function(ev)
        local function f() cse.spawn(f); cse.spawn(f) end
        f()
      end)]]
    s:add(TEMP, ME, "1")
    s:logs("bad%.lua:3: cse%.spawn: 1000 functions wait or run, no more are started")
    s:logs("cse%.spawn %(%S+bad%.lua:3%) failed 5 times in a row and rests for 30 s")
    for _ = 1, 20 do s:add(TEMP, "CAdmin", "2") end
    local _, lines = s:text():gsub("nothing else is affected", "")
    assert.is_true(lines < 1100, "the log is flooded")
  end)

  it("whose functions beside handlers run for ever holds others up for five of them", function()
    local s = start [[
      cse.on("create", "/home/temp", function(ev)
        for _ = 1, 900 do cse.spawn(function() while true do end end) end
      end)]]
    s:add(TEMP, ME, "1")
    s:logs("cse%.spawn %(%S+bad%.lua:3%) failed 5 times in a row and rests for 30 s")
    local begin = cqueues.monotime()
    s:add(TEMP, ME, "2")
    assert.is_true(cqueues.monotime() - begin < 10)
    s:logs("bad%.lua:3: cse%.spawn: 5 functions from here failed in a row, the next one may start")
  end)

  it("whose memory is gone gives it back", function()
    local s = start [[
      cse.check("create", "/home/temp", function(req)
        local t = {}
        for i = 1, 1e9 do t[i] = { i } end
      end)]]
    local before = s:metric("moon2m_lua_bytes")
    for _ = 1, 3 do expect(5000, s:create(TEMP, ME, 4, { con = "1" })) end
    h.wait("the memory", function()
      return s:metric("moon2m_lua_bytes") < before + 4 * 1048576
    end)
  end)
end)

describe("a coroutine of a script", function()
  after_each(h.stop_all)

  it("is resumed by the server alone while it waits; the answer finds who asked", function()
    local s = start [[
      local co
      cse.virtual("/home/slow", function()
        co = coroutine.create(function() cse.sleep(0.3) return cse.retrieve("/home/temp").rn end)
        local ok, rn = coroutine.resume(co)
        return { con = tostring(ok) .. " " .. tostring(rn) }
      end)
      cse.virtual("/home/thief", function()
        local ok, why = coroutine.resume(co, "stolen")
        return { con = tostring(ok) .. " " .. tostring(why) }
      end)]]
    local cq, slow, thief = cqueues.new()
    cq:wrap(function() slow = expect(2000, s:retrieve("/moon/home/slow", ME)).con end)
    cq:wrap(function()
      h.sleep(0.1)
      thief = expect(2000, s:retrieve("/moon/home/thief", ME)).con
    end)
    assert(cq:loop(10))
    assert.equal("false cannot resume a coroutine that waits for the server", thief)
    assert.equal("true temp", slow)
  end)

  it("waits through pcall, iterators, metamethods, require and coroutines in coroutines", function()
    local s = start [[
      cse.virtual("/home/deep", function()
        local function names()
          return coroutine.wrap(function()
            for _, path in ipairs { "/home", "/home/temp" } do
              local inner = coroutine.wrap(function()
                local ok, r = pcall(cse.retrieve, path)
                cse.sleep(0.01)
                coroutine.yield(ok and r.rn)
              end)
              coroutine.yield(inner())
            end
          end)
        end
        local out = {}
        for name in names() do out[#out + 1] = name end
        local lazy = setmetatable({}, {
          __index = function(_, path) return cse.retrieve(path).rn end,
          __tostring = function() return cse.retrieve("/home").rn end })
        out[#out + 1] = lazy["/home/temp"]
        out[#out + 1] = tostring(lazy)
        out[#out + 1] = require "asks"
        return { con = table.concat(out, "+") }
      end)]]
    h.write_file(s.dir .. "/asks.lua", HEAD .. 'return cse.retrieve("/home/temp").rn\n')
    assert.equal("home+temp+temp+home+temp", expect(2000, s:retrieve("/moon/home/deep", ME)).con)
  end)

  it("that gave up waiting is not woken by a late answer", function()
    local s = start([[
      cse.virtual("/home/late", function(req)
        local ok, why = pcall(table.sort, { 2, 1 }, function() cse.sleep(0.05) end)
        local rn = cse.retrieve("/home/temp").rn
        cse.sleep(0.2)
        return { con = tostring(ok) .. " " .. rn }
      end)]])
    assert.equal("false temp", expect(2000, s:retrieve("/moon/home/late", ME)).con)
  end)
end)

describe("wrong arguments", function()
  teardown(h.stop_all)

  -- Every function of the public module with every kind of value as its first arguments.
  local TRY = [[
    local BAD = { false, true, 0.01, -1, 0/0, "x", "", "/x", "%d", {}, { 1 }, { [{}] = 1 },
      { x = print }, print, coroutine.create(print) }
    local function functions()
      local list = {}
      for name, v in pairs(cse) do
        if type(v) == "function" then list[name] = v end
        for sub, f in pairs(type(v) == "table" and v or {}) do list[name .. "." .. sub] = f end
      end
      list.spawn, list.wait = nil, nil               -- a wait without a bound is right
      return list
    end
    local wrong
    local function call(name, fn, ...)
      local ok, why = pcall(function(...) local r = fn(...) return r end, ...)
      if ok or tostring(why):find("^[^\n]*args%.lua:%d+: ") then return end
      wrong = wrong or ("%s(%s, %s, %s): %s"):format(name, tostring((...)),
        tostring((select(2, ...))), tostring((select(3, ...))), tostring(why))
    end
    local function try(which)
      wrong = nil
      for name, fn in pairs(functions()) do
        if which(name) then
          for i = 0, #BAD do
            for j = 0, #BAD do
              call(name, fn, BAD[i], BAD[j], BAD[(i + j) % (#BAD + 1)], BAD[j])
            end
          end
        end
      end
      return wrong
    end
  ]]

  it("raise at the script's line, at its top level and in a handler", function()
    local s = h.start {
      config = "budgets = { load = { 20, 20 }, virtual = { 20, 100 } }\nrequest_time = 100",
      scripts = { args = HEAD .. TRY .. [[
        cse.virtual("/tried", function()
          return try(function(name) return not name:find("^log") end) or "well"
        end)
        local wrong = try(function(name) return name:find("^log") end)
        cse.log.info("top level: %s", wrong or "well")]] } }
    s:logs("top level: well")
    local a = s:retrieve("/moon/tried", "CAdmin", { timeout = 100 })
    assert.equal("well", expect(2000, a).con)
  end)

  it("say what was expected", function()
    local s = h.start { scripts = { args = HEAD .. [[
      cse.virtual("/said", function()
        local out = {}
        for _, call in ipairs { function() return cse.epoch(5) end,
          function() return cse.read({}) end, function() return cse.retrieve("") end,
          function() return cse.create("/", {}) end } do
          local ok, why = pcall(call)
          out[#out + 1] = ok and "taken" or why:match("^[^\n]*args%.lua:%d+: ([^\n]*)")
        end
        return { con = table.concat(out, "|") }
      end)]] } }
    assert.equal(table.concat({ "cse.epoch: ct: a timestamp was expected, got 5",
      "cse.read: file: a path was expected, got a table",
      "cse.retrieve: to: a path was expected, got an empty text",
      "cse.create: kind: a resource type (its number or name) was expected, got a table" }, "|"),
      expect(2000, s:retrieve("/moon/said", "CAdmin")).con)
  end)

  it("of declarations: the script is not loaded, its line is named", function()
    local s = h.start { config = "budgets = { load = { 20, 20 } }",
      scripts = { args = HEAD .. TRY .. [[
        local why = try(function(name) return not name:find("^log") end)
        error(why or "all raise or are taken", 0)]] } }
    s:logs("script not loaded: [^\n]*all raise or are taken")
  end)
end)
