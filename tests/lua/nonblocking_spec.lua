-- Response types and delayed execution (TS-0001 8.1.2, 8.2.2; TS-0004 7.3.2.2 to 7.3.2.5, 7.4.12).

local world = require "world"

local w, json, fake, sys

before_each(function()
  w = world.new(true)
  json, fake, sys = require "moon2m.json", w.fake, require "moon2m.core.sys"
  assert.equal(2001, (w:create("Calice", "moon/alice", 3, { rn = "c" })))
end)
after_each(world.real_time)

local function cin(more)
  local req = { op = 1, to = "moon/alice/c", fr = "Calice", ty = 4,
    pc = { ["m2m:cin"] = { con = "21" } } }
  for k, v in pairs(more or {}) do req[k] = v end
  return req
end

-- A request that must be accepted: code, the address of its <request>.
local function accepted(req)
  local rsc, pc = w:request(req)
  assert.is_true(rsc == 1001 or rsc == 1002, tostring(rsc) .. " " .. world.dbg(pc))
  return rsc, pc["m2m:uri"]
end

local function turns()
  while fake.soon() do end
end

-- Everything that waits for the disk, and what follows from it.
local function flushed()
  while fake.queued() > 0 do fake.flush() end
  turns()
end

local function request_of(address, fr)
  local rsc, pc = w:retrieve(fr or "Calice", address)
  assert.equal(2000, rsc, world.dbg(pc))
  return pc["m2m:req"]
end

