---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_credentials --------------------------------------------------------------------------

---Type 13, `dcfg:crds`. Below it: `semantic_descriptor`, `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.mgmt_credentials: moon2m.resource
---@field mgd integer mgmtDefinition; needed in a create, fixed
---@field obis? string[] objectIDs; may be set in a create
---@field obps? string[] objectPaths; may be set in a create
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set in a create
---@field cmlk? moon2m.res.mgmt_credentials.cmlk[] mgmtLink; may be set and changed
---@field pur? string purpose; may be set and changed
---@field crid? string credentialID; may be set and changed
---@field crse? string credentialSecret; may be set and changed
---@field crtk? string credentialToken; may be set and changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_credentials.cmlk
---@field nm string a resource name
---@field typ integer typeOfGeometry
---@field val string a URI
