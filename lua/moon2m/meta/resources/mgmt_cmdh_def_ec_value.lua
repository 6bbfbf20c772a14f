---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_cmdh_def_ec_value --------------------------------------------------------------------

---Type 13, `m2m:cmdv`. Below it: `semantic_descriptor`, `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.mgmt_cmdh_def_ec_value: moon2m.resource
---@field mgd integer mgmtDefinition; needed in a create, fixed
---@field obis? string[] objectIDs; may be set in a create
---@field obps? string[] objectPaths; may be set in a create
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set in a create
---@field cmlk? moon2m.res.mgmt_cmdh_def_ec_value.cmlk[] mgmtLink; may be set and changed
---@field od integer order; needed in a create, may be changed
---@field dev integer defEcValue; needed in a create, may be changed
---@field ror string[] requestOrigin; needed in a create, may be changed
---@field rct? any requestContext; may be set and changed
---@field rctn? boolean requestContextNotification; may be set and changed
---@field rch? any requestCharacteristics; may be set and changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_cmdh_def_ec_value.cmlk
---@field nm string a resource name
---@field typ integer typeOfGeometry
---@field val string a URI
