-- Access decisions (TS-0001 9.6.2, TS-0003 7.1): which ACPs apply, what a rule grants, contexts,
-- and that remembered decisions never outlive a change.

local world = require "world"

local w

local function rule(acor, acop, more)
  local r = { acor = acor, acop = acop }
  for k, v in pairs(more or {}) do r[k] = v end
  return r
end

local function acp(fr, to, rn, pv, pvs)
  local rsc, pc = w:create(fr, to, 1, { rn = rn, pv = { acr = pv }, pvs = { acr = pvs } })
  assert.equal(2001, rsc, world.dbg(pc))
end

-- A container moon/alice/c that names moon/alice/acp with these rules.
local function guarded(pv, pvs)
  acp("Calice", "moon/alice", "acp", pv, pvs or { rule({ "Calice" }, 63) })
  assert.equal(2001, (w:create("Calice", "moon/alice", 3,
    { rn = "c", acpi = { "moon/alice/acp" } })))
end

local function try(op, fr, to)
  to = to or "moon/alice/c"
  if op == "create" then return (w:create(fr, to, 3, { rn = "x" .. math.random(1e9) })) end
  if op == "retrieve" then return (w:retrieve(fr, to)) end
  if op == "update" then return (w:update(fr, to, "m2m:cnt", { lbl = { "x" } })) end
  if op == "delete" then return (w:delete(fr, to)) end
  if op == "discover" then
    local _, pc = w:retrieve(fr, "moon", "fu=1&ty=3")
    for _, address in ipairs(pc["m2m:uril"]) do
      if address == to then return 2000 end
    end
    return 4103
  end
end

local OPS = { create = 1, retrieve = 2, update = 4, discover = 32, delete = 8 }

before_each(function() w = world.new(true) end)
after_each(function() world.real_time() end)

describe("which policy applies", function()
  it("without acpi: the creator, the administrator, nobody else", function()
    w:create("Calice", "moon/alice", 3, { rn = "c" })
    for _, op in ipairs { "create", "retrieve", "update", "discover" } do
      assert.is_true(try(op, "Calice") < 3000, op)
      assert.equal(4103, try(op, "Cbob"), op)
      assert.is_true(try(op, "CAdmin") < 3000, op)
    end
    assert.equal(4103, try("delete", "Cbob"))
    assert.equal(2002, try("delete", "Calice"))
  end)

  it("the creator of a resource under somebody else's is who created it", function()
    guarded { rule({ "all" }, 1) }
    assert.equal(2001, (w:create("Cbob", "moon/alice/c", 3, { rn = "mine" })))
    assert.equal(2000, (w:retrieve("Cbob", "moon/alice/c/mine")))
    assert.equal(4103, (w:retrieve("Calice", "moon/alice/c/mine")))
  end)

  it("an AE belongs to itself", function()
    assert.equal(2000, (w:retrieve("Calice", "moon/alice")))
    assert.equal(4103, (w:retrieve("Calice", "moon/bob")))
  end)

  it("the CSEBase can be read by every AE, written by none", function()
    assert.equal(2000, (w:retrieve("Cbob", "moon")))
    assert.equal(4103, (w:create("Cbob", "moon", 3, { rn = "x" })))
    assert.equal(2001, (w:create("CAdmin", "moon", 3, { rn = "x" })))
  end)

  it("with a custodian: the custodian instead of the creator", function()
    for _, id in ipairs { "Cbob", "/moon/Cbob" } do
      local rn = "kept" .. #id
      assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = rn, cstn = id })))
      assert.equal(2000, try("retrieve", "Cbob", "moon/alice/" .. rn))
      assert.equal(2001, try("create", "Cbob", "moon/alice/" .. rn))
      assert.equal(4103, try("retrieve", "Calice", "moon/alice/" .. rn))
      assert.equal(2004, (w:update("Cbob", "moon/alice/" .. rn, "m2m:cnt",
        { cstn = require("moon2m.json").null })))
      assert.equal(2000, try("retrieve", "Calice", "moon/alice/" .. rn))
      assert.equal(4103, try("retrieve", "Cbob", "moon/alice/" .. rn))
    end
  end)

  it("an AE keeps what it registered, beside its custodian", function()
    assert.equal(2004, (w:update("Calice", "moon/alice", "m2m:ae", { cstn = "Cbob" })))
    assert.equal(2000, try("retrieve", "Calice", "moon/alice"))
    assert.equal(2000, try("retrieve", "Cbob", "moon/alice"))
  end)

  it("rcn 12 tells what the originator may do", function()
    guarded { rule({ "Cbob" }, 2 + 32), rule({ "Cbob" }, 1, { acod = { { chty = { 3 } } } }) }
    for who, sum in pairs { Cbob = 35, CAdmin = 63 } do
      local rsc, pc = w:retrieve(who, "moon/alice/c", "rcn=12")
      assert.same({ 2000, sum }, { rsc, pc["m2m:acop"] })
    end
    assert.equal(4103, (w:retrieve("Calice", "moon/alice/c", "rcn=12")))
  end)

  it("with acpi: the policies only, also for the creator", function()
    guarded { rule({ "Cbob" }, 2) }
    assert.equal(2000, try("retrieve", "Cbob"))
    assert.equal(4103, try("retrieve", "Calice"))
    assert.equal(4103, try("update", "Cbob"))
  end)

  it("an instance, la and ol by their container", function()
    guarded { rule({ "Cbob" }, 2), rule({ "Calice" }, 63) }
    w:create("Calice", "moon/alice/c", 4, { con = "1" })
    for _, to in ipairs { "moon/alice/c/la", "moon/alice/c/ol", "15-11" } do
      assert.equal(2000, (w:retrieve("Cbob", to)), to)
      assert.equal(4103, (w:delete("Cbob", to)), to)
    end
  end)

  it("an ACP by its own selfPrivileges", function()
    acp("Calice", "moon/alice", "acp", { rule({ "all" }, 63) }, { rule({ "Cbob" }, 6) })
    assert.equal(2000, (w:retrieve("Cbob", "moon/alice/acp")))
    assert.equal(4103, (w:retrieve("Calice", "moon/alice/acp")))
    assert.equal(4103, (w:delete("Cbob", "moon/alice/acp")))
  end)

  it("one granting policy among several is enough, dangling ones grant nothing", function()
    acp("Calice", "moon/alice", "a1", { rule({ "Calice" }, 63) }, { rule({ "Calice" }, 63) })
    acp("Calice", "moon/alice", "a2", { rule({ "Cbob" }, 2) }, { rule({ "Calice" }, 63) })
    w:create("Calice", "moon/alice", 3,
      { rn = "c", acpi = { "moon/alice/nowhere", "moon/alice/a1", "moon/alice/a2" } })
    assert.equal(2000, try("retrieve", "Cbob"))
    w:create("Calice", "moon/alice", 3, { rn = "d", acpi = { "moon/alice/nowhere" } })
    assert.equal(4103, (w:retrieve("Calice", "moon/alice/d")))
    acp("Calice", "moon/alice", "nowhere", { rule({ "Calice" }, 2) }, { rule({ "Calice" }, 63) })
    assert.equal(2000, (w:retrieve("Calice", "moon/alice/d")))
  end)

  it("a subscription needs RETRIEVE besides CREATE on its parent", function()
    guarded { rule({ "Cbob" }, 1), rule({ "Calice" }, 63) }
    assert.equal(4103, (w:create("Cbob", "moon/alice/c", 23, { nu = { "Cbob" } })))
    w:update("Calice", "moon/alice/acp", "m2m:acp", { pv = { acr = { rule({ "Cbob" }, 3) } } })
    assert.equal(2001, (w:create("Cbob", "moon/alice/c", 23, { nu = { "Cbob" } })))
  end)
