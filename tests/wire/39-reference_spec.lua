-- `moon2m help`, and what `make install` puts beside the binary for readers and editors.

local h = require "harness"
local sh, bin = h.sh, h.bin

describe("moon2m help", function()
  it("explains a name, lists all names, knows commands", function()
    local text, rc = sh("%s help cse.add", bin)
    assert.equal(0, rc)
    assert.matches("^cse%.add%(container, content %[, attrs%]%) %-> cin | nil, err\n", text)
    text, rc = sh("%s help", bin)
    assert.equal(0, rc)
    assert.matches("\n  cse%.config cse%.state ", text)
    text, rc = sh("%s help run", bin)
    assert.equal(0, rc)
    assert.matches("^Usage: moon2m run", text)
  end)

  it("says what is near a name that it does not know", function()
    local text, rc = sh("%s help foo.write 2>&1", bin)
    assert.equal(1, rc)
    assert.matches("^moon2m help: no text about foo%.write; there is .*conn:write", text)
    assert.equal(2, (select(2, sh("%s help a b 2>&1", bin))))
  end)
end)

describe("make install", function()
  it("brings the reference, and the types that a new script's editor finds", function()
    local dir = h.directory()
    local text, rc = sh("make -s install PREFIX=%s/usr B=%s 2>&1", dir, bin:match("^(.*)/[^/]*$"))
    assert.equal(0, rc, text)
    for _, file in ipairs { "share/doc/moon2m/reference.html", "share/doc/moon2m/reference.md",
      "share/moon2m/lua/moon2m/meta.lua", "share/moon2m/lua/moon2m/meta/test.lua",
      "share/moon2m/lua/moon2m/meta/resources/container.lua" } do
      assert.is_true(#h.read_file(("%s/usr/%s"):format(dir, file)) > 0, file)
    end
    text, rc = sh("%s/usr/bin/moon2m new meter %s", dir, dir)
    assert.equal(0, rc, text)
    local settings = h.read_file(dir .. "/.luarc.json")
    for _, name in ipairs { "meta.lua", "meta" } do
      assert.is_truthy(settings:find(("%s/usr/share/moon2m/lua/moon2m/%s\""):format(dir, name), 1,
        true), settings)
    end
    text, rc = sh("make -s uninstall PREFIX=%s/usr 2>&1 && find %s/usr -type f", dir, dir)
    assert.equal(0, rc)
    assert.equal("", text)
    sh("rm -rf %s", dir)
  end)

  it("is not needed in a clone: its examples and new scripts point to its own types", function()
    local dir = h.directory()
    sh("%s new meter %s", bin, dir)
    local place = h.read_file(dir .. "/.luarc.json"):match('"([^"]+)/moon2m/meta%.lua"')
    if bin:find("/build[^/]*/moon2m$") then
      assert.matches("/lua$", place)
      assert.is_true(#h.read_file(place .. "/moon2m/meta.lua") > 0)
    end
    local settings = h.read_file("apps/.luarc.json")
    for file in settings:match('"workspace%.library": (%b[])'):gmatch '"([^"]+)"' do
      assert.equal(0, (select(2, sh("test -e apps/%s", file))), file)
    end
    sh("rm -rf %s", dir)
  end)
end)
