---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_device_capability --------------------------------------------------------------------

---Something that the device can do; ena and dis true turn it on and off, cus is whether it is on.
---
---Type 13, `m2m:dvc` (TS-0001 D.9, TS-0004 D.9). Below it: `semantic_descriptor`, `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.mgmt_device_capability: moon2m.resource
---@field mgd integer mgmtDefinition; needed in a create, fixed
---@field obis? string[] objectIDs; may be set in a create
---@field obps? string[] objectPaths; may be set in a create
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set in a create
---@field cmlk? moon2m.res.mgmt_device_capability.cmlk[] mgmtLink; may be set and changed
---@field can string capabilityName; needed in a create, may be changed
---@field att boolean attached; needed in a create, may be changed
---@field cas moon2m.res.mgmt_device_capability.cas capabilityActionStatus; needed in a create, may be changed
---@field cus boolean currentState; needed in a create, may be changed
---@field ena? boolean enable; may be set and changed
---@field dis? boolean disable; may be set and changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_device_capability.cmlk
---@field nm string a resource name
---@field typ integer typeOfGeometry
---@field val string a URI

---The value of `cas`: an action status.
---@class moon2m.res.mgmt_device_capability.cas
---@field acn? string a string
---@field sus? integer a status
