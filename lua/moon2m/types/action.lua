-- action (Release 4): when a resource (sri, or what the action is below) meets evc, the request apv
-- is made to orc, and its answer is kept in air.  evm: not at all, once, once a period of ecp ms,
-- or each time, ecp times at most.  action.lua does it.
-- sri may end in "/la": then evc is about each new instance.  ipu names attributes that are read
-- when the request is made: { fr = "address#attribute", to = the attribute of the content that it
-- becomes }, or a list of them.

local evaluation = require "moon2m.evaluation"
local json = require "moon2m.core.json"
local null = require("moon2m.json").null
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"

local OFF, ONCE = 0, 1
local CREATE, UPDATE, NOTIFY = 1, 3, 5
local MAX_INPUTS = 32

local after = schema.after

local function bad(...) return rsc.err(rsc.BAD_REQUEST, ...) end

-- ---- kinds --------------------------------------------------------------------------------------

local function content_misfit(v)
  if v.op == CREATE and not v.ty then return "ty: missing, op 1 (CREATE) needs it" end
  if v.op ~= CREATE and v.ty then return "ty: goes with op 1 (CREATE) only" end
  if not v.pc then
    if v.op == CREATE or v.op == UPDATE or v.op == NOTIFY then
      return ("pc: missing, op %d needs it"):format(v.op)
    end
    return nil
  end
  local _, names = json.members(v.pc)
  if #names ~= 1 then return ("pc: one member is expected, got %d"):format(#names) end
end

-- The members of a request primitive that an action may have; `to` is replaced by orc.
local primitive = schema.object("a request primitive (object)", {
  { "op", schema.range("an operation", CREATE, NOTIFY), required = true },
  { "to", "uri" }, { "fr", "id", required = true }, { "rqi", "id" }, { "rvi", "release" },
  { "ty", "posint" }, { "pc", "object" }, { "rcn", schema.range("a result content", 0, 12) },
  { "fc", "object" }, { "drt", schema.range("a result type", 1, 2) }, { "ot", "timestamp" },
  { "rqet", "abs_rel_timestamp" }, { "rset", "abs_rel_timestamp" }, { "ec", "posint" },
  { "rt", "object" }, { "rp", "abs_rel_timestamp" }, { "vsi", "string" },
}, content_misfit)

local source = schema.string_kind(nil, "an address with #attribute (string)", function(s)
  if s:find("^[^%z\1-\32\127#]+#%w+$") then return s end
  return nil, "not an address with #attribute"
end)

local input = schema.object("an input (object)", {
  { "fr", source, required = true }, { "to", "string", required = true },
})

local several = schema.list(input)
local inputs = schema.kind(nil, "inputs (array)", function(raw)
  if raw:byte() ~= 91 then return input.check(raw) end
  local list, why = several.check(raw)
  if list and #list > MAX_INPUTS then return nil, ("more than %d"):format(MAX_INPUTS) end
  return list, why
end, "table[]")

-- ---- rules --------------------------------------------------------------------------------------

local function check(values, r)
  local mode = after(values, r, "evm")
  if values.ecp and values.ecp ~= null and (mode == OFF or mode == ONCE) then
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
    { "evc", evaluation.criterion, create = "M", update = "O", announced = "OA" },
    { "evm", schema.enum("an evaluation mode", { 0, 1, 2, 3 }), create = "M", update = "O",
      announced = "OA" },
    { "ecp", "posint", create = "O", update = "O", announced = "OA" },
    { "dep", "uri", list = 1, create = "-", update = "O", announced = "OA" },
    { "orc", "id", create = "M", update = "O", announced = "MA" },
    { "apv", primitive, create = "M", update = "O", announced = "MA" },
    { "ipu", inputs, create = "O", update = "O", announced = "OA" },
    { "air", "any", create = "-", update = "-", announced = "OA" },
  },
}
