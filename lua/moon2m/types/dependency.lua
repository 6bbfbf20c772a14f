-- dependency (Release 4): a further condition of the action that it is below.  Its place in the
-- action's dep says when it is looked at; sfc whether it is enough alone, or needed.

local evaluation = require "moon2m.evaluation"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"

local function bad(...) return nil, rsc.err(rsc.BAD_REQUEST, ...) end

-- What evc looks at must be there, and the originator may read it.  access.lua needs the tree.
local function check_reference(ctx, rri, evc)
  local r, T, at = evaluation.subject(rri)
  if not T then return bad("rri: %s: there is no such resource here", rri) end
  local access = require "moon2m.access"
  local ok, e = access.check(r or at, access.RETRIEVE, ctx.req)
  if not ok then return bad("rri: %s", e.msg) end
  local why = evaluation.misfit(evc, T)
  if why then return bad("%s", why) end
  return true
end

local function create(ctx, _, new)
  return check_reference(ctx, new.values.rri, new.values.evc)
end

local function update(ctx, r, new)
  local values = new.values
  if values.rri == nil and values.evc == nil then return true end
  return check_reference(ctx, schema.after(values, r, "rri"), values.evc or evaluation.of(r))
end

return {
  ty = 66, name = "dependency", short = "m2m:depr",
  parents = { "action" }, children = { "subscription" },
  create = create, update = update,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cstn",
    "cr",
    { "sfc", "bool", create = "M", update = "O", announced = "OA" },
    { "evc", evaluation.criterion, create = "M", update = "O", announced = "OA" },
    { "rri", "id", create = "M", update = "O", announced = "MA" },
  },
}
