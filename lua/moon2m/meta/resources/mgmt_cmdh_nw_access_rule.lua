---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_cmdh_nw_access_rule ------------------------------------------------------------------

---Type 13, `m2m:cmwr`. Below it: `semantic_descriptor`, `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.mgmt_cmdh_nw_access_rule: moon2m.resource
---@field mgd integer mgmtDefinition; needed in a create, fixed
---@field obis? string[] objectIDs; may be set in a create
---@field obps? string[] objectPaths; may be set in a create
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set in a create
---@field cmlk moon2m.res.mgmt_cmdh_nw_access_rule.cmlk[] mgmtLink; needed in a create, may be changed
---@field ttn string[] targetNetwork; needed in a create, may be changed
---@field mrv integer minReqVolume; needed in a create, may be changed
---@field swt integer spreadingWaitTime; needed in a create, may be changed
---@field bop moon2m.res.mgmt_cmdh_nw_access_rule.bop backOffParameters; needed in a create, may be changed
---@field ohc? any otherConditions; may be set and changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_cmdh_nw_access_rule.cmlk
---@field nm string a resource name
---@field typ integer typeOfGeometry
---@field val string a URI

---The value of `bops`: back-off parameters of an action.
---@class moon2m.res.mgmt_cmdh_nw_access_rule.bop.bops
---@field nwa? integer a network action
---@field ibt integer a non-negative integer
---@field abt integer a non-negative integer
---@field mbt integer a non-negative integer
---@field rbt? integer a non-negative integer

---The value of `bop`: back-off parameters.
---@class moon2m.res.mgmt_cmdh_nw_access_rule.bop
---@field bops moon2m.res.mgmt_cmdh_nw_access_rule.bop.bops[] back-off parameters of an action
