-- Announced resources that other CSEs keep here (TS-0001 9.6.26, TS-0004 7.4.26): who may make,
-- change, read and delete one, what attributes it has, where it may be.

local world = require "world"

local ET = "20990101T000000"
local w

local function csr(csi)
  return w:create(csi, "moon", 16, { rn = csi:sub(2), cb = csi .. "/base", rr = true,
    srv = { "3" } })
end

-- An announced resource with lnk; its representation or the error's text.
local function announce(fr, to, ty, root, attrs)
  attrs.et = attrs.et or ET
  attrs.lnk = attrs.lnk or "/one/x"
  local code, pc = w:request { op = 1, to = to, fr = fr, ty = ty, pc = { [root] = attrs } }
  return code, pc and (pc[root] or world.dbg(pc))
end

local function refused(code, text, got, why)
  assert.equal(code, got)
  assert.truthy(tostring(why):find(text, 1, true), tostring(why))
end

before_each(function()
  w = world.new(true)
  assert.equal(2001, (csr "/one"))
  assert.equal(2001, (csr "/two"))
end)

describe("an announced resource", function()
  local cba

  before_each(function()
    local code, pc = announce("/one", "moon", 10005, "m2m:cbA", { lnk = "/one/base",
      srv = { "3" }, lbl = { "one" } })
    assert.equal(2001, code)
    cba = pc.ri
  end)

  it("is created by a CSE that is registered, for what it hosts", function()
    local code, pc = announce("/one", cba, 10003, "m2m:cntA", { mni = 3, lbl = { "x" } })
    assert.equal(2001, code)
    assert.same({ 10003, "/one/x", 3, cba }, { pc.ty, pc.lnk, pc.mni, pc.pi })
    assert.truthy(pc.rn:find("^cntA_"))
    refused(4103, "Calice may not announce", announce("Calice", cba, 10003, "m2m:cntA", {}))
    refused(4107, "/three", announce("/three", cba, 10003, "m2m:cntA", { lnk = "/three/x" }))
    refused(4103, "may not create", announce("/two", cba, 10003, "m2m:cntA", { lnk = "/two/x" }))
    refused(4103, "lnk: /two/x is not hosted by /one",
      announce("/one", cba, 10003, "m2m:cntA", { lnk = "/two/x" }))
    assert.equal(2001, (announce("CAdmin", cba, 10003, "m2m:cntA", { lnk = "/two/x" })))
    assert.equal(2001, (announce("/one", "moon/one", 10002, "m2m:aeA", { srv = { "3" } })))
    refused(4103, "may not create", announce("/two", "moon/one", 10002, "m2m:aeA",
      { srv = { "3" }, lnk = "/two/x" }))
  end)

  it("is where its original's parent may be announced, and nowhere else", function()
    local _, cnt = announce("/one", cba, 10003, "m2m:cntA", {})
    refused(4108, "cannot be created below", announce("/one", "moon", 10003, "m2m:cntA", {}))
    refused(4108, "cannot be created below",
      announce("/one", cba, 10004, "m2m:cinA", { con = "1" }))
    assert.equal(2001, (announce("/one", cnt.ri, 10004, "m2m:cinA", { con = "1" })))
    refused(4108, "cannot be created below", announce("/one", cnt.ri, 10014, "m2m:nodA",
      { ni = "n" }))
    assert.equal(5001, (w:create("CAdmin", cnt.ri, 4, { con = "1" })))
    assert.equal(2001, (w:create("/one", cnt.ri, 3, { rn = "plain" })))
    assert.equal(2001, (w:create("/one", cnt.ri, 23, { nu = { "http://127.0.0.1:1/x" } })))
  end)

  it("has subscriptions, consultations and beacons where the standard has them", function()
    local _, lcp = announce("/one", cba, 10010, "m2m:lcpA", { los = 2 })
    local _, sch = announce("/one", cba, 10018, "m2m:schA", { se = { sce = { "* * * * * * *" } } })
    for _, at in ipairs { lcp.ri, sch.ri } do
      assert.equal(2001, (w:create("/one", at, 23, { nu = { "http://127.0.0.1:1/x" } })))
    end
    local _, ae = announce("/one", cba, 10002, "m2m:aeA", { srv = { "3" } })
    local _, csrA = announce("/one", cba, 10016, "m2m:csrA", { srv = { "3" } })
    for _, at in ipairs { cba, ae.ri, csrA.ri } do
      assert.equal(2001, (w:create("/one", at, 34, { dae = true, dap = { "/one/d" } })))
    end
    assert.equal(2001, (w:create("/one", csrA.ri, 60, { bcnc = 1, bcnu = { "/one/x" } })))
  end)

  it("has lnk, et and the marked attributes of its original, no others", function()
    local function cnt(attrs) return announce("/one", cba, 10003, "m2m:cntA", attrs) end
    refused(4000, "st: unknown attribute of m2m:cntA", cnt { st = 1 })
    refused(4000, "at: unknown attribute", cnt { at = { "/two" } })
    refused(4000, "cni: unknown attribute", cnt { cni = 1 })
    refused(4000, "rn: not permitted in a CREATE", cnt { rn = "mine" })
    refused(4000, "mni: expected", cnt { mni = "x" })
    refused(4000, "lnk: not an SP-relative", cnt { lnk = "x" })
    refused(4000, "et: in the past", cnt { et = "20200101T000000" })
    refused(5001, "ast: 2", cnt { ast = 2 })
    assert.equal(2001, (cnt { ast = 1 }))
    local code, pc = w:request { op = 1, to = cba, fr = "/one", ty = 10003,
      pc = { ["m2m:cntA"] = { et = ET } } }
    refused(4000, "lnk: missing", code, world.dbg(pc))
    code, pc = w:request { op = 1, to = cba, fr = "/one", ty = 10003,
      pc = { ["m2m:cntA"] = { lnk = "/one/x" } } }
    refused(4000, "et: missing", code, world.dbg(pc))
    refused(4000, "srv: missing", announce("/one", cba, 10002, "m2m:aeA", {}))
  end)

  it("is changed and deleted by the CSE of its original alone", function()
    local _, ae = announce("/one", cba, 10002, "m2m:aeA", { srv = { "3" }, aei = "Cx" })
    local acp = select(2, w:create("CAdmin", "moon", 1, { pv = { acr = { { acor = { "Calice" },
      acop = 63 } } }, pvs = { acr = { { acor = { "Calice" }, acop = 63 } } } }))["m2m:acp"]
    assert.equal(4103, (w:retrieve("Calice", ae.ri)))
    local code, pc = w:update("/one", ae.ri, "m2m:aeA", { acpi = { acp.ri } })
    assert.equal(2004, code)
    assert.equal("Cx", pc["m2m:aeA"].aei)
    assert.equal(2000, (w:retrieve("Calice", ae.ri)))
    assert.equal(2000, (w:retrieve("/one", ae.ri)))
    assert.equal(4103, (w:update("Calice", ae.ri, "m2m:aeA", { lbl = { "x" } })))
    assert.equal(4103, (w:update("Calice", ae.ri, "m2m:aeA", { acpi = { acp.ri } })))
    assert.equal(4103, (w:delete("Calice", ae.ri)))
    assert.equal(4103, (w:delete("/two", ae.ri)))
    assert.equal(2004, (w:update("/one", ae.ri, "m2m:aeA", { apn = "x" })))
    code, pc = w:update("/one", ae.ri, "m2m:aeA", { lnk = "/two/y" })
    refused(4103, "lnk: /two/y", code, world.dbg(pc))
    code, pc = w:update("/one", ae.ri, "m2m:aeA", { lnk = require("moon2m.json").null })
    refused(4000, "lnk: mandatory", code, world.dbg(pc))
    assert.equal(2004, (w:update("/one", ae.ri, "m2m:aeA", { lnk = "/one/y" })))
    assert.equal(2002, (w:delete("/one", ae.ri)))
  end)

  it("of a specialisation has a root of its own", function()
    local _, node = announce("/one", cba, 10014, "m2m:nodA", { ni = "n" })
    local code, bat = announce("/one", node.ri, 10013, "m2m:batA", { mgd = 1006, btl = 5 })
    assert.same({ 2001, 5, 10013 }, { code, bat.btl, bat.ty })
    refused(4000, "mgd: expected 1006",
      announce("/one", node.ri, 10013, "m2m:batA", { mgd = 1001 }))
    code, bat = announce("/one", cba, 10028, "cod:binShA", { cnd =
      "org.onem2m.common.moduleclass.binarySwitch", state = true })
    assert.same({ 2001, true }, { code, bat.state })
    refused(4000, "m2m:nothingA is of no announced",
      announce("/one", cba, 10028, "m2m:nothingA", {}))
    refused(4000, "is of no announced", announce("/one", cba, 10028, "cod:binSh", {}))
  end)

  it("is found by type, with its attributes", function()
    local _, cnt = announce("/one", cba, 10003, "m2m:cntA", { mni = 3 })
    local code, pc = w:retrieve("/one", "moon", "fu=1&ty=10003&drt=2")
    assert.equal(2000, code)
    assert.same({ cnt.ri }, pc["m2m:uril"])
    code, pc = w:retrieve("/one", "moon", "fu=1&lnk=/one/x&drt=2")
    assert.equal(2000, code)
    assert.same({ cnt.ri }, pc["m2m:uril"])
  end)

  it("with rcn 7 stands for its original", function()
    assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = "c" })))
    local code, pc = announce("CAdmin", cba, 10003, "m2m:cntA", { lnk = "/moon/moon/alice/c" })
    assert.equal(2001, code)
    local ri = pc.ri
    code, pc = w:retrieve("CAdmin", ri, "rcn=7")
    assert.equal(2000, code)
    assert.equal("c", pc["m2m:cnt"].rn)
    code, pc = w:retrieve("Calice", "moon/alice/c", "rcn=7")
    refused(4000, "rcn: 7", code, world.dbg(pc))
  end)
