-- Addresses in all forms, identifiers, originators, path patterns.

local path = require "moon2m.path"
local rsc = require "moon2m.rsc"

path.configure { csi = "/moon", csn = "moon", spi = "//sp.example" }

describe("path.parse", function()
  local function is(to, want)
    want.names = want.names or {}
    assert.same(want, (path.parse(to)), to)
  end

  it("reads the six forms and the hybrid one", function()
    local struct = { "pump", "level" }
    for _, root in ipairs { "", "/moon/", "//sp.example/moon/" } do
      is(root .. "15", { id = "15" })
      is(root .. "moon", { base = true })
      is(root .. "-", { base = true })
      is(root .. "moon/pump/level", { base = true, names = struct })
      is(root .. "-/pump/level", { base = true, names = struct })
      is(root .. "15/pump/level", { id = "15", names = struct })
      is(root .. "Cpump", { id = "Cpump" })
    end
  end)

  it("takes the CSE-ID for the CSEBase", function()
    is("/moon", { base = true })
    is("/moon/", { base = true })
    is("//sp.example/moon", { base = true })
  end)

  it("finds virtual resources at the end, and fan-out points anywhere", function()
    is("moon/pump/level/la", { base = true, names = { "pump", "level" }, virtual = "la" })
    is("15/ol", { id = "15", virtual = "ol" })
    is("moon/la/x", { base = true, names = { "la", "x" } })
    is("moon/g/fopt", { base = true, names = { "g" }, virtual = "fopt" })
    is("moon/g/fopt/a/la", { base = true, names = { "g" }, virtual = "fopt", rest = "a/la" })
  end)

  it("splits off an attribute", function()
    is("moon/pump#lbl", { base = true, names = { "pump" }, attr = "lbl" })
    is("15/la#con", { id = "15", virtual = "la", attr = "con" })
  end)

  it("tells what is hosted elsewhere", function()
    is("/other/15", { remote = "/other/15" })
    is("/other", { remote = "/other" })
    is("//sp.example/other/x/y", { remote = "/other/x/y" })
    is("//else.where/moon/15", { remote = "//else.where/moon/15" })
    is("//else.where", { remote = "//else.where" })
  end)

  it("knows the service provider's AE-IDs", function()
    is("/Spump", { id = "Spump" })
    is("//sp.example/Spump", { id = "Spump" })
    is("/Cpump", { remote = "/Cpump" })
  end)

  it("forgives one trailing slash", function()
    is("moon/pump/", { base = true, names = { "pump" } })
  end)

  it("refuses with 4000 and the reason", function()
    local cases = { ["///x"] = "leading slashes", [""] = "missing", ["/"] = "empty address",
      ["//"] = "empty address", ["a//b"] = "empty segment", ["a//"] = "empty segment",
      ["a b"] = "space", ["a\nb"] = "control", ["a#"] = "attribute name",
      ["a#b c"] = "space", ["a#b#c"] = "attribute name", ["#x"] = "empty address",
      [("a/"):rep(70) .. "b"] = "more than 64 levels", [("a"):rep(5000)] = "longer than 4096",
      ["a\127"] = "control", ["a\0b"] = "control" }
    for to, why in pairs(cases) do
      local a, e = path.parse(to)
      assert.is_nil(a, to)
      assert.same(4000, e.rsc)
      assert.is_truthy(e.msg:find(why, 1, true), e.msg)
    end
    assert.is_nil((path.parse(nil)))
  end)
end)

describe("identifiers", function()
  it("are length-prefixed base 32", function()
    local cases = { [0] = "10", [1] = "11", [5] = "15", [10] = "1a", [31] = "1z", [32] = "210",
      [1023] = "2zz", [1024] = "3100", [2 ^ 45 - 1] = "9zzzzzzzzz" }
    for n, s in pairs(cases) do
      assert.same(s, path.ri(n))
      assert.same({ n }, { path.parse_ri(s) })
    end
  end)

  it("sort like their numbers", function()
    local last = ""
    for n = 0, 70000, 37 do
      assert.is_true(path.ri(n) > last)
      last = path.ri(n)
    end
  end)

  it("of instances name container and stateTag", function()
    assert.same("15-210", path.ri_inst(5, 32))
    assert.same({ 5, 32 }, { path.parse_ri("15-210") })
  end)

  it("are read in their only form", function()
    for _, s in ipairs { "", "1", "0", "25", "205", "15x", "1i", "1l", "1o", "1u", "1A", "Cx", "x5",
      "15-", "-15", "15-15-15", "15-x", "0a", "210 " } do
      assert.is_nil((path.parse_ri(s)), s)
    end
  end)
end)

describe("names", function()
  it("are tokens and no virtual names", function()
    for _, n in ipairs { "a", "A1", "1a", "a-b.c_d", ("a"):rep(128) } do
      assert.is_true(path.is_name(n), n)
    end
    for _, n in ipairs { "", "-", "-a", ".", "..", "_a", "a b", "a/b", "a~", "la", "ol", "fopt",
      "pcu", "ntsr", ("a"):rep(129), "ä", "a\0" } do
      assert.is_false(path.is_name(n), n)
    end
    assert.is_false(path.is_name(5))
  end)

  it("make structured addresses", function()
    assert.same({ "moon", "moon/a/b" }, { path.structured(""), path.structured("a/b") })
  end)
end)

