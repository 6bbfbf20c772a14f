-- The notification format that an AE prefers: the one that the subprotocol of its latest connection
-- named (`new WebSocket(url, "senml")`), none after a connection in oneM2M.json or oneM2M.cbor.
-- It is kept with the AE as the hidden attribute `_fmt`, so that events which happen while the AE
-- is away, also over a restart, are formatted for the connection it will come back with.  What was
-- formatted before a change stays as it is: a notice is never made twice.

local json = require "moon2m.core.json"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local preference = {}

local max_moved = 65536          -- changes that are remembered one by one

local known = {}                 -- AE-ID -> format; AEs without a preference are not here
local moved, count = {}, 0       -- AE-ID -> version of its last change

--- Counts changes.  What was grouped at an older version mends what `moved_since` says, and
-- everything when it is older than `floor`.
preference.version, preference.floor = 0, 0

--- Bounds the memory of single changes; default 65,536.
function preference.limit(n)
  max_moved = n
end

--- The format that an AE prefers, nil when it has none.
function preference.of(aei)
  return known[aei]
end

--- An AE resource is about to be a target: from now on `of` knows its preference.
function preference.seen(r)
  local raw = r.raw._fmt
  if raw then known[r.ri] = json.string(raw) end
end

--- Whether an AE's preference changed after `version`, or what `touch` was told of it or of the CSE
-- that it is behind.
function preference.moved_since(aei, version)
  local at = moved[aei] or aei:byte() == 47 and moved[aei:match("^/[^/]+")]
  return at and at > version or false
end

local function move(aei, name)
  if count >= max_moved then
    moved, count, preference.floor = {}, 0, preference.version + 1
  end
  known[aei] = name
  if not moved[aei] then count = count + 1 end
  preference.version = preference.version + 1
  moved[aei] = preference.version
end

--- Something else about a target has changed that its notices depend on.
function preference.touch(key)
  move(key, known[key])
end

-- In memory at once; true when it has to be saved.
local function change(r, name)
  local now = r.raw._fmt and json.string(r.raw._fmt)
  if now == name then return false end
  local raw = {}
  for k, v in pairs(r.raw) do raw[k] = v end
  raw._fmt = name and json.quote(name)
  r.raw = raw
  tree.refresh(r)
  move(r.ri, name)
  return true
end

--- A connection speaks for AE r now (by its handshake): `bind` is called between the change in
-- memory and its way to the store.  name nil: the connection's subprotocol names no format.
-- Yields.
function preference.connected(r, name, bind)
  local save = not r.gone and change(r, name)
  local result = bind and bind()
  if save and not r.gone then write.commit({ { "set", tree.row(r) } }, nil, r) end
  return result
end

--- A new AE, about to be stored, came over a connection in this format.
function preference.created(r, name)
  if name then r.raw._fmt = json.quote(name) end
  if known[r.ri] ~= name then move(r.ri, name) end
end

--- The AE is gone.
function preference.forget(aei)
  if known[aei] then move(aei, nil) end
end

return preference
