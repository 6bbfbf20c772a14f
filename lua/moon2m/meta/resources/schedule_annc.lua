---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- schedule_annc -----------------------------------------------------------------------------

---Type 10018, `m2m:schA`. Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`ast`.
---@class moon2m.res.schedule_annc: moon2m.resource
---@field lnk string link; needed in a create, may be changed
---@field se? moon2m.res.schedule_annc.se scheduleElement; may be set and changed
---@field nco? boolean networkCoordinated; may be set and changed

---The value of `se`: schedule entries.
---@class moon2m.res.schedule_annc.se
---@field sce string[] scheduleEntry
