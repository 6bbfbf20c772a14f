-- dependency: what evc looks at must be there.

local access = require "moon2m.access"
local evaluation = require "moon2m.evaluation"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"

local function bad(...) return nil, rsc.err(rsc.BAD_REQUEST, ...) end

-- What evc looks at must be there, and the originator may read it.
local function check_reference(ctx, rri, evc)
  local r, T, at = evaluation.subject(rri)
  if not T then return bad("rri: %s: there is no such resource here", rri) end
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

return { create = create, update = update }
