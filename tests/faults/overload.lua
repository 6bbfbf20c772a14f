-- Twice as much as it can do: luajit tests/faults/overload.lua [SECONDS] [PEAK_SECONDS]
-- A check of the script makes each create cost some milliseconds.  What 32 clients get done is the
-- peak; then so many requests come as twice the peak, on 600 connections, for SECONDS: what is done
-- stays near the peak, the others are told 503 with Retry-After, memory stays, and afterwards the
-- peak is there again.

package.path = "tests/wire/?.lua;" .. package.path

local cqueues = require "cqueues"
local h = require "harness"
local raw = require "raw"

local SECONDS = tonumber(arg[1]) or 60
local PEAK_SECONDS = tonumber(arg[2]) or 5
local SHORT = PEAK_SECONDS < 5
local SHARE = SHORT and 0.2 or 0.8  -- of the peak; in short times noise decides
local PEAK_CLIENTS, CLIENTS = SHORT and 8 or 32, SHORT and 100 or 600
local WAITING = SHORT and 20 or 200  -- requests that may wait for their answer
local now = cqueues.monotime

local SCRIPT = [[
local cse = require "moon2m"
cse.check("create", "/load/c", function()
  local x = 0
  for i = 1, 700000 do x = x + i % 3 end
  if x < 0 then return false, "never" end
end)
]]

local server
local create = raw.post("/moon/load/c", 4, '{"m2m:cin":{"con":"x"}}')

local function rss()
  local status = h.read_file(("/proc/%d/status"):format(server.pid))
  return tonumber(status:match("VmRSS:%s*(%d+)")) / 1024
end

-- `clients` connections send until `seconds` are over, each at once after its answer, or `rate` in
-- all a second: { done, refused } a second.
local function run(clients, seconds, rate)
  local cq, done, refused, sent, began = cqueues.new(), 0, 0, 0, now()
  local function client()
    local c = raw.connect(server.port)
    while now() < began + seconds do
      if rate then
        sent = sent + 1
        local at = began + sent / rate
        if at > now() then cqueues.sleep(at - now()) end
      end
      local r = c:write(create):response()
      if r.status == 201 then
        done = done + 1
      elseif r.status == 503 and r.headers["retry-after"] then
        refused = refused + 1
        if not rate then cqueues.sleep(0.02) end
      else
        error("answered " .. r.line, 0)
      end
    end
    c:close()
  end
  for _ = 1, clients do cq:wrap(client) end
  assert(cq:loop())
  local took = now() - began
  return { done = done / took, refused = refused / took }
end

local ok, why = pcall(function()
  server = h.start { scripts = { slow = SCRIPT },
    args = ("--set limits.requests=%d --set limits.unidentified=4000"):format(WAITING) }
  server:register "load"
  h.expect(2001, server:create("/moon/load", "Cload", 3, { rn = "c", mni = 1000 }))
  run(PEAK_CLIENTS, math.min(1, PEAK_SECONDS))
  local peak, before = run(PEAK_CLIENTS, PEAK_SECONDS), rss()
  -- a peak of a second says little: then all clients send whenever they can
  local over, after = run(CLIENTS, SECONDS, not SHORT and 2 * peak.done), rss()
  local again = run(PEAK_CLIENTS, PEAK_SECONDS)
  print(("peak %.0f creates/s; at twice that, %d s: %.0f/s (%.2f), refused %.0f/s; memory %.1f to"
    .. " %.1f MiB; then %.0f/s"):format(peak.done, SECONDS, over.done, over.done / peak.done,
    over.refused, before, after, again.done))
  assert(over.done >= SHARE * peak.done, "less is done under overload")
  assert(over.refused > 0, "none was refused")
  assert(after - before < 16, "memory grows")
  assert(again.done >= SHARE * peak.done, "the peak does not come back")
end)
h.stop_all()
if not ok then
  print(why)
  os.exit(1)
end
