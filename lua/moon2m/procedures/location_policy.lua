-- locationPolicy (TS-0004 7.4.10.2): a container of its own comes and goes with it; location.lua
-- says where the device is.

local core = require "moon2m.core.json"
local json = require "moon2m.json"
local location = require "moon2m.location"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local DEVICE = 2

-- Makes the container of a policy that is being created: named `name` or by the CSE, read by who
-- made the policy, with its acpi (JSON text or nil).  The container | nil, rsc, text.  Yields.
local function make_container(ri, name, who, acpi)
  local attrs = {}
  if name then attrs[1] = '"rn":' .. core.quote(name) end
  if acpi then attrs[#attrs + 1] = '"acpi":' .. acpi end
  local code, pc = location.perform { op = 1, to = path.structured(""), ty = 3,
    pc = '{"m2m:cnt":{' .. table.concat(attrs, ",") .. "}}" }
  local body = pc and json.decode(pc)
  if code ~= 2001 then return nil, code, body and body["m2m:dbg"] or "" end
  local c = tree.resolve(body["m2m:cnt"].ri)
  c.raw._cr = core.quote(who)
  write.attribute(c, "li", core.quote(ri))
  return c
end

-- The target area must be polygons (location.area).
local function check_area(gta)
  if gta == nil or gta == "null" then return nil end
  local shape, why = location.area(gta)
  return not shape and rsc.err(rsc.BAD_REQUEST, "gta: %s", why) or nil
end

local function create(ctx, _, new)
  local values = new.values
  if values.los ~= DEVICE then
    return nil, rsc.err(rsc.NOT_IMPLEMENTED,
      "los: only device based location (2) is supported by this CSE")
  end
  local e = check_area(new.raw.gta)
  if e then return nil, e end
  new.raw.lit = new.raw.lit or "1"
  local c, code, why = make_container(new.ri, values.lon, ctx.originator, new.raw.acpi)
  if not c then return nil, rsc.err(code, "lon: %s", why) end
  new.raw.loi, new.raw.lost = '"' .. c.ri .. '"', '"no position is known"'
  new.undo = function() location.deleted(new) end
  return true
end

-- Another area or event: what was inside before says nothing.
local function update(_, _, new)
  local e = check_area(new.raw.gta)
  if e then return nil, e end
  if new.values.gta ~= nil then new.raw._inside = "null" end
  return true
end

return {
  create = create, update = update,
  committed = function(r) location.set(r, true) end,
  deleted = function(r) location.deleted(r) end,
}
