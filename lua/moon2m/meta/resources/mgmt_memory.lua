---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_memory -------------------------------------------------------------------------------

---The memory of the device, in bytes.
---
---Type 13, `m2m:mem` (TS-0001 D.4, TS-0004 D.4). Below it: `semantic_descriptor`, `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.mgmt_memory: moon2m.resource
---@field mgd integer mgmtDefinition; needed in a create, fixed
---@field obis? string[] objectIDs; may be set in a create
---@field obps? string[] objectPaths; may be set in a create
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set in a create
---@field cmlk? moon2m.res.mgmt_memory.cmlk[] mgmtLink; may be set and changed
---@field mma integer memAvailable; needed in a create, may be changed
---@field mmt integer memTotal; needed in a create, may be changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_memory.cmlk
---@field nm string a resource name
---@field typ integer typeOfGeometry
---@field val string a URI
