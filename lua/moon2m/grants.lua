-- What dynamic authorization servers granted for a time (TS-0004 7.5.1.2.10): rules that hold on
-- one resource until they end.  They are kept with the resource, in a text that no client sees, so
-- they are there after a restart and go with it; an export leaves them out, for they speak of the
-- numbers of this store.
--
-- Guarantees: at most MAX_EACH of them and MAX_TEXT bytes for one resource, the oldest go first;
-- one that ended, or whose consultation is off, gone or not the resource's now, grants nothing.

local json = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local access = require "moon2m.access"
local decode = require("moon2m.json").decode
local members = require "moon2m.members"
local write = require "moon2m.write"

local NAME = "_grants"           -- JSON: [{ "gp": rules, "till": us, "by": number, "daci": text }]
local MAX_EACH, MAX_TEXT = 16, 16384

local grants = {}

-- What was kept for r as a list of { gp =, till =, by =, daci = }, gp and daci as JSON text; the
-- same list until the text changes.
local function list_of(r)
  local text = r.raw[NAME]
  local known = r.granted
  if known and known.text == text then return known end
  local list = { text = text }
  for _, one in ipairs(text and json.elements(text) or {}) do
    local m = json.members(one)
    list[#list + 1] = { gp = m.gp, till = tonumber(m.till), by = tonumber(m.by), daci = m.daci }
  end
  r.granted = list
  return list
end

local function text_of(list)
  local parts = {}
  for i, g in ipairs(list) do
    parts[i] = ('{"gp":%s,"till":%.0f,"by":%d,"daci":%s}'):format(g.gp, g.till, g.by, g.daci)
  end
  return parts[1] and "[" .. table.concat(parts, ",") .. "]" or nil
end

-- The rules of a grant, ready to be judged; made anew when one names a group and any group changed.
local function rules_of(g)
  if not g.rules or g.at ~= members.version then
    local at = members.version
    g.rules = access.rules(decode(g.gp))
    g.at = at
  end
  return g.rules
end

--- Whether something that was granted lets req.who do `op` on r; daci: the consultations of r as
-- they are now, JSON text; enabled(number): whether that consultation is.  Yields.
function grants.hold(r, daci, enabled, op, req, child_ty)
  local now = sys.now()
  for _, g in ipairs(list_of(r)) do
    if g.till > now and g.daci == daci and enabled(g.by)
      and access.granted(rules_of(g), op, req, r, child_ty) then
      return true
    end
  end
  return false
end

--- Keeps what was granted on r: { gp = rules as JSON text, till = us, by = number of the
-- consultation, daci = JSON text }.  What has ended goes.  Yields; it counts before that.
function grants.keep(r, grant)
  if #grant.gp > MAX_TEXT then return end
  local now, list = sys.now(), {}
  for _, g in ipairs(list_of(r)) do
    if g.till > now and g.daci == grant.daci then list[#list + 1] = g end
  end
  list[#list + 1] = grant
  while #list > MAX_EACH or list[2] and #text_of(list) > MAX_TEXT do table.remove(list, 1) end
  write.attribute(r, NAME, text_of(list))
end

return grants
