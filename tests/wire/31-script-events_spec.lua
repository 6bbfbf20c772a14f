-- Events of `on` rules: parked when their handler fails, kept over restarts and kill -9, in order,
-- bounded; the breaker; what the operator sees.

local h = require "harness"
local expect = h.expect

local ME = "Chome"
local TEMP = "/moon/home/temp"

local function command(s, args)
  return h.sh("%s %s --data %s 2>&1", h.bin, args, s.data)
end

local function with(text, o)
  o = o or {}
  o.scripts = { s = 'local cse = require "moon2m"\n' .. text }
  local s = h.start(o)
  s:register("home")
  expect(2001, s:create("/moon/home", ME, 3, { rn = "temp" }))
  return s
end

-- A new version of the script.
local function rewrite(s, text)
  h.write_file(s.dir .. "/s.lua", 'local cse = require "moon2m"\n' .. text)
end

-- The contents of /log, oldest first.
local function log_of(s)
  local a = s:retrieve("/moon/log?rcn=8&ty=4", "CAdmin")
  if a.rsc ~= 2000 then return {} end
  local list = {}
  for i, c in ipairs(expect(2000, a)["m2m:cin"] or {}) do list[i] = c.con end
  return list
end

local LOG = [[
cse.start(function() cse.ensure("/log", "container", {}) end)
cse.on("create", "/home/temp", function(ev)
  if ev.res.con:find("bad") then error("cannot " .. ev.res.con) end
  cse.add("/log", ev.res.con)
end)]]

local FIXED = [[
cse.start(function() cse.ensure("/log", "container", {}) end)
cse.on("create", "/home/temp", function(ev) cse.add("/log", "fixed " .. ev.res.con) end)]]

