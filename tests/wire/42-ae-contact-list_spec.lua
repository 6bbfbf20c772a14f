-- AEContactList and AEContactListPerCSE (TS-0001 9.6.45, 9.6.46; TS-0004 7.4.53, 7.4.54,
-- 7.5.1.2.17): a registered CSE reports which AEs it has references to; the CSE keeps the list.

local cjson = require "cjson"
local h = require "harness"
local expect = h.expect

local LIST = "/moon/AEContactList"

describe("AEContactList", function()
  local s

  setup(function()
    s = h.start()
    s:register("me")
    for _, csi in ipairs { "/one", "/two" } do
      expect(2001, s:create("/moon", csi, 16, { ["m2m:csr"] = { cb = csi .. "/base", rr = true,
        srv = { "3" } } }))
    end
  end)
  teardown(h.stop_all)

  -- A NOTIFY to the CSEBase.
  local function notify(who, sgn)
    return s:http("POST", "/moon", who, { body = cjson.encode { ["m2m:sgn"] = sgn },
      headers = { ["content-type"] = "application/json" } })
  end

  local function report(who, before, after)
    return notify(who, { aerid = true, tid1 = before or cjson.null, tid2 = after or cjson.null,
      sur = "/x" })
  end

  local function aes(name)
    local r = expect(2000, s:retrieve(LIST .. "/" .. name, "CAdmin"))
    assert.equal("/" .. name, r.csi)
    table.sort(r.ail)
    return r.ail
  end

  it("is made at the first report, with a part for the CSE", function()
    expect(4004, s:retrieve(LIST, "CAdmin"))
    expect(2000, report("/one", nil, "/three/Ca"))
    local list = expect(2000, s:retrieve(LIST, "CAdmin"))
    assert.same({ 43, 1 }, { list.ty, list.nic })
    assert.is_nil(list.et)
    assert.same({ "/three/Ca" }, aes "one")
    assert.equal(44, expect(2000, s:retrieve(LIST .. "/one", "CAdmin")).ty)
  end)

  it("follows new, changed and deleted references", function()
    expect(2000, report("/one", nil, "/three/Cb"))
    expect(2000, report("/one", nil, "/three/Cb"))
    assert.same({ "/three/Ca", "/three/Cb" }, aes "one")
    expect(2000, report("/one", "/three/Ca", "/four/Ca"))
    assert.same({ "/four/Ca", "/three/Cb" }, aes "one")
    expect(2000, report("/two", nil, "/four/Ca"))
    assert.equal(2, expect(2000, s:retrieve(LIST, "CAdmin")).nic)
    expect(2000, report("/two", "/four/Ca", nil))
    assert.same({}, aes "two")
    assert.equal(1, expect(2000, s:retrieve(LIST, "CAdmin")).nic)
  end)

  it("takes reports of registered CSEs, in the form they have", function()
    expect(4103, report("Cme", nil, "/three/Ca"))
    expect(4107, report("/nobody", nil, "/three/Ca"))
    expect(4000, report("/one", nil, nil), "tid1")
    expect(4000, report("/one", nil, "a b"), "tid2")
    expect(5001, notify("/one", { aerp = true, tid1 = "/a/b", tid2 = "/c/d" }), "aerp")
    assert.same({ "/four/Ca", "/three/Cb" }, aes "one")
  end)

  it("is the CSE's: nobody creates or changes it, it can be deleted and begins anew", function()
    expect(4005, s:create("/moon", "CAdmin", 43, { ["m2m:alst"] = {} }))
    expect(4005, s:create(LIST, "CAdmin", 44, { ["m2m:alpc"] = {} }))
    expect(4000, s:update(LIST, "CAdmin", { ["m2m:alst"] = { nic = 5 } }), "nic")
    expect(4000, s:update(LIST .. "/one", "CAdmin", { ["m2m:alpc"] = { ail = {} } }), "ail")
    expect(4103, s:retrieve(LIST, "Cme"))
    expect(2002, s:delete(LIST, "CAdmin"))
    expect(2000, report("/two", nil, "/five/Cz"))
    assert.same({ "/five/Cz" }, aes "two")
    expect(4004, s:retrieve(LIST .. "/one", "CAdmin"))
  end)
end)
