-- semanticDescriptor (TS-0001 9.6.30, TS-0004 7.4.34): what its parent means, as a text of RDF or
-- OWL in base64.  It is kept and must be well-formed; with vlde the resources that it is linked
-- with (rels) must be there, and svd says so.  Ontologies are not there to be compared with, and
-- SPARQL is not executed.

local core = require "moon2m.core.json"
local rdf = require "moon2m.rdf"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"

local DESCRIPTOR = 24
local IRI = 1
local MAX_BYTES = 262144         -- of dsp
local ONTOLOGY_MISSING, LINK_MISSING, INVALID = 4118, 4119, 4120

local after = schema.after

local descriptor = schema.string_kind(nil, "a base64 text (string)", function(s)
  if #s > MAX_BYTES then return nil, ("more than %d bytes"):format(MAX_BYTES) end
  local text = rdf.decode(s)
  if not text then return nil, "not base64" end
  return text
end)

-- Decoded, also of a descriptor that is stored.
local function text_of(values, r)
  return values.dsp or rdf.decode(core.string(r.raw.dsp))
end

local function check(values, r)
  if values.soe ~= nil then
    if values.dsp ~= nil then
      return rsc.err(rsc.BAD_REQUEST, "soe: goes not with dsp, which it would change")
    end
    return rsc.err(rsc.NOT_IMPLEMENTED,
      "soe: SPARQL is not executed by this CSE, write the whole descriptor (dsp)")
  end
  local dcrp = after(values, r, "dcrp")
  if dcrp == IRI then
    return rsc.err(rsc.BAD_REQUEST, "dcrp: 1 (IRI) is no representation of a descriptor")
  end
  if values.dsp == nil and values.dcrp == nil then return nil end
  local why = rdf.misfit(dcrp, text_of(values, r))
  if why then
    return rsc.err(after(values, r, "vlde") and INVALID or rsc.BAD_REQUEST, "dsp: %s", why)
  end
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

local function settle(ctx, r, new, none)
  if not after(new.values, r, "vlde") then
    new.raw.svd = none
    return true
  end
  local e = validate(ctx, new.values, r)
  if e then return nil, e end
  new.raw.svd = "true"
  return true
end

return {
  ty = 24, name = "semantic_descriptor", short = "m2m:smd",
  parents = { "ae", "container", "group", "mgmt_obj", "node", "flex_container", "time_series" },
  children = { "subscription" },
  check = check,
  create = function(ctx, _, new) return settle(ctx, nil, new, nil) end,
  update = function(ctx, r, new) return settle(ctx, r, new, "null") end,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cstn",
    "cr",
    { "dcrp", schema.enum("a semantic format", { 1, 2, 3, 4, 5, 6, 7 }), create = "M",
      update = "O", announced = "OA" },
    { "soe", "string", create = "-", update = "O" },
    { "dsp", descriptor, create = "M", update = "O", announced = "OA" },
    { "or", "uri", create = "O", update = "O", announced = "OA" },
    { "rels", "uri", list = 1, create = "O", update = "O", announced = "OA" },
    { "svd", "bool", create = "-", update = "-", announced = "OA" },
    { "vlde", "bool", create = "O", update = "O", announced = "OA" },
  },
}
