-- One transaction of the store and what belongs to it: resources are pinned while it is under way,
-- notices are published after it is on disk and abandoned when it failed, and a failing disk makes
-- the cache be read again.  Store failures become oneM2M errors here and nowhere else.

local core = require "moon2m.core.cse"
local sys = require "moon2m.core.sys"
local store = require "moon2m.core.store"
local recent = require "moon2m.recent"
local rsc = require "moon2m.rsc"
local tree = require "moon2m.tree"

local write = {}

local function failure(kind, msg)
  if kind == "conflict" then
    return rsc.err(rsc.CONFLICT, "rn: the name is already used below this resource")
  elseif kind == "twice" then
    return rsc.err(rsc.CONFLICT, "dgt: there is an instance of this time already")
  elseif kind == "gone" then
    return rsc.err(rsc.NOT_FOUND, "to: the resource was deleted meanwhile")
  elseif kind == "toobig" then
    return rsc.err(rsc.NOT_ACCEPTABLE, "con: larger than the container's mbs")
  end
  sys.log("error", "store", "transaction failed: " .. tostring(msg))
  tree.drop()
  local why = tostring(msg):match "^the .*"     -- for people: the disk is full, a page is damaged
  return rsc.err(rsc.INTERNAL_SERVER_ERROR, "the store failed, nothing was changed"
    .. (why and ": " .. why or ""))
end

--- Commits ops and the notices of `events` (a list, may be nil) in one transaction; r1 and r2 (may
-- be nil) stay cached meanwhile.  true, or nil, err.  Queued before it yields: calls order the
-- disk.  ops.reaction (may be nil): its field `kept` says afterwards whether it is on disk.
function write.commit(ops, events, r1, r2)
  for i = 1, #ops do
    local op = ops[i]
    if op[1] == "inst" or op[1] == "touch" then recent.note(op[2], op[4]) end
  end
  local n = events and #events or 0
  for i = 1, n do ops[#ops + 1] = { "event", events[i] } end
  if r1 then tree.pin(r1) end
  if r2 then tree.pin(r2) end
  local ok, result, msg = store.commit(ops)
  if ops.reaction then ops.reaction.kept = ok or false end
  if r1 then tree.unpin(r1) end
  if r2 then tree.unpin(r2) end
  if not ok then
    for i = 1, n do core.abandon(events[i]) end
    return nil, failure(result, msg)
  end
  tree.counters(result)
  for i = 1, n do core.publish(events[i]) end
  return true
end

local observers = {}

--- fn(r): called when this CSE has changed r by itself, without a request.  Never yields.
function write.observe(fn)
  observers[#observers + 1] = fn
end

--- This CSE has changed r by itself, and that is on disk.
function write.own(r)
  if r.gone then return end
  for _, fn in ipairs(observers) do fn(r) end
end

--- Sets one attribute of r to a JSON text, or removes it (nil), on behalf of this CSE: a
-- transaction of its own, without notices.  true, or nil, err (logged).  The change is visible
-- before it yields.
function write.attribute(r, name, text)
  local raw = {}
  for k, v in pairs(r.raw) do raw[k] = v end
  raw[name] = text
  local seen = name:byte() ~= 95                               -- "_": nobody sees it
  r.raw = raw
  if seen then r.lt = math.max(sys.now(), r.lt) end
  tree.refresh(r)
  local ok, e = write.commit({ { "set", tree.row(r) } }, nil, r)
  if ok and seen then write.own(r) end
  if ok then return true end
  sys.log("error", "write", ("%s of %s: %s"):format(name, r.path, e.msg))
  return nil, e
end

return write
