-- crossResourceSubscription: making the subscriptions that it rests on, its windows and its notices
-- are cross.lua's.

local cross = require "moon2m.cross"
local lane = require "moon2m.lane"
local statistics = require "moon2m.statistics"

-- Counting begins or ends with the UPDATE.
local function update(_, r, new)
  local nse = new.values.nse
  if nse ~= nil then new.raw._nsi = statistics.update(r, nse) end
  return true
end

return {
  create = function(ctx, _, new) return cross.create(ctx, new) end,
  update = update, child_created = lane.child_created,
  getters = { nsi = statistics.text },
}
