-- Access control (TS-0001 9.6.2, TS-0003 7.1, TS-0004 7.3.3.15): rules, contexts, object details,
-- selfPrivileges, the creator's default, what is left out of answers.

local h = require "harness"
local expect = h.expect

local C, R, U, D, N, DISC = 1, 2, 4, 8, 16, 32
local last = 0

describe("access control", function()
  local s

  setup(function()
    s = h.start()
    for _, name in ipairs { "owner", "friend", "stranger" } do s:register(name) end
  end)
  teardown(h.stop_all)

  -- An ACP of Cowner with these rules; its ri.
  local function acp(rules, pvs)
    last = last + 1
    return expect(2001, s:create("/moon/owner", "Cowner", 1, { rn = "acp" .. last,
      pv = { acr = rules }, pvs = { acr = pvs or { { acor = { "Cowner" }, acop = 63 } } } })).ri
  end

  -- A container of Cowner under these rules (nil: none) with one instance; its path.
  local function container(rules)
    local acpi = rules and { acp(rules) }
    last = last + 1
    local path = "/moon/owner/c" .. last
    expect(2001, s:create("/moon/owner", "Cowner", 3, { rn = "c" .. last, acpi = acpi }))
    expect(2001, s:create(path, "CAdmin", 4, { rn = "one", con = "1" }))
    return path, acpi and acpi[1]
  end

  -- What `who` may do with a container: each operation, tried.
  local tries = {
    create = function(path, who) return s:create(path, who, 4, { con = "2" }) end,
    retrieve = function(path, who) return s:retrieve(path, who) end,
    update = function(path, who) return s:update(path, who, { ["m2m:cnt"] = {
      lbl = { "x" } } }) end,
    delete = function(path, who) return s:delete(path .. "/ol", who) end,
  }
  local BIT = { create = C, retrieve = R, update = U, delete = D }

  for _, acop in ipairs { 0, C, R, U, D, C + R, R + U, 63 - R, 63 } do
    it(("acop %d: each operation that is granted, none that is not"):format(acop), function()
      local path = container { { acor = { "Cfriend" }, acop = acop } }
      for _, op in ipairs { "retrieve", "update", "create", "delete" } do
        local a = tries[op](path, "Cfriend")
        if require("bit").band(acop, BIT[op]) ~= 0 then
          assert.is_true(a.rsc < 3000, op .. ": " .. a.text)
        else
          expect(4103, a)
          assert.equal(403, a.status)
        end
      end
      expect(4103, s:retrieve(path, "Cstranger"))
    end)
  end

  it("without acpi: the creator may do everything, nobody else anything", function()
    local path = container()
    for _, op in ipairs { "retrieve", "update", "create", "delete" } do
      assert.is_true(tries[op](path, "Cowner").rsc < 3000, op)
      expect(4103, tries[op](path, "Cfriend"))
    end
    expect(4103, s:retrieve(path .. "/la", "Cfriend"))
    expect(4103, s:delete(path, "Cfriend"))
    expect(4103, s:create("/moon/owner", "Cfriend", 3, { rn = "mine" }))
    expect(4103, s:create(path, "Cfriend", 23, { nu = { "Cfriend" } }))
  end)

  it("with acpi the creator has what the rules give, no more", function()
    local path = container { { acor = { "Cfriend" }, acop = R } }
    expect(4103, s:retrieve(path, "Cowner"))
  end)

  it("discovery and children show what may be seen, whatever hides the rest", function()
    local seen, hidden = acp { { acor = { "Cfriend" }, acop = R + DISC } },
      acp { { acor = { "Cfriend" }, acop = C + N } }
    local timed = acp { { acor = { "all" }, acop = R + DISC,
      acco = { { actw = { "* * * * * * *" } } } } }
    local top = container { { acor = { "Cfriend" }, acop = C + R + DISC } }
    local expected = {}
    local function make(who, rn, attrs, visible)
      attrs.rn = rn
      expect(2001, s:create(top, who, 3, attrs))
      expect(2001, s:create(top .. "/" .. rn, "CAdmin", 4, { rn = "i", con = "1" }))
      if not visible then return end
      expected[#expected + 1] = top:sub(2) .. "/" .. rn
      expected[#expected + 1] = top:sub(2) .. "/" .. rn .. "/i"
    end
    for i = 1, 3 do
      make("CAdmin", "a-seen" .. i, { acpi = { seen } }, true)
      make("CAdmin", "b-hidden" .. i, { acpi = { hidden } }, false)
      make("CAdmin", "c-both" .. i, { acpi = { hidden, seen } }, true)
      make("CAdmin", "d-gone" .. i, { acpi = { "nowhere" } }, false)
      make("CAdmin", "e-none" .. i, {}, false)
      make("Cfriend", "f-own" .. i, {}, true)
      make("CAdmin", "g-kept" .. i, { cstn = "/moon/Cfriend" }, true)
      make("Cfriend", "h-given" .. i, { cstn = "Cowner" }, false)
      make("CAdmin", "j-timed" .. i, { acpi = { timed } }, true)
    end
    table.sort(expected)
    local function list(answer)
      local out = {}
      for _, a in ipairs(expect(2000, answer)) do
        if not a:find("/one$") then out[#out + 1] = a end
      end
      table.sort(out)
      return out
    end
    assert.same(expected, list(s:retrieve(top .. "?fu=1", "Cfriend")))
    local paged = {}
    for ofst = 1, 100, 4 do
      local page = list(s:retrieve(top .. "?fu=1&lim=4&ofst=" .. ofst, "Cfriend"))
      for _, a in ipairs(page) do paged[#paged + 1] = a end
    end
    table.sort(paged)
    assert.same(expected, paged)
    local children = expect(2000, s:retrieve(top .. "?rcn=6&ty=3", "Cfriend"))
    assert.equal(#expected / 2, #children.rrf)
  end)

  it("the administrator may do everything", function()
    local path = container { { acor = { "Cfriend" }, acop = R } }
    for _, op in ipairs { "retrieve", "update", "create", "delete" } do
      assert.is_true(tries[op](path, "CAdmin").rsc < 3000, op)
    end
  end)

  it("names originators by all, SP-relative and absolute AE-ID, and with *", function()
    for _, case in ipairs {
      { "all", true, true }, { "/moon/Cfriend", true, false },
      { "//moon2m.local/moon/Cfriend", true, false }, { "Cf*", true, false }, { "C*", true, true },
      { "Cfr", false, false }, { "/other/Cfriend", false, false },
      { "//moon2m.local/moon/Cf*", true, false }, { "//*/moon/C*", true, true },
      { "//other.example/*/C*", false, false }, { "/*/Cf*", true, false },
    } do
      local path = container { { acor = { case[1] }, acop = R } }
      assert.equal(case[2] and 2000 or 4103, s:retrieve(path, "Cfriend").rsc, case[1])
      assert.equal(case[3] and 2000 or 4103, s:retrieve(path, "Cstranger").rsc, case[1])
    end
  end)

  it("several rules and several policies add up; dangling references grant nothing", function()
    local path = container { { acor = { "Cfriend" }, acop = R }, { acor = { "Cfriend" }, acop = U },
      { acor = { "Cstranger" }, acop = D } }
    expect(2000, s:retrieve(path, "Cfriend"))
    expect(2004, tries.update(path, "Cfriend"))
    expect(4103, tries.delete(path, "Cfriend"))
    expect(2002, tries.delete(path, "Cstranger"))
    local a, b = acp { { acor = { "Cfriend" }, acop = R } }, acp { { acor = { "Cfriend" },
      acop = U } }
    last = last + 1
    path = "/moon/owner/c" .. last
    expect(2001, s:create("/moon/owner", "Cowner", 3, { rn = "c" .. last, acpi = {
      a, "zzzz", b } }))
    expect(2000, s:retrieve(path, "Cfriend"))
    expect(2004, tries.update(path, "Cfriend"))
    expect(2002, s:delete("/" .. a, "Cowner"))
    expect(4103, s:retrieve(path, "Cfriend"))
    expect(2004, tries.update(path, "Cfriend"))
    expect(2002, s:delete("/" .. b, "Cowner"))
    expect(4103, tries.update(path, "Cfriend"))
    expect(4103, s:retrieve(path, "Cowner"))      -- acpi is set: no default
  end)

  it("an empty pv lets nobody in", function()
    last = last + 1
    local r = expect(2001, s:create("/moon/owner", "Cowner", 1,
      ('{"m2m:acp":{"rn":"acp%d","pv":{},' ..
      '"pvs":{"acr":[{"acor":["Cowner"],"acop":63}]}}}'):format(last)))
    expect(2001, s:create("/moon/owner", "Cowner", 3, { rn = "shut", acpi = { r.ri } }))
    expect(4103, s:retrieve("/moon/owner/shut", "Cowner"))
  end)

  it("acod: CREATE of the child types it names, below the parent type it names", function()
    local path = container { { acor = { "Cfriend" }, acop = C + R,
      acod = { { ty = 3, chty = { 23 } } } } }
    expect(4103, s:create(path, "Cfriend", 4, { con = "x" }))
    expect(4103, s:create(path, "Cfriend", 3, { rn = "x" }))
    expect(2001, s:create(path, "Cfriend", 23, { nu = { "Cfriend" } }))
    expect(2000, s:retrieve(path, "Cfriend"))
    path = container { { acor = { "Cfriend" }, acop = C, acod = { { ty = 2, chty = { 4 } } } } }
    expect(4103, s:create(path, "Cfriend", 4, { con = "x" }))
    path = container { { acor = { "Cfriend" }, acop = C, acod = { { chty = { 3, 4 } } } } }
    expect(2001, s:create(path, "Cfriend", 4, { con = "x" }))
    expect(2001, s:create(path, "Cfriend", 3, { rn = "x" }))
    expect(4103, s:create(path, "Cfriend", 23, { nu = { "Cfriend" } }))
  end)

  it("aca: a RETRIEVE or an UPDATE of attributes that the rule names, nothing else", function()
    local path = container { { acor = { "Cfriend" }, acop = 63, aca = { "lbl", "mni" } } }
    local function get(query, o) return s:retrieve(path .. query, "Cfriend", o) end
    local function put(attrs) return s:update(path, "Cfriend", { ["m2m:cnt"] = attrs }) end
    local function asks(list) return { body = { ["m2m:atrl"] = list } } end
    expect(2000, get "?atrl=mni")
    expect(2000, get "?atrl=mni+lbl")
    expect(2000, get "%23lbl")
    expect(2000, get("", asks { "lbl" }))
    for _, query in ipairs { "", "?atrl=lbl+cni", "%23cni", "?atrl=lbl&cni=1", "?rcn=4",
      "?rcn=4&atrl=lbl", "?rcn=12", "/la?atrl=con" } do
      local a = get(query)
      assert.is_true(a.rsc == 4103 or query:find("rcn=4&") and a.rsc == 4000, query .. a.text)
    end
    expect(4103, get("?atrl=lbl", asks { "cni" }))
    expect(2004, put { lbl = { "x" }, mni = 5 })
    expect(4103, put { lbl = { "x" }, mbs = 5 })
    expect(4103, put {})
    expect(4103, s:create(path, "Cfriend", 4, { con = "x" }))
    expect(4103, s:create(path .. "?atrl=lbl", "Cfriend", 23, { nu = { "Cfriend" } }))
    expect(4103, s:delete(path .. "?atrl=lbl", "Cfriend"))
    assert.same({}, expect(2000, get "?fu=1"))
  end)

  it("a subscription needs CREATE and RETRIEVE on its parent", function()
    local path = container { { acor = { "Cfriend" }, acop = C } }
    expect(4103, s:create(path, "Cfriend", 23, { nu = { "Cfriend" } }))
    path = container { { acor = { "Cfriend" }, acop = R } }
    expect(4103, s:create(path, "Cfriend", 23, { nu = { "Cfriend" } }))
    path = container { { acor = { "Cfriend" }, acop = C + R } }
    expect(2001, s:create(path, "Cfriend", 23, { nu = { "Cfriend" } }))
  end)

  it("acco: time windows", function()
    local year = tonumber(os.date("!%Y"))
    for actw, granted in pairs {
      ["* * * * * * *"] = true, [("* * * * * * %d-%d"):format(year, year + 1)] = true,
      ["* * * * * * 2001"] = false, ["* * * 30 2 * *"] = false, ["0-59 0-59 0-23 * * * *"] = true,
      ["*/1 * * 1-31 1-12 0-6 *"] = true,
    } do
      local path = container { { acor = { "Cfriend" }, acop = R, acco = { { actw = { actw } } } } }
      assert.equal(granted and 2000 or 4103, s:retrieve(path, "Cfriend").rsc, actw)
    end
    local path = container { { acor = { "Cfriend" }, acop = R,
      acco = { { actw = { "* * * * * * 2001", "* * * * * * *" } } } } }
    expect(2000, s:retrieve(path, "Cfriend"))     -- times in one entry: any
  end)

  it("acco: addresses; an entry is the AND of its members, entries are OR", function()
    local function try(acco, granted)
      local path = container { { acor = { "Cfriend" }, acop = R, acco = acco } }
      assert.equal(granted and 2000 or 4103, s:retrieve(path, "Cfriend").rsc,
        require("cjson").encode(acco))
    end
    try({ { acip = { ipv4 = { "127.0.0.1" } } } }, true)
    try({ { acip = { ipv4 = { "127.0.0.0/8" } } } }, true)
    try({ { acip = { ipv4 = { "10.0.0.0/8", "127.0.0.1" } } } }, true)
    try({ { acip = { ipv4 = { "10.0.0.0/8" } } } }, false)
    try({ { acip = { ipv4 = { "128.0.0.0/1" } } } }, false)
    try({ { acip = { ipv6 = { "::1" } } } }, false)
    try({ { acip = { ipv4 = { "127.0.0.1" } }, actw = { "* * * * * * 2001" } } }, false)
    try({ { acip = { ipv4 = { "10.0.0.1" } } }, { actw = { "* * * * * * *" } } }, true)
    try({ { aclr = { accc = { "KR" } } } }, false)      -- nothing tells where the requester is
  end)

  it("acco: users, criteria and limits are 5001", function()
    local pvs = { acr = { { acor = { "Cowner" }, acop = 63 } } }
    for name, v in pairs { acui = { "user" }, acec = {}, acl = 5 } do
      local pv = { acr = { { acor = { "all" }, acop = R, acco = { { [name] = v } } } } }
      expect(5001, s:create("/moon/owner", "Cowner", 1, { pv = pv, pvs = pvs }),
        "pv: acco: " .. name .. ": ")
      expect(5001, s:create("/moon/owner", "Cowner", 1, { pv = pvs, pvs = pv }),
        "pvs: acco: " .. name .. ": ")
    end
  end)

  it("instances, la and ol go by their container", function()
    local path = container { { acor = { "Cfriend" }, acop = R } }
    expect(2000, s:retrieve(path .. "/la", "Cfriend"))
    expect(2000, s:retrieve(path .. "/one", "Cfriend"))
    expect(4103, s:delete(path .. "/one", "Cfriend"))
    expect(4103, s:retrieve(path .. "/la", "Cstranger"))
    expect(4103, s:delete(path .. "/la", "Cstranger"))
  end)

  it("an ACP is guarded by its own pvs", function()
    local path, id = container { { acor = { "Cfriend" }, acop = 63 } }
    expect(4103, s:retrieve("/" .. id, "Cfriend"))
    expect(2000, s:retrieve("/" .. id, "Cowner"))
    expect(2000, s:retrieve(path, "Cfriend"))
    expect(4103, s:update("/" .. id, "Cfriend", { ["m2m:acp"] = { pv = { acr = {
      { acor = { "all" }, acop = 63 } } } } }))
    expect(2004, s:update("/" .. id, "Cowner", { ["m2m:acp"] = { pv = { acr = {
      { acor = { "Cstranger" }, acop = R } } } } }))
    expect(4103, s:retrieve(path, "Cfriend"))        -- at once
    expect(2000, s:retrieve(path, "Cstranger"))
    local other = acp({ { acor = { "Cowner" }, acop = 63 } }, { { acor = { "Cfriend" },
      acop = R + D } })
    expect(4103, s:retrieve("/" .. other, "Cowner"))
    expect(2000, s:retrieve("/" .. other, "Cfriend"))
    expect(4103, s:update("/" .. other, "Cfriend", { ["m2m:acp"] = { lbl = { "x" } } }))
    expect(2002, s:delete("/" .. other, "Cfriend"))
  end)

  it("acpi is updated alone, by the pvs of the policies it names before", function()
    local path, old = container { { acor = { "Cfriend" }, acop = 63 } }
    local new = acp { { acor = { "Cstranger" }, acop = R } }
    expect(4000, s:update(path, "Cowner", { ["m2m:cnt"] = { acpi = { new }, lbl = { "x" } } }),
      "acpi")
    expect(4103, s:update(path, "Cfriend", { ["m2m:cnt"] = { acpi = { new } } }))
    expect(2004, s:update(path, "Cowner", { ["m2m:cnt"] = { acpi = { new } } }))
    expect(4103, s:retrieve(path, "Cfriend"))
    expect(2000, s:retrieve(path, "Cstranger"))
    expect(2004, s:update(path, "Cowner", '{"m2m:cnt":{"acpi":null}}'))
    expect(2000, s:retrieve(path, "Cowner"))         -- the creator's again
    expect(4103, s:retrieve(path, "Cstranger"))
    expect(4103, s:update(path, "Cstranger", { ["m2m:cnt"] = { acpi = { old } } }))
    expect(2004, s:update(path, "Cowner", { ["m2m:cnt"] = { acpi = { old } } }))
    expect(2000, s:retrieve(path, "Cfriend"))
  end)

  it("names policies in any address form", function()
    local id = acp { { acor = { "Cfriend" }, acop = R } }
    local rn = expect(2000, s:retrieve("/" .. id, "Cowner")).rn
    for i, form in ipairs { id, "moon/owner/" .. rn, "-/owner/" .. rn, "/moon/" .. id,
      "/moon/moon/owner/" .. rn, "//moon2m.local/moon/" .. id } do
      local name = ("form%d"):format(i)
      expect(2001, s:create("/moon/owner", "Cowner", 3, { rn = name, acpi = { form } }))
      assert.equal(2000, s:retrieve("/moon/owner/" .. name, "Cfriend").rsc, form)
    end
  end)

  it("children without RETRIEVE are left out of rcn 4, 5, 6; discovery asks DISCOVER", function()
    local id = acp { { acor = { "Cfriend" }, acop = R } }
    local finder = acp { { acor = { "Cfriend" }, acop = DISC } }
    expect(2001, s:create("/moon/owner", "Cowner", 3, { rn = "mix", acpi = { id } }))
    expect(2001, s:create("/moon/owner/mix", "CAdmin", 3, { rn = "open", acpi = { id } }))
    expect(2001, s:create("/moon/owner/mix", "CAdmin", 3, { rn = "shut" }))
    expect(2001, s:create("/moon/owner/mix", "CAdmin", 3, { rn = "found", acpi = { finder } }))
    local r = expect(2000, s:retrieve("/moon/owner/mix?rcn=4", "Cfriend"))
    assert.equal(1, #r["m2m:cnt"])
    assert.equal("open", r["m2m:cnt"][1].rn)
    r = expect(2000, s:retrieve("/moon/owner/mix?rcn=6", "Cfriend"))
    assert.equal(1, #r.rrf)
    assert.same({ "moon/owner/mix/found" },
      expect(2000, s:retrieve("/moon/owner/mix?fu=1", "Cfriend")))
    assert.same({}, expect(2000, s:retrieve("/moon/owner/mix?fu=1", "Cstranger")))
  end)

  it("a NOTIFY to an AE asks for NOTIFY on it", function()
    local id = acp { { acor = { "Cfriend" }, acop = N } }
    local ws = s:listen(s:register("heard", { acpi = { id } }))
    local sgn = { ["m2m:sgn"] = { sur = "/moon/x", vrq = true } }
    expect(4103, s:http("POST", "/moon/heard", "Cstranger", { body = sgn }))
    local cq = require("cqueues").new()
    local a
    cq:wrap(function() a = s:http("POST", "/moon/heard", "Cfriend", { body = sgn }) end)
    cq:wrap(function() ws:notification() end)
    assert(cq:loop(10))
    expect(2000, a)
    ws:close()
  end)

  it("refuses policies that are none", function()
    local pvs = { acr = { { acor = { "Cowner" }, acop = 63 } } }
    for what, case in pairs {
      ["no pvs"] = { "pvs", { pv = pvs } },
      ["no pv"] = { "pv", { pvs = pvs } },
      ["pvs without rules"] = { "pvs", '{"m2m:acp":{"pv":{},"pvs":{}}}' },
      ["acop out of range"] = { "acop", { pv = { acr = { { acor = { "x" }, acop = 64 } } },
        pvs = pvs } },
      ["no acor"] = { "acor", { pv = { acr = { { acop = 1 } } }, pvs = pvs } },
      ["no acop"] = { "acop", { pv = { acr = { { acor = { "x" } } } }, pvs = pvs } },
      ["an unknown member"] = { "foo", { pv = { acr = { { acor = { "x" }, acop = 1, foo = 1 } } },
        pvs = pvs } },
      ["a schedule with five fields"] = { "actw", { pvs = pvs, pv = { acr = { { acor = { "x" },
        acop = 1, acco = { { actw = { "* * * * *" } } } } } } } },
      ["acpi on an acp"] = { "acpi", { pv = pvs, pvs = pvs, acpi = { "x" } } },
    } do
      local a = s:create("/moon/owner", "Cowner", 1, case[2])
      if a.rsc ~= 4000 then error(what .. ": " .. a.text) end
      assert.matches(case[1], a.text, 1, true)
    end
  end)

  it("says 4106 for an originator that is not registered, 4107 for a CSE-ID", function()
    local path = container { { acor = { "all" }, acop = 63 } }
    expect(4106, s:retrieve(path, "Cnobody"))
    expect(4107, s:retrieve(path, "/other"))
    expect(4000, s:retrieve(path, nil), "fr")
    expect(4000, s:retrieve(path, "/moon/Cfriend"), "fr")
  end)
end)

describe("default access", function()
  local s

  setup(function()
    s = h.start { config = [[return { default_access = {
      ["m2m:cnt"] = "parent", ["m2m:ts"] = { "moon/readers" }, ["m2m:grp"] = "creator",
      ["*"] = { "moon/nobody" } } }]] }
    for _, name in ipairs { "owner", "friend" } do s:register(name) end
    local self = { acr = { { acor = { "CAdmin" }, acop = 63 } } }
    expect(2001, s:create("/moon", "CAdmin", 1, { rn = "readers", pvs = self,
      pv = { acr = { { acor = { "Cfriend" }, acop = R + DISC } } } }))
    expect(2001, s:create("/moon", "CAdmin", 1, { rn = "friends", pvs = self,
      pv = { acr = { { acor = { "Cfriend" }, acop = C + R + DISC } } } }))
  end)
  teardown(h.stop_all)

  it("parent: what the parent allows, as deep as nothing is said", function()
    expect(2001, s:create("/moon/owner", "CAdmin", 3, { rn = "open", acpi = { "moon/friends" } }))
    expect(2001, s:create("/moon/owner/open", "CAdmin", 3, { rn = "a" }))
    expect(2001, s:create("/moon/owner/open/a", "CAdmin", 3, { rn = "b" }))
    expect(2000, s:retrieve("/moon/owner/open/a/b", "Cfriend"))
    expect(2001, s:create("/moon/owner/open/a/b", "Cfriend", 4, { con = "1" }))
    expect(4103, s:delete("/moon/owner/open/a/b", "Cfriend"))
    expect(2001, s:create("/moon/owner", "Cowner", 3, { rn = "shut" }))
    expect(4103, s:retrieve("/moon/owner/shut", "Cfriend"))
    local found = expect(2000, s:retrieve("/moon/owner?fu=1&ty=3", "Cfriend"))
    table.sort(found)
    assert.same({ "moon/owner/open", "moon/owner/open/a", "moon/owner/open/a/b" }, found)
  end)

  it("policies of the operator; the owner keeps what is his", function()
    expect(2001, s:create("/moon/owner", "Cowner", 29, { rn = "series" }))
    expect(2000, s:retrieve("/moon/owner/series", "Cfriend"))
    expect(4103, s:delete("/moon/owner/series", "Cfriend"))
    expect(2004, s:update("/moon/owner/series", "Cowner", { ["m2m:ts"] = { lbl = { "x" } } }))
    expect(4103, s:retrieve("/moon/owner", "Cfriend"))
    expect(2001, s:create("/moon/owner", "Cowner", 9, { rn = "g", mnm = 1,
      mid = { "moon/owner/series" } }))
    expect(4103, s:retrieve("/moon/owner/g", "Cfriend"))
  end)

  it("a resource that names policies has these alone", function()
    expect(2001, s:create("/moon/owner/open", "CAdmin", 3, { rn = "other",
      acpi = { "moon/nobody" } }))
    expect(4103, s:retrieve("/moon/owner/open/other", "Cfriend"))
  end)
end)
