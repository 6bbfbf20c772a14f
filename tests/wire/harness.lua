-- For wire tests: a real moon2m on a free loopback port with a store of its own, and foreign
-- clients to talk to it: lua-http for HTTP and WebSocket, bare sockets (raw.lua), curl, Node's ws.
-- Every wait is bounded; `stop_all` ends what was started, by pid, and removes its directory.

local cjson = require "cjson"
local cqueues = require "cqueues"
local http_request = require "http.request"
local socket = require "cqueues.socket"
local websocket = require "http.websocket"

local harness = {}
local running = {}
local TIMEOUT = 10

local bin = os.getenv("MOON2M") or "build/moon2m"
harness.bin = bin

--- Runs a shell command; its output (standard error too) without trailing space, and its exit code.
local function sh(fmt, ...)
  local command = select("#", ...) > 0 and fmt:format(...) or fmt
  local p = assert(io.popen("{ " .. command .. "\n} 2>&1; echo \" rc=$?\""))
  local out = p:read("*a")
  p:close()
  local text, rc = out:match("^(.*) rc=(%d+)%s*$")
  return ((text or out):gsub("%s+$", "")), tonumber(rc)
end
harness.sh = sh

--- The text as one word of a shell command.
function harness.quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

function harness.sleep(s) cqueues.sleep(s) end

-- Below the ports that the kernel gives to outgoing connections, which could take one before the
-- server does; where the search begins differs by process.
local FIRST_PORT, LAST_PORT = 10000, 32000
local next_port

--- A TCP port of 127.0.0.1 that nobody used a moment ago.
function harness.free_port()
  next_port = next_port or FIRST_PORT + cqueues.monotime() * 1e6 % (LAST_PORT - FIRST_PORT)
  for _ = 1, 1000 do
    next_port = next_port < LAST_PORT and math.floor(next_port) + 1 or FIRST_PORT
    local s = socket.listen { host = "127.0.0.1", port = next_port }
    local free = pcall(function() assert(s:listen()) end)
    s:close()
    if free then return next_port end
  end
  error("no free port of 127.0.0.1")
end

local function read_file(name)
  local f = io.open(name, "rb")
  if not f then return "" end
  local text = f:read("*a")       -- nil: of /proc, and the process ended meanwhile
  f:close()
  return text or ""
end
harness.read_file = read_file

local function write_file(name, text)
  local f = assert(io.open(name, "wb"))
  f:write(text)
  f:close()
  return name
end
harness.write_file = write_file

--- Polls until fn() is true (its value is returned); fails with `what` after `seconds`.
function harness.wait(what, fn, seconds)
  local deadline = cqueues.monotime() + (seconds or TIMEOUT)
  repeat
    local v = fn()
    if v then return v end
    cqueues.sleep(0.01)
  until cqueues.monotime() > deadline
  error("waited in vain for " .. what, 2)
end

-- ---- expectations -------------------------------------------------------------------------------

local function inner(body)
  if type(body) ~= "table" then return body end
  local _, value = next(body)
  return value
end

--- Fails unless the answer (HTTP or WebSocket) has the response status code; `pattern` must then be
-- found in its m2m:dbg.  Returns what its content holds (a resource without its wrapper).
function harness.expect(code, answer, pattern)
  if not answer then error("no answer, expected " .. code, 2) end
  local content = answer.pc or answer.body
  if answer.rsc ~= code then
    error(("expected %d, got %s: %s"):format(code, tostring(answer.rsc),
      answer.text or content and cjson.encode(content) or "no content"), 2)
  end
  if pattern then
    local text = type(content) == "table" and content["m2m:dbg"] or ""
    if not text:lower():find(pattern:lower()) then
      error(("expected m2m:dbg with %q, got %q"):format(pattern, text), 2)
    end
  end
  return inner(content)
end

-- ---- the server ---------------------------------------------------------------------------------

local Server = {}
Server.__index = Server

--- A new directory below /tmp; `stop_all` does not remove it.
function harness.directory() return (sh "mktemp -d /tmp/moon2m-test.XXXXXX") end

