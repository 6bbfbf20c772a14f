-- node: who is on it is node.lua's; its schedules say when these can be reached.

local lane = require "moon2m.lane"

return { child_created = lane.child_created }
