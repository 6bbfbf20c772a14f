-- The start-up tree of the operator: made once, on an empty store, all of it or nothing.

local h = require "harness"
local expect = h.expect

local TREE = [[
cse = { name = "plant", id = "/plant1", sp = "//plant.example", admin = "Croot" }
acpi = { "plant/public" }
lbl = { "hall:7" }

local function rules(...)
  return { acr = { ... } }
end

local halls = {}
for i = 1, 3 do
  halls[i] = { ["m2m:cnt"] = { rn = "hall" .. i, mni = 10 } }
end

resources = {
  { ["m2m:acp"] = { rn = "public",
      pv = rules({ acor = { "all" }, acop = 34 }),
      pvs = rules({ acor = { "Croot" }, acop = 63 }) } },
  { ["m2m:acp"] = { rn = "closed", pv = { acr = {} },
      pvs = rules({ acor = { "Croot" }, acop = 63 }) } },
  { fr = "Cline", ["m2m:ae"] = { rn = "line", api = "Nline", rr = false, srv = { "3" } },
    children = {
      { ["m2m:cnt"] = { rn = "readings", acpi = { "plant/public" } },
        children = { { fr = "Croot", ["m2m:cin"] = { rn = "first", con = { t = 21.5 } } } } },
    } },
  { ["m2m:cnt"] = { rn = "halls", acpi = { "plant/public" } }, children = halls },
}
]]

