---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- acp_annc ----------------------------------------------------------------------------------

---Type 10001, `m2m:acpA`. Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`ast`.
---@class moon2m.res.acp_annc: moon2m.resource
---@field lnk string link; needed in a create, may be changed
---@field pv moon2m.res.acp_annc.pv privileges; needed in a create, may be changed
---@field pvs moon2m.res.acp_annc.pvs selfPrivileges; needed in a create, may be changed
---@field adri? string[] authorizationDecisionResourceIDs; may be set and changed
---@field apri? string[] authorizationPolicyResourceIDs; may be set and changed
---@field airi? string[] authorizationInformationResourceIDs; may be set and changed

---The value of `acip`: IP addresses.
---@class moon2m.res.acp_annc.pv.acr.acco.acip
---@field ipv4? string[] a string
---@field ipv6? string[] a string

---The value of `aclr`: a region.
---@class moon2m.res.acp_annc.pv.acr.acco.aclr
---@field accc? string[] countryCode
---@field accr? number[] circRegion

---The value of `acco`: a context.
---@class moon2m.res.acp_annc.pv.acr.acco
---@field actw? string[] accessControlWindow
---@field acip? moon2m.res.acp_annc.pv.acr.acco.acip accessControlIpAddresses
---@field aclr? moon2m.res.acp_annc.pv.acr.acco.aclr accessControlLocationRegion
---@field acui? any any value
---@field acec? any any value
---@field acl? any any value

---The value of `acod`: object details.
---@class moon2m.res.acp_annc.pv.acr.acod
---@field ty? integer resourceType
---@field spty? string a string
---@field chty integer[] childResourceType

---The value of `acr`: a rule.
---@class moon2m.res.acp_annc.pv.acr
---@field acor string[] accessControlOriginators
---@field acop integer accessControlOperations
---@field acco? moon2m.res.acp_annc.pv.acr.acco[] accessControlContexts
---@field acaf? boolean accessControlAuthenticationFlag
---@field acod? moon2m.res.acp_annc.pv.acr.acod[] accessControlObjectDetails
---@field aca? string[] a string

---The value of `pv`: privileges.
---@class moon2m.res.acp_annc.pv
---@field acr? moon2m.res.acp_annc.pv.acr[] accessControlRule

---The value of `pvs`: privileges.
---@class moon2m.res.acp_annc.pvs
---@field acr moon2m.res.acp_annc.pv.acr[] accessControlRule
