---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- notification_target_mgmt_policy_ref -------------------------------------------------------

---Which policy holds for which targets of the subscription above it.
---
---Type 25, `m2m:ntpr` (TS-0001 9.6.31, TS-0004 7.4.30). Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`cstn`.
---@class moon2m.res.notification_target_mgmt_policy_ref: moon2m.resource
---@field ntu string[] notificationTargetURI; needed in a create, may be changed
---@field npi? string notificationPolicyID; may be set and changed
