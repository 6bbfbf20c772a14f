---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- group_annc --------------------------------------------------------------------------------

---Type 10009, `m2m:grpA`. Below it: `action_annc`, `action`, `semantic_descriptor_annc`,
---`semantic_descriptor`, `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`ast` `loc`.
---@class moon2m.res.group_annc: moon2m.resource
---@field lnk string link; needed in a create, may be changed
---@field mt? integer memberType; may be set and changed
---@field spty? string | integer specializationType; may be set and changed
---@field cnm? integer currentNrOfMembers; may be set and changed
---@field mnm? integer maxNrOfMembers; may be set and changed
---@field mid? string[] memberIDs; may be set and changed
---@field macp? string[] membersAccessControlPolicyIDs; may be set and changed
---@field mtv? boolean memberTypeValidated; may be set and changed
---@field csy? 1 | 2 | 3 consistencyStrategy; may be set and changed
---@field gn? string groupName; may be set and changed
---@field ssi? boolean semanticSupportIndicator; may be set and changed
---@field nar? moon2m.res.group_annc.nar notifyAggregation; may be set and changed

---The value of `nar`: a batch policy.
---@class moon2m.res.group_annc.nar
---@field num? integer number
---@field dur? string duration
