-- The receiver's checks in their order (TS-0004 7.2.2.2, 7.3.2.1, 7.3.3.1 to 7.3.3.4), each with a
-- request that fails at it and nowhere before; then what each operation answers.

local world = require "world"

local w

local function setup_tree()
  w = world.new(true)
  assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = "c", lbl = { "room:1" } })))
  assert.equal(2001, (w:create("Calice", "moon/alice/c", 4, { con = "1" })))
end

local function cnt(rn) return { ["m2m:cnt"] = { rn = rn } } end

-- name, request, status code, what m2m:dbg mentions
local CHECKS = {
  { "oet in the future", { op = 2, to = "moon", fr = "Calice", oet = "60000" }, 4000, "oet" },
  { "oet malformed", { op = 2, to = "moon", fr = "Calice", oet = "soon" }, 4000, "oet" },
  { "oet in the past", { op = 2, to = "moon", fr = "Calice", oet = "20200101T000000" }, 2000 },
  { "no to", { op = 2, to = "", fr = "Calice" }, 4000, "to" },
  { "no fr", { op = 2, to = "moon" }, 4000, "fr" },
  { "fr empty", { op = 2, to = "moon", fr = "" }, 4000, "fr" },
  { "fr of an AE in SP-relative form", { op = 2, to = "moon", fr = "/moon/Calice" }, 4000, "fr" },
  { "fr of an AE in absolute form", { op = 2, to = "moon", fr = "//sp.example/moon/Calice" }, 4000,
    "fr" },
  { "fr not registered", { op = 2, to = "moon", fr = "Cnobody" }, 4106, "Cnobody" },
  { "fr of another CSE's AE", { op = 2, to = "moon", fr = "/other/Cx" }, 4106, "fr" },
  { "fr is a CSE-ID", { op = 2, to = "moon", fr = "/other" }, 4107, "fr" },
  { "fr is our CSE-ID", { op = 2, to = "moon", fr = "/moon" }, 4107, "fr" },
  { "no ty", { op = 1, to = "moon/alice", fr = "Calice", pc = cnt("x") }, 4000, "ty" },
  { "ty unknown", { op = 1, to = "moon/alice", fr = "Calice", ty = 999, pc = cnt("x") }, 4000,
    "ty" },
  { "fc in a create", { op = 1, to = "moon/alice", fr = "Calice", ty = 3, pc = cnt("x"),
    query = "lbl=a" }, 4000, "fc" },
  { "rcn impossible for create", { op = 1, to = "moon/alice", fr = "Calice", ty = 3,
    pc = cnt("x"), query = "rcn=4" }, 4000, "rcn" },
  { "rcn impossible for retrieve", { op = 2, to = "moon", fr = "Calice", query = "rcn=2" }, 4000,
    "rcn" },
  { "rcn impossible for update", { op = 3, to = "moon/alice/c", fr = "Calice", query = "rcn=5",
    pc = cnt() }, 4000, "rcn" },
  { "rcn impossible for delete", { op = 4, to = "moon/alice/c", fr = "Calice", query = "rcn=9" },
    4000, "rcn" },
  { "rcn impossible for discovery", { op = 2, to = "moon", fr = "Calice", query = "fu=1&rcn=1" },
    4000, "rcn" },
  { "rcn not supported", { op = 2, to = "moon", fr = "Calice", query = "rcn=10" }, 5001, "rcn" },
  { "rcn 7 on what is not announced", { op = 2, to = "moon", fr = "Calice", query = "rcn=7" },
    4000, "rcn" },
  { "query malformed", { op = 2, to = "moon", fr = "Calice", query = "lim=x" }, 4000, "lim" },
  { "rvi unsupported", { op = 2, to = "moon", fr = "Calice", rvi = "9" }, 4001, "rvi" },
  { "rt synch", { op = 2, to = "moon", fr = "Calice", query = "rt=1" }, 1001 },
  { "rt asynch", { op = 2, to = "moon", fr = "Calice", query = "rt=2" }, 1002 },
  { "rt blocking", { op = 2, to = "moon", fr = "Calice", query = "rt=3" }, 2000 },
  { "rt flex", { op = 2, to = "moon", fr = "Calice", query = "rt=4" }, 2000 },
  { "to is nonsense", { op = 2, to = "moon//x", fr = "Calice" }, 4000, "to" },
  { "to on another CSE", { op = 2, to = "/other/x", fr = "Calice" }, 4004, "/other/x" },
  { "registration elsewhere", { op = 1, to = "/other/base", fr = "C", ty = 2,
    pc = { ["m2m:ae"] = {} } }, 4000, "registration" },
  { "nothing there", { op = 2, to = "moon/nobody", fr = "Calice" }, 4004, "moon/nobody" },
  { "no child there", { op = 2, to = "moon/alice/c/nothing", fr = "Calice" }, 4004 },
  { "no such identifier", { op = 2, to = "2zz", fr = "Calice" }, 4004, "2zz" },
  { "below an instance", { op = 2, to = "moon/alice/c/14-11/x", fr = "Calice" }, 4004 },
  { "la of what is no container", { op = 2, to = "moon/alice/la", fr = "Calice" }, 4004 },
  { "condition not met", { op = 2, to = "moon/alice/c", fr = "Calice", query = "lbl=other" },
    4004, "fc" },
  { "condition met", { op = 2, to = "moon/alice/c", fr = "Calice", query = "lbl=room:1" }, 2000 },
  { "no privilege to retrieve", { op = 2, to = "moon/alice", fr = "Cbob" }, 4103, "retrieve" },
  { "no privilege to create", { op = 1, to = "moon/alice", fr = "Cbob", ty = 3, pc = cnt("x") },
    4103, "create" },
  { "no privilege comes before content", { op = 1, to = "moon/alice", fr = "Cbob", ty = 3,
    pc = "{}" }, 4103 },
  { "no privilege to update", { op = 3, to = "moon/alice/c", fr = "Cbob", pc = "{}" }, 4103,
    "update" },
  { "no privilege to delete", { op = 4, to = "moon/alice/c", fr = "Cbob" }, 4103, "delete" },
  { "no privilege to notify", { op = 5, to = "moon/alice", fr = "Cbob",
    pc = { ["m2m:sgn"] = { sur = "x" } } }, 4103, "notify" },
  { "type not implemented", { op = 1, to = "moon/alice", fr = "Calice", ty = 46,
    pc = { ["m2m:grp"] = {} } }, 5001, "multimediaSession" },
  { "child not allowed", { op = 1, to = "moon/alice", fr = "Calice", ty = 4,
    pc = { ["m2m:cin"] = { con = "x" } } }, 4108 },
  { "AE not allowed there", { op = 1, to = "moon/alice", fr = "Cnew", ty = 2,
    pc = { ["m2m:ae"] = { api = "Nx", rr = true, srv = { "3" } } } }, 4108 },
  { "below an instance created", { op = 1, to = "moon/alice/c/14-11", fr = "Calice", ty = 3,
    pc = cnt("x") }, 4108 },
  { "instance not subscribable", { op = 1, to = "moon/alice/c/14-11", fr = "Calice", ty = 23,
    pc = { ["m2m:sub"] = { nu = { "Calice" } } } }, 5203 },
  { "CSEBase created", { op = 1, to = "moon", fr = "CAdmin", ty = 5, pc = { ["m2m:cb"] = {} } },
    4005 },
  { "below la created", { op = 1, to = "moon/alice/c/la", fr = "Calice", ty = 4,
    pc = { ["m2m:cin"] = { con = "x" } } }, 4005, "la" },
  { "CSEBase updated", { op = 3, to = "moon", fr = "CAdmin", pc = { ["m2m:cb"] = {} } }, 4005 },
  { "CSEBase deleted", { op = 4, to = "moon", fr = "CAdmin" }, 4005 },
  { "la updated", { op = 3, to = "moon/alice/c/la", fr = "Calice", pc = { ["m2m:cin"] = {} } },
    4005, "la" },
  { "instance updated", { op = 3, to = "moon/alice/c/14-11", fr = "Calice",
    pc = { ["m2m:cin"] = {} } }, 4005 },
  { "container notified", { op = 5, to = "moon/alice/c", fr = "Calice",
    pc = { ["m2m:sgn"] = { sur = "x" } } }, 4005 },
  { "no pc", { op = 1, to = "moon/alice", fr = "Calice", ty = 3 }, 4000, "pc" },
  { "pc no object", { op = 1, to = "moon/alice", fr = "Calice", ty = 3, pc = "[]" }, 4000, "pc" },
  { "pc empty", { op = 1, to = "moon/alice", fr = "Calice", ty = 3, pc = "{}" }, 4000, "pc" },
  { "two roots", { op = 1, to = "moon/alice", fr = "Calice", ty = 3,
    pc = '{"m2m:cnt":{},"m2m:ae":{}}' }, 4000, "pc" },
  { "root mismatch", { op = 1, to = "moon/alice", fr = "Calice", ty = 3,
    pc = { ["m2m:cin"] = { con = "x" } } }, 4000, "m2m:cnt" },
  { "root no object", { op = 1, to = "moon/alice", fr = "Calice", ty = 3, pc = '{"m2m:cnt":1}' },
    4000, "m2m:cnt" },
  { "unknown attribute", { op = 1, to = "moon/alice", fr = "Calice", ty = 3,
    pc = { ["m2m:cnt"] = { nonsense = 1 } } }, 4000, "nonsense" },
  { "wrong type", { op = 1, to = "moon/alice", fr = "Calice", ty = 3,
    pc = { ["m2m:cnt"] = { mni = "many" } } }, 4000, "mni" },
  { "not permitted", { op = 1, to = "moon/alice", fr = "Calice", ty = 3,
    pc = { ["m2m:cnt"] = { cni = 1 } } }, 4000, "cni" },
  { "cr with a value", { op = 1, to = "moon/alice", fr = "Calice", ty = 3,
    pc = { ["m2m:cnt"] = { cr = "Calice" } } }, 4000, "cr" },
  { "cr on a type without", { op = 1, to = "moon", fr = "Cnew", ty = 2,
    pc = '{"m2m:ae":{"api":"Nx","rr":true,"srv":["3"],"cr":null}}' }, 4000, "cr" },
  { "et in the past", { op = 1, to = "moon/alice", fr = "Calice", ty = 3,
    pc = { ["m2m:cnt"] = { et = "20200101T000000" } } }, 4000, "et" },
  { "instance's et in the past", { op = 1, to = "moon/alice/c", fr = "Calice", ty = 4,
    pc = { ["m2m:cin"] = { con = "x", et = "20200101T000000" } } }, 4000, "et" },
  { "mandatory missing", { op = 1, to = "moon/alice/c", fr = "Calice", ty = 4,
    pc = '{"m2m:cin":{}}' }, 4000, "con" },
  { "known but not supported", { op = 1, to = "moon/alice", fr = "Calice", ty = 3,
    pc = { ["m2m:cnt"] = { ast = 2 } } }, 5001, "ast" },
  { "rn taken", { op = 1, to = "moon/alice", fr = "Calice", ty = 3, pc = cnt("c") }, 4105, "rn" },
  { "rn reserved", { op = 1, to = "moon/alice/c", fr = "Calice", ty = 3, pc = cnt("14-12") },
    4000, "rn" },
  { "rn virtual", { op = 1, to = "moon/alice/c", fr = "Calice", ty = 3, pc = cnt("la") }, 4000,
    "rn" },
  { "AE registered already", { op = 1, to = "moon", fr = "Calice", ty = 2,
    pc = { ["m2m:ae"] = { api = "Nx", rr = true, srv = { "3" } } } }, 4117, "Calice" },
  { "update without content", { op = 3, to = "moon/alice/c", fr = "Calice" }, 4000, "pc" },
  { "update not permitted", { op = 3, to = "moon/alice/c", fr = "Calice",
    pc = { ["m2m:cnt"] = { rn = "other" } } }, 4000, "rn" },
  { "null of a mandatory attribute", { op = 3, to = "moon/alice", fr = "Calice",
    pc = '{"m2m:ae":{"rr":null}}' }, 4000, "rr" },
  { "acpi not alone", { op = 3, to = "moon/alice/c", fr = "Calice",
    pc = { ["m2m:cnt"] = { acpi = { "x" }, lbl = { "y" } } } }, 4000, "acpi" },
  { "update's condition not met", { op = 3, to = "moon/alice/c", fr = "Calice",
    query = "lbl=other", pc = { ["m2m:cnt"] = { lbl = { "x" } } } }, 4004, "fc" },
  { "delete's condition not met", { op = 4, to = "moon/alice/c", fr = "Calice",
    query = "lbl=other" }, 4004, "fc" },
  { "unknown name in a partial retrieve", { op = 2, to = "moon/alice/c", fr = "Calice",
    query = "atrl=nonsense" }, 4000, "nonsense" },
  { "pc of a retrieve is no list", { op = 2, to = "moon/alice/c", fr = "Calice",
    pc = { ["m2m:cnt"] = {} } }, 4000, "m2m:atrl" },
  { "names with another rcn", { op = 2, to = "moon/alice/c", fr = "Calice",
    query = "atrl=lbl&rcn=4" }, 4000, "rcn" },
  { "notify without content", { op = 5, to = "moon/alice", fr = "Calice" }, 4000, "pc" },
  { "notify with a resource", { op = 5, to = "moon/alice", fr = "Calice", pc = cnt("x") }, 4000,
    "m2m:sgn" },
  { "AE not reachable", { op = 5, to = "moon/alice", fr = "Calice",
    pc = { ["m2m:sgn"] = { sur = "x" } } }, 5103, "Calice" },
}

