-- node on the wire (TS-0001 9.6.18, TS-0004 7.4.18): a device, what is managed of it, and who is on
-- it.

local cjson = require "cjson"
local h = require "harness"
local expect = h.expect

local ADMIN, BASE = "CAdmin", "/moon"

describe("node", function()
  local s

  setup(function() s = h.start() end)
  teardown(h.stop_all)

  local function make(attrs, parent, who)
    return s:create(parent or BASE, who or ADMIN, 14, { ["m2m:nod"] = attrs })
  end

  local function update(name, attrs)
    return s:update(BASE .. "/" .. name, ADMIN, { ["m2m:nod"] = attrs })
  end

  local function value(name, attribute)
    return expect(2000, s:retrieve(BASE .. "/" .. name, ADMIN))[attribute]
  end

  local function object(node, root, attrs)
    return s:create(BASE .. "/" .. node, ADMIN, 13, { [root] = attrs })
  end

  local all = { ni = "urn:dev:1", hcl = "/other", hael = { "Cx" }, hsl = { "/service" },
    mgca = "coap://h", nty = 2 }
  local wrong = { ni = { 5, "", "a b" }, hcl = { 5, "" }, hael = { "Cx", {}, { "" } },
    hsl = { "x", {}, { 5 } }, mgca = { 5 }, nty = { -1, "1", 1.5 } }

  it("is created with a node identifier, and all that it may have", function()
    local r = expect(2001, make { rn = "n1", ni = "urn:dev:1" })
    assert.same({ 14, "n1", "urn:dev:1" }, { r.ty, r.rn, r.ni })
    assert.is_nil(r.hael)
    local attrs = { rn = "full" }
    for k, v in pairs(all) do attrs[k] = v end
    r = expect(2001, make(attrs))
    for k, v in pairs(all) do assert.same(v, r[k], k) end
    assert.same(r, expect(2000, s:retrieve(BASE .. "/full", ADMIN)))
  end)

  it("refuses what is wrong, missing or not the client's", function()
    expect(4000, make { rn = "x" }, "^ni: missing")
    for k, list in pairs(wrong) do
      for _, v in ipairs(list) do
        local attrs = { ni = "urn:dev:2" }
        attrs[k] = v
        expect(4000, make(attrs), "^" .. k)
        expect(4000, update("n1", { [k] = v }), "^" .. k)
      end
    end
    for _, k in ipairs { "rms", "nid" } do
      local v = k == "rms" and true or "net"
      expect(4000, make { ni = "urn:dev:2", [k] = v }, "^" .. k .. ": not permitted")
      expect(4000, update("n1", { [k] = v }), "^" .. k .. ": not permitted")
    end
    expect(4000, update("n1", { ni = cjson.null }), "^ni: mandatory")
    expect(4000, make { ni = "urn:dev:2", zz = 1 }, "^zz: unknown attribute of m2m:nod")
    expect(4000, s:create(BASE, ADMIN, 14, { ["m2m:node"] = { ni = "x" } }), "expected m2m:nod")
    expect(4105, make { rn = "n1", ni = "urn:dev:2" })
  end)

  it("stands below the CSEBase only, for who may create there", function()
    s:register("me")
    expect(4103, make({ ni = "x" }, BASE, "Cme"))
    expect(4106, make({ ni = "x" }, BASE, "Cnobody"))
    expect(4108, make({ ni = "x" }, "/moon/me"))
    expect(4108, make({ ni = "x" }, "/moon/n1"))
  end)

  it("is updated, and what is optional removed", function()
    for k, v in pairs(all) do
      assert.same(v, expect(2004, update("n1", { [k] = v }))[k], k)
      if k ~= "ni" then
        expect(2004, update("n1", { [k] = cjson.null }))
        assert.is_nil(value("n1", k))
      end
    end
  end)

  it("has the AEs in hael that name it in nl, and the CSE in hcl", function()
    expect(2001, make { rn = "n2", ni = "urn:dev:2" })
    s:register("on", { nl = "moon/n1" })
    assert.same({ "Con" }, value("n1", "hael"))
    expect(2004, s:update("/moon/on", "Con", { ["m2m:ae"] = { nl = "moon/n2" } }))
    assert.is_nil(value("n1", "hael"))
    assert.same({ "Con" }, value("n2", "hael"))
    local csr = expect(2001, s:create(BASE, "/far", 16, { ["m2m:csr"] = { rn = "far", cb = "/far/b",
      rr = true, srv = { "3" }, nl = "moon/n2" } }))
    assert.equal(csr.ri, value("n2", "hcl"))
    expect(2002, s:delete("/moon/on", "Con"))
    expect(2002, s:delete("/moon/far", "/far"))
    assert.is_nil(value("n2", "hael"))
    assert.is_nil(value("n2", "hcl"))
  end)

  it("has management objects, schedules and subscriptions, which go with it", function()
    expect(2001, object("n2", "m2m:bat", { rn = "b", mgd = 1006, btl = 50, bts = 1 }))
    expect(2001, object("n2", "m2m:fwr", { rn = "f", mgd = 1001, vr = "1", fwn = "x",
      url = "http://h/f", ud = false }))
    expect(2001, object("n2", "m2m:fwr", { rn = "g", mgd = 1001, vr = "1", fwn = "y",
      url = "http://h/g", ud = false }))
    expect(2001, s:create(BASE .. "/n2", ADMIN, 18, { ["m2m:sch"] = { rn = "s",
      se = { sce = { "* * * * * * *" } } } }))
    expect(2001, s:create(BASE .. "/n2", ADMIN, 23, { rn = "sub", nu = { "http://127.0.0.1:9" },
      enc = { net = { 1 } } }))
    expect(4108, s:create(BASE .. "/n2", ADMIN, 3, { rn = "c" }))
    local all_of_it = expect(2000, s:retrieve(BASE .. "/n2?rcn=4", ADMIN))
    assert.equal(1, #all_of_it["m2m:bat"])
    assert.equal(2, #all_of_it["m2m:fwr"])
    assert.equal(1, #all_of_it["m2m:sch"])
    expect(2002, s:delete(BASE .. "/n2", ADMIN))
    expect(4004, s:retrieve(BASE .. "/n2/f", ADMIN))
    assert.same({}, expect(2000, s:retrieve(BASE .. "?fu=1&ty=13", ADMIN)))
  end)
end)
