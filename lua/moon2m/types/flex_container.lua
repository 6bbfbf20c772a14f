-- flexContainer (TS-0001 9.6.35, TS-0004 7.4.37): a resource whose attributes a specialisation
-- defines.  It has no root of its own: the content's root names the specialisation, one of those of
-- the standard (moon2m/flex) or of a script, cse.type { ty = 28, short = "x:lamp", cnd =
-- "org.example.lamp", attrs = ... }.
-- cs is the size of the specialisation's attributes; instances of them (fcied) are not kept.

local core = require "moon2m.core.json"
local flex = require "moon2m.flex"
local rsc = require "moon2m.rsc"

local attrs = {
  "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast",
  "st", "cr", "cstn", "loc",
  { "cnd", "uri", create = "M", update = "-" },
  { "or", "uri", create = "O", update = "O" },
  { "cs", "uint", create = "-", update = "-" },
  { "nl", "uri", create = "O", update = "O" },
  { "mni", "uint", create = "O", update = "O", later = true },
  { "mia", "uint", create = "O", update = "O", later = true },
  { "mbs", "uint", create = "O", update = "O", later = true },
  { "fcied", "bool", create = "O", update = "O", later = true },
}

local base = {}                  -- names of attributes that every specialisation has
for _, r in ipairs(attrs) do base[type(r) == "table" and r[1] or r] = true end

-- Bytes of a value: of the text of a string, else as it is written.
local function bytes(raw)
  return raw:byte() == 34 and #(core.string(raw) or "") or #raw
end

-- The size of the attributes that the specialisation has by itself.
local function special_measure(spec)
  return function(raw)
    local n = 0
    for _, r in ipairs(spec.attrs) do
      local text = raw[type(r) == "table" and r[1] or r]
      if text then n = n + bytes(text) end
    end
    return n
  end
end

local function special_check(spec)
  return function(values, r)
    if values.cnd ~= nil and spec.cnd and values.cnd ~= spec.cnd then
      return rsc.err(rsc.BAD_REQUEST, "cnd: expected %s for %s, got %s", spec.cnd, spec.short,
        tostring(values.cnd))
    end
    return spec.check and spec.check(values, r)
  end
end

-- A root that no specialisation has.  by_root: all types.
local function unknown(root, inner, by_root)
  local cnd = core.type(inner) == "object" and core.member(inner, "cnd")
  cnd = cnd and (core.string(cnd) or cnd)
  if flex.announced(root) then
    return rsc.err(rsc.BAD_REQUEST, "pc: %s is of an announced resource (type 10028)", root)
  end
  local class = cnd and flex.root_of(cnd)
  if class then
    return rsc.err(rsc.BAD_REQUEST, "pc: expected %s for this cnd, got %s", class, root)
  end
  for name, T in pairs(cnd and by_root or {}) do
    if T.spec.cnd == cnd then
      return rsc.err(rsc.BAD_REQUEST, "pc: expected %s for this cnd, got %s", name, root)
    end
  end
  if cnd then
    return rsc.err(rsc.SPECIALIZATION_SCHEMA_NOT_FOUND,
      "cnd: %s is no specialisation of flexContainer that this CSE knows", cnd)
  end
  return rsc.err(rsc.BAD_REQUEST, "pc: %s is no specialisation of flexContainer", root)
end

-- The stateTag counts changes of the specialisation's own attributes.
local function update(_, _, new)
  new.same = true
  for name in pairs(new.raw) do
    if not base[name] then new.same = nil end
  end
  return true
end

return {
  ty = 28, name = "flex_container", short = "m2m:flexContainer", abstract = true,
  special = { "cnd", "string", "its containerDefinition" },
  children = { "container", "flex_container", "subscription" },
  parents = { "cse_base", "ae", "container", "remote_cse" },
  update = update, unknown = unknown,
  special_check = special_check, special_measure = special_measure,
  attrs = attrs,
}
