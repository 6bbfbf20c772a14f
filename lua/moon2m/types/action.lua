-- action (Release 4): when a resource (sri, or what the action is below) meets evc, the request apv
-- is made to orc, and its answer is kept in air.  evm: not at all, once, once a period of ecp ms,
-- or each time, ecp times at most.  action.lua does it.
-- sri may end in "/la": then evc is about each new instance.  ipu names attributes that are read
-- when the request is made: { fr = "address#attribute", to = the attribute of the content that it
-- becomes }, or a list of them.

local kinds = require "moon2m.kinds"
local rsc = require "moon2m.rsc"
local shared = require "moon2m.types.shared"

local OFF, ONCE = 0, 1
local CREATE, UPDATE, NOTIFY = 1, 3, 5
local MAX_INPUTS = 32

local after = kinds.after

local function bad(...) return rsc.err(rsc.BAD_REQUEST, ...) end

-- ---- kinds --------------------------------------------------------------------------------------

local function check_content(v)
  if v.op == CREATE and not v.ty then return false, "ty: missing, op 1 (CREATE) needs it" end
  if v.op ~= CREATE and v.ty then return false, "ty: goes with op 1 (CREATE) only" end
  if not v.pc and (v.op == CREATE or v.op == UPDATE or v.op == NOTIFY) then
    return false, ("pc: missing, op %d needs it"):format(v.op)
  end
end

-- The members of a request primitive that an action may have; `to` is replaced by orc.
local primitive = kinds.object("a request primitive (object)", {
  { "op", kinds.range("an operation", CREATE, NOTIFY), required = true },
  { "to", "uri" }, { "fr", "id", required = true }, { "rqi", "id" }, { "rvi", "release" },
  { "ty", "posint" }, { "pc", "object" }, { "rcn", kinds.range("a result content", 0, 12) },
  { "fc", "object" }, { "drt", kinds.range("a result type", 1, 2) }, { "ot", "timestamp" },
  { "rqet", "abs_rel_timestamp" }, { "rset", "abs_rel_timestamp" }, { "ec", "posint" },
  { "rt", "object" }, { "rp", "abs_rel_timestamp" }, { "vsi", "string" },
}, check_content)

local source = kinds.text("an address with #attribute (string)", function(s)
  if s:find("^[^%z\1-\32\127#]+#%w+$") then return s end
  return false, "not an address with #attribute"
end)

local input = kinds.object("an input (object)", {
  { "fr", source, required = true }, { "to", "string", required = true },
})

local inputs = kinds.several(input, MAX_INPUTS)

-- ---- rules --------------------------------------------------------------------------------------

local function check(values, r)
  local mode = after(values, r, "evm")
  if after(values, nil, "ecp") and (mode == OFF or mode == ONCE) then
    return bad("ecp: goes with evm 2 and 3 only")
  end
  if after(values, r, "ipu") and not after(values, r, "apv").pc then
    return bad("ipu: the request of apv has no content (pc)")
  end
end

return {
  ty = 65, name = "action", short = "m2m:actr",
  parents = { "cse_base", "ae", "container", "remote_cse", "flex_container", "group", "node",
    "time_series" },
  children = { "dependency", "subscription" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cstn",
    "cr",
    { "apy", "posint", create = "O", update = "O", announced = "OA" },
    { "sri", "id", create = "O", update = "O", announced = "OA" },
    { "evc", shared.criterion, create = "M", update = "O", announced = "OA" },
    { "evm", kinds.enum("an evaluation mode", { 0, 1, 2, 3 }), create = "M", update = "O",
      announced = "OA" },
    { "ecp", "posint", create = "O", update = "O", announced = "OA" },
    { "dep", "uri", list = 1, create = "-", update = "O", announced = "OA" },
    { "orc", "id", create = "M", update = "O", announced = "MA" },
    { "apv", primitive, create = "M", update = "O", announced = "MA" },
    { "ipu", inputs, create = "O", update = "O", announced = "OA" },
    { "air", "any", create = "-", update = "-", announced = "OA" },
  },
}