describe("a start-up tree", function()
  local dir

  local function start(text, o)
    o = o or {}
    dir = h.directory()
    o.dir = dir
    h.write_file(dir .. "/tree.lua", text)
    o.config = ('boot = "%s/tree.lua"\n%s'):format(dir, o.more or "")
    return h.start(o)
  end

  -- What a server says that does not start.
  local function refusal(text)
    local s = start(text, { wait = false })
    assert.equal(1, s:exit_code())
    return s:text():gsub(dir:gsub("%p", "%%%0") .. "/", ""), s
  end

  after_each(h.stop_all)

  it("names the CSE, its administrator, its policies, and makes what is listed", function()
    local s = start(TREE)
    local base = expect(2000, s:retrieve("/plant", "Cline"))
    assert.same({ "plant", "/plant1", "//plant.example" }, { base.rn, base.csi, base.spi })
    assert.same({ { "plant/public" }, { "hall:7" } }, { base.acpi, base.lbl })
    local ae = expect(2000, s:retrieve("/plant/line", "Cline"))
    assert.same({ "Cline", "Nline" }, { ae.aei, ae.api })
    expect(2001, s:create("/plant", "Cother", 2, { rn = "other", api = "No", rr = false,
      srv = { "3" } }))
    expect(4103, s:retrieve("/plant/line", "Cother"))
    assert.same({ t = 21.5 }, expect(2000, s:retrieve("/plant/line/readings/la", "Cother")).con)
    assert.equal(10, expect(2000, s:retrieve("/plant/halls/hall3", "Croot")).mni)
    assert.truthy(s:retrieve("/plant/closed", "Croot").text:find('"acr":[]', 1, true))
    expect(2001, s:create("/plant/line", "Cline", 3, { rn = "more" }))
  end)

  it("does what the README's example says", function()
    local section = h.read_file("README.md"):match("### The start%-up tree\n(.-)\n### ")
    local s = start((section:match("```lua\n(.-)```")))
    for _, name in ipairs { "any", "service" } do
      expect(2001, s:create("/plant", "C" .. name, 2, { rn = "its" .. name, api = "Na", rr = false,
        srv = { "3" } }))
    end
    local base = expect(2000, s:retrieve("/plant", "Cany"))
    assert.same({ "plant", "/plant1", "//plant.example", { "plant/public" } },
      { base.rn, base.csi, base.spi, base.acpi })
    expect(2000, s:retrieve("/plant/line/readings", "Cany"))         -- its acpi
    expect(4103, s:retrieve("/plant/line", "Cany"))
    expect(2000, s:retrieve("/plant/line", "Cservice"))              -- default_access: *
    expect(4103, s:delete("/plant/line", "Cservice"))
    expect(2001, s:create("/plant/line/readings", "Croot", 3, { rn = "more" }))
    expect(2000, s:retrieve("/plant/line/readings/more", "Cany"))    -- m2m:cnt: parent
    expect(2002, s:delete("/plant/line", "Croot"))                   -- the administrator
    s:stop()
    s:run()
    expect(4004, s:retrieve("/plant/line", "Croot"))                 -- made once
    expect(2001, s:create("/plant/itsany", "Cany", 9, { rn = "g", mnm = 1,
      mid = { "plant/itsany" } }))
    expect(2000, s:retrieve("/plant/itsany/g", "Cservice"))             -- counts at each start
  end)

  it("has default_access below that of the configuration", function()
    local s = start("default_access = { ['m2m:cnt'] = { 'moon/none' } }\nresources = {"
      .. " { ['m2m:cnt'] = { rn = 'c' } } }", { more = "default_access = { ['*'] = 'parent' }" })
    s:register "any"
    expect(2000, s:retrieve("/moon/c", "Cany"))
  end)

  it("has all that the CSEBase may be given", function()
    local s = start [[
cstn = "Cwarden"
daci = { "plant/dac" }
loc = { typ = 1, crd = "[127.0, 37.5]" }
resources = { { ["m2m:dac"] = { rn = "dac", dae = false, dap = { "http://h/das" } } } }]]
    local base = expect(2000, s:retrieve("/moon", "CAdmin"))
    assert.same({ "Cwarden", { "plant/dac" }, { typ = 1, crd = "[127.0, 37.5]" } },
      { base.cstn, base.daci, base.loc })
    assert.equal(base.csi, base.ici)
    assert.matches("^%d%d%d%d%d%d%d%dT%d%d%d%d%d%d", base.ctm)
    h.sleep(0.01)
    assert.is_true(base.ctm < expect(2000, s:retrieve("/moon?atrl=ctm", "CAdmin")).ctm)
  end)

  it("is made once: a later start leaves what was changed, and says when the file did", function()
    local s = start(TREE)
    expect(2002, s:delete("/plant/halls", "Croot"))
    expect(2004, s:update("/plant/closed", "Croot", { ["m2m:acp"] = { lbl = { "x" } } }))
    s:stop()
    s:run()
    expect(4004, s:retrieve("/plant/halls", "Croot"))
    assert.same({ "x" }, expect(2000, s:retrieve("/plant/closed", "Croot")).lbl)
    assert.same({ "plant/public" }, expect(2000, s:retrieve("/plant", "Cline")).acpi)
    assert.is_nil(s:text():find "boot file")
    s:stop()
    h.write_file(s.dir .. "/tree.lua", TREE .. "lbl = { 'other' }\n")
    s:run()
    assert.truthy(s:text():find "boot file changed since it was applied: not applied again")
    assert.same({ "hall:7" }, expect(2000, s:retrieve("/plant", "Cline")).lbl)
  end)

  it("is finished by the next start when the first was killed", function()
    local many = {}
    for i = 1, 2000 do many[i] = ("{ ['m2m:cnt'] = { rn = 'c%d' } }"):format(i) end
    local s = start("resources = {" .. table.concat(many, ",\n") .. "}", { wait = false })
    h.wait("a store", function() return h.read_file(s.data .. "/moon2m.db-wal") ~= "" end)
    h.sleep(0.2)
    s:kill()
    s.o.wait = nil
    s:run()
    expect(2000, s:retrieve("/moon/c1", "CAdmin"))
    expect(2000, s:retrieve("/moon/c2000", "CAdmin"))
  end)

  it("is no business of a store that is older", function()
    local s = h.start()
    s:register "old"
    s:stop()
    h.write_file(s.dir .. "/tree.lua", "resources = { { ['m2m:cnt'] = { rn = 'c' } } }")
    s.o.config = "boot"
    h.write_file(s.dir .. "/config.lua", ('boot = "%s/tree.lua"'):format(s.dir))
    s:run()
    expect(4004, s:retrieve("/moon/c", "CAdmin"))
    expect(2000, s:retrieve("/moon/old", "Cold"))
    assert.truthy(s:text():find "the store is older than the boot file: not applied")
  end)

  it("gives way to what the configuration says of the CSE", function()
    local s = start("cse = { name = 'a', id = '/a' }", { more = "cse = { name = 'b' }" })
    assert.equal("/a", expect(2000, s:retrieve("/b", "CAdmin")).csi)
  end)

  it("refuses a mistake with file, line and attribute, and leaves nothing behind", function()
    local text, s = refusal [[
resources = {
  { ["m2m:cnt"] = { rn = "good" }, children = {
    { ["m2m:cnt"] = { rn = "below" } } } },
  { ["m2m:cnt"] = {
      rn = "bad",
      mni = "ten",
  } },
}]]
    assert.truthy(text:find("tree.lua:6: resources.2.m2m:cnt.mni: expected a non-negative integer,"
      .. " got a string (4000)", 1, true), text)
    h.write_file(s.dir .. "/tree.lua", "resources = { { ['m2m:cnt'] = { rn = 'right' } } }")
    s.o.wait = nil
    s:run()
    expect(4004, s:retrieve("/moon/good", "CAdmin"))
    expect(2000, s:retrieve("/moon/right", "CAdmin"))
  end)

  local mistakes = {
    { "resources = {\n { ['m2m:cnt'] = {} } }", "tree.lua:2: resources.1.m2m:cnt: rn: missing" },
    { "resources = {\n { ['m2m:nix'] = { rn = 'x' } } }",
      "tree.lua:2: resources.1.m2m:nix: unknown type" },
    { "resources = {\n { ['m2m:ae'] = { rn = 'x' } } }",
      "tree.lua:2: resources.1.m2m:ae: fr: missing, the AE-ID" },
    { "resources = {\n { ['m2m:cnt'] = { rn = 'x' },\n kids = {} } }",
      "tree.lua:3: resources.1.kids: " },
    { "\ncse = { nam = 'x' }", "tree.lua:2: cse.nam: unknown key" },
    { "\ndefault_access = { cnt = 'parent' }", "tree.lua:2: default_access: expected types as" },
    { "\nresource = {}", "tree.lua:2: resource: unknown key; known here: acpi, cse, cstn" },
    { "acpi = 'x'", "tree.lua:1: acpi: expected an array, got a string" },
    { "resources = {\n { ['m2m:cnt'] = { rn = 'x',\n nix = 1 } } }",
      "tree.lua:3: resources.1.m2m:cnt.nix: unknown attribute of m2m:cnt" },
    { "resources = {\n { ['m2m:cin'] = { rn = 'x', con = 1 } } }",
      "tree.lua:2: resources.1.m2m:cin: a content_instance cannot be created below" },
    { "resources = nil .. 1", "tree.lua:1: " },
  }
  for _, m in ipairs(mistakes) do
    it("says " .. m[2], function()
      local text = refusal(m[1])
      assert.truthy(text:find(m[2], 1, true), text)
    end)
  end
end)
