-- The end of resources by time, and schedule entries.

local world = require "world"

local w, sys, expire

local function turn()
  local box = w.fake.task(expire.turn)
  w.fake.run()
  assert.is_true(box.done)
  return box[1]
end

before_each(function()
  w = world.new(true)
  sys, expire = require "moon2m.core.sys", require "moon2m.expire"
end)
after_each(function() world.real_time() end)

local function soon() return sys.stamp(sys.now() + 10e6) end

describe("expiry", function()
  it("takes a resource with its children, and tells the parent's subscribers", function()
    w:create("Calice", "moon/alice", 3, { rn = "c", et = soon() })
    w:create("Calice", "moon/alice/c", 3, { rn = "d" })
    w:create("Calice", "moon/alice", 23, { nu = { "Calice" }, enc = { net = { 4 } } })
    turn()
    assert.truthy(w.fake.by_path("alice/c"))
    world.advance(11)
    assert.equal(4004, (w:retrieve("Calice", "moon/alice/c")))
    turn()
    assert.is_nil(w.fake.by_path("alice/c"))
    assert.is_nil(w.fake.by_path("alice/c/d"))
    assert.equal(1, #w.fake.published)
  end)

  it("deregisters an AE", function()
    w:ae("Cshort", "short", { et = soon() })
    world.advance(11)
    turn()
    assert.same({ { "unbind", "Cshort" } }, w.fake.called("unbind"))
    assert.equal(2001, (w:ae("Cshort", "short")))
  end)

  it("takes instances by their own time, with notices", function()
    w:create("Calice", "moon/alice", 3, { rn = "c" })
    w:create("Calice", "moon/alice/c", 4, { con = "1", et = soon() })
    w:create("Calice", "moon/alice/c", 4, { con = "2" })
    w:create("Calice", "moon/alice/c", 23, { nu = { "Calice" }, enc = { net = { 4 } } })
    world.advance(11)
    turn()
    local _, pc = w:retrieve("Calice", "moon/alice/c")
    assert.equal(1, pc["m2m:cnt"].cni)
    assert.equal(1, #w.fake.published)
  end)

  it("takes instances older than mia, in slices", function()
    w:create("Calice", "moon/alice", 3, { rn = "c", mia = 10 })
    for i = 1, 150 do w:create("Calice", "moon/alice/c", 4, { con = tostring(i) }) end
    world.advance(11)
    w:create("Calice", "moon/alice/c", 4, { con = "young" })
    local turns = 0
    while turn() and turns < 20 do turns = turns + 1 end
    assert.is_true(turns >= 3 and turns < 20, turns)
    local _, pc = w:retrieve("Calice", "moon/alice/c")
    assert.equal(1, pc["m2m:cnt"].cni)
    _, pc = w:retrieve("Calice", "moon/alice/c/ol")
    assert.equal("young", pc["m2m:cin"].con)
  end)
end)

describe("a schedule entry", function()
  local schedule = require "moon2m.schedule"
  local function time(stamp) return assert(require("moon2m.core.sys").parse_stamp(stamp)) / 1e6 end
  local at = time "20240315T083007"             -- a Friday

  it("covers times by seven fields", function()
    for text, covered in pairs { ["* * * * * * *"] = true, ["7 30 8 15 3 5 2024"] = true,
      ["8 * * * * * *"] = false, ["* 0-30/10 * * * * *"] = true, ["* 1-30/10 * * * * *"] = false,
      ["* * 8-18 * * 1-5 *"] = true, ["* * 9-18 * * 1-5 *"] = false,
      ["*/7 * * * * * *"] = true, ["1,3,7 * * * * 0,6 *"] = false, ["* * * * * 5,6 *"] = true } do
      assert.equal(covered, schedule.covers(assert(schedule.parse(text)), at), text)
    end
  end)

  it("has a next time, within ten years at most", function()
    local day, year = 86400, 366 * 86400
    for _, c in ipairs { { "* * * * * * *", day, "20240315T083008" },
      { "7 * * * * * *", day, "20240315T083107" }, { "0-6 30 8 * * * *", day - 60, nil },
      { "0-6 30 8 * * * *", 2 * day, "20240316T083000" }, { "* 29 * * * * *", day,
      "20240315T092900" }, { "30 30 8 * * * *", day, "20240315T083030" },
      { "5 10 0 1 1 * *", year, "20250101T001005" }, { "* * * 29 2 * *", 4 * year,
      "20280229T000000" }, { "* * * 30 2 * *", 3653 * day, nil }, { "* * * * * 0 *", 3 * day,
      "20240317T000000" }, { "* * * * * * 2023", 3653 * day, nil }, { "10 30 8 * * * *", 2, nil },
      { "10 30 8 * * * *", 3, "20240315T083010" } } do
      local found = schedule.next(assert(schedule.parse(c[1])), at + 0.25, c[2])
      assert.equal(c[3] and time(c[3]), found, c[1])
    end
    local s = schedule.parse "* * * * * * *"
    assert.has_error(function() schedule.next(s, at, 1e12) end)
    assert.has_error(function() schedule.next({ {} }, at, 1) end)
    assert.has_error(function() schedule.covers(s, 0 / 0) end)
    assert.has_error(function() s[1] = {} end)
  end)

  it("is refused when it is malformed", function()
    for _, text in ipairs { "", "* * * * * *", "60 * * * * * *", "* * 24 * * * *", "x * * * * * *",
      "5-1 * * * * * *", "*/0 * * * * * *", "1,,2 * * * * * *", "* * * 0 * * *" } do
      local s, why = schedule.parse(text)
      assert.is_nil(s, text)
      assert.is_string(why)
    end
  end)
end)
