-- triggerRequest (TS-0001 9.6.49, TS-0004 7.4.57) and dynamicAuthorizationConsultation (TS-0001
-- 9.6.40, TS-0004 7.4.36).

local h = require "harness"
local expect = h.expect

describe("a triggerRequest", function()
  local s, device
  local ME = "Cboss"

  setup(function()
    s = h.start()
    s:register "boss"
    device = s:register("device", { tri = "77", mei = "d@example" })
    s:register("deaf", { tri = "78", tren = false })
    expect(2001, s:create("/moon/device", "Cdevice", 23, { nu = { "Cdevice" }, nct = 4,
      enc = { net = { 6 } } }))
  end)
  teardown(h.stop_all)

  local function create(attrs, where) return s:create(where or "/moon/boss", ME, 47, attrs) end
  local function attributes(more)
    local a = { mei = "d@example", tri = "77", tvt = "PT1H" }
    for k, v in pairs(more or {}) do a[k] = v end
    return a
  end
  local function get(path) return expect(2000, s:retrieve(path, ME)) end
  local function update(path, attrs) return s:update(path, ME, { ["m2m:tgr"] = attrs }) end

  it("triggers an AE that is registered here", function()
    local ws = s:listen(device)
    local r = expect(2001, create(attributes { tpe = 3, tia = "moon/device", tio = 2 }))
    assert.same({ 47, "77", 3 }, { r.ty, r.tri, r.tpe })
    local m = assert(ws:notification(5))
    assert.same({ net = 6, rep = { ["m2m:tgp"] = { tpe = 3, tia = "moon/device", tio = 2 } } },
      m.pc["m2m:sgn"].nev)
    ws:close()
    local path = "/moon/boss/" .. r.rn
    h.wait("the status", function() return get(path).tst == 4 end)
    expect(5219, update(path, { tri = "79" }))
    expect(2004, update(path, { lbl = { "x" } }))
    expect(2002, s:delete(path, ME))
    expect(4004, s:retrieve(path, ME))
  end)

  it("says when there is no such recipient, and tries another", function()
    local r = expect(2001, create(attributes { tri = "unknown" }))
    assert.same({ 6, 1 }, { r.tst, r.tpe })
    local path = "/moon/boss/" .. r.rn
    expect(5218, update(path, { tri = "78" }))
    expect(2004, update(path, { tri = "77" }))
    h.wait("the status", function() return get(path).tst == 4 end)
    assert.equal(6, expect(2001, create(attributes { tiae = "Cboss" })).tst)
  end)

  it("refuses what is wrong", function()
    local function refused(more, pattern, code)
      expect(code or 4000, create(attributes(more)), pattern)
    end
    for _, name in ipairs { "mei", "tri", "tvt" } do
      local a = attributes()
      a[name] = nil
      expect(4000, create(a), name)
    end
    refused({ tri = "78" }, "tren", 5218)
    refused({ tpe = 5 }, "tpe")
    refused({ tpe = 3, tio = 1 }, "tia")
    refused({ tpe = 3, tia = "x" }, "tio")
    refused({ tio = 6 }, "tio")
    refused({ tvt = "soon" }, "tvt")
    refused({ tst = 1 }, "tst")
    refused({ trf = "x" }, "trf")
    expect(4108, s:create("/moon", "CAdmin", 47, attributes()))
    local r = expect(2001, create(attributes { tri = "x" }))
    expect(4000, update("/moon/boss/" .. r.rn, { mei = "y" }), "mei")
  end)
end)

describe("a dynamicAuthorizationConsultation", function()
  local s
  local ME = "Cboss"

  setup(function()
    s = h.start()
    s:register "boss"
  end)
  teardown(h.stop_all)

  it("is kept with its attributes", function()
    local r = expect(2001, s:create("/moon/boss", ME, 34, { dae = true,
      dap = { "http://h.example/x" }, dal = "20990101T000000" }))
    local path = "/moon/boss/" .. r.rn
    assert.same({ 34, true, { "http://h.example/x" } }, { r.ty, r.dae, r.dap })
    expect(2004, s:update(path, ME, { ["m2m:dac"] = { dae = false } }))
    assert.is_false(expect(2000, s:retrieve(path, ME)).dae)
    expect(4000, s:create("/moon/boss", ME, 34, { dae = true }), "dap")
    expect(4000, s:create("/moon/boss", ME, 34, { dap = { "http://h/x" } }), "dae")
    expect(4000, s:create("/moon/boss", ME, 34, { dae = true, dap = { 5 } }), "dap")
    expect(2001, s:create("/moon", "CAdmin", 34, { dae = true, dap = { "http://h/x" } }))
    expect(4108, s:create(path, ME, 34, { dae = true, dap = { "http://h/x" } }))
    expect(2002, s:delete(path, ME))
  end)
end)
