-- triggerRequest (TS-0001 9.6.49, TS-0004 7.4.57): triggers an AE by the identifier that an
-- underlying network knows it under (tri).  This CSE has no such network: it triggers the AEs that
-- are registered here, whose subscribers of net 6 are told.  tst (TS-0004 6.3.4.2.60): 1 under way,
-- 4 delivered, 6 failed: there is no such recipient.

local core = require "moon2m.core.json"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local sql_life = require "moon2m.sql_life"

local UNDER_WAY, DELIVERED, FAILED = "1", "4", "6"
local EXECUTE = 3                -- of tpe: an operation on a resource
local DISABLED, NOT_REPLACED = 5218, 5219
local TRIGGER = { "tri", "tpe", "tvt", "tiae", "tia", "tio", "tirt" }

local after = schema.after

local function check(values, r)
  if after(values, r, "tpe") ~= EXECUTE then return nil end
  for _, name in ipairs { "tia", "tio" } do
    if not after(values, r, name) then
      return rsc.err(rsc.BAD_REQUEST, "%s: missing, tpe 3 needs it", name)
    end
  end
end

-- The AE that is known as tri to the network; among several the one that tiae names.  Yields.
local function recipient(tree, tri, tiae)
  local store = require "moon2m.core.store"
  local found
  for _, row in ipairs((store.find(sql_life.triggered, { tri }, 100))) do
    local ae = tree.by_id(row.id)
    if ae and (not tiae or ae.key == tiae) then found = found or ae end
  end
  return found
end

-- Decides what becomes of the trigger: its status, or an err.
local function aim(ctx, values, r, raw)
  local ae = recipient(ctx.tree, after(values, r, "tri"), after(values, r, "tiae"))
  if ae and ae.raw.tren == "false" then
    return rsc.err(DISABLED, "tri: %s does not want to be triggered (tren)", ae.key)
  end
  raw.tst = ae and UNDER_WAY or FAILED
  raw._ae = ae and ("%d"):format(ae.id) or nil
end

local function create(ctx, _, new)
  new.raw.tpe = new.raw.tpe or "1"
  local e = aim(ctx, new.values, nil, new.raw)
  if e then return nil, e end
  return true
end

local function update(ctx, r, new)
  local again
  for _, name in ipairs(TRIGGER) do again = again or new.values[name] ~= nil end
  if not again then return true end
  if r.raw.tst ~= FAILED then
    return nil, rsc.err(NOT_REPLACED, "the trigger was delivered, it cannot be replaced")
  end
  local e = aim(ctx, new.values, r, new.raw)
  if e then return nil, e end
  return true
end

-- What the trigger says: what it was asked for.
local function payload(r)
  local parts = {}
  for _, name in ipairs { "tpe", "tiae", "tia", "tio", "tirt" } do
    if r.raw[name] then parts[#parts + 1] = core.quote(name) .. ":" .. r.raw[name] end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- The event needs the tree, which needs the types.
local function committed(r)
  if r.raw.tst ~= UNDER_WAY then return end
  local event, tree = require "moon2m.event", require "moon2m.tree"
  local ae = tree.by_id(tonumber(r.raw._ae))
  local ok = ae and event.trigger(ae, payload(r))
  require("moon2m.write").attribute(r, "tst", ok and DELIVERED or FAILED)
end

local status = schema.range("a trigger status", 1, 9)

return {
  ty = 47, name = "trigger_request", short = "m2m:tgr",
  parents = { "ae" }, children = { "subscription" },
  check = check, create = create, update = update, committed = committed,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci",
    { "mei", "string", create = "M", update = "-" },
    { "tri", "string", create = "M", update = "O" },
    { "tpe", schema.enum("a trigger purpose", { 1, 2, 3, 4 }), create = "O", update = "O",
      one = true },
    { "tst", status, create = "-", update = "-" },
    { "tvt", "duration", create = "M", update = "O" },
    { "tiae", "id", create = "O", update = "O" },
    { "tia", "uri", create = "O", update = "O" },
    { "tio", schema.range("an operation", 1, 5), create = "O", update = "O" },
    { "tirt", "uint", create = "O", update = "O" },
    { "trf", "string", create = "-", update = "-" },
  },
}
