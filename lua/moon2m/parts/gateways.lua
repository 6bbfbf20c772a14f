-- Sockets, serial lines and brokers of scripts (cse.udp, cse.tcp, cse.serial, cse.mqtt) over a
-- scope's life.  What the new version of a script declares under the same key changes hands: it
-- stays open, and what waits in it is handled by the new version.

local gateway = require "moon2m.gateway"

local part = {}

local function find(scope, key)
  for _, spec in ipairs(scope and scope.gateways or {}) do
    if spec.key == key then return spec end
  end
end

function part.check(scope, others)
  for _, spec in ipairs(scope.gateways or {}) do
    for _, other in ipairs(spec.alone and others or {}) do
      if find(other, spec.key) then
        return nil, ("%s: %s is used by %s"):format(spec.rule.where_declared, spec.key, other.file)
      end
    end
  end
  return true
end

local function take_over(spec, old, undo)
  local live = old.live
  live.spec, live.paused = spec, true
  spec.live = live
  undo[#undo + 1] = function()
    live.spec, live.paused, spec.live = old, nil, nil
    if live.changed then live:changed() end
  end
end

local function open(spec, undo)
  local live, why = gateway.open(spec)
  if not live then
    error(("%s: cse.%s: %s"):format(spec.rule.where_declared, spec.kind, why), 0)
  end
  undo[#undo + 1] = function() gateway.close(live) end
end

function part.adopt(scope, previous, undo)
  for _, spec in ipairs(scope.gateways or {}) do
    local old = find(previous, spec.key)
    if old and old.live and not old.live.closed and gateway.same(old, spec) then
      take_over(spec, old, undo)
    else
      open(spec, undo)
    end
  end
end

-- What was not taken over although its key is declared again stands in the way of its successor.
local function make_way(scope, previous)
  for _, old in ipairs(previous and previous.gateways or {}) do
    if old.live and old.live.spec == old and find(scope, old.key) then gateway.close(old.live) end
  end
end

function part.start(scope, previous)
  make_way(scope, previous)
  for _, spec in ipairs(scope.gateways or {}) do
    if not spec.live.closed then gateway.start(spec.live) end
  end
end

function part.drop(scope)
  for _, spec in ipairs(scope.gateways or {}) do
    if spec.live and spec.live.spec == spec then gateway.close(spec.live) end
  end
end

function part.leaks(scope)
  local n = 0
  for _, spec in ipairs(scope.gateways or {}) do
    local live = spec.live
    if live and live.spec == spec and not live.closed then n = n + 1 end
  end
  return n
end

return part
