-- container (TS-0001 9.6.6, TS-0004 7.4.6): holds instances, the newest reached as "la", the
-- oldest as "ol".  mni, mbs and mia bound it; the store evicts the oldest in the transaction of
-- each create.
--
-- cni, cbs, st and lt are fields of the resource object, kept by the store and the tree.

local json = require "moon2m.json"

local null = json.null

-- The limits as numbers where the store wants them, beside their texts in raw.
local function limits(to, values)
  for _, name in ipairs { "mni", "mbs", "mia" } do
    local v = values[name]
    if v == null then
      to[name] = nil
    elseif v ~= nil then
      to[name] = v
    end
  end
end

local function create(_, _, new)
  new.container = true
  limits(new, new.values)
  return true
end

-- Instances cannot be read while disr is true; when that ends they go at once (TS-0001 9.6.6).
local function update(_, r, new)
  local was = r.raw.disr == "true"
  new.empty = was and (new.values.disr == false or new.values.disr == null) or nil
  return true
end

return {
  ty = 3, name = "container", short = "m2m:cnt",
  instances = "content_instance",
  children = { "content_instance", "subscription", "container" },
  virtual = { la = "latest", ol = "oldest" },
  create = create, update = update,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast",
    "st", "cr", "cstn", "loc",
    { "mni", "uint", create = "O", update = "O" },
    { "mbs", "uint", create = "O", update = "O" },
    { "mia", "uint", create = "O", update = "O" },
    { "cni", "uint", create = "-", update = "-" },
    { "cbs", "uint", create = "-", update = "-" },
    { "li", "uri", create = "-", update = "-" },
    { "or", "uri", create = "O", update = "O" },
    { "disr", "bool", create = "O", update = "O" },
  },
}
