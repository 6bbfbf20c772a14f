-- CSEBase: base.lua makes it; its currentTime is when it is looked at.

local sys = require "moon2m.core.sys"

return {
  getters = { ctm = function() return '"' .. sys.stamp(sys.now()) .. '"' end },
}
