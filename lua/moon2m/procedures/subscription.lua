-- subscription (TS-0004 7.4.8.2): rules that need its parent or who creates it, and what the CSE
-- adds to what was left open.  Whether the originator may RETRIEVE the parent is access.lua's,
-- verification of the targets belongs to the CREATE operation, earlier events (psn) are
-- earlier.lua's, and when notices leave is policy.lua's and lane.lua's.

local core = require "moon2m.core.json"
local defaults = require "moon2m.defaults"
local json = require "moon2m.json"
local lane = require "moon2m.lane"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local statistics = require "moon2m.statistics"
local types = require "moon2m.types"
local subscription = require "moon2m.types.subscription"

local null = json.null

local NO_DATA, TRIGGER, MISSING = 5, 6, 8
local AE, CONTAINER, TIME_SERIES = 2, 3, 29
local PARENT = { [NO_DATA] = { CONTAINER, "a container" }, [TRIGGER] = { AE, "an AE" },
  [MISSING] = { TIME_SERIES, "a timeSeries" } }

local function bad(...) return rsc.err(rsc.BAD_REQUEST, ...) end

-- enc against the parent: events, attributes and child types must be such that an event can happen.
local function check_parent(enc, parent)
  local T = parent.type
  for _, e in ipairs(enc.net or {}) do
    local p = PARENT[e]
    if p and p[1] ~= parent.ty then
      return bad("enc.net: %d is possible for %s only, not for %s", e, p[2], T.root)
    end
  end
  for _, name in ipairs(enc.atr or {}) do
    if not T.attr[name] then return bad("enc.atr: %s is no attribute of %s", name, T.root) end
  end
  for _, ty in ipairs(enc.chty or {}) do
    local C = types.by_ty[ty]
    if not C or not T.children[C.name] then
      return bad("enc.chty: type %d cannot be a child of %s", ty, T.root)
    end
  end
end

-- One default for all event types, else the client must say (TS-0001 Table 9.6.8-4).
local function default_content_type(enc)
  local nct
  for _, e in ipairs(subscription.events_of(enc)) do
    local d = subscription.content_types[e][1]
    if nct and nct ~= d then
      return nil, bad("nct: needed, the notification event types have different defaults")
    end
    nct = d
  end
  return nct or 1
end

local function only_target(nu, originator)
  return #nu == 1 and path.originator(nu[1]) == originator
end

-- bn and rl are kept with all their members (TS-0004 7.4.8.2.1).
local function complete(raw)
  if raw.bn and raw.bn ~= "null" then raw.bn = json.encode(defaults.batch(json.decode(raw.bn))) end
  if raw.rl and raw.rl ~= "null" then raw.rl = json.encode(defaults.rate(json.decode(raw.rl))) end
end

local function create(ctx, parent, new)
  local values = new.values
  local e = values.enc and check_parent(values.enc, parent)
  if e then return nil, e end
  if not values.nct then
    local nct, why = default_content_type(values.enc)
    if not nct then return nil, why end
    new.raw.nct, values.nct = tostring(nct), nct
  end
  complete(new.raw)
  -- the creator is kept whenever somebody else is notified (TS-0004 7.4.8.2.1), not only on
  -- request
  if values.cr ~= null and ctx.originator and not only_target(values.nu, ctx.originator) then
    new.raw.cr = core.quote(ctx.originator)
  end
  return true
end

-- The entries of acrs that are no longer there.
local function left(r, acrs)
  local list, kept = {}, {}
  for _, address in ipairs(acrs ~= null and acrs or {}) do kept[address] = true end
  for _, address in ipairs(json.decode(r.raw.acrs or "[]")) do
    if not kept[address] then list[#list + 1] = address end
  end
  return list
end

-- A new enc without md keeps the md that it replaces (TS-0004 7.4.8.2).
local function keep_md(r, new)
  local md = r.raw.enc and core.member(r.raw.enc, "md")
  if not md or new.values.enc.md then return end
  for _, e in ipairs(new.values.enc.net or {}) do
    if e == MISSING then
      new.raw.enc = new.raw.enc:gsub("}%s*$", function() return ',"md":' .. md .. "}" end)
    end
  end
end

local function update(ctx, r, new)
  complete(new.raw)
  local nse = new.values.nse
  if nse ~= nil then new.raw._nsi = statistics.update(r, nse) end
  local enc = new.values.enc
  if new.values.acrs ~= nil then new.left = left(r, new.values.acrs) end
  if enc and enc ~= null then
    local parent = ctx.tree.parent(r)
    local e = parent and check_parent(enc, parent)
    if e then return nil, e end
    keep_md(r, new)
  end
  return true
end

return {
  create = create, update = update, child_created = lane.child_created,
  getters = { nsi = statistics.text },
}
