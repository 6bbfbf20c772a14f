---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- cse_base_annc -----------------------------------------------------------------------------

---Type 10005, `m2m:cbA`. Below it: `acp_annc`, `acp`, `action_annc`, `action`, `ae_annc`,
---`container_annc`, `container`, `dependency_annc`, `dynamic_authorization_consultation`,
---`flex_container_annc`, `flex_container`, `group_annc`, `group`, `location_policy_annc`,
---`mgmt_obj_annc`, `node_annc`, `remote_cse_annc`, `schedule_annc`, `semantic_descriptor_annc`,
---`subscription`, `time_series_annc`, `time_series`, `time_sync_beacon_annc`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`ast` `loc`.
---@class moon2m.res.cse_base_annc: moon2m.resource
---@field lnk string link; needed in a create, may be changed
---@field esi? table e2eSecInfo; may be set and changed
---@field srv? string[] supportedReleaseVersions; may be set and changed
---@field spi? string SP-ID; may be set and changed
---@field ici? string IN-CSE-ID; may be set and changed
