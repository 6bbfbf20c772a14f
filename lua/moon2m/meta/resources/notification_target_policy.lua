---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- notification_target_policy ----------------------------------------------------------------

---What happens when a notification target wants to be told no more.
---
---Type 26, `m2m:ntp` (TS-0001 9.6.32, TS-0004 7.4.31). Below it: `policy_deletion_rules`,
---`subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`cr` `cstn`.
---@class moon2m.res.notification_target_policy: moon2m.resource
---@field acn? 1 | 2 | 3 | 4 action; may be set in a create
---@field plbl? string policyLabel; may be set and changed
---@field rrs? 1 | 2 rulesRelationship; may be set and changed
