-- The loop of a test: a clock that the test moves, timers and sleeping tasks in the order in which
-- they are due, and the store's answers in between.  Nothing here waits for real time, so a test
-- takes what its code takes.  It has the functions of moon2m.core.sys that need a loop.

local guard = require "moon2m.core.guard"
local native = require "moon2m.core.host"
local real = require "moon2m.core.sys"
local entries = require "moon2m.test.entries"

local loop = {}

local TURNS = 1000000            -- of one call; more is an endless loop
local PATIENCE = 600             -- s of the test's clock that a request may take

local wall, mono = 0, 0          -- us: wall clock at mono 0, monotonic clock
local timers, by_key             -- in the order in which they are due; key -> timer
local last = 0                   -- orders timers of the same time
local closing                    -- sleepers are told to end

-- ---- timers -------------------------------------------------------------------------------------

local function drop(t)
  for i = 1, #timers do
    if timers[i] == t then return table.remove(timers, i) end
  end
end

local function add(seconds, fn, key)
  last = last + 1
  local t = { due = mono + seconds * 1e6, order = last, fn = fn, key = key }
  local i = #timers
  while i > 0 and timers[i].due > t.due do i = i - 1 end
  table.insert(timers, i + 1, t)
  if key then
    if by_key[key] then drop(by_key[key]) end
    by_key[key] = t
  end
  return t
end

local function fire(t)
  drop(t)
  if t.key and by_key[t.key] == t then by_key[t.key] = nil end
  t.fn()
end

local function fire_due()
  local t = timers[1]
  if not t or t.due > mono then return false end
  fire(t)
  return true
end

-- An error of the library is the library's, whoever called it: its way is of use.
local function explained(e)
  return type(e) == "string" and e:match("^lib/") and debug.traceback(e, 2) or e
end

--- Starts fn as a task.  { done, ok, and its results or error }.  An error that nobody waits for
-- (awaited) goes to loop.on_error(text).
function loop.start(fn, awaited)
  local box = {}
  local function keep(ok, ...)
    box.done, box.ok, box.n = true, ok, select("#", ...)
    for i = 1, box.n do box[i] = (select(i, ...)) end
    if not ok and not awaited and not closing then loop.on_error(tostring((...))) end
  end
  native.start(entries.keep(function() keep(xpcall(fn, explained)) end))
  return box
end

--- Does fn as a task, in the next turn.
function loop.soon(fn)
  add(0, function() loop.start(fn) end)
end

-- ---- the clock ----------------------------------------------------------------------------------

local function settle()
  for _ = 1, TURNS do
    if not native.step() and not fire_due() then return end
  end
  error(("still at work after %d turns of the loop: does a script call itself?"):format(TURNS), 0)
end
loop.settle = settle

--- Lets `seconds` of the test's clock pass; what is due meanwhile runs at its time.
function loop.advance(seconds)
  local goal = mono + seconds * 1e6
  settle()
  for _ = 1, TURNS do
    local t = timers[1]
    if not t or t.due > goal then break end
    mono = t.due
    settle()
  end
  if timers[1] and timers[1].due <= goal then
    error(("%d timers fired in %g s, and there are more"):format(TURNS, seconds), 0)
  end
  mono = goal
  settle()
end

--- Runs fn as a task to its end and returns its results; when it waits, the clock goes on.  Raises
-- its error.
function loop.run(fn)
  local box = loop.start(fn, true)
  local limit = mono + PATIENCE * 1e6
  settle()
  while not box.done and timers[1] and timers[1].due <= limit do
    mono = math.max(mono, timers[1].due)
    settle()
  end
  if not box.done then error("it waits for something that does not come", 0) end
  if not box.ok then error(box[1], 0) end
  return unpack(box, 1, box.n)
end

--- An empty loop whose wall clock shows `now` (us since 1970).
function loop.open(now)
  wall, mono, timers, by_key, closing = now, 1e6, {}, {}, false
  wall = wall - mono
end

--- Every task that still sleeps ends with an error.
function loop.close()
  closing = true
  for _ = 1, 1000 do
    local t
    for _, one in ipairs(timers) do t = t or one.sleeper and one end
    if not t then break end
    fire(t)
    for _ = 1, 1000 do
      if not native.step() then break end
    end
  end
  timers, by_key = {}, {}
end

-- ---- moon2m.core.sys ----------------------------------------------------------------------------

local sys = setmetatable({}, { __index = real })
loop.sys = sys

function sys.now() return wall + mono end
function sys.mono() return mono end

local function check_seconds(s)
  if type(s) ~= "number" or not (s >= 0 and s <= 1e9) then error("0 to 1e9 seconds expected", 3) end
end

-- Suspends the task; `key` makes it a gate, which wake opens.
local function suspend(seconds, key)
  local handle = native.waiting()
  if closing then error("the host is closed", 0) end
  local t
  t = add(seconds, function() native.resume(handle, key and t.woken or nil) end, key)
  t.sleeper, t.woken = true, false
  return coroutine.yield(guard.SERVER)
end

local function awake(...)
  if closing then error("the host is closed", 0) end
  return ...
end

function sys.sleep(seconds)
  check_seconds(seconds)
  return awake(suspend(seconds))
end

function sys.wait(seconds, id)
  check_seconds(seconds)
  if by_key[id] then error("the id is in use", 2) end
  return awake(suspend(seconds, id))
end

function sys.wake(id)
  local t = by_key[id]
  if not t or not t.sleeper then return false end
  if not t.woken then
    drop(t)
    last = last + 1
    t.woken, t.due, t.order = true, mono, last
    local i = #timers
    while i > 0 and timers[i].due > t.due do i = i - 1 end
    table.insert(timers, i + 1, t)
  end
  return true
end

function sys.after(seconds, id)
  check_seconds(seconds)
  add(seconds, function()
    loop.start(function() return require("moon2m.timers").fire(id) end)
  end, id)
end

function sys.spawn(id) return sys.after(0, id) end

function sys.cancel(id)
  local t = by_key[id]
  if not t or t.sleeper then return false end
  drop(t)
  by_key[id] = nil
  return true
end

function sys.count() end

--- The log: loop.on_log(level, module, text).
function sys.log(level, module, text) return loop.on_log(level, module, text) end

--- Files that a test provides: path -> text; else the real ones.
loop.files = {}
function sys.read(path, max)
  local text = loop.files[path]
  if not text then return real.read(path, max) end
  if #text > max then return nil, ("%s: larger than %d bytes"):format(path, max) end
  return text
end

return loop
