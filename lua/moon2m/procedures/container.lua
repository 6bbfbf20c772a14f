-- container: its limits are numbers where the store wants them, beside their texts; what it holds
-- goes when instances can be read again (TS-0001 9.6.6: disr).
--
-- cni, cbs, st and lt are fields of the resource object, kept by the store and the tree.

local null = require("moon2m.json").null

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

-- Instances cannot be read while disr is true; when that ends they go at once.
local function update(_, r, new)
  local was = r.raw.disr == "true"
  new.empty = was and (new.values.disr == false or new.values.disr == null) or nil
  return true
end

return { create = create, update = update }
