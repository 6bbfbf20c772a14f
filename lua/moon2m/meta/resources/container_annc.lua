---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- container_annc ----------------------------------------------------------------------------

---Type 10003, `m2m:cntA`. Below it: `action_annc`, `action`, `container_annc`, `container`,
---`content_instance_annc`, `flex_container_annc`, `flex_container`, `semantic_descriptor_annc`,
---`semantic_descriptor`, `subscription`, `time_series_annc`, `time_series`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`ast` `loc`.
---@class moon2m.res.container_annc: moon2m.resource
---@field lnk string link; needed in a create, may be changed
---@field mni? integer maxNrOfInstances; may be set and changed
---@field mbs? integer maxByteSize; may be set and changed
---@field mia? integer maxInstanceAge; may be set and changed
---@field li? string locationID; may be set and changed
---@field or? string ontologyRef; may be set and changed
---@field disr? boolean disableRetrieval; may be set and changed
