-- flexContainerInstance (TS-0001, release 4): what the attributes of a flexContainer were.  The CSE
-- makes them (history.lua), nobody creates or updates one by request.  Its root is that of the
-- flexContainer, its attributes are these and the specialisation's own: instances_of() is its type.

local attrs = {
  "rn", "ty", "ri", "pi", "ct",
  { "et", create = "-", update = "-" }, { "lbl", create = "-", update = "-" },
  "st",
  { "cs", "uint", create = "-", update = "-" },
  { "org", "id", create = "-", update = "-" },
  { "loc", create = "-", update = "-" },
}

local base = {}
for _, r in ipairs(attrs) do base[type(r) == "table" and r[1] or r] = true end

-- The file of the type of a flexContainer's instances.  own: the names of the attributes that its
-- specialisation has by itself.
local function instances_of(spec, T, own)
  local rows = {}
  for i, r in ipairs(attrs) do rows[i] = r end
  for _, name in ipairs(own) do
    if not base[name] then rows[#rows + 1] = { name, "any", create = "-", update = "-" } end
  end
  return { ty = spec.ty, name = spec.name, short = T.root, instance = true, children = {},
    attrs = rows }
end

return {
  ty = 58, name = "flex_container_instance", short = "m2m:fci", instance = true, by_cse = true,
  children = {}, instances_of = instances_of,
  attrs = attrs,
}
