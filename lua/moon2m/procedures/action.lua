-- action: what it is about and what it asks for must be there and permitted when it is made or
-- changed (TS-0004 7.4.65); action.lua does it when its time comes.

local json = require "moon2m.core.json"
local access = require "moon2m.access"
local action = require "moon2m.action"
local evaluation = require "moon2m.evaluation"
local null = require("moon2m.json").null
local path = require "moon2m.path"
local remote = require "moon2m.remote"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local sys = require "moon2m.core.sys"

local DEPENDENCY = 66
local BIT = { access.CREATE, access.RETRIEVE, access.UPDATE, access.DELETE, access.NOTIFY }

local after = schema.after

local function bad(...) return rsc.err(rsc.BAD_REQUEST, ...) end

-- The subject of the action: where it is kept, who may read it, what evc may ask of it.
local function check_subject(ctx, sri, parent, evc, new)
  local r, T, at = parent, parent.type, parent
  if sri then r, T, at = evaluation.subject(sri) end
  if not T or sri and sri:find("/ol$") then
    return bad("sri: %s: there is no such resource here", sri)
  end
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

local function check_inputs(ctx, inputs)
  for _, one in ipairs(inputs and (inputs.fr and { inputs } or inputs) or {}) do
    local from = ctx.tree.resolve((one.fr:gsub("#.*$", "")))
    if not from then return bad("ipu: %s: there is no such resource here", one.fr) end
  end
end

-- The content of the request is a representation, which has one member.
local function check_content(pc)
  if not pc then return nil end
  local _, names = json.members(pc)
  if #names ~= 1 then return bad("apv: pc: one member is expected, got %d", #names) end
end

-- The originator makes the request as itself, and may do now what it asks for.
local function check_request(ctx, orc, apv, inputs)
  if path.originator(apv.fr) ~= ctx.originator then
    return bad("apv: fr: %s is not the originator, %s", apv.fr, ctx.originator)
  end
  local object, e = ctx.tree.resolve(orc)
  if not object then
    if e.remote and remote.hop(orc) then return nil end
    return bad("orc: %s: there is no such resource here", orc)
  end
  local probe = setmetatable({ op = apv.op, to = orc, ty = apv.ty }, { __index = ctx.req })
  local ok
  ok, e = access.check(object.virtual and object.parent or object, BIT[apv.op], probe, apv.ty)
  if not ok then return bad("orc: %s", e.msg) end
  return check_inputs(ctx, inputs)
end

-- Direct children that are dependencies.
local function check_dependencies(ctx, r, list)
  for _, address in ipairs(list) do
    local d = ctx.tree.resolve(address)
    if not d or d.ty ~= DEPENDENCY or d.pid ~= r.id then
      return bad("dep: %s is no dependency of this action", address)
    end
  end
end

local function create(ctx, parent, new)
  local v = new.values
  local e = check_content(v.apv.pc)
    or check_subject(ctx, v.sri, parent, v.evc, new)
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
  if v.apv then e = check_content(v.apv.pc) end
  if not e and any_of(v, "sri", "evc") then
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

return {
  create = create, update = update,
  committed = function(r) action.set(r) end,
  deleted = function(r) action.forget(r) end,
}
