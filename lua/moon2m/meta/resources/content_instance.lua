---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- content_instance --------------------------------------------------------------------------

---One reading.
---
---Type 4, `m2m:cin` (TS-0001 9.6.7, TS-0004 7.4.7).
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `at` `aa` `ast`
---`st` `cr` `loc`.
---@class moon2m.res.content_instance: moon2m.resource
---@field cnf? string contentInfo; may be set in a create
---@field cs? integer contentSize; the server's
---@field conr? moon2m.res.content_instance.conr contentRef; may be set in a create
---@field or? string ontologyRef; may be set in a create
---@field con any content; needed in a create, fixed
---@field dcnt? integer deletionCnt; not supported: refused with 5001
---@field dgt? string dataGenerationTime; may be set in a create

---The value of `urir`: a reference.
---@class moon2m.res.content_instance.conr.urir
---@field nm string a string
---@field uri string URI

---The value of `conr`: a content reference.
---@class moon2m.res.content_instance.conr
---@field urir moon2m.res.content_instance.conr.urir[] a reference
