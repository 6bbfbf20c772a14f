---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- dependency_annc ---------------------------------------------------------------------------

---Type 10066, `m2m:deprA`. Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`ast`.
---@class moon2m.res.dependency_annc: moon2m.resource
---@field lnk string link; needed in a create, may be changed
---@field sfc? boolean sufficient; may be set and changed
---@field evc? moon2m.res.dependency_annc.evc evalCriteria; may be set and changed
---@field rri string referencedResourceID; needed in a create, may be changed

---The value of `evc`: an evaluation criterion.
---@class moon2m.res.dependency_annc.evc
---@field optr 1 | 2 | 3 | 4 | 5 | 6 an operator
---@field sbjt string a string
---@field thld any any value
