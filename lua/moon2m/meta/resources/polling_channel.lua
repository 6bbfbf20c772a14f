---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- polling_channel ---------------------------------------------------------------------------

---How an AE or a CSE without a server fetches what is for it.
---
---Type 15, `m2m:pch` (TS-0001 9.6.21, TS-0004 7.4.21). Virtual: `pcu`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl`.
---@class moon2m.res.polling_channel: moon2m.resource
---@field rqag? boolean requestAggregation; may be set and changed
