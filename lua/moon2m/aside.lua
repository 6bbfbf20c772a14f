-- What the CSE tells somebody about a subscription, outside of its events: that it is gone, that a
-- target wants to leave.  A notice like any other (kept while its target is away, in order, over a
-- restart, in the operator's list), but one that counts for no subscription.

local core = require "moon2m.core.cse"
local path = require "moon2m.path"
local write = require "moon2m.write"

local aside = {}

local NOBODY = 2 ^ 51            -- added to a number: no resource has it

--- Tells `target` (a key) the JSON text `content` about the subscription with number id and
-- identifier ri.  nil once that is on disk, else an err.  Yields.
function aside.tell(id, ri, target, content)
  local audience = core.audience()
  audience:add(NOBODY + id, path.sp_relative(ri), nil, target)
  local ok, e = write.commit({}, { core.event(audience, { frame = "primitive" }, content) })
  return not ok and e or nil
end

return aside