describe("originators", function()
  it("have one normal form", function()
    local twice = "//sp.example//sp.example/moon/Cx"
    local cases = { Cx = "Cx", ["/moon/Cx"] = "Cx", ["//sp.example/moon/Cx"] = "Cx",
      [twice] = twice,
      ["/Sx"] = "Sx", Sx = "Sx", ["//sp.example/Sx"] = "Sx", ["/moon/Sx"] = "Sx",
      ["/moon"] = "/moon", ["//sp.example/moon"] = "/moon", ["/other/Cx"] = "/other/Cx",
      ["//sp.example/other/Cx"] = "/other/Cx", ["//else/cse/Cx"] = "//else/cse/Cx",
      ["//sp.example"] = "//sp.example", ["//sp.example2/moon/Cx"] = "//sp.example2/moon/Cx",
      ["/moonx/Cx"] = "/moonx/Cx", [""] = "" }
    for fr, want in pairs(cases) do assert.same(want, path.originator(fr), fr) end
  end)

  it("can be written for others", function()
    assert.same("/moon/Cx", path.sp_relative("Cx"))
    assert.same("/moon/15", path.sp_relative("15"))
    assert.same("/Sx", path.sp_relative("Sx"))
    assert.same("/other/Cx", path.sp_relative("/other/Cx"))
  end)
end)

describe("globs", function()
  local function hits(patterns, p)
    local g = path.globs()
    for i, pattern in ipairs(patterns) do g:add(pattern, i) end
    local out = {}
    for i, h in ipairs(g:match(p)) do
      h.seq = nil
      out[i] = h
    end
    return out
  end

  it("match literally, by level and by any depth", function()
    assert.same({ { 1 } }, hits({ "/a/b" }, "/a/b"))
    assert.same({}, hits({ "/a/b" }, "/a"))
    assert.same({}, hits({ "/a/b" }, "/a/b/c"))
    assert.same({ { 1, "b" } }, hits({ "/a/*" }, "/a/b"))
    assert.same({}, hits({ "/a/*" }, "/a/b/c"))
    assert.same({}, hits({ "/a/*" }, "/a"))
    assert.same({ { 1, "b/c" } }, hits({ "/a/**" }, "/a/b/c"))
    assert.same({ { 1, "" } }, hits({ "/a/**" }, "/a"))
    assert.same({ { 1, "x/y" } }, hits({ "/**" }, "/x/y"))
    assert.same({ { 1 } }, hits({ "/" }, "/"))
    assert.same({ { 1, "" } }, hits({ "/**" }, "/"))
  end)

  it("capture in order", function()
    assert.same({ { 1, "k", "t" } }, hits({ "/home/*/*/v" }, "/home/k/t/v"))
    assert.same({ { 1, "a/b", "c" } }, hits({ "/**/x/*" }, "/a/b/x/c"))
    assert.same({ { 1, "emp", "1" } }, hits({ "/t*/r*" }, "/temp/r1"))
    assert.same({ { 1, "x", "y" } }, hits({ "/a*b*c" }, "/axbyc"))
    assert.same({}, hits({ "/t*" }, "/xt"))
  end)

  it("answer in order of adding, each once", function()
    assert.same({ { 1, "a/b" }, { 2 }, { 3, "b" }, { 4, "a" }, { 5 } },
      hits({ "/**", "/a/b", "/a/*", "/*/b", "/a/b" }, "/a/b"))
    assert.same(1, #hits({ "/**/a/**" }, "/a/a/a"))
  end)

  it("take magic characters literally", function()
    assert.same({ { 1 } }, hits({ "/a.b-c%" }, "/a.b-c%"))
    assert.same({}, hits({ "/a.b" }, "/axb"))
    assert.same({ { 1, "9" } }, hits({ "/a.%d*" }, "/a.%d9"))
    assert.same({}, hits({ "/a.%d*" }, "/a.55"))
  end)

  it("stay cheap on hostile patterns", function()
    local g = path.globs()
    g:add("/**/a/**/a/**/a/**/b", 1)
    local p = ("/a"):rep(60)
    local before = os.clock()
    for _ = 1, 20 do assert.same({}, g:match(p)) end
    assert.is_true(os.clock() - before < 1)
  end)

  it("refuse what is no pattern, at the caller's line", function()
    local g = path.globs()
    for _, p in ipairs { "a", "", "/a//b", "/a/", "/**/**/**/**/**", ("/a"):rep(65) } do
      local ok, why = pcall(function() g:add(p, 1) end)
      assert.is_false(ok, p)
      assert.matches("path_spec.lua:%d+: ", why)
    end
    assert.is_false(pcall(g.add, g, 5, 1))
  end)
end)

describe("rsc", function()
  it("has names, numbers and HTTP status", function()
    assert.same({ 2000, 2001, 4000, 5203 },
      { rsc.OK, rsc.CREATED, rsc.BAD_REQUEST, rsc.TARGET_NOT_SUBSCRIBABLE })
    assert.same({ 200, 201, 404, 409, 501 },
      { rsc.http[2004], rsc.http[2001], rsc.http[4004], rsc.http[4105], rsc.http[5001] })
    assert.same({ "NOT_FOUND", "1" }, { rsc.name(4004), rsc.name(1) })
  end)

  it("makes errors", function()
    local e = rsc.err(rsc.NOT_FOUND, "to: %s", "x")
    assert.same({ 4004, "to: x", "4004 NOT_FOUND: to: x" }, { e.rsc, e.msg, tostring(e) })
    assert.same("100%", rsc.err(4000, "100%").msg)
    assert.same("CONFLICT", rsc.err(4105).msg)
  end)
end)
