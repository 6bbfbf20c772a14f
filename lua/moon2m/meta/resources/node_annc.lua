---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- node_annc ---------------------------------------------------------------------------------

---Type 10014, `m2m:nodA`. Below it: `action_annc`, `action`, `mgmt_obj_annc`, `schedule_annc`,
---`semantic_descriptor_annc`, `semantic_descriptor`, `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`ast`.
---@class moon2m.res.node_annc: moon2m.resource
---@field lnk string link; needed in a create, may be changed
---@field ni string nodeID; needed in a create, may be changed
---@field hcl? string hostedCSELink; may be set and changed
---@field hael? string[] hostedAELinks; may be set and changed
---@field hsl? string[] hostedServiceLinks; may be set and changed
---@field mgca? string mgmtClientAddress; may be set and changed
---@field rms? boolean roamingStatus; may be set and changed
---@field nid? string networkID; may be set and changed
---@field nty? integer nodeType; may be set and changed
