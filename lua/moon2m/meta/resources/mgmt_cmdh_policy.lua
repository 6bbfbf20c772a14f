---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_cmdh_policy --------------------------------------------------------------------------

---Type 13, `m2m:cmp`. Below it: `semantic_descriptor`, `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.mgmt_cmdh_policy: moon2m.resource
---@field mgd integer mgmtDefinition; needed in a create, fixed
---@field obis? string[] objectIDs; may be set in a create
---@field obps? string[] objectPaths; may be set in a create
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set in a create
---@field cmlk moon2m.res.mgmt_cmdh_policy.cmlk[] mgmtLink; needed in a create, may be changed
---@field cpn string cmdhPolicyName; needed in a create, may be changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_cmdh_policy.cmlk
---@field nm string a resource name
---@field typ integer typeOfGeometry
---@field val string a URI
