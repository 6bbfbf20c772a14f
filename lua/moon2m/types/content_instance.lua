-- contentInstance (TS-0001 9.6.7, TS-0004 7.4.7): one reading.  Written once, never changed;
-- `con` stays the bytes that were received.  The most frequent create of all: nothing here
-- decodes or yields.

local core = require "moon2m.core.json"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"

local byte, find = string.byte, string.find

-- contentSize: the bytes of a string without quotes and escapes, of any other value its JSON
-- text.
local function size_of(con)
  if byte(con, 1) ~= 34 then return #con end
  if not find(con, "\\", 1, true) then return #con - 2 end
  return #(core.string(con) or con)
end

-- TS-0004 7.4.7.2.1: larger than the container can hold at all: 5207.
local function create(_, parent, new)
  local size = size_of(new.raw.con)
  new.size = size
  local mbs = parent.mbs
  if mbs and size > mbs then
    return nil, rsc.err(rsc.NOT_ACCEPTABLE, "con: %d bytes, the container's mbs is %d", size, mbs)
  end
  return true
end

local content_ref = schema.object("a content reference (object)", {
  { "uri", "uri" }, { "ncon", "any" }, { "nurl", "any" },
})

return {
  ty = 4, name = "content_instance", short = "m2m:cin", instance = true,
  children = {},
  create = create, size_of = size_of,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt",
    { "et", update = "-" }, { "lbl", update = "-" },
    { "at", update = "-" }, { "aa", update = "-" }, { "ast", update = "-" },
    "st", "cr", { "loc", update = "-" },
    { "cnf", "cnf", create = "O", update = "-" },
    { "cs", "uint", create = "-", update = "-" },
    { "conr", content_ref, list = 1, create = "O", update = "-" },
    { "or", "uri", create = "O", update = "-" },
    { "con", "any", create = "M", update = "-" },
    { "dcnt", "posint", create = "O", update = "-", later = true },
    { "dgt", "timestamp", create = "O", update = "-" },
  },
}
