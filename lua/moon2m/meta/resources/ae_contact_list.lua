---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- ae_contact_list ---------------------------------------------------------------------------

---Which CSEs have references to which AEs, one AEContactListPerCSE each.
---
---Type 43, `m2m:alst` (TS-0001 9.6.45, TS-0004 7.4.53). Below it: `ae_contact_list_per_cse`,
---`subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`.
---@class moon2m.res.ae_contact_list: moon2m.resource
---@field nic? integer numberImpactedCSEs; the server's
