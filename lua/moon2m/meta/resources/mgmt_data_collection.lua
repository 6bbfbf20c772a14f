---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_data_collection ----------------------------------------------------------------------

---Type 13, `dcfg:datc`. Below it: `semantic_descriptor`, `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.mgmt_data_collection: moon2m.resource
---@field mgd integer mgmtDefinition; needed in a create, fixed
---@field obis? string[] objectIDs; may be set in a create
---@field obps? string[] objectPaths; may be set in a create
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set in a create
---@field cmlk? moon2m.res.mgmt_data_collection.cmlk[] mgmtLink; may be set and changed
---@field cntp string containerPath; needed in a create, may be changed
---@field rpsc? moon2m.res.mgmt_data_collection.rpsc[] reportingSchedule; may be set and changed
---@field mesc? moon2m.res.mgmt_data_collection.rpsc[] measurementSchedule; may be set and changed
---@field meil? integer measurementInterval; may be set and changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_data_collection.cmlk
---@field nm string a resource name
---@field typ integer typeOfGeometry
---@field val string a URI

---The value of `rpsc`: schedule entries.
---@class moon2m.res.mgmt_data_collection.rpsc
---@field sce string[] scheduleEntry
