-- The standard notification, m2m:sgn (TS-0004 7.5.1.1, 6.3.5.13): a format like those that scripts
-- declare with cse.format(name, fn, { frame = "primitive", encoded = true }).

local to_json = require("moon2m.json").encode          -- what scripts have as cse.json

return function(n)
  local net, om = n.event.net, n.event.om
  return '{"m2m:sgn":{"nev":{"rep":' .. n.rep .. (om and ',"om":' .. to_json(om) or "") ..
    (net and ',"net":' .. net or "") .. '},"sur":"' .. n.sur .. '"' ..
    (n.nfu and ',"nfu":' .. to_json(n.nfu) or "") .. (n.cr and ',"cr":' .. to_json(n.cr) or "") ..
    "}}"
end
