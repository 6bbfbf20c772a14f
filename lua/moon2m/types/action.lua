-- action (Release 4): when a resource (sri, or what the action is below) meets evc, the request apv
-- is made to orc, and its answer is kept in air.  evm: not at all, once, once a period of ecp ms,
-- or each time, ecp times at most.  action.lua does it.
-- sri may end in "/la": then evc is about each new instance.  ipu names attributes that are read
-- when the request is made: { fr = "address#attribute", to = the attribute of the content that it
-- becomes }, or a list of them.

local evaluation = require "moon2m.evaluation"
local json = require "moon2m.core.json"
local null = require("moon2m.json").null
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local sys = require "moon2m.core.sys"

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

-- The subject of the action: where it is kept, who may read it, what evc may ask of it.
local function check_subject(ctx, sri, parent, evc, new)
  local r, T, at = parent, parent.type, parent
  if sri then r, T, at = evaluation.subject(sri) end
  if not T or sri and sri:find("/ol$") then
    return bad("sri: %s: there is no such resource here", sri)
  end
  local access = require "moon2m.access"
  if sri then
    local ok, e = access.check(r or at, access.RETRIEVE, ctx.req)
    if not ok then return bad("sri: %s", e.msg) end
  end
  if r and r.parent then
    if not sri:find("/la$") then return bad("sri: %s: an instance does not change", sri) end
    r = nil
  end
  local why = evaluation.misfit(evc, T)
  if why then return bad("%s", why) end
  new.raw._subject = ("%d"):format(at.id)
  new.raw._instance = not r and "true" or ctx.update and "null" or nil
end

local BIT = { "CREATE", "RETRIEVE", "UPDATE", "DELETE", "NOTIFY" }

-- The originator makes the request as itself, and may do now what it asks for.
local function check_request(ctx, orc, apv, inputs_given)
  local access = require "moon2m.access"
  if path.originator(apv.fr) ~= ctx.originator then
    return bad("apv: fr: %s is not the originator, %s", apv.fr, ctx.originator)
  end
  local object, e = ctx.tree.resolve(orc)
  if not object then
    if e.remote and require("moon2m.remote").hop(orc) then return nil end
    return bad("orc: %s: there is no such resource here", orc)
  end
  local probe = setmetatable({ op = apv.op, to = orc, ty = apv.ty }, { __index = ctx.req })
  local ok
  ok, e = access.check(object.virtual and object.parent or object, access[BIT[apv.op]], probe,
    apv.ty)
  if not ok then return bad("orc: %s", e.msg) end
  for _, one in ipairs(inputs_given and (inputs_given.fr and { inputs_given } or inputs_given)
    or {}) do
    local from = ctx.tree.resolve((one.fr:gsub("#.*$", "")))
    if not from then return bad("ipu: %s: there is no such resource here", one.fr) end
  end
end

-- Direct children that are dependencies.
local function check_dependencies(ctx, r, list)
  for _, address in ipairs(list) do
    local d = ctx.tree.resolve(address)
    if not d or d.ty ~= 66 or d.pid ~= r.id then
      return bad("dep: %s is no dependency of this action", address)
    end
  end
end

local function create(ctx, parent, new)
  local v = new.values
  local e = check_subject(ctx, v.sri, parent, v.evc, new)
    or check_request(ctx, v.orc, v.apv, v.ipu)
  if e then return nil, e end
  return true
end

local function any_of(values, ...)
  for _, name in ipairs { ... } do
    if values[name] ~= nil then return true end
  end
  return false
end

-- What was counted for the mode before counts no more.
local function arm(new)
  new.raw._arm = json.quote(sys.random(4))
  new.raw._next, new.raw._left = "null", "null"
end

local function update(ctx, r, new)
  local v, e = new.values, nil
  ctx.update = true
  if any_of(v, "sri", "evc") then
    local parent = ctx.tree.parent(r)
    if not parent then return nil, rsc.err(rsc.NOT_FOUND, "to: it was deleted meanwhile") end
    e = check_subject(ctx, after(v, r, "sri"), parent, v.evc or evaluation.of(r), new)
  end
  if not e and any_of(v, "orc", "apv", "ipu") then
    e = check_request(ctx, after(v, r, "orc"), after(v, r, "apv"), after(v, r, "ipu"))
  end
  if not e and v.dep and v.dep ~= null then e = check_dependencies(ctx, r, v.dep) end
  if e then return nil, e end
  if any_of(v, "evm", "ecp", "sri", "evc") then arm(new) end
  return true
end

-- What acts needs the tree, which needs the types.
local function actions() return require "moon2m.action" end

return {
  ty = 65, name = "action", short = "m2m:actr",
  parents = { "cse_base", "ae", "container", "remote_cse", "flex_container", "group", "node",
    "time_series" },
  children = { "dependency", "subscription" },
  check = check, create = create, update = update,
  committed = function(r) actions().set(r) end,
  deleted = function(r) actions().forget(r) end,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast", "cstn",
    "cr",
    { "apy", "posint", create = "O", update = "O" },
    { "sri", "id", create = "O", update = "O" },
    { "evc", evaluation.criterion, create = "M", update = "O" },
    { "evm", schema.enum("an evaluation mode", { 0, 1, 2, 3 }), create = "M", update = "O" },
    { "ecp", "posint", create = "O", update = "O" },
    { "dep", "uri", list = 1, create = "-", update = "O" },
    { "orc", "id", create = "M", update = "O" },
    { "apv", primitive, create = "M", update = "O" },
    { "ipu", inputs, create = "O", update = "O" },
    { "air", "any", create = "-", update = "-" },
  },
}
