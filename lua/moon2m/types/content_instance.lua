-- contentInstance (TS-0001 9.6.7, TS-0004 7.4.7): one reading.  Written once, never changed;
-- `con` stays the bytes that were received.  The most frequent create of all: nothing here
-- decodes or yields.

local core = require "moon2m.core.json"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local sys = require "moon2m.core.sys"

local byte, find = string.byte, string.find

-- contentSize: the bytes of a string without quotes and escapes, of any other value its JSON
-- text.
local function size_of(con)
  if byte(con, 1) ~= 34 then return #con end
  if not find(con, "\\", 1, true) then return #con - 2 end
  return #(core.string(con) or con)
end

-- dgt (absRelTimestamp) may be given as milliseconds from the arrival; what is kept is the time.
-- Returns it in microseconds.
local function time_of(new, now)
  if new.raw.dgt:find('^"%d+"$') and not sys.parse_stamp(new.raw.dgt:sub(2, -2)) then
    new.values.dgt = now + new.values.dgt
    new.raw.dgt = core.quote(sys.stamp(new.values.dgt))
  end
  return new.values.dgt
end

-- TS-0004 7.4.7.2.1: larger than the container can hold at all: 5207.
local function create(ctx, parent, new)
  if new.raw.dgt then time_of(new, ctx.req.now) end
  local size = size_of(new.raw.con)
  new.size = size
  local mbs = parent.mbs
  if mbs and size > mbs then
    return nil, rsc.err(rsc.NOT_ACCEPTABLE, "con: %d bytes, the container's mbs is %d", size, mbs)
  end
  return true
end

-- contentRef (6.3.5.36): names, each once, of other instances.
local content_ref = schema.object("a content reference (object)", {
  { "urir", schema.object("a reference (object)", {
      { "nm", "string", required = true }, { "uri", "uri", required = true },
    }), list = 1, required = true },
}, function(v)
  local seen = {}
  for _, one in ipairs(v.urir) do
    if seen[one.nm] then return "urir: the name " .. one.nm .. " twice" end
    seen[one.nm] = true
  end
end)

return {
  ty = 4, name = "content_instance", short = "m2m:cin", instance = true,
  children = {}, children_later = { semantic_descriptor = true },
  create = create, size_of = size_of, time_of = time_of,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt",
    { "et", update = "-" }, { "lbl", update = "-" },
    { "at", update = "-" }, { "aa", update = "-" }, { "ast", update = "-" },
    "st", "cr", { "loc", update = "-" },
    { "cnf", "cnf", create = "O", update = "-" },
    { "cs", "uint", create = "-", update = "-" },
    { "conr", content_ref, create = "O", update = "-" },
    { "or", "uri", create = "O", update = "-" },
    { "con", "any", create = "M", update = "-" },
    { "dcnt", "posint", create = "O", update = "-", later = true },
    { "dgt", "abs_rel_timestamp", create = "O", update = "-" },
  },
}
