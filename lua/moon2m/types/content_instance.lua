-- contentInstance (TS-0001 9.6.7, TS-0004 7.4.7): one reading.  Written once, never changed;
-- `con` stays the bytes that were received.


-- contentRef (6.3.5.36): names, each once, of other instances.
local kinds = require "moon2m.kinds"
local content_ref = kinds.object("a content reference (object)", {
  { "urir", kinds.object("a reference (object)", {
      { "nm", "string", required = true }, { "uri", "uri", required = true },
    }), list = 1, required = true },
}, function(v)
  local seen = {}
  for _, one in ipairs(v.urir) do
    if seen[one.nm] then return false, "urir: the name " .. one.nm .. " twice" end
    seen[one.nm] = true
  end
end)

return {
  ty = 4, name = "content_instance", short = "m2m:cin", instance = true,
  children = {}, children_later = { semantic_descriptor = true },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt",
    { "et", update = "-" }, { "lbl", update = "-" },
    { "at", update = "-" }, { "aa", update = "-" }, { "ast", update = "-" },
    "st", "cr", { "loc", update = "-" },
    { "cnf", "cnf", create = "O", update = "-", announced = "OA" },
    { "cs", "uint", create = "-", update = "-" },
    { "conr", content_ref, create = "O", update = "-", announced = "OA" },
    { "or", "uri", create = "O", update = "-", announced = "OA" },
    { "con", "any", create = "M", update = "-", announced = "OA" },
    { "dcnt", "posint", create = "O", update = "-",
      later = "retrieves of an instance are not counted by this CSE" },
    { "dgt", "abs_rel_timestamp", create = "O", update = "-", announced = "OA" },
  },
}
