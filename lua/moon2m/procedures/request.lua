-- request: nonblocking.lua makes it and writes it.

local nonblocking = require "moon2m.nonblocking"

local UNDER_WAY = { ["3"] = true, ["4"] = true, ["5"] = true }   -- pending, forwarded, in part

-- A request that waits is cancelled with its resource; one that runs cannot be (TS-0004 7.4.12).
local function delete(_, r)
  if not UNDER_WAY[r.raw.rs] then return true end
  local e = nonblocking.cancel(r.id)
  if e then return nil, e end
  return true
end

return { delete = delete }
