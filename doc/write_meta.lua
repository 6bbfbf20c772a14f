-- `make meta`: writes the descriptions of resource types into the folder that is given, one file
-- each; files of types that are gone go.

package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path

local reference = require "moon2m.reference"
local resources = require "resources"

local folder = arg[1]
for _, one in ipairs(reference.resource_types()) do
  local f = assert(io.open(("%s/%s.lua"):format(folder, one.name), "w"))
  f:write(resources.text(one))
  f:close()
end
