-- Whether others are served meanwhile.

local cqueues = require "cqueues"
local h = require "harness"
local expect = h.expect

-- Runs fn while another client retrieves all the time; the longest that this one waited (of wall
-- time: the bounds below leave room for a busy machine; the bench has the figure).
return function(s, fn)
  local cq, slowest, done = cqueues.new(), 0, false
  cq:wrap(function()
    fn()
    done = true
  end)
  cq:wrap(function()
    while not done do
      local at = cqueues.monotime()
      expect(2000, s:retrieve("/moon", "CAdmin"))
      slowest = math.max(slowest, cqueues.monotime() - at)
      h.sleep(0.01)
    end
  end)
  assert(cq:loop(20))
  return slowest
end