--- Starts a server.  o = { config = text of a configuration file, scripts = { name = text }, apps =
-- { files }, args = "more options", dir = a directory to use again, listen = "host:port", env =
-- "NAME=value ..." }.  Listens
-- on a free port, after a restart on the same.  o.wait == false: does not wait until it is ready.
function harness.start(o)
  o = o or {}
  local s = setmetatable({ dir = o.dir or harness.directory(), o = o, starts = 0 }, Server)
  s.data = s.dir .. "/data"
  table.insert(running, s)
  if o.config then write_file(s.dir .. "/config.lua", o.config) end
  s.apps = { unpack(o.apps or {}) }
  local names = {}
  for name in pairs(o.scripts or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    table.insert(s.apps, write_file(("%s/%s.lua"):format(s.dir, name), o.scripts[name]))
  end
  s:run()
  return s
end

--- Starts it (again, with the same options, port and data).
function Server:run()
  local o = self.o
  self.starts = self.starts + 1
  self.log = ("%s/log.%d"):format(self.dir, self.starts)
  self.rc_file = ("%s/rc.%d"):format(self.dir, self.starts)
  local pid_file = ("%s/pid.%d"):format(self.dir, self.starts)
  local loopback = o.loopback == false and "" or "--set outgoing.loopback=true"
  local command = ("%s %s run %s --data %s %s --listen %s %s %s"):format(o.env or "", bin,
    o.config and ("-c " .. self.dir .. "/config.lua") or "", self.data, loopback,
    o.listen or ("127.0.0.1:" .. (self.port or harness.free_port())), o.args or "",
    table.concat(self.apps, " "))
  local started = cqueues.monotime()
  sh("( %s >%s 2>&1 </dev/null & echo $! >%s; wait $!; echo $? >%s ) >/dev/null 2>&1 &", command,
    self.log, pid_file, self.rc_file)
  self.pid = harness.wait("a pid", function() return tonumber(read_file(pid_file)) end)
  if o.wait == false then return end
  harness.wait("the server's ready line", function()
    local text = read_file(self.log)
    local line = text:match("boot ready[^\n]*\n")
    if line then
      self.port = tonumber(line:match("http=[%w.:%[%]]-:(%d+)")) or self.port
      self.ws_port = tonumber(line:match("ws=[%w.:%[%]]-:(%d+)")) or self.port
      return true
    end
    if not self:alive() then error("the server ended:\n" .. text, 0) end
  end, 20)
  self.ready_after = cqueues.monotime() - started
  self.base = "http://127.0.0.1:" .. self.port
end

--- A process that ended and was not waited for counts as gone.
function Server:alive()
  local state = read_file(("/proc/%d/stat"):format(self.pid)):match("^%d+ %b() (%a)")
  return state ~= nil and state ~= "Z"
end

function Server:text() return read_file(self.log) end

--- Waits until the log has a line that matches.
function Server:logs(pattern, seconds)
  return harness.wait("a log line " .. pattern, function()
    return self:text():match(pattern)
  end, seconds)
end

--- Waits for its end; the exit code.
function Server:exit_code(seconds)
  return harness.wait("process " .. self.pid .. " to end with an exit code", function()
    return tonumber(read_file(self.rc_file))
  end, seconds or 20)
end

function Server:signal(name) sh("kill -%s %d", name, self.pid) end

--- SIGTERM, and waits for the end; the exit code.
function Server:stop()
  if self:alive() then self:signal("TERM") end
  return self:exit_code()
end

--- SIGKILL: what was acknowledged must be there after `run`.
function Server:kill()
  self:signal("KILL")
  return self:exit_code()
end

function harness.stop_all()
  for _, s in ipairs(running) do
    if s.pid and s:alive() then
      if not pcall(s.stop, s) then s:kill() end
    end
    sh("rm -rf %s", s.dir)
  end
  running = {}
end

-- ---- HTTP ---------------------------------------------------------------------------------------

local ROOTS = { [1] = "m2m:acp", [2] = "m2m:ae", [3] = "m2m:cnt", [4] = "m2m:cin",
  [9] = "m2m:grp", [23] = "m2m:sub", [29] = "m2m:ts", [30] = "m2m:tsi", [60] = "m2m:tsb",
  [10] = "m2m:lcp", [24] = "m2m:smd", [34] = "m2m:dac", [43] = "m2m:alst", [47] = "m2m:tgr",
  [65] = "m2m:actr", [66] = "m2m:depr" }

local last_rqi = 0
local function next_rqi()
  last_rqi = last_rqi + 1
  return "t" .. last_rqi
end
harness.next_rqi = next_rqi

-- Attributes get the wrapper of their type; a table that has one stays.
local function wrapped(ty, attrs)
  if type(attrs) ~= "table" then return attrs end
  local name = next(attrs)
  if type(name) == "string" and name:find(":", 1, true) then return attrs end
  return { [ROOTS[ty] or "m2m:" .. tostring(ty)] = attrs }
end

local function encoded(attrs)
  if type(attrs) ~= "table" then return attrs end
  return cjson.encode(attrs)
end

--- One request.  o = { ty =, body = table or text, headers = {}, rqi =, rvi = }.  Returns
-- { status =, rsc = number, body = decoded, text =, headers = }.
function Server:http(method, path, origin, o)
  o = o or {}
  local req = http_request.new_from_uri(self.base .. "/")
  req.headers:upsert(":method", method)
  req.headers:upsert(":path", path)
  req.version = 1.1
  if origin then req.headers:upsert("x-m2m-origin", origin) end
  if o.rqi ~= false then req.headers:upsert("x-m2m-ri", o.rqi or next_rqi()) end
  if o.rvi ~= false then req.headers:upsert("x-m2m-rvi", o.rvi or "3") end
  if o.body then
    req.headers:upsert("content-type", "application/json" .. (o.ty and ";ty=" .. o.ty or ""))
    req:set_body(encoded(o.body))
    req.headers:delete("expect")
  end
  for k, v in pairs(o.headers or {}) do
    if v then req.headers:upsert(k, v) else req.headers:delete(k) end
  end
  local headers, stream = req:go(o.timeout or TIMEOUT)
  assert(headers, tostring(stream))
  local text = stream:get_body_as_string(TIMEOUT) or ""
  stream:shutdown()
  if stream.connection then pcall(stream.connection.close, stream.connection) end  -- may be closed
  local ok, body = pcall(cjson.decode, text)
  return { status = tonumber((headers:get(":status"))), rsc = tonumber((headers:get("x-m2m-rsc"))),
    body = ok and body or nil, text = text, headers = headers }
end

--- attrs: a table of attributes, a wrapped resource, or text.
function Server:create(path, origin, ty, attrs, o)
  o = o or {}
  o.ty, o.body = ty, wrapped(ty, attrs)
  return self:http("POST", path, origin, o)
end

function Server:retrieve(path, origin, o) return self:http("GET", path, origin, o) end

--- attrs: a wrapped resource ({ ["m2m:cnt"] = {...} }) or text.
function Server:update(path, origin, attrs, o)
  o = o or {}
  o.body = attrs
  return self:http("PUT", path, origin, o)
end

function Server:delete(path, origin, o) return self:http("DELETE", path, origin, o) end

--- Creates a contentInstance below a container that must succeed; its representation.
function Server:add(path, origin, con)
  return harness.expect(2001, self:create(path, origin, 4, { con = con }))
end

--- Registers AE `name` as "C"..name.  Returns { aei =, url = notification service, res = }.
function Server:register(name, attrs)
  local ae = { rn = name, api = "Ntest", rr = true, srv = { "3" } }
  for k, v in pairs(attrs or {}) do ae[k] = v end
  local a = self:create("/moon", "C" .. name, 2, ae)
  if a.rsc ~= 2001 then error("registration failed: " .. a.text, 2) end
  local link = a.headers:get("link")
  return { aei = a.body["m2m:ae"].aei, url = link and link:match("<([^>]+)>"), link = link,
    res = a.body["m2m:ae"] }
end

--- The value of a metric (the sum over its labels); nil when there is none.
function Server:metric(name, labels)
  local text = self:retrieve("/metrics", nil, { rqi = false, rvi = false }).text
  local sum
  for line in text:gmatch("[^\n]+") do
    local n, l, v = line:match("^([%w_:]+)(%b{}) (%S+)$")
    if not n then n, v = line:match("^([%w_:]+) (%S+)$") end
    if n == name and (not labels or (l or ""):find(labels, 1, true)) then
      sum = (sum or 0) + tonumber(v)
    end
  end
  return sum
end

-- ---- WebSocket ----------------------------------------------------------------------------------

local Socket = {}
Socket.__index = Socket

--- Opens a WebSocket.  url: "ws://..." or a path; o = { protocols = {..}, headers = {} }.
-- nil, reason when the handshake is refused.
function Server:ws(url, o)
  o = o or {}
  if url:sub(1, 1) == "/" then url = ("ws://127.0.0.1:%d%s"):format(self.ws_port, url) end
  local ws = websocket.new_from_uri(url, o.protocols)
  for k, v in pairs(o.headers or {}) do ws.request.headers:upsert(k, v) end
  local ok, why, extra = ws:connect(TIMEOUT)
  if not ok then return nil, why, extra end
  return setmetatable({ ws = ws, held = {}, protocol = ws.protocol }, Socket)
end

--- A WebSocket on "/" with subprotocol oneM2M.json, for `origin` (nil: nobody yet).
function Server:primitives(origin)
  return assert(self:ws("/", { protocols = { "oneM2M.json" },
    headers = origin and { ["x-m2m-origin"] = origin } }))
end

--- The notification connection of a registered AE (as `register` returns it).
function Server:listen(ae) return assert(self:ws(ae.url, { protocols = { "oneM2M.json" } })) end

function Socket:send(primitive, opcode)
  local text = type(primitive) == "table" and encoded(primitive) or primitive
  return self.ws:send(text, opcode or "text", TIMEOUT)
end

--- The next message: decoded table, text, opcode; nil, reason when none came in `seconds` or it was
-- closed (then self:closed()).
function Socket:receive(seconds)
  local text, opcode = self.ws:receive(seconds or TIMEOUT)
  if not text then return nil, opcode end
  local ok, v = pcall(cjson.decode, text)
  return ok and v or text, text, opcode
end

--- Sends a request and returns its response; notifications that come meanwhile are held back.
function Socket:request(primitive, seconds)
  primitive.rqi = primitive.rqi or next_rqi()
  primitive.rvi = primitive.rvi or "3"
  assert(self:send(primitive))
  return self:response(primitive.rqi, seconds)
end

function Socket:response(rqi, seconds)
  while true do
    local m, why = self:receive(seconds)
    if not m then return nil, why end
    if m.rqi == rqi and m.rsc then return m end
    table.insert(self.held, m)
  end
end

--- The next notification, acknowledged (unless ack is false): its primitive.
function Socket:notification(seconds, ack)
  local m, why
  if self.held[1] then m = table.remove(self.held, 1) else m, why = self:receive(seconds) end
  if not m then return nil, why end
  if ack ~= false and type(m) == "table" and m.op == 5 then
    self:send { rsc = 2000, rqi = m.rqi, rvi = "3" }
  end
  return m
end

--- The next notification's m2m:sgn, acknowledged; fails when none comes.
function Socket:sgn(seconds)
  local m, why = self:notification(seconds)
  if not m then error("no notification: " .. tostring(why), 2) end
  local sgn = type(m) == "table" and m.pc and m.pc["m2m:sgn"]
  if not sgn then error("not a notification: " .. cjson.encode(m), 2) end
  return sgn, m
end

--- The content of the next notification's instance.
function Socket:content(seconds)
  local m, why = self:notification(seconds)
  if not m then error("no notification: " .. tostring(why), 2) end
  local sgn = type(m) == "table" and m.pc and m.pc["m2m:sgn"]
  if not (sgn and sgn.nev) then error("not an event: " .. cjson.encode(m), 2) end
  return inner(sgn.nev.rep).con, m
end

--- Fails when a message comes within `seconds`.
function Socket:expect_silence(seconds)
  local m = table.remove(self.held, 1) or self:receive(seconds or 0.3)
  if m then error("expected silence, got " .. cjson.encode(m), 2) end
end

--- Waits until the server closed it; the close code (nil: it did not, or without a close frame).
function Socket:closed(seconds)
  local deadline = cqueues.monotime() + (seconds or TIMEOUT)
  while not self.ws.got_close_code and cqueues.monotime() < deadline do
    local m, why = self.ws:receive(deadline - cqueues.monotime())
    if not m and not self.ws.got_close_code then return nil, why end
  end
  return self.ws.got_close_code, self.ws.got_close_message
end

function Socket:close() self.ws:close(1000, "", 2) end

--- Drops the connection without a close frame, as a lost link does.
function Socket:drop()
  self.ws.socket:shutdown()
  self.ws.socket:close()
  self.ws.readyState = 3
end

-- ---- other clients ------------------------------------------------------------------------------

--- Runs tests/wire/NAME.js under Node with Debian's modules; output, exit code.
function harness.node(name, ...)
  local args = {}
  for i, v in ipairs { ... } do args[i] = harness.quoted(tostring(v)) end
  return sh("NODE_PATH=/usr/share/nodejs timeout 30 node tests/wire/%s.js %s", name,
    table.concat(args, " "))
end

--- curl with the arguments given as one text of shell words; output, exit code.
function harness.curl(args) return sh("timeout 20 curl -sS " .. args) end

return harness
