---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- semantic_descriptor -----------------------------------------------------------------------

---What its parent means, as a text of RDF or OWL in base64.
---
---Type 24, `m2m:smd` (TS-0001 9.6.30, TS-0004 7.4.34). Below it: `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn` `cr`.
---@class moon2m.res.semantic_descriptor: moon2m.resource
---@field dcrp 1 | 2 | 3 | 4 | 5 | 6 | 7 descriptorRepresentation; needed in a create, may be changed
---@field soe? string semanticOpExec; may be changed
---@field dsp string descriptor; needed in a create, may be changed
---@field or? string ontologyRef; may be set and changed
---@field rels? string[] relatedSemantics; may be set and changed
---@field svd? boolean semanticValidated; the server's
---@field vlde? boolean validationEnable; may be set and changed
