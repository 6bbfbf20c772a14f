---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- ae_contact_list_per_cse -------------------------------------------------------------------

---The AEs, by their SP-relative resource identifiers, that the CSE `csi` has references to.
---
---Type 44, `m2m:alpc` (TS-0001 9.6.46, TS-0004 7.4.54).
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`.
---@class moon2m.res.ae_contact_list_per_cse: moon2m.resource
---@field csi? string CSE-ID; the server's
---@field ail? string[] AE-IDList; the server's
