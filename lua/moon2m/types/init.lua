-- The resource types of this CSE: by number, by JSON root and by name.  A type is a data file
-- beside this one, or a script's cse.type; all go through register().  What the server does for a
-- built-in type is not in its file: that is moon2m.procedures, which join() adds.
--
-- A type's file is what cse.type takes: attributes, kinds, parents, children, and its check.
-- check(values, r) is pure: attributes that must fit together; r is the resource of an UPDATE, nil
-- on CREATE; returns nil or an err.  A type that has only specialisations (abstract) has special =
-- { key, kind, what }, which field each of them needs, and special_check(spec): its check.

local core = require "moon2m.core.json"
local announced = require "moon2m.announced"
local flex = require "moon2m.flex"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"

local types = { by_ty = {}, by_root = {}, by_name = {} }

-- Type numbers of the standard (TS-0004 6.3.4.2.1): of these and of what is announced of them, the
-- ones not registered answer 5001, any other number 4000.
types.known = {
  [1] = "accessControlPolicy", [2] = "AE", [3] = "container", [4] = "contentInstance",
  [5] = "CSEBase", [6] = "delivery", [7] = "eventConfig", [8] = "execInstance", [9] = "group",
  [10] = "locationPolicy", [11] = "m2mServiceSubscriptionProfile", [12] = "mgmtCmd",
  [13] = "mgmtObj", [14] = "node", [15] = "pollingChannel", [16] = "remoteCSE", [17] = "request",
  [18] = "schedule", [19] = "serviceSubscribedAppRule", [20] = "serviceSubscribedNode",
  [21] = "statsCollect", [22] = "statsConfig", [23] = "subscription", [24] = "semanticDescriptor",
  [25] = "notificationTargetMgmtPolicyRef", [26] = "notificationTargetPolicy",
  [27] = "policyDeletionRules", [28] = "flexContainer", [29] = "timeSeries",
  [30] = "timeSeriesInstance", [31] = "role", [32] = "token",
  [34] = "dynamicAuthorizationConsultation", [35] = "authorizationDecision",
  [36] = "authorizationPolicy", [37] = "authorizationInformation", [38] = "ontologyRepository",
  [39] = "ontology", [40] = "semanticMashupJobProfile", [41] = "semanticMashupInstance",
  [42] = "semanticMashupResult", [43] = "AEContactList", [44] = "AEContactListPerCSE",
  [45] = "localMulticastGroup", [46] = "multimediaSession", [47] = "triggerRequest",
  [48] = "crossResourceSubscription", [49] = "backgroundDataTransfer", [50] = "transactionMgmt",
  [51] = "transaction", [58] = "flexContainerInstance", [60] = "timeSyncBeacon",
  [62] = "primitiveProfile", [63] = "processManagement", [64] = "state", [65] = "action",
  [66] = "dependency",
}

--- The name that the standard gives to a type's number, that of an announced resource too; nil for
-- any other number.
function types.standard(ty)
  local original = types.known[ty - announced.number(0)]
  return types.known[ty] or original and original .. "Annc"
end

-- Attribute short names of all registered types, counted: what a filter may name.
local names = {}

local function count(T, by)
  for _, name in ipairs(T.order) do
    local n = (names[name] or 0) + by
    names[name] = n > 0 and n or nil
  end
end

--- Whether any registered type has an attribute of that short name, or a specialisation of the
-- standard, which may have resources before it is registered.
function types.has_attribute(name)
  return names[name] ~= nil or flex.has_attribute(name)
end

