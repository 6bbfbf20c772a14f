-- notificationTargetPolicy: what its creator left out.

local function create(_, _, new)
  local raw = new.raw
  raw.acn, raw.plbl = raw.acn or "1", raw.plbl or '"default"'
  return true
end

return { create = create }
