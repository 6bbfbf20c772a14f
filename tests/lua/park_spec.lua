-- Events that wait for scripts (park.lua, backlog.lua), over the test's clock: order, parking,
-- rest, bounds, what a reload and a restart do with them.

local t = require "moon2m.test"

local function script(text) return 'local cse = require "moon2m"\n' .. text end

-- Handles what is created in /c: writes it to /d, or raises while it begins with "bad".
local SINK = [[
cse.on("create", "/c", function(ev)
  if tostring(ev.res.con):match("^bad") then error("bad one") end
  cse.add("/d", ev.res.con)
end)]]

local TREE = { ["/c"] = { mni = 1000 }, ["/d"] = { mni = 1000 } }

local function with(text, server)
  local h = t.host { scripts = { s = script(text) }, tree = TREE, server = server }
  h:expect_error "bad one"
  return h
end

local function passes(fn) assert.same({}, t.run(fn)) end

local function state(h, name)
  local s = require("moon2m.park").state(name or "s")
  return { s.waiting, s.parked, s.dropped }, h
end

-- What arrived in /d, oldest first.
local function seen(h)
  local newest, list = h:latest("/d", 1000) or {}, {}
  for i = #newest, 1, -1 do list[#list + 1] = tostring(newest[i]) end
  return table.concat(list, " ")
end

local function create(h, ...)
  for _, con in ipairs { ... } do h:create("/c", con) end
end

