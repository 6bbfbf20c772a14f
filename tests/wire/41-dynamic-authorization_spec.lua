-- Dynamic authorization on the wire (TS-0001 9.6.40, TS-0004 7.3.3.15, 7.5.1.2.10): what the
-- policies refuse is asked of the server that a dynamicAuthorizationConsultation names.

local cqueues = require "cqueues"
local h = require "harness"
local targets = require "targets"
local expect = h.expect

local HOME = "/moon/owner"

describe("dynamic authorization", function()
  local s, das, answer

  setup(function()
    das = targets.new(function(_, request) return answer(request) end)
    s = h.start { config = "return { notification = { answer_time = 2 } }" }
    for _, name in ipairs { "owner", "friend", "stranger" } do s:register(name) end
    expect(2001, s:create(HOME, "Cowner", 34, { rn = "dac", dae = true, dap = { das.url } }))
  end)
  teardown(h.stop_all)
  before_each(function()
    das.got = {}
    answer = function() return 200, '{"m2m:seci":{"sit":2,"dres":{}}}' end
  end)

  local last = 0
  local function container(attrs)
    last = last + 1
    attrs = attrs or {}
    attrs.rn, attrs.daci = "c" .. last, attrs.daci or { "moon/owner/dac" }
    expect(2001, s:create(HOME, "Cowner", 3, attrs))
    return HOME .. "/c" .. last
  end

  -- Runs fn beside the server that is asked; what it returns.
  local function beside(fn)
    local out
    das.cq:wrap(function() out = fn() end)
    das:wait("the end of a request", function() return out ~= nil end)
    return out
  end

  local function retrieve(path, who) return beside(function() return s:retrieve(path, who) end) end

  -- An answer with these rules, as JSON text.
  local function dai(gp, pl)
    return ('{"m2m:seci":{"sit":2,"dres":{"dai":{"gp":%s%s}}}}'):format(gp,
      pl and (',"pl":"%s"'):format(pl) or "")
  end

  -- Grants acop to whoever asks, for pl.
  local function grants(acop, pl)
    return function(request)
      local who = request.body["m2m:seci"].dreq["or"]
      return 200, dai(('{"acr":[{"acor":["%s"],"acop":%d}]}'):format(who, acop), pl)
    end
  end

  it("asks who, what and when with m2m:seci; what is granted is done", function()
    local c = container()
    answer = grants(2)
    local a = retrieve(c, "Cfriend")
    expect(2000, a)
    assert.equal(1, #das.got)
    local seci = das.got[1].body["m2m:seci"]
    assert.equal(1, seci.sit)
    assert.equal("/moon/Cfriend", seci.dreq["or"])
    assert.equal(3, seci.dreq.trt)
    assert.equal(2, seci.dreq.op)
    assert.equal("/moon/" .. expect(2000, s:retrieve(c, "Cowner")).ri, seci.dreq.trid)
    assert.matches("^%d%d%d%d%d%d%d%dT%d+", seci.dreq.rts)
    assert.equal("127.0.0.1", seci.dreq.oip.ip4)
    assert.equal("/moon", das.got[1].headers["x-m2m-origin"])
  end)

  it("who has the privilege is not asked about", function()
    local c = container()
    expect(2000, s:retrieve(c, "Cowner"))
    assert.equal(0, #das.got)
  end)

  it("a grant without a lifetime is for one request", function()
    local c = container()
    answer = grants(2)
    expect(2000, retrieve(c, "Cfriend"))
    expect(2000, retrieve(c, "Cfriend"))
    assert.equal(2, #das.got)
  end)

  it("with one it is kept, for these operations, on this resource and its instances", function()
    local c = container()
    expect(2001, s:create(c, "Cowner", 4, { con = "1" }))
    answer = grants(2, "3600000")
    expect(2000, retrieve(c, "Cfriend"))
    answer = function() return 403, '{"m2m:dbg":"no"}' end
    expect(2000, s:retrieve(c, "Cfriend"))
    expect(2000, s:retrieve(c .. "/la", "Cfriend"))
    assert.equal(1, #das.got)
    expect(4103, beside(function() return s:delete(c, "Cfriend") end))
    assert.equal(4, das.got[2].body["m2m:seci"].dreq.op)
    expect(4103, retrieve(c, "Cstranger"))
    expect(4103, retrieve(container(), "Cfriend"))
  end)

  it("a restart, and kill -9, take nothing of it away, and no time is added", function()
    local c = container()
    local lt = expect(2000, s:retrieve(c, "Cowner")).lt
    answer = grants(2, "3600000")
    expect(2000, retrieve(c, "Cfriend"))
    local brief = container()
    answer = grants(2, "1000")
    expect(2000, retrieve(brief, "Cfriend"))
    answer = function() return 403, '{"m2m:dbg":"no"}' end
    for _, how in ipairs { "stop", "kill" } do
      s[how](s)
      s:run()
      expect(2000, s:retrieve(c, "Cfriend"))
    end
    assert.equal(2, #das.got)
    assert.equal(lt, expect(2000, s:retrieve(c, "Cowner")).lt)
    expect(4103, retrieve(c, "Cstranger"))
    cqueues.sleep(1)
    expect(4103, retrieve(brief, "Cfriend"))
  end)

  it("one resource keeps sixteen grants, the newest", function()
    local c = container()
    for i = 1, 17 do
      s:register("g" .. i)
      answer = grants(2, "3600000")
      expect(2000, retrieve(c, "Cg" .. i))
    end
    answer = function() return 403, '{"m2m:dbg":"no"}' end
    expect(4103, retrieve(c, "Cg1"))
    expect(2000, s:retrieve(c, "Cg2"))
    expect(2000, s:retrieve(c, "Cg17"))
  end)

  it("an export leaves it out; a grant that is too long is for one request", function()
    local c = container()
    answer = grants(2, "3600000")
    expect(2000, retrieve(c, "Cfriend"))
    local text, rc = h.sh("%s export --data %s", h.bin, s.data)
    assert.equal(0, rc, text)
    assert.matches('"rn":"dac"', text)
    assert.not_matches("_grants", text)
    answer = function() return 200, dai(('{"acr":[{"acor":["Cstranger","%s"],"acop":2}]}')
      :format(("x"):rep(16384)), "3600000") end
    expect(2000, retrieve(c, "Cstranger"))
    answer = function() return 403, '{"m2m:dbg":"no"}' end
    cqueues.sleep(1.1)
    expect(4103, retrieve(c, "Cstranger"))
    expect(2000, s:retrieve(c, "Cfriend"))
  end)

  it("tokens are not read: 5001, or a log line", function()
    local c = container()
    for _, name in ipairs { "tids", "ltids", "tqi" } do
      expect(5001, s:retrieve(c .. "?" .. name .. "=x", "Cfriend"), name .. ": tokens of dynamic")
    end
    answer = function() return 200, '{"m2m:seci":{"sit":2,"dres":{"tkns":["a.b.c"]}}}' end
    expect(4103, retrieve(c, "Cfriend"))
    s:logs("tkns: tokens are not read")
  end)

  it("a lifetime that is over is over", function()
    local c = container()
    answer = grants(2, "300")
    expect(2000, retrieve(c, "Cfriend"))
    answer = function() return 200, '{"m2m:seci":{"sit":2,"dres":{}}}' end
    cqueues.sleep(0.4)
    expect(4103, retrieve(c, "Cfriend"))
  end)

  it("anything but a grant is a refusal: 4103", function()
    for _, text in ipairs { '{"m2m:seci":{"sit":2,"dres":{}}}', '{"m2m:seci":{"sit":1}}', "{}",
        "no",
        dai '{"acr":[{"acor":["all"],"acop":99}]}',
        dai '{"acr":[{"acor":["all"],"acop":63,"acco":[{"acl":5}]}]}',
        dai('{"acr":[{"acor":["all"],"acop":63}]}', "x"),
        dai('{"acr":[{"acor":["all"],"acop":63}]}', "20200101T000000") } do
      local c = container()
      answer = function() return 200, text end
      expect(4103, retrieve(c, "Cfriend"))
      assert.is_true(#das.got > 0, text)
    end
    local c = container()
    answer = function() return 500 end
    expect(4103, retrieve(c, "Cfriend"))
  end)

  it("a refusal is remembered for a moment: the server is not asked by each attempt", function()
    local c = container()
    expect(4103, retrieve(c, "Cfriend"))
    for _ = 1, 5 do expect(4103, retrieve(c, "Cfriend")) end
    assert.is_true(#das.got < 6)
  end)

  it("a consultation that is disabled, over or gone is not asked", function()
    local c = container { daci = { "moon/owner/other" } }
    expect(4103, s:retrieve(c, "Cfriend"))
    expect(2001, s:create(HOME, "Cowner", 34, { rn = "other", dae = false, dap = { das.url } }))
    expect(4103, s:retrieve(c, "Cfriend"))
    assert.equal(0, #das.got)
    answer = grants(2, "3600000")
    expect(2004, s:update(HOME .. "/other", "Cowner", { ["m2m:dac"] = { dae = true } }))
    expect(2000, retrieve(c, "Cfriend"))
    expect(2004, s:update(HOME .. "/other", "Cowner", { ["m2m:dac"] = { dae = false } }))
    expect(4103, s:retrieve(c, "Cfriend"))
  end)

  it("an AE can be the server", function()
    local ws = s:listen(s:register("das"))
    expect(2001, s:create(HOME, "Cowner", 34, { rn = "byae", dae = true, dap = { "Cdas" } }))
    local c = container { daci = { "moon/owner/byae" } }
    local a
    local q = cqueues.new()
    q:wrap(function() a = s:retrieve(c, "Cfriend") end)
    q:wrap(function()
      local m = assert(ws:notification(5, false))
      assert.equal("/moon/Cfriend", m.pc["m2m:seci"].dreq["or"])
      ws:send { rsc = 2000, rqi = m.rqi, rvi = "3", pc = { ["m2m:seci"] = { sit = 2,
        dres = { dai = { gp = { acr = { { acor = { "Cfriend" }, acop = 2 } } } } } } } }
    end)
    assert(q:loop(20))
    expect(2000, a)
    ws:close()
  end)

  it("daci is changed by whoever may change acpi", function()
    local acp = expect(2001, s:create(HOME, "Cowner", 1, { rn = "acp",
      pv = { acr = { { acor = { "Cfriend", "Cowner" }, acop = 6 } } },
      pvs = { acr = { { acor = { "Cowner" }, acop = 63 } } } })).ri
    local c = container { acpi = { acp } }
    expect(4103, s:update(c, "Cfriend", { ["m2m:cnt"] = { daci = { "moon/friend/mine" } } }))
    expect(2004, s:update(c, "Cfriend", { ["m2m:cnt"] = { lbl = { "x" } } }))
    expect(2004, s:update(c, "Cowner", { ["m2m:cnt"] = { daci = { "moon/owner/other" } } }))
  end)

  it("a server that cannot be asked is refused at once", function()
    expect(5001, s:create(HOME, "Cowner", 34, { dae = true, dap = { "mqtt://127.0.0.1/x" } }),
      "dap: mqtt is not supported")
    expect(4000, s:create(HOME, "Cowner", 34, { dae = true, dap = { "http:" } }), "dap")
  end)
end)
