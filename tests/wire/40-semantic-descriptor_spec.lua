-- semanticDescriptor (TS-0001 9.6.30, TS-0004 7.4.34): kept and well-formed; SPARQL is not there.

local h = require "harness"
local expect = h.expect

describe("a semanticDescriptor", function()
  local s
  local ME = "Csense"
  -- <a> <b> <c> .    and    {"@id":"a"}    and    <rdf/>
  local TURTLE, JSON, XML = "PGE+IDxiPiA8Yz4gLg==", "eyJAaWQiOiJhIn0=", "PHJkZi8+"

  setup(function()
    s = h.start()
    s:register "sense"
    expect(2001, s:create("/moon/sense", ME, 3, { rn = "c" }))
    expect(2001, s:create("/moon/sense/c", ME, 24, { rn = "linked", dcrp = 5, dsp = TURTLE }))
  end)
  teardown(h.stop_all)

  local function create(attrs, where) return s:create(where or "/moon/sense/c", ME, 24, attrs) end
  local function made(attrs)
    attrs.dcrp, attrs.dsp = attrs.dcrp or 5, attrs.dsp or TURTLE
    local r = expect(2001, create(attrs))
    return "/moon/sense/c/" .. r.rn, r
  end
  local function update(path, attrs) return s:update(path, ME, { ["m2m:smd"] = attrs }) end
  local function get(path) return expect(2000, s:retrieve(path, ME)) end

  it("has its attributes, and keeps its text as it came", function()
    local path, r = made { ["or"] = "http://ex.org/o", rels = { "http://ex.org/x" } }
    assert.same({ 24, 5, TURTLE, "http://ex.org/o" }, { r.ty, r.dcrp, r.dsp, r["or"] })
    assert.is_nil(r.svd)
    assert.same(r, get(path))
    expect(2004, update(path, { dcrp = 7, dsp = JSON }))
    expect(2004, update(path, { lbl = { "x" } }))
    assert.same({ 7, JSON }, { get(path).dcrp, get(path).dsp })
    expect(2001, s:create(path, ME, 23, { nu = { ME }, enc = { net = { 1 } } }))
    expect(2002, s:delete(path, ME))
    expect(4004, s:retrieve(path, ME))
    made { dcrp = 4, dsp = XML }
  end)

  it("below an instance is refused by name, as is a group's semanticFanOutPoint", function()
    expect(2001, s:create("/moon/sense", ME, 3, { rn = "values" }))
    expect(2001, s:create("/moon/sense/values", ME, 4, { rn = "one", con = "1" }))
    expect(5001, create({ dcrp = 5, dsp = TURTLE }, "/moon/sense/values/one"),
      "a semantic_descriptor below a content_instance is not supported")
    expect(2001, s:create("/moon/sense", ME, 9, { rn = "g", mnm = 1,
      mid = { "moon/sense/values" } }))
    expect(5001, s:retrieve("/moon/sense/g/sfop", ME), "semanticFanOutPoint")
    expect(4004, s:retrieve("/moon/sense/values/sfop", ME))
    expect(5001, s:retrieve("/moon/sense/values?rcn=10", ME), "semantic content")
  end)

  it("stands below what it describes", function()
    expect(2001, create({ dcrp = 5, dsp = TURTLE }, "/moon/sense"))
    expect(4103, create({ dcrp = 5, dsp = TURTLE }, "/moon"))
    expect(4108, s:create("/moon", "CAdmin", 24, { dcrp = 5, dsp = TURTLE }))
    expect(2001, s:create("/moon/sense", ME, 28, { ["cod:bat"] = { rn = "bat",
      cnd = "org.onem2m.common.moduleclass.battery", lvl = 3 } }))
    expect(2001, create({ dcrp = 5, dsp = TURTLE }, "/moon/sense/bat"))
  end)

  it("refuses what is wrong", function()
    local function refused(attrs, pattern) expect(4000, create(attrs), pattern) end
    refused({ dsp = TURTLE }, "dcrp")
    refused({ dcrp = 5 }, "dsp")
    refused({ dcrp = 1, dsp = TURTLE }, "dcrp")
    refused({ dcrp = 8, dsp = TURTLE }, "dcrp")
    refused({ dcrp = 5, dsp = "<a> <b> <c> ." }, "base64")
    refused({ dcrp = 5, dsp = "" }, "empty")
    refused({ dcrp = 5, dsp = XML }, "dsp")
    refused({ dcrp = 4, dsp = TURTLE }, "dsp")
    refused({ dcrp = 7, dsp = TURTLE }, "dsp")
    refused({ dcrp = 5, dsp = TURTLE, svd = true }, "svd")
    refused({ dcrp = 5, dsp = TURTLE, soe = "INSERT" }, "soe")
    refused({ dcrp = 5, dsp = TURTLE, vlde = 1 }, "vlde")
    refused({ dcrp = 5, dsp = TURTLE, rels = "x" }, "rels")
    local path = made {}
    expect(4000, update(path, { dcrp = 7 }), "dsp")
    expect(4000, update(path, { dcrp = 1 }), "dcrp")
    expect(4000, s:update(path, ME, '{"m2m:smd":{"dsp":null}}'), "dsp")
    expect(4000, update(path, { soe = "INSERT", dsp = TURTLE }), "soe")
    expect(5001, update(path, { soe = "INSERT" }), "SPARQL")
    assert.equal(TURTLE, get(path).dsp)
  end)

  it("is validated when it asks for that", function()
    local _, r = made { vlde = true }
    assert.is_true(r.svd)
    local path = made { vlde = true, rels = { "moon/sense/c/linked" } }
    expect(4120, create { dcrp = 5, dsp = XML, vlde = true }, "dsp")
    expect(4118, create { dcrp = 5, dsp = TURTLE, vlde = true, ["or"] = "http://x" }, "or")
    expect(4119, create { dcrp = 5, dsp = TURTLE, vlde = true, rels = { "moon/sense/c" } }, "rels")
    expect(4119, update(path, { rels = { "moon/nowhere" } }), "rels")
    assert.is_true(get(path).svd)
    expect(2004, update(path, { vlde = false, rels = { "moon/nowhere" } }))
    assert.is_nil(get(path).svd)
    expect(4119, update(path, { vlde = true }), "rels")
  end)

  it("is not searched with SPARQL", function()
    expect(5001, s:retrieve("/moon/sense?fu=1&smf=SELECT", ME), "smf")
    expect(5001, s:retrieve("/moon/sense?sqi=1", ME), "sqi")
  end)
end)
