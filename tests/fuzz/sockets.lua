-- Broken HTTP, WebSocket and TLS messages against a live server: luajit tests/fuzz/sockets.lua
-- COUNT [SEED].  COUNT conversations, made from good ones by a seeded mutator (broken.lua), LANES
-- at a time, on a port without TLS and one with it: the first half with a server that believes
-- originators, the other with one that wants credentials, by clients with the right ones of one AE,
-- wrong ones and none.  The server (MOON2M, best a sanitized one) must live, answer /healthz, keep
-- the part of its tree that the attacker may only read, have no AE that nobody could register, and
-- end with code 0.  What is sent last is kept for a second look.

package.path = "tests/fuzz/?.lua;tests/wire/?.lua;" .. package.path
local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local broken = require "broken"
local h = require "harness"
local tls = require "tls"

local COUNT = tonumber(arg[1]) or 20000
local SEED = tonumber(arg[2]) or os.time() % 1000000
local LANES, KEPT, PAUSE = 12, 64, 0.05
local PSK_EACH = 500            -- conversations for one with a pre-shared key, by a process
local rnd = math.random
math.randomseed(SEED)

local function pick(list) return list[rnd(#list)] end

-- ---- speaking -----------------------------------------------------------------------------------

local server, tls_port, greeting
local last, refused = {}, 0

local function connect(port, secure)
  local s = socket.connect { host = "127.0.0.1", port = port }
  s:setmode("bn", "bn")
  s:onerror(function(_, _, why) return why end)
  if s:connect(2) and (not secure or s:starttls(2)) then return s end
  s:close()
end

-- One of the ports.
local function dial()
  if rnd(3) == 1 then return connect(tls_port, true) end
  return connect(server.port)
end

local function remember(text) last[#last % KEPT + 1] = text end

-- In one piece or in some, with or without a pause.
local function write(s, text)
  remember(text)
  local from = 1
  for _ = 1, pick { 0, 0, 0, 1, 3 } do
    local to = rnd(from, math.max(from, #text))
    s:xwrite(text:sub(from, to), "bn", 1)
    if rnd(4) == 1 then cqueues.sleep(0.002) end
    from = to + 1
  end
  s:xwrite(text:sub(from), "bn", 1)
end

local function listen(s) return s:xread(-65536, "b", PAUSE) end

local function speak_http()
  local s = dial()
  if not s then return false end
  local parts = {}
  for i = 1, pick { 1, 1, 2, 4 } do parts[i] = broken.http() end
  write(s, table.concat(parts))
  if rnd(3) == 1 then s:shutdown("w") end
  if rnd(4) > 1 then listen(s) end
  s:close()
  return true
end

-- Frames follow the handshake, in a quarter of those that are broken without waiting for an answer.
local function speak_ws(path, is_broken)
  local s = dial()
  if not s then return false end
  local target = rnd(3) == 1 and path or "/"
  write(s, is_broken and broken.handshake(target) or broken.hello(target))
  if not is_broken or rnd(4) > 1 then listen(s) end
  for _ = 1, rnd(8) do
    write(s, broken.frame())
    if rnd(3) == 1 then listen(s) end
  end
  if rnd(4) > 1 then listen(s) end
  s:close()
  return true
end

local function speak_tls()
  local s = connect(tls_port)
  if not s then return false end
  write(s, broken.record(greeting))
  if rnd(2) == 1 then listen(s) end
  s:close()
  return true
end

-- One request over a session with a pre-shared key, the right one, a wrong one or of nobody.
local function speak_psk(dir, key)
  local request = broken.http()
  remember(request)
  h.write_file(dir .. "/request", request)
  h.sh("timeout 5 openssl s_client -quiet -connect 127.0.0.1:%d -psk_identity %s -psk %s %s"
    .. " <%s/request >/dev/null 2>&1", tls_port, pick { "eve@site", "eve@site", "nobody" },
    pick { key, key, ("00"):rep(32), "00" }, pick { "-tls1_2", "-tls1_3" }, dir)
  return true
end

-- ---- the run ------------------------------------------------------------------------------------

local function keep()
  local name = os.tmpname()
  local f = assert(io.open(name, "wb"))
  for i, text in ipairs(last) do f:write(("-- %d\n%s\n"):format(i, text)) end
  f:close()
  return name
end

local function fail(...)
  print(("seed %d: %s"):format(SEED, string.format(...)))
  print("what was sent last: " .. keep())
  print(server:text():sub(-2000))
  h.stop_all()
  os.exit(1)
end

local function healthy()
  if not server:alive() then fail("the server ended, code %d", server:exit_code()) end
  local status = h.curl("-o /dev/null -w '%{http_code}' " .. server.base .. "/healthz")
  if status ~= "200" then fail("/healthz answers %s", status) end
end

-- What the attacker may not change, and who is registered.
local function snapshot(headers)
  local r = server:retrieve("/moon/base?rcn=4", "CAdmin", { headers = headers })
  if r.rsc ~= 2000 then fail("the tree cannot be read: %s", r.text) end
  local aes = server:retrieve("/moon?fu=1&ty=2", "CAdmin", { headers = headers })
  if aes.rsc ~= 2000 then fail("the AEs cannot be listed: %s", aes.text) end
  return r.text, aes.text
end

-- A server with an AE that the attacker may read, base, and her own, eve; the path of eve's
-- notification service.
local function furnish()
  local dir = h.directory()
  tls.make(dir)
  server = h.start { dir = dir, args = "--listen 127.0.0.1:0,tls",
    config = ("cse = { admin = 'CAdmin' }\nidentity = { failures = 2000, brake_time = 1 }\n"
      .. "tls = { cert = %q, key = %q, profile = 'onem2m' }"):format(dir .. "/current.pem",
        dir .. "/current.key") }
  tls_port = tls.port(server)
  server:register "base"
  local eve = server:register "eve"
  local acp = h.expect(2001, server:create("/moon/base", "Cbase", 1, { ["m2m:acp"] = { rn = "p",
    pv = { acr = { { acor = { "Cbase" }, acop = 63 }, { acor = { "Ceve" }, acop = 34 } } },
    pvs = { acr = { { acor = { "Cbase" }, acop = 63 } } } } }))
  h.expect(2001, server:create("/moon/base", "Cbase", 3, { rn = "c", acpi = { acp.ri } }))
  for i = 1, 5 do server:add("/moon/base/c", "Cbase", "reading " .. i) end
  h.expect(2001, server:create("/moon/eve", "Ceve", 3, { rn = "c", mni = 20 }))
  h.expect(2001, server:create("/moon/eve/c", "Ceve", 23, { rn = "s", nu = { "Ceve" },
    enc = { net = { 3 } } }))
  return dir, eve.url:match("^%w+://[^/]+(/.*)$")
end

-- From now on the server wants credentials.  What CAdmin shows, and the key of eve's TLS identity.
local function lock()
  local function credential(arguments, input)
    local out, rc = h.sh("printf %%s %s | %s credential %s --data %s 2>/dev/null",
      h.quoted(input or ""), h.bin, arguments, server.data)
    if rc ~= 0 then fail("credential %s: %s", arguments, out) end
    return out
  end
  local token = credential "add eve Ceve"
  local base64 = h.sh("printf 'evan:open sesame' | base64")
  credential("add evan --kind basic --stdin Ceve", "open sesame\n")
  local key = credential "add gateway --kind psk --subject eve@site Ceve"
  local root = credential "add root CAdmin"
  server:signal "HUP"
  h.wait("credentials to count", function()
    return server:retrieve("/moon", "CAdmin").rsc == 4106
  end)
  local right = ("Authorization: Bearer %s\r\n"):format(token)
  local basic = ("Authorization: Basic %s\r\n"):format(base64)
  broken.proofs = { right, right, right, right, basic, basic, "",
    "Authorization: Bearer wrong\r\n", "Authorization: Basic ZXZhbjp3cm9uZw==\r\n",
    "Authorization: Basic " .. ("A"):rep(200) .. "\r\n", right .. basic }
  for _, with in ipairs { token, token, "x", "" } do
    table.insert(broken.protocols, "oneM2M.json, bearer." .. with)
  end
  return { authorization = "Bearer " .. root }, key
end

local function run(count, locked)
  local dir, path = furnish()
  local headers, key
  if locked then headers, key = lock() end
  local before, registered = snapshot(headers)
  local choice = { { 35, speak_http }, { 35, function() return speak_ws(path) end },
    { 20, function() return speak_ws(path, true) end }, { 10, speak_tls } }
  local sent = 0
  local function lane()
    while sent < count and server:alive() do
      sent = sent + 1
      local done
      if key and sent % PSK_EACH == 0 then
        done = speak_psk(dir, key)
      else
        done = broken.weighted(choice)()
      end
      if not done then
        refused = refused + 1
        cqueues.sleep(0.05)
      end
      if sent % 1000 == 0 then healthy() end
    end
  end
  local loop = cqueues.new()
  for _ = 1, LANES do loop:wrap(lane) end
  assert(loop:loop())
  healthy()
  local after, now = snapshot(headers)
  if after ~= before then fail("the tree changed:\n%s\n%s", before, after) end
  if locked and #now > #registered then fail("who registered?\n%s\n%s", registered, now) end
  local code = server:stop()
  if code ~= 0 then fail("the server ended with code %d", code) end
end

greeting = broken.greeting(h.free_port())
run(math.floor(COUNT / 2), false)
run(COUNT - math.floor(COUNT / 2), true)
print(("seed %d: %d conversations, half of them where credentials are asked for, %d connections "
  .. "refused; healthy, unchanged"):format(SEED, COUNT, refused))
h.stop_all()
