---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- time_series_instance ----------------------------------------------------------------------

---One value and the time at which it came to be; no two of a timeSeries have the same.
---
---Type 30, `m2m:tsi` (TS-0001 9.6.37, TS-0004 7.4.39).
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `at` `aa` `ast`
---`cr` `loc`.
---@class moon2m.res.time_series_instance: moon2m.resource
---@field dgt string dataGenerationTime; needed in a create, fixed
---@field con any content; needed in a create, fixed
---@field snr? integer sequenceNr; may be set in a create
---@field cs? integer contentSize; the server's
