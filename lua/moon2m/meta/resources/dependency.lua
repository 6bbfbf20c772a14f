---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- dependency --------------------------------------------------------------------------------

---Type 66, `m2m:depr`. Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn` `cr`.
---@class moon2m.res.dependency: moon2m.resource
---@field sfc boolean sufficient; needed in a create, may be changed
---@field evc moon2m.res.dependency.evc evalCriteria; needed in a create, may be changed
---@field rri string referencedResourceID; needed in a create, may be changed

---The value of `evc`: an evaluation criterion.
---@class moon2m.res.dependency.evc
---@field optr 1 | 2 | 3 | 4 | 5 | 6 an operator
---@field sbjt string a string
---@field thld any any value
