---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- semantic_descriptor_annc ------------------------------------------------------------------

---Type 10024, `m2m:smdA`. Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`ast`.
---@class moon2m.res.semantic_descriptor_annc: moon2m.resource
---@field lnk string link; needed in a create, may be changed
---@field dcrp? 1 | 2 | 3 | 4 | 5 | 6 | 7 descriptorRepresentation; may be set and changed
---@field dsp? string descriptor; may be set and changed
---@field or? string ontologyRef; may be set and changed
---@field rels? string[] relatedSemantics; may be set and changed
---@field svd? boolean semanticValidated; may be set and changed
---@field vlde? boolean validationEnable; may be set and changed
