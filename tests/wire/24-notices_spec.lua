-- What became of each notification: formats that failed and are tried again, the counters, the
-- operator's command `moon2m notices`.

local h = require "harness"
local expect = h.expect

local function prepare(s, label)
  local ae = s:register("dev")
  expect(2001, s:create("/moon/dev", "Cdev", 3, { rn = "c" }))
  expect(2001, s:create("/moon/dev/c", "Cdev", 23, { rn = "s", nu = { "Cdev" }, lbl = { label },
    enc = { net = { 3 } } }))
  return ae
end

local FORMAT = [[
local cse = require "moon2m"
cse.format("later", function(n) return "later " .. n.res.con end)
]]

local function script(s, name, text)
  local file = ("%s/%s.lua"):format(s.dir, name)
  local f = assert(io.open(file, "w"))
  f:write(text)
  f:close()
  return file
end

describe("a format that is not there", function()
  teardown(h.stop_all)

  it("has its notices rendered at the start that brings it", function()
    local s = h.start()
    local ae = prepare(s, "format:later")
    for i = 1, 3 do s:add("/moon/dev/c", "Cdev", "v" .. i) end
    assert.equal(3, s:metric("moon2m_notices_parked"))
    s:kill()
    s:run()
    assert.equal(3, s:metric("moon2m_notices_parked"))
    s:stop()
    s.apps = { script(s, "later", FORMAT) }
    s:run()
    local ws = assert(s:ws(ae.url, {}))
    for i = 1, 3 do assert.equal("later v" .. i, (ws.ws:receive(5))) end
    s:add("/moon/dev/c", "Cdev", "v4")
    assert.equal("later v4", (ws.ws:receive(5)))
    assert.equal(0, s:metric("moon2m_notices_parked"))
    ws:close()
  end)
end)
