-- SIGTERM under load: luajit tests/faults/stop.lua [ROUNDS]
-- Eight clients create while a WebSocket listens; then SIGTERM.  What is in flight is answered,
-- the WebSocket is closed with 1001, the exit code is 0 within 5 s (or what the machine takes), and
-- the next start has everything that was answered.

package.path = "tests/wire/?.lua;tests/crash/?.lua;" .. package.path

local cqueues = require "cqueues"
local h = require "harness"
local load = require "load"

local ROUNDS = tonumber(arg[1]) or 10
local BOUND = 10          -- seconds to exit, on a busy machine

local function round(server, c, watcher, i)
  local ws, closed, took, code = server:listen(watcher), nil, nil, nil
  local r = load.run(server, c, { seconds = 20 }, function()
    cqueues.sleep(0.2 + i % 5 * 0.1)
    local began = cqueues.monotime()
    server:signal "TERM"
    repeat
      local m = ws:receive(BOUND)
      if m and m.op == 5 then ws:send { rsc = 2000, rqi = m.rqi, rvi = "3" } end
    until not m
    closed = ws.ws.got_close_code
    code = server:exit_code(BOUND)
    took = cqueues.monotime() - began
  end)
  if code ~= 0 then error("the exit code is " .. tostring(code), 0) end
  if closed ~= 1001 then error("the WebSocket was closed with " .. tostring(closed), 0) end
  if server:text():find "not everything finished" then error("not everything finished", 0) end
  server:run()
  load.judge(server, c)
  return took, r.created
end

local ok, why = pcall(function()
  local server = h.start()
  local c = load.prepare(server)
  local watcher, slowest, created = server:register("watcher"), 0, 0
  for i = 1, ROUNDS do
    local took, n = round(server, c, watcher, i)
    slowest, created = math.max(slowest, took), created + n
  end
  print(("SIGTERM under load, %d rounds: %d creates answered, 0 lost, exit 0 in %.2f s at most,"
    .. " 1001 to the WebSocket"):format(ROUNDS, created, slowest))
end)
h.stop_all()
if not ok then print(why) end
os.exit(ok and 0 or 1)
