-- mgmtObj and its specialisations on the wire (TS-0001 9.6.15 and D, TS-0004 7.4.15 and D, TS-0022
-- 7): below a node, each with its attributes, what is refused, what its triggers do.

local cjson = require "cjson"
local h = require "harness"
local objects = require "mgmt_objects"
local expect = h.expect

local ADMIN, NODE = "CAdmin", "/moon/n1"

local PUMP = [[
local cse = require "moon2m"
cse.type { ty = 13, mgd = 0, name = "pump", short = "my:pump",
  attrs = { { "rpm", "uint", create = "M", update = "O" } } }
cse.on("update", "/n1/byscript", function(ev)
  if ev.res.ud and ev.res.uds.sus == 3 then
    cse.update("/n1/byscript", { ud = false, uds = { acn = ev.res.uds.acn, sus = 1 } })
  end
end)
]]

describe("mgmtObj", function()
  local s

  setup(function()
    s = h.start { scripts = { pump = PUMP } }
    s:register("me")
    expect(2001, s:create("/moon", ADMIN, 14, { ["m2m:nod"] = { rn = "n1", ni = "urn:dev:1" } }))
    expect(2001, s:create("/moon", ADMIN, 14, { ["m2m:nod"] = { rn = "n2", ni = "urn:dev:2" } }))
  end)
  teardown(h.stop_all)

  -- The content: mandatory attributes, and more of them (cjson.null: left out).
  local function content(o, more)
    local attrs = { mgd = o.mgd }
    for k, v in pairs(o.least) do attrs[k] = v end
    for k, v in pairs(more or {}) do
      if v == cjson.null then attrs[k] = nil else attrs[k] = v end
    end
    return { [o.root] = attrs }
  end

  local function make(o, more, parent)
    return s:create(parent or NODE, ADMIN, 13, content(o, more))
  end

  local function update(address, root, attrs)
    return s:update(address, ADMIN, { [root] = attrs })
  end

  local by_root = {}
  for _, o in ipairs(objects) do by_root[o.root] = o end
  local firmware, software = by_root["m2m:fwr"], by_root["m2m:swr"]

  for _, o in ipairs(objects) do
    describe(o.root, function()
      local name = o.root:gsub(":", "-")
      local address = NODE .. "/" .. name

      it("is created with what is mandatory, and then has its defaults", function()
        local answer = make(o, { rn = name })
        local r = expect(2001, answer)
        assert.is_table(answer.body[o.root])
        assert.same({ 13, o.mgd, name }, { r.ty, r.mgd, r.rn })
        for k, v in pairs(o.least) do assert.same(v, r[k], k) end
        for k, v in pairs(o.defaults or {}) do assert.same(v, r[k], k) end
        assert.same(r, expect(2000, s:retrieve(address, ADMIN)))
      end)

      it("needs every mandatory attribute", function()
        for k in pairs(o.least) do
          expect(4000, make(o, { [k] = cjson.null }), "^" .. k .. ": missing")
        end
        expect(4000, make(o, { mgd = cjson.null }), "^mgd: missing")
      end)

      it("takes its other attributes, in a CREATE and in an UPDATE", function()
        expect(2001, make(o, o.more))
        for k, v in pairs(o.more or {}) do
          if o.fixed and o.fixed[k] then
            expect(4000, update(address, o.root, { [k] = v }), "^" .. k)
          else
            assert.same(v, expect(2004, update(address, o.root, { [k] = v }))[k], k)
            if not (o.defaults and o.defaults[k] ~= nil) then
              expect(2004, update(address, o.root, { [k] = cjson.null }))
              assert.is_nil(expect(2000, s:retrieve(address, ADMIN))[k], k)
            end
          end
        end
      end)

      it("refuses wrong values, null for what must be there, and what the CSE sets", function()
        local before = s:retrieve(address, ADMIN).text
        for k, list in pairs(o.wrong) do
          for _, v in ipairs(list) do
            if not (o.later and o.later[k]) then
              expect(4000, make(o, { [k] = v }), "^" .. k .. ":")
            end
            if not (o.fixed and o.fixed[k]) then
              expect(4000, update(address, o.root, { [k] = v }), "^" .. k .. ":")
            end
          end
        end
        for k, v in pairs(o.least) do
          expect(4000, update(address, o.root, { [k] = cjson.null }), "^" .. k)
          if o.fixed and o.fixed[k] then
            expect(4000, update(address, o.root, { [k] = v }), "^" .. k)
          end
        end
        for k in pairs(o.later or {}) do
          expect(4000, make(o, { [k] = o.defaults and o.defaults[k] or true }),
            "^" .. k .. ": not permitted")
        end
        for k in pairs(o.defaults or {}) do
          expect(4000, update(address, o.root, { [k] = cjson.null }), "^" .. k .. ": mandatory")
        end
        for _, k in ipairs { "mgd", "obis", "obps", "mgs" } do
          expect(4000, update(address, o.root, { [k] = o.mgd }), "^" .. k .. ": not permitted")
        end
        expect(4000, make(o, { zz = 1 }), "^zz: unknown attribute of " .. o.root)
        assert.equal(before, s:retrieve(address, ADMIN).text)
      end)

      it("is found, subscribed to and deleted", function()
        expect(2001, s:create(address, ADMIN, 23, { nu = { "http://127.0.0.1:9" },
          enc = { net = { 1 } } }))
        expect(4108, s:create(address, ADMIN, 3, { rn = "c" }))
        local found = expect(2000, s:retrieve("/moon?fu=1&ty=13&mgd=" .. o.mgd, ADMIN))
        local there = {}
        for _, a in ipairs(found) do there[a] = true end
        assert.is_true(there["moon/n1/" .. name])
        expect(2002, s:delete(address, ADMIN))
        expect(4004, s:retrieve(address, ADMIN))
      end)
    end)
  end

  it("has its place below a node only", function()
    expect(2001, s:create("/moon/me", "Cme", 3, { rn = "c" }))
    for _, parent in ipairs { "/moon", "/moon/me" } do
      expect(4108, make(firmware, nil, parent), "a mgmt_obj cannot be created below")
    end
    expect(4103, s:create(NODE, "Cme", 13, content(firmware)))
    expect(4106, s:create(NODE, "Cnobody", 13, content(firmware)))
  end)

  it("takes the attributes that all have", function()
    local links = { { nm = "fw", typ = 1001, val = "moon/n1/fw" } }
    local r = expect(2001, make(firmware, { obis = { "urn:x" }, obps = { "./a/b" }, dc = "text",
      cmlk = links, lbl = { "a" } }))
    assert.same({ { "urn:x" }, { "./a/b" }, "text", links, { "a" } },
      { r.obis, r.obps, r.dc, r.cmlk, r.lbl })
    expect(4000, make(firmware, { obis = { 5 } }), "^obis")
    expect(4000, make(firmware, { obps = "x" }), "^obps")
    expect(4000, make(firmware, { dc = 5 }), "^dc")
    expect(4000, make(firmware, { cmlk = { { nm = "x", typ = 999, val = "y" } } }), "^cmlk.*typ")
    expect(4000, make(firmware, { cmlk = { { nm = "x", typ = 1001 } } }), "^cmlk.*val")
    expect(4000, make(firmware, { cr = cjson.null, st = 1 }), "^st")
    expect(4000, make(firmware, { daci = {} }), "^daci")
  end)

  it("is what its root and its mgd say, and they must agree", function()
    local function wrong(code, text, pattern)
      expect(code, s:create(NODE, ADMIN, 13, text), pattern)
    end
    wrong(4000, '{"m2m:mem":{"mgd":1001,"mma":1,"mmt":1}}', "^mgd: expected 1003 for m2m:mem")
    wrong(4000, '{"m2m:mgo":{"mgd":1001}}', "expected m2m:fwr for mgd 1001, got m2m:mgo")
    wrong(4000, '{"m2m:mgmtObj":{"mgd":1001}}', "expected m2m:fwr")
    wrong(4000, '{"m2m:cnt":{"rn":"x"}}', "m2m:cnt is no management object")
    wrong(4000, '{"m2m:xyz":{"mgd":1999}}', "^mgd: 1999 is no management definition")
    wrong(4000, '{"m2m:xyz":{"mgd":"x"}}', "^mgd")
    wrong(4000, '{"m2m:fwr":[]}')
    wrong(4000, "{}")
    wrong(4000, '{"m2m:fwr":{},"m2m:swr":{}}', "exactly one")
    wrong(5001, '{"dcfg:reg":{"mgd":1020}}', "registration")
    wrong(5001, '{"dcfg:x":{"mgd":1027}}', "OAuth2Authentication")
    wrong(4125, '{"my:other":{"mgd":0,"mgs":"http://x/y.xsd"}}', "my:other")
    expect(2001, make(firmware, { rn = "agree" }))
    expect(4000, update(NODE .. "/agree", "m2m:swr", { vr = "2" }), "expected m2m:fwr")
    expect(4105, make(software, { rn = "agree" }))
  end)

  it("a script's own object has mgd 0 and names its schema", function()
    local pump = { root = "my:pump", mgd = 0, least = { rpm = 10, mgs = "http://x/pump.xsd" } }
    local r = expect(2001, make(pump, { rn = "pump" }))
    assert.same({ 0, 10, "http://x/pump.xsd" }, { r.mgd, r.rpm, r.mgs })
    expect(4000, make(pump, { mgs = cjson.null }), "^mgs: missing")
    expect(4000, make(pump, { mgd = 1001 }), "^mgd: expected 0")
    expect(4000, make(pump, { rpm = "x" }), "^rpm")
    expect(4000, make(firmware, { mgs = "http://x" }), "^mgs: only with mgd 0")
    assert.equal(7, expect(2004, update(NODE .. "/pump", "my:pump", { rpm = 7 })).rpm)
  end)

  it("a trigger puts its status in process, if the request does not say otherwise", function()
    expect(2001, make(firmware, { rn = "fw" }))
    local r = expect(2004, update(NODE .. "/fw", "m2m:fwr", { ud = true }))
    assert.same({ acn = r.ri .. "#ud", sus = 3 }, r.uds)
    assert.is_true(r.ud)
    r = expect(2004, update(NODE .. "/fw", "m2m:fwr", { ud = false, uds = { acn = r.uds.acn,
      sus = 1 } }))
    assert.same({ false, 1 }, { r.ud, r.uds.sus })
    r = expect(2004, update(NODE .. "/fw", "m2m:fwr", { ud = true, uds = { sus = 2 } }))
    assert.same({ sus = 2 }, r.uds)
    r = expect(2004, update(NODE .. "/fw", "m2m:fwr", { vr = "9" }))
    assert.same({ sus = 2 }, r.uds)
    local changed = expect(2004, s:update(NODE .. "/fw?rcn=9", ADMIN,
      { ["m2m:fwr"] = { ud = true } }))
    assert.equal(3, changed.uds.sus)
  end)

  it("a trigger that is set from the start is in process from the start", function()
    local r = expect(2001, make(firmware, { rn = "new", ud = true }))
    assert.same({ acn = r.ri .. "#ud", sus = 3 }, r.uds)
    r = expect(2001, make(by_root["m2m:dvc"], { rn = "on", ena = true }))
    assert.same(by_root["m2m:dvc"].least.cas, r.cas)
  end)

  it("a script does what a trigger asks for, and reports it", function()
    expect(2001, make(firmware, { rn = "byscript" }))
    expect(2004, update(NODE .. "/byscript", "m2m:fwr", { ud = true }))
    h.wait("the script's report", function()
      local r = expect(2000, s:retrieve(NODE .. "/byscript", ADMIN))
      return r.uds.sus == 1 and not r.ud
    end)
  end)

  it("triggers that exclude each other: 4000 together, the later ends the earlier", function()
    expect(2001, make(software, { rn = "sw" }))
    for _, o in ipairs {
      { "m2m:swr", "in", "un" }, { "m2m:swr", "act", "dea" }, { "m2m:dvc", "ena", "dis" },
      { "m2m:rbo", "rbo", "far" }, { "m2m:evl", "lga", "lgo" } } do
      local root, one, other = unpack(o)
      local address = NODE .. "/pair-" .. one
      expect(2001, make(by_root[root], { rn = "pair-" .. one }))
      expect(4000, update(address, root, { [one] = true, [other] = true }),
        one .. ": cannot be true together with " .. other)
      expect(2004, update(address, root, { [one] = true }))
      local r = expect(2004, update(address, root, { [other] = true }))
      assert.same({ false, true }, { r[one], r[other] }, one)
      r = expect(2004, update(address, root, { [one] = true, [other] = false }))
      assert.same({ true, false }, { r[one], r[other] }, one)
    end
    local r = expect(2004, update(NODE .. "/sw", "m2m:swr", { ["in"] = true, act = true }))
    assert.same({ r.ri .. "#in", r.ri .. "#act" }, { r.ins.acn, r.acts.acn })
    expect(4000, make(by_root["m2m:rbo"], { rbo = true, far = true }), "rbo")
  end)

  it("a device of an area network is in the list of its network", function()
    local function ldv(name)
      return expect(2000, s:retrieve("/moon/n2/" .. name, ADMIN)).ldv
    end
    for _, name in ipairs { "net1", "net2" } do
      expect(2001, make(by_root["m2m:ani"], { rn = name }, "/moon/n2"))
    end
    local device = by_root["m2m:andi"]
    local a = expect(2001, make(device, { rn = "a", awi = "moon/n2/net1" }))
    local b = expect(2001, make(device, { rn = "b", awi = "/moon/moon/n2/net1" }))
    assert.same({ a.ri, b.ri }, ldv "net1")
    expect(2004, update(NODE .. "/a", "m2m:andi", { ss = "asleep" }))
    assert.same({ a.ri, b.ri }, ldv "net1")
    expect(2004, update(NODE .. "/a", "m2m:andi", { awi = "moon/n2/net2" }))
    assert.same({ b.ri }, ldv "net1")
    assert.same({ a.ri }, ldv "net2")
    expect(2002, s:delete(NODE .. "/b", ADMIN))
    assert.is_nil(ldv "net1")
    expect(2001, make(device, { rn = "c", awi = "moon/nowhere" }))
    expect(2001, make(device, { rn = "d", awi = "moon/n1" }))
    expect(2002, s:delete(NODE, ADMIN))                  -- the node of a, with all of it
    assert.is_nil(ldv "net2")
    expect(2001, s:create("/moon", ADMIN, 14, { ["m2m:nod"] = { rn = "n1", ni = "urn:dev:1" } }))
  end)

  it("is addressed through a group of its kind", function()
    for _, name in ipairs { "g1", "g2" } do expect(2001, make(firmware, { rn = name })) end
    expect(2001, make(software, { rn = "g3" }))
    local function group(mid)
      return s:create("/moon", ADMIN, 9, { rn = "g", mnm = 5, mt = 13, spty = 1001, csy = 2,
        mid = mid })
    end
    expect(4110, group { "moon/n1/g1", "moon/n1/g3" })
    expect(2001, group { "moon/n1/g1", "moon/n1/g2" })
    expect(2000, s:update("/moon/g/fopt", ADMIN, { ["m2m:fwr"] = { ud = true } }))
    for _, name in ipairs { "g1", "g2" } do
      assert.equal(3, expect(2000, s:retrieve(NODE .. "/" .. name, ADMIN)).uds.sus)
    end
  end)

  it("tells subscribers what was set, status and all", function()
    local me = s:register("watcher")
    local ws = s:listen(me)
    expect(2001, make(firmware, { rn = "told" }))
    expect(2001, s:create("/moon", ADMIN, 1, { rn = "open",
      pv = { acr = { { acor = { "all" }, acop = 63 } } },
      pvs = { acr = { { acor = { ADMIN }, acop = 63 } } } }))
    expect(2004, update(NODE .. "/told", "m2m:fwr", { acpi = { "moon/open" } }))
    expect(2001, s:create(NODE .. "/told", "Cwatcher", 23, { nu = { "Cwatcher" },
      enc = { net = { 1 } }, nct = 2 }))
    expect(2004, update(NODE .. "/told", "m2m:fwr", { ud = true }))
    local rep = ws:sgn().nev.rep["m2m:fwr"]
    assert.same({ true, 3 }, { rep.ud, rep.uds.sus })
    ws:close()
  end)

  it("survives a restart as what it is", function()
    expect(2001, make(firmware, { rn = "kept" }))
    expect(2001, make(by_root["dcfg:sim"], { rn = "sim" }))
    local function both()
      return { s:retrieve(NODE .. "/kept", ADMIN).text, s:retrieve(NODE .. "/sim", ADMIN).text }
    end
    local before = both()
    s:kill()
    s:run()
    assert.same(before, both())
    expect(2004, update(NODE .. "/kept", "m2m:fwr", { vr = "3" }))
    expect(2002, s:delete(NODE .. "/sim", ADMIN))
  end)
end)
