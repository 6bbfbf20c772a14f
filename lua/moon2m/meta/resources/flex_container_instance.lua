---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- flex_container_instance -------------------------------------------------------------------

---What the attributes of a flexContainer were.
---
---Type 58, `m2m:fci` (TS-0001, release 4).
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `et` `lbl` `st` `loc`.
---@class moon2m.res.flex_container_instance: moon2m.resource
---@field cs? integer contentSize; the server's
---@field org? string originator; the server's
