---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- time_sync_beacon_annc ---------------------------------------------------------------------

---Type 10060, `m2m:tsbA`. Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`ast`.
---@class moon2m.res.time_sync_beacon_annc: moon2m.resource
---@field lnk string link; needed in a create, may be changed
---@field bcnr? string beaconRequester; may be set and changed
---@field bcnc? 1 | 2 beaconCriteria; may be set and changed
---@field bcni? string beaconInterval; may be set and changed
---@field bcnt? string beaconThreshold; may be set and changed
---@field bcnu? string[] beaconNotificationURIs; may be set and changed
