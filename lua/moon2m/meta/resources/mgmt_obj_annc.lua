---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_obj_annc -----------------------------------------------------------------------------

---Type 10013, `m2m:mgmtObjA`. Below it: `semantic_descriptor_annc`, `semantic_descriptor`,
---`subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`ast`.
---@class moon2m.res.mgmt_obj_annc: moon2m.resource
---@field lnk string link; needed in a create, may be changed
---@field mgd integer mgmtDefinition; needed in a create, may be changed
---@field obis? string[] objectIDs; may be set and changed
---@field obps? string[] objectPaths; may be set and changed
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set and changed
---@field cmlk? moon2m.res.mgmt_obj_annc.cmlk[] mgmtLink; may be set and changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_obj_annc.cmlk
---@field nm string a resource name
---@field typ integer typeOfGeometry
---@field val string a URI
