---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- policy_deletion_rules ---------------------------------------------------------------------

---When a notification target may be removed: times of day and regions.
---
---Type 27, `m2m:pdr` (TS-0001 9.6.33, TS-0004 7.4.32). Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`cstn`.
---@class moon2m.res.policy_deletion_rules: moon2m.resource
---@field dr? table[] deletionRules; may be set in a create
---@field drr? 1 | 2 deletionRulesRelation; may be set and changed
