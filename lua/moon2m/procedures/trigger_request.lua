-- triggerRequest (TS-0004 7.4.57): this CSE has no underlying network; it triggers the AEs that are
-- registered here, whose subscribers of net 6 are told.  tst (TS-0004 6.3.4.2.60): 1 under way,
-- 4 delivered, 6 failed: there is no such recipient.

local core = require "moon2m.core.json"
local store = require "moon2m.core.store"
local event = require "moon2m.event"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local sql_life = require "moon2m.sql_life"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local UNDER_WAY, DELIVERED, FAILED = "1", "4", "6"
local DISABLED, NOT_REPLACED = 5218, 5219
local MAX_RECIPIENTS = 100       -- with one tri that are looked at
local TRIGGER = { "tri", "tpe", "tvt", "tiae", "tia", "tio", "tirt" }

local after = schema.after

-- The AE that is known as tri to the network; among several the one that tiae names.  Yields.
local function recipient(tri, tiae)
  local found
  for _, row in ipairs((store.find(sql_life.triggered, { tri }, MAX_RECIPIENTS))) do
    local ae = tree.by_id(row.id)
    if ae and (not tiae or ae.key == tiae) then found = found or ae end
  end
  return found
end

-- Decides what becomes of the trigger: its status, or an err.
local function aim(values, r, raw)
  local ae = recipient(after(values, r, "tri"), after(values, r, "tiae"))
  if ae and ae.raw.tren == "false" then
    return rsc.err(DISABLED, "tri: %s does not want to be triggered (tren)", ae.key)
  end
  raw.tst = ae and UNDER_WAY or FAILED
  raw._ae = ae and ("%d"):format(ae.id) or nil
end

local function create(_, _, new)
  new.raw.tpe = new.raw.tpe or "1"
  local e = aim(new.values, nil, new.raw)
  if e then return nil, e end
  return true
end

local function update(_, r, new)
  local again
  for _, name in ipairs(TRIGGER) do again = again or new.values[name] ~= nil end
  if not again then return true end
  if r.raw.tst ~= FAILED then
    return nil, rsc.err(NOT_REPLACED, "the trigger was delivered, it cannot be replaced")
  end
  local e = aim(new.values, r, new.raw)
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

local function committed(r)
  if r.raw.tst ~= UNDER_WAY then return end
  local ae = tree.by_id(tonumber(r.raw._ae))
  local ok = ae and event.trigger(ae, payload(r))
  write.attribute(r, "tst", ok and DELIVERED or FAILED)
end

return { create = create, update = update, committed = committed }
