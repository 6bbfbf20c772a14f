-- Lines that come by themselves (watch, trace) on their way to a console.  What a client does not
-- read, and what is more than a person can, is skipped and counted: nobody waits for it.  A line
-- that is skipped is not even made.

local core = require "moon2m.core.console"
local sys = require "moon2m.core.sys"

local stream = {}
stream.__index = stream

local UNREAD = 65536              -- bytes that the client may leave
local BURST = 200                 -- lines at once, and
local RATE = 200                  -- lines a second after that

--- id: the client; print: called with each line.
function stream.new(id, print)
  return setmetatable({ id = id, print = print, skipped = 0, room = BURST, at = sys.mono() },
    stream)
end

local function admits(self)
  local now = sys.mono()
  self.room = math.min(BURST, self.room + (now - self.at) * RATE / 1e6)
  self.at = now
  return self.room >= 1 and (core.unread(self.id) or math.huge) <= UNREAD
end

--- Says how many lines were skipped since it last did.
function stream:tell_skipped()
  if self.skipped == 0 or (core.unread(self.id) or math.huge) > UNREAD then return end
  local n = self.skipped
  self.skipped = 0
  self.print(n == 1 and "1 line skipped" or ("%d lines skipped"):format(n))
end

--- Prints make(...), unless there is no room for it.
function stream:line(make, ...)
  if not admits(self) then
    self.skipped = self.skipped + 1
    return
  end
  self.room = self.room - 1
  self.print(make(...))
end

return stream
