-- remoteCSE: registers as who it says it is (TS-0004 7.4.4.2.1); identity, token and connection are
-- register.lua's.

local path = require "moon2m.path"
local rsc = require "moon2m.rsc"

-- cb is a CSEBase of the CSE that registers.
local function check_base(cb, csi)
  local at = path.originator(cb)
  if at == csi or at:sub(1, #csi + 1) == csi .. "/" then return nil end
  return rsc.err(rsc.BAD_REQUEST, "cb: %s is no CSEBase of %s, who asks for registration", cb, csi)
end

-- The others that it names are of this service provider.
local function check_others(values)
  local list = {}
  for i, id in ipairs(type(values.dcse) == "table" and values.dcse or {}) do
    list[i] = { ("dcse: entry %d"):format(i), id }
  end
  if type(values.ici) == "string" then list[#list + 1] = { "ici", values.ici } end
  for _, one in ipairs(list) do
    if path.originator(one[2]):find("^//") then
      return rsc.err(rsc.BAD_REQUEST, "%s: %s is of another service provider", one[1], one[2])
    end
  end
end

local function create(ctx, _, new)
  local values, csi = new.values, ctx.originator
  local e = check_base(values.cb, csi)
  if e then return nil, e end
  if values.csi and path.originator(values.csi) ~= csi then
    return nil, rsc.err(rsc.BAD_REQUEST, "csi: %s is not the originator, %s", values.csi, csi)
  end
  e = check_others(values)
  if e then return nil, e end
  return true
end

local function update(_, _, new)
  local e = check_others(new.values)
  if e then return nil, e end
  return true
end

return { create = create, update = update }
