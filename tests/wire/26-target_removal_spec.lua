-- Targets that want to be told no more, on the wire (TS-0001 10.2.10.8, 10.2.10.9; TS-0004 7.4.30
-- to 7.4.33): ntsr, the policies and their rules, the dialogue with the creator, the word in an
-- answer over each way that an answer can come.

local cjson = require "cjson"
local h = require "harness"
local targets = require "targets"
local expect = h.expect

local OWNER, GUEST = "Cowner", "Cguest"
local C = "/moon/owner/c"
local SUB = C .. "/s"

describe("notification target removal", function()
  local s, owner, guest

  setup(function()
    s = h.start { config = "return { notification = { answer_time = 1 } }" }
    local o, g = s:register("owner"), s:register("guest")
    owner, guest = s:listen(o), s:listen(g)
    s.owner_url, s.guest_url = o.url, g.url
    expect(2001, s:create("/moon/owner", OWNER, 3, { rn = "c" }))
  end)
  teardown(function()
    pcall(owner.close, owner)
    pcall(guest.close, guest)
    h.stop_all()
  end)

  -- The guest answers the verification request.
  local function subscribe(nu, more)
    local attrs = { rn = "s", nu = nu or { OWNER, GUEST }, enc = { net = { 3 } } }
    for k, v in pairs(more or {}) do attrs[k] = v end
    local q, answer = require("cqueues").new(), nil
    q:wrap(function() answer = s:create(C, OWNER, 23, attrs) end)
    q:wrap(function()
      for _, who in ipairs(attrs.nu) do
        if who == GUEST then assert(guest:sgn().vrq) end
      end
    end)
    assert(q:loop(20))
    return expect(2001, answer)
  end

  local function nu()
    local a = s:retrieve(SUB, OWNER)
    return a.rsc == 2000 and a.body["m2m:sub"].nu or a.rsc
  end

  local function leave(who) return s:delete(SUB .. "/ntsr", who or GUEST) end

  local function policy(attrs, who)
    attrs.plbl = attrs.plbl or "default"
    return "/" .. expect(2001, s:create("/moon", who or OWNER, 26, { ["m2m:ntp"] = attrs })).ri
  end

  local made
  before_each(function() made = {} end)
  after_each(function()
    s:delete(SUB, "CAdmin")
    for _, path in ipairs(made) do s:delete(path, "CAdmin") end
  end)

  local function with_policy(attrs, who)
    made[#made + 1] = policy(attrs, who)
    return made[#made]
  end

  it("by DELETE of ntsr", function()
    subscribe()
    expect(4005, s:retrieve(SUB .. "/ntsr", GUEST), "ntsr")
    expect(4005, s:update(SUB .. "/ntsr", OWNER, { ["m2m:sub"] = { nu = { OWNER } } }))
    expect(4005, s:create(SUB .. "/ntsr", OWNER, 3, {}))
    expect(4103, leave "CAdmin", "no target")
    expect(2002, leave())
    assert.same({ OWNER }, nu())
    expect(4103, leave())
    s:add(C, OWNER, "1")
    assert.equal("1", owner:content())
    guest:expect_silence(0.2)
    expect(2002, leave(OWNER))
    assert.equal(4004, nu())
  end)

  it("of the last target tells su that the subscription is gone", function()
    local sub = subscribe({ GUEST }, { su = OWNER })
    expect(2002, leave())
    assert.same({ sud = true, sur = "/moon/" .. sub.ri }, owner:sgn())
  end)

  it("is refused by policy 2, and where rules do not hold", function()
    subscribe()
    local ntp = with_policy { acn = 2 }
    expect(4103, leave(), "does not let")
    s:delete(ntp, OWNER)
    ntp = with_policy { acn = 1 }
    local never = { ["m2m:pdr"] = { dr = { { tod = { "* * * * * * 2001" } } } } }
    local rules = expect(2001, s:create(ntp, OWNER, 27, never))
    expect(2001, s:create(ntp, OWNER, 27, never))
    expect(4105, s:create(ntp, OWNER, 27, never), "at most 2")
    expect(4000, s:create(ntp, OWNER, 27, { ["m2m:pdr"] = { dr = { { tod = { "x" } } } } }), "tod")
    expect(4103, leave(), "rules")
    expect(2004, s:update(ntp, OWNER, { ["m2m:ntp"] = { rrs = 2 } }))
    expect(4103, leave(), "rules")
    expect(2002, s:delete("/" .. rules.ri, OWNER))
    expect(2001, s:create(ntp, OWNER, 27,
      { ["m2m:pdr"] = { dr = { { tod = { "* * * * * * *" } } } } }))
    expect(2002, leave())
  end)

  it("asks the creator by policy 3, tells it by policy 4", function()
    local sub = subscribe()
    local ntp = with_policy { acn = 3 }
    expect(2002, leave())
    assert.same({ sur = "/moon/" .. sub.ri, ntt = "/moon/" .. GUEST, tra = true }, owner:sgn())
    h.wait("the removal", function() return #nu() == 1 end)
    s:delete(SUB, OWNER)
    subscribe()
    expect(2002, leave())
    local m = owner:notification(5, false)
    owner:send { rsc = 4103, rqi = m.rqi, rvi = "3" }
    h.sleep(0.2)
    assert.equal(2, #nu())
    s:delete(ntp, OWNER)
    with_policy { acn = 4 }
    expect(2002, leave())
    assert.is_true(owner:sgn().trr)
    h.sleep(0.2)
    assert.equal(2, #nu())
  end)

  it("the creator is away: it is told later (4), or asked again (3)", function()
    local sub = subscribe()
    owner:close()
    local ntp = with_policy { acn = 4 }
    expect(2002, leave())
    s:kill()
    s:run()
    owner = s:listen { url = s.owner_url }
    guest = s:listen { url = s.guest_url }
    assert.same({ sur = "/moon/" .. sub.ri, ntt = "/moon/" .. GUEST, trr = true }, owner:sgn())
    owner:close()
    s:delete(ntp, OWNER)
    with_policy { acn = 3 }
    expect(2002, leave())
    expect(2002, leave())
    h.sleep(0.5)
    assert.equal(2, #nu())
    owner = s:listen { url = s.owner_url }
    assert.is_true(owner:sgn(10).tra)
    h.wait("the removal", function() return #nu() == 1 end)
    owner:expect_silence(1.5)
  end)

  it("exc does not count what the creator is told", function()
    subscribe(nil, { exc = 3 })
    with_policy { acn = 4 }
    expect(2002, leave())
    assert.is_true(owner:sgn().trr)
    h.sleep(0.3)
    assert.equal(3, expect(2000, s:retrieve(SUB, OWNER)).exc)
  end)

  it("looks at the policy that is referred to, the creator's, the administrator's, in turn",
    function()
      subscribe()
      with_policy({ acn = 2, plbl = "Default" }, "CAdmin")
      expect(4103, leave())
      with_policy { acn = 1 }
      local never = with_policy { acn = 2, plbl = "never" }
      expect(4000, s:create(SUB, OWNER, 25, { ["m2m:ntpr"] = { ntu = { GUEST }, npi = C } }), "npi")
      expect(4000, s:create(SUB, OWNER, 25, { ["m2m:ntpr"] = { npi = never } }), "ntu")
      expect(4103, s:create(SUB, GUEST, 25, { ["m2m:ntpr"] = { ntu = { GUEST } } }))
      local ref = expect(2001, s:create(SUB, OWNER, 25,
        { ["m2m:ntpr"] = { ntu = { "/moon/" .. GUEST }, npi = never:sub(2) } }))
      expect(4103, leave())
      expect(2002, s:delete("/" .. ref.ri, OWNER))
      expect(2002, leave())
    end)

  it("acn and plbl may be left out: accept, default", function()
    local p = expect(2001, s:create("/moon", OWNER, 26, { ["m2m:ntp"] = { rn = "bare" } }))
    assert.same({ 1, "default" }, { p.acn, p.plbl })
    expect(4000, s:update("/moon/bare", OWNER, { ["m2m:ntp"] = { plbl = cjson.null } }), "plbl")
    expect(2002, s:delete("/moon/bare", OWNER))
  end)

  it("refuses what policies cannot be", function()
    local function ntp(attrs) return s:create("/moon", OWNER, 26, { ["m2m:ntp"] = attrs }) end
    expect(4000, ntp { acn = 5, plbl = "x" }, "acn")
    expect(4000, ntp { plbl = "" }, "plbl")
    expect(4000, ntp { acn = 1, plbl = "x", rrs = 3 }, "rrs")
    expect(4108, s:create("/moon/owner", OWNER, 26, { ["m2m:ntp"] = { acn = 1, plbl = "x" } }))
    expect(4106, s:create("/moon", "Cnobody", 26, { ["m2m:ntp"] = { acn = 1, plbl = "x" } }))
    expect(4108, s:create(C, OWNER, 25, { ["m2m:ntpr"] = { ntu = { GUEST } } }))
    expect(4108, s:create("/moon", "CAdmin", 27, { ["m2m:pdr"] = {} }))
  end)

  it("by a word in the answer to a notification, over WebSocket", function()
    for _, pc in ipairs { { trr = true }, { ["m2m:sgn"] = { trr = true, sur = "x" } } } do
      subscribe()
      s:add(C, OWNER, "1")
      owner:content()
      local m = guest:notification(5, false)
      guest:send { rsc = 2000, rqi = m.rqi, rvi = "3", pc = pc }
      h.wait("the removal", function() return #nu() == 1 end)
      assert.same({ OWNER }, nu())
      s:delete(SUB, OWNER)
    end
    subscribe()
    s:add(C, OWNER, "1")
    owner:content()
    local m = guest:notification(5, false)
    guest:send { rsc = 2000, rqi = m.rqi, rvi = "3", pc = { trr = false } }
    h.sleep(0.2)
    assert.equal(2, #nu())
  end)

  it("by a word in the answer of a URL", function()
    local t = targets.new(function() return 200, '{"trr":true}' end)
    subscribe { OWNER, t.url .. "/x" }
    s:add(C, OWNER, "1")
    owner:content()
    t:expect(1)
    t:serve_for(0.3)
    assert.same({ OWNER }, nu())
    t:close()
  end)

  it("by a word in the answer that an AE gives by its polling channel", function()
    local me = s:register("poller", { rr = false })
    expect(2001, s:create("/moon/poller", me.aei, 15, { ["m2m:pch"] = { rn = "pch" } }))
    local q, answer = require("cqueues").new(), nil
    local function poll(pc)
      local a = s:retrieve("/moon/poller/pch/pcu", me.aei)
      local m = a.body["m2m:rqp"] or a.body["m2m:agrp"] or a.body
      expect(2000, s:http("POST", "/moon/poller/pch/pcu", me.aei, { body = { ["m2m:rsp"] =
        { rsc = 2000, rqi = m.rqi, rvi = "3", pc = pc } } }))
    end
    q:wrap(function()
      answer = s:create(C, OWNER, 23, { rn = "s", nu = { OWNER, me.aei }, enc = { net = { 3 } } })
    end)
    q:wrap(poll)
    assert(q:loop(20))
    expect(2001, answer)
    s:add(C, OWNER, "1")
    owner:content()
    poll { trr = true }
    h.wait("the removal", function() return #nu() == 1 end)
    assert.same({ OWNER }, nu())
  end)
end)