local function results()
  local list = {}
  for _, ev in ipairs(fake.published) do
    local rsp = json.decode(ev.body)["m2m:rsp"]
    if rsp then list[#list + 1] = { rsp = rsp, to = ev.to } end
  end
  return list
end

local function instances()
  local _, pc = w:retrieve("Calice", "moon/alice/c")
  return pc["m2m:cnt"].cni
end

describe("non-blocking synchronous", function()
  it("1001 and the address; the <request> is pending, then has the result", function()
    local rsc, address = accepted(cin { query = "rt=1", rqi = "r77", ot = "20260101T000000" })
    assert.equal(1001, rsc)
    assert.matches("^moon/req_", address)
    local r = request_of(address)
    assert.equal(0, instances())
    assert.same({ 17, 1, "moon/alice/c", "Calice", "r77", 3 },
      { r.ty, r.op, r.tg, r.org, r.rid, r.rs })
    assert.same({ "Calice" }, r.lbl)
    assert.same({ ["m2m:cin"] = { con = "21" } }, r.pc)
    assert.same({ 4, "20260101T000000", 1, "3" }, { r.mi.ty, r.mi.ot, r.mi.rt.rtv, r.mi.rvi })
    assert.same({ 1001, "r77" }, { r.ors.rsc, r.ors.rqi })
    turns()
    assert.equal(1, instances())
    r = request_of(address)
    assert.same({ 1, 2001, "r77", "Calice", "/moon" },
      { r.rs, r.ors.rsc, r.ors.rqi, r.ors.to, r.ors.fr })
    assert.equal("21", r.ors.pc["m2m:cin"].con)
    assert.same({}, results())
  end)

  it("a request that fails is FAILED, with the code and the reason", function()
    local _, address = accepted { op = 2, to = "moon/nothing", fr = "Calice", query = "rt=1" }
    turns()
    local r = request_of(address)
    assert.same({ 2, 4004 }, { r.rs, r.ors.rsc })
    assert.is_string(r.ors.pc["m2m:dbg"])
  end)

  it("filter criteria are in mi as a primitive has them", function()
    local _, address = accepted { op = 2, to = "moon", fr = "Calice",
      query = "rt=1&fu=1&crb=20300101T000000&lbl=a&drt=2" }
    local mi = request_of(address).mi
    assert.same({ 1, "20300101T000000", { "a" }, 2 },
      { mi.fc.fu, mi.fc.crb, mi.fc.lbl, mi.drt })
    turns()
    assert.equal(1, request_of(address).rs)
  end)

  it("nu is not possible: 4000", function()
    local rsc = w:request(cin { via = "ws", fields = '{"rt":{"rtv":1,"nu":["Cbob"]}}' })
    assert.equal(4000, rsc)
    assert.equal(4000, (w:request(cin { rtu = "Cbob" })))
    assert.equal(4000, (w:request(cin { rtu = "Cbob", query = "rt=3" })))
  end)

  it("a <request> itself is read blocking: 4000, flex as blocking", function()
    local _, address = accepted(cin { query = "rt=1" })
    turns()
    for _, rt in ipairs { 1, 2 } do
      assert.equal(4000, (w:retrieve("Calice", address, "rt=" .. rt)))
    end
    assert.equal(2000, (w:retrieve("Calice", address, "rt=4")))
  end)

  it("a registration is not possible: 4000", function()
    assert.equal(4000, (w:request { op = 1, to = "moon", fr = "C", ty = 2, query = "rt=1",
      pc = { ["m2m:ae"] = { api = "Nx", rr = true, srv = { "3" } } } }))
  end)
end)

describe("<request>", function()
  local address
  before_each(function() address = select(2, accepted(cin { query = "rt=1" })) end)

  it("belongs to its originator", function()
    assert.equal(4103, (w:retrieve("Cbob", address)))
    assert.equal(4103, (w:delete("Cbob", address)))
  end)

  it("has a policy that the CSE makes, one for each originator, which the originator may change",
    function()
      local acpi = request_of(address).acpi
      assert.equal(1, #acpi)
      local rsc, pc = w:retrieve("CAdmin", acpi[1])
      assert.equal(2000, rsc)
      local acp = pc["m2m:acp"]
      assert.same({ { acor = { "Calice" }, acop = 43 }, { acor = { "/moon" }, acop = 14 } },
        acp.pv.acr)
      assert.same({ { acor = { "Calice" }, acop = 4 }, { acor = { "/moon" }, acop = 63 } },
        acp.pvs.acr)
      assert.same(acpi, request_of(select(2, accepted(cin { query = "rt=1" }))).acpi)
      assert.equal(4103, (w:retrieve("Calice", acpi[1])))
      assert.equal(4103, (w:update("Calice", address, "m2m:req", { et = "20990101T000000" })))
      acp.pv.acr[3] = { acor = { "Cbob" }, acop = 2 }
      assert.equal(2004, (w:update("Calice", acpi[1], "m2m:acp", { pv = acp.pv })))
      assert.equal(2000, (w:retrieve("Cbob", address)))
      assert.equal(4103, (w:delete("Cbob", address)))
      assert.equal(2004, (w:update("Calice", address, "m2m:req", { acpi = acpi })))
    end)

  it("its policy lives longer, and is made again when it is gone", function()
    local r = request_of(address)
    local _, pc = w:retrieve("CAdmin", r.acpi[1])
    assert.is_true(pc["m2m:acp"].et > r.et)
    assert.equal(2002, (w:delete("CAdmin", r.acpi[1])))
    assert.equal(4103, (w:retrieve("Calice", address)))
    local later = request_of(select(2, accepted(cin { query = "rt=1" })))
    assert.not_same(r.acpi, later.acpi)
    world.advance(8 * 86400)
    later = request_of(select(2, accepted(cin { query = "rt=1" })))
    _, pc = w:retrieve("CAdmin", later.acpi[1])
    assert.is_true(pc["m2m:acp"].et > later.et)
  end)

  it("cannot be created (4005) nor written (4103 for its originator, 4000)", function()
    assert.equal(4005, (w:create("Calice", "moon", 17, {})))
    assert.equal(4103, (w:update("Calice", address, "m2m:req", { lbl = { "x" } })))
    assert.equal(4000, (w:update("CAdmin", address, "m2m:req", { lbl = { "x" } })))
    assert.equal(4000, (w:update("CAdmin", address, "m2m:req", { rs = 1 })))
  end)

  it("tells its subscribers of the result", function()
    assert.equal(2001, (w:create("Calice", address, 23, { nu = { "Calice" } })))
    turns()
    local sgn = json.decode(fake.published[1].body)["m2m:sgn"]
    assert.equal(1, sgn.nev.rep["m2m:req"].rs)
  end)

  it("that is not executed yet is cancelled by its deletion", function()
    assert.equal(2002, (w:delete("Calice", address)))
    turns()
    assert.equal(0, instances())
    assert.equal(0, require("moon2m.nonblocking").count())
  end)

  it("that runs cannot be deleted: 5220; when it is done it can", function()
    local _, late = accepted(cin { query = "rt=1" })
    fake.hold()
    fake.soon()                               -- both wait for the disk now
    assert.equal(5220, (w:delete("Calice", late)))
    flushed()
    assert.equal(2, instances())
    assert.equal(2002, (w:delete("Calice", late)))
  end)

  it("lives until rp, or the configured time", function()
    local r = request_of(address)
    local life = (sys.parse_stamp(r.et) - sys.parse_stamp(r.ct)) / 1e6
    assert.is_true(life > 3590 and life < 3610, tostring(life))
    local _, short = accepted(cin { query = "rt=1&rp=PT10M" })
    r = request_of(short)
    life = (sys.parse_stamp(r.et) - sys.parse_stamp(r.ct)) / 1e6
    assert.is_true(life > 600 and life < 700, tostring(life))
    world.advance(800)
    assert.equal(4004, (w:retrieve("Calice", short)))
  end)

  it("impossible rp: 4000", function()
    for _, rp in ipairs { "nonsense", "20200101T000000", "P99D" } do
      assert.equal(4000, (w:request(cin { query = "rt=1&rp=" .. rp })), rp)
    end
    assert.equal(4000, (w:request(cin { query = "rt=1&rp=1000", oet = "5000" })))
  end)
end)

describe("non-blocking asynchronous", function()
  it("1002 and the address; the result goes to the originator", function()
    local rsc, address = accepted(cin { query = "rt=2", rqi = "r9" })
    assert.equal(1002, rsc)
    turns()
    local list = results()
    assert.equal(1, #list)
    assert.same({ 2001, "r9", "Calice" }, { list[1].rsp.rsc, list[1].rsp.rqi, list[1].rsp.to })
    assert.equal("21", list[1].rsp.pc["m2m:cin"].con)
    assert.equal("Calice", list[1].to[1].target)
    assert.equal(1, request_of(address).rs)
  end)

  it("nu: to each entry; what names nobody is left out; none: nobody", function()
    accepted(cin { via = "ws", fields = '{"rt":{"rtv":2,"nu":["Cbob","http://h/x","Cnobody"]}}' })
    turns()
    local list = results()
    assert.same({ "Cbob", "http://h/x" }, { list[1].to[1].target, list[1].to[2].target })
    assert.is_nil(list[1].to[3])
    accepted(cin { query = "rt=2", rtu = "Cbob&Calice" })
    turns()
    list = results()
    assert.same({ "Cbob", "Calice" }, { list[2].to[1].target, list[2].to[2].target })
    accepted(cin { query = "rt=2", rtu = "" })
    turns()
    assert.equal(2, #results())
  end)

  it("a deleted <request> loses nothing of the result", function()
    local _, address = accepted(cin { query = "rt=2" })
    fake.hold()
    fake.soon()
    local id = require("moon2m.tree").resolve(address).id
    fake.task(function()
      local tree = require "moon2m.tree"
      require("moon2m.op_delete").resource(tree.by_id(id), nil)
    end)
    fake.run()
    flushed()
    assert.equal(1, #results())
  end)

  it("the disk fails: tried again", function()
    accepted(cin { query = "rt=2" })
    fake.fail "io"
    turns()
    fake.fail(nil)
    fake.fire()
    local list = results()
    assert.equal(5000, list[1].rsp.rsc)
  end)
end)

describe("flexBlocking", function()
  it("is the result when it comes soon", function()
    local rsc, pc = w:request(cin { query = "rt=4" })
    assert.equal(2001, rsc)
    assert.equal("21", pc["m2m:cin"].con)
    assert.equal(0, require("moon2m.nonblocking").count())
  end)

  local function slow(more)
    fake.hold()
    local box = w:start(cin(more))
    fake.run()
    fake.soon()
    assert.is_false(box.done)
    fake.fire()
    flushed()
    assert.is_true(box.done)
    return box
  end

  it("is 1001 when it does not, with the result in the <request>", function()
    local box = slow { query = "rt=4" }
    assert.equal(1001, box[1])
    local r = request_of(json.decode(box[2])["m2m:uri"])
    assert.same({ 1, 2001 }, { r.rs, r.ors.rsc })
    assert.same({}, results())
  end)

  it("is 1002 with targets", function()
    local box = slow { query = "rt=4", rtu = "Cbob" }
    assert.equal(1002, box[1])
    assert.equal("Cbob", results()[1].to[1].target)
  end)
end)

describe("noResponse", function()
  it("does it and says nothing", function()
    local rsc, _, extra = w:request(cin { query = "rt=5" })
    assert.is_true(rsc < 3000)
    assert.is_true(extra.silent)
    assert.equal(1, instances())
  end)

  it("says nothing of errors either", function()
    local _, _, extra = w:request { op = 2, to = "moon/nothing", fr = "Calice", query = "rt=5" }
    assert.is_true(extra.silent)
  end)
end)

describe("times", function()
  it("contradict each other: 4000; are over: 4008", function()
    local past, soon, later = "20200101T000000", "1000", "5000"
    for _, c in ipairs {
      { { rqet = past }, 4008 }, { { rset = past }, 4008 }, { { rqet = "x" }, 4000 },
      { { rset = "x" }, 4000 }, { { oet = "x" }, 4000 }, { { rqet = later, rset = soon }, 4000 },
      { { oet = later, rqet = soon }, 4000 }, { { oet = later, rset = soon }, 4000 },
      { { oet = "3000000000" }, 4000 }, { { oet = "60000" }, 4000 },
    } do
      assert.equal(c[2], (w:request(cin(c[1]))), json.encode(c[1]))
    end
  end)

  it("far ahead are possible for rqet and rset", function()
    assert.equal(2001, (w:request(cin { rqet = "20991231T235959", rset = "20991231T235959" })))
  end)

  it("oet: a blocking request waits for it", function()
    local box = w:start(cin { oet = "5000" })
    fake.run()
    assert.is_false(box.done)
    assert.equal(0, instances())
    world.advance(6)
    fake.fire()
    assert.equal(2001, box[1])
  end)

  it("oet: whoever is gone by then is refused", function()
    local _, address = accepted(cin { query = "rt=1", oet = "5000" })
    w:delete("Calice", "moon/alice")
    world.advance(6)
    fake.fire()
    assert.equal(4106, request_of(address, "CAdmin").ors.rsc)
  end)

  it("oet: a non-blocking one is executed then, and not before", function()
    local _, address = accepted(cin { query = "rt=1", oet = "5000" })
    turns()
    assert.equal(3, request_of(address).rs)
    assert.equal(0, instances())
    world.advance(6)
    fake.fire()
    assert.equal(1, request_of(address).rs)
    assert.equal(1, instances())
  end)

  it("rqet passes before it is executed: 4008", function()
    local _, address = accepted(cin { query = "rt=1", rqet = "5000" })
    world.advance(6)
    turns()
    assert.same({ 2, 4008 }, { request_of(address).rs, request_of(address).ors.rsc })
    assert.equal(0, instances())
  end)

  it("rset passes: the result is discarded", function()
    local _, address = accepted(cin { query = "rt=2", rset = "5000" })
    fake.hold()
    fake.soon()
    world.advance(6)
    flushed()
    assert.same({ 2, 4008 }, { request_of(address).rs, request_of(address).ors.rsc })
    assert.same({}, results())
    fake.hold()
    local box = w:start(cin { rset = "5000" })
    fake.run()
    world.advance(6)
    fake.flush()
    assert.equal(4008, box[1])
  end)
end)

describe("bounds", function()
  it("one rqi is pending once", function()
    accepted(cin { query = "rt=1", rqi = "same" })
    assert.equal(4000, (w:request(cin { query = "rt=1", rqi = "same" })))
    turns()
    accepted(cin { query = "rt=1", rqi = "same" })
  end)

  it("per originator and in all: 5000", function()
    require("moon2m.nonblocking").configure { limit = 3, each = 2 }
    w:create("Cbob", "moon/bob", 3, { rn = "c" })
    accepted(cin { query = "rt=1" })
    accepted(cin { query = "rt=1" })
    local rsc, pc = w:request(cin { query = "rt=1" })
    assert.equal(5000, rsc)
    assert.matches("Calice", world.dbg(pc))
    accepted(cin { query = "rt=1", fr = "Cbob", to = "moon/bob/c" })
    rsc = w:request(cin { query = "rt=1", fr = "Cbob", to = "moon/bob/c" })
    assert.equal(5000, rsc)
    turns()
    assert.equal(0, require("moon2m.nonblocking").count())
  end)

  it("a <request> that cannot be stored is not accepted", function()
    fake.fail "io"
    assert.equal(5000, (w:request(cin { query = "rt=1" })))
    fake.fail(nil)
    assert.equal(0, require("moon2m.nonblocking").count())
  end)
end)

describe("after a restart", function()
  local function restart()
    local nonblocking = require "moon2m.nonblocking"
    fake.timers = {}
    package.loaded["moon2m.nonblocking"] = nil
    local new = require "moon2m.nonblocking"
    assert.is_true(nonblocking ~= new)
    fake.task(new.open, require("moon2m.dispatch").execute)
    fake.run()
    turns()
  end

  it("what was pending has failed, and is told", function()
    local _, a = accepted(cin { query = "rt=1" })
    local _, b = accepted(cin { query = "rt=2" })
    restart()
    assert.same({ 2, 5000 }, { request_of(a).rs, request_of(a).ors.rsc })
    assert.same({ 2, 5000 }, { request_of(b).rs, request_of(b).ors.rsc })
    assert.same({ 5000 }, { results()[1].rsp.rsc })
    assert.equal(0, instances())
  end)

  it("what is not due yet is executed in time", function()
    local _, address = accepted(cin { via = "ws", oet = "5000",
      fields = '{"rt":{"rtv":2,"nu":["Cbob"]},"rcn":0}' })
    restart()
    assert.equal(3, request_of(address).rs)
    world.advance(6)
    fake.fire()
    local r = request_of(address)
    assert.same({ 1, 2001 }, { r.rs, r.ors.rsc })
    assert.is_nil(r.ors.pc)
    assert.equal("Cbob", results()[1].to[1].target)
    assert.equal(1, instances())
  end)
end)
