-- semanticDescriptor (TS-0001 9.6.30, TS-0004 7.4.34): what its parent means, as a text of RDF or
-- OWL in base64.  It is kept and must be well-formed; with vlde the resources that it is linked
-- with (rels) must be there, and svd says so.  Ontologies are not there to be compared with, and
-- SPARQL is not executed.

local kinds = require "moon2m.kinds"
local rsc = require "moon2m.rsc"

local IRI = 1
local MAX_BYTES = 262144         -- of dsp

local function is_base64(s)
  local text = s:gsub("[ \t\r\n]+", "")
  return #text % 4 == 0 and text:find("^[%w+/]*=?=?$") ~= nil
end

local descriptor = kinds.text("a base64 text (string)", function(s)
  if #s > MAX_BYTES then return false, ("more than %d bytes"):format(MAX_BYTES) end
  return is_base64(s), "not base64"
end)

local function check(values, r)
  if values.soe ~= nil and values.dsp ~= nil then
    return rsc.err(rsc.BAD_REQUEST, "soe: goes not with dsp, which it would change")
  elseif values.soe ~= nil then
    return rsc.err(rsc.NOT_IMPLEMENTED,
      "soe: SPARQL is not executed by this CSE, write the whole descriptor (dsp)")
  end
  if kinds.after(values, r, "dcrp") == IRI then
    return rsc.err(rsc.BAD_REQUEST, "dcrp: 1 (IRI) is no representation of a descriptor")
  end
end

return {
  ty = 24, name = "semantic_descriptor", short = "m2m:smd",
  parents = { "ae", "container", "group", "mgmt_obj", "node", "flex_container", "time_series" },
  children = { "subscription" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cstn",
    "cr",
    { "dcrp", kinds.enum("a semantic format", { 1, 2, 3, 4, 5, 6, 7 }), create = "M",
      update = "O", announced = "OA" },
    { "soe", "string", create = "-", update = "O" },
    { "dsp", descriptor, create = "M", update = "O", announced = "OA" },
    { "or", "uri", create = "O", update = "O", announced = "OA" },
    { "rels", "uri", list = 1, create = "O", update = "O", announced = "OA" },
    { "svd", "bool", create = "-", update = "-", announced = "OA" },
    { "vlde", "bool", create = "O", update = "O", announced = "OA" },
  },
}