end)

describe("the types of announced resources", function()
  it("are there for every type that is announced", function()
    local types = require "moon2m.types"
    for _, name in ipairs { "acp", "ae", "container", "content_instance", "cse_base", "group",
      "location_policy", "node", "remote_cse", "schedule", "semantic_descriptor", "time_series",
      "time_series_instance", "mgmt_obj", "flex_container", "time_sync_beacon", "action",
      "dependency" } do
      local T = types.by_name[name]
      local V = assert(types.by_ty[10000 + T.ty], name)
      assert.equal(T.root .. "A", V.root)
      assert.is_nil(V.attr.at)
      for _, a in ipairs { "lnk", "et", "acpi", "lbl", "ast" } do assert.is_table(V.attr[a], a) end
      for _, child in ipairs(V.spec.children) do assert.is_table(types.by_name[child], child) end
    end
  end)

  it("keep their roots apart from the classes of the standard", function()
    local flex, list = require "moon2m.flex", {}
    flex.each(function(root) list[root] = true end)
    for root in pairs(list) do
      assert.falsy(list[root .. "A"] and flex.spec(root .. "A"), root)
    end
  end)

  it("of a script's specialisation come and go with it", function()
    local types = require "moon2m.types"
    local spec = { ty = 28, name = "lamp", short = "my:lamp", cnd = "org.example.lamp",
      attrs = { { "lum", "uint", create = "O", update = "O" } } }
    local T, undo = types.register(spec)
    assert.equal("OA", types.announces(T, "lum"))
    assert.equal("MA", types.announces(T, "cnd"))
    assert.is_nil(types.announces(T, "cs"))
    local V = assert(types.variant(T))
    assert.equal("my:lampA", V.root)
    assert.is_table(V.attr.lum)
    undo()
    assert.is_nil(types.find "my:lampA")
    spec.attrs[1] = { "red", "uint", create = "O", update = "O" }
    T, undo = types.register(spec)
    assert.is_table(types.variant(T).attr.red)
    undo()
  end)
end)