describe("the receiver's checks", function()
  before_each(setup_tree)

  for _, check in ipairs(CHECKS) do
    it(("%s: %d"):format(check[1], check[3]), function()
      local req = {}
      for k, v in pairs(check[2]) do req[k] = v end
      local rsc, pc = w:request(req)
      assert.equal(check[3], rsc, world.dbg(pc))
      if check[4] then assert.truthy(world.dbg(pc):find(check[4], 1, true), world.dbg(pc)) end
    end)
  end

  it("no rvi means Release 1: 4001", function()
    local box = w.fake.task(require("moon2m.dispatch").perform,
      { op = 2, to = "moon", fr = "Calice", rqi = "1", via = "http" })
    w.fake.run()
    assert.equal(4001, box[1])
  end)

  it("a gid that was here: 4104", function()
    local req = { op = 2, to = "moon/alice", fr = "Calice", gid = "g1" }
    assert.equal(2000, (w:request(req)))
    req.gid = "g1"
    assert.equal(4104, (w:request(req)))
    assert.equal(2000, (w:request { op = 2, to = "moon/alice/c", fr = "Calice", gid = "g1" }))
  end)

  it("an error inside is 5000 without a traceback", function()
    require("moon2m.core.store").find = function() error("no such table") end
    local rsc, pc = w:retrieve("Calice", "moon/alice", "rcn=6")
    assert.equal(5000, rsc)
    assert.same({ ["m2m:dbg"] = "internal error" }, pc)
    package.loaded.fake = nil
    package.loaded.world = nil
    world = require "world"
  end)
end)

