-- On disk before the answer: luajit tests/faults/sync.lua [REQUESTS], with strace.
-- One client creates, updates and deletes; at each answer of success every write to the store's
-- log must be covered by an fdatasync that began after it and has ended.

package.path = "tests/wire/?.lua;tests/crash/?.lua;" .. package.path

local h = require "harness"
local load = require "load"

local REQUESTS = tonumber(arg[1]) or 100

-- Reads the trace: how many answers, with how many writes; the number of answers that came early.
local function judge(name)
  local answers, early, writes = 0, 0, 0
  local dirty = false               -- something is written that no fdatasync has begun after
  local syncing = {}                -- thread = what was dirty when its fdatasync began
  local open = false                -- an fdatasync of written bytes has not ended
  for line in io.lines(name) do
    local tid = line:match "^(%d+)"
    if line:find "moon2m%.db%-wal" and line:find "pwrite64%(" then
      dirty, writes = true, writes + 1
    elseif line:find "moon2m%.db%-wal" and line:find "f%a*sync%(" then
      if line:find "unfinished" then
        syncing[tid], open, dirty = dirty, open or dirty, false
      else
        dirty = false
      end
    elseif line:find "f%a*sync resumed" and syncing[tid] ~= nil then
      syncing[tid], open = nil, false
    elseif line:find '"HTTP/1.1 20[01]' then
      answers = answers + 1
      if dirty or open then early = early + 1 end
    end
  end
  return answers, early, writes
end

local function run()
  local dir = h.directory()
  local trace = dir .. "/trace"
  local server = h.start { dir = dir, env = ("strace -D -f -y -s 32 -o %s -e trace=pwrite64,"
    .. "fdatasync,fsync,write,writev,sendto,sendmsg"):format(trace) }
  local c = load.prepare(server)
  for i = 1, REQUESTS do
    local cin = server:add(c.path, "Cload", "x" .. i)
    if i % 5 == 0 then
      h.expect(2002, server:delete(c.path .. "/" .. cin.rn, "Cload"))
      h.expect(2004, server:update(c.path, "Cload", { ["m2m:cnt"] = { lbl = { "l" .. i } } }))
    end
  end
  server:stop()
  local answers, early, writes = judge(trace)
  if answers < REQUESTS or writes < REQUESTS then
    error(("the trace has %d answers and %d writes"):format(answers, writes), 0)
  end
  if early > 0 then error(("%d of %d answers were early"):format(early, answers), 0) end
  print(("on disk before the answer: %d answers of success, each behind an fdatasync of all"
    .. " %d writes before it"):format(answers, writes))
end

local ok, why = pcall(run)
h.stop_all()
if not ok then print(why) end
os.exit(ok and 0 or 1)
