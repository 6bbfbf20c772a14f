-- nse and nsi on the wire (TS-0001 9.6.8): what a subscription's targets were sent and answered.

local h = require "harness"
local expect = h.expect

local names = 0

describe("statistics", function()
  local s

  setup(function() s = h.start() end)
  teardown(h.stop_all)

  local function subscriber(attrs)
    names = names + 1
    local name = "stat" .. names
    local a = s:register(name)
    a.c = "/moon/" .. name .. "/c"
    expect(2001, s:create("/moon/" .. name, a.aei, 3, { rn = "c" }))
    local sub = { rn = "s", nu = { a.aei }, enc = { net = { 3 }, chty = { 4 } } }
    for k, v in pairs(attrs) do sub[k] = v end
    expect(2001, s:create(a.c, a.aei, 23, sub))
    return a
  end

  local function add(a, n)
    for i = 1, n do s:add(a.c, a.aei, tostring(i)) end
  end

  local function nsi(a) return expect(2000, s:retrieve(a.c .. "/s", a.aei)).nsi end

  local function becomes(a, rqs, rsr, noec)
    local last
    local ok = pcall(h.wait, "nsi", function()
      last = nsi(a)
      local one = last and last[1]
      return one and one.rqs == rqs and one.rsr == rsr and one.noec == noec
    end, 3)
    assert(ok, "nsi is " .. require("cjson").encode(last or {}))
    assert.equal(1, #last)
    assert.equal(a.aei, last[1].tg)
  end

  local function set(a, value)
    expect(2004, s:update(a.c .. "/s", a.aei, '{"m2m:sub":{"nse":' .. value .. "}}"))
  end

  it("count events, requests and responses per target", function()
    local a = subscriber { nse = true }
    assert.is_nil(nsi(a))
    add(a, 2)
    becomes(a, 0, 0, 2)
    local ws = s:listen(a)
    ws:notification(5, true)
    ws:notification(5, false)
    becomes(a, 2, 1, 2)
    ws:close()
  end)

  it("are not there without nse, and begin with it", function()
    local a = subscriber {}
    local ws = s:listen(a)
    add(a, 1)
    ws:notification(5)
    assert.is_nil(nsi(a))
    set(a, "true")
    assert.is_nil(nsi(a))
    add(a, 1)
    ws:notification(5)
    becomes(a, 1, 1, 1)
    set(a, "false")
    add(a, 1)
    ws:notification(5)
    becomes(a, 1, 1, 1)
    set(a, "true")
    assert.is_nil(nsi(a))
    add(a, 1)
    ws:notification(5)
    becomes(a, 1, 1, 1)
    set(a, "null")
    assert.is_nil(nsi(a))
    ws:close()
  end)

  it("count what an aggregate holds", function()
    local a = subscriber { nse = true, bn = { num = 3 } }
    local ws = s:listen(a)
    add(a, 4)
    ws:notification(5)
    becomes(a, 3, 3, 4)
    ws:close()
  end)

  it("go with their target, and are the CSE's to write", function()
    local a = subscriber { nse = true }
    add(a, 1)
    becomes(a, 0, 0, 1)
    expect(2004, s:update(a.c .. "/s", a.aei,
      { ["m2m:sub"] = { nu = { "http://127.0.0.1:9/x" } } }))
    assert.is_nil(nsi(a))
    expect(4000, s:update(a.c .. "/s", a.aei, '{"m2m:sub":{"nsi":[]}}'), "nsi")
    expect(4000, s:create(a.c, a.aei, 23, '{"m2m:sub":{"nu":["' .. a.aei .. '"],"nsi":[]}}'), "nsi")
    expect(4000, s:update(a.c .. "/s", a.aei, '{"m2m:sub":{"nse":1}}'), "nse")
  end)

  it("survive a restart", function()
    local a = subscriber { nse = true }
    local ws = s:listen(a)
    add(a, 2)
    ws:notification(5)
    ws:notification(5)
    becomes(a, 2, 2, 2)
    ws:close()
    assert.equal(0, s:stop())
    s:run()
    becomes(a, 2, 2, 2)
    ws = s:listen(a)
    add(a, 1)
    ws:notification(5)
    becomes(a, 3, 3, 3)
    ws:close()
  end)
end)
