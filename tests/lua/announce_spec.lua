-- What a resource may say of its announcement, and what its copies have (TS-0001 9.6.1.3, 9.6.26).

local world = require "world"

local json = require "moon2m.json"
local w, types, rules, send

local function made(root, more)
  local T = assert(types.find(root))
  local raw = {}
  for name, v in pairs(more or {}) do raw[name] = json.encode(v) end
  return { type = T, ty = T.ty, ri = "c1", raw = raw, et = 4e15, pid = 0, id = 9 }
end

-- What schema and rules make of a CREATE of a container, or of an UPDATE of r.
local function checked(attrs, r)
  local schema = require "moon2m.schema"
  local T, members = types.by_name.container, {}
  for name, v in pairs(attrs) do members[name] = v == json.null and "null" or json.encode(v) end
  local check = r and schema.check_update or schema.check_create
  local raw, values = check(T, members, r)
  assert(raw, values and values.msg)
  local e = rules.check(T, raw, values, r)
  return raw, e and e.rsc, e and e.msg
end

local function refused(code, text, attrs, r)
  local _, rsc, msg = checked(attrs, r)
  assert.equal(code, rsc)
  assert.truthy(msg:find(text, 1, true), msg)
end

local function attributes(r, csi)
  local box = w.fake.task(function()
    return send.attributes(r, types.variant(r.type), csi or "/one")
  end)
  w.fake.run()
  return box[1]
end

before_each(function()
  w = world.new(true)
  types = require "moon2m.types"
  rules = require "moon2m.announce_rules"
  send = require "moon2m.announce_send"
end)

describe("at", function()
  it("names other CSEs, each once", function()
    assert.is_nil(select(2, checked { at = { "/one", "/two/base/c", "//other.example/one" } }))
    refused(4000, "at: entry 1: neither", { at = { "one" } })
    refused(4000, "at: entry 2: /one is there", { at = { "/one", "/one/base" } })
    refused(4000, "at: entry 2: /one is there", { at = { "//sp.example/one", "/one/base" } })
    refused(4000, "this CSE itself", { at = { "/moon" } })
    refused(4000, "this CSE itself", { at = { "//sp.example/moon/x" } })
    local many = json.array {}
    for i = 1, 65 do many[i] = "/c" .. i end
    refused(4000, "at: more than 64", { at = many })
    assert.is_nil(select(2, checked({ at = json.null }, made("m2m:cnt"))))
  end)
end)

describe("aa", function()
  it("keeps what can be announced and is there", function()
    assert.equal('["mni"]', checked({ aa = { "mni", "mbs", "cni", "st" }, mni = 3 }).aa)
    assert.is_nil(checked({ aa = { "cni" } }).aa)
    assert.equal('["mbs"]', checked({ aa = { "mni", "mbs" } }, made("m2m:cnt", { mbs = 3 })).aa)
    assert.equal("null", checked({ aa = { "mni" } }, made("m2m:cnt")).aa)
    assert.equal("null",
      checked({ aa = { "mni" }, mni = json.null }, made("m2m:cnt", { mni = 3 })).aa)
    refused(4000, "aa: odd is no attribute of m2m:cnt", { aa = { "odd" } })
  end)
end)

describe("ast", function()
  it("is 1: changes of copies do not come back", function()
    assert.is_nil(select(2, checked { ast = 1 }))
    refused(5001, "ast: 2", { ast = 2 })
  end)
end)

describe("a copy", function()
  it("has what is always announced and what aa names", function()
    local r = made("m2m:cnt", { lbl = { "x" }, mni = 3, mbs = 4, aa = { "mni" }, ast = 1,
      acpi = { "moon/acp", "/two/base/acp" }, daci = { "moon/d" } })
    assert.same({ lnk = '"/moon/c1"', et = '"20961002T070640"', lbl = '["x"]', mni = "3",
      ast = "1", acpi = '["/moon/moon/acp","/two/base/acp"]' }, attributes(r))
    r.raw.aa = '["daci"]'
    assert.equal('["/moon/moon/d"]', attributes(r).daci)
  end)

  it("beyond the service provider names what is here in full", function()
    local r = made("m2m:cnt", { acpi = { "moon/acp" } })
    local got = attributes(r, "//other.example/one")
    assert.equal('"//sp.example/moon/c1"', got.lnk)
    assert.equal('["//sp.example/moon/moon/acp"]', got.acpi)
  end)

  it("of a specialisation has the class's own attributes when they are named", function()
    local cnd = "org.onem2m.common.moduleclass.binarySwitch"
    local r = made("cod:binSh", { cnd = cnd, state = true, aa = { "state" } })
    local got = attributes(r)
    assert.same({ json.encode(cnd), "true" }, { got.cnd, got.state })
    r.raw.aa = nil
    assert.is_nil(attributes(r).state)
  end)

  it("is sent anew only in what differs", function()
    local one = send.digests { lbl = '["x"]', mni = "3" }
    assert.same(one, send.digests { lbl = '["x"]', mni = "3" })
    assert.not_equal(one.mni, send.digests({ mni = "4" }).mni)
  end)
end)
