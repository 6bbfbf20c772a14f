-- The instances of a flexContainer that has fcied: copies of its own attributes as they were after
-- a change, in the transaction of that change.  An instance is a row like a contentInstance's, with
-- the flexContainer's stateTag as its key and in its name.

local core = require "moon2m.core.json"
local instance = require "moon2m.instance"
local path = require "moon2m.path"
local types = require "moon2m.types"

local history = {}

-- The attributes without a column of their own, as JSON object text.
local function document(T, raw)
  local parts = {}
  for _, name in ipairs(T.order) do
    if raw[name] and name ~= "lbl" then parts[#parts + 1] = '"' .. name .. '":' .. raw[name] end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- The instance of r as it is now, made for originator `who`, and the store's operation that writes
-- it.  p: r's path.  Never yields.
function history.instance(r, p, who)
  local T, raw = types.instance_type(r.type), { org = core.quote(who), lbl = r.raw.lbl }
  for _, name in ipairs(T.order) do raw[name] = raw[name] or r.raw[name] end
  raw.et = nil
  local st, ct = r.st, r.lt
  local i = { cid = r.id, ty = T.ty, type = T, parent = r, pi = r.ri, raw = raw, st = st, ct = ct,
    lt = ct, size = r.size, ri = path.ri_inst(r.id, st), rn = r.rn .. "_" .. ("%d"):format(st),
    et = instance.expiry(r, ct) }
  return i, { "inst", r.id, st, ct, nil, i.size, p, i.rn, nil, raw.lbl, document(T, raw), "null" }
end

--- Whether rn is a name that instances of r have.
function history.names(r, rn)
  local st = rn:sub(1, #r.rn + 1) == r.rn .. "_" and rn:sub(#r.rn + 2)
  return st and st:find("^%d+$") ~= nil
end

return history
