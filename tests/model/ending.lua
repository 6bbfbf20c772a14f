-- The end of a seed: everybody comes back and takes what is kept, everything is judged, deleted.

local cqueues = require "cqueues"
local model = require "model"

local now = cqueues.monotime

return function(World)
  local function waiting(w)
    local a = w.https[1]:request("GET", "/metrics")
    return tonumber(a and a.text:match("\nmoon2m_notices_waiting (%d+)")) or
      error("no metrics", 0)
  end

  -- Everybody reads and acknowledges until the server has nothing left and nothing more to tell.
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
        if quiet == 0 and (now() > deadline - 18
          or not w.model:wanting(now() < deadline - 19.5)) then
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
    if rsc == 2000 and least >= s.exc and not w.model.crash then
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
    self.model:judge()
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
end