describe("addresses", function()
  before_each(setup_tree)

  it("all forms name the same resource", function()
    for _, to in ipairs { "moon/alice/c", "-/alice/c", "/moon/moon/alice/c", "/moon/-/alice/c",
      "//sp.example/moon/moon/alice/c", "14", "/moon/14", "//sp.example/moon/14", "Calice/c",
      "/moon/Calice/c" } do
      local rsc, pc = w:retrieve("Calice", to)
      assert.equal(2000, rsc, to)
      assert.equal("14", pc["m2m:cnt"].ri)
    end
  end)

  it("the CSE-ID alone is the CSEBase", function()
    local _, pc = w:retrieve("Calice", "/moon")
    assert.equal(5, pc["m2m:cb"].ty)
  end)

  it("instances by identifier, by name, below an identifier", function()
    w:create("Calice", "14", 4, { con = "2", rn = "mine" })
    for _, to in ipairs { "14-12", "moon/alice/c/mine", "14/mine", "moon/alice/c/14-12", "14/la",
      "-/alice/c/la" } do
      local rsc, pc = w:retrieve("Calice", to)
      assert.equal(2000, rsc, to)
      assert.equal("2", pc["m2m:cin"].con, to)
    end
  end)
end)

describe("results", function()
  before_each(setup_tree)

  it("of a create by rcn", function()
    local function make(rcn)
      local rsc, pc = w:create("Calice", "moon/alice", 3, { mni = 5, lbl = { "x" } },
        { query = rcn and "rcn=" .. rcn })
      assert.equal(2001, rsc)
      return pc
    end
    assert.is_nil(make(0))
    assert.equal(5, make(1)["m2m:cnt"].mni)
    assert.truthy(make(2)["m2m:uri"]:find("^moon/alice/cnt_"))
    local rce = make(3)["m2m:rce"]
    assert.truthy(rce.uri:find("^moon/alice/cnt_"))
    assert.equal(5, rce["m2m:cnt"].mni)
    local modified = make(9)["m2m:cnt"]
    assert.is_nil(modified.mni)
    assert.is_nil(modified.lbl)
    assert.is_string(modified.ri)
    assert.is_string(modified.et)
  end)

  it("of an instance's create by rcn", function()
    local function make(rcn)
      local rsc, pc = w:create("Calice", "moon/alice/c", 4, { con = "v" },
        { query = "rcn=" .. rcn })
      assert.equal(2001, rsc)
      return pc
    end
    assert.is_nil(make(0))
    assert.equal("moon/alice/c/14-13", make(2)["m2m:uri"])
    assert.equal("v", make(3)["m2m:rce"]["m2m:cin"].con)
    local modified = make(9)["m2m:cin"]
    assert.is_nil(modified.con)
    assert.equal(5, modified.st)
  end)

  it("of an update: all, none, what changed; null for what was removed", function()
    local json = require "moon2m.json"
    local rsc, pc = w:update("Calice", "moon/alice/c", "m2m:cnt", { mni = 9 })
    assert.equal(2004, rsc)
    assert.equal(9, pc["m2m:cnt"].mni)
    assert.same({ "room:1" }, pc["m2m:cnt"].lbl)
    rsc, pc = w:update("Calice", "moon/alice/c", "m2m:cnt", { mni = json.null, mia = 7 }, "rcn=9")
    assert.equal(2004, rsc)
    local c = pc["m2m:cnt"]
    assert.equal(json.null, c.mni)
    assert.equal(7, c.mia)
    assert.equal(3, c.st)
    assert.is_string(c.lt)
    assert.is_nil(c.lbl)
    rsc, pc = w:update("Calice", "moon/alice/c", "m2m:cnt", { mia = 8 }, "rcn=0")
    assert.equal(2004, rsc)
    assert.is_nil(pc)
  end)

  it("of a delete: nothing, or what was there", function()
    w:create("Calice", "moon/alice/c", 3, { rn = "deep" })
    local rsc, pc = w:delete("Calice", "moon/alice/c", "rcn=6")
    assert.equal(2002, rsc)
    assert.equal(2, #pc["m2m:rrl"].rrf)
    assert.equal(4004, (w:retrieve("Calice", "moon/alice/c")))
    assert.equal(4004, (w:retrieve("Calice", "moon/alice/c/deep")))
    assert.is_nil(w.fake.by_path("alice/c/deep"))
  end)

  it("of a partial retrieve, in each of its three forms", function()
    local rsc, pc = w:retrieve("Calice", "moon/alice/c#lbl")
    assert.equal(2000, rsc)
    assert.same({ ["m2m:cnt"] = { lbl = { "room:1" } } }, pc)
    rsc, pc = w:retrieve("Calice", "moon/alice/c", "atrl=lbl+ri")
    assert.equal(2000, rsc)
    assert.same({ ["m2m:cnt"] = { lbl = { "room:1" }, ri = "14" } }, pc)
    rsc, pc = w:retrieve("Calice", "moon/alice/c", nil, { pc = { ["m2m:atrl"] = { "cni", "or" } } })
    assert.equal(2000, rsc)
    assert.same({ ["m2m:cnt"] = { cni = 1 } }, pc)
  end)

  it("with children, references, or both left out", function()
    w:create("Calice", "moon/alice/c", 3, { rn = "deep" })
    local _, pc = w:retrieve("Calice", "moon/alice", "rcn=4")
    local c = pc["m2m:ae"]["m2m:cnt"][1]
    assert.equal("Calice", pc["m2m:ae"].aei)
    assert.equal("1", c["m2m:cin"][1].con)
    assert.equal("deep", c["m2m:cnt"][1].rn)
    _, pc = w:retrieve("Calice", "moon/alice", "rcn=8&lvl=1")
    assert.is_nil(pc["m2m:ae"].aei)
    assert.equal("c", pc["m2m:ae"]["m2m:cnt"][1].rn)
    assert.is_nil(pc["m2m:ae"]["m2m:cnt"][1]["m2m:cnt"])
    _, pc = w:retrieve("Calice", "moon/alice", "rcn=5")
    assert.same({ nm = "c", typ = 3, val = "moon/alice/c" }, pc["m2m:ae"].ch[1])
    assert.equal("alice", pc["m2m:ae"].rn)
    _, pc = w:retrieve("Calice", "moon/alice", "rcn=6&ty=4")
    assert.same({ { nm = "14-11", typ = 4, val = "moon/alice/c/14-11" } }, pc["m2m:rrl"].rrf)
  end)

  it("of a search: addresses or identifiers, cut with the place to go on", function()
    for i = 2, 5 do w:create("Calice", "moon/alice/c", 4, { con = tostring(i) }) end
    local rsc, pc, extra = w:retrieve("Calice", "moon", "fu=1&ty=4&lim=2")
    assert.equal(2000, rsc)
    assert.same({ "moon/alice/c/14-11", "moon/alice/c/14-12" }, pc["m2m:uril"])
    assert.same({ cnst = "1", cnot = "3" }, extra)
    rsc, pc, extra = w:retrieve("Calice", "moon", "fu=1&ty=4&ofst=4&drt=2")
    assert.equal(2000, rsc)
    assert.same({ "14-14", "14-15" }, pc["m2m:uril"])
    assert.is_nil(extra)
    rsc, pc = w:retrieve("Calice", "moon", "fu=1&lbl=nowhere")
    assert.equal(2000, rsc)
    assert.same({}, pc["m2m:uril"])
    rsc, pc = w:retrieve("Calice", "moon", "fu=1&ty=3&rcn=6")
    assert.equal(2000, rsc)
    assert.same({ { nm = "c", typ = 3, val = "moon/alice/c" } }, pc["m2m:rrl"].rrf)
  end)

  it("with children is cut when there is too much content, and goes on from there", function()
    local con = ("x"):rep(1048576)
    for _ = 1, 20 do w:create("Calice", "moon/alice/c", 4, { con = con }) end
    local rsc, pc, extra = w:retrieve("Calice", "moon/alice/c", "rcn=8")
    assert.equal(2000, rsc)
    assert.equal("1", extra.cnst)
    local seen = #pc["m2m:cnt"]["m2m:cin"]
    assert.is_true(seen >= 8 and seen < 21, seen)
    rsc, pc, extra = w:retrieve("Calice", "moon/alice/c", "rcn=8&ofst=" .. extra.cnot)
    assert.equal(2000, rsc)
    assert.is_nil(extra)
    assert.equal(21, seen + #pc["m2m:cnt"]["m2m:cin"])
  end)

  it("a search shows only what may be discovered", function()
    local _, pc = w:retrieve("Cbob", "moon", "fu=1")
    assert.same({ "moon/bob" }, pc["m2m:uril"])
    _, pc = w:retrieve("CAdmin", "moon", "fu=1&ty=2")
    assert.same({ "moon/alice", "moon/bob" }, pc["m2m:uril"])
  end)

  it("a create says where the resource is when its content does", function()
    local _, _, extra = w:create("Calice", "moon/alice/c", 4, { con = "x" })
    assert.is_nil(extra)
    _, _, extra = w:create("Calice", "moon/alice/c", 4, { con = "x" }, { query = "rcn=2" })
    assert.equal("moon/alice/c/14-13", extra.location)
  end)

  it("a WebSocket primitive of a registered AE binds its connection, once", function()
    local _, _, extra = w:retrieve("Calice", "moon/alice", nil, { via = "ws" })
    assert.equal("Calice", extra.bind)
    _, _, extra = w:retrieve("Calice", "moon/alice", nil, { via = "ws", known = "Calice" })
    assert.is_nil(extra)
    _, _, extra = w:retrieve("Calice", "moon/bob", nil, { via = "ws" })
    assert.is_nil(extra)
    assert.equal(2000, (w:retrieve(nil, "moon/alice", nil, { via = "ws", known = "Calice" })))
  end)
end)

describe("attributes the CSE keeps", function()
  before_each(setup_tree)

  it("et: default, asked for, capped by the parent's, moved by an update", function()
    local sys = require "moon2m.core.sys"
    local soon, later = sys.now() + 60e6, sys.now() + 120e6
    w:update("Calice", "moon/alice", "m2m:ae", { et = sys.stamp(later + 1e6) })
    local _, pc = w:create("Calice", "moon/alice", 3, { rn = "d", et = sys.stamp(later) })
    assert.equal(sys.stamp(later), pc["m2m:cnt"].et)
    _, pc = w:create("Calice", "moon/alice/d", 3, { rn = "e", et = "20990101T000000" })
    assert.equal(sys.stamp(later), pc["m2m:cnt"].et)
    _, pc = w:create("Calice", "moon/alice/d", 4, { con = "x", et = "20990101T000000" })
    assert.equal(sys.stamp(later), pc["m2m:cin"].et)
    local rsc
    rsc, pc = w:update("Calice", "moon/alice/d", "m2m:cnt", { et = sys.stamp(soon) })
    assert.equal(4000, rsc)
    assert.truthy(world.dbg(pc):find("et", 1, true))
    w:delete("Calice", "moon/alice/d/e")
    rsc, pc = w:update("Calice", "moon/alice/d", "m2m:cnt", { et = sys.stamp(soon) })
    assert.equal(2004, rsc)
    assert.equal(sys.stamp(soon), pc["m2m:cnt"].et)
    rsc = w:update("Calice", "moon/alice/d", "m2m:cnt", { et = require("moon2m.json").null })
    assert.equal(2004, rsc)
  end)

  it("cr only when null asked for it", function()
    local _, pc = w:create("Calice", "moon/alice", 3, '{"m2m:cnt":{"rn":"a","cr":null}}')
    assert.equal("Calice", pc["m2m:cnt"].cr)
    _, pc = w:create("Calice", "moon/alice", 3, { rn = "b" })
    assert.is_nil(pc["m2m:cnt"].cr)
    _, pc = w:create("Calice", "moon/alice/a", 4, '{"m2m:cin":{"con":"1","cr":null}}')
    assert.equal("Calice", pc["m2m:cin"].cr)
    _, pc = w:retrieve("Calice", "moon/alice/a/la")
    assert.equal("Calice", pc["m2m:cin"].cr)
  end)

  it("content stays the bytes that were received", function()
    for _, con in ipairs { '"a\\u00e9\\/b"', "12345678901234567890", "1.50", '{"b":1,"a":[]}',
      "true" } do
      w:create("Calice", "moon/alice/c", 4, '{"m2m:cin":{"con":' .. con .. "}}")
      local box = w:start { op = 2, to = "moon/alice/c/la", fr = "Calice" }
      w.fake.run()
      assert.truthy(box[2]:find('"con":' .. con, 1, true), box[2])
      require("moon2m.tree").drop()
      box = w:start { op = 2, to = "moon/alice/c/la", fr = "Calice" }
      w.fake.run()
      assert.truthy(box[2]:find('"con":' .. con, 1, true), box[2])
    end
  end)

  it("everything is the same after the cache is dropped", function()
    w:create("Calice", "moon/alice", 23, { rn = "s", nu = { "Calice" }, enc = { net = { 1 } } })
    local before = {}
    for i, to in ipairs { "moon", "moon/alice", "moon/alice/c", "moon/alice/s" } do
      local _, pc = w:retrieve("CAdmin", to)
      before[i] = pc
      if to == "moon" then pc["m2m:cb"].ctm = nil end
    end
    require("moon2m.tree").drop()
    for i, to in ipairs { "moon", "moon/alice", "moon/alice/c", "moon/alice/s" } do
      local _, pc = w:retrieve("CAdmin", to)
      if to == "moon" then pc["m2m:cb"].ctm = nil end
      assert.same(before[i], pc)
    end
  end)

  it("internal attributes are never shown", function()
    local box = w:start { op = 2, to = "moon/alice", fr = "Calice", query = "rcn=4" }
    w.fake.run()
    assert.is_nil(box[2]:find("_tok", 1, true))
    assert.is_nil(box[2]:find("_cr", 1, true))
    assert.is_nil(box[2]:find("_pi", 1, true))
  end)
end)

describe("notify", function()
  before_each(setup_tree)

  it("is passed on to the AE, whose answer comes back", function()
    w.fake.answers.Calice = 4101
    local rsc = w:request { op = 5, to = "moon/alice", fr = "Calice",
      pc = { ["m2m:sgn"] = { sur = "x" } } }
    assert.equal(4101, rsc)
    assert.equal("Calice", w.fake.asked[1].target)
    assert.equal('{"m2m:sgn":{"sur":"x"}}', w.fake.asked[1].pc)
  end)

  it("ends at the CSEBase", function()
    assert.equal(2000, (w:request { op = 5, to = "moon", fr = "CAdmin",
      pc = { ["m2m:sgn"] = { sur = "x" } } }))
    assert.equal(0, #w.fake.asked)
  end)
end)
