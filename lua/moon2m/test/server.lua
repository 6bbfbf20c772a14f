-- The real binary as a host of a test: `moon2m run` on a free port, asked over HTTP, told what it
-- notifies over HTTP and WebSocket.  It has the methods of a host; what a process of its own cannot
-- be told (its clock, its files) is refused with the reason.  One exists at a time, and it ends
-- with the test.

local client = require "moon2m.core.client"
local common = require "moon2m.test.common"
local native = require "moon2m.core.host"
local place = require "moon2m.test.place"
local sys = require "moon2m.core.sys"
local verbs = require "moon2m.test.verbs"

local server = setmetatable({}, { __index = verbs })

local START_TIME, STOP_TIME, ANSWER_TIME = 20, 20, 30    -- s
local SETTLE_TIME = 1            -- s at most that a read waits for the reactions to changes
local TURN = 0.02                -- s between looks at what is waited for
local METHODS = { "POST", "GET", "PUT", "DELETE", "POST" }

local current

function server.__index(self, k)
  if k == "root" then return self end
  return server[k]
end

-- ---- the configuration --------------------------------------------------------------------------

local function source(v, indent)
  if type(v) == "string" then return ("%q"):format(v) end
  if type(v) ~= "table" then return tostring(v) end
  local parts = {}
  for k, x in pairs(v) do
    local key = type(k) == "number" and "" or ("[%q] = "):format(k)
    if type(k) ~= "number" then parts[#parts + 1] = indent .. key .. source(x, indent .. "  ") end
  end
  for _, x in ipairs(v) do parts[#parts + 1] = indent .. source(x, indent .. "  ") end
  return "{\n" .. table.concat(parts, ",\n") .. "}"
end

local function write_config(self, o)
  local given = { strict = true, scripts = o.config }
  for k, v in pairs(o.server or {}) do given[k] = v end
  self.admin = given.cse and given.cse.admin or "CAdmin"
  return common.write(self.folder, "moon2m.conf", "return " .. source(given, "  "))
end

-- ---- the process --------------------------------------------------------------------------------

local function read(file)
  local f = io.open(file, "rb")
  if not f then return "" end
  local text = f:read("*a")
  f:close()
  return text
end

--- Waits until fn gives something true, and returns that; nil after `seconds`.
local function wait_for(seconds, fn)
  local give_up = sys.mono() + seconds * 1e6
  repeat
    local v = fn()
    if v then return v end
    client.turn(TURN)
  until sys.mono() > give_up
end

server.wait_for = wait_for

local function start(self, config, apps)
  local args = { "run", "-c", config, "--data", self.folder, "--set", "outgoing.loopback=true",
    "--listen",
    "127.0.0.1:" .. (self.port or 0) }
  for _, app in ipairs(apps) do args[#args + 1] = app end
  self.starts = (self.starts or 0) + 1
  self.log_file = ("%s/log.%d"):format(self.folder, self.starts)
  self.pid = assert(client.spawn(args, self.log_file))
  local ready = wait_for(START_TIME, function()
    local port = read(self.log_file):match("boot ready[^\n]* http=[^%s]-:(%d+)[^\n]*\n")
    if port then return tonumber(port) end
    local code = client.ended(self.pid)
    if code then
      self.pid = nil
      error(("the server ended with %d:\n%s"):format(code, read(self.log_file)), 0)
    end
  end)
  if not ready then error("the server does not say that it is ready", 0) end
  self.port = ready
end

local function stop(self)
  if not self.pid then return end
  local pid = self.pid
  self.pid = nil
  client.signal(pid, "TERM")
  local code = wait_for(STOP_TIME, function() return client.ended(pid) end)
  if not code then
    client.signal(pid, "KILL")
    wait_for(STOP_TIME, function() return client.ended(pid) end)
  end
  return code or -9
end

local REFUSED = { files = "a server reads its own files", now = "a server has its own clock" }

--- Starts a server: t.host's options but `files` and `now`.  What `tree` says is made by a first
-- run without scripts.
function server.new(o)
  o = o or {}
  for k in pairs(o) do
    if REFUSED[k] then place.fail("t.server: %s: %s", k, REFUSED[k]) end
  end
  server.finish()
  require("moon2m.test.host").finish()
  local self = setmetatable({ notices = {}, sockets = {}, urls = {}, datagrams = {}, expected = {},
    found = {} }, server)
  self.folder = assert(native.folder())
  self.sink = assert(client.open())
  current = self
  self.config, self.apps = write_config(self, o), common.scripts(self.folder, o.scripts or {})
  self.fr = self.admin
  local ok, why = pcall(function()
    if o.tree then
      start(self, self.config, {})
      self:plant(o.tree)
      stop(self)
    end
    start(self, self.config, self.apps)
  end)
  if not ok then
    self.broken = true
    error(place.here() .. tostring(why), 0)
  end
  return self
end

-- ---- requests -----------------------------------------------------------------------------------

local function open(self)
  if self.root ~= current or not self.root.pid then
    place.fail("this server is closed: a test has one at a time, and it ends with the test")
  end
end

-- An address as the path of a URL: "-/x" is below the CSEBase, "/x" and "//x" are absolute.
local function url_path(to)
  if to:sub(1, 2) == "//" then return "/_" .. to:sub(2) end
  if to:sub(1, 1) == "/" then return "/~" .. to end
  return "/" .. to
end

-- What an AE listens to is in the answer to its registration.
local function note_service(self, req, pc, head)
  local url = head:match("[Ll]ink: <(ws[^>]+)>")
  local aei = url and pc:match('"aei"%s*:%s*"([^"]+)"')
  if req.ty == 2 and aei then self.urls[aei] = url end
end

-- Whether every event of the scripts was handled, or set aside.
local function is_settled(self)
  local list = self.folder .. "/scripts"
  os.remove(list)
  local pid = assert(client.spawn({ "scripts", "--json", "--data", self.folder }, list))
  wait_for(ANSWER_TIME, function() return client.ended(pid) end)
  for line in read(list):gmatch("[^\n]+") do
    if line:match('"waiting":(%d+)') ~= line:match('"parked":(%d+)') then return false end
  end
  return true
end

-- A read sees what the scripts did about the changes before it, as it does in a host.
local function settle(self, op)
  if op ~= 2 then
    self.changed = true
  elseif self.changed then
    wait_for(SETTLE_TIME, function() return is_settled(self) end)
    self.changed = false
  end
end

--- Performs a request over HTTP: rsc, content.
function server:send(req)
  open(self)
  local root = self.root
  settle(root, req.op)
  root.last_rqi = (root.last_rqi or 0) + 1
  local head = ("X-M2M-Origin: %s\r\nX-M2M-RI: test%d\r\nX-M2M-RVI: 3\r\n" ..
    "Accept: application/json\r\n"):format(req.fr, root.last_rqi)
  if req.pc then
    head = head .. "Content-Type: application/json" .. (req.ty and ";ty=" .. req.ty or "") .. "\r\n"
  end
  local url = ("http://127.0.0.1:%d%s%s"):format(root.port, url_path(req.to),
    req.query and "?" .. req.query or "")
  local status, answer, body = client.http(METHODS[req.op], url, head, req.pc or "", ANSWER_TIME)
  if not status then place.fail("no answer from the server: %s", tostring(answer)) end
  note_service(root, req, body, answer)
  local code = tonumber(answer:match("[Xx]%-[Mm]2[Mm]%-[Rr][Ss][Cc]:%s*(%d+)"))
  if not code then place.fail("HTTP status %d without a response status code", status) end
  return code, body ~= "" and body or nil
end

--- The page (cse.page) at a path: { type, body }; nil when there is none.
function server:page(path)
  open(self)
  local status, head, body = client.http("GET", ("http://127.0.0.1:%d%s"):format(self.root.port,
    path), "", "", ANSWER_TIME)
  if status ~= 200 then return nil end
  return { type = head:match("[Cc]ontent%-[Tt]ype:%s*([^\r\n]+)"), body = body }
end

-- ---- time ---------------------------------------------------------------------------------------

function server.advance()
  place.fail("advance: the clock of a real server cannot be moved; h:wait(fn) waits for something")
end

--- The time of day, seconds since 1970.
function server.now() return sys.now() / 1e6 end

--- Calls fn until it returns something true, and returns that; `seconds` (10) at most.
function server:wait(fn, seconds)
  open(self)
  local v = wait_for(seconds or 10, fn)
  if not v then place.fail("waited %g seconds in vain", seconds or 10) end
  return v
end

-- ---- what came out ------------------------------------------------------------------------------

--- The URL of a target of this test, for `nu`.
function server:url(name)
  return ("http://127.0.0.1:%d/%s"):format(self.root.sink, name)
end

-- A primitive is answered, and its content is the body.
local function primitive(a, text)
  local ok, p = pcall(require("moon2m.json").decode, text)
  if not ok or type(p) ~= "table" or p.op ~= 5 then return nil end
  if type(a.from) == "number" then
    client.send(a.from, ('{"rsc":2000,"rqi":"%s","rvi":"3"}'):format(p.rqi))
  end
  return p.pc and require("moon2m.json").encode(p.pc) or ""
end

local function gather(self)
  for _, a in ipairs(client.take()) do
    local ws = type(a.from) == "number"
    local content = ws and not a.binary and primitive(a, a.body)
    local body = content or a.body
    table.insert(self.notices, { body = body, type = not ws and a.type or nil,
      target = ws and self.sockets[a.from] or self:url(a.from:sub(2)), binary = a.binary,
      frame = (content or body:find('^{"m2m:')) and "primitive" or "raw",
      sur = body:match('"sur":"([^"]+)"') })
  end
end

-- Opens the WebSocket of an AE that is asked for; what waited for it comes now.
local function listen(self, aei)
  local url = self.urls[aei]
  if not url or self.sockets[aei] then return end
  self.sockets[aei] = true
  local number, why = client.dial(url, "oneM2M.json")
  if not number then place.fail("no WebSocket for %s: %s", aei, why) end
  self.sockets[number] = aei
end

local function sur_of(self, which)
  if not which or which:sub(1, 1) ~= "/" then return nil end
  local sub = self:retrieve(which)
  return type(sub) == "table" and sub.ri
end

--- The bodies of the notifications to a target (an AE of this test's tree, or h:url(name)) or of a
-- subscription (its path; of standard notifications only), oldest first; nil: all.  Second:
-- { body, type (over HTTP), target, frame, binary } of each.  Those still under way are not there:
-- h:wait(function() return h:notifications(x)[1] end).
function server:notifications(which)
  open(self)
  local root = self.root
  if which then listen(root, which) end
  client.turn(TURN)
  gather(root)
  client.turn(0)
  local ri, bodies, about = sur_of(root, which), {}, {}
  for _, n in ipairs(root.notices) do
    if not which or n.target == which or ri and n.sur and n.sur:match("([^/]+)$") == ri then
      bodies[#bodies + 1], about[#about + 1] = n.body, n
    end
  end
  return bodies, about
end

-- The three lines of the log that tell one error.
local function errors_of(text)
  local list, last = {}, nil
  for line in text:gmatch("[^\n]+") do
    local script, what = line:match("error script ([%w_]+): (.*)$")
    if not what then
      last = nil
    elseif what:match("^in ") then
      if last then last.rule = what:match("^in (.-%)),") end
    elseif last and last.rule and not last.fate then
      last.fate, last = what, nil
    else
      last = { script = script, text = what, trace = what }
      list[#list + 1] = last
    end
  end
  return list
end

local function log_text(self)
  local parts = {}
  for i = 1, self.root.starts do parts[i] = read(("%s/log.%d"):format(self.root.folder, i)) end
  return table.concat(parts)
end

--- The errors that scripts raised, as the log tells them: { text, script, rule, fate }.
function server:errors() return errors_of(log_text(self)) end

function server:expect_error(pattern)
  common.expect(self.root.expected, pattern)
end

--- The lines of the log, { level, module, text }; with a Lua pattern those whose text matches.
function server:logged(pattern)
  local list = {}
  for line in log_text(self):gmatch("[^\n]+") do
    local level, module, text = line:match("^%S+ (%l+) (%S+) (.*)$")
    if level and (not pattern or text:find(pattern)) then
      list[#list + 1] = { level = level, module = module, text = text }
    end
  end
  return list
end

--- Writes a script into the server's folder; its path.
function server:write(name, text)
  return common.write(self.root.folder, name, text)
end

--- Stops the server and starts it again on what it has stored.
function server:restart()
  open(self)
  self = self.root
  local code = stop(self)
  if code ~= 0 then place.fail("restart: the server ended with %s", tostring(code)) end
  self.sockets = {}
  start(self, self.config, self.apps)
end

--- `moon2m reload NAME`: true; nil, message: the old version goes on.
function server:reload(name)
  open(self)
  local log = self.root.folder .. "/reload"
  os.remove(log)
  local pid = assert(client.spawn({ "reload", "--data", self.root.folder, name }, log))
  local code = wait_for(ANSWER_TIME, function() return client.ended(pid) end)
  if code == 0 then return true end
  return nil, read(log)
end

--- A datagram to a UDP port of a script, from a socket that is kept for that port.
function server:datagram(port, data, from)
  open(self)
  if from then place.fail("datagram: the sender of a real datagram is a socket of the test") end
  local ok, why = client.datagram(port, data)
  if not ok then place.fail("datagram: %s", why) end
end

--- The datagrams that came back from that port, oldest first: { data }.
function server:sent(port)
  open(self)
  if type(port) ~= "number" then place.fail("sent: of a real server the number of a UDP port") end
  local list = self.root.datagrams[port] or {}
  self.root.datagrams[port] = list
  for _, data in ipairs(client.datagrams(port)) do list[#list + 1] = { data = data } end
  return list
end

-- What a host has and a server cannot be given.
for name in pairs(require("moon2m.test.wires").verbs) do
  server[name] = server[name] or function()
    place.fail("%s: the sockets and devices of a real server are real; t.host has others", name)
  end
end

-- ---- the end ------------------------------------------------------------------------------------

local function judge(self, code)
  if code ~= 0 then
    table.insert(self.found, ("the server ended with %s\n%s"):format(tostring(code),
      read(self.log_file)))
  end
  common.judge(self.found, self:errors(), self.expected)
end

--- Stops the server that runs.  What was wrong, as a list of texts.
function server.finish()
  local self = current
  if not self then return {} end
  if not self.broken then judge(self, stop(self)) end
  current = nil
  client.close()
  native.close()
  return self.found
end

return server
