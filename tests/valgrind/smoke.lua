-- The server under valgrind's memcheck: luajit tests/valgrind/smoke.lua.  It starts with a script,
-- speaks HTTP and WebSocket with TLS and without, registers, creates, notifies, is refused, reloads
-- its script and its configuration, makes a backup, stops.  What memcheck says is in
-- out/valgrind.log; the end is 1 when it says anything, or when an answer is not the right one.

package.path = "tests/wire/?.lua;" .. package.path
local h = require "harness"
local raw = require "raw"
local tls = require "tls"
local expect = h.expect

local LOG = "out/valgrind.log"
local SECONDS = 60              -- for an answer: all takes some thirty times as long

-- LuaJIT's memory is vm.c's allocator over malloc, and its machine code is looked at again when it
-- changed (smc-check): nothing of a library has to be left out.
local MEMCHECK = "valgrind --tool=memcheck --leak-check=full --show-leak-kinds=definite,possible "
  .. "--errors-for-leak-kinds=definite,possible --error-exitcode=99 --num-callers=30 "
  .. "--smc-check=all-non-file --log-file=" .. LOG

local SCRIPT = [[
local cse = require "moon2m"
cse.check("create", "/pump/*", function(req) if req.pc.con == "%s" then return false, "no" end end)
cse.on("create", "/pump/c", function(ev) cse.add("/pump/seen", "seen " .. tostring(ev.res.con)) end)
cse.virtual("/pump/twice", function() return 2 * 21 end)
cse.format("line", function(n) return n.res.con and n.to .. " " .. n.res.con, "text/plain" end)
cse.every(0.2, function() collectgarbage "step" end)
]]

local function furnish(dir)
  tls.make(dir)
  h.write_file(dir .. "/own.lua", SCRIPT:format "bad")
  return h.start { dir = dir, apps = { dir .. "/own.lua" }, env = MEMCHECK,
    args = "--listen 127.0.0.1:0,tls",
    config = ("tls = { cert = %q, key = %q }"):format(dir .. "/current.pem",
      dir .. "/current.key") }
end

local function http(s)
  local me = "Cpump"
  s:register "pump"
  s:register "other"
  for _, rn in ipairs { "c", "seen" } do
    expect(2001, s:create("/moon/pump", me, 3, { rn = rn, mni = 3, lbl = { "a" } }))
  end
  for i = 1, 6 do expect(2001, s:create("/moon/pump/c", me, 4, { con = "reading " .. i })) end
  expect(2004, s:update("/moon/pump/c", me, { ["m2m:cnt"] = { lbl = { "b" } } }))
  expect(2000, s:retrieve("/moon/pump?rcn=4", me))
  expect(2000, s:retrieve("/moon?fu=1&ty=4&lim=3", me))
  expect(2000, s:retrieve("/moon/pump/twice", me))
  expect(4004, s:retrieve("/moon/pump/none", me))
  expect(4103, s:retrieve("/moon/pump/c", "Cother"))
  expect(4000, s:create("/moon/pump/c", me, 4, "{bad"))
  assert(s:create("/moon/pump/c", me, 4, { con = "bad" }).rsc ~= 2001)
  local c = raw.connect(s.port)
  assert(c:write("GET /moon HTTP/1.1\r\nHost : x\r\n\r\n"):response(false, SECONDS).status == 400)
  c:close()
end

-- A subscriber in the standard format, one in the script's.
local function notify(s)
  expect(2001, s:create("/moon/pump/c", "Cpump", 23, { rn = "s", nu = { "Cpump" },
    enc = { net = { 3 } } }))
  for protocol, want in pairs { ["oneM2M.json"] = "heard", line = "heard" } do
    local c, hello = raw.websocket(s.port, ("Sec-WebSocket-Protocol: %s\r\nX-M2M-Origin: Cpump\r\n")
      :format(protocol))
    assert(hello.status == 101, hello.line)
    expect(2001, s:create("/moon/pump/c", "Cpump", 4, { con = want }))
    local op, data
    repeat op, data = c:frame(SECONDS) until op ~= 9
    assert(op == 1 and data:find(want, 1, true), data)
    local rqi = data:match '"rqi":"([^"]+)"'
    if rqi then c:write(raw.frame(0x81, ('{"rsc":2000,"rqi":"%s","rvi":"3"}'):format(rqi))) end
    c:write(raw.frame(0x81, '{"op":2,"to":"moon/pump","fr":"Cpump","rqi":"w","rvi":"3"}'))
    repeat op, data = c:frame(SECONDS) until op == 1 and data:find('"rqi":"w"', 1, true)
    c:write(raw.frame(0xc1, "a reserved bit"))
    assert(c:close_code(SECONDS) == 1002)
    c:close()
  end
end

local function reload(s)
  h.write_file(s.dir .. "/own.lua", SCRIPT:format "worse")
  local out, rc = h.sh("timeout %d %s reload own --data %s", SECONDS, h.bin, s.data)
  assert(rc == 0, out)
  expect(2001, s:create("/moon/pump/c", "Cpump", 4, { con = "bad" }))
  h.write_file(s.dir .. "/own.lua", "this is no Lua")
  out, rc = h.sh("timeout %d %s reload own --data %s", SECONDS, h.bin, s.data)
  assert(rc == 1, out)
  s:signal "HUP"
  out, rc = h.sh("timeout %d %s scripts --data %s", SECONDS, h.bin, s.data)
  assert(rc == 0 and out:find("own", 1, true), out)
  out, rc = h.sh("timeout %d %s backup %s/backup --data %s", SECONDS, h.bin, s.dir, s.data)
  assert(rc == 0, out)
end

local function secure(s)
  local out, rc = tls.curl(s, "-i -H 'X-M2M-Origin: Cpump' -H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3'",
    "/moon/pump/c/la")
  assert(rc == 0 and out:find("200", 1, true), out)
  local c, hello = raw.websocket(tls.port(s), nil, nil, true)
  assert(hello.status == 101, hello.line)
  c:write(raw.frame(0x89, "ping") .. raw.frame(0x88, "\3\232"))
  assert(c:frame(SECONDS) == 10 and c:close_code(SECONDS) == 1000)
  c:close()
end

local function main()
  local s = furnish(h.directory())
  http(s)
  notify(s)
  reload(s)
  secure(s)
  expect(2002, s:delete("/moon/pump", "Cpump"))
  local code = s:stop()
  assert(code == 0, ("the server ended with code %d\n%s"):format(code, s:text()))
end

h.sh("mkdir -p out; rm -f %s", LOG)
local ok, why = xpcall(main, debug.traceback)
local log = h.read_file(LOG)
if not ok or not log:find("ERROR SUMMARY: 0 errors", 1, true) then
  print(why or "", "\n", log)
  h.stop_all()
  os.exit(1)
end
print(log:match("[^\n]*ERROR SUMMARY[^\n]*"))
h.stop_all()
