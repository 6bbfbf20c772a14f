-- Many things at the same time, within bounds.

local fake = require "fake"

describe("parallel", function()
  local parallel, sys, mono, shift

  before_each(function()
    fake.reset()
    sys = require "moon2m.core.sys"
    parallel = require "moon2m.parallel"
    mono, shift = sys.mono, 0
    local real = mono
    sys.mono = function() return real() + shift end
  end)
  after_each(function() sys.mono = mono end)

  -- n things that wait until they are let go; what happens to them.
  local function things(n, seconds)
    local t = { now = 0, most = 0, begun = 0 }
    t.box = fake.task(function()
      return parallel.each(n, function()
        t.begun = t.begun + 1
        t.now = t.now + 1
        t.most = math.max(t.most, t.now)
        sys.sleep(1)
        t.now = t.now - 1
      end, sys.mono() + seconds * 1e6)
    end)
    while fake.soon() do end
    return t
  end

  it("does each of them, so many at once", function()
    local t = things(150, 10)
    assert.equal(64, t.begun)
    for _ = 1, 4 do fake.fire() end
    assert.same({ true, 150, 150, 64, 0 }, { t.box.done, t.box[1], t.begun, t.most, t.now })
  end)

  it("nothing to do is done at once", function()
    local t = things(0, 10)
    assert.same({ true, 0 }, { t.box.done, t.box[1] })
  end)

  it("begins nothing after the deadline", function()
    local t = things(150, 10)
    shift = 11e6
    fake.fire()
    assert.same({ true, 64, 0 }, { t.box.done, t.begun, t.now })
    t = things(3, 10)
    fake.fire()
    assert.equal(3, t.box[1])
  end)

  it("when all tasks are taken the caller does it itself", function()
    local all = {}
    for i = 1, 8 do all[i] = things(64, 100) end
    local t = things(2, 100)
    assert.same({ 1, 1 }, { t.begun, t.most })
    for _ = 1, 3 do fake.fire() end
    assert.same({ true, 2, 1 }, { t.box.done, t.box[1], t.most })
    for i = 1, 8 do assert.equal(64, all[i].box[1]) end
  end)

  it("an error is the end of one, not of the others", function()
    local sum, log, text = 0, sys.log, nil
    sys.log = function(_, _, what) text = what end
    local box = fake.task(function()
      return parallel.each(3, function(i)
        if i == 2 then error("broken") end
        sum = sum + i
      end, sys.mono() + 1e6)
    end)
    while fake.soon() do end
    sys.log = log
    assert.same({ 3, 4 }, { box[1], sum })
    assert.matches("broken", text)
  end)
end)
