-- flexContainer: cs is the size of the specialisation's attributes, st counts changes of them.
-- With fcied the CSE keeps what they were, as instances (history.lua) that mni, mbs and mia bound:
-- true, one more with each change; false, the newest one.  The first one takes a stateTag of its
-- own.

local core = require "moon2m.core.json"
local flex = require "moon2m.flex"
local history = require "moon2m.history"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local types = require "moon2m.types"

local LIMITS = { "mni", "mbs", "mia" }
local shared = types.by_name.flex_container.attr       -- what every specialisation has

-- Bytes of a value: of the text of a string, else as it is written.
local function bytes(raw)
  return raw:byte() == 34 and #(core.string(raw) or "") or #raw
end

local function measure(attrs)
  return function(raw)
    local n = 0
    for _, r in ipairs(attrs) do
      local text = raw[type(r) == "table" and r[1] or r]
      if text then n = n + bytes(text) end
    end
    return n
  end
end

local function unknown(root, inner, by_root)
  local cnd = core.type(inner) == "object" and core.member(inner, "cnd")
  cnd = cnd and (core.string(cnd) or cnd)
  if flex.announced(root) then
    return rsc.err(rsc.BAD_REQUEST, "pc: %s is of an announced resource (type 10028)", root)
  end
  local class = cnd and flex.root_of(cnd)
  if class then
    return rsc.err(rsc.BAD_REQUEST, "pc: expected %s for this cnd, got %s", class, root)
  end
  for name, T in pairs(cnd and by_root or {}) do
    if T.spec.cnd == cnd then
      return rsc.err(rsc.BAD_REQUEST, "pc: expected %s for this cnd, got %s", name, root)
    end
  end
  if cnd then
    return rsc.err(types.unknown_class,
      "cnd: %s is no specialisation of flexContainer that this CSE knows", cnd)
  end
  return rsc.err(rsc.BAD_REQUEST, "pc: %s is no specialisation of flexContainer", root)
end

-- An instance must fit into mbs (a number or nil).
local function check_size(mbs, size)
  if mbs and mbs < size then
    return rsc.err(rsc.BAD_REQUEST, "mbs: %d is less than cs, %d", mbs, size)
  end
end

local function create(ctx, parent, new)
  if new.values.fcied == nil then return true end
  local e = check_size(new.values.mbs, new.size)
  if e then return nil, e end
  new.st, new.cni, new.cbs = 1, 1, new.size
  local p = parent.path == "" and new.rn or parent.path .. "/" .. new.rn
  local _, op = history.instance(new, p, ctx.originator)
  ctx.ops[#ctx.ops + 1] = op
  return true
end

-- Whether an attribute of the specialisation is in the request.
local function changes(new)
  for name in pairs(new.raw) do
    if not shared[name] then return true end
  end
  return false
end

-- Instances begin: no child may have a name that they will have.  Yields.
local function check_children(ctx, r)
  for child in ctx.tree.children(r) do
    if history.names(r, child.rn) then
      return rsc.err(rsc.BAD_REQUEST, "fcied: the child %s has a name that instances have",
        child.rn)
    end
  end
end

-- The size that r will have.
local function size_after(r, new)
  local raw = {}
  for name, text in pairs(r.raw) do raw[name] = text end
  for name, text in pairs(new.raw) do raw[name] = text ~= "null" and text or nil end
  return r.type.measure(raw)
end

-- fcied was removed: no instance is left, and nothing bounds them.
local function stop(r, new)
  new.empty = true
  for _, name in ipairs(LIMITS) do
    if r.raw[name] then new.raw[name] = "null" end
  end
end

local function update(ctx, r, new)
  local own, was, now = changes(new), r.raw.fcied, new.raw.fcied or r.raw.fcied
  if now == "null" then
    if was then stop(r, new) end
  elseif now then
    local e = check_size(schema.after(new.values, r, "mbs"), size_after(r, new))
    if not e and not was then e = check_children(ctx, r) end
    if e then return nil, e end
    if not was or now == "true" and (own or was == "false") then new.keeper = ctx.originator end
  end
  new.same = not own and not new.keeper or nil
  return true
end

-- The instance of a change belongs into its transaction.
local function applied(r, new)
  if not new.keeper then return nil end
  local op
  new.instance, op = history.instance(r, r.path, new.keeper)
  return { op }
end

-- With fcied false the newest one is kept.
local function limits(r)
  if r.raw.fcied == "false" then r.mni = 1 end
end

-- What instances there are is shown with fcied.
local function counter(name)
  return function(r) return r.raw.fcied and ("%d"):format(r[name]) or nil end
end

return {
  create = create, update = update, applied = applied,
  getters = { cni = counter("cni"), cbs = counter("cbs") },
  limits = limits, measure = measure, unknown = unknown,
  holds = function(r) return r.raw.fcied ~= nil end,
  reserved = function(r, rn) return r.raw.fcied and history.names(r, rn) end,
}
