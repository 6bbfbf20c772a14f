-- mgmtObj: this CSE manages no device itself.  A trigger that is set to true is somebody else's to
-- follow; its status is "in process" then, unless the request says otherwise.

local core = require "moon2m.core.json"
local rsc = require "moon2m.rsc"
local kinds = require "moon2m.types.mgmt.kinds"

local function bad(...)
  return rsc.err(rsc.BAD_REQUEST, ...)
end

local function unknown(root, inner, by_root)
  local raw = core.type(inner) == "object" and core.member(inner, "mgd")
  local mgd = raw and tonumber(raw)
  for name, T in pairs(mgd and mgd > 0 and by_root or {}) do
    if T.spec.mgd == mgd then return bad("pc: expected %s for mgd %s, got %s", name, raw, root) end
  end
  if mgd == 0 then
    return rsc.err(rsc.SPECIALIZATION_SCHEMA_NOT_FOUND,
      "mgd: no script of this CSE declares the self-defined object %s", root)
  elseif kinds.DEFINITIONS[mgd] then
    return rsc.err(rsc.NOT_IMPLEMENTED, "mgd: %s (%s) is not supported by this CSE", raw,
      kinds.DEFINITIONS[mgd])
  elseif raw then
    return bad("mgd: %s is no management definition", raw)
  end
  return bad("pc: %s is no management object", root)
end

-- What was asked for is under way, as far as this CSE knows.
local function start(spec, ri, new)
  for trigger, status in pairs(spec.triggers or {}) do
    if status and new.values[trigger] == true and new.values[status] == nil then
      new.raw[status] = ('{"acn":"%s#%s","sus":%d}'):format(ri, trigger, kinds.IN_PROCESS)
    end
  end
end

-- What is there in any case and was not given: the row's default.
local function create(_, _, new)
  start(new.type.spec, new.ri, new)
  for _, a in ipairs(new.type.rows) do
    if a.default and not new.raw[a.name] then new.raw[a.name] = a.default end
  end
  return true
end

-- The other of a pair that excludes each other is over when one is set.
local function supersede(spec, r, new)
  for _, pair in ipairs(spec.exclusive or {}) do
    for i = 1, 2 do
      local one, other = pair[i], pair[3 - i]
      if new.values[one] == true and new.values[other] == nil and r.raw[other] == "true" then
        new.raw[other] = "false"
      end
    end
  end
end

local function update(_, r, new)
  start(r.type.spec, r.ri, new)
  supersede(r.type.spec, r, new)
  return true
end

return { create = create, update = update, unknown = unknown }
