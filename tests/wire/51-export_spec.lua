-- The whole tree out of one server and into another; from another CSE; broken off and begun again.

local h = require "harness"
local cjson = require "cjson"
local expect = h.expect

local function lines_of(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do list[#list + 1] = line end
  return list
end

local function moon2m(s, command, args)
  return h.sh("%s %s --data %s %s", h.bin, command, s.data, args or "")
end

local function export(s, file, at)
  local text, rc = moon2m(s, "export", (at or "") .. " >" .. file)
  assert.same({ "", 0 }, { text, rc })
  return lines_of(h.read_file(file))
end

describe("export and import", function()
  after_each(h.stop_all)

  -- Some of each kind, below an AE.
  local function fill(s)
    s:register("plant", { lbl = { "hall:7" } })
    expect(2001, s:create("/moon", "CAdmin", 1, { rn = "acp",
      pv = { acr = { { acor = { "Cplant", "/moon/Cplant" }, acop = 63 } } },
      pvs = { acr = { { acor = { "CAdmin" }, acop = 63 } } } }))
    expect(2001, s:create("/moon/plant", "Cplant", 3, { rn = "c", mni = 5, acpi = { "moon/acp" },
      cr = cjson.null }))
    for i = 1, 8 do s:add("/moon/plant/c", "Cplant", i) end
    expect(2001, s:create("/moon/plant/c", "Cplant", 4,
      '{"m2m:cin":{"rn":"named","con":{"b": 1.50,"a":[ 1e3,"\\u00e9"]},'
        .. '"cnf":"application/json:0"}}'))
    expect(2001, s:create("/moon/plant/c", "Cplant", 3, { rn = "inner" }))
    s:add("/moon/plant/c/inner", "Cplant", "x")
    expect(2001, s:create("/moon/plant/c", "Cplant", 23, { rn = "sub", nu = { "Cplant" },
      enc = { net = { 3 } } }))
    expect(2001, s:create("/moon/plant", "Cplant", 9, { rn = "g", mt = 3, mnm = 4,
      mid = { "moon/plant/c" } }))
    expect(2001, s:create("/moon/plant", "Cplant", 29, { rn = "ts" }))
    expect(2001, s:create("/moon/plant/ts", "Cplant", 30, { dgt = "20260101T000000", con = 7 }))
    expect(2001, s:create("/moon/plant", "Cplant", 28,
      '{"cod:binSh":{"rn":"switch","cnd":"org.onem2m.common.moduleclass.binarySwitch",'
        .. '"state":true}}'))
    local base = expect(2001, s:create("/moon", "CAdmin", 10005, { ["m2m:cbA"] = {
      lnk = "/one/base", et = "20990101T000000", srv = { "3" } } }))
    expect(2001, s:create("/" .. base.ri, "CAdmin", 10003, { ["m2m:cntA"] = {
      lnk = "/one/c", et = "20990101T000000", lbl = { "copy" } } }))
    expect(2001, s:create("/moon/plant", "Cplant", 3, { rn = "told", at = { "/one" } }))
    expect(2001, s:create("/moon/plant/told", "Cplant", 4, { con = "1", at = { "/one" } }))
  end

  it("brings the same tree into an empty server: the exports are equal, byte for byte", function()
    local s = h.start()
    fill(s)
    local a = export(s, s.dir .. "/a")
    local t = h.start()
    local text, rc = moon2m(t, "import", s.dir .. "/a")
    assert.same({ 0, "19 made, 0 there already" }, { rc, text })
    local b = export(t, t.dir .. "/b")
    assert.same(a, b)
    local head, last = cjson.decode(a[1]), cjson.decode(a[#a])
    assert.same({ 1, "/moon", "moon" }, { head.moon2m, head.csi, head.csn })
    assert.same({ true, #a - 2 }, { last["end"], last.lines })
    -- it lives: the container counts on, the subscription notifies, the access rules hold
    local old, new = s:add("/moon/plant/c", "Cplant", "y"), t:add("/moon/plant/c", "Cplant", "y")
    assert.same({ old.ri, old.st }, { new.ri, new.st })
    assert.equal(5, expect(2000, t:retrieve("/moon/plant/c", "Cplant")).cni)
    assert.equal("named", expect(2000, t:retrieve("/moon/plant/c/named", "Cplant")).rn)
    local ws = t:primitives "Cplant"
    t:add("/moon/plant/c", "Cplant", "told")
    assert.truthy(ws:notification(5))
    ws:close()
    assert.truthy(t:retrieve("/moon/plant/g/fopt/la", "Cplant").text:find "told")
    expect(4105, t:create("/moon/plant/ts", "Cplant", 30, { dgt = "20260101T000000", con = 8 }))
    t:stop()
    t:run()
    assert.same("x", expect(2000, t:retrieve("/moon/plant/c/inner/la", "Cplant")).con)
    -- once more: nothing is changed
    text, rc = moon2m(t, "import", s.dir .. "/a")
    assert.equal(0, rc)
    assert.truthy(text:find "^0 made, ", text)
  end)

  it("takes a part, and with --replace puts it back as it was", function()
    local s = h.start()
    fill(s)
    local a = export(s, s.dir .. "/a", "moon/plant/c")
    s:add("/moon/plant/c", "Cplant", "later")
    expect(2002, s:delete("/moon/plant/c/inner", "Cplant"))
    expect(2001, s:create("/moon/plant/c", "Cplant", 3, { rn = "new" }))
    local text, rc = moon2m(s, "import", "--replace " .. s.dir .. "/a")
    assert.same(0, rc, text)
    assert.same(a, export(s, s.dir .. "/b", "moon/plant/c"))
  end)

  it("renames what belongs to the CSE", function()
    local s = h.start()
    fill(s)
    export(s, s.dir .. "/a")
    local t = h.start { config = "cse = { name = 'base', id = '/other' }" }
    local text, rc = moon2m(t, "import", s.dir .. "/a")
    assert.equal(0, rc, text)
    assert.same({ "base/acp" }, expect(2000, t:retrieve("/base/plant/c", "Cplant")).acpi)
    assert.same({ "Cplant", "/other/Cplant" },
      expect(2000, t:retrieve("/base/acp", "CAdmin")).pv.acr[1].acor)
    assert.truthy(t:retrieve("/base/plant/g/fopt/la", "Cplant").text:find '"con"')
  end)

  it("takes plain representations of another CSE", function()
    local s = h.start()
    local file = h.write_file(s.dir .. "/foreign", table.concat({
      '{"m2m:cb":{"rn":"their","ri":"id-in","csi":"/id-in","ty":5}}',
      '{"m2m:ae":{"rn":"app","ty":2,"ri":"Capp","pi":"id-in","aei":"Capp","api":"Nx","rr":true,'
        .. '"srv":["3"],"ct":"20200101T000000","et":"20210101T000000"}}',
      '{"m2m:acp":{"rn":"p","ty":1,"ri":"acp99","pi":"Capp","pv":{"acr":[{"acor":["Capp"],'
        .. '"acop":63}]},"pvs":{"acr":[{"acor":["CAdmin"],"acop":63}]}}}',
      '{"m2m:cnt":{"rn":"c","ty":3,"ri":"cnt1","pi":"Capp","acpi":["acp99"],"cr":"Capp","cni":1,'
        .. '"cbs":3,"st":1,"mni":10,"ct":"20200101T000000","lt":"20200102T000000"}}',
      '{"m2m:cin":{"rn":"cin_1","ty":4,"ri":"cin1","pi":"cnt1","ct":"20200101T010203",'
        .. '"con":"old"}}',
      '{"m2m:sub":{"rn":"s","ty":23,"ri":"sub1","pi":"cnt1","nu":["http://127.0.0.1:1/x","Capp"]}}',
    }, "\n") .. "\n")
    local text, rc = moon2m(s, "import", file)
    assert.same({ 0, "5 made, 0 there already, 4 with new identifiers" }, { rc, text })
    local c = expect(2000, s:retrieve("/moon/app/c", "Capp"))
    assert.same({ { "moon/app/p" }, "Capp", 1, 3, "20200101T000000" },
      { c.acpi, c.cr, c.cni, c.cbs, c.ct:sub(1, 15) })
    local i = expect(2000, s:retrieve("/moon/app/c/la", "Capp"))
    assert.same({ "cin_1", "old", "20200101T010203" }, { i.rn, i.con, i.ct:sub(1, 15) })
    expect(2000, s:retrieve("/moon/app/c/s", "Capp"))
    text, rc = moon2m(s, "import", file)
    assert.same({ 0, "0 made, 5 there already" }, { rc, text })
  end)

  it("--replace of what another CSE wrote goes by names, whatever else is called rn", function()
    local s = h.start()
    local file = h.write_file(s.dir .. "/foreign", table.concat({
      '{"m2m:cnt":{"lbl":["\\"rn\\":\\"other\\""],"rn":"c","ri":"c1","mni":7}}',
      '{"m2m:cin":{"con":{"rn":"c"},"rn":"i","pi":"c1","ri":"i1"}}' }, "\n") .. "\n")
    expect(2001, s:create("/moon", "CAdmin", 3, { rn = "c", mni = 1 }))
    expect(2001, s:create("/moon", "CAdmin", 3, { rn = "other" }))
    local text, rc = moon2m(s, "import", "--replace " .. file)
    assert.equal(0, rc, text)
    assert.equal(7, expect(2000, s:retrieve("/moon/c", "CAdmin")).mni)
    assert.same({ rn = "c" }, expect(2000, s:retrieve("/moon/c/i", "CAdmin")).con)
    expect(2000, s:retrieve("/moon/other", "CAdmin"))
  end)

  it("names the line and the attribute of a mistake, and keeps what stands before it", function()
    local s = h.start()
    local function refused(bad, why)
      local file = h.write_file(s.dir .. "/bad",
        '{"m2m:cnt":{"rn":"good","ri":"g1"}}\n' .. bad .. "\n")
      local text, rc = moon2m(s, "import", file)
      assert.equal(1, rc)
      assert.truthy(text:find("bad:2: " .. why, 1, true), text)
    end
    refused('{"m2m:cnt":{"rn":"x","mni":"ten"}}', "mni: expected a non-negative integer, got")
    refused('{"m2m:cnt":{"rn":"x","nix":1}}', "nix: unknown attribute of m2m:cnt")
    refused('{"m2m:nix":{"rn":"x"}}', "m2m:nix: unknown type")
    refused('{"m2m:cin":{"rn":"x","con":1}}', "m2m:cin: a content_instance cannot be created below")
    refused('{"m2m:cin":{"rn":"x","pi":"g1"}}', "con: missing")
    refused('{"m2m:cnt":{"rn":"x","pi":"nix"}}', "pi: no resource nix stands before it")
    refused('{"m2m:cnt":{"ri":"x"}}', "rn: missing")
    refused('{"m2m:ae":{"rn":"x","api":"Nx","rr":true,"srv":["3"]}}', "aei: missing")
    refused('{"m2m:cnt":{"rn"', "no JSON")
    refused('[1]', "no JSON object")
    refused('{"a":1}', "no resource in the line")
    expect(4004, s:retrieve("/moon/x", "CAdmin"))
    local text, rc = moon2m(s, "import", "/nowhere/at/all")
    assert.equal(1, rc)
    assert.truthy(text:find "No such file", text)
    text, rc = moon2m(s, "export", "moon/nix")
    assert.equal(1, rc)
    assert.truthy(text:find("moon/nix: no resource that can be exported", 1, true), text)
  end)

  it("leaves room for others, in the same container too, and loses nothing of either", function()
    local s = h.start()
    s:register "busy"
    expect(2001, s:create("/moon/busy", "Cbusy", 3, { rn = "c" }))
    local rows = {}
    for i = 1, 3000 do
      rows[i] = ('{"to":"busy/c","m2m:cin":{"rn":"i%d","con":"%d"}}'):format(i, i)
      if i % 10 == 0 then rows[i] = ('{"to":"busy","m2m:cnt":{"rn":"k%d"}}'):format(i) end
    end
    local file = h.write_file(s.dir .. "/rows", '{"csi":"/moon","csn":"moon","moon2m":1}\n'
      .. table.concat(rows, "\n") .. '\n{"end":true}\n')
    h.sh("( %s import --data %s %s >%s/out 2>&1; echo over >>%s/out ) &", h.bin, s.data, file,
      s.dir, s.dir)
    local mine = 0
    for _ = 1, 10000 do
      s:add("/moon/busy/c", "Cbusy", "mine")
      mine = mine + 1
      if h.read_file(s.dir .. "/out"):find "over" then break end
    end
    assert.equal("3000 made, 0 there already, 300 with new identifiers\nover\n",
      h.read_file(s.dir .. "/out"))
    local c = expect(2000, s:retrieve("/moon/busy/c", "Cbusy"))
    assert.same({ 2700 + mine, 2700 + mine }, { c.cni, c.st })
  end)

  describe("with 10,000 instances", function()
    local N, K = 10000, 100                      -- instances; containers among them

    local function many(s)
      s:register "big"
      expect(2001, s:create("/moon/big", "Cbig", 3, { rn = "c" }))
      local rows = {}
      for i = 1, N do
        rows[i] = ('{"to":"big/c","m2m:cin":{"rn":"i%d","con":"%d \\"%s\\" \\\\",'
          .. '"cnf":"text/plain:0"}}')
          :format(i, i, ("x"):rep(i % 40))
        if i % (N / K) == 0 then
          rows[i] = rows[i] .. ('\n{"to":"big","m2m:cnt":{"rn":"k%d"}}'):format(i)
        end
      end
      local file = h.write_file(s.dir .. "/rows", '{"csi":"/moon","csn":"moon","moon2m":1}\n'
        .. table.concat(rows, "\n") .. '\n{"end":true}\n')
      local text, rc = moon2m(s, "import", file)
      assert.same({ 0, ("%d made, 0 there already, %d with new identifiers"):format(N + K, K) },
        { rc, text })
    end

    it("--replace puts all of it back, while what was there is still being wiped", function()
      local s = h.start()
      many(s)
      local a = export(s, s.dir .. "/a", "moon/big/c")
      local shown = h.sh("script -qec '%s export --data %s moon/big' /dev/null </dev/null",
        h.bin, s.data)
      assert.matches("%d+ lines, %d+/s, %d+ %%.-%d+ s left", shown)       -- on a terminal
      local text, rc = moon2m(s, "import", "--replace " .. s.dir .. "/a")
      assert.same({ N + 1 .. " made, 0 there already", 0 }, { text, rc })
      h.sleep(0.3)                                -- for what would be wiped by mistake
      assert.same(#a, #export(s, s.dir .. "/b", "moon/big/c"))
      assert.same(a, export(s, s.dir .. "/b", "moon/big/c"))
    end)

    it("comes back the same, also when the importer and the server are killed meanwhile", function()
      local s = h.start()
      many(s)
      local a = export(s, s.dir .. "/a")
      assert.equal(N + 2 * K + 5, #a)           -- a container ends with a line of its own
      local t = h.start()
      -- the importer is killed
      h.sh("timeout -s KILL 0.15 %s import --data %s %s >/dev/null", h.bin, t.data, s.dir .. "/a")
      -- the server is killed
      h.sh("( %s import --data %s %s >%s/out 2>&1 ) &", h.bin, t.data, s.dir .. "/a", t.dir)
      h.sleep(0.15)
      t:kill()
      t:run()
      local text, rc = moon2m(t, "import", s.dir .. "/a")
      assert.equal(0, rc, text)
      assert.same(a, export(t, t.dir .. "/b"))
      assert.equal(N, expect(2000, t:retrieve("/moon/big/c", "Cbig")).cni)
    end)
  end)
end)
