-- URL targets of the world: what they receive is judged like everything else.

local cqueues = require "cqueues"
local peer = require "peer"

local now = cqueues.monotime
local LATE = 2        -- seconds in which what was under way arrives

return function(World)
  -- What a WebSocket that broke had in it is lost when it is raw, also what the server wrote before
  -- it knew.
  local function lose(w, s)
    if s.broke and now() - s.broke < 0.5 then w.model:lossy(s.keys) end
  end

  -- A WebSocket is a line of its own; over HTTP repeats are sent when the last was in doubt.
  local function line_of(s, entry)
    if entry.line then
      entry.line.boot = entry.line.boot or entry.boot
      return entry.line
    end
    if s.again or not s.line or s.line.boot ~= entry.boot then
      s.line = { boot = entry.boot, ended_at = now() }
    end
    return s.line
  end

  local function gap(w, s, entry, f)
    local rqi = f.rqi or entry.rqi
    if s.told == rqi and s.told_boot == entry.boot then
      w.model.broken("%s is told of gap %s, which it answered", s.url, rqi)
    end
    w:say("  gap %s %d to %s%s", rqi, f.dropped, s.url, entry.done and "" or " (not done)")
    w.model:gap({ boot = entry.boot }, s.url, { rqi = rqi, dropped = f.dropped, sur = f.sur })
    s.told, s.told_boot = entry.done and rqi, entry.boot
    if entry.done and not w.model:doubtful(entry.at) then w.model:gap_sure(s.url, rqi) end
  end

  local function notice(w, s, entry, f, line, at)
    local n = f[at]
    line.opened = entry.at - LATE
    local _, e = w.model:arrived(line, s.url, { sur = n.sur, v = n.v, rqi = f.rqi or entry.rqi,
      at = entry.at })
    w:say("  got %s %s v=%s rqi=%s%s", s.url, n.sur, n.v, tostring(f.rqi or entry.rqi),
      entry.done and "" or " (not done)")
    e.sure = nil
    if entry.done then
      e.acked, e.delivered = entry.at, entry.ok
      e.sure = not w.model:doubtful(entry.at) and entry.at
      s.last = e
    end
    s.again = not e.sure
  end

  --- Judges what URL targets have received.
  function World:look_at_sinks()
    for _, s in ipairs(self.sinks) do
      lose(self, s)
      local list = s.inbox
      s.inbox = {}
      for _, entry in ipairs(list) do
        local f = peer.parse(entry.text, entry.cbor)
        local line = f.kind == "notice" and line_of(s, entry)
        for i in ipairs(f) do notice(self, s, entry, f, line, i) end
        if f.kind == "gap" then gap(self, s, entry, f) end
      end
    end
  end
end
