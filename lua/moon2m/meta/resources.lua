---@meta _
-- What all resources have in common.  Those of each type are in resources/, made by `make meta`.

-- ---- Resources ----------------------------------------------------------------------------------

---A resource as scripts see it: a table of its attributes by short name, with the values that JSON
---has. The classes below say what each type has, and whether clients may set it.

---What most resources have; everything else depends on the type.
---@class moon2m.resource
---@field [string] any attributes of its type
---@field rn string resource name
---@field ty integer resource type: 3 container, 4 contentInstance, ...
---@field ri string resource identifier
---@field pi string identifier of the parent
---@field ct string creation time, see `cse.epoch`
---@field lt string last modified time
---@field et? string expiration time
---@field lbl? string[] labels
---@field acpi? string[] access control policies
---@field cr? string creator
---@field st? integer state tag: counts changes
---@field loc? { typ: integer, crd: string } location: type of geometry, coordinates as JSON text
---@field at? string[] announce to
---@field aa? string[] announced attributes
---@field ast? integer announcement mode
---@field daci? string[] dynamic authorization consultations
---@field cstn? string custodian