--- The numbers of the registered types that have an attribute, ascending.
function types.with_attribute(name)
  local list = {}
  local seen = {}
  for _, T in pairs(types.by_root) do
    if T.attr[name] and not seen[T.ty] then
      seen[T.ty] = true
      list[#list + 1] = T.ty
    end
  end
  table.sort(list)
  return list
end

--- The type of the instances that a resource of type T holds, nil when it holds none: one for each
-- specialisation.
function types.instance_type(T)
  local I = types.by_name[T.instances]
  local instances_of = I and I.procedures.instances_of
  if not instances_of then return I end
  if not T.instance_type then T.instance_type = schema.compile(instances_of(I.spec, T)) end
  return T.instance_type
end

--- The types that hold instances and the types of those, by number: { { ty, instance }, ... }.
function types.containers()
  local list = {}
  for ty, T in pairs(types.by_ty) do
    local I = types.by_name[T.instances]
    if I then list[#list + 1] = { ty, I.ty } end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list
end

-- ---- procedures ---------------------------------------------------------------------------------

local HOOKS = { "create", "update", "delete", "child_created", "applied", "arrives", "refused",
  "committed", "deleted", "access" }
-- What is needed to read the resources of a type that is no more.
local KEPT = { "getters", "limits", "holds" }
local joined = {}                -- name of a type -> what the server does for it

local function give(T, procedures)
  T.procedures = procedures
  for _, hook in ipairs(HOOKS) do T[hook] = procedures[hook] end
  for name, get in pairs(procedures.getters or {}) do
    if T.attr[name] then T.attr[name].get = get end
  end
  local own = T.spec.special_attrs
  if own and procedures.measure then T.measure = procedures.measure(own) end
end

-- Of a specialisation: what is done for the type that it specialises, then what is its own.
local function equip(T)
  local all = {}
  for _, name in ipairs { T.as, T.name } do
    for key, v in pairs(joined[name] or {}) do all[key] = v end
  end
  give(T, all)
end

--- The server does this (a table of moon2m.procedures) for the built-in type of that name and for
-- its specialisations.
function types.join(name, procedures)
  joined[name] = procedures
  for _, T in pairs(types.by_name) do
    if T.name == name or T.as == name then equip(T) end
  end
end

-- base: the type whose number it shares, or nil.
local function plug(T, base)
  if not base then types.by_ty[T.ty] = T end
  types.by_root[T.root], types.by_name[T.name] = T, T
  for _, p in ipairs(T.parents or {}) do
    if types.by_name[p] then types.by_name[p].children[T.name] = true end
  end
  count(T, 1)
end

-- ---- extensions ---------------------------------------------------------------------------------

local FIXED = { rn = true, ty = true, ri = true, pi = true, ct = true, lt = true }
local extensions = {}            -- name -> specs that extend the type, in the order they came

local function add_rows(attrs, spec)
  if spec.attrs ~= nil and type(spec.attrs) ~= "table" then
    error(("%s: attrs: a table was expected, got a %s"):format(spec.extends, type(spec.attrs)), 0)
  end
  local at = {}
  for i, r in ipairs(attrs) do at[type(r) == "table" and r[1] or r] = i end
  for _, r in ipairs(spec.attrs or {}) do
    if type(r) ~= "table" or r.create == "M" then
      error("an attribute that extends " .. spec.extends .. " must be a row and optional", 0)
    end
    local i = at[r[1]]
    if i and FIXED[r[1]] then
      error(("%s: the attribute %s cannot be changed"):format(spec.extends, r[1]), 0)
    end
    attrs[i or #attrs + 1] = r
  end
end

-- The checks of a type and of its extensions, one after the other: the first error counts.
local function all_checks(first, list)
  local checks = { first }
  for _, spec in ipairs(list) do checks[#checks + 1] = spec.check end
  if #checks < 2 then return checks[1] end
  return function(values, r)
    for i = 1, #checks do
      local e = checks[i](values, r)
      if e then return e end
    end
  end
end

-- The type of `base` (a data file) with its extensions.
local function compose(base, list)
  local spec, attrs, children = {}, {}, {}
  for k, v in pairs(base) do spec[k] = v end
  for _, r in ipairs(base.attrs) do attrs[#attrs + 1] = r end
  for _, name in ipairs(base.children or {}) do children[#children + 1] = name end
  for _, more in ipairs(list) do
    add_rows(attrs, more)
    for _, name in ipairs(more.children or {}) do children[#children + 1] = name end
  end
  spec.attrs, spec.children, spec.check = attrs, children, all_checks(base.check, list)
  local T = schema.compile(spec)
  T.spec = base
  return T
end

-- Puts the fields of one compiled type into another: resources and modules keep the table itself.
local function replace(T, by)
  for k in pairs(T) do T[k] = nil end
  for k, v in pairs(by) do T[k] = v end
end

-- Compiles the type anew; those that named it as their parent are still its children.
local function recompile(T, list)
  local new = compose(T.spec, list)
  for _, other in pairs(types.by_name) do
    for _, p in ipairs(other.parents or {}) do
      if p == T.name then new.children[other.name] = true end
    end
  end
  new.as, new.rooted, new.abstract = T.as, T.rooted, T.abstract
  count(T, -1)
  replace(T, new)
  equip(T)
  count(T, 1)
end

local function extend(spec)
  local T = types.by_name[spec.extends]
  if not T then error("no resource type " .. tostring(spec.extends) .. " to extend", 0) end
  local list = { unpack(extensions[T.name] or {}) }
  list[#list + 1] = spec
  recompile(T, list)
  extensions[T.name] = list
  return T, function()
    local rest = {}
    for _, s in ipairs(extensions[T.name]) do
      if s ~= spec then rest[#rest + 1] = s end
    end
    recompile(T, rest)
    extensions[T.name] = rest
  end
end

local function check_spec(spec)
  if type(spec.name) ~= "string" or type(spec.short) ~= "string"
    or not spec.short:find("^%w+:%w+$") then
    error("a resource type needs name and short (\"ns:name\")", 0)
  end
  if type(spec.ty) ~= "number" or spec.ty < 1 or spec.ty % 1 ~= 0 then
    error(spec.name .. ": ty must be a positive integer", 0)
  end
  local base = types.by_ty[spec.ty]
  local there = types.by_root[spec.short]
  if base and not base.abstract or types.by_name[spec.name]
    or there and (spec.standard or not there.spec.standard) then
    error(spec.name .. ": ty, name or short is taken", 0)
  end
  local key, kind, what = unpack(base and base.spec.special or {})
  if key and not spec.standard and type(spec[key]) ~= kind then
    error(("%s: a specialisation needs %s (%s)"):format(spec.name, key, what), 0)
  end
  if type(spec.attrs) ~= "table" then error(spec.name .. ": attrs is missing", 0) end
end

-- ---- types that come and go ---------------------------------------------------------------------

-- Types without their script, by root: resources that are there can be read and deleted, nothing
-- else.  The table of a type stays the same whatever becomes of it: resources hold it.
local retired = {}

-- The file of a type that is only read: its attributes as they are, no child, no hook.
local function frozen(spec)
  local copy = { ty = spec.ty, name = spec.name, short = spec.short, children = {}, attrs = {},
    instances = spec.instances, virtual = spec.virtual }
  for i, r in ipairs(spec.attrs) do
    local row = type(r) == "string" and { r } or { r[1], "any" }
    row.create, row.update = "-", "-"
    copy.attrs[i] = row
  end
  return copy
end

-- base: the name of the type that it specialised, nil: none that is here.
local function freeze(T, spec, base)
  local procedures = {}
  for _, key in ipairs(KEPT) do procedures[key] = joined[base] and joined[base][key] end
  replace(T, schema.compile(frozen(spec)))
  give(T, procedures)
  T.retired, retired[T.root] = true, T
end

local function retire(T)
  local measure = T.measure
  freeze(T, T.spec, T.as)
  T.measure = measure
end

-- A type whose script has not been seen in this run, as far as its resources show it.
local function stand_in(ty, root, raw)
  local T = retired[root]
  local attrs, known = { "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "st" }, {}
  for _, name in ipairs(attrs) do known[name] = true end
  for _, name in ipairs(T and T.order or {}) do
    if not known[name] then attrs[#attrs + 1] = { name, "any" } end
    known[name] = true
  end
  local more = {}
  for name in pairs(raw) do
    if not known[name] and name:byte() ~= 95 then more[#more + 1] = name end
  end
  if T and not more[1] then return T end
  table.sort(more)
  for _, name in ipairs(more) do attrs[#attrs + 1] = { name, "any" } end
  T = T or {}
  local base = types.by_ty[ty] or {}
  freeze(T, { ty = ty, name = root, short = root, attrs = attrs, instances = base.instances,
    virtual = base.virtual }, base.name)
  T.guessed = true
  return T
end

--- The type of a resource that was stored: ty, and raw, the texts of its attributes.
function types.of_row(ty, raw)
  local root = raw._root and core.string(raw._root)
  if not root then return types.by_ty[ty] or stand_in(ty, "type:" .. ty, raw) end
  local T = types.find(root)
  if T and T.ty == ty then return T end
  T = retired[root]
  if T and not T.guessed then return T end
  return stand_in(ty, root, raw)
end

-- ---- specialisations ----------------------------------------------------------------------------

-- The attributes of a type as they were compiled, row -> A: its specialisations share them.
local function compiled_rows(T)
  if not T.compiled then
    T.compiled = {}
    for i, r in ipairs(T.spec.attrs) do T.compiled[r] = T.rows[i] end
  end
  return T.compiled
end

-- The attributes of the type that a specialisation has the number of, then its own.  A row with
-- open = true gives way to one of the specialisation.
local function specialise(base, spec)
  local full, own = { like = compiled_rows(base) }, {}
  for _, r in ipairs(spec.attrs) do own[type(r) == "table" and r[1] or r] = true end
  for k, v in pairs(base.spec) do full[k] = v end
  for k, v in pairs(spec) do full[k] = v end
  full.attrs, full.children, full.abstract, full.special_attrs = {}, {}, nil, spec.attrs
  for _, r in ipairs(base.spec.attrs) do
    if type(r) ~= "table" or not (r.open and own[r[1]]) then full.attrs[#full.attrs + 1] = r end
  end
  for _, r in ipairs(spec.attrs) do full.attrs[#full.attrs + 1] = r end
  for name in pairs(base.children) do full.children[#full.children + 1] = name end
  for _, name in ipairs(spec.children or {}) do full.children[#full.children + 1] = name end
  full.check = base.spec.special_check(spec)
  return full
end

--- The type that a CREATE of T means: T itself, or for a type that has only specialisations the one
-- that the content's root names.  nil, err when there is none.
function types.for_content(T, pc)
  if not T.abstract then return T end
  local outer, list = core.members(pc or "")
  local root = outer and list[1]
  local found = root and types.find(root)
  if found and found.ty == T.ty and found ~= T then return found end
  if not root then
    return nil, rsc.err(rsc.BAD_REQUEST, "pc: missing, a representation of a %s is needed", T.name)
  end
  return nil, T.procedures.unknown(root, outer[root], types.by_root)
end

local any_class

--- What an unknown specialisation of flexContainer is refused with (TS-0004 7.4.37).
types.unknown_class = rsc.SPECIALIZATION_SCHEMA_NOT_FOUND

--- o.any_class: the classes of the standard may be below any other; o.bad_request: unknown ones are
-- refused with 4000.
function types.configure(o)
  any_class = o.any_class
  types.unknown_class = o.bad_request and rsc.BAD_REQUEST or rsc.SPECIALIZATION_SCHEMA_NOT_FOUND
end

--- Whether a specialisation T may be created below P: nil, or the err that refuses it (4108).  The
-- standard lists the classes below most of its own; those of scripts may be anywhere.
function types.class_error(P, T)
  local classes = P.spec.classes
  if any_class or not classes or not T.spec.standard or classes[T.root] then return nil end
  return rsc.err(rsc.INVALID_CHILD_RESOURCE_TYPE, "a %s cannot be created below a %s", T.root,
    P.root)
end

local variants = {}              -- root -> undoes the registration of its announced variant

-- The announced variant goes with its type.
local function withdraw_variant(T)
  local undo = variants[T.root]
  variants[T.root] = nil
  if undo then undo() end
end

-- A specialisation of the standard makes room for a script's.
local function displace(T)
  count(T, -1)
  types.by_root[T.root], types.by_name[T.name] = nil, nil
  retire(T)
  withdraw_variant(T)
end

-- ---- registering --------------------------------------------------------------------------------

local builtin = true             -- the types of this folder are being registered

-- Compiles spec into the table that the type had before, when there was one.
local function table_of(spec)
  local T, there = schema.compile(spec), types.by_root[spec.short]
  if there then displace(there) end
  local before = retired[spec.short]
  T.abstract = spec.abstract
  if not before or before.ty ~= spec.ty then return T end
  retired[spec.short] = nil
  replace(before, T)
  return before
end

--- Registers a type (the shape of the files here; parents = { type names } adds it to their
-- children; a ty that is there already and has specialisations: one of them, with its cnd or mgd),
-- or with extends = "container" adds optional attributes and children to one, or other rules for
-- attributes that it has; its check runs after that of the type.  Returns T and a function that
-- undoes it: resources of the type stay readable.  Raises a text without position when the data is
-- wrong; then nothing changed.
function types.register(spec)
  if spec.extends then return extend(spec) end
  check_spec(spec)
  local base = types.by_ty[spec.ty]
  local T = table_of(base and specialise(base, spec) or spec)
  T.as = base and base.name or T.name
  T.rooted = base ~= nil or not builtin       -- its resources keep their root beside their ty
  equip(T)
  plug(T, base)
  return T, function()
    count(T, -1)
    if not base then types.by_ty[T.ty] = nil end
    types.by_root[T.root], types.by_name[T.name] = nil, nil
    for _, P in pairs(types.by_name) do P.children[T.name] = nil end
    retire(T)
    withdraw_variant(T)
    types.find(T.root)
  end
end

-- A type that is no announced variant of a specialisation.
local function find_plain(root)
  local T = types.by_root[root]
  if T then return T end
  local spec = flex.spec(root)
  return spec and (types.register(spec)) or nil
end

-- The announced variant of a specialisation, registered.
local function find_variant(root)
  for _, original in ipairs(announced.originals(root)) do
    local T = find_plain(original)
    local base = T and T.as ~= T.name and types.by_ty[T.ty]
    if base and types.by_ty[announced.number(T.ty)] and announced.root(T) == root then
      local V, undo = types.register(announced.special(T))
      variants[original] = undo
      return V
    end
  end
end

--- The type with this JSON root, nil when there is none: a specialisation of the standard is
-- registered when it is first asked for, and the announced variant of any.
function types.find(root)
  return find_plain(root) or find_variant(root)
end

--- How an attribute of T is announced: "MA", "OA" or nil.
function types.announces(T, name)
  return announced.mark(T, T.as ~= T.name and types.by_ty[T.ty] or T, name)
end

--- The announced variant of T, nil when it has none.
function types.variant(T)
  return types.find(announced.root(T))
end

local function with_article(name)
  return (name:find("^[aeiou]") and "an " or "a ") .. name
end

--- Whether a resource of type T may be created below one of type P: nil, or the err that refuses
-- it (4108; 5203 for a subscription, TS-0004 7.3.3.4; 5001 for what the standard has there and this
-- release does not).
function types.child_error(P, T)
  if P.children[T.as or T.name] then return nil end
  local later = P.spec.children_later
  if later and later[T.as or T.name] then
    return rsc.err(rsc.NOT_IMPLEMENTED, "%s below %s is not supported by this CSE",
      with_article(T.name), with_article(P.name))
  end
  if T.name == "subscription" then
    return rsc.err(rsc.TARGET_NOT_SUBSCRIBABLE, "%s cannot be subscribed to",
      with_article(P.name))
  end
  return rsc.err(rsc.INVALID_CHILD_RESOURCE_TYPE, "%s cannot be created below %s",
    with_article(T.name), with_article(P.name))
end

local files = { "cse_base", "ae", "container", "content_instance", "subscription", "acp",
  "polling_channel", "request", "group", "cross_resource_subscription",
  "notification_target_policy", "notification_target_mgmt_policy_ref", "policy_deletion_rules",
  "schedule", "node", "remote_cse",
  "flex_container_instance", "flex_container", "time_series", "time_series_instance",
  "time_sync_beacon", "mgmt_obj", "action", "dependency",
  "location_policy", "semantic_descriptor",
  "dynamic_authorization_consultation", "trigger_request", "ae_contact_list",
  "ae_contact_list_per_cse" }
for _, file in ipairs(files) do
  types.register(require("moon2m.types." .. file))
end
for _, spec in ipairs(require "moon2m.types.mgmt") do types.register(spec) end
for _, file in ipairs(files) do
  local spec = announced.spec(require("moon2m.types." .. file))
  if spec then types.register(spec) end
end
builtin = false

return types
