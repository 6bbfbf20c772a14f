-- An AE of the model test and the connections it is reached by ("lines"; one line may carry several
-- AEs).  What arrives is judged by the model when it is read; what is read is acknowledged when the
-- test says so.  Requests of the server (verification) are answered at once.

local cbor = require "cbor"
local cjson = require "cjson"
local cqueues = require "cqueues"
local model = require "model"
local wsock = require "wsock"

local peer = {}
local Line = {}
Line.__index = Line

local now = cqueues.monotime
local ACK = '{"rsc":2000,"rqi":"%s","rvi":"3"}'
local TEXT, BINARY = 1, 2           -- opcodes

-- ---- frames -------------------------------------------------------------------------------------

local function event_of(con, lbl, net)
  local v = con and con:match("^(%d+)%.")
  if v and net == 4 then return "d" .. v end
  return v or lbl
end

local function notice_of(sgn)
  local rep, net = sgn.nev.rep, sgn.nev.net
  local r = rep["m2m:cin"] or rep["m2m:cnt"] or error("a notification of something else", 0)
  return { sur = sgn.sur, v = event_of(r.con, r.lbl and r.lbl[1], net) }
end

--- What a message means: { kind = "notice" (rqi, to, and a list of { sur, v }), "gap", "ask" or
-- "answer" }; is_cbor: it is no JSON.
function peer.parse(text, is_cbor)
  local m = is_cbor and cbor.decode(text) or cjson.decode(text)
  if m.rsc then return { kind = "answer", rsc = m.rsc, rqi = m.rqi } end
  local pc = m.op and m.pc or m
  local sgn, agn, gap = pc["m2m:sgn"], pc["m2m:agn"], pc["moon2m:gap"]
  local to = m.to and m.to:match("[^/]+$")
  if gap then
    return { kind = "gap", rqi = m.rqi, to = to, dropped = gap.dropped, sur = gap.sur }
  elseif agn then
    local f = { kind = "notice", rqi = m.rqi, to = to }
    for i, one in ipairs(agn["m2m:sgn"]) do f[i] = notice_of(one) end
    return f
  elseif sgn and sgn.nev then
    return { kind = "notice", rqi = m.rqi, to = to, notice_of(sgn) }
  elseif sgn then
    return { kind = "ask", rqi = m.rqi, to = to }
  end
  return { kind = "notice", { sur = m.sur, v = event_of(m.con, m.lbl, m.net) } }
end

-- ---- lines --------------------------------------------------------------------------------------

--- Opens a connection.  o = { port, path, protocol, origin, model, log = function, window }.
function peer.line(o)
  local ws, why = wsock.connect(o.port, o.path, o)
  if not ws then error(("a connection to %s is refused: %s"):format(o.path, why), 0) end
  return setmetatable({ ws = ws, o = o, cbor = o.protocol == "oneM2M.cbor", keys = {},
    inbox = {}, first = 1, pending = {}, silent = {},
    unsure = {}, moving = {}, pings = {}, pongs = 0, opened = now(), boot = o.model.boots }, Line)
end

-- Answers requests, in the serialisation of the connection.
function Line:send_acks(list)
  local out = {}
  for i, rqi in ipairs(list) do
    out[i] = self.cbor and cbor.encode { rsc = 2000, rqi = rqi, rvi = "3" } or ACK:format(rqi)
  end
  self.ws:send(out, self.cbor and BINARY or TEXT)
end

