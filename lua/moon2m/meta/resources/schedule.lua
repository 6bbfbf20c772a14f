---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- schedule ----------------------------------------------------------------------------------

---When what it belongs to is active.
---
---Type 18, `m2m:sch` (TS-0001 9.6.9, TS-0004 7.4.9). Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.schedule: moon2m.resource
---@field se moon2m.res.schedule.se scheduleElement; needed in a create, may be changed
---@field nco? boolean networkCoordinated; may be set and changed

---The value of `se`: schedule entries.
---@class moon2m.res.schedule.se
---@field sce string[] scheduleEntry