end)

describe("a rule", function()
  for name, bit in pairs(OPS) do
    it(("with acop %d grants %s and nothing else"):format(bit, name), function()
      guarded({ rule({ "Cbob" }, bit), rule({ "Calice" }, 63) })
      for other in pairs(OPS) do
        if other ~= "delete" then
          assert.equal(other == name, try(other, "Cbob") < 3000, other)
        end
      end
      assert.equal(name == "delete", try("delete", "Cbob") < 3000)
    end)
  end

  it("names everybody, an AE in any form, a service provider, or a pattern", function()
    for acor, granted in pairs { all = true, Cbob = true, ["/moon/Cbob"] = true,
      ["//sp.example/moon/Cbob"] = true, ["C*"] = true, ["/moon/*"] = true, ["*b"] = true,
      ["Cb"] = false, ["/other/Cbob"] = false, ["D*"] = false, ["/other/*"] = false,
      ["//sp.example"] = true, ["//*.example"] = true, ["//sp.example/*"] = false,
      ["//sp.example/*/*"] = true, ["//sp.exampl"] = false, ["//other.example"] = false,
      ["//*"] = true } do
      w = world.new(true)
      guarded { rule({ acor }, 2) }
      assert.equal(granted and 2000 or 4103, try("retrieve", "Cbob"), acor)
    end
  end)

  it("with acod grants the creation of the types that it names", function()
    guarded { rule({ "Cbob" }, 1, { acod = { { ty = 3, chty = { 4 } } } }) }
    assert.equal(2001, (w:create("Cbob", "moon/alice/c", 4, { con = "1" })))
    assert.equal(4103, (w:create("Cbob", "moon/alice/c", 3, { rn = "x" })))
  end)

  it("with acaf asks for an authenticated originator", function()
    guarded { rule({ "Cbob" }, 2, { acaf = true }) }
    assert.equal(4103, try("retrieve", "Cbob"))
    assert.equal(2000, (w:retrieve("Cbob", "moon/alice/c", nil, { authenticated = true })))
  end)

  it("with an address context", function()
    guarded { rule({ "Cbob" }, 2, { acco = {
      { acip = { ipv4 = { "10.1.0.0/16", "192.0.2.7" }, ipv6 = { "2001:db8::/32" } } } } }) }
    for peer, granted in pairs { ["10.1.2.3"] = true, ["10.2.0.1"] = false, ["192.0.2.7"] = true,
      ["192.0.2.8"] = false, ["2001:db8:1::5"] = true, ["2001:db9::1"] = false,
      ["::ffff:10.1.0.9"] = true, nonsense = false } do
      local rsc = w:retrieve("Cbob", "moon/alice/c", nil, { peer = peer })
      assert.equal(granted and 2000 or 4103, rsc, peer)
    end
  end)

  it("with a time context", function()
    local hour = tonumber(os.date("!%H"))
    local now, not_now = "* * " .. hour .. " * * * *", "* * " .. (hour + 2) % 24 .. " * * * *"
    guarded { rule({ "Cbob" }, 2, { acco = { { actw = { not_now, now } } } }) }
    assert.equal(2000, try("retrieve", "Cbob"))
    w = world.new(true)
    guarded { rule({ "Cbob" }, 2, { acco = { { actw = { not_now } } } }) }
    assert.equal(4103, try("retrieve", "Cbob"))
  end)

  it("with a place context holds for an AE that says it is there", function()
    guarded { rule({ "Cbob" }, 2, { acco = { { aclr = { accr = { 52.52, 13.405, 1000 } } } } }) }
    local function at(typ, crd)
      assert.equal(2004, (w:update("Cbob", "moon/bob", "m2m:ae", { loc = { typ = typ,
        crd = crd } })))
      return try("retrieve", "Cbob")
    end
    assert.equal(4103, try("retrieve", "Cbob"))
    assert.equal(2000, at(1, "[13.405,52.52]"))
    assert.equal(2000, at(1, "[13.4185,52.52]"))             -- 914 m
    assert.equal(4103, at(1, "[13.42,52.52]"))               -- 1,015 m
    assert.equal(4103, at(1, "[52.52,13.405]"))
    assert.equal(4103, at(2, "[[13.405,52.52],[13.4,52.5]]"))
    assert.equal(4103, at(1, "[-166.595,-52.52]"))
  end)

  it("with a country never holds: nothing tells where it is", function()
    guarded { rule({ "Cbob" }, 2, { acco = { { aclr = { accc = { "KR" } } } } }) }
    assert.equal(4103, try("retrieve", "Cbob"))
  end)

  it("with acod and a specialization asks the parent for it", function()
    guarded { rule({ "Cbob" }, 1, { acod = { { spty = "org.example.door", chty = { 3 } } } }) }
    assert.equal(4103, try("create", "Cbob"))
  end)
end)

