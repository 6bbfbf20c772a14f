---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- group -------------------------------------------------------------------------------------

---Resources that are addressed together through "fopt", notified together when the group is in
---`nu`, and authorised together when it is in `acor`.
---
---Type 9, `m2m:grp` (TS-0001 9.6.13, TS-0004 7.4.13). Below it: `action`, `semantic_descriptor`,
---`subscription`. Virtual: `fopt`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cr` `cstn` `loc`.
---@class moon2m.res.group: moon2m.resource
---@field mt? integer memberType; may be set in a create
---@field spty? string | integer specializationType; may be set in a create
---@field cnm? integer currentNrOfMembers; the server's
---@field mnm integer maxNrOfMembers; needed in a create, may be changed
---@field mid string[] memberIDs; needed in a create, may be changed
---@field macp? string[] membersAccessControlPolicyIDs; may be set and changed
---@field mtv? boolean memberTypeValidated; the server's
---@field csy? 1 | 2 | 3 consistencyStrategy; may be set in a create
---@field gn? string groupName; may be set and changed
---@field ssi? boolean semanticSupportIndicator; the server's
---@field nar? moon2m.res.group.nar notifyAggregation; may be set and changed

---The value of `nar`: a batch policy.
---@class moon2m.res.group.nar
---@field num? integer number
---@field dur? string duration
