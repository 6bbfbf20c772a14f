---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- time_sync_beacon --------------------------------------------------------------------------

---Type 60, `m2m:tsb`. Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.time_sync_beacon: moon2m.resource
---@field bcnr? string beaconRequester; may be set in a create
---@field bcnc 1 | 2 beaconCriteria; needed in a create, may be changed
---@field bcni? string beaconInterval; may be set and changed
---@field bcnt? string beaconThreshold; may be set and changed
---@field bcnu string[] beaconNotificationURIs; needed in a create, may be changed
