-- One primitive from request to response: admitted, resolved, handed to its operation, answered.
-- Guarantees exactly one response per request, with m2m:dbg when it is an error and never with a
-- traceback; what went wrong inside is logged under the request's identifier.

local sys = require "moon2m.core.sys"
local beacon = require "moon2m.beacon"
local blocking = require "moon2m.blocking"
local event = require "moon2m.event"
local fanout = require "moon2m.fanout"
local members = require "moon2m.members"
local monitor = require "moon2m.monitor"
local op_create = require "moon2m.op_create"
local op_delete = require "moon2m.op_delete"
local op_notify = require "moon2m.op_notify"
local op_retrieve = require "moon2m.op_retrieve"
local op_update = require "moon2m.op_update"
local nonblocking = require "moon2m.nonblocking"
local polling = require "moon2m.polling"
local preference = require "moon2m.preference"
local removal = require "moon2m.removal"
local request = require "moon2m.request"
local result = require "moon2m.result"
local rsc = require "moon2m.rsc"
local script = require "moon2m.script"
local store = require "moon2m.core.store"
local transit = require "moon2m.transit"
local tree = require "moon2m.tree"
local types = require "moon2m.procedures"
local view = require "moon2m.view"

local CREATE, RETRIEVE, UPDATE, DELETE, NOTIFY = 1, 2, 3, 4, 5
local ATTEMPTS = 5               -- the target changed under the operation: resolve again
local GRTM = "grtm: only a group's fopt has members"
local MAX_NEWEST = 1000          -- instances that a script may ask for at once
local OPERATION = {
  [CREATE] = function(req, target)
    if target.virtual then
      return nil, rsc.err(rsc.OPERATION_NOT_ALLOWED, "to: nothing can be created below %s",
        target.virtual)
    end
    return op_create.perform(req, target)
  end,
  [RETRIEVE] = op_retrieve.perform, [UPDATE] = op_update.perform, [DELETE] = op_delete.perform,
  [NOTIFY] = op_notify.perform,
}

local dispatch = {}

--- Called when a request is over, as observe(req, target or nil, rsc, pc, seconds); nil: nobody
-- looks.
dispatch.observe = nil

-- A target that is not here: another CSE may have it, or a script a virtual resource there.
local function absent(req, e)
  if e.remote then return transit.perform(req) end
  if req.op == RETRIEVE and script.has.virtual and e.rsc == rsc.NOT_FOUND then
    local code, pc = op_retrieve.virtual(req)
    if code or pc then return code, pc end
  end
  return nil, e
end

-- Looks the target up and performs the operation: the target (nil: there is none), then rsc, pc,
-- extra | nil, err.
local function execute(req)
  local perform, passed = OPERATION[req.op], false
  for _ = 1, ATTEMPTS do
    local target, attr = tree.resolve(req.to)
    if not target then return nil, absent(req, attr) end
    if target.virtual == "ntsr" then return target.parent, removal.perform(req, target.parent) end
    if target.virtual == "pcu" then return target.parent, polling.perform(req, target.parent) end
    if (req.gid or req.fan) and not passed then
      local e = request.check_group(req, members.key(target))
      if e then return target, nil, e end
      passed = true                           -- seen once, whatever happens below
    end
    if target.virtual == "fopt" then
      return target, fanout.perform(req, target, attr, dispatch.execute)
    end
    if req.params.grtm then return target, nil, rsc.err(rsc.BAD_REQUEST, GRTM) end
    local code, pc, extra = perform(req, target, attr)
    if code ~= false then return target, code, pc, extra end
  end
  error("the target changes too fast")
end

-- Over WebSocket an accepted primitive of a registered AE or CSE binds the connection to it
-- (TS-0020 Annex A).  A CSE that only notifies takes nothing over that connection.
local function bind(req, code, extra)
  local who = req.ae or req.op ~= NOTIFY and req.cse
  if req.via ~= "ws" or not who or req.known == req.who or code >= 3000 then return extra end
  extra = extra or {}
  extra.bind = extra.bind or req.who
  if req.ae then preference.connected(req.ae, req.format) end
  return extra
