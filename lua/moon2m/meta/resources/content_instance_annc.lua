---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- content_instance_annc ---------------------------------------------------------------------

---Type 10004, `m2m:cinA`. Below it: `semantic_descriptor_annc`, `semantic_descriptor`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`ast` `loc`.
---@class moon2m.res.content_instance_annc: moon2m.resource
---@field lnk string link; needed in a create, may be changed
---@field cnf? string contentInfo; may be set and changed
---@field conr? moon2m.res.content_instance_annc.conr contentRef; may be set and changed
---@field or? string ontologyRef; may be set and changed
---@field con? any content; may be set and changed
---@field dgt? string dataGenerationTime; may be set and changed

---The value of `urir`: a reference.
---@class moon2m.res.content_instance_annc.conr.urir
---@field nm string a string
---@field uri string URI

---The value of `conr`: a content reference.
---@class moon2m.res.content_instance_annc.conr
---@field urir moon2m.res.content_instance_annc.conr.urir[] a reference