describe("events of a rule", function()
  it("that fail are set aside, those behind them go on; replayed in order, before what waits",
    function()
      passes(function()
        local h = with(SINK)
        create(h, "1", "bad 2", "3", "bad 4", "5")
        t.same(state(h), { 2, 2, 0 })
        t.equal(seen(h), "1 3 5")
        t.same(require("moon2m.park").names(), { "s" })
        h:write("s", script [[cse.on("create", "/c", function(ev) cse.add("/d", ev.res.con) end)]])
        t.ok(h:reload "s")
        h:advance(1)
        t.equal(seen(h), "1 3 5 bad 2 bad 4")
        t.same(state(h), { 0, 0, 0 })
        t.same(require("moon2m.park").names(), {})
      end)
    end)

  it("are handed over one at a time, or as many at once as the rule says", function()
    for n, most in pairs { [1] = 1, [3] = 3 } do
      passes(function()
        local h = t.host { tree = TREE, scripts = { s = script(([[
          local now, most = 0, 0
          cse.on("create", "/c", function(ev)
            now = now + 1
            most = math.max(most, now)
            cse.sleep(1)
            now = now - 1
            cse.add("/d", most)
          end, { parallel = %d })]]):format(n)) } }
        create(h, "1", "2", "3", "4")
        h:advance(6)
        t.equal(seen(h):match("%d$"), tostring(most))
        t.same(state(h), { 0, 0, 0 })
      end)
    end
  end)

  it("wait while the rule rests after five failures, and are tried when that is over", function()
    passes(function()
      local h = with(SINK)
      create(h, "bad 1", "bad 2", "bad 3", "bad 4", "bad 5", "6", "7")
      t.same(state(h), { 7, 5, 0 })
      t.equal(seen(h), "")
      h:advance(29)
      t.equal(seen(h), "")
      h:advance(2)
      t.equal(seen(h), "6 7")
      t.same(state(h), { 5, 5, 0 })
    end)
  end)

  it("are handed over at once by replay, which counts them; drop forgets what is parked", function()
    passes(function()
      local h = with(SINK)
      create(h, "bad 1", "bad 2", "bad 3", "bad 4", "bad 5", "6")
      local park = require "moon2m.park"
      t.equal(park.replay("s"), 6)
      h:advance(0.1)
      t.same(state(h), { 6, 1, 0 })             -- the first failure lets it rest again
      t.equal(park.drop("s"), 1)
      t.same(state(h), { 5, 0, 1 })
      t.equal(park.replay("unknown"), 0)
      t.equal(park.drop("unknown"), 0)
      t.same(state(h, "unknown"), { 0, 0, 0 })
    end)
  end)

  it("are bounded for each script: the oldest are dropped, counted and told once", function()
    passes(function()
      local h = with(SINK, { limits = { parked = 4 } })
      for i = 1, 9 do create(h, "bad " .. i) end
      t.same(state(h), { 4, 0, 5 })             -- it rests: they have not been tried
      t.equal(#h:logged "s: more than 4 events wait, the oldest are dropped", 1)
      h:write("s", script [[cse.on("create", "/c", function(ev) cse.add("/d", ev.res.con) end)]])
      t.ok(h:reload "s")
      h:advance(1)
      t.equal(seen(h), "bad 6 bad 7 bad 8 bad 9")
    end)
  end)

  it("are bounded when they are set aside: those of clients that waited, too", function()
    passes(function()
      local h = t.host { tree = TREE, server = { limits = { parked = 2 } }, scripts = { s = script
        [[cse.on("create", "/c", function(ev) cse.sleep(1) error("bad " .. ev.res.con) end)]] } }
      create(h, "1", "2", "3", "4")
      t.same(state(h), { 4, 0, 0 })
      h:advance(5)
      h:expect_error "bad"
      t.same(state(h), { 2, 2, 2 })
      t.equal(#h:logged "event parked, 2 waiting; fix, and `moon2m reload s` replays", 3)
      t.equal(#h:logged "event parked, [3-9] waiting", 0)
    end)
  end)
end)

describe("events of a rule that is no more", function()
  it("go to the new rules that match them, or are dropped and counted", function()
    passes(function()
      local h = with [[
        cse.on("create", "/c", function() error("bad one") end)
        cse.on("update", "/c", function() error("bad one") end)]]
      create(h, "1", "2")
      h:update("/c", { mni = 500 })
      t.same(state(h), { 3, 3, 0 })
      h:write("s", script [[cse.on("create", "/*", function(ev)
        if ev.to == "/c" then cse.add("/d", ev[1] .. ev.res.con) end
      end)]])
      t.ok(h:reload "s")
      h:advance(1)
      t.equal(seen(h), "c1 c2")
      t.same(state(h), { 0, 0, 1 })
      t.equal(#h:logged "1 event of `on update /c` dropped, the script has no such rule", 1)
    end)
  end)
end)

describe("a restart", function()
  local PARKS = [[
    cse.on("create", "/c", function(ev) error("bad one " .. ev.at) end)]]

  it("brings back what waits, each with the number it had, and nothing that was handled", function()
    passes(function()
      local h = with(PARKS)
      create(h, "1", "2", "3")
      local before = {}
      for _, e in ipairs(h:errors()) do before[#before + 1] = e.text:match("one (%d+)") end
      h:restart()
      t.same(state(h), { 3, 3, 0 })
      local again = h:errors()
      for i = 1, 3 do t.match(again[#again - 3 + i].text, "one " .. before[i]) end
      h:write("s", script(SINK))
      t.ok(h:reload "s")
      h:advance(1)
      t.equal(seen(h), "1 2 3")
      h:restart()
      h:advance(1)
      t.same(state(h), { 0, 0, 0 })
      t.equal(seen(h), "1 2 3")
    end)
  end)

  it("numbers ascend, also when the clock stands still", function()
    passes(function()
      local h = with(PARKS)
      local backlog = require "moon2m.backlog"
      local last = backlog.sequence()
      for _ = 1, 100 do
        local n = backlog.sequence()
        t.ok(n > last)
        last = n
      end
      create(h, "1")
      h:restart()
      backlog = require "moon2m.backlog"
      t.ok(backlog.sequence() > last)
    end)
  end)

  it("keeps what is held for a script that brought the server down until it is replayed", function()
    passes(function()
      local h = with(PARKS)
      create(h, "1", "2")
      local loop, park = require "moon2m.test.loop", require "moon2m.park"
      loop.run(function() park.hold("s") end)
      h:write("s", script(SINK))
      h:restart()
      h:advance(1)
      t.equal(seen(h), "")
      t.same(state(h), { 2, 2, 0 })
      t.equal(require("moon2m.park").replay("s"), 2)
      h:advance(1)
      t.equal(seen(h), "1 2")
    end)
  end)
end)

describe("a row of the backlog", function()
  it("holds the event with all that its handler and its rule need", function()
    passes(function()
      t.host {}
      local backlog = require "moon2m.backlog"
      local e = { at = 1767258000123456, op = "create", to = "/x/y", fr = 'C"x', hop = 2,
        chain = "/a -> /b", rep = '{"m2m:cin":{"con":"1"}}' }
      local key, text = backlog.row { e = e, at = e.at, n = 3, held = true,
        queue = { owner = backlog.owner('a"b', "on create /x") } }
      t.equal(key, "evt/1767258000123456/3")
      t.same(text, { s = 'a"b', r = "on create /x", held = true, op = "create", to = "/x/y",
        fr = 'C"x', hop = 2, chain = "/a -> /b", rep = { ["m2m:cin"] = { con = "1" } },
        old = require("moon2m.json").null })
    end)
  end)
end)
