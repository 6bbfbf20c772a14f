-- A TCP connection and the function of the script that is its coroutine.  At a reload the
-- connection changes hands: the old function keeps it while bytes for it come, and is told that it
-- has ended where it waits for the next message; then the new function is called with the same
-- connection, and nothing that was not read is lost.
--
-- conn = { id, live, run = the function's run that has the connection, peer, gates }
-- run = { conn, spec, over = reason once it has lost the connection, eof = the peer's end was read,
--         told = it has heard of either }

local gateway = require "moon2m.gateway"
local rules = require "moon2m.rule"
local sys = require "moon2m.core.sys"
local timers = require "moon2m.timers"

local core = gateway.core
local conn = {}

local QUIET = 0.25               -- seconds without a byte: between two messages
local PATIENCE = 5               -- seconds after which the old function loses it anyway

local RUN = {}                   -- key of a handle's run in its metatable, which no script sees

-- The run of what a script holds; nil of anything else.
local function run_of(handle)
  local meta = debug.getmetatable(handle)
  return type(meta) == "table" and rawget(meta, RUN) or nil
end

local CLOSED = {}                -- raised as text; marks a run that ended because of it

-- ---- running the function -----------------------------------------------------------------------

local begin

-- The run has lost its connection; whoever has it next goes on.
local function retire(run, why)
  if run.over then return end
  run.over = why
  gateway.wake(run.conn)
end

local function finish(c, why)
  if c.ended then return end
  c.ended = why or true
  c.live.conns[c] = nil
  gateway.release(c)
  gateway.wake(c)
  gateway.wake(c.live)
end

local function hand_over(c)
  retire(c.run, "the script was reloaded")
  c.successor = nil
  begin(c, true)
end

-- A function that fails because it was told that its connection is closed has done nothing wrong.
local function ended(run, ok, what)
  local c = run.conn
  local rule = run.spec.rule
  if ok or run.told == CLOSED or run.over and run.told then
    rules.succeeded(rule)
  else
    rules.report(rule, what, "connection with " .. c.peer, "the connection is closed")
  end
  if c.run ~= run then return end
  if c.successor and core.state(c.id) == "open" then return hand_over(c) end
  finish(c)
end

function begin(c, resumed)
  local live = c.live
  local run = { conn = c, spec = live.spec }
  local handle = setmetatable({ peer = c.peer, resumed = resumed or false },
    { __metatable = "sealed", [RUN] = run, __index = conn.index, __tostring = conn.name })
  c.run, c.handle = run, handle
  timers.spawn(function()
    if live.closed then return finish(c) end
    ended(run, rules.call(run.spec.rule, 0, nil, handle))
  end)
end

--- A connection that is open, as id of the core: calls the function of live's owner.
function conn.new(live, id, peer)
  local c = { live = live, peer = peer }
  live.conns[c] = true
  gateway.watch(id, c)
  begin(c)
  return c
end

--- The script that owns live is a new version: its function gets the connection.
function conn.moved(c)
  if c.ended then return end
  c.successor = true
  gateway.wake(c)
  timers.after(PATIENCE, function()
    if c.successor and not c.ended then hand_over(c) end
  end)
end

--- Closes it; its function is told.
function conn.close(c, why)
  if c.run then retire(c.run, why or "closed") end
  finish(c, why)
end

-- ---- what the script does with it ---------------------------------------------------------------

local methods = {}

-- The run, or nil and why it may not go on; the second time that is an error.
local function check(handle, method)
  local run = run_of(handle)
  if not run then gateway.fail("use it as conn:%s(...), with a colon", method) end
  local why = run.over or run.conn.ended or method == "read" and run.eof
  if not why then return run end
  if run.told then
    run.told = CLOSED
    gateway.fail("closed")
  end
  run.told = true
  return nil, why == true and "closed" or why
end

local function lost(run, why)
  run.told = true
  return gateway.unreachable(why)
end

-- Seconds to wait for bytes: until the caller's time is over, and no longer than a pause between
-- messages when somebody else is to have the connection.
local function patience(c, deadline)
  local left = deadline and (deadline - sys.mono()) / 1e6 or math.huge
  if c.successor then return math.min(left, QUIET), left > QUIET end
  return left, false
end

local function await(run, how, seconds)
  local c = run.conn
  local deadline = seconds and sys.mono() + seconds * 1e6
  while true do
    local data = core.read(c.id, how)
    if data then return data end
    local state, why = core.state(c.id)
    if state == "closed" then
      run.eof = why
      return lost(run, why)
    end
    local left, handing = patience(c, deadline)
    local woken = left > 0 and gateway.wait(c, left)
    if run.over then return lost(run, run.over) end
    if c.ended then return lost(run, c.ended == true and "closed" or c.ended) end
    if not woken and handing and c.successor then
      hand_over(c)
      return lost(run, run.over)
    end
    if not woken and not handing then return gateway.late("nothing came in %g s", seconds) end
  end
end

local HOW = { line = "line", all = "all", some = "some" }

--- conn:read(n | "line" | "all" | nothing: what is there [, seconds]).  The bytes | nil, err when
-- the peer has closed or the time is over (then what came stays).  Yields.
function methods.read(handle, how, seconds)
  local max = gateway.limit("bytes")
  local kind = type(how) == "number" and how or HOW[how == nil and "some" or how]
  if not kind or type(kind) == "number" and (kind < 1 or kind > max or kind % 1 ~= 0) then
    gateway.argument("conn:read", "how",
      ('a number of bytes from 1 to %d, "line", "all" or nothing'):format(max), how)
  end
  gateway.seconds("conn:read", seconds)
  local run, why = check(handle, "read")
  if not run then return gateway.unreachable(why) end
  if run.reading then gateway.fail("read: another coroutine reads this connection") end
  run.reading = true
  local data, err = await(run, kind, seconds)
  run.reading = nil
  return data, err
end

-- Waits until less than half of the limit waits to be sent.
local function drain(run, seconds)
  local c = run.conn
  local deadline = seconds and sys.mono() + seconds * 1e6
  while core.waiting(c.id) > gateway.limit("bytes") do
    local left = deadline and (deadline - sys.mono()) / 1e6
    if left and left <= 0 or not gateway.wait(c, left) then
      return gateway.late("the peer takes nothing")
    end
    if c.ended then return lost(run, c.ended == true and "closed" or c.ended) end
    if core.state(c.id) == "closed" and core.waiting(c.id) == 0 then return true end
  end
  return true
end

--- conn:write(data [, seconds]): true | nil, err.  Yields when the peer does not take what was
-- written before.
function methods.write(handle, data, seconds)
  data = gateway.text("conn:write", "data", data)
  gateway.seconds("conn:write", seconds)
  local run, why = check(handle, "write")
  if not run then return gateway.unreachable(why) end
  local piece = gateway.limit("bytes")
  for at = 1, math.max(#data, 1), piece do
    local waits = core.write(run.conn.id, data:sub(at, at + piece - 1))
    if not waits then
      local _, reason = core.state(run.conn.id)
      return lost(run, reason)
    end
    if waits > piece then
      local ok, err = drain(run, seconds)
      if not ok then return nil, err end
    end
  end
  return true
end

conn.methods, conn.write = methods, methods.write

--- conn:close(): what was written still leaves.
function methods.close(handle)
  local run = run_of(handle)
  if not run then gateway.fail("use it as conn:close(), with a colon") end
  if run.over or run.conn.ended then return end
  run.told = true
  conn.close(run.conn)
end

function conn.name(handle) return "connection with " .. run_of(handle).conn.peer end

function conn.index(_, k)
  return methods[k] or gateway.fail("a connection has no function '%s'", tostring(k))
end

return conn
