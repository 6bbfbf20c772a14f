-- Run by `moon2m lua`: what the guard costs.  Prints JSON: microseconds per call of an empty
-- handler, bare, in a coroutine of its own, guarded with a meter, and as the runtime calls a rule.
-- The four take turns; the least of each counts, for whatever else runs on the machine adds time.

local guard = require "moon2m.core.guard"
local json = require "moon2m.json"
local rule = require "moon2m.rule"
local sys = require "moon2m.core.sys"

local CALLS, TURNS = 2000, 400

local fn = guard.compile("return function() end", "@empty.lua", {})()
local meter = guard.meter(0.1, 32 * 1048576, "empty", "on create /x (empty.lua:1)")
local scope = { name = "empty", file = "empty.lua", rules = {} }
local declared = rule.new(scope, "on", "on create /x", fn, "empty.lua:1")
local event = { op = "create", to = "/x" }

local ways = {
  bare = function(ev) return fn(ev) end,
  coroutine = function(ev) return coroutine.resume(coroutine.create(fn), ev) end,
  guarded = function(ev) return guard.resume(meter, "r", coroutine.create(fn), ev) end,
  rule = function(ev) return rule.call(declared, 0, nil, ev) end,
}

local least = {}
for _ = 1, TURNS do
  for name, way in pairs(ways) do
    local at = sys.mono()
    for _ = 1, CALLS do way(event) end
    least[name] = math.min(least[name] or math.huge, (sys.mono() - at) / CALLS)
  end
end
io.write(json.encode(least), "\n")
