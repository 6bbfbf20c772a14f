-- flexContainerInstance: history.lua makes them; their type has the root of the flexContainer and
-- the attributes that its specialisation has by itself.

local types = require "moon2m.types"

local base = types.by_name.flex_container_instance.attr
local shared = types.by_name.flex_container.attr

local function instances_of(spec, T)
  local rows = {}
  for i, r in ipairs(spec.attrs) do rows[i] = r end
  for _, name in ipairs(T.order) do
    if not shared[name] and not base[name] then
      rows[#rows + 1] = { name, "any", create = "-", update = "-" }
    end
  end
  return { ty = spec.ty, name = spec.name, short = T.root, instance = true, children = {},
    attrs = rows }
end

return { instances_of = instances_of }
