-- Tables that the library hands out and scripts only read: assigning to one raises an error at the
-- script's line, and so does reading what it does not have.  A look-up costs one metatable more.

local sealed = {}

-- What was handed out -> its contents, weak both ways: contents lead back to what was handed out.
local inside = setmetatable({}, { __mode = "kv" })

--- A table that reads like `contents` and refuses assignments; name: what scripts call it.
function sealed.new(contents, name)
  setmetatable(contents, { __index = function(_, k)
    error(("%s has no function '%s'"):format(name, tostring(k)), 2)
  end })
  local t = setmetatable({}, { __index = contents, __newindex = function(_, k)
    error(("%s.%s cannot be assigned: it is the server's"):format(name, tostring(k)), 2)
  end })
  inside[t] = contents
  return t
end

--- What is in a table of sealed.new; any other value as it is.
function sealed.contents(t)
  return inside[t] or t
end

--- pairs of scripts: goes through what is in a table of sealed.new, too.
function sealed.pairs(t)
  local contents = inside[t]
  if not contents then return pairs(t) end
  return function(_, k) return next(contents, k) end, t, nil
end

return sealed
