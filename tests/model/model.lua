-- The plain model of the model test: what each target must have been told by each subscription,
-- and the judgement of what it was.  Knows nothing of sockets and servers.
-- A broken promise is an error that names subscription, target and event.

local model = {}
local Model = {}
Model.__index = Model

--- o = { small = queues overflow, window =, answer_time = seconds, now = clock }.
function model.new(o)
  return setmetatable({ o = o, streams = {}, subs = {}, gaps = {}, crashes = {}, boots = 1,
    events = 0, notices = 0, repeats = 0, told = 0 }, Model)
end

local function broken(fmt, ...) error("BROKEN: " .. fmt:format(...), 0) end
model.broken = broken

-- ---- what happens -------------------------------------------------------------------------------

--- A subscription: s = { sur, container, net = set, targets = list of keys, raw, newest, exc }.
function Model:subscribe(s)
  self.subs[s.sur] = s
  s.streams = {}
  for _, key in ipairs(s.targets) do
    local x = { sub = s, key = key, name = s.sur .. " " .. key, list = {}, index = {}, next = 1,
      lossy = 0, told_max = 0, told_min = 0, fuzzy = s.raw and not key:find("^http") }
    s.streams[key] = x
    self.streams[#self.streams + 1] = x
  end
end

--- The event `v` of notification event type `net` of a container is committed.
function Model:publish(container, net, v)
  self.events = self.events + 1
  for _, s in pairs(self.subs) do
    if s.container == container and s.net[net] and not s.ended then
      for _, x in pairs(s.streams) do
        if not x.ended then
          x.list[#x.list + 1] = { v = v, got = 0, at = self.o.now() }
          x.index[v] = #x.list
        end
      end
    end
  end
end

--- The subscription was deleted: nothing of it may be sent from now on.
function Model:unsubscribe(s)
  s.ended = self.o.now()
  for _, x in pairs(s.streams) do x.ended = x.ended or s.ended end
end

--- The AE was deregistered.
function Model:forget(key)
  for _, x in ipairs(self.streams) do
    if x.key == key then x.ended = x.ended or self.o.now() end
  end
end

--- The server was killed: what it did in the last `grace` seconds may be unknown to it when it
-- runs again, so what it was known to have been told before that is not in doubt.
function Model:killed(grace)
  self.crash = { from = self.o.now() - grace }
  self.crashes[self.boots] = self.crash
  for _, x in ipairs(self.streams) do
    for _, e in ipairs(x.list) do
      if e.sure and e.sure > self.crash.from then e.sure = nil end
    end
  end
  for _, list in pairs(self.gaps) do
    for _, g in ipairs(list) do
      if g.sure and g.sure > self.crash.from then g.sure = nil end
    end
  end
end

--- The server runs again.
function Model:restarted()
  self.boots = self.boots + 1
  if self.crash and not self.crash.to then
    self.crash.to = self.o.now()
  end
end

--- Whether what was done at that time may be unknown to the server.
function Model:doubtful(at)
  local c = self.crash
  return c and at > c.from and (not c.to or at < c.to)
end

--- A connection (any table) of these targets ended and was not read to its end: raw frames that
-- were in it are lost.
function Model:lossy(keys)
  for _, x in ipairs(self.streams) do
    if keys[x.key] then x.lossy = #x.list end
  end
end

-- ---- what is received ---------------------------------------------------------------------------

-- An AE may come back to a connection it had left: that is another stay on it.
local function stay(line, key)
  return line.stays and line.stays[key] or 1
end

local function judge_repeat(self, x, i, line, rqi)
  local e = x.list[i]
  self.repeats = self.repeats + 1
  if rqi and e.rqi and e.rqi ~= rqi then
    broken("%s: event %s is repeated with rqi %s, was %s", x.name, e.v, rqi, e.rqi)
  end
  if e.sure then
    broken("%s: event %s is repeated, its acknowledgement was taken", x.name, e.v)
  end
  if e.line == line and e.stay == stay(line, x.key) then
    broken("%s: event %s twice on one connection", x.name, e.v)
  end
  if not rqi and e.line.ended_at and e.line.boot == self.boots
    and e.first + 1.5 < e.line.ended_at then
    broken("%s: raw event %s is repeated, its connection closed %.1f s later", x.name, e.v,
      e.line.ended_at - e.first)
  end
end

-- What was dropped or lost just before a crash may come back with it, behind what was sent
-- then: that was before the restart, and not longer ago than the server saves.
local function came_back(self, newest, boot)
  local c = newest.boot < boot and self.crashes[newest.boot]
  return c and newest.first > c.from
end

local function judge_first(self, x, i, boot)
  local missing = 0
  for j = x.next, i - 1 do
    local e = x.list[j]
    if e.got == 0 and not (x.fuzzy and j <= x.lossy) then missing = missing + 1 end
  end
  if missing > 0 and not self.o.small and not x.sub.newest then
    broken("%s: event %s comes, %d before it are missing (from %s)", x.name, x.list[i].v,
      missing, x.list[x.next].v)
  end
  local lost = self.o.small or x.sub.newest or x.fuzzy and i <= x.lossy
  if i < x.next and not (lost and came_back(self, x.list[x.next - 1], boot)) then
    broken("%s: event %s comes after a newer one", x.name, x.list[i].v)
  end
  x.next = math.max(x.next, i + 1)
end

--- A notice arrived on a connection.  n = { sur, v, rqi (nil: raw) }; line = { keys = set of
-- targets, opened = when, boot = which run of the server }.  Returns the stream and the entry.
function Model:arrived(line, key, n)
  local s = self.subs[n.sur] or broken("%s is told of an unknown subscription %s", key, n.sur)
  local x = s.streams[key] or broken("%s is told of %s, which is not for it", key, n.sur)
  local i = x.index[n.v] or broken("%s: event %s, which never happened", x.name, n.v)
  local e = x.list[i]
  if x.ended and line.opened > x.ended then
    broken("%s: event %s is sent, on a new connection, after the end of it", x.name, n.v)
  end
  if not n.rqi then x.fuzzy = true end
  e.boot, e.first = e.boot or line.boot, e.first or n.at or self.o.now()
  if e.got > 0 then
    judge_repeat(self, x, i, line, n.rqi)
  else
    judge_first(self, x, i, line.boot)
  end
  line.last = line.last or {}
  if (line.last[x] or 0) >= i then
    broken("%s: event %s out of order on a connection", x.name, n.v)
  end
  line.last[x] = i
  e.got, e.line, e.rqi, e.stay = e.got + 1, line, e.rqi or n.rqi, stay(line, key)
  self.notices = self.notices + 1
  return x, e
end

--- It was acknowledged over a connection; whether the server took that is known at `sure`.
function Model:acked(e, line)
  local now = self.o.now()
  e.acked, e.delivered = now, true
  -- The server began to wait when it sent it: not before it happened, not before the connection.
  e.in_time = now - math.max(e.at, line.opened) < self.o.answer_time * 0.7
end

--- The server has read the acknowledgement.
function Model:sure(e)
  if e.in_time then e.sure = self.o.now() end
end

-- After a restart, what was told and not confirmed is told again, with what was lost since.
local function told_again(list, boot)
  for _, g in ipairs(list) do
    if g.boot < boot and not g.sure and not g.again then
      g.again = true
      for x, n in pairs(g.counts) do x.told_min = x.told_min - n end
    end
  end
end

--- A gap notice: g = { rqi, dropped, list of { sur, dropped } }.
function Model:gap(line, key, g)
  local list = self.gaps[key] or {}
  local last = list[#list]
  self.gaps[key] = list
  if not self.o.small then
    broken("%s is told of a gap of %d, nothing can be dropped", key, g.dropped)
  end
  if last and last.rqi == g.rqi then
    if last.line == line then broken("%s is told of one gap twice on one connection", key) end
    if last.sure then broken("%s is told of a gap whose answer was taken", key) end
    last.line = line
    return
  end
  local sum, counts = 0, {}
  for _, one in ipairs(g.sur) do
    local s = self.subs[one.sur] or broken("%s: a gap of unknown %s", key, one.sur)
    local x = s.streams[key] or broken("%s: a gap of %s, which is not for it", key, one.sur)
    counts[x] = (counts[x] or 0) + one.dropped
    sum = sum + one.dropped
  end
  if sum ~= g.dropped then broken("%s: a gap of %d names %d", key, g.dropped, sum) end
  told_again(list, line.boot)
  for x, n in pairs(counts) do
    x.told_max, x.told_min = x.told_max + n, x.told_min + n
  end
  self.told = self.told + sum
  list[#list + 1] = { rqi = g.rqi, line = line, counts = counts, boot = line.boot }
end

--- The answer to a gap notice was read by the server.
function Model:gap_sure(key, rqi)
  local list = self.gaps[key]
  local last = list and list[#list]
  if last and last.rqi == rqi then last.sure = self.o.now() end
end

-- ---- the end ------------------------------------------------------------------------------------

local function missing(x)
  local n, first, not_sure = 0, nil, 0
  for i, e in ipairs(x.list) do
    if e.got == 0 and not (x.fuzzy and i <= x.lossy) then
      n, first = n + 1, first or e.v
    end
    if not e.sure then not_sure = not_sure + 1 end
  end
  return n, first, not_sure
end

--- Whether the target was told of all that it had to be.
function Model.satisfied(_, x)
  if x.ended then return true end
  local last = x.list[#x.list]
  if x.sub.newest then return not last or last.got > 0 or x.told_max > 0 end
  return missing(x) <= x.told_max
end

--- The first stream that is not, or nil; all: also of subscriptions that may have ended by exc.
function Model:wanting(all)
  for _, x in ipairs(self.streams) do
    if (all or not x.sub.exc) and not self:satisfied(x) then return x end
  end
end

--- How many notices were done, as far as the targets know: at least, at most.
function Model.done(_, s)
  local least, most = 0, 0
  for _, x in pairs(s.streams) do
    for i, e in ipairs(x.list) do
      if e.delivered then least = least + 1 end
      most = most + math.max(e.got, i <= x.lossy and 1 or 0)
    end
  end
  return least, most
end

--- Judges everything, when all was received and acknowledged.
function Model:judge()
  for _, x in ipairs(self.streams) do
    local n, first, not_sure = missing(x)
    if not x.ended and not x.sub.newest then
      if n > x.told_max then
        broken("%s: %d of %d missing (first %s), %d told", x.name, n, #x.list, first, x.told_max)
      end
      if x.told_min > not_sure then
        broken("%s: told that %d of %d were dropped, %d were not safely received", x.name,
          x.told_min, #x.list, not_sure)
      end
    end
  end
end

return model
