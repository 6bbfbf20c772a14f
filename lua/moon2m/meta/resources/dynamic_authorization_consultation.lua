---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- dynamic_authorization_consultation --------------------------------------------------------

---Whom to ask whether an originator may do what the policies of a resource do not grant (daci of
---that resource).
---
---Type 34, `m2m:dac` (TS-0001 9.6.40, TS-0004 7.4.36). Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`.
---@class moon2m.res.dynamic_authorization_consultation: moon2m.resource
---@field dae boolean dynamicAuthorizationEnabled; needed in a create, may be changed
---@field dap string[] dynamicAuthorizationPoA; needed in a create, may be changed
---@field dal? string dynamicAuthorizationLifetime; may be set and changed
