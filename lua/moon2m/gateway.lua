-- Gateways: the sockets, serial lines and brokers that scripts declare.  A declaration is a *spec*;
-- what is open for it is a *live* object, which outlives its spec when a new version of the script
-- declares the same key: then it changes hands, is not reopened, and loses nothing.
-- This file keeps what is open by the ids of moon2m.core.gateway, lets tasks wait for it, and holds
-- the limits; gateway/KIND.lua knows what a kind does.  User code runs through rule.lua alone.
--
-- live = { kind, spec = who owns it now, id = of the core or nil, started, paused = between adopt
-- and start, closed, gates = tasks that wait for something new }

local mistake = require "moon2m.mistake"
local rsc = require "moon2m.rsc"
local rules = require "moon2m.rule"
local sys = require "moon2m.core.sys"
local timers = require "moon2m.timers"

local gateway = {}

--- moon2m.core.gateway, asked for when first used: a script can be checked without it.
gateway.core = setmetatable({}, { __index = function(_, name)
  return require("moon2m.core.gateway")[name]
end })
local core = gateway.core

local limits = { host = "127.0.0.1", handles = 64, queue = 1000, bytes = 262144 }
local objects = {}               -- id of the core -> live object or connection
local SPEC = {}                  -- key of a handle's spec in its metatable, which no script sees
local TURN = 2000                -- microseconds of handlers before the loop has its turn
local MAX_WAIT = 1e8             -- seconds: no time limit

--- o: the configuration's section `gateways`.
function gateway.configure(o)
  for k in pairs(limits) do
    if o[k] ~= nil then limits[k] = o[k] end
  end
end

function gateway.limit(name) return limits[name] end

-- ---- errors -------------------------------------------------------------------------------------

--- Raises at the script's line, however deep in the library the mistake was seen.
gateway.fail, gateway.argument = mistake.fail, mistake.argument
local fail = mistake.fail

--- nil, err: the peer, the device or the broker is not there.
function gateway.unreachable(why)
  return nil, rsc.err(rsc.TARGET_NOT_REACHABLE, "%s", tostring(why))
end

--- nil, err: it took too long.
function gateway.late(fmt, ...)
  return nil, rsc.err(rsc.REQUEST_TIMEOUT, fmt, ...)
end

--- Checks a time limit of a script, argument `seconds` of the function `what`: nil or above 0.
function gateway.seconds(what, seconds)
  if seconds ~= nil and
      (type(seconds) ~= "number" or not (seconds > 0 and seconds <= MAX_WAIT)) then
    mistake.argument(what, "seconds", "a number above 0", seconds)
  end
end

--- Checks what a script sends, the argument `name` of the function `what`.  Returns it as text.
function gateway.text(what, name, v)
  if type(v) ~= "string" and type(v) ~= "number" then
    mistake.argument(what, name, "a text", v)
  end
  return tostring(v)
end

--- What every opening of the core needs, and the script's name for its counters.
function gateway.common(live, o)
  local out = {}
  for k, v in pairs(o) do out[k] = v end
  local spec = live.spec
  out.queue, out.bytes = limits.queue, limits.bytes
  out.script, out.kind = spec.scope.name, live.kind
  out.name = spec.scope.name .. " " .. spec.key
  return out
end

-- ---- what is new --------------------------------------------------------------------------------

--- obj.changed(obj) is called, and who waits for obj goes on, when something about the id is new.
function gateway.watch(id, obj)
  objects[id] = obj
  obj.id = id
end

--- Closes what the core has open for obj.
function gateway.release(obj)
  local id = obj.id
  if not id then return end
  obj.id, objects[id] = nil, nil
  core.close(id)
end

--- Whoever waits for obj goes on.
function gateway.wake(obj)
  local gates = obj.gates
  if not gates then return end
  obj.gates = nil
  for gate in pairs(gates) do timers.wake(gate) end
end

--- Waits for something new about obj: true | false, after `seconds`, or when the time of the
-- handler that waits is over.  Yields.
function gateway.wait(obj, seconds)
  local current = rules.current()
  local still = current and current.rule.still
  if still then fail("%s cannot wait for a socket", still) end
  local gate = timers.gate()
  obj.gates = obj.gates or {}
  obj.gates[gate] = true
  local most = math.min(seconds or MAX_WAIT, MAX_WAIT, rules.time_left() + 0.001)
  local woken = timers.wait(gate, math.max(0, most))
  if obj.gates then obj.gates[gate] = nil end
  return woken
end

--- Entry of the C core.
function gateway.changed(id)
  local obj = objects[id]
  if not obj then return end
  gateway.wake(obj)
  if obj.changed then obj:changed() end
end

-- ---- running handlers ---------------------------------------------------------------------------

--- What came for a rule that rests, or found no room in Lua.
function gateway.dropped(live, n)
  sys.count("moon2m_gateway_dropped_total", ('script="%s",kind="%s"'):format(
    live.spec.scope.name, live.kind), n, "Datagrams, messages and connections that found no room.")
end