end

-- The answer to a request that raised: what the store could not read is named, else it is told in
-- the log alone.  Of a damaged page the store itself has logged and counted.
local function failed(req, text)
  local why = text:match "^store: ([^\n]*)"
  if not why or not why:find("damaged", 1, true) then
    sys.log("error", "dispatch", ("rqi=%s to=%s: %s"):format(tostring(req.rqi),
      tostring(req.to), text))
  end
  if not why then return result.debug("internal error") end
  return result.debug(("%s cannot be read: %s"):format(tostring(req.to), why))
end

local function trace(what)
  return debug.traceback(tostring(what), 2)
end

-- fn(req), which returns as execute does, as rsc, pc, extra, whatever happens.  Once the request is
-- over, what it holds is given back and its monitors are told.
local function checked(fn, req)
  local ok, target, code, pc, extra = xpcall(fn, trace, req)        -- not ok: target is the trace
  if fn == execute or not req.deferred then
    blocking.leave(req)
    if monitor.any() then monitor.done(req, ok and target or nil) end
  end
  if not ok then
    return nil, rsc.INTERNAL_SERVER_ERROR, failed(req, target)
  end
  if not code then return target, pc.rsc, result.debug(pc.msg) end
  return target, code, pc, extra
end

local function observed(observe, fn, req)
  local began = sys.mono()
  local target, code, pc, extra = checked(fn, req)
  if fn == execute or not req.deferred then
    pcall(observe, req, target, code, pc, (sys.mono() - began) / 1e6)
  end
  return code, pc, extra
end

local function guarded(fn, req)
  if dispatch.observe then return observed(dispatch.observe, fn, req) end
  local _, code, pc, extra = checked(fn, req)
  return code, pc, extra
end

--- Performs a request that was admitted, now.  rsc, pc, extra; never raises.  Yields.
function dispatch.execute(req)
  return guarded(execute, req)
end

local function attempt(req)
  local e = request.admit(req)
  if e then return nil, nil, e end
  if req.ot then beacon.seen(req) end
  if nonblocking.plain(req) then return execute(req) end
  req.deferred = true                         -- it is over when dispatch.execute is
  return nil, nonblocking.perform(req, dispatch.execute)
end

--- Performs one primitive.  req as C hands it over (or a script's verb: via = "script", decoded
-- rcn, fc, drt, and hop, chain).  Returns rsc, pc (JSON text or nil), extra (see boot.lua).
-- Yields.
function dispatch.perform(req)
  req.via = req.via or "script"
  local code, pc, extra = guarded(attempt, req)
  if code < 3000 then extra = bind(req, code, extra) end
  if req.silent then
    extra = extra or {}
    extra.silent = true
  end
  return code, pc, extra
end

--- The type of the instances of the container at an address, contentInstance when there is no
-- container.  Yields.
function dispatch.holds(address)
  local r = tree.resolve(address)
  return types.by_name[r and r.type and r.type.instances] or types.by_name.content_instance
end

dispatch.sequence = event.sequence

--- The n (at most 1,000) newest instances of a container as plain tables, newest first, for
-- scripts; nil, err.  Yields.
function dispatch.newest(address, n)
  local r, e = tree.resolve(address)
  if not r then return nil, e end
  if r.virtual or not r.type.container then
    return nil, rsc.err(rsc.BAD_REQUEST, "to: %s is no container", address)
  end
  local list = {}
  n = math.max(1, math.min(math.floor(n), MAX_NEWEST))
  for i, row in ipairs(store.insts(r.id, "newest", n)) do
    list[i] = view.resource(tree.instance_of(r, row))
  end
  return list
end

return dispatch
