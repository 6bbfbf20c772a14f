---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- acp ---------------------------------------------------------------------------------------

---Who may do what.
---
---Type 1, `m2m:acp` (TS-0001 9.6.2, TS-0004 7.4.2, 6.3.5.26..28). Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `at` `aa` `ast`.
---@class moon2m.res.acp: moon2m.resource
---@field pv moon2m.res.acp.pv privileges; needed in a create, may be changed
---@field pvs moon2m.res.acp.pvs selfPrivileges; needed in a create, may be changed
---@field adri? string[] authorizationDecisionResourceIDs; not supported: refused with 5001
---@field apri? string[] authorizationPolicyResourceIDs; not supported: refused with 5001
---@field airi? string[] authorizationInformationResourceIDs; not supported: refused with 5001

---The value of `acip`: IP addresses.
---@class moon2m.res.acp.pv.acr.acco.acip
---@field ipv4? string[] a string
---@field ipv6? string[] a string

---The value of `aclr`: a region.
---@class moon2m.res.acp.pv.acr.acco.aclr
---@field accc? string[] countryCode
---@field accr? number[] circRegion

---The value of `acco`: a context.
---@class moon2m.res.acp.pv.acr.acco
---@field actw? string[] accessControlWindow
---@field acip? moon2m.res.acp.pv.acr.acco.acip accessControlIpAddresses
---@field aclr? moon2m.res.acp.pv.acr.acco.aclr accessControlLocationRegion
---@field acui? any any value
---@field acec? any any value
---@field acl? any any value

---The value of `acod`: object details.
---@class moon2m.res.acp.pv.acr.acod
---@field ty? integer resourceType
---@field spty? string a string
---@field chty integer[] childResourceType

---The value of `acr`: a rule.
---@class moon2m.res.acp.pv.acr
---@field acor string[] accessControlOriginators
---@field acop integer accessControlOperations
---@field acco? moon2m.res.acp.pv.acr.acco[] accessControlContexts
---@field acaf? boolean accessControlAuthenticationFlag
---@field acod? moon2m.res.acp.pv.acr.acod[] accessControlObjectDetails
---@field aca? string[] a string

---The value of `pv`: privileges.
---@class moon2m.res.acp.pv
---@field acr? moon2m.res.acp.pv.acr[] accessControlRule

---The value of `pvs`: privileges.
---@class moon2m.res.acp.pvs
---@field acr moon2m.res.acp.pv.acr[] accessControlRule
