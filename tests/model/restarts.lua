-- The end of the world's server, orderly or not, and its next start.

local cqueues = require "cqueues"

local now = cqueues.monotime
local GRACE = 0.25        -- seconds until what is done is on disk: 0.1, and a commit

return function(World)
  -- The server ended: what it sent before is read, then the connections are no more.
  local function all_lost(w)
    while w.lines[1] do
      local line = w.lines[1]
      line:finish(5)
      line:over()
      w:retire(line)
    end
  end

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
    cqueues.sleep(0.02)         -- URL targets read what was under way
    w.model:restarted()
    w.server:run()
    w:connect()
  end

  --- kill -9 while creates are under way.
  function World:kill()
    local list = self:send_burst(self.r.below(16))
    cqueues.sleep(self.r.below(6) * 0.001)
    self.server:kill()
    self:say("killed")
    self.model:killed(GRACE)
    local answered, open = self:take_answers(list)
    after_restart(self)
    for _, b in ipairs(recover(self, open)) do answered[#answered + 1] = b end
    self:publish_created(answered)
    all_lost(self)
    self:look_at_sinks()
  end

  --- SIGTERM: what is connected acknowledges, or (rarely) does not and is waited for in vain.
  function World:stop()
    local stubborn = self.r.chance(5)
    self:say("stop%s", stubborn and ", nobody acknowledges" or "")
    for _, s in ipairs(self.sinks) do
      if s.mood == "mute" and not stubborn then s.mood = "ok" end
    end
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
    self:look_at_sinks()
    for _, s in ipairs(self.sinks) do      -- its last answer may have crossed the end
      if s.last and now() - s.last.acked < 1 then s.last.sure = nil end
    end
    after_restart(self)
    all_lost(self)
    self:look_at_sinks()
  end
end
