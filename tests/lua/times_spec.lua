-- The times of a request: what is left of them when the wall clock is set meanwhile.

local sys = require "moon2m.core.sys"
local times = require "moon2m.times"

local DAY = 86400 * 1e6

describe("what is left of a request", function()
  local now = sys.now
  after_each(function() sys.now = now end)

  local function admitted(rqet)
    local req = { rqet = rqet, now = sys.now(), mono = sys.mono() }
    assert.is_nil(times.read(req))
    return req
  end

  it("does not depend on a wall clock that jumps", function()
    for _, jump in ipairs { DAY, -DAY } do
      local req = admitted "60000"
      sys.now = function() return now() + jump end
      local left = times.left(req) / 1e6
      assert.is_true(left > 30 and left <= 60, tostring(left))
      assert.is_nil(times.expired(req))
      times.renew(req)                          -- it is admitted again
      req.now, req.mono = sys.now(), sys.mono()
      assert.is_nil(times.read(req))
      left = times.left(req) / 1e6
      assert.is_true(left > 30 and left <= 60, tostring(left))
      sys.now = now
    end
  end)

  it("is counted by the wall clock where the admission is not known", function()
    local req = admitted "60000"
    req.mono = nil
    sys.now = function() return now() + DAY end
    assert.equal(4008, times.expired(req).rsc)
  end)
end)
