-- The protocols of URLs: where notifications can be sent, and what the standard knows besides.

local rsc = require "moon2m.rsc"

local SPOKEN = { http = true, https = true, ws = true, wss = true }
local KNOWN = { mqtt = true, mqtts = true, coap = true, coaps = true, ["coap+tcp"] = true,
  ["coaps+tcp"] = true, ["coap+ws"] = true, ["coaps+ws"] = true }

local protocols = {}

local function refusal(name, list)
  for _, address in ipairs(list) do
    local scheme = address:match("^(%a[%w+.-]*)://")
    local known = scheme and scheme:lower()
    if known and KNOWN[known] then
      return rsc.err(rsc.NOT_IMPLEMENTED, "%s: %s is not spoken by this CSE", name, scheme)
    elseif known and not SPOKEN[known] then
      return rsc.err(rsc.BAD_REQUEST, "%s: %s is no protocol for notifications", name, scheme)
    end
  end
end

--- Whether notifications can be sent to the addresses in `nu` and `su` of values, a request's
-- attributes; to identifiers of resources they always can.  nil, or an error: 5001 for a protocol
-- of the standard that this CSE does not speak, 4000 for any other (TS-0001 9.6.8).
function protocols.refused(values)
  return type(values.nu) == "table" and refusal("nu", values.nu)
    or type(values.su) == "string" and refusal("su", { values.su }) or nil
end

return protocols
