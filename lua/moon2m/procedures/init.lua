-- What the server does for the built-in resource types: one file per type beside this one, named as
-- the type; a type without one is its data alone.  The files of the types (moon2m.types) say what
-- a resource is, with what scripts have, too; these are the server's own and use all of it.  Who
-- serves requests requires this file: it joins them to the types and returns moon2m.types.
--
-- A file returns a table of functions, each of them optional.  These are called by the operations,
-- in a task, and may yield unless it says otherwise; ctx = { req, originator, tree, ops }:
--   create(ctx, parent, new)    after check_create, before the commit.  new is the resource object
--                               to be: ty, type, rn, ri, ct, et, raw, and values (as check_create
--                               returned them).  It may set fields of new and texts in new.raw.
--   update(ctx, r, new)         new = { raw, values } as check_update returned them; r is unchanged
--                               yet.
--   delete(ctx, r)              before the commit of its deletion.
--   child_created(ctx, parent, child)
--   applied(r, new)             of an UPDATE, when r is changed and nothing is queued: operations
--                               that belong into the transaction, or nil.  Never yields.
--   arrives(r, i)               of a container: instance i is about to be queued: an operation that
--                               belongs into its transaction, or nil.  Never yields.
--   refused(r, i)               that transaction failed.
--   committed(r, old)           after r was created, or updated: old = its texts before.
--   deleted(r)                  after r was deleted, by a request or by its expiration.
-- create, update and delete return true | nil, err.
--
-- These never yield:
--   access(r, op, req, child_ty)
--                               whether req.who may do op (access.lua): true, false, or nil: as its
--                               policies say.
--   getters                     of attributes: getters.NAME(r) is what is written, JSON text or
--                               nil.
--   limits(r)                   of a container: sets r.mni, r.mbs, r.mia beyond the attributes.
--   holds(r)                    of a container: whether this one has instances.
--   reserved(r, rn)             of a container: whether instances of r may come to have that name.
--   unknown(root, inner, by_root)
--                               of a type that has only specialisations: the err for a root that
--                               no specialisation has; by_root: the types by their roots.
--   measure(attrs)              of such a type: a function of a resource's texts that gives its cs;
--                               attrs: the rows that a specialisation has by itself.
--   instances_of(spec, T)       of a type of instances: the file of the type of T's instances.

local types = require "moon2m.types"

local files = { "cse_base", "container", "content_instance", "subscription", "request", "group",
  "cross_resource_subscription", "node", "remote_cse", "flex_container", "flex_container_instance",
  "time_series", "time_series_instance", "time_sync_beacon", "mgmt_obj",
  "mgmt_area_nwk_device_info", "action", "location_policy", "trigger_request",
  "schedule", "policy_deletion_rules", "notification_target_policy",
  "notification_target_mgmt_policy_ref", "semantic_descriptor", "dependency" }

for _, name in ipairs(files) do
  types.join(name, require("moon2m.procedures." .. name))
end
for _, T in pairs(types.by_ty) do
  if T.spec.announced then types.join(T.name, require "moon2m.procedures.announced") end
end

return types
