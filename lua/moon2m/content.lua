-- The content of a CREATE or UPDATE: from pc to checked attributes.  Unwraps the one root member,
-- checks against the type, lets the scripts' checks look and change, and checks again what they
-- changed.  Attribute values stay the texts that were received.

local json = require "moon2m.core.json"
local access = require "moon2m.access"
local rules = require "moon2m.announce_rules"
local outgoing = require "moon2m.outgoing"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local script = require "moon2m.script"
local view = require "moon2m.view"

local content = {}

local function bad(...)
  return nil, rsc.err(rsc.BAD_REQUEST, ...)
end

--- The members of the representation in pc, which must be one of type T: { name = raw text }.
-- nil, err (4000).
function content.members(pc, T)
  if not pc then return bad("pc: missing, a representation of %s is needed", T.root) end
  local outer, names = json.members(pc)
  if not outer then return bad("pc: %s", names) end
  local inner = outer[T.root]
  if #names ~= 1 then return bad("pc: exactly one member is expected, got %d", #names) end
  if not inner then return bad("pc: expected %s, got %s", T.root, names[1]) end
  local members, why = json.members(inner)
  if not members then return bad("%s: %s", T.root, why) end
  return members
end

local function shape(T, members, r)
  if r then return schema.check_update(T, members, r) end
  return schema.check_create(T, members)
end

-- What is well formed may still name an address that nobody is sent to.
local function check(req, T, members, r)
  local raw, values = shape(T, members, r)
  local e = raw and rules.check(T, raw, values, r) or raw and outgoing.concerns(T)
    and outgoing.refused(values, req.who, access.privileged(req.who))
  if e then return nil, e end
  return raw, values
end

--- Checked attributes: raw, values as of schema.check_create, or of check_update when r is given.
-- target: what scripts are told that the request addresses.  Yields only into scripts.
function content.check(req, T, members, r, target)
  local raw, values = check(req, T, members, r)
  if not raw or not script.has.check
    or not view.concerns(script.matching, "check", req, target) then
    return raw, values
  end
  local verdict, why, code = script.check(view.request(req, target, true), members)
  if verdict == false then return nil, rsc.err(code or rsc.BAD_REQUEST, "%s", tostring(why)) end
  if not verdict and not r then return raw, values end
  return check(req, T, members, r)
end

return content
