-- cse.wait and cse.wake: handlers of a script that wait for each other, over the test's clock.

local t = require "moon2m.test"

local function passes(fn) assert.same({}, t.run(fn)) end

local TREE = { ["/in"] = { mni = 1000 }, ["/out"] = { mni = 1000 } }

local function with(text)
  return t.host { tree = TREE, scripts = { s = 'local cse = require "moon2m"\n' .. text } }
end

-- What arrived in /out, oldest first.
local function seen(h)
  local newest, list = h:latest("/out", 100) or {}, {}
  for i = #newest, 1, -1 do list[#list + 1] = tostring(newest[i]) end
  return table.concat(list, " ")
end

describe("cse.wait", function()
  it("goes on when another handler wakes its key, with what it hands over", function()
    passes(function()
      local h = with [[
        cse.every(10, function()
          local ok, a, b, c = cse.wait("answer", 5)
          cse.add("/out", ("%s %s %s %s"):format(tostring(ok), tostring(a), tostring(b), c))
        end)
        cse.on("create", "/in", function(ev)
          cse.add("/out", cse.wake(ev.res.con, 1, nil, 3))
        end)]]
      h:advance(10)
      h:create("/in", "other")
      h:create("/in", "answer")
      h:create("/in", "answer")
      t.equal(seen(h), "0 1 true 1 nil 3 0")
    end)
  end)

  it("gives nil and 4008 when nobody does", function()
    passes(function()
      local h = with [[
        cse.every(10, function()
          local ok, err = cse.wait("answer", 2)
          cse.add("/out", tostring(ok) .. " " .. err.rsc .. " " .. err.msg)
        end)]]
      h:advance(11.9)
      t.equal(seen(h), "")
      h:advance(0.2)
      t.equal(seen(h), "nil 4008 not woken in 2 s")
    end)
  end)

  it("makes a lock: those who wait get it one after the other, in their order", function()
    passes(function()
      local h = with [[
        local key, busy, now = {}, false, 0
        cse.on("create", "/in", function(ev)
          while busy do cse.wait(key) end
          busy, now = true, now + 1
          cse.sleep(1)
          cse.add("/out", ("%s:%d"):format(ev.res.con, now))
          busy, now = false, now - 1
          cse.wake(key)
        end, { parallel = 4 })]]
      for i = 1, 4 do h:create("/in", i) end
      h:advance(9)
      t.equal(seen(h), "1:1 2:1 3:1 4:1")
    end)
  end)

  it("is ended by the budget of its handler; who comes later is not concerned", function()
    passes(function()
      local h = with [[
        cse.virtual("/ask", function() return { con = tostring(cse.wait("k")) } end)
        cse.on("create", "/in", function() cse.add("/out", cse.wake("k")) end)]]
      t.refused(5000, h:retrieve("/ask"))
      h:expect_error "s.lua:2: not finished after 2 s, stopped"
      h:create("/in", 1)
      t.equal(seen(h), "0")
    end)
  end)

  it("reaches from the version before a reload to the one after it", function()
    passes(function()
      local h = with [[
        cse.on("create", "/in", function(ev)
          cse.add("/out", select(2, cse.wait("k", 20)))
        end)]]
      h:create("/in", "1")
      h:write("s", [[local cse = require "moon2m"
        cse.every(1, function() cse.wake("k", "new") end)]])
      t.ok(h:reload "s")
      h:advance(2)
      t.equal(seen(h), "new")
    end)
  end)

  it("is refused where nothing can wait, and without a key", function()
    passes(function()
      local h = with [[
        cse.virtual("/wrong", function()
          local out = {}
          for _, call in ipairs { function() cse.wait() end, function() cse.wake() end,
            function() cse.wait("k", "soon") end,
            function() table.sort({ 2, 1 }, function() cse.wait("k") end) end } do
            out[#out + 1] = select(2, pcall(call)):match("^[^\n]*s%.lua:%d+: ([^\n]*)")
          end
          return { con = table.concat(out, "|") }
        end)]]
      t.equal(h:retrieve("/wrong").con, "cse.wait: key: a value was expected, got nil|" ..
        "cse.wake: key: a value was expected, got nil|" ..
        "cse.wait: seconds: a number from 0 on was expected, got \"soon\"|" ..
        "verbs cannot wait inside table.sort: collect first, then act")
    end)
  end)

  it("forgets who was given up: ten thousand entries are no limit for ever", function()
    passes(function()
      local h = with ""
      local waiters, timers = require "moon2m.waiters", require "moon2m.timers"
      local w = waiters.new()
      for i = 1, 10000 do
        timers.spawn(function() waiters.wait(w, i, 3) end)
      end
      h:advance(1)
      assert.equal(10000, w.count)
      local told
      timers.spawn(function() told = { waiters.wait(w, "x", 1) } end)
      h:advance(0.1)
      assert.same({ nil }, told)
      h:advance(5)
      assert.equal(0, w.count)
      assert.same({}, w.by_key)
    end)
  end)
end)
