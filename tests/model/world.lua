-- The world of one seed of the model test: containers, AEs with their connections, URL targets,
-- subscriptions, on a real server; each function does one thing there and tells the model of it.
-- All resources have names of this seed, so that seeds share a server, and are deleted at the end.

local cjson = require "cjson"
local cqueues = require "cqueues"
local h = require "harness"
local http = require "http"
local model = require "model"
local peer = require "peer"
local sink = require "sink"

local world = {}
local World = {}
World.__index = World

local now = cqueues.monotime
local CONNECTIONS = 4     -- for requests at the same time
local GRACE = 1.0         -- seconds in which what is done is written to disk

--- Numbers from a seed: below(n) is 1..n, chance(p) is true p times in a hundred.
local function random(seed)
  local x = seed * 7919 % 2147483646 + 1
  local r = {}
  function r.below(n)
    x = x * 16807 % 2147483647
    return math.floor(x / 2147483647 * n) + 1
  end
  function r.chance(p) return r.below(100) <= p end
  function r.one_of(list) return list[r.below(#list)] end
  for _ = 1, 5 do r.below(2) end
  return r
end

-- ---- requests -----------------------------------------------------------------------------------

local function connect(w)
  w.https = {}
  for i = 1, CONNECTIONS do w.https[i] = http.new(w.server.port) end
end

-- One request that must be answered with the code; its content without the wrapper, the answer.
function World:must(code, method, path, origin, ty, body)
  local a = self.https[1]:request(method, path, origin, ty, body)
  if not a or a.rsc ~= code then
    error(("%s %s: expected %d, got %s"):format(method, path, code, a and a.head .. a.text
      or "no answer"), 0)
  end
  local ok, v = pcall(cjson.decode, a.text)
  return ok and select(2, next(v)), a
end

function World:say(fmt, ...)
  self.dialogue[#self.dialogue + 1] = ("%8.3f "):format(now() - self.began) .. fmt:format(...)
end

-- ---- making it ----------------------------------------------------------------------------------

function World:register(name)
  local _, a = self:must(2001, "POST", "/moon", "C" .. name, 2, { ["m2m:ae"] = { rn = name,
    api = "Nmodel", rr = true, srv = { "3" } } })
  return { key = "C" .. name, name = name, token = a.head:match("<ws://[^/>]+(/notify/[^>]+)>") }
end

local function make_containers(w)
  w.owner = w:register(w.prefix)
  local everybody = { acr = { { acor = { "all" }, acop = 63 } } }
  local acp = w:must(2001, "POST", "/moon/" .. w.prefix, w.owner.key, 1,
    { ["m2m:acp"] = { rn = "open", pv = everybody, pvs = everybody } })
  for i = 1, w.r.below(3) do
    local path = ("/moon/%s/c%d"):format(w.prefix, i)
    w:must(2001, "POST", path:match("^(.*)/"), w.owner.key, 3,
      { ["m2m:cnt"] = { rn = "c" .. i, acpi = { acp.ri } } })
    w.containers[i] = { path = path, live = {} }
  end
end

local function make_targets(w)
  for i = 1, 1 + w.r.below(4) do
    local ae = w:register(("%sa%d"):format(w.prefix, i))
    ae.way = w.r.one_of { "token", "token", "origin", "shared", "shared" }
    ae.raw = ae.way == "token" and w.r.chance(20)        -- sometimes asks for the raw format
    w.aes[i] = ae
  end
  for i = 1, w.r.below(3) - 1 do
    local s = sink.new(w.cq, w.r.one_of { "http", "http", "ws" })
    s.line, s.keys = { keys = {}, opened = 0 }, { [s.url] = true }
    w.sinks[i] = s
    if s.kind == "ws" then w:fuzzy(s.url) end
  end
end

--- o = { server = of the harness, seed =, cq = controller, small =, window =, answer_time = }.
function world.new(o)
  local w = setmetatable({ server = o.server, seed = o.seed, r = random(o.seed), cq = o.cq, o = o,
    prefix = "m" .. o.seed, containers = {}, aes = {}, sinks = {}, dialogue = {}, lines = {},
    began = now(), last_v = 0, fat = 0 }, World)
  w.model = model.new { small = o.small, window = o.window, answer_time = o.answer_time, now = now }
  w.say_fn = function(...) w:say(...) end
  connect(w)
  make_containers(w)
  make_targets(w)
  -- Some seeds have contents that fill the network's buffers when a reader stalls.
  if w.r.chance(10) then w.fat = 5000 + w.r.below(15000) end
  return w
end

-- ---- connections --------------------------------------------------------------------------------

local function retire(w, line)
  for i, l in ipairs(w.lines) do
    if l == line then table.remove(w.lines, i) break end
  end
  for key in pairs(line.keys) do
    for _, ae in ipairs(w.aes) do
      if ae.key == key and ae.line == line then ae.line = nil end
    end
  end
end

local function open_line(w, o)
  o.port, o.model, o.log, o.window = w.server.ws_port, w.model, w.say_fn, w.o.window
  local line = peer.line(o)
  w.lines[#w.lines + 1] = line
  return line
end

-- The AE comes to a connection where it may have been before: what it was sent there comes again.
local function come(ae, line)
  for x in pairs(line.last or {}) do
    if x.key == ae.key then line.last[x] = nil end
  end
  line.keys[ae.key] = true
  line.stays = line.stays or {}
  line.stays[ae.key] = (line.stays[ae.key] or 1) + 1
end

-- Takes the AE over from its older connection, which is read to its end first: what is on it was
-- sent before.
local function bind(w, ae, line)
  local old = ae.line
  ae.line = line
  line.keys[ae.key], line.moving[ae.key] = true, nil
  if old == line then return end
  if not old then return end
  local others = 0
  for key in pairs(old.keys) do
    if key ~= ae.key then
      for _, b in ipairs(w.aes) do others = others + (b.line == old and b.key == key and 1 or 0) end
    end
  end
  if others > 0 then                       -- it goes on for the others
    old:sync()
    old:read(1e9)
    return
  end
  local code = old:finish(8)
  if code ~= 1000 then error(ae.key .. ": taken over, closed with " .. tostring(code), 0) end
  old:over()
  retire(w, old)
end

local function shared_line(w, ae)
  local line
  for _, l in ipairs(w.lines) do
    if l.shared and not l.ws.ended and w.r.chance(80) then line = l end
  end
  if ae.line and line == ae.line then return line end
  if ae.line then ae.line:move(ae.key) end
  line = line or open_line(w, { path = "/", protocol = "oneM2M.json" })
  line.shared = true
  line.answer = nil
  come(ae, line)
  line.ws:send { cjson.encode { op = 2, to = "moon/" .. ae.name, fr = ae.key, rqi = "bind",
    rvi = "3" } }
  local deadline = now() + 10
  while not line.answer do
    line:poll()
    if not line.answer then line.ws:wait(0.05) end
    if line.ws.ended or now() > deadline then error("no answer on a shared connection", 0) end
  end
  if line.answer.rsc ~= 2000 then error("binding: " .. line.answer.rsc, 0) end
  return line
end

--- Connects an AE, in its way; when it is connected this is a take-over.
function World:join(ae)
  self:say("join %s%s", ae.key, ae.line and " (takes over)" or "")
  local line
  if ae.line and ae.way ~= "shared" then ae.line:move(ae.key) end
  if ae.way == "shared" then
    line = shared_line(self, ae)
  elseif ae.way == "origin" then
    line = open_line(self, { path = "/", protocol = "oneM2M.json", origin = ae.key })
  else
    local raw = ae.raw and self.r.chance(50)
    if raw then self:fuzzy(ae.key) end
    line = open_line(self, { path = ae.token, protocol = raw and "line" or "oneM2M.json" })
  end
  bind(self, ae, line)
end

--- The AE's events may be raw frames from now on: what a lost connection carried is lost.
function World:fuzzy(key)
  self.maybe_raw = self.maybe_raw or {}
  self.maybe_raw[key] = true
  for _, x in ipairs(self.model.streams) do
    if x.key == key then x.fuzzy = true end
  end
end

--- Closes the AE's connection (and that of those who share it).
function World:leave(ae, clean)
  self:say("leave %s %s", ae.key, clean and "cleanly" or "at once")
  local line = ae.line
  line:close(clean)
  retire(self, line)
end

-- The server ended: what it sent before is read, then the connections are no more.
local function all_lost(w)
  while w.lines[1] do
    local line = w.lines[1]
    line:finish(5)
    line:over()
    retire(w, line)
  end
end

-- ---- subscriptions ------------------------------------------------------------------------------

-- While fn waits for answers, requests to the AEs are answered.
function World:meanwhile(fn)
  local done, ok, why
  self.cq:wrap(function()
    ok, why = pcall(fn)
    done = true
  end)
  while not done do
    for _, line in ipairs(self.lines) do
      if not line.ws.ended then line:poll() end
    end
    cqueues.sleep(0.001)
  end
  if not ok then error(why, 0) end
end

local NETS = { { 3 }, { 3 }, { 3 }, { 1, 3 }, { 3, 4 }, { 1 }, { 1, 3, 4 } }

local function choose_targets(w, raw)
  local first = w.r.one_of(w.aes)
  local list = { first }
  if not raw then
    for _, ae in ipairs(w.aes) do
      if ae ~= first and w.r.chance(40) then list[#list + 1] = ae end
    end
  end
  local nu, keys = {}, {}
  for i, ae in ipairs(list) do nu[i], keys[i] = ae.key, ae.key end
  for _, s in ipairs(w.sinks) do
    if w.r.chance(40) then
      nu[#nu + 1], keys[#keys + 1] = s.url, s.url
      s.line.keys[s.url] = true
    end
  end
  for i = 2, #list do                    -- they are asked whether they agree
    if not list[i].line then w:join(list[i]) end
  end
  return first, nu, keys
end

function World:subscribe()
  if #self.aes == 0 then return end
  local r = self.r
  local c, raw = r.one_of(self.containers), r.chance(25)
  local net = raw and { 3 } or r.one_of(NETS)
  local first, nu, keys = choose_targets(self, raw)
  local enc = { net = net, chty = #net + net[1] > 2 and { 4 } or nil }
  local attrs = { nu = nu, enc = enc, lbl = raw and { "format:line" } or nil,
    exc = r.chance(12) and r.below(15) or nil, nec = r.chance(8) and 4 or nil }
  local sub
  self:meanwhile(function()
    sub = self:must(2001, "POST", c.path, first.key, 23, { ["m2m:sub"] = attrs })
  end)
  local s = { sur = "/moon/" .. sub.ri, path = c.path .. "/" .. sub.rn, container = c, net = {},
    targets = keys, raw = raw, exc = attrs.exc, newest = attrs.nec ~= nil }
  for _, n in ipairs(net) do s.net[n] = true end
  self:say("subscribe %s: %s net %s%s%s%s", s.sur, table.concat(keys, " "), table.concat(net, ","),
    raw and " raw" or "", s.exc and " exc " .. s.exc or "", s.newest and " newest" or "")
  self.model:subscribe(s)
  for key in pairs(self.maybe_raw or {}) do self:fuzzy(key) end
end

function World:unsubscribe()
  local list = {}
  for _, s in pairs(self.model.subs) do
    if not s.ended and not s.exc then list[#list + 1] = s end
  end
  table.sort(list, function(a, b) return a.sur < b.sur end)
  if #list == 0 then return end
  local s = self.r.one_of(list)
  self:say("unsubscribe %s", s.sur)
  self:must(2002, "DELETE", s.path, "CAdmin")
  self.model:unsubscribe(s)
end

function World:deregister()
  if #self.aes < 2 then return end
  local i = self.r.below(#self.aes)
  local ae = table.remove(self.aes, i)
  self:say("deregister %s", ae.key)
  self:must(2002, "DELETE", "/moon/" .. ae.name, ae.key)
  self.model:forget(ae.key)
  if ae.line then ae.line:move(ae.key) end
end

-- ---- events -------------------------------------------------------------------------------------

local function content(w)
  w.last_v = w.last_v + 1
  local pad = w.fat > 0 and w.fat or w.r.below(60)
  return tostring(w.last_v), { ["m2m:cin"] = { con = w.last_v .. "." .. ("x"):rep(pad) } }
end

-- Sends n creates over several connections; the list of what is under way.
local function send_burst(w, n)
  local list = {}
  for i = 1, n do
    local c = w.r.one_of(w.containers)
    local v, body = content(w)
    local via = w.https[(i - 1) % #w.https + 1]
    if via:send("POST", c.path, "CAdmin", 4, body) then
      list[#list + 1] = { c = c, v = v, via = via }
    end
  end
  return list
end

local function publish_created(w, list)
  table.sort(list, function(a, b) return a.st < b.st end)
  for _, b in ipairs(list) do
    b.c.live[#b.c.live + 1] = { v = b.v, rn = b.rn }
    w:say("event %s of %s st %d", b.v, b.c.path, b.st)
    w.model:publish(b.c, 3, b.v)
  end
end

-- Those that were answered; the others are returned.
local function take_answers(list)
  local answered, open = {}, {}
  for _, b in ipairs(list) do
    local a = b.via:answer()
    if a and a.rsc ~= 2001 then error("a create was answered " .. a.head .. a.text, 0) end
    if a then
      b.st, b.rn = tonumber(a.text:match('"st":(%d+)')), a.text:match('"rn":"([^"]+)"')
      answered[#answered + 1] = b
    else
      open[#open + 1] = b
    end
  end
  return answered, open
end

function World:create(n)
  local answered, open = take_answers(send_burst(self, n))
  if open[1] then error("a create was not answered", 0) end
  publish_created(self, answered)
end

function World:update()
  local c = self.r.one_of(self.containers)
  self.last_v = self.last_v + 1
  local v = "u" .. self.last_v
  self:must(2004, "PUT", c.path, "CAdmin", nil, { ["m2m:cnt"] = { lbl = { v } } })
  self:say("update %s of %s", v, c.path)
  self.model:publish(c, 1, v)
end

function World:delete_instance()
  local c = self.r.one_of(self.containers)
  if #c.live == 0 then return end
  local one = table.remove(c.live, self.r.below(#c.live))
  self:must(2002, "DELETE", c.path .. "/" .. one.rn, "CAdmin")
  self:say("delete %s of %s", one.v, c.path)
  self.model:publish(c, 4, "d" .. one.v)
end

-- ---- URL targets --------------------------------------------------------------------------------

-- A WebSocket that is dialled hands notices over as a raw connection does: what was in one that
-- broke is lost, also what the server wrote before it knew.
local function lose(w, s)
  if s.broke and now() - s.broke < 0.5 then w.model:lossy(s.keys) end
end

--- Judges what URL targets have received.
function World:look_at_sinks()
  for _, s in ipairs(self.sinks) do
    lose(self, s)
    local list = s.inbox
    s.inbox = {}
    for _, entry in ipairs(list) do
      local f = peer.parse(entry.text)
      if f.kind == "notice" then
        if s.again then s.line = { keys = s.keys, opened = 0, ended_at = now() } end
        local _, e = self.model:arrived(s.line, s.url, { sur = f.sur, v = f.v, rqi = entry.rqi })
        self:say("  got %s %s v=%s rqi=%s%s", s.url, f.sur, f.v, tostring(entry.rqi),
          entry.done and "" or " (not done)")
        if entry.done then
          e.acked, e.delivered = entry.at, entry.ok
          e.sure = s.kind == "http" and not self.model:doubtful(entry.at)
        end
        s.again = not e.sure or not entry.rqi
      end
    end
  end
end

-- ---- restarts -----------------------------------------------------------------------------------

local function by_url(key) return key:find("://", 1, true) ~= nil end

-- Of what was not answered, what is there: those are events too.
local function recover(w, open)
  for _, c in ipairs(w.containers) do
    local mine = {}
    for _, b in ipairs(open) do
      if b.c == c then mine[b.v] = b end
    end
    if next(mine) then
      local list, _ = w:must(2000, "GET", c.path .. "?rcn=8&ty=4&lim=1000", "CAdmin")
      for _, cin in ipairs(list["m2m:cin"] or list) do
        local b = mine[cin.con:match("^%d+")]
        if b then b.st, b.rn = cin.st, cin.rn end
      end
    end
  end
  local found = {}
  for _, b in ipairs(open) do
    if b.st then found[#found + 1] = b end
  end
  return found
end

local function after_restart(w)
  for _, s in ipairs(w.sinks) do s.again = true end
  w.server:run()
  w.model:restarted()         -- URL targets have read what was under way
  connect(w)
end

--- kill -9 while creates are under way.
function World:kill()
  local list = send_burst(self, self.r.below(16))
  cqueues.sleep(self.r.below(6) * 0.001)
  self.server:kill()
  self:say("killed")
  self.model.crashed = true
  self.model:doubt(GRACE)
  local answered, open = take_answers(list)
  after_restart(self)
  for _, b in ipairs(recover(self, open)) do answered[#answered + 1] = b end
  publish_created(self, answered)
  all_lost(self)
  self:look_at_sinks()
end

--- SIGTERM: what is connected acknowledges, or (rarely) does not and is waited for in vain.
function World:stop()
  local stubborn = self.r.chance(5)
  self:say("stop%s", stubborn and ", nobody acknowledges" or "")
  self.server:signal "TERM"
  local deadline = now() + 15
  while self.server:alive() do
    for _, line in ipairs(self.lines) do
      if not stubborn then
        line:read(1e9)
        line:ack(1e9, function() return 1 end)
        line:ping()
      end
    end
    cqueues.sleep(0.003)
    if now() > deadline then error("SIGTERM does not end it", 0) end
  end
  local code = self.server:exit_code()
  if code ~= 0 then error("SIGTERM ended it with exit code " .. code, 0) end
  self.model:doubt(GRACE, by_url)
  after_restart(self)
  all_lost(self)
  self:look_at_sinks()
end

-- ---- the end ------------------------------------------------------------------------------------

local function waiting(w)
  local a = w.https[1]:request("GET", "/metrics")
  return tonumber(a and a.text:match("\nmoon2m_notices_waiting (%d+)")) or
    error("no metrics", 0)
end

-- The targets that may still be reading what the server has no more.
local function handed_over(w)
  local keys = {}
  for _, s in ipairs(w.sinks) do keys[s.url] = s.kind == "ws" or nil end
  return keys
end

-- Everybody reads and acknowledges until the server has nothing left.
local function drain(w)
  local deadline, quiet = now() + 20, nil
  while true do
    local any = false
    for _, line in ipairs(w.lines) do
      any = line:read(1e9) > 0 or any
      any = line:ack(1e9, function() return 1 end) > 0 or any
    end
    w:look_at_sinks()
    if not any then
      quiet = waiting(w)
      if quiet == 0 and (not w.model:wanting(handed_over(w)) or now() > deadline - 18) then
        return
      end
      cqueues.sleep(0.005)
    end
    if now() > deadline then
      local x = w.model:wanting()
      model.broken("%s notices stay with the server; %s", tostring(quiet), x and x.name ..
        " waits for more" or "everybody has all")
    end
  end
end

-- A subscription with exc is there if and only if fewer were delivered.
local function judge_counter(w, s)
  local least, most = w.model:done(s)
  local deadline = now() + 3
  local rsc
  repeat
    local a = w.https[1]:request("GET", s.path, "CAdmin")
    rsc = a and a.rsc
    if rsc == 2000 and least >= s.exc then cqueues.sleep(0.01) end
  until rsc ~= 2000 or least < s.exc or now() > deadline
  if rsc == 2000 and least >= s.exc and not w.model.crashed then
    model.broken("%s: exc %d, %d delivered, and it is there", s.sur, s.exc, least)
  elseif rsc == 4004 and most < s.exc then
    model.broken("%s: exc %d, %d delivered, and it is gone", s.sur, s.exc, most)
  elseif rsc == 4004 then
    w.model:unsubscribe(s)
  end
end

--- Everybody comes back and takes what is kept; then everything is judged.
function World:finish()
  self:say("finish")
  for _, s in ipairs(self.sinks) do s.mood = "ok" end
  for _, ae in ipairs(self.aes) do     -- what was never acknowledged comes on another connection
    if ae.line and ae.line.withheld then self:leave(ae, true) end
  end
  for _, ae in ipairs(self.aes) do
    if not ae.line or self.r.chance(50) then self:join(ae) end
  end
  drain(self)
  self:say("drained")
  self:look_at_sinks()
  for _, line in ipairs(self.lines) do line:sync() end
  for _, line in ipairs(self.lines) do line:read(1e9) end
  for _, s in pairs(self.model.subs) do
    if s.exc and not s.ended then judge_counter(self, s) end
  end
  self.model:judge(by_url)
  self:say("judged")
end

--- Deletes what is its, closes what is open.
function World:clean()
  for _, ae in ipairs(self.aes) do self:must(2002, "DELETE", "/moon/" .. ae.name, ae.key) end
  self:must(2002, "DELETE", "/moon/" .. self.prefix, self.owner.key)
  for _, line in ipairs(self.lines) do line.ws:drop() end
  for _, s in ipairs(self.sinks) do s:close() end
  for _, c in ipairs(self.https) do c:close() end
end

world.h = h

return world
