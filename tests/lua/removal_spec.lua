-- Targets that want to be told no more: ntsr, policies and their rules, the dialogue with the
-- creator, the last target (TS-0001 10.2.10.8, 10.2.10.9).

local world = require "world"

local w, json
local SUB = "moon/alice/a/s"
local ALWAYS, NEVER = { tod = { "* * * * * * *" } }, { tod = { "* * * * * * 2001" } }

local function subscribe(attrs)
  attrs = attrs or {}
  attrs.rn, attrs.nu = "s", attrs.nu or { "Calice", "Cbob", "http://u.example/" }
  attrs.enc = { net = { 3 } }
  w.fake.answers.Cbob = 2000
  local rsc, pc = w:create("Calice", "moon/alice/a", 23, attrs)
  assert.equal(2001, rsc)
  w.fake.asked = {}
  return pc["m2m:sub"]
end

local function targets()
  local rsc, pc = w:retrieve("CAdmin", SUB)
  return rsc == 2000 and pc["m2m:sub"].nu or rsc
end

local function leave(who) return w:delete(who or "Cbob", SUB .. "/ntsr") end

local function policy(acn, label, who, more)
  local attrs = { acn = acn, plbl = label or "default" }
  for k, v in pairs(more or {}) do attrs[k] = v end
  local rsc, pc = w:create(who or "Calice", "moon", 26, attrs)
  assert.equal(2001, rsc)
  return pc["m2m:ntp"].ri
end

local function rules(ntp, attrs) return w:create("Calice", ntp, 27, attrs) end

before_each(function()
  w = world.new(true)
  json = require "moon2m.json"
  w:create("Calice", "moon/alice", 3, { rn = "a" })
end)

