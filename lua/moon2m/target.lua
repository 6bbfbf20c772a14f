-- Where notices go: from an entry of `nu` to the key under which the C core delivers.

local preference = require "moon2m.preference"
local rsc = require "moon2m.rsc"
local tree = require "moon2m.tree"

local target = {}

--- Whether an entry of `nu` is a URL, not the identifier of a resource.
function target.is_url(nu)
  return nu:match("^%a[%w+.-]*://") ~= nil
end

--- The target that a `nu` entry means: an AE-ID stem, or a URL.  Yields.
-- nil, err (rsc 4004) when it names nothing that is registered here.
function target.of(nu)
  if target.is_url(nu) then return nu end
  local plain = nu:gsub("[?&]ct=%a+$", "")
  local r, err = tree.resolve(plain)
  if not r then return nil, err end
  if r.ty == 2 then
    preference.seen(r)
    return (tree.value(r, "aei"))
  end
  return nil, rsc.err(rsc.NOT_FOUND, "attribute 'nu': %s is no AE", nu)
end

--- The targets of a subscription that can be told now.  Yields.
function target.list(sub)
  local list = {}
  for _, nu in ipairs(tree.value(sub, "nu")) do
    local one = target.of(nu)
    if one then list[#list + 1] = one end
  end
  return list
end

return target
