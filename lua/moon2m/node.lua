-- Nodes and who is on them (TS-0001 9.6.18): hael and hcl of a node follow the nl of the AEs and
-- CSEs that name it, and the node's schedules say when these can be reached (9.6.9).  Which target
-- is on which node is in memory, so an event never asks the store.
-- Guarantees: hael and hcl are written by one task at a time per node; a crash between an AE's
-- change and its node's is made good by the next change of either, not before.

local json = require "moon2m.json"
local opening = require "moon2m.opening"
local path = require "moon2m.path"
local preference = require "moon2m.preference"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local AE, NODE, REMOTE_CSE = 2, 14, 16

local node = {}

local at = {}                    -- AE-ID or CSE-ID -> number of the node that it is on
local on = {}                    -- number of a node -> { [AE-ID or CSE-ID] = true }

-- ---- reachability -------------------------------------------------------------------------------

--- The compiled entries of the schedule of the node that a target is on; what is behind another CSE
-- is on that CSE's node.  nil: it has none, or is on no node.
function node.schedule(target)
  local id = at[target]
  if not id and target:byte() == 47 then id = at[target:match("^/[^/]+")] end
  return id and opening.of(id) or nil
end

--- The targets on a node: a set of AE-IDs and CSE-IDs.
function node.targets(id)
  return on[id] or {}
end

--- The schedules of a node are others now: subscriptions that notify those on it are looked at
-- again.
function node.rescheduled(id)
  for key in pairs(node.targets(id)) do preference.touch(key) end
end

-- ---- who is on a node ---------------------------------------------------------------------------

-- The key of what an entry of hael or hcl names.  Yields.
local function key_of(address)
  local plain = path.originator(address)
  if plain:find("^/[^/]+$") then return plain end
  local r = tree.resolve(plain)
  return r and (r.ty == AE or r.ty == REMOTE_CSE) and r.key or plain
end

local function moved(id, keys)
  local old = on[id] or {}
  on[id] = next(keys) and keys or nil
  for key in pairs(old) do
    if not keys[key] and at[key] == id then
      at[key] = nil
      preference.touch(key)
    end
  end
  for key in pairs(keys) do
    if at[key] ~= id then
      at[key] = id
      preference.touch(key)
    end
  end
end

--- A node was created or changed.  Yields.
function node.changed(r)
  local keys = {}
  for _, address in ipairs(tree.value(r, "hael") or {}) do keys[key_of(address)] = true end
  local hcl = tree.value(r, "hcl")
  if hcl then keys[key_of(hcl)] = true end
  moved(r.id, keys)
end

--- A node is gone, and its schedules with it.
function node.deleted(id)
  opening.set(id, nil)
  moved(id, {})
end

-- ---- links --------------------------------------------------------------------------------------

-- hael with or without an entry as JSON text, nil when nothing is left; false: as it was.
local function list_with(r, ri, there)
  local list, found = json.array {}, false
  for _, address in ipairs(tree.value(r, "hael") or {}) do
    if path.originator(address) == ri then found = true else list[#list + 1] = address end
  end
  if found == there then return false end
  if there then list[#list + 1] = ri end
  return list[1] and json.encode(list) or nil
end

-- The CSE's link: what there is stays when another one leaves.
local function link_with(r, ri, there)
  local is = tree.value(r, "hcl") == ri
  if is == there then return false end
  return there and json.encode(ri) or nil
end

-- r (an AE or a remoteCSE) is on node n, or is not.  Yields.
local function put(n, r, there)
  local name = r.ty == AE and "hael" or "hcl"
  local text
  if r.ty == AE then text = list_with(n, r.ri, there) else text = link_with(n, r.ri, there) end
  if text == false then return end
  if write.attribute(n, name, text) and not n.gone then node.changed(n) end
end

local function of(nl)
  local n = nl and tree.resolve(nl)
  return n and n.ty == NODE and n or nil
end

--- The nl of r, an AE or a remoteCSE, is `new` now and was `old` (decoded; nil: none).  An nl that
-- names no node of this CSE is kept and has no effect.  Yields.
function node.linked(r, old, new)
  if old == new then return end
  local from, to = of(old), of(new)
  if from and from ~= to then put(from, r, false) end
  if to then put(to, r, true) end
end

--- Start only, after the schedules.  Yields.
function node.open()
  for r in tree.all(NODE) do node.changed(r) end
end

return node
