---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_firmware -----------------------------------------------------------------------------

---A firmware of the device; ud true installs it from url.
---
---Type 13, `m2m:fwr` (TS-0001 D.2, TS-0004 D.2). Below it: `semantic_descriptor`, `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.mgmt_firmware: moon2m.resource
---@field mgd integer mgmtDefinition; needed in a create, fixed
---@field obis? string[] objectIDs; may be set in a create
---@field obps? string[] objectPaths; may be set in a create
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set in a create
---@field cmlk? moon2m.res.mgmt_firmware.cmlk[] mgmtLink; may be set and changed
---@field vr string version; needed in a create, may be changed
---@field fwn string firmwareName; needed in a create, may be changed
---@field url string URL; needed in a create, may be changed
---@field ud boolean update; needed in a create, may be changed
---@field uds? moon2m.res.mgmt_firmware.uds updateStatus; may be changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_firmware.cmlk
---@field nm string a resource name
---@field typ integer typeOfGeometry
---@field val string a URI

---The value of `uds`: an action status.
---@class moon2m.res.mgmt_firmware.uds
---@field acn? string a string
---@field sus? integer a status
