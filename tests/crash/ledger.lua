-- What the crash test knows: what it sent, what was answered, what it was notified of; and the
-- judgement whether the server kept its word.  A broken promise is an error that names container,
-- content and what was expected.

local ledger = {}

-- ---- instances ----------------------------------------------------------------------------------

local Container = {}
Container.__index = Container

--- A container at `path`; mni: its bound or nil.
function ledger.container(path, mni)
  return setmetatable({ path = path, mni = mni, sent = {}, answered = {}, stored = {}, cni = 0 },
    Container)
end

local function broken(fmt, ...) error(fmt:format(...), 0) end

--- Judges a listing of all instances, oldest first, and the container's own attributes.
function Container:judge(list, r)
  local seen, bytes, last = {}, 0, 0
  for _, cin in ipairs(list) do
    local con, st = cin.con, cin.st
    if not self.sent[con] then broken("%s holds %q, which nobody sent", self.path, con) end
    if seen[con] then broken("%s holds %q twice", self.path, con) end
    if st <= last then broken("%s: st %d comes after %d", self.path, st, last) end
    local promised = self.answered[con]
    if promised and promised ~= st then
      broken("%s: %q was answered st %d and has st %d", self.path, con, promised, st)
    end
    seen[con], last, bytes = st, st, bytes + #con
  end
  self.stored = seen
  self:judge_counts(#list, bytes, last, r)
  self:judge_answered(seen, list[1] and list[1].st or 0, #list)
end

function Container:judge_counts(n, bytes, last, r)
  if r.cni ~= n then broken("%s: cni %d, %d instances are there", self.path, r.cni, n) end
  if r.cbs ~= bytes then broken("%s: cbs %d, the instances have %d", self.path, r.cbs, bytes) end
  if self.mni and n > self.mni then broken("%s: %d instances, mni %d", self.path, n, self.mni) end
  if r.st < last then broken("%s: its st %d, an instance has %d", self.path, r.st, last) end
  self.cni = n
end

-- What was answered is there, unless mni evicted it: then it is older than all that are there, and
-- those are mni.
function Container:judge_answered(seen, oldest, n)
  for con, st in pairs(self.answered) do
    if not seen[con] and not (self.mni and st < oldest and n == self.mni) then
      broken("%s: %q was answered 2001 with st %d and is gone (oldest st %d, %d instances)",
        self.path, con, st, oldest, n)
    end
  end
end

-- ---- notices ------------------------------------------------------------------------------------

local Notices = {}
Notices.__index = Notices

--- The notices of one subscription to one AE.  o = { name, container, window = most unanswered,
-- grace = seconds before a break in which an acknowledgement need not be on disk yet }.
function ledger.notices(o)
  return setmetatable({ name = o.name, container = o.container, window = o.window, grace = o.grace,
    log = {}, index = {}, repeats = 0 }, Notices)
end

--- The connection broke at `at` (seconds): what was under way may be repeated.
function Notices:broke(at)
  local k = #self.log
  while k > 0 and self.log[k].at > at - self.grace do k = k - 1 end
  self.repeat_from = math.min(k + 1, #self.log - self.window + 1)
  self.cursor = nil
end

local function judge_repeat(self, k, con, rqi)
  local first = self.log[k]
  if first.rqi ~= rqi then
    broken("%s: %q is repeated with rqi %s, was %s", self.name, con, rqi, first.rqi)
  end
  if not self.repeat_from or k < self.repeat_from then
    broken("%s: %q is repeated, %d notices after it", self.name, con, #self.log - k)
  end
  if self.cursor and k <= self.cursor then
    broken("%s: repeats are out of order at %q", self.name, con)
  end
  self.cursor = k
  self.repeats = self.repeats + 1
end

--- One notice arrived.
function Notices:arrived(con, st, rqi, at)
  local c = self.container
  if not c.sent[con] then broken("%s: told of %q, which nobody sent", self.name, con) end
  local k = self.index[con]
  if k then return judge_repeat(self, k, con, rqi) end
  local last = self.log[#self.log]
  if last and st <= last.st then
    broken("%s: st %d after %d: out of order", self.name, st, last.st)
  end
  local promised = c.answered[con]
  if promised and promised ~= st then
    broken("%s: told st %d for %q, answered %d", self.name, st, con, promised)
  end
  self.log[#self.log + 1] = { con = con, st = st, rqi = rqi, at = at }
  self.index[con] = #self.log
end

--- A content that must be told and is not yet; nil when all are.
function Notices:missing()
  local c = self.container
  for con in pairs(c.answered) do
    if not self.index[con] then return con end
  end
  for con in pairs(c.stored) do
    if not self.index[con] then return con end
  end
end

--- Everything was told that had to be, and (without mni, when nothing leaves) nothing else.
function Notices:judge()
  local con = self:missing()
  if con then broken("%s: never told of %q", self.name, con) end
  local c = self.container
  if c.mni then return end
  for _, n in ipairs(self.log) do
    if not c.stored[n.con] then broken("%s: told of %q, not stored", self.name, n.con) end
  end
end

return ledger