-- Reads what has arrived into the inbox; what asks for an answer gets it.
function Line:poll()
  self.ws:poll(function(opcode, text)
    if opcode == 10 then
      self:pong(text)
    elseif opcode == TEXT or opcode == BINARY then
      local f = peer.parse(text, opcode == BINARY)
      if f.kind == "ask" then
        self:send_acks { f.rqi }
      elseif f.kind == "answer" then
        self.answer = f
      else
        self.inbox[#self.inbox + 1] = f
      end
    end
  end)
end

-- Whom a raw frame is for: it says the subscription only, and one of the AEs of this line is told.
local function raw_key(self, f)
  local s = self.o.model.subs[f[1].sur]
  local found
  for key in pairs(self.keys) do
    if s and s.streams[key] then found = found and "several" or key end
  end
  return found or error("a raw frame for nobody on this line: " .. f[1].sur, 0)
end

local function take(self, f)
  local key = f.to or raw_key(self, f)
  if key ~= "several" and not self.keys[key] then
    model.broken("a connection got a notice for %s, which is not behind it", key)
  end
  if f.kind == "gap" then
    self.o.log("  gap %s %d to %s", f.rqi, f.dropped, key)
    self.o.model:gap(self, key, f)
    self.pending[#self.pending + 1] = { rqi = f.rqi, key = key }
    return
  end
  if key == "several" then return end
  local list = {}
  for i, n in ipairs(f) do
    n.rqi = f.rqi
    local _, e = self.o.model:arrived(self, key, n)
    list[i] = e
    self.o.log("  got %s %s v=%s rqi=%s%s", key, n.sur, n.v, tostring(f.rqi),
      e.got > 1 and " again" or "")
  end
  if f.rqi and not self.moving[key] then
    self.pending[#self.pending + 1] = { rqi = f.rqi, key = key, list = list }
    self.out = (self.out or 0) + 1
    if self.out > self.o.window and now() - self.opened < self.o.model.o.answer_time * 0.8 then
      model.broken("%s: %d unanswered notices on one connection, the window is %d", key, self.out,
        self.o.window)
    end
  end
end

--- Takes up to n frames of those that have arrived; how many.
function Line:read(n)
  if self.first > #self.inbox and not self.ws.gone then self:poll() end
  local taken = 0
  while taken < n and self.first <= #self.inbox do
    local f = self.inbox[self.first]
    self.inbox[self.first] = false
    self.first, taken = self.first + 1, taken + 1
    take(self, f)
  end
  return taken
end

--- Acknowledges n of what was read and not answered; pick(n) chooses which.  lost: says nothing.
function Line:ack(n, pick, lost)
  local list = {}
  while n > 0 and #self.pending > 0 do
    local p = table.remove(self.pending, pick(#self.pending))
    n = n - 1
    if lost then
      self.withheld = true
      self.silent[#self.silent + 1] = p
    else
      list[#list + 1] = p.rqi
      self.unsure[#self.unsure + 1] = p
      for _, e in ipairs(p.list or {}) do self.o.model:acked(e, self) end
      if p.list then self.out = self.out - 1 end
    end
  end
  if #list > 0 or lost then
    self.o.log("  acknowledges %d%s", #list, lost and ", keeps silent" or "")
  end
  if #list > 0 then self:send_acks(list) end
  return #list
end

--- The AE of that key takes another connection, or is no more: no answer is awaited here, and
-- nobody knows which of its answers came before that.
function Line:move(key)
  for _, name in ipairs { "pending", "silent" } do
    local rest = {}
    for _, p in ipairs(self[name]) do
      if p.key ~= key then rest[#rest + 1] = p elseif p.list then self.out = self.out - 1 end
    end
    self[name] = rest
  end
  self.moving[key] = true
end

--- What was acknowledged is taken for sure when the answer to this comes.
function Line:ping(always)
  if self.ws.ended or #self.unsure == 0 and not always then return end
  self.pings[#self.pings + 1] = self.unsure
  self.unsure = {}
  self.ws:send({ tostring(#self.pings) }, 9)
end

function Line:pong(text)
  local n = tonumber(text)
  for i = self.pongs + 1, n do
    for _, p in ipairs(self.pings[i]) do
      if not self.moving[p.key] then
        for _, e in ipairs(p.list or {}) do self.o.model:sure(e) end
        if not p.list then self.o.model:gap_sure(p.key, p.rqi) end
      end
    end
  end
  self.pongs = n
end

--- Waits for the answers to all pings.
function Line:sync()
  self:ping(true)
  local deadline = now() + 10
  while self.pongs < #self.pings and not self.ws.ended do
    self:poll()
    if self.pongs < #self.pings then self.ws:wait(0.05) end
    if now() > deadline then error("a ping is not answered", 0) end
  end
end

--- Reads until the server has closed it (the close code) or `seconds` have passed.
function Line:finish(seconds)
  local deadline = now() + seconds
  repeat
    self:read(1e9)
    if not self.ws.ended then self.ws:wait(0.05) end
  until self.ws.ended or now() > deadline
  self:read(1e9)
  return self.ws.code
end

--- The connection is over for its AEs: closed here, read to the end if `clean`.
function Line:close(clean)
  if clean then
    self.ws:send({ "\3\232" }, 8)
    self:finish(5)
  else
    self:read(1e9)          -- what is here; what is in the network is lost
  end
  self:over()
end

--- After the end: what was not read is lost.
function Line:over()
  self.ended_at = self.ended_at or now()
  if self.ws.ended ~= "closed" then self.o.model:lossy(self.keys) end
  self.ws:drop()
  self.pending = {}
end

return peer
