---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_software -----------------------------------------------------------------------------

---A software of the device; in true installs it from url, un true removes it; act and dea true
---start and stop it.
---
---Type 13, `m2m:swr` (TS-0001 D.3, TS-0004 D.3). Below it: `semantic_descriptor`, `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.mgmt_software: moon2m.resource
---@field mgd integer mgmtDefinition; needed in a create, fixed
---@field obis? string[] objectIDs; may be set in a create
---@field obps? string[] objectPaths; may be set in a create
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set in a create
---@field cmlk? moon2m.res.mgmt_software.cmlk[] mgmtLink; may be set and changed
---@field vr string version; needed in a create, may be changed
---@field swn string softwareName; needed in a create, may be changed
---@field url string URL; needed in a create, may be changed
---@field in? boolean install; may be changed
---@field un? boolean uninstall; may be changed
---@field ins? moon2m.res.mgmt_software.ins installStatus; may be changed
---@field act? boolean activate; may be changed
---@field dea? boolean deactivate; may be changed
---@field acts? moon2m.res.mgmt_software.ins activeStatus; may be changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_software.cmlk
---@field nm string a resource name
---@field typ integer typeOfGeometry
---@field val string a URI

---The value of `ins`: an action status.
---@class moon2m.res.mgmt_software.ins
---@field acn? string a string
---@field sus? integer a status
