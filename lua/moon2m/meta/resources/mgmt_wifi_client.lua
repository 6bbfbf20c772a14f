---@meta _
-- Made by `make meta` from lua/moon2m/types/.  Do not edit.

-- ---- mgmt_wifi_client --------------------------------------------------------------------------

---Type 13, `dcfg:wific`. Below it: `semantic_descriptor`, `subscription`.
---
---Of the attributes that all types know: `rn` `ty` `ri` `pi` `ct` `lt` `et` `lbl` `acpi` `daci`
---`at` `aa` `ast` `cstn`.
---@class moon2m.res.mgmt_wifi_client: moon2m.resource
---@field mgd integer mgmtDefinition; needed in a create, fixed
---@field obis? string[] objectIDs; may be set in a create
---@field obps? string[] objectPaths; may be set in a create
---@field dc? string description; may be set and changed
---@field mgs? string mgmtSchema; may be set in a create
---@field cmlk? moon2m.res.mgmt_wifi_client.cmlk[] mgmtLink; may be set and changed
---@field ssid string ssid; needed in a create, may be changed
---@field wcrds? moon2m.res.mgmt_wifi_client.wcrds credentials; may be set and changed
---@field maca? string macAddress; may be set and changed
---@field chanl? string channel; may be set and changed
---@field cons? integer connectionStatus; may be set and changed
---@field scan boolean scan; needed in a create, may be changed
---@field scanr? string[] scanResult; may be set and changed
---@field ud? boolean update; may be set and changed
---@field trdst? boolean toggleRadioStatus; may be set and changed
---@field rdst? boolean radioStatus; may be set and changed

---The value of `cmlk`: a link.
---@class moon2m.res.mgmt_wifi_client.cmlk
---@field nm string a resource name
---@field typ integer typeOfGeometry
---@field val string a URI

---The value of `wcrds`: Wi-Fi credentials.
---@class moon2m.res.mgmt_wifi_client.wcrds
---@field enct integer an encryption type
---@field unm? string a string
---@field pwd? string a string
---@field wepk? string a string
---@field wpap? string a string
