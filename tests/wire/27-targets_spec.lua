-- Bounds of a subscription's targets that are configuration keys.

local h = require "harness"
local expect = h.expect

describe("limits", function()
  teardown(h.stop_all)

  it("json_members: many targets in one request; targets: how many are verified", function()
    local s = h.start { config = "return { limits = { json_members = 12000, targets = 2 }, " ..
      "outgoing = { rate = 20000 } }" }
    local a = s:register("lim")
    expect(2001, s:create("/moon/lim", a.aei, 3, { rn = "c" }))
    local nu = {}
    for i = 1, 10000 do nu[i] = "http://127.0.0.1:9/" .. i end
    local sub = expect(2001, s:create("/moon/lim/c", a.aei, 23, { nu = nu, enc = { net = { 2 } } }))
    assert.equal(10000, #sub.nu)
    for i = 10001, 12001 do nu[i] = "http://127.0.0.1:9/" .. i end
    expect(4000, s:create("/moon/lim/c", a.aei, 23, { nu = nu }), "12000")
    for _, name in ipairs { "l1", "l2", "l3" } do s:register(name) end
    expect(4000, s:create("/moon/lim/c", a.aei, 23, { nu = { "Cl1", "Cl2", "Cl3" } }),
      "more than 2 targets")
  end)
end)
