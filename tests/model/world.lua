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
local PROTOCOLS = { "oneM2M.json", "oneM2M.json", "oneM2M.cbor" }
local CONNECTIONS = 4     -- for requests at the same time

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

--- Opens the connections for requests.
function World:connect()
  self.https = {}
  for i = 1, CONNECTIONS do self.https[i] = http.new(self.server.port) end
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
  w.acp = acp.ri
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
    local s = sink.new(w.cq, w.r.one_of { "http", "http", "ws" },
      w.r.one_of { "", "", "?ct=cbor" },
      function() return w.model.boots end)
    s.keys = { [s.url] = true }
    w.sinks[i] = s
  end
end

--- o = { server = of the harness, seed =, cq = controller, small =, window =, answer_time = }.
function world.new(o)
  local w = setmetatable({ server = o.server, seed = o.seed, r = random(o.seed), cq = o.cq, o = o,
    prefix = "m" .. o.seed, containers = {}, aes = {}, sinks = {}, dialogue = {}, lines = {},
    began = now(), last_v = 0, fat = 0 }, World)
  w.model = model.new { small = o.small, window = o.window, answer_time = o.answer_time, now = now }
  w.say_fn = function(...) w:say(...) end
  w:connect()
  make_containers(w)
  make_targets(w)
  -- Some seeds have contents that fill the network's buffers when a reader stalls.
  if w.r.chance(10) then w.fat = 5000 + w.r.below(15000) end
  return w
end

-- ---- connections --------------------------------------------------------------------------------

function World:retire(line)
  local w = self
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
  w:retire(old)
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
    line = open_line(self, { path = "/", protocol = self.r.one_of(PROTOCOLS), origin = ae.key })
  else
    local raw = ae.raw and self.r.chance(50)
    if raw then self:fuzzy(ae.key) end
    line = open_line(self, { path = ae.token, protocol = raw and "line"
      or self.r.one_of(PROTOCOLS) })
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
  self:retire(line)
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

-- A group of these AEs, which is a target like each of them.
local function group_of(w, list)
  local mid = {}
  for i, ae in ipairs(list) do mid[i] = "moon/" .. ae.name end
  w.last_group = (w.last_group or 0) + 1
  local rn = "g" .. w.last_group
  w:must(2001, "POST", "/moon/" .. w.prefix, w.owner.key, 9, { ["m2m:grp"] = { rn = rn, mid = mid,
    mnm = 10, acpi = { w.acp } } })
  return ("moon/%s/%s"):format(w.prefix, rn)
end

-- When a subscription holds events back: in batches, or so many in a time.
local function choose_policy(w, attrs, raw)
  if attrs.exc or attrs.nec or raw or not w.r.chance(20) then return nil end
  if w.r.chance(50) then
    attrs.bn = { num = 1 + w.r.below(4), dur = "PT0.3S" }
    return "bn " .. attrs.bn.num
  end
  attrs.rl = { mnn = 1 + w.r.below(4), tww = "PT0.1S" }
  return "rl " .. attrs.rl.mnn
end

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
  if #list > 1 and w.r.chance(30) then nu = { group_of(w, list) } end
  for _, s in ipairs(w.sinks) do
    if w.r.chance(40) then
      nu[#nu + 1], keys[#keys + 1] = s.url, s.url
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
  local policy = choose_policy(self, attrs, raw)
  local sub
  self:meanwhile(function()
    sub = self:must(2001, "POST", c.path, first.key, 23, { ["m2m:sub"] = attrs })
  end)
  local s = { sur = "/moon/" .. sub.ri, path = c.path .. "/" .. sub.rn, container = c, net = {},
    targets = keys, raw = raw, exc = attrs.exc, newest = attrs.nec ~= nil,
    policy = policy }
  for _, n in ipairs(net) do s.net[n] = true end
  self:say("subscribe %s: %s net %s%s%s%s%s", s.sur, table.concat(nu, " "), table.concat(net, ","),
    raw and " raw" or "", s.exc and " exc " .. s.exc or "", s.newest and " newest" or "",
    policy and " " .. policy or "")
  self.model:subscribe(s)
  for key in pairs(self.maybe_raw or {}) do self:fuzzy(key) end
end

function World:unsubscribe()
  local list = {}
  for _, s in pairs(self.model.subs) do
    if not s.ended and not s.exc and not s.policy then list[#list + 1] = s end
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

--- Sends n creates over several connections; the list of what is under way.
function World:send_burst(n)
  local w = self
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

function World:publish_created(list)
  local w = self
  table.sort(list, function(a, b) return a.st < b.st end)
  for _, b in ipairs(list) do
    b.c.live[#b.c.live + 1] = { v = b.v, rn = b.rn }
    w:say("event %s of %s st %d", b.v, b.c.path, b.st)
    w.model:publish(b.c, 3, b.v)
  end
end

-- Those that were answered; the others are returned.
function World.take_answers(_, list)
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
  local answered, open = self:take_answers(self:send_burst(n))
  if open[1] then error("a create was not answered", 0) end
  self:publish_created(answered)
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

require("urls")(World)
require("restarts")(World)
require("ending")(World)

world.h = h

return world
