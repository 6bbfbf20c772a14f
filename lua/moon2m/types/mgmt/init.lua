-- The specialisations of mgmtObj, in the order of their mgmtDefinition.

local list = {}

local files = { "firmware", "software", "memory", "area_nwk_info", "area_nwk_device_info",
  "battery", "device_info", "device_capability", "reboot", "event_log", "cmdh", "field_device" }
for _, file in ipairs(files) do
  local spec = require("moon2m.types.mgmt." .. file)
  for _, one in ipairs(spec.short and { spec } or spec) do list[#list + 1] = one end
end

return list
