-- A disk that is full: luajit tests/faults/disk.lua [MIB] [SECONDS], as root, for it mounts a tmpfs
-- of so many MiB (16).
-- Creates are answered 5000 at once, reads go on; with room again (the tmpfs grows) creates succeed
-- without a restart; a backup that has no room says so; nothing that was answered is lost.

package.path = "tests/wire/?.lua;tests/crash/?.lua;" .. package.path

local h = require "harness"
local load = require "load"

local MIB, SECONDS = tonumber(arg[1]) or 16, tonumber(arg[2]) or 2
local AT_ONCE = 5         -- seconds for an answer, on a busy machine

local function must(fmt, ...)
  local out, rc = h.sh(fmt, ...)
  if rc ~= 0 then error(out, 0) end
  return out
end

local function full(server, c)
  local r = load.run(server, c, { seconds = 120, bytes = 4000, stop = function(rsc)
    return rsc ~= 2001
  end })
  if not r.refused[5000] then error("the disk was not full after 120 s", 0) end
  local again = load.run(server, c, { seconds = SECONDS, bytes = 4000 })
  for rsc in pairs(again.refused) do
    if rsc ~= 5000 then error("a create was answered " .. rsc, 0) end
  end
  if again.slowest > AT_ONCE then error(("an answer took %.1f s"):format(again.slowest), 0) end
  h.expect(2000, server:retrieve(c.path .. "/la", "Cload"))
  local n = load.judge(server, c)
  local text, rc = h.sh("%s backup --data %s %s/b", h.bin, server.data, server.dir)
  if rc ~= 1 or not text:find "the disk is full" then error("backup: " .. text, 0) end
  return n, again
end

local function run(dir)
  must("mkdir -m 700 %s/data && mount -t tmpfs -o size=%dm,mode=700 tmpfs %s/data", dir, MIB, dir)
  local server = h.start { dir = dir }
  local c = load.prepare(server)
  local n, again = full(server, c)
  local refused = 0
  for _, k in pairs(again.refused) do refused = refused + k end
  must("mount -o remount,size=64m %s/data", dir)
  local after = load.run(server, c, { seconds = SECONDS / 2, bytes = 4000 })
  if after.created == 0 then error("no create succeeded with room again", 0) end
  load.judge(server, c)
  server:kill()
  server:run()
  print(("disk full: %d instances in %d MiB, then %d answers of 5000 in %g s, the slowest %.0f ms,"
    .. " reads and counts right; %d creates in %g s after there was room; 0 lost, also over"
    .. " kill -9"):format(n, MIB, refused, SECONDS, again.slowest * 1000, after.created,
    SECONDS / 2))
  load.judge(server, c)
end

if h.sh "id -u" ~= "0" then
  print "disk full: not tried, it needs root to mount a small file system"
  os.exit(0)
end
local dir = h.directory()
local ok, why = pcall(run, dir)
pcall(h.stop_all)
h.sh("umount %s/data; rm -rf %s", dir, dir)
if not ok then print(why) end
os.exit(ok and 0 or 1)