describe("an event whose handler fails", function()
  teardown(h.stop_all)

  it("is parked, those behind it go on; the error says where, what and what became of it",
    function()
    local s = with(LOG)
    s:add(TEMP, ME, "bad 1")
    s:add(TEMP, ME, "good 1")
    s:logs("s: [^\n]*s.lua:4: cannot bad 1\n[^\n]*in on create /home/temp %([^\n]*s.lua:3%), " ..
      "create /home/temp by Chome\n[^\n]*stored; event parked, 1 waiting; " ..
      "fix, and `moon2m reload s` replays")
    h.wait("the good one", function() return log_of(s)[1] == "good 1" end)
    assert.equal(1, s:metric("moon2m_script_parked", 's"'))
    local out, code = command(s, "scripts")
    assert.equal(0, code)
    assert.matches("1 event waits, 1 parked", out)
    assert.matches("s.lua:4: cannot bad 1\n%s+in on create /home/temp %b(), create /home/temp by "
      .. "Chome\n%s+stored; event parked, 1 waiting; fix, and `moon2m reload s` replays", out)
    out = command(s, "scripts --json s")
    assert.matches('"parked":1', out)
  end)

  it("is handed over again by replay, and by a reload to the new version, in order", function()
    local s = with(LOG)
    for i = 1, 2 do s:add(TEMP, ME, "bad " .. i) end
    s:logs("2 waiting")
    local out, code = command(s, "replay s")
    assert.same({ "2 events handed to s again", 0 }, { out, code })
    s:logs("cannot bad 2.*cannot bad 2")
    s:add(TEMP, ME, "bad 3")
    s:logs("rests for 30 s")
    rewrite(s, FIXED)
    out, code = command(s, "reload s")
    assert.equal(0, code, out)
    assert.matches("s.lua reloaded: 2 rules, 3 waiting events replayed", out)
    s:add(TEMP, ME, "later")
    h.wait("four lines", function() return #log_of(s) == 4 end)
    assert.same({ "fixed bad 1", "fixed bad 2", "fixed bad 3", "fixed later" }, log_of(s))
    assert.equal(0, s:metric("moon2m_script_parked", 's"'))
  end)

  it("survives a stop and kill -9, with its number", function()
    local s = with(LOG)
    s:add(TEMP, ME, "bad 1")
    s:logs("event parked")
    assert.equal(0, s:stop())
    s:run()
    s:logs("1 event of the last run waits")
    s:logs("cannot bad 1")
    s:kill()
    rewrite(s, FIXED)
    s:run()
    h.wait("the line", function() return log_of(s)[1] == "fixed bad 1" end)
    h.sleep(0.4)                                 -- until the store has forgotten it
    s:kill()
    s:run()
    h.sleep(0.3)
    assert.same({ "fixed bad 1" }, log_of(s))
  end)

  it("that was under way at kill -9 comes again", function()
    local s = with [[
      cse.start(function() cse.ensure("/log", "container", {}) end)
      cse.on("any", "/home/temp", function(ev)
        cse.add("/log", ev.op .. " " .. ev.at)
        cse.sleep(20)
      end)]]
    s:add(TEMP, ME, "1")
    expect(2004, s:update(TEMP, ME, { ["m2m:cnt"] = { mni = 9 } }))
    expect(2002, s:delete(TEMP, ME))
    h.wait("the first", function() return log_of(s)[1] end)
    local first = log_of(s)[1]
    s:kill()
    rewrite(s, [[
      cse.on("any", "/home/temp", function(ev) cse.add("/log", ev.op .. " " .. ev.at) end)]])
    s:run()
    h.wait("all", function() return #log_of(s) == 4 end)
    local list = log_of(s)
    assert.equal(first, list[2])
    assert.matches("^update ", list[3])
    assert.matches("^delete ", list[4])
  end)

  it("that was handled right before kill -9 may come again, known by ev.at", function()
    local s = with [[
      cse.start(function() cse.ensure("/log", "container", {}) end)
      cse.on("create", "/home/temp", function(ev)
        local made, err = cse.create("/log", "container", { rn = ("n%d"):format(ev.at) })
        if not made and err.rsc ~= 4105 then error(err) end
      end)]]
    local function named()
      local a = s:retrieve("/moon/log?rcn=6", "CAdmin")
      return #(a.body and a.body["m2m:rrl"] and a.body["m2m:rrl"].rrf or {})
    end
    for i = 1, 10 do s:add(TEMP, ME, tostring(i)) end
    h.wait("all", function() return named() == 10 end)
    s:kill()
    s:run()
    h.wait("no event", function() return command(s, "scripts"):find(" waiting") == nil end)
    h.sleep(0.2)
    assert.equal(10, named())
    assert.is_nil(s:text():find("event parked"))
  end)

  it("is kept for a script that does not load, and dropped when told to", function()
    local s = with(LOG)
    s:add(TEMP, ME, "bad 1")
    s:logs("event parked")
    assert.equal(0, s:stop())
    rewrite(s, "x = 1")
    s:run()
    local out = command(s, "scripts")
    assert.matches("s %S*s.lua off: [^\n]*s.lua:2: assignment to undeclared variable 'x'", out)
    assert.matches("1 event waits", out)
    local _, code = command(s, "replay s")
    assert.equal(1, code)
    assert.same({ "1 event dropped", 0 }, { command(s, "replay --drop s") })
  end)

  it("goes to the rule that matches it now when the old one is gone, else it is dropped", function()
    local s = with(LOG)
    s:add(TEMP, ME, "bad 1")
    s:logs("event parked")
    rewrite(s, [[
      cse.on("any", "/home/*", function(ev) cse.add("/log", ev[1] .. " " .. ev.res.con) end)]])
    command(s, "reload s")
    h.wait("the line", function() return log_of(s)[1] == "temp bad 1" end)
    rewrite(s, LOG)
    command(s, "reload s")
    s:add(TEMP, ME, "bad 2")
    s:logs("cannot bad 2")
    rewrite(s, [[cse.on("create", "/elsewhere", function(ev) end)]])
    command(s, "reload s")
    s:logs("1 event of `on create /home/temp` dropped")
    assert.equal(1, s:metric("moon2m_script_events_dropped_total", 's"'))
  end)

  it("of a retrieve or a notify is parked too, for each of its rules", function()
    local s = with [[
      cse.on("retrieve", "/home/temp", function(ev) error("no") end)
      cse.on("any", "/home/temp", function(ev) error("no") end)]]
    expect(2000, s:retrieve(TEMP, ME))
    s:logs("answered; event parked, 2 waiting")
    assert.equal(0, s:stop())
    s:run()
    s:logs("2 events of the last run wait")
  end)
end)

-- Rules that handle at once, that fail for some, that are slow, that are two of one script, that
-- rest; not broken: none of them fails or is slow.
local function crowd(broken)
  local function rule(op, where, log, trouble)
    return ([[
      cse.on("%s", "%s", function(ev)
        local n = tonumber(ev.res.con)
        %s
        cse.add("/%s", n)
      end)]]):format(op, where, broken and trouble or "", log)
  end
  local scripts = {
    quick = rule("create", "/home/temp", "quick"),
    failing = rule("create", "/home/temp", "failing", [[if n % 5 == 0 then error("five") end]]),
    slow = rule("create", "/home/temp", "slow", "cse.sleep(0.02)"),
    two = rule("create", "/home/*", "one") .. "\n" .. rule("any", "/home/temp", "other"),
    resting = rule("create", "/home/temp", "resting", [[error("always")]]),
  }
  for name, text in pairs(scripts) do
    scripts[name] = 'local cse = require "moon2m"\n' .. text
  end
  return scripts
end

local LOGS = { "quick", "failing", "slow", "one", "other", "resting" }

-- Adds readings until the server is killed; how many were answered.
local function add_until_killed(s, seconds)
  local answered, over, cq = 0, false, require("cqueues").new()
  cq:wrap(function()
    while not over do
      local ok, a = pcall(s.create, s, TEMP, ME, 4, { con = tostring(answered + 1) })
      if not ok or a.rsc ~= 2001 then return end
      answered = answered + 1
    end
  end)
  cq:wrap(function()
    require("cqueues").sleep(seconds)
    s:kill()
    over = true
  end)
  assert(cq:loop(60))
  return answered
end

-- Which numbers are in a log, and whether each came, the first time, behind those before it.
local function arrived(s, name)
  local seen, last, ordered = {}, 0, true
  for _, text in ipairs(expect(2000, s:retrieve("/moon/" .. name .. "?rcn=8&ty=4", "CAdmin"))
    ["m2m:cin"] or {}) do
    local n = tonumber(text.con)
    if not seen[n] then
      ordered, last = ordered and n > last, n
    end
    seen[n] = true
  end
  return seen, ordered
end

local function missing(s, name, answered)
  local seen, list = arrived(s, name), {}
  for n = 1, answered do
    if not seen[n] then list[#list + 1] = n end
  end
  return table.concat(list, " ")
end

describe("events of many scripts", function()
  teardown(h.stop_all)

  it("whose changes were answered before kill -9 reach each rule, in order", function()
    local s = h.start { scripts = crowd(true), config = "limits = { parked = 5000 }\n" }
    s:register("home")
    expect(2001, s:create("/moon/home", ME, 3, { rn = "temp" }))
    for _, name in ipairs(LOGS) do
      expect(2001, s:create("/moon", "CAdmin", 3, { rn = name }))
    end
    local answered = add_until_killed(s, 0.9)
    assert.is_true(answered > 20, "answered " .. answered)
    for name, text in pairs(crowd(false)) do
      h.write_file(("%s/%s.lua"):format(s.dir, name), text)
    end
    s:run()
    for _, name in ipairs(LOGS) do
      h.wait("all in " .. name, function() return missing(s, name, answered) == "" end)
      local _, ordered = arrived(s, name)
      assert.is_true(name == "failing" or ordered, name)
    end
    h.wait("nothing waits", function()
      return not command(s, "scripts"):find("[1-9]%d* events? wait")
    end)
    h.sleep(0.6)                                 -- until the store has forgotten them
    s:kill()
    s:run()
    assert.is_nil(s:text():find("events of the last run wait", 1, true))
  end)
end)

describe("bounds", function()
  teardown(h.stop_all)

  it("limits.parked: the oldest are dropped and counted", function()
    local s = with(LOG, { config = "limits = { parked = 4 }\n" })
    for i = 1, 10 do s:add(TEMP, ME, "bad " .. i) end
    h.wait("drops", function()
      return s:metric("moon2m_script_events_dropped_total", 's"') == 6
    end)
    rewrite(s, FIXED)
    command(s, "reload s")
    h.wait("four lines", function() return #log_of(s) == 4 end)
    assert.same({ "fixed bad 7", "fixed bad 8", "fixed bad 9", "fixed bad 10" }, log_of(s))
    assert.equal(10, expect(2000, s:retrieve(TEMP, ME)).cni)
  end)

  it("a slow handler slows the clients of its path down and loses nothing", function()
    local s = with([[
      local n = 0
      cse.on("create", "/home/temp", function(ev)
        n = n + 1
        if n <= 40 then cse.sleep(0.02) end
      end)
      cse.virtual("/home/n", function() return { con = n } end)]],
      { config = "limits = { parked = 20 }\n" })
    local cq = require("cqueues").new()
    for i = 1, 30 do
      cq:wrap(function()
        for k = 1, 4 do s:add(TEMP, ME, i .. "/" .. k) end
      end)
    end
    assert(cq:loop(30))
    h.wait("all handled", function() return expect(2000, s:retrieve("/moon/home/n",
      ME)).con == 120 end)
    assert.is_nil(s:metric("moon2m_script_events_dropped_total", 's"'))
  end)

  it("five failures in a row rest the rule: its events wait, policies and checks refuse", function()
    local s = with [[
      local broken = true
      cse.policy("/home/other", function() error("policy") end)
      cse.check("create", "/home/checked", function() error("check") end)
      cse.on("update", "/home", function() broken = false end)
      cse.on("create", "/home/temp", function(ev)
        if broken then error("broken") end
        cse.add("/log", ev.res.con)
      end)
      cse.start(function() cse.ensure("/log", "container", {}) end)]]
    expect(2001, s:create("/moon/home", ME, 3, { rn = "checked" }))
    expect(2001, s:create("/moon/home", ME, 3, { rn = "other" }))
    for i = 1, 7 do s:add(TEMP, ME, tostring(i)) end
    s:logs("failed 5 times in a row and rests for 30 s")
    local out = command(s, "scripts")
    assert.matches("7 events wait, 5 parked", out)
    assert.matches("rests for %d+ s: on create /home/temp", out)
    for _ = 1, 5 do
      expect(4103, s:retrieve("/moon/home/other", ME), "policy of s failed, refused")
      expect(5000, s:create("/moon/home/checked", ME, 4, { con = "1" }),
        "check of s failed, nothing was stored")
    end
    expect(4103, s:retrieve("/moon/home/other", ME), "policy of s is out of order, refused")
    expect(5000, s:create("/moon/home/checked", ME, 4, { con = "1" }), "check of s is out of order")
    assert.equal(0, expect(2000, s:retrieve("/moon/home/checked", ME)).cni)
    expect(2004, s:update("/moon/home", ME, { ["m2m:ae"] = { lbl = { "mended" } } }))
    h.sleep(0.1)
    assert.equal("7 events handed to s again", (command(s, "replay s")))
    h.wait("seven lines", function() return #log_of(s) == 7 end)
    assert.same({ "1", "2", "3", "4", "5", "6", "7" }, log_of(s))
  end)
end)

describe("order and parallel", function()
  teardown(h.stop_all)

  it("one event of a rule at a time, n with { parallel = n }", function()
    local s = with [[
      local now, most = { 0, 0 }, { 0, 0 }
      local function enter(i, s)
        now[i] = now[i] + 1
        most[i] = math.max(most[i], now[i])
        cse.sleep(s)
        now[i] = now[i] - 1
      end
      cse.on("create", "/home/temp", function(ev) enter(1, 0.01) end)
      cse.on("create", "/home/*", function(ev) enter(2, 0.05) end, { parallel = 3 })
      cse.virtual("/home/most", function() return { con = most } end)]]
    for i = 1, 12 do s:add(TEMP, ME, tostring(i)) end
    h.wait("handlers", function()
      local most = expect(2000, s:retrieve("/moon/home/most", ME)).con
      return most[1] == 1 and most[2] == 3
    end)
  end)
end)