--- Calls the handler of whoever owns live now.  about: of what, for the log; fate: what is lost.
function gateway.call(live, about, fate, ...)
  local rule = live.spec.rule
  if rules.is_resting(rule) then return gateway.dropped(live, 1) end
  local ok, what = rules.call(rule, 0, nil, ...)
  if ok then rules.succeeded(rule) else rules.report(rule, what, about, fate) end
end

--- Hands what waits in the core to the handler, one after the other; the loop has its turn between.
-- next(live) -> whether there was something.  Called whenever something may be there.
function gateway.pump(live, next)
  if live.closed or live.paused or not live.started then return end
  live.pumps = live.pumps or 0
  if live.pumps >= (live.spec.opts.parallel or 1) then return end
  live.pumps = live.pumps + 1
  timers.spawn(function()
    local ok, why = pcall(function()
      local began = sys.mono()
      while not live.closed and not live.paused and next(live) do
        if sys.mono() - began > TURN then
          sys.sleep(0)
          began = sys.mono()
        end
      end
    end)
    live.pumps = live.pumps - 1
    if not ok then sys.log("error", "gateway", tostring(why)) end
  end)
end

--- Seconds before the next attempt: `first`, then twice as long each time, at most a minute.
function gateway.backoff(live, first)
  local s = live.backoff or first
  live.backoff = math.min(s * 2, math.max(60, first))
  return s
end

-- ---- declarations and handles -------------------------------------------------------------------

local kinds = {}

-- The spec of a handle; nil of anything else.  It is kept by the handle itself: a table of all of
-- them would hold every version of a script whose functions use their handle.
local function spec_of(handle)
  local meta = debug.getmetatable(handle)
  return type(meta) == "table" and rawget(meta, SPEC) or nil
end

local function kind_of(name)
  local kind = kinds[name]
  if kind then return kind end
  kind = require("moon2m.gateway." .. name)
  kinds[name] = kind
  local methods = {}
  local function live_of(handle, method)
    local spec = spec_of(handle)
    if not spec then fail("use it as handle:%s(...), with a colon", method) end
    if spec.scope.staging then
      fail("sockets work inside a handler or cse.start, not while a script loads")
    end
    if not spec.live or spec.live.closed then fail("closed") end
    return spec.live
  end
  for method, fn in pairs(kind.methods) do
    methods[method] = function(handle, ...) return fn(live_of(handle, method), ...) end
  end
  function methods.close(handle)
    local spec = spec_of(handle)
    if not spec then fail("use it as handle:close(), with a colon") end
    if spec.live then gateway.close(spec.live) end
  end
  function kind.index(_, k)
    return methods[k] or fail("a %s handle has no function '%s'", name, tostring(k))
  end
  return kind
end

--- Reads a declaration's arguments while the script loads.  spec | nil, why.  The caller adds
-- spec.rule.
function gateway.declare(scope, name, ...)
  local kind = kind_of(name)
  local opts, why = kind.read(...)
  if not opts then return nil, why end
  local list = scope.gateways or {}
  scope.gateways = list
  if #list >= limits.handles then
    return nil, ("more than %d gateways in one script (configuration: gateways.handles)"):format(
      limits.handles)
  end
  local spec = { kind = name, scope = scope, opts = opts }
  spec.key, spec.alone = kind.key(opts)
  local base, n = spec.key, 1
  for _, other in ipairs(list) do
    if other.base == base then
      if spec.alone then return nil, ("%s is declared twice"):format(base) end
      n = n + 1
    end
  end
  spec.base = base
  if n > 1 then spec.key = ("%s #%d"):format(base, n) end
  list[#list + 1] = spec
  return spec
end

local function key_of(handle) return spec_of(handle).key end

--- What the script gets for a spec; its handlers get it too, as their last argument.
function gateway.handle(spec)
  spec.handle = setmetatable({}, { __metatable = "sealed", [SPEC] = spec, __tostring = key_of,
    __index = kind_of(spec.kind).index })
  return spec.handle
end

-- ---- life ---------------------------------------------------------------------------------------

--- Whether what is open for spec a serves spec b as well.
function gateway.same(a, b)
  for _, name in ipairs(kind_of(a.kind).fixed or {}) do
    if a.opts[name] ~= b.opts[name] then return false end
  end
  return true
end

--- Opens what must be open before the script counts.  live | nil, why.
function gateway.open(spec)
  local live = { kind = spec.kind, spec = spec }
  local kind = kind_of(spec.kind)
  if kind.bind then
    local ok, why = kind.bind(live)
    if not ok then return nil, why end
  end
  spec.live = live
  return live
end

--- The script counts: live does its work, for the first time or for its new owner.
function gateway.start(live)
  local kind = kind_of(live.kind)
  local moved = live.started
  live.started, live.paused = true, nil
  if moved then
    if kind.moved then kind.moved(live) end
    gateway.wake(live)
  elseif kind.start then
    kind.start(live)
  end
  if live.changed then live:changed() end
end

function gateway.close(live)
  if live.closed then return end
  live.closed = true
  local kind = kind_of(live.kind)
  if kind.stop then kind.stop(live) end
  gateway.release(live)
  gateway.wake(live)
end

return gateway
