---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- request -----------------------------------------------------------------------------------

---What became of a non-blocking request.
---
---Type 17, `m2m:req` (TS-0001 9.6.12, TS-0004 7.4.12). Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`cstn`.
---@class moon2m.res.request: moon2m.resource
---@field op? integer operation; the server's
---@field tg? string target; the server's
---@field org? string originator; the server's
---@field rid? string requestID; the server's
---@field mi? table metaInformation; the server's
---@field pc? table primitiveContent; the server's
---@field rs? integer requestStatus; the server's
---@field ors? table operationResult; the server's
