-- semanticDescriptor: its text is well-formed in the syntax that it claims, and with vlde what it
-- is linked with is there.

local core = require "moon2m.core.json"
local rdf = require "moon2m.rdf"
local rsc = require "moon2m.rsc"
local after = require("moon2m.schema").after

local DESCRIPTOR = 24
local ONTOLOGY_MISSING, LINK_MISSING, INVALID = 4118, 4119, 4120

-- nil, or the err for a text that is malformed.
local function misfit(values, r)
  if values.dsp == nil and values.dcrp == nil then return nil end
  local text = rdf.decode(values.dsp or core.string(r.raw.dsp))
  local why = rdf.misfit(after(values, r, "dcrp"), text)
  return why and rsc.err(after(values, r, "vlde") and INVALID or rsc.BAD_REQUEST, "dsp: %s", why)
end

-- What vlde asks for.
local function validate(ctx, values, r)
  local ontology = after(values, r, "or")
  if ontology then
    return rsc.err(ONTOLOGY_MISSING, "or: %s cannot be reached to validate with", ontology)
  end
  for _, address in ipairs(after(values, r, "rels") or {}) do
    local linked = ctx.tree.resolve(address)
    if not linked or linked.ty ~= DESCRIPTOR then
      return rsc.err(LINK_MISSING, "rels: %s is no semanticDescriptor here", address)
    end
  end
end

-- none: svd without vlde.
local function settle(ctx, r, new, none)
  local e = misfit(new.values, r)
  if e then return nil, e end
  if not after(new.values, r, "vlde") then
    new.raw.svd = none
    return true
  end
  e = validate(ctx, new.values, r)
  if e then return nil, e end
  new.raw.svd = "true"
  return true
end

return {
  create = function(ctx, _, new) return settle(ctx, nil, new, nil) end,
  update = function(ctx, r, new) return settle(ctx, r, new, "null") end,
}