describe("changes", function()
  it("of a policy count from then on", function()
    guarded { rule({ "Cbob" }, 2) }
    assert.equal(2000, try("retrieve", "Cbob"))
    w:update("Calice", "moon/alice/acp", "m2m:acp", { pv = { acr = { rule({ "Cbob" }, 1) } } })
    assert.equal(4103, try("retrieve", "Cbob"))
    w:update("Calice", "moon/alice/acp", "m2m:acp", { pv = { acr = { rule({ "Cbob" }, 2) } } })
    assert.equal(2000, try("retrieve", "Cbob"))
    w:delete("Calice", "moon/alice/acp")
    assert.equal(4103, try("retrieve", "Cbob"))
  end)

  it("of acpi by the creator when there is none, then by the selfPrivileges", function()
    acp("Calice", "moon/alice", "acp", { rule({ "Cbob" }, 4) }, { rule({ "Calice" }, 4) })
    acp("Calice", "moon/alice", "two", { rule({ "Cbob" }, 2) }, { rule({ "Cbob" }, 4) })
    w:create("Calice", "moon/alice", 3, { rn = "c" })
    local function set(fr, ...)
      return (w:update(fr, "moon/alice/c", "m2m:cnt", { acpi = { ... } }))
    end
    assert.equal(4103, set("Cbob", "moon/alice/two"))
    assert.equal(2004, set("Calice", "moon/alice/acp"))
    assert.equal(4103, set("Cbob", "moon/alice/two"))
    assert.equal(2004, set("Calice", "moon/alice/two"))
    assert.equal(2000, try("retrieve", "Cbob"))
    assert.equal(4103, set("Calice", "moon/alice/acp"))
    assert.equal(2004, set("Cbob", "moon/alice/acp"))
  end)

  it("are also seen when another resource names the same policy by identifier", function()
    acp("Calice", "moon/alice", "acp", { rule({ "Cbob" }, 2) }, { rule({ "Calice" }, 63) })
    w:create("Calice", "moon/alice", 3, { rn = "c", acpi = { "/moon/14" } })
    assert.equal(2000, try("retrieve", "Cbob"))
  end)
end)
