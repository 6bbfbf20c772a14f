---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- time_series_instance_annc -----------------------------------------------------------------

---Type 10030, `m2m:tsiA`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`ast` `loc`.
---@class moon2m.res.time_series_instance_annc: moon2m.resource
---@field lnk string link; needed in a create, may be changed
---@field dgt? string dataGenerationTime; may be set and changed
---@field con? any content; may be set and changed
---@field snr? integer sequenceNr; may be set and changed
