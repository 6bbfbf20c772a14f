---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_area_nwk_device_info -----------------------------------------------------------------

---Type 13, `m2m:andi`. Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.mgmt_area_nwk_device_info: moon2m.resource
---@field mgd any mgmtDefinition; needed in a create, fixed
---@field obis? string[] objectIDs; may be set in a create
---@field obps? string[] objectPaths; may be set in a create
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set in a create
---@field cmlk? moon2m.res.mgmt_area_nwk_device_info.cmlk[] mgmtLink; may be set and changed
---@field dvd string devID; needed in a create, may be changed
---@field dvt string devType; needed in a create, may be changed
---@field awi string areaNwkId; needed in a create, may be changed
---@field sli? integer sleepInterval; may be set and changed
---@field sld? integer sleepDuration; may be set and changed
---@field ss? string devStatus; may be set and changed
---@field lnh? string[] listOfNeighbors; may be set and changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_area_nwk_device_info.cmlk
---@field nm string a resource name
---@field typ any typeOfGeometry
---@field val string a URI
