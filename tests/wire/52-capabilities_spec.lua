-- What the README claims is what a scratch server answered.

local h = require "harness"
local cjson = require "cjson"

describe("moon2m capabilities", function()
  local dir, found

  setup(function()
    dir = h.directory()
    local text, rc = h.sh("%s capabilities --json %s/c.json --md %s/c.md", h.bin, dir, dir)
    assert.same({ 0, "" }, { rc, text })
    found = cjson.decode(h.read_file(dir .. "/c.json"))
  end)
  teardown(function()
    h.sh("rm -rf %s", dir)
    h.stop_all()
  end)

  it("is what the README says (`make capabilities`)", function()
    local table_text = h.read_file("README.md"):match(
      "<!%-%- tried by `make capabilities` %-%->\n(.-)<!%-%- end of what was tried %-%->")
    assert.equal(h.read_file(dir .. "/c.md"), table_text)
  end)

  it("tries every type and finds none that it cannot create but those of the CSE", function()
    local failed = {}
    for _, row in ipairs(found.types) do
      if row.operations.create ~= 2001 then failed[#failed + 1] = row.type end
    end
    assert.same({ "m2m:req", "m2m:alst", "m2m:alpc", "m2m:fci" }, failed)
  end)

  it("tells what is refused, too", function()
    local rcn, cnt = found.rcn.retrieve
    for _, row in ipairs(found.types) do
      if row.type == "m2m:cnt" then cnt = row end
    end
    assert.same({ 2000, 4000 }, { rcn["1"], rcn["2"] })
    for n = 0, 12 do
      assert.equal((n == 6 or n == 11) and 2000 or 4000, found.rcn.discovery[tostring(n)], n)
    end
    for filter, code in pairs(found.filters) do
      assert.equal(filter == "smf=x" and 5001 or 2000, code, filter)
    end
    assert.same({ create = 2001, retrieve = 2000, update = 2004, delete = 2002 }, cnt.operations)
    assert.same({ "CU", "C", "R", "CU" }, { cnt.attributes.mni, cnt.attributes.rn,
      cnt.attributes.cni, cnt.attributes.daci })
    assert.same({ 2001, 2001, 4015 }, { found.serializations.json, found.serializations.cbor,
      found.serializations.xml })
    assert.same({ http = 2000, websocket = 2000 }, found.bindings)
    assert.same({ la = 2000, ol = 2000, fopt = 2000, ntsr = 2002 }, found.virtual)
    assert.equal(4001, found.releases["1"])
  end)

  it("tries each event type below what it can happen to, content types and criteria with them",
    function()
      for n = 1, 10 do
        assert.equal(n <= 8 and 2001 or 4000, found.subscription.net[tostring(n)], n)
        assert.equal(n <= 5 and 2001 or 4000, found.subscription.nct[tostring(n)], n)
      end
      for name, code in pairs(found.subscription.enc) do assert.equal(2001, code, name) end
      assert.equal(2001, found.subscription.enc.om)
    end)

  it("tries what takes more than one request to its end", function()
    assert.same({ ["rt=1"] = 1001, ["rt=2"] = 1002, ["rt=3"] = 2000, ["rt=4"] = 2000,
      ["rt=5"] = 2000 }, found.response_types)
    assert.same({ oet = 2001, ["oet with rt=1"] = 1001 }, found.delayed)
    assert.same({ create = 2001, retrieve = 2000, update = 2004, delete = 2002, discovery = 2000,
      ["fan-out"] = 2000, ["rt=1"] = 1001, original = 2000, announcement = 2001 },
      found.passed_on)
    for _, name in ipairs { "fo=3", "c.rn=x", "p.rn=x", "cfq=$.x&cfs=1",
      "gmty=1&geom=[1,2]&gsf=1" } do
      assert.equal(2000, found.filters[name], name)
    end
  end)

  it("says when it cannot write", function()
    local text, rc = h.sh("%s capabilities --json /nowhere/at/all", h.bin)
    assert.equal(1, rc)
    assert.truthy(text:find("/nowhere/at/all", 1, true), text)
  end)
end)
