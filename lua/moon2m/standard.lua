-- The standard notification, m2m:sgn (TS-0004 7.5.1.1, 6.3.5.13), declared as a script declares a
-- format.  cse: json and format, as scripts have them; format.lua gives its own.

local function declare(cse)
  local to_json = cse.json
  cse.format("standard", function(n)
    local net, om = n.event.net, n.event.om
    return '{"m2m:sgn":{"nev":{"rep":' .. n.rep .. (om and ',"om":' .. to_json(om) or "") ..
      (net and ',"net":' .. net or "") .. '},"sur":"' .. n.sur .. '"' ..
      (n.nfu and ',"nfu":' .. to_json(n.nfu) or "") .. (n.cr and ',"cr":' .. to_json(n.cr) or "") ..
      "}}"
  end, { frame = "primitive", encoded = true })
end

return declare
