-- remoteCSE (TS-0001 9.6.4, TS-0004 7.4.4): another CSE that is registered here.  It is that CSE's
-- address for notifications and requests; its identity, token and connection are register.lua's,
-- the way to what is behind it remote.lua's.  csi is what the originator is called.

local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"

local cse_id = schema.string_kind(nil, "a CSE-ID (string)", function(s)
  local id = path.originator(s)
  if id:find("^/[^/%s%c]+$") then return s end
  return nil, "not a CSE-ID (\"/\" and a name)"
end)

-- cb is a CSEBase of the CSE that registers.
local function check_base(cb, csi)
  local at = path.originator(cb)
  if at == csi or at:sub(1, #csi + 1) == csi .. "/" then return nil end
  return rsc.err(rsc.BAD_REQUEST, "cb: %s is no CSEBase of %s, who asks for registration", cb, csi)
end

local function create(ctx, _, new)
  local values, csi = new.values, ctx.originator
  local e = check_base(values.cb, csi)
  if e then return nil, e end
  if values.csi and path.originator(values.csi) ~= csi then
    return nil, rsc.err(rsc.BAD_REQUEST, "csi: %s is not the originator, %s", values.csi, csi)
  end
  return true
end

return {
  ty = 16, name = "remote_cse", short = "m2m:csr",
  parents = { "cse_base" },
  children = { "container", "acp", "subscription", "group", "polling_channel",
    "cross_resource_subscription" },
  create = create,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cr",
    "cstn", "loc",
    { "cst", schema.enum("a CSE type", { 1, 2, 3 }), create = "O", update = "-" },
    { "poa", "poa", list = 1, create = "O", update = "O" },
    { "cb", "uri", create = "M", update = "-" },
    { "csi", cse_id, create = "O", update = "-", one = true },
    { "mei", "string", create = "O", update = "O" },
    { "tri", "string", create = "O", update = "O" },
    { "rr", "bool", create = "M", update = "O" },
    { "nl", "uri", create = "O", update = "O" },
    { "trn", "uint", create = "O", update = "O" },
    { "csz", "serialization", list = 1, create = "O", update = "O" },
    { "esi", "object", create = "O", update = "O", later = true },
    { "dcse", cse_id, list = 1, create = "O", update = "O" },
    { "srv", "release", list = 1, create = "M", update = "O" },
    { "mtcc", schema.enum("a multicast capability", { 1, 2 }), create = "O", update = "O" },
    { "egid", "string", create = "O", update = "O" },
    { "tren", "bool", create = "O", update = "O" },
    { "ape", "object", list = 1, create = "O", update = "O" },
    { "spi", "id", create = "O", update = "O" },
    { "ici", cse_id, create = "O", update = "O" },
  },
}
