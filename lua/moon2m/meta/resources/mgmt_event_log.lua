---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_event_log ----------------------------------------------------------------------------

---A log of the device; lga and lgo true start and stop it.
---
---Type 13, `m2m:evl` (TS-0001 D.11, TS-0004 D.11). Below it: `semantic_descriptor`,
---`subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.mgmt_event_log: moon2m.resource
---@field mgd integer mgmtDefinition; needed in a create, fixed
---@field obis? string[] objectIDs; may be set in a create
---@field obps? string[] objectPaths; may be set in a create
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set in a create
---@field cmlk? moon2m.res.mgmt_event_log.cmlk[] mgmtLink; may be set and changed
---@field lgt integer logTypeId; needed in a create, may be changed
---@field lgd string logData; needed in a create, may be changed
---@field lgst integer logStatus; needed in a create, may be changed
---@field lga? boolean logStart; may be set and changed
---@field lgo? boolean logStop; may be set and changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_event_log.cmlk
---@field nm string a resource name
---@field typ integer typeOfGeometry
---@field val string a URI