describe("ntsr", function()
  it("can be deleted by a target, and nothing else", function()
    subscribe()
    assert.equal(4005, (w:retrieve("Calice", SUB .. "/ntsr")))
    assert.equal(4005, (w:update("Calice", SUB .. "/ntsr", "m2m:sub", { nu = { "Calice" } })))
    assert.equal(4005, (w:create("Calice", SUB .. "/ntsr", 3, {})))
    assert.equal(4005, (w:request { op = 5, to = SUB .. "/ntsr", fr = "Calice",
      pc = { ["m2m:sgn"] = { sur = "x" } } }))
    assert.equal(4103, (leave "CAdmin"))
    assert.equal(2002, (leave()))
    assert.same({ "Calice", "http://u.example/" }, targets())
    assert.equal(4103, (leave()))
    assert.equal(4004, (w:delete("Cbob", "moon/alice/a/ntsr")))
  end)

  it("of a target that is gone gets no more notices", function()
    subscribe { nu = { "Calice", "/moon/Cbob", "moon/bob" } }
    assert.equal(2002, (leave()))
    assert.same({ "Calice" }, targets())
    w:create("Calice", "moon/alice/a", 4, { con = "1" })
    assert.equal(1, #w.fake.published[1].to)
  end)

  it("takes the subscription along when nobody is left, and su is told", function()
    local s = subscribe { nu = { "Cbob" }, su = "Calice" }
    assert.equal(2002, (leave()))
    assert.equal(4004, targets())
    w.fake.soon()
    assert.equal('{"m2m:sgn":{"sud":true,"sur":"/moon/' .. s.ri .. '"}}', w.fake.published[1].body)
  end)

  it("is left by two at the same time", function()
    w:ae("Ccarol", "carol")
    w.fake.answers.Ccarol = 2000
    subscribe { nu = { "Calice", "Cbob", "Ccarol" } }
    local one = w:start { op = 4, to = SUB .. "/ntsr", fr = "Cbob" }
    local two = w:start { op = 4, to = SUB .. "/ntsr", fr = "Ccarol" }
    w.fake.run()
    assert.equal(2002, one[1])
    assert.equal(2002, two[1])
    assert.same({ "Calice" }, targets())
  end)

  it("is there for a cross-resource subscription too", function()
    w.fake.answers.Cbob = 2000
    assert.equal(2001, (w:create("Calice", "moon/alice", 48, { rn = "x", nu = { "Calice", "Cbob" },
      twt = 1, tws = "PT10S", rrat = { "moon/alice/a" }, encs = { { net = { 3 } } } })))
    assert.equal(2002, (w:delete("Cbob", "moon/alice/x/ntsr")))
    local _, pc = w:retrieve("Calice", "moon/alice/x")
    assert.same({ "Calice" }, pc["m2m:crs"].nu)
    assert.equal(2002, (w:delete("Calice", "moon/alice/x/ntsr")))
    assert.equal(4004, (w:retrieve("Calice", "moon/alice/x")))
  end)
end)

describe("a policy", function()
  it("is made by any AE, below the CSEBase only", function()
    policy(1, "mine", "Cbob")
    local ntp = policy(2)
    assert.equal(4000, (w:update("Calice", ntp, "m2m:ntp", { acn = 1 })))
    assert.equal(2004, (w:update("Calice", ntp, "m2m:ntp", { plbl = "other" })))
    assert.equal(4103, (w:update("Cbob", ntp, "m2m:ntp", { plbl = "other" })))
    assert.equal(4108, (w:create("Calice", "moon/alice", 26, { acn = 1, plbl = "x" })))
    assert.equal(4106, (w:create("Cnobody", "moon", 26, { acn = 1, plbl = "x" })))
  end)

  it("rejects (2)", function()
    subscribe()
    policy(2)
    assert.equal(4103, (leave()))
    assert.equal(3, #targets())
  end)

  it("asks the creator (3) after the answer, and removes when that agrees", function()
    local s = subscribe { nu = { "Calice", "Cbob" } }
    policy(3)
    assert.equal(2002, (leave()))
    assert.equal(2, #targets())
    w.fake.answers.Calice = 4103
    w.fake.soon()
    assert.equal(2, #targets())
    assert.same({ { target = "Calice", pc = '{"m2m:sgn":{"sur":"/moon/' .. s.ri
      .. '","ntt":"/moon/Cbob","tra":true}}' } }, w.fake.asked)
    w.fake.answers.Calice = 2000
    leave()
    w.fake.soon()
    assert.same({ "Calice" }, targets())
  end)

  it("asks a creator that is away again, once at a time, until it answers", function()
    subscribe { nu = { "Calice", "Cbob" } }
    policy(3)
    for _ = 1, 2 do
      assert.equal(2002, (leave()))
      w.fake.soon()
    end
    assert.equal(1, #w.fake.asked)
    w.fake.fire()
    assert.equal(2, #w.fake.asked)
    w.fake.answers.Calice = 2000
    w.fake.fire()
    assert.same({ "Calice" }, targets())
    w.fake.fire()
    assert.equal(3, #w.fake.asked)
  end)

  it("informs the creator (4) in a notice, and removes nothing", function()
    local s = subscribe { nu = { "Calice", "Cbob" } }
    policy(4)
    assert.equal(2002, (leave()))
    w.fake.soon()
    local ev = w.fake.published[1]
    assert.equal('{"m2m:sgn":{"sur":"/moon/' .. s.ri .. '","ntt":"/moon/Cbob","trr":true}}',
      ev.body)
    assert.equal("Calice", ev.to[1].target)
    assert.is_true(ev.to[1].sub > 2 ^ 50)
    assert.equal(2, #targets())
  end)

  it("of the subscription's creator comes before the administrator's, others do not count",
    function()
      subscribe()
      policy(2, "default", "Cbob")
      policy(2, "other")
      assert.equal(2002, (leave()))
      w:delete("CAdmin", SUB)
      subscribe()
      policy(2, "Default", "CAdmin")
      assert.equal(4103, (leave()))
      policy(1)
      assert.equal(2002, (leave()))
    end)

  it("that is referred to for the target comes first", function()
    subscribe()
    policy(2)
    local ntp = policy(1, "special")
    assert.equal(4000, (w:create("Calice", SUB, 25, { ntu = { "Cbob" }, npi = "moon/alice" })))
    assert.equal(2001, (w:create("Calice", SUB, 25, { rn = "other", ntu = { "Calice" },
      npi = ntp })))
    assert.equal(4103, (leave()))
    assert.equal(2001, (w:create("Calice", SUB, 25, { rn = "r", ntu = { "/moon/Cbob" },
      npi = ntp })))
    assert.equal(4000, (w:update("Calice", SUB .. "/r", "m2m:ntpr", { npi = "zz" })))
    assert.equal(2002, (leave()))
    assert.equal(2002, (w:delete("Calice", ntp)))
    assert.equal(4103, (leave "Calice"))
  end)

  it("by configuration, when there is none", function()
    local removal = require "moon2m.removal"
    subscribe()
    removal.configure { action = "reject", answer_time = 10 }
    assert.equal(4103, (leave()))
    removal.configure { action = "inform", answer_time = 10 }
    assert.equal(2002, (leave()))
    assert.equal(3, #targets())
  end)
end)

describe("its rules", function()
  it("must hold", function()
    subscribe()
    local ntp = policy(1)
    assert.equal(2001, (rules(ntp, { rn = "n", dr = { NEVER } })))
    local rsc, pc = leave()
    assert.equal(4103, rsc)
    assert.matches("rules of the policy", w.dbg(pc))
    w:delete("Calice", ntp .. "/n")
    rules(ntp, { dr = json.array { ALWAYS } })
    assert.equal(2002, (leave()))
  end)

  it("are combined: contexts by drr, two of them by rrs; regions never hold", function()
    local region = { lr = { { accr = { 1, 2, 3 } } } }
    for i, case in ipairs {
      { 2002, nil, { { dr = { ALWAYS, ALWAYS } } } },
      { 4103, nil, { { dr = { ALWAYS, NEVER } } } },
      { 4103, nil, { { dr = { ALWAYS, NEVER }, drr = 1 } } },
      { 2002, nil, { { dr = { ALWAYS, NEVER }, drr = 2 } } },
      { 4103, nil, { { dr = { region } } } },
      { 2002, nil, { { dr = { region, ALWAYS }, drr = 2 } } },
      { 4103, nil, { { dr = { ALWAYS } }, { dr = { NEVER } } } },
      { 4103, 1, { { dr = { ALWAYS } }, { dr = { NEVER } } } },
      { 2002, 2, { { dr = { ALWAYS } }, { dr = { NEVER } } } },
      { 4103, 2, { { dr = { NEVER } }, { dr = { NEVER } } } },
      { 2002, nil, { {} } },
    } do
      subscribe()
      local ntp = policy(1, "default", nil, { rrs = case[2] })
      for _, pdr in ipairs(case[3]) do assert.equal(2001, (rules(ntp, pdr))) end
      assert.equal(case[1], (leave()), "case " .. i)
      w:delete("CAdmin", ntp)
      w:delete("CAdmin", SUB)
    end
  end)

  it("are two at most", function()
    local ntp = policy(1)
    rules(ntp, {})
    assert.equal(2001, (rules(ntp, '{"m2m:pdr":{"dr":{"tod":["* * * * * * *"]}}}')))
    assert.equal(4105, (rules(ntp, {})))
  end)
end)

describe("a word in an answer", function()
  it("is a wish to be removed", function()
    local s = subscribe()
    local id = require("moon2m.path").parse_ri(s.ri)
    local function say(key)
      w.fake.task(require("moon2m.removal").indicated, id, key)
      w.fake.run()
    end
    say "Ccarol"
    assert.equal(3, #targets())
    say "http://u.example/"
    say "Cbob"
    assert.same({ "Calice" }, targets())
    policy(2)
    say "Calice"
    assert.same({ "Calice" }, targets())
    w:delete("Calice", SUB)
    say "Calice"
  end)
end)
