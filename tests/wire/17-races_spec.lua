-- What happens at the same time: names and identifiers are given once, counters stay true, nothing
-- is notified twice or lost, a consumer that does not read keeps nobody else waiting.

local cqueues = require "cqueues"
local h = require "harness"
local raw = require "raw"
local expect = h.expect

-- Runs the functions side by side until all have ended.
local function together(...)
  local cq = cqueues.new()
  for _, fn in ipairs { ... } do cq:wrap(fn) end
  assert(cq:loop(30))
end

-- n times fn(i) side by side; the status codes of their answers, counted.
local function race(n, fn)
  local codes, list = {}, {}
  for i = 1, n do
    list[i] = function()
      local rsc = fn(i).rsc
      codes[rsc] = (codes[rsc] or 0) + 1
    end
  end
  together(unpack(list))
  return codes
end

describe("at the same time", function()
  local s

  setup(function()
    s = h.start()
    s:register("race")
  end)
  teardown(h.stop_all)

  it("one name is given once", function()
    for round = 1, 5 do
      local codes = race(12, function()
        return s:create("/moon/race", "Crace", 3, { rn = "same" .. round })
      end)
      assert.same({ [2001] = 1, [4105] = 11 }, codes)
    end
  end)

  it("one instance name is given once", function()
    expect(2001, s:create("/moon/race", "Crace", 3, { rn = "names" }))
    for round = 1, 5 do
      local codes = race(12, function()
        return s:create("/moon/race/names", "Crace", 4, { rn = "same" .. round, con = "1" })
      end)
      assert.same({ [2001] = 1, [4105] = 11 }, codes)
    end
    assert.equal(5, expect(2000, s:retrieve("/moon/race/names", "Crace")).cni)
  end)

  it("one AE-ID is registered once", function()
    for round = 1, 5 do
      local codes = race(12, function(i)
        return s:create("/moon", "Conce" .. round, 2, { rn = ("once%d_%d"):format(round, i),
          api = "Nrace", rr = true, srv = { "3" } })
      end)
      assert.same({ [2001] = 1, [4117] = 11 }, codes)
    end
  end)

  it("a resource is deleted once", function()
    for round = 1, 5 do
      expect(2001, s:create("/moon/race", "Crace", 3, { rn = "del" .. round }))
      s:add("/moon/race/del" .. round, "Crace", "1")
      local codes = race(8, function() return s:delete("/moon/race/del" .. round, "Crace") end)
      assert.same({ [2002] = 1, [4004] = 7 }, codes)
    end
  end)

  it("la is deleted once per instance", function()
    expect(2001, s:create("/moon/race", "Crace", 3, { rn = "la5" }))
    for i = 1, 5 do s:add("/moon/race/la5", "Crace", tostring(i)) end
    local codes = race(12, function() return s:delete("/moon/race/la5/la", "Crace") end)
    assert.same({ [2002] = 5, [4004] = 7 }, codes)
    local r = expect(2000, s:retrieve("/moon/race/la5", "Crace"))
    assert.equal(0, r.cni)
    assert.equal(0, r.cbs)
  end)

  it("updates add up in st, the last one answered stands", function()
    expect(2001, s:create("/moon/race", "Crace", 3, { rn = "upd" }))
    local codes = race(20, function(i)
      return s:update("/moon/race/upd", "Crace", { ["m2m:cnt"] = { mni = i } })
    end)
    assert.same({ [2004] = 20 }, codes)
    assert.equal(20, expect(2000, s:retrieve("/moon/race/upd", "Crace")).st)
  end)

  it("creates against their parent's deletion: 2001 before, 4004 after, none left", function()
    for round = 1, 5 do
      local path = "/moon/race/gone" .. round
      expect(2001, s:create("/moon/race", "Crace", 3, { rn = "gone" .. round }))
      local codes, list = {}, {}
      for i = 1, 10 do
        list[i] = function()
          for _ = 1, 4 do
            local a = s:create(path, "Crace", i % 2 == 0 and 3 or 4,
              i % 2 == 0 and { lbl = { "lost" } } or { con = "1" })
            codes[a.rsc] = (codes[a.rsc] or 0) + 1
          end
        end
      end
      list[11] = function()
        h.sleep(0.005)
        expect(2002, s:delete(path, "Crace"))
      end
      together(unpack(list))
      for rsc in pairs(codes) do assert.is_true(rsc == 2001 or rsc == 4004, tostring(rsc)) end
      expect(4004, s:retrieve(path, "Crace"))
    end
    assert.same({}, expect(2000, s:retrieve("/moon?fu=1&lbl=lost", "CAdmin")))
    assert.equal(0, s:stop())
    s:run()
    assert.same({}, expect(2000, s:retrieve("/moon?fu=1&lbl=lost", "CAdmin")))
  end)

  it("every create answered after the subscription was is notified, once", function()
    local ws = s:listen(s:register("hear"))
    expect(2001, s:create("/moon/hear", "Chear", 3, { rn = "c" }))
    local after = {}
    local subscribed = false
    local list = {}
    for w = 1, 6 do
      list[w] = function()
        for i = 1, 20 do
          local was = subscribed
          local con = w .. "." .. i
          s:add("/moon/hear/c", "Chear", con)
          if was then after[con] = true end
        end
      end
    end
    list[7] = function()
      h.sleep(0.01)
      expect(2001, s:create("/moon/hear/c", "Chear", 23,
        { nu = { "Chear" }, enc = { net = { 3 }, chty = { 4 } } }))
      subscribed = true
    end
    together(unpack(list))
    local seen, last = {}, 0
    while true do
      local m = ws:notification(0.5)
      if not m then break end
      local cin = m.pc["m2m:sgn"].nev.rep["m2m:cin"]
      assert.is_nil(seen[cin.con])
      seen[cin.con] = true
      assert.is_true(cin.st > last)
      last = cin.st
    end
    for con in pairs(after) do assert.is_true(seen[con], con .. " was not notified") end
    ws:close()
  end)

  it("connections of one AE that take over in turn lose nothing", function()
    local a = s:register("turn")
    expect(2001, s:create("/moon/turn", "Cturn", 3, { rn = "c" }))
    expect(2001, s:create("/moon/turn/c", "Cturn", 23,
      { nu = { "Cturn" }, enc = { net = { 3 }, chty = { 4 } } }))
    local n, seen, order, done = 120, {}, {}, false
    together(function()
      for i = 1, n do s:add("/moon/turn/c", "Cturn", tostring(i)) end
      done = true
    end, function()
      local count = 0
      while count < n do
        local ws = s:listen(a)
        for _ = 1, 15 do
          local m = ws:notification(done and 1 or 0.2)
          if not m then break end
          local con = m.pc["m2m:sgn"].nev.rep["m2m:cin"].con
          if not seen[con] then
            seen[con] = true
            count = count + 1
            order[count] = tonumber(con)
          end
        end
      end
    end)
    for i = 1, n do assert.equal(i, order[i]) end
  end)

  it("a consumer that does not read delays nobody, and gets all of it in the end", function()
    local deaf = s:register("deaf")
    local fine = s:listen(s:register("fine"))
    expect(2001, s:create("/moon/deaf", "Cdeaf", 3, { rn = "c" }))
    expect(2001, s:create("/moon/deaf/c", "Cdeaf", 23,
      { nu = { "Cdeaf" }, enc = { net = { 3 }, chty = { 4 } } }))
    together(function()
      expect(2001, s:create("/moon/deaf/c", "Cdeaf", 23,
        { nu = { "Cfine" }, enc = { net = { 3 }, chty = { 4 } } }))
    end, function() assert.is_true((fine:sgn()).vrq) end)
    local c = raw.websocket(s.ws_port, nil, deaf.url:match("/notify/.+$"))
    local big = ("x"):rep(100000)
    local slowest = 0
    for i = 1, 60 do
      local t = cqueues.monotime()
      s:add("/moon/deaf/c", "Cdeaf", i .. big)
      assert.equal(i .. big, (fine:content()))
      slowest = math.max(slowest, cqueues.monotime() - t)
    end
    assert.is_true(slowest < 1, "the other waited " .. slowest)
    c:close()
    local ws = s:listen(deaf)
    for i = 1, 60 do assert.equal(i .. big, (ws:content())) end
    ws:close()
    fine:close()
  end)

  it("clients that go while their answer is under way harm nobody", function()
    for _ = 1, 50 do
      local c = raw.connect(s.port)
      c:write(raw.post("/moon/race/names", 4, '{"m2m:cin":{"con":"bye"}}'))
      c:close()
    end
    expect(2000, s:retrieve("/moon/race", "Crace"))
    h.wait("counters that agree with the instances", function()
      local r = expect(2000, s:retrieve("/moon/race/names", "CAdmin"))
      return r.cni == #expect(2000, s:retrieve("/moon/race/names?rcn=6&ty=4", "CAdmin")).rrf
    end, 5)
  end)
end)
