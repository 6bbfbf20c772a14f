-- action and dependency (Release 4): a request that is made when an attribute meets a criterion.

local cjson = require "cjson"
local h = require "harness"
local expect = h.expect

describe("an action", function()
  local s, actor
  local ME = "Cactor"
  local n = 0

  setup(function()
    s = h.start()
    actor = s:register "actor"
    expect(2001, s:create("/moon/actor", ME, 3, { rn = "out" }))
  end)
  teardown(h.stop_all)

  local function request(more)
    local apv = { op = 1, fr = ME, to = "x", rqi = "r1", ty = 4, rvi = "4",
      pc = { ["m2m:cin"] = { con = "done" } } }
    for k, v in pairs(more or {}) do apv[k] = v end
    return apv
  end
  local function above(limit, optr) return { optr = optr or 3, sbjt = "cni", thld = limit } end

  -- A container of its own, and an action below it.
  local function container()
    n = n + 1
    expect(2001, s:create("/moon/actor", ME, 3, { rn = "c" .. n }))
    return "/moon/actor/c" .. n
  end
  local function attributes(more)
    local a = { evc = above(0), evm = 1, orc = "moon/actor/out", apv = request() }
    for k, v in pairs(more or {}) do a[k] = v end
    return a
  end
  local function create(attrs, where) return s:create(where or container(), ME, 65, attrs) end
  local function act(more, where)
    where = where or container()
    local r = expect(2001, s:create(where, ME, 65, attributes(more)))
    return where .. "/" .. r.rn, where, r
  end
  local function update(path, attrs) return s:update(path, ME, { ["m2m:actr"] = attrs }) end
  local function get(path) return expect(2000, s:retrieve(path, ME)) end
  local function add(path, con) s:add(path, ME, con or "x") end
  local function done() return get("/moon/actor/out").cni end
  local function until_done(count)
    h.wait(count .. " executions", function() return done() >= count end)
    h.sleep(0.1)
    assert.equal(count, done())
  end

  it("is judged with what the CSE changes by itself, too", function()
    local one, two = container(), container()
    expect(2001, s:create("/moon/actor", ME, 9, { rn = "g", mnm = 2,
      mid = { one:sub(2), two:sub(2) } }))
    local before = done()
    local path = act { sri = "moon/actor/g", evc = { optr = 4, sbjt = "cnm", thld = 2 } }
    expect(2000, s:delete("/moon/actor/g/fopt", ME))       -- its members go, and it loses them
    h.wait("the group lost a member", function() return done() > before end)
    assert.equal(2001, get(path).air.rsc)
  end)

  it("has its attributes, and answers with them", function()
    local path, _, r = act { evm = 3, ecp = 7, apy = 2 }
    assert.same({ 65, 3, 7, 2, "moon/actor/out" }, { r.ty, r.evm, r.ecp, r.apy, r.orc })
    assert.same(above(0), r.evc)
    assert.same(request(), r.apv)
    assert.is_nil(r.air)
    assert.same(r, get(path))
    expect(2004, update(path, { evm = 0, evc = above(5) }))
    assert.same({ 0, above(5) }, { get(path).evm, get(path).evc })
    expect(2001, s:create(path, ME, 23, { nu = { ME }, enc = { net = { 1 } } }))
    expect(2002, s:delete(path, ME))
    expect(4004, s:retrieve(path, ME))
  end)

  it("stands where the table says", function()
    expect(2001, create(attributes { evc = { optr = 1, sbjt = "rr", thld = true } }, "/moon/actor"))
    expect(4108, create(attributes(), (act())))
    local group = expect(2001, s:create("/moon/actor", ME, 9, { mnm = 3, mid = { ME } }))
    expect(2001, create(attributes { evc = { optr = 1, sbjt = "cnm", thld = 2 } },
      "/moon/actor/" .. group.rn))
    local battery = expect(2001, s:create("/moon/actor", ME, 28,
      { ["cod:bat"] = { cnd = "org.onem2m.common.moduleclass.battery", lvl = 3 } }))
    expect(2001, create(attributes { evc = { optr = 4, sbjt = "lvl", thld = 10 } },
      "/moon/actor/" .. battery.rn))
  end)

  it("refuses what is wrong", function()
    local function refused(more, pattern) expect(4000, create(attributes(more)), pattern) end
    for _, name in ipairs { "evc", "evm", "orc", "apv" } do
      local a = attributes()
      a[name] = nil
      expect(4000, create(a), name)
    end
    refused({ evm = 4 }, "evm")
    refused({ evm = 1, ecp = 5 }, "ecp")
    refused({ evm = 0, ecp = 5 }, "ecp")
    refused({ evm = 3, ecp = 0 }, "ecp")
    refused({ apy = 0 }, "apy")
    refused({ dep = { "x" } }, "dep")
    refused({ air = { rsc = 1 } }, "air")
    refused({ evc = { optr = 7, sbjt = "cni", thld = 1 } }, "optr")
    refused({ evc = { optr = 1, sbjt = "cni" } }, "thld")
    refused({ evc = { optr = 1, sbjt = "nope", thld = 1 } }, "nope")
    refused({ evc = { optr = 1, sbjt = "cni", thld = "1" } }, "thld")
    refused({ evc = { optr = 3, sbjt = "rn", thld = "abc" } }, "optr")
    refused({ evc = { optr = 1, sbjt = "lbl", thld = cjson.decode '["a"]' } }, "compared")
    refused({ sri = "moon/nowhere" }, "sri")
    refused({ orc = "moon/nowhere" }, "orc")
    refused({ apv = request { fr = "Cother" } }, "fr")
    refused({ apv = request { op = 6 } }, "op")
    refused({ apv = request { nonsense = 1 } }, "nonsense")
    refused({ apv = request { op = 2 } }, "ty")
    local without = request()
    without.pc = nil
    refused({ apv = without }, "pc")
    refused({ apv = request { pc = { ["m2m:cin"] = {}, ["m2m:cnt"] = {} } } }, "one member")
    refused({ ipu = { fr = "moon/actor", to = "con" } }, "ipu")
    refused({ ipu = { fr = "moon/nowhere#rn", to = "con" } }, "ipu")
    local path = act()
    expect(4000, s:update(path, ME, '{"m2m:actr":{"evc":null}}'), "evc")
    expect(4000, update(path, { air = {} }), "air")
    expect(4000, update(path, { orc = "moon/nowhere" }), "orc")
    expect(4000, update(path, { dep = { "moon/actor/out" } }), "dep")
    expect(4000, s:update(path, "CAdmin", { ["m2m:actr"] = { orc = "moon/actor/out" } }), "fr")
  end)

  it("needs the privileges of its originator", function()
    s:register "stranger"
    expect(2001, s:create("/moon/stranger", "Cstranger", 3, { rn = "mine" }))
    expect(4000, create(attributes { sri = "moon/stranger/mine" }), "sri")
    expect(4000, create(attributes { orc = "moon/stranger/mine" }), "orc")
    expect(4000, create(attributes { ipu = { fr = "moon/stranger/mine", to = "con" } }), "ipu")
  end)

  it("is executed once, and keeps the answer", function()
    local before = done()
    local path, where = act()
    assert.equal(before, done())
    add(where)
    add(where)
    until_done(before + 1)
    local r = get(path)
    assert.same({ 2001, "r1", 0 }, { r.air.rsc, r.air.rqi, r.evm })
    assert.equal("done", r.air.pc["m2m:cin"].con)
    expect(2004, update(path, { evm = 1 }))
    add(where)
    until_done(before + 2)
  end)

  it("is executed each time, as often as ecp says", function()
    local before = done()
    local path, where = act { evm = 3, ecp = 3 }
    for _ = 1, 5 do add(where) end
    until_done(before + 3)
    assert.same({ 0, 3 }, { get(path).evm, get(path).ecp })
    local _, endless = act { evm = 3 }
    for _ = 1, 5 do add(endless) end
    until_done(before + 8)
  end)

  it("is executed once a period", function()
    local before = done()
    local path, where = act { evm = 2, ecp = 600000 }
    add(where)
    add(where)
    until_done(before + 1)
    expect(2004, update(path, { ecp = 300 }))
    add(where)
    until_done(before + 2)
    h.sleep(0.4)
    add(where)
    until_done(before + 3)
  end)

  it("looks at another resource, at each new instance, at an update", function()
    local before = done()
    local subject, elsewhere = container(), container()
    act({ evm = 3, sri = subject:sub(2) .. "/la", evc = { optr = 3, sbjt = "con", thld = 20 } },
      elsewhere)
    add(subject, 12)
    add(subject, "23.5")
    add(subject, "hot")
    add(elsewhere, 99)
    until_done(before + 1)
    act({ evm = 3, sri = subject:sub(2), evc = { optr = 1, sbjt = "mni", thld = 5 } }, elsewhere)
    expect(2004, s:update(subject, ME, { ["m2m:cnt"] = { mni = 6 } }))
    expect(2004, s:update(subject, ME, { ["m2m:cnt"] = { mni = 5 } }))
    until_done(before + 2)
  end)

  it("takes its input from other resources when it is executed", function()
    local source = container()
    expect(2004, s:update(source, ME, { ["m2m:cnt"] = { mni = 42 } }))
    local path, where = act { evm = 3, ipu = { { fr = source:sub(2) .. "#mni", to = "con" } } }
    local before = done()
    add(where)
    until_done(before + 1)
    assert.equal(42, get("/moon/actor/out/la").con)
    expect(2002, s:delete(source, ME))
    add(where)
    h.wait("the answer", function() return get(path).air.rsc == 4000 end)
    assert.matches("ipu", get(path).air.pc["m2m:dbg"])
  end)

  it("comes in the order of the priorities", function()
    local where = container()
    local function one(apy, con)
      act({ apy = apy, apv = request { pc = { ["m2m:cin"] = { con = con } } } }, where)
    end
    one(nil, "last")
    one(7, "second")
    one(2, "first")
    local before = done()
    add(where)
    until_done(before + 3)
    local list = {}
    local all = expect(2000, s:retrieve("/moon/actor/out?rcn=4&ty=4", ME))
    for _, i in ipairs(all["m2m:cin"]) do list[#list + 1] = i.con end
    assert.same({ "first", "second", "last" }, { unpack(list, #list - 2) })
  end)

  it("waits for what it depends on", function()
    local before = done()
    local path, where = act { evm = 3 }
    local needed, enough = container(), container()
    local function dependency(sfc, on)
      local r = expect(2001, s:create(path, ME, 66, { sfc = sfc, evc = above(0), rri = on:sub(2) }))
      return path:sub(2) .. "/" .. r.rn
    end
    local a, b = dependency(false, needed), dependency(true, enough)
    expect(2004, update(path, { dep = { a, b } }))
    add(where)
    until_done(before)
    add(enough)
    add(where)
    until_done(before)
    add(needed)
    add(where)
    until_done(before + 1)
    expect(2004, s:update("/" .. a, ME, { ["m2m:depr"] = { evc = above(100) } }))
    add(where)
    until_done(before + 1)
    expect(2004, update(path, { dep = { b, a } }))
    add(where)
    until_done(before + 2)
    expect(2002, s:delete("/" .. b, ME))
    add(where)
    until_done(before + 2)
    expect(2002, s:delete("/" .. a, ME))
    expect(2004, s:update(path, ME, '{"m2m:actr":{"dep":null}}'))
    add(where)
    until_done(before + 3)
  end)

  it("ends when actions only lead to each other", function()
    local where = container()
    local path = act({ evm = 3, orc = where:sub(2) }, where)
    add(where)
    assert.is_truthy(s:logs("8 actions led to it"))
    assert.equal(9, get(where).cni)
    assert.equal(3, get(path).evm)
  end)

  it("tells its subscribers of its execution", function()
    local path, where = act()
    local ws = s:listen(actor)
    expect(2001, s:create(path, ME, 23, { nu = { ME }, enc = { net = { 1 } } }))
    add(where)
    local m = assert(ws:notification(5))
    assert.equal(2001, m.pc["m2m:sgn"].nev.rep["m2m:actr"].air.rsc)
    ws:close()
  end)

  it("goes on after a restart, and ends with what it is below", function()
    local before = done()
    local path, where = act { evm = 3, ecp = 3 }
    add(where)
    until_done(before + 1)
    h.wait("the record", function() return get(path).air ~= nil end)
    s:kill()
    s:run()
    for _ = 1, 4 do add(where) end
    until_done(before + 3)
    local _, other = act { evm = 3, sri = where:sub(2) }
    expect(2002, s:delete(other, ME))
    add(where)
    until_done(before + 3)
  end)
end)

describe("a dependency", function()
  local s
  local ME = "Cactor"

  setup(function()
    s = h.start()
    s:register "actor"
    expect(2001, s:create("/moon/actor", ME, 3, { rn = "c" }))
    expect(2001, s:create("/moon/actor/c", ME, 65, { rn = "a", evm = 0, orc = "moon/actor",
      evc = { optr = 3, sbjt = "cni", thld = 0 }, apv = { op = 2, fr = ME } }))
  end)
  teardown(h.stop_all)

  local function create(attrs, where) return s:create(where or "/moon/actor/c/a", ME, 66, attrs) end
  local function attributes(more)
    local a = { sfc = true, rri = "moon/actor/c", evc = { optr = 1, sbjt = "cni", thld = 2 } }
    for k, v in pairs(more or {}) do a[k] = v end
    return a
  end

  it("stands below an action, has its attributes", function()
    local r = expect(2001, create(attributes()))
    assert.same({ 66, true, "moon/actor/c" }, { r.ty, r.sfc, r.rri })
    local path = "/moon/actor/c/a/" .. r.rn
    expect(2004, s:update(path, ME, { ["m2m:depr"] = { sfc = false } }))
    assert.is_false(expect(2000, s:retrieve(path, ME)).sfc)
    expect(4108, create(attributes(), "/moon/actor/c"))
    expect(4108, create(attributes(), path))
    expect(2002, s:delete(path, ME))
  end)

  it("refuses what is wrong", function()
    for _, name in ipairs { "sfc", "evc", "rri" } do
      local a = attributes()
      a[name] = nil
      expect(4000, create(a), name)
    end
    expect(4000, create(attributes { rri = "moon/nowhere" }), "rri")
    expect(4000, create(attributes { sfc = 1 }), "sfc")
    expect(4000, create(attributes { evc = { optr = 1, sbjt = "con", thld = 2 } }), "con")
    local r = expect(2001, create(attributes()))
    local path = "/moon/actor/c/a/" .. r.rn
    expect(4000, s:update(path, ME, { ["m2m:depr"] = { rri = "moon/nowhere" } }), "rri")
    expect(4000, s:update(path, ME, '{"m2m:depr":{"rri":null}}'), "rri")
    local wrong = { optr = 1, sbjt = "x", thld = 2 }
    expect(4000, s:update(path, ME, { ["m2m:depr"] = { evc = wrong } }), "evc")
    expect(2004, s:update(path, ME, { ["m2m:depr"] = { rri = "moon/actor/c/la",
      evc = { optr = 1, sbjt = "con", thld = 2 } } }))
  end)
end)
